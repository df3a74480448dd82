"""Every target from the campus: the same bytes twice, the bytes that were agreed on, accepted by its checker.

``COEXIST_WRITE_GOLDEN=1 pytest tests/golden`` writes what is rendered now; look at the difference before
you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from coexist.errors import Position
from coexist.inventory import Inventory, inventory_from_tree
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.products import GENERIC, products
from coexist.render import RenderedFile, RenderedSite, render_site
from tests.conftest import ROOT
from tests.golden import checkers

pytestmark = pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq")

HERE = Path(__file__).parent
CAMPUS = ROOT / "inventories" / "campus"

Changes = dict[str, dict[str, Any]]

# What is changed in the campus so that each product has its turn; a value of None takes the key away.
VARIANTS: dict[str, Changes] = {
    "as-it-is": {},
    "kea-2.2": {"dhcp-core": {"software": "kea 2.2"}},
    "kea-3.0": {"dhcp-core": {"software": "kea 3.0"}},
    "dnsmasq": {
        "dhcp-core": {"software": "dnsmasq 2.90", "roles": ["dhcp"]},
        "sccm": {"software": "dnsmasq 2.90", "roles": ["proxydhcp", "tftp"], "delay": 1},
    },
    "microsoft": {
        "dhcp-core": {"software": "windows-dhcp"},
        "otc": {
            "software": "wds",
            "programs": {"bios": "boot\\x64\\wdsnbp.com", "uefi-x64": "boot\\x64\\wdsmgfw.efi"},
        },
        "sccm": {
            "software": "configmgr",
            "answers": {"except": ["thin-clients"]},
            "delay": {"secs_at_least": 4},
            "programs": None,
            "settings": {"server_name": "sccm.campus.example", "site_code": "NRD"},
        },
    },
    "openthinclient": {"otc": {"software": "openthinclient 2603"}},
    "anything-else": {"otc": {"software": "generic", "roles": ["proxydhcp", "tftp"]}},
}


def campus(changes: Changes) -> Inventory:
    place = SourceMap(Position("site.yaml"))
    tree = read_yaml((CAMPUS / "site.yaml").read_text(), "site.yaml", place, [])
    for name, change in changes.items():
        server = tree["servers"][name]
        server.update(change)
        for key in [key for key, value in change.items() if value is None]:
            del server[key]
    return inventory_from_tree(tree, CAMPUS)


def all_files(site: RenderedSite) -> dict[str, RenderedFile]:
    own = {f"{name}/{file.path}": file for name, files in site.files.items() for file in files}
    return own | {f"_site/{file.path}": file for file in site.site_files}


@pytest.mark.parametrize("variant", VARIANTS)
def test_rendered_as_agreed(variant: str) -> None:
    first, second = (render_site(campus(VARIANTS[variant])) for _ in range(2))
    assert not first.findings
    files = {path: file.content for path, file in all_files(first).items()}
    assert files == {path: file.content for path, file in all_files(second).items()}
    folder = HERE / variant
    if os.environ.get("COEXIST_WRITE_GOLDEN"):
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    agreed = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert files.keys() == agreed.keys()
    for path, content in files.items():
        assert content.decode() == agreed[path].decode(), path


@pytest.mark.parametrize("variant", VARIANTS)
def test_accepted_by_the_real_checker(variant: str, tmp_path: Path) -> None:
    checked = 0
    for path, file in all_files(render_site(campus(VARIANTS[variant]))).items():
        written = tmp_path / path
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_bytes(file.content)
        if written.name == "kea-dhcp4.conf":
            (checkers.kea_3 if variant == "kea-3.0" else checkers.kea)(written)
        else:
            checkers.check(written)
        checked += 1
    assert checked > 3


def test_each_product_has_its_turn() -> None:
    turns = {
        str(server.software.product)
        for changes in VARIANTS.values()
        for server in campus(changes).site.servers.values()
    }
    assert turns == {product.name for product in products().values() if product.language} | {GENERIC.name}
