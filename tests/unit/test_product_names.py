"""No module but the table and a product's own knows a product by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from coexist.inventory import products as table
from coexist.inventory.product import Product
from coexist.inventory.products import COEXIST, GENERIC, products
from tests.conftest import ROOT

PACKAGE = ROOT / "coexist"
OWN_ROOMS = (
    "languages/",
    "render/targets/",
    "boot/servers/",
    "importers/dhcpd/",
    "importers/dnsmasq/",
    "importers/kea/",
    # A firewall's file says by its own words which daemon it runs.
    "importers/firewall",
)
"""Where a product's own modules are: each knows itself."""
TABLE = "inventory/products.py"

# The program's own name and a plain word: told apart from a product's only where they are compared.
WORDS = {COEXIST.name, GENERIC.name}


def _modules() -> list[Path]:
    return sorted(
        path
        for path in PACKAGE.rglob("*.py")
        if not path.relative_to(PACKAGE).as_posix().startswith((*OWN_ROOMS, TABLE))
    )


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _names_in(tree: ast.AST) -> Iterator[int]:
    """Lines with a text that is a product's name, with or without a version."""
    names = set(products()) - WORDS
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            first, _, version = node.value.partition(" ")
            if first in names and (not version or version[0].isdigit()):
                yield node.lineno


def _is_name(node: ast.AST) -> bool:
    """Whether an expression is a product's name: ``software.product`` or ``product.name``."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value
    of = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return (of, node.attr) in {("software", "product"), ("product", "name")}


# The table's records, by the constants that hold them.
RECORDS = {name for name, value in vars(table).items() if isinstance(value, Product)}


def _aliases(tree: ast.AST) -> set[str]:
    """What a module calls the table's records."""
    imported = [name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names]
    return RECORDS | {name.asname for name in imported if name.asname and name.name in RECORDS}


def _is_record(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression is a product's record, something of it (``KEA.software``), or holds one."""
    inner = [*node.elts] if isinstance(node, ast.Tuple | ast.Set | ast.List) else [node]
    return any(
        (isinstance(part, ast.Name) and part.id in names)
        or (isinstance(part, ast.Attribute) and part.attr in RECORDS)
        for whole in inner
        for part in ast.walk(whole)
    )


def _says_product(node: ast.AST) -> bool:
    """Whether an expression is made of what a server runs: ``server.software``, ``str(product)``."""
    return any(
        _is_name(part)
        or (isinstance(part, ast.Attribute) and part.attr in ("software", "product"))
        or (isinstance(part, ast.Name) and part.id in ("software", "product"))
        for part in ast.walk(node)
    )


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# What takes a text apart, and what looks for a pattern in it.
PARTS = {"startswith", "endswith", "find", "index", "count", "split", "partition", "removeprefix", "lower"}
PATTERNS = {"match", "fullmatch", "search", "fnmatch", "fnmatchcase"}


def _asks_a_text(node: ast.Call) -> bool:
    """Whether a call takes a product's name apart, or looks for a pattern in it."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if isinstance(node.func, ast.Attribute) and name in PARTS and _says_product(node.func.value):
        return True
    return name in PATTERNS and any(map(_says_product, node.args))


def _asks_a_model(node: ast.Call, models: set[str]) -> bool:
    """Whether a call asks of which product's model an object is."""
    if not (isinstance(node.func, ast.Name) and node.func.id == "isinstance" and len(node.args) == 2):
        return False
    return any(isinstance(part, ast.Name) and part.id in models for part in ast.walk(node.args[1]))


def _models(tree: ast.AST) -> set[str]:
    """The classes that a module has from the rooms of single products."""
    return {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("coexist.boot.servers.")
        for name in node.names
    }


def _compared(tree: ast.AST) -> Iterator[int]:
    """Lines that compare a product or its name, match it, look it up, or keep a table by it."""
    names, models = _aliases(tree), _models(tree)
    for node in ast.walk(tree):
        operands: list[ast.AST] = []
        found = False
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            found = any(_is_record(each, names) for each in operands)
            found |= any(map(_is_text, operands)) and any(map(_says_product, operands))
        elif isinstance(node, ast.Match):
            operands = [node.subject]
        elif isinstance(node, ast.MatchValue):
            found = _is_record(node.value, names)
        elif isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            operands = [node.slice]
        elif isinstance(node, ast.Dict):
            found = any(key is not None and _is_record(key, names) for key in node.keys)
        elif isinstance(node, ast.Set):
            found = _is_record(node, names)
        elif isinstance(node, ast.Call):
            operands = list(node.args) if getattr(node.func, "attr", "") == "get" else []
            sets = getattr(node.func, "id", "") in ("set", "frozenset")
            found = sets and any(_is_record(each, names) for each in node.args)
            found |= _asks_a_text(node) or _asks_a_model(node, models)
        if found or any(map(_is_name, operands)):
            yield node.lineno  # type: ignore[attr-defined]


# The two that turn the name into the record.
READERS = {"inventory/servers.py", "inventory/software.py"}


def test_no_module_writes_the_name_of_a_product() -> None:
    found = [f"{path.relative_to(PACKAGE)}:{line}" for path in _modules() for line in _names_in(_tree(path))]
    assert found == []


def test_no_module_compares_the_name_of_a_product() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in _modules()
        if path.relative_to(PACKAGE).as_posix() not in READERS
        for line in _compared(_tree(path))
    ]
    assert found == []


