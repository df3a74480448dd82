"""No module but the table and a product's own knows a product by its name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from coexist.inventory.products import products
from tests.conftest import ROOT
from tests.unit.product_lint import WORDS, compared, imported, is_own, names_in

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


def _modules() -> list[Path]:
    return sorted(
        path
        for path in PACKAGE.rglob("*.py")
        if not path.relative_to(PACKAGE).as_posix().startswith((*OWN_ROOMS, TABLE))
        and not is_own(_module(path))
    )


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# It turns the name into the record.
READER = "inventory/software.py"

# What shared modules may import of a single product's, and why.
ALLOWED = {
    # A DHCP server that offers at once, whichever it is, to see when a firmware asks.
    "analysis/schedule.py": ("coexist.boot.servers.dhcpd",),
    # How one product's file becomes another's: the record of the first names it.
    "app/convert/": ("coexist.languages.dhcpd.", "coexist.languages.kea."),
    # The bridge of a rollout is a boot server of coexist's own, whatever it stands in for.
    "rollout/bridge.py": ("coexist.boot.servers.coexist", "coexist.render.targets.coexist"),
}


def test_no_module_writes_the_name_of_a_product() -> None:
    found = [f"{path.relative_to(PACKAGE)}:{line}" for path in _modules() for line in names_in(_tree(path))]
    assert found == []


def test_no_module_compares_the_name_of_a_product() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in _modules()
        if path.relative_to(PACKAGE).as_posix() != READER
        for line in compared(_tree(path))
    ]
    assert found == []


def test_no_shared_module_imports_what_is_a_products_own() -> None:
    found = []
    for path in _modules():
        name = path.relative_to(PACKAGE).as_posix()
        allowed = tuple(
            module for where, them in ALLOWED.items() if name.startswith(where) for module in them
        )
        found += [
            f"{name}:{line} {m}" for m, line in imported(_tree(path)) if not m.startswith(allowed or "-")
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
    ("text", "module"),
    [
        ("from coexist.languages.kea.json_nodes import Node", "coexist.languages.kea.json_nodes"),
        ("from coexist.boot.leases import kea_file", "coexist.boot.leases.kea_file"),
        ("def f():\n import coexist.render.targets.wds as w", "coexist.render.targets.wds"),
        ("from coexist.boot.leases.lease_times import one_time", None),
        ("from coexist.boot.servers.generic import GenericModel", None),
        ("from coexist.languages.source_files import files_of", None),
    ],
)
def test_which_imports_are_of_a_single_product(text: str, module: str | None) -> None:
    assert next((found for found, _ in imported(ast.parse(text))), None) == module


@pytest.mark.parametrize(
    ("text", "written", "found"),
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
        ("match server.product:\n case table.KEA: pass", 0, 2),
        ("TOLD = {KEA: 1}", 0, 1),
        ("TOLD = {KEA.name: 1}", 0, 1),
        ("OURS = frozenset((KEA, DNSMASQ))", 0, 1),
        ("from coexist.boot.servers.kea import Kea\nisinstance(model, Kea)", 0, 1),
        ("tree = {'software': TFTPD.name}", 0, 0),
        ("match server.software.product:\n case _: pass", 0, 1),
        ('f"kea asks {x}"', 0, 0),
        ('f"Kea {x}"', 0, 0),
        ('x = "Kea"', 1, 0),
        ('x = b"kea"', 1, 0),
        ('x = "dns" + "masq"', 1, 0),
        ('getattr(products, "KEA")', 1, 0),
        # What a module calls a record, alone or among others.
        ("OURS = (KEA, DNSMASQ)\nserver.product in OURS", 0, 1),
        ("OURS = [*OTHERS, KEA.name]\ntext in OURS", 0, 1),
        ("wanted = KEA if x else DNSMASQ\nserver.product is wanted", 0, 1),
        ("def f(product, wanted=KEA): return product is wanted", 0, 1),
        ("[s for one in (KEA, DNSMASQ) for s in servers if s.product is one]", 0, 1),
        # What says the product by another name.
        ("name = str(server.software)\nname.startswith('isc')", 0, 1),
        ("own = server.product\nown.language == 'JSON'", 0, 1),
        ("if (own := server.product).target == PATH: pass\nPATH = '/etc/kea'", 0, 1),
        ("own = server.product\nlanguage = own.language or ''\nlanguage[:4] == 'dhcp'", 0, 1),
        ("getattr(server, 'product').describe == 'ISC Kea'", 0, 1),
        ("f'{server.software}' == 'kea 2.2'", 1, 1),
        # Traits that tell one product from all others.
        ("server.product.language in {'JSON', 'LDIF'}", 0, 1),
        ("LANGUAGES = ('JSON', 'LDIF')\nserver.product.language in LANGUAGES", 0, 1),
        ("match server.product.language:\n case 'JSON': pass", 0, 1),
        ("{'JSON': 1}[server.product.language]", 0, 1),
        ("TOLD.get(server.product.language, 1)", 0, 1),
        ("any(map(server.product.target.__contains__, x)) or server.product.target.count('kea')", 1, 1),
        ("match server.product:\n case Product(modelled='2.2'): pass", 0, 2),
        # Without an operator.
        ("operator.eq(server.product, KEA)", 0, 1),
        ("KEA.__eq__(server.product)", 0, 1),
        ("[s.product for s in servers].count(KEA)", 0, 1),
        ("dict([(KEA, 1)])", 0, 1),
        ("dict.fromkeys((KEA, DNSMASQ), 1)", 0, 1),
        ("TOLD.get(KEA)", 0, 1),
        ("groupby(servers, attrgetter('software.product'))", 0, 1),
        ("re.search('kea', x, server.product.target)", 1, 1),
        # Of which product an object is.
        ("from coexist.boot.servers.kea import Kea\ntype(model) is Kea", 0, 1),
        ("from coexist.boot.servers.kea import Kea\nmatch model:\n case Kea(): pass", 0, 1),
        ("from coexist.boot.leases.kea_file import KeaLeases\nisinstance(own.leases, KeaLeases)", 0, 1),
        # What asks for no product.
        ("server.product.pings and server.product.takes_programs", 0, 0),
        ("server.product.usual_roles == {'tftp'}", 0, 0),
        ("if server.product.exported: x = f'{server.product.describe} has none'", 0, 0),
        ("path = server.product.own_main or server.product.target", 0, 0),
        ("command = server.product.check\ncommand.replace('{path}', x)", 0, 0),
        ("part(GENERIC, 'leases')", 0, 0),
        ("{'software': KEA.software, 'roles': x}", 0, 0),
        ("for name in server.product.settings: roles.get(name) == 'dhcp'", 0, 0),
    ],
)
def test_what_the_lint_sees(text: str, written: int, found: int) -> None:
    tree = ast.parse(text)
    assert (len(set(names_in(tree))), len(compared(tree))) == (written, found)
