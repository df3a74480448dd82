"""No module but the table and a product's own knows a product by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from coexist.inventory import products as table
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
RECORDS = {name for name, value in vars(table).items() if isinstance(value, table.Product)}


def _is_record(node: ast.AST) -> bool:
    """Whether an expression is a product's record, something of it (``KEA.software``), or holds one."""
    inner = [*node.elts] if isinstance(node, ast.Tuple | ast.Set | ast.List) else [node]
    owners = [part.value if isinstance(part, ast.Attribute) else part for part in inner]
    return any(isinstance(owner, ast.Name) and owner.id in RECORDS for owner in owners)


def _compared(tree: ast.AST) -> Iterator[int]:
    """Lines that compare a product or its name, match it, or look it up."""
    for node in ast.walk(tree):
        operands: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            operands = [node.subject]
        elif isinstance(node, ast.Subscript):
            operands = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            operands = list(node.args)
        compares = isinstance(node, ast.Compare) and any(map(_is_record, operands))
        if compares or any(map(_is_name, operands)):
            yield node.lineno  # type: ignore[attr-defined]


# The two that turn the name into the record.
READERS = {"inventory/servers.py", "inventory/software.py"}


def test_no_module_writes_the_name_of_a_product() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in _modules()
        for line in _names_in(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_no_module_compares_the_name_of_a_product() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in _modules()
        if path.relative_to(PACKAGE).as_posix() not in READERS
        for line in _compared(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


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
        ("match server.software.product:\n case _: pass", 0, 1),
        ('f"kea asks {x}"', 0, 0),
    ],
)
def test_what_the_lint_sees(text: str, written: int, compared: int) -> None:
    tree = ast.parse(text)
    assert len(list(_names_in(tree))) == written
    assert len(list(_compared(tree))) == compared