TEMPLATES = ROOT / "templates"


def test_no_template_but_a_products_own_asks_for_a_product() -> None:
    """Each product's templates are in a folder of its name; pages are the same for all."""
    shared = [path for path in TEMPLATES.rglob("*.j2") if path.parent.name not in products()]
    names = "|".join(sorted(set(products()) - WORDS))
    asks = re.compile(rf"\b({names})\b|(software|product)\S* *(==|!=| in | is )")
    assert shared
    assert [
        path for path in shared if any(map(asks.search, _code_of(path.read_text(encoding="utf-8"))))
    ] == []


def _code_of(template: str) -> list[str]:
    """What a template asks and looks up: all between its braces."""
    return re.findall(r"\{[%{].*?[%}]\}", template, re.DOTALL)


@pytest.mark.parametrize(
    ("text", "written", "compared"),
    [
        ('x = "kea"', 1, 0),
        ('x = {"isc-dhcpd 4.4": 1}', 1, 0),
        ('x = "coexist"', 0, 0),
        ('server.software.product == "coexist"', 0, 1),
        ("TABLE[server.software.product]", 0, 1),
        ("TABLE.get(product.name)", 0, 1),
        ("server.product == KEA", 0, 1),
        ("self.product is DNSMASQ", 0, 1),
        ("(one.product, other.product) == (ISC_DHCPD, KEA)", 0, 1),
        ("text == TFTPD.software", 0, 1),
        ("server.product in {KEA, DNSMASQ}", 0, 1),
        ("one.product == other.product", 0, 0),
        ('str(server.software).startswith("isc")', 0, 1),
        ('server.product.name.lower() == "windows"', 0, 1),
        ('"dhcpd" in str(server.software)', 0, 1),
        ('re.match("dns.*", server.software.product)', 0, 1),
        ("from coexist.inventory.products import KEA as K\nserver.product == K", 0, 1),
        ("server.product is products.KEA", 0, 1),
        ("match server.product:\n case table.KEA: pass", 0, 1),
        ("TOLD = {KEA: 1}", 0, 1),
        ("TOLD = {KEA.name: 1}", 0, 1),
        ("OURS = frozenset((KEA, DNSMASQ))", 0, 1),
        ("from coexist.boot.servers.kea import Kea\nisinstance(model, Kea)", 0, 1),
        ("tree = {'software': TFTPD.name}", 0, 0),
        ("match server.software.product:\n case _: pass", 0, 1),
        ('f"kea asks {x}"', 0, 0),
    ],
)
def test_what_the_lint_sees(text: str, written: int, compared: int) -> None:
    tree = ast.parse(text)
    assert len(list(_names_in(tree))) == written
    assert len(set(_compared(tree))) == compared
