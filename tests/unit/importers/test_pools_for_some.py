"""A pool is for the clients it was for; where no words say them, for nobody and never for everyone."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from coexist.analysis import Severity
from coexist.cli import run
from coexist.importers import Imported, import_files
from coexist.inventory import load_inventory
from coexist.render.limits import limits

SOURCES = {
    "dhcpd": """
        option arch code 93 = unsigned integer 16;
        class "arm" { match if option arch = 00:0b; }
        subnet 192.0.2.0 netmask 255.255.255.0 {
          pool { range 192.0.2.50 192.0.2.60; allow members of "arm"; }
        }
        """,
    "dhcpd, denied": """
        option arch code 93 = unsigned integer 16;
        class "arm" { match if option arch = 00:0b; }
        subnet 192.0.2.0 netmask 255.255.255.0 {
          pool { range 192.0.2.50 192.0.2.60; deny members of "arm"; }
        }
        """,
    "dnsmasq": """
        listen-address=192.0.2.2
        dhcp-range=tag:kiosk,192.0.2.50,192.0.2.60,255.255.255.0,1h
        dhcp-userclass=set:kiosk,kiosk
        """,
    "kea": """
        {"Dhcp4": {
          "client-classes": [{"name": "pxe", "test": "substring(option[60].hex,0,9) == 'PXEClient'"}],
          "subnet4": [{"id": 1, "subnet": "192.0.2.0/24",
                       "pools": [{"pool": "192.0.2.50-192.0.2.60", "client-class": "pxe"}]}]}}
        """,
    "kea, subnet": """
        {"Dhcp4": {
          "client-classes": [{"name": "pxe", "test": "substring(option[60].hex,0,9) == 'PXEClient'"}],
          "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "client-class": "pxe",
                       "pools": [{"pool": "192.0.2.50-192.0.2.60"}]}]}}
        """,
    "kea, subnet for one of several": """
        {"Dhcp4": {
          "client-classes": [{"name": "pxe", "test": "substring(option[60].hex,0,9) == 'PXEClient'"}],
          "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "client-classes": ["pxe"],
                       "pools": [{"pool": "192.0.2.50-192.0.2.60"}]}]}}
        """,
    "kea, subnet for who is known in it": """
        {"Dhcp4": {
          "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "client-class": "KNOWN",
                       "pools": [{"pool": "192.0.2.50-192.0.2.60"}]}]}}
        """,
    "kea, subnet with a reservation": """
        {"Dhcp4": {
          "client-classes": [{"name": "pxe", "test": "substring(option[60].hex,0,9) == 'PXEClient'"}],
          "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "client-class": "pxe",
                       "pools": [{"pool": "192.0.2.50-192.0.2.60"}],
                       "reservations": [{"hw-address": "52:54:00:00:00:01", "ip-address": "192.0.2.9"}]}]}}
        """,
}


SAID: dict[str, dict[str, Any]] = {
    "dhcpd": {"architectures": ["uefi-arm64"]},
    "dnsmasq": {"when": [{"option": 77, "contains": "kiosk"}]},
    "kea": {"vendor_class": "PXEClient"},
    "kea, subnet": {"vendor_class": "PXEClient"},
    "kea, subnet for one of several": {"vendor_class": "PXEClient"},
}


def read(name: str, folder: Path) -> Imported:
    path = folder / "source.conf"
    path.write_text(dedent(SOURCES[name]))
    return import_files(name.partition(",")[0], [path])


@pytest.mark.parametrize("name", SAID)
def test_what_its_clients_send_stays_a_condition(name: str, tmp_path: Path) -> None:
    scope: dict[str, Any] = next(iter(read(name, tmp_path).tree["scopes"].values()))
    assert scope["pools"] == [{"range": "192.0.2.50-192.0.2.60", **SAID[name]}]


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - SAID.keys()))
def test_else_it_leases_to_nobody_and_says_so(name: str, tmp_path: Path) -> None:
    imported = read(name, tmp_path)
    scopes: dict[str, Any] = imported.tree.get("scopes", {})
    pools = [pool for scope in scopes.values() for pool in scope.get("pools", ())]
    assert all(pool["allow"] == "nobody" for pool in pools)
    assert imported.not_modelled


@pytest.mark.parametrize(
    "permits",
    ['deny members of "odd";', "deny after 4 2026/01/01 00:00:00;", 'allow members of "odd";'],
)
def test_a_pool_that_no_words_say_keeps_its_file_from_being_written_anew(
    permits: str, tmp_path: Path
) -> None:
    """The pool of a dhcpd that is left out is an error of check, as a lost range is."""
    conf = tmp_path / "dhcpd.conf"
    conf.write_text(
        'class "odd" { match if known and exists host-name; }\n'
        "subnet 192.0.2.0 netmask 255.255.255.0 {\n"
        f"  pool {{ range 192.0.2.50 192.0.2.60; {permits} }}\n"
        "  pool { range 192.0.2.70 192.0.2.80; }\n}\n"
    )
    site = tmp_path / "site"
    words = ["--output", str(site), "--address", "192.0.2.2", "--in-words"]
    assert run(["import", "dhcpd", str(conf), *words]) == 0
    inventory = load_inventory(site)
    (scope,) = inventory.site.scopes.values()
    assert [str(pool.range) for pool in scope.pools] == ["192.0.2.70-192.0.2.80"]
    found = [f for f in limits(inventory) if f.code.code == "CX524"]
    assert [f.severity for f in found] == [Severity.ERROR]
    assert f"{conf}:3:" in "".join(inventory.site.servers["dhcp"].left_out)
    assert run(["check", str(site)]) == 1
