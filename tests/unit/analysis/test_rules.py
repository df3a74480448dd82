"""What the examples of the findings' pages leave open."""

from __future__ import annotations

from typing import Any

from coexist.analysis import Finding, analyse
from coexist.inventory import inventory_from_tree


def found(code: str, **changes: Any) -> list[Finding]:
    site: dict[str, Any] = {
        "site": "small",
        "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": {"dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"}},
        "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]}},
        "intent": [{"clients": "everyone", "boot_from": "nobody"}],
    }
    analysis = analyse(inventory_from_tree({**site, **changes}))
    return [finding for finding in analysis.findings if finding.code.code == code]


def test_a_pool_that_holds_two_others_overlaps_both() -> None:
    pools = ["10.0.1.0-10.0.1.255", "10.0.1.10-10.0.1.19", "10.0.1.30-10.0.1.39", "10.0.2.0-10.0.2.9"]
    scopes = {
        f"s{number}": {"server": "dhcp", "vlan": "office", "pools": [pool]}
        for number, pool in enumerate(pools)
    }
    assert [finding.message for finding in found("CX208", scopes=scopes)] == [
        "the pools of s0 and s1 both lease 10.0.1.10 to 10.0.1.19",
        "the pools of s0 and s2 both lease 10.0.1.30 to 10.0.1.39",
    ]


def test_who_boots_by_a_scope_against_the_intent_is_told_to_change_the_scope() -> None:
    scope = {
        "server": "dhcp",
        "vlan": "office",
        "pools": ["10.0.1.0-10.0.1.99"],
        "next_server": "tftp",
        "rules": [{"architectures": "bios", "filename": "pxelinux.0"}],
    }
    dhcp = {"software": "kea", "address": "10.0.0.2", "vlan": "office"}
    tftp = {"software": "tftpd", "address": "10.0.0.3", "vlan": "office"}
    (finding,) = found("CX321", servers={"dhcp": dhcp, "tftp": tftp}, scopes={"office": scope})
    assert finding.path == ("scopes", "office", "rules", 0, "filename")
    assert finding.message == "tftp boots clients on VLAN office that shall boot from nobody"
    assert "take the boot file out of the scope" in finding.repair
    repaired = {**scope, "rules": []}
    assert found("CX321", servers={"dhcp": dhcp, "tftp": tftp}, scopes={"office": repaired}) == []


def test_dnsmasq_gives_http_clients_no_empty_offer() -> None:
    """Its proxy answers PXEClient only; the PXE clients without a program get the empty offer."""
    place = {"vlan": "office", "programs": {"bios": "a.0"}}
    servers = {
        "dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"},
        "fog": {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"], "address": "10.0.0.3", **place},
        "web": {
            "software": "coexist",
            "roles": ["proxydhcp", "tftp", "http"],
            "address": "10.0.0.4",
            "vlan": "office",
            "programs": {"http-x64": "http://10.0.0.4/a.efi", "uefi-x64": "a.efi"},
        },
    }
    spoiled = found(
        "CX420",
        servers=servers,
        architectures={"uefi-x64": "edk2", "http-x64": "edk2-http"},
        intent=[{"clients": "everyone", "boot_from": "web"}],
    )
    assert [(f.path, f.witness and f.witness.architecture) for f in spoiled] == [
        (("servers", "fog", "programs"), "uefi-x64")
    ]
