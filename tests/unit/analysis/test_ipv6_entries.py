"""Machines whose first boot entry is over IPv6: leases are asked by the first packet over IPv4."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from coexist.analysis import analyse
from coexist.inventory import load_inventory

OWN = """\
subnet 10.1.0.0 netmask 255.255.255.0 {
  range 10.1.0.50 10.1.0.90; option routers 10.1.0.1; next-server 10.1.0.5; filename "x.efi";
}
"""
SCOPE = {
    "server": "dhcp",
    "vlan": "lan",
    "pools": ["10.1.0.50-10.1.0.90"],
    "options": {3: "10.1.0.1"},
    "next_server": "dhcp",
    "filename": "x.efi",
}


def codes(folder: Path, entries: list[str], *, own: bool) -> set[str]:
    """What is found of a site whose machines have these boot entries."""
    tree = {
        "site": "six",
        "vlans": {"lan": {"id": 1, "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}},
        "servers": {
            "dhcp": {
                "software": "isc-dhcpd 4.4",
                "address": "10.1.0.5",
                "vlan": "lan",
                "roles": ["dhcp", "tftp"],
                **({"config": "dhcpd.conf"} if own else {"ping_check": False}),
            }
        },
        **({} if own else {"scopes": {"lan": SCOPE}}),
        "firmwares": {"six-first": {"like": "uefi-boot-order", "parameters": {"entries": entries}}},
        "architectures": {"uefi-x64": "six-first"},
        "intent": [{"clients": "everyone", "boot_from": "dhcp"}],
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(tree))
    (folder / "dhcpd.conf").write_text(OWN)
    return {finding.code.code for finding in analyse(load_inventory(folder)).findings}


@pytest.mark.parametrize("own", [False, True])
def test_the_entry_over_ipv4_that_follows_is_what_boots(tmp_path: Path, own: bool) -> None:
    found = codes(tmp_path, ["pxe-ipv6", "pxe-ipv4"], own=own)
    # The entry over IPv6 takes a minute to fail.
    assert "CX308" in found
    assert not found & {"CX214", "CX302"}


@pytest.mark.parametrize("own", [False, True])
def test_without_an_entry_over_ipv4_nothing_boots_and_no_pool_is_blamed(tmp_path: Path, own: bool) -> None:
    found = codes(tmp_path, ["pxe-ipv6"], own=own)
    assert "CX302" in found
    assert "CX214" not in found
