"""A refusal that keeps clients from addresses which another line gives them (CX224)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from coexist.analysis import Analysis, Finding, Severity, analyse
from coexist.inventory import inventory_from_tree
from coexist.render.limits import limits

KNOWN, OTHER, NEW = 0x0080_6400_0001, 0x0080_6400_0002, 0x0200_0000_0001
CLIENTS = [{"mac": "00:80:64:00:00:01", "name": "pc-1"}]
REFUSAL = {"clients": "unknown", "ignore": True}
INTENT = [{"clients": "known", "boot_from": "boot"}, {"clients": "everyone", "boot_from": "nobody"}]


def scope(network: str, *rules: Any, **more: Any) -> dict[str, Any]:
    declared = {"server": "dhcp", "vlan": "office", "subnet": f"{network}.0/24", "rules": [*rules]}
    options = {3: f"{network}.1"}
    return {**declared, "pools": [f"{network}.100-{network}.199"], "options": options, **more}


def site(first: dict[str, Any], second: dict[str, Any], dhcp: str = "kea 2.2", **changes: Any) -> Analysis:
    tree: dict[str, Any] = {
        "site": "refusals",
        "vlans": {
            "office": {"id": 1, "subnet": ["10.0.1.0/24", "10.0.2.0/24"], "gateway": "10.0.1.1"},
            "far": {"id": 2, "subnet": "10.0.3.0/24", "gateway": "10.0.3.1", "relay_to": ["dhcp"]},
        },
        "servers": {
            "dhcp": {"software": dhcp, "address": "10.0.1.2", "vlan": "office", "roles": ["dhcp"]},
            "boot": {
                "software": "coexist",
                "address": "10.0.1.3",
                "vlan": "office",
                "programs": {"bios": "a.0"},
                "answers": {"only": "known"},
            },
        },
        "clients": [
            {"mac": "00:80:64:00:00:01", "name": "pc-1"},
            {"mac": "00:80:64:00:00:02", "name": "pc-2", "address": "10.0.2.50"},
        ],
        "scopes": {"first": first, "second": second},
        "architectures": {"bios": "ipxe"},
        "intent": INTENT,
        **changes,
    }
    inventory = inventory_from_tree(tree)
    return analyse(inventory, None, partial(limits, inventory))


def told(analysis: Analysis) -> list[Finding]:
    return [finding for finding in analysis.findings if finding.code.code == "CX224"]


def test_a_guard_against_unknown_clients_locks_out_all_of_the_servers_own_vlan() -> None:
    (finding,) = told(site(scope("10.0.1", REFUSAL), scope("10.0.2")))
    assert finding.path == ("scopes", "first", "rules", 0)
    assert finding.severity is Severity.ERROR
    assert finding.witness is not None
    assert finding.witness.mac in (KNOWN, OTHER)
    # Unknown clients have addresses in the other subnet.
    assert {c.macs.witness for c in finding.classes} >= {finding.witness.mac, NEW}


def test_it_says_why_these_clients_do_not_boot() -> None:
    codes = {finding.code.code for finding in site(scope("10.0.1", REFUSAL), scope("10.0.2")).findings}
    assert "CX302" not in codes


def test_dhcpd_takes_an_address_before_it_asks_whom_its_subnet_refuses() -> None:
    (finding,) = told(site(scope("10.0.1", REFUSAL), scope("10.0.2"), "isc-dhcpd 4.4"))
    assert finding.path == ("scopes", "first", "rules", 0)
    assert {client.macs.witness for client in finding.classes} == {NEW}
    kept = [{"range": "10.0.1.100-10.0.1.199", "deny": ["unknown"]}]
    assert not told(site(scope("10.0.1", pools=kept), scope("10.0.2"), "isc-dhcpd 4.4"))


@pytest.mark.parametrize("dhcp", ["dnsmasq 2.90", "windows-dhcp"])
def test_other_products_ask_it_of_who_it_is_about(dhcp: str) -> None:
    assert not told(site(scope("10.0.1", REFUSAL), scope("10.0.2"), dhcp))


def test_a_guard_of_a_subnet_that_the_servers_address_is_not_in_is_about_its_own_clients() -> None:
    assert not told(site(scope("10.0.1"), scope("10.0.2", REFUSAL)))


def test_behind_a_relay_agent_kea_knows_its_clients_first() -> None:
    far = {"server": "dhcp", "vlan": "far", "pools": ["10.0.3.100-10.0.3.199"], "options": {3: "10.0.3.1"}}
    scopes = {"first": scope("10.0.1"), "second": scope("10.0.2"), "far": {**far, "rules": [REFUSAL]}}
    assert not told(site({}, {}, scopes=scopes))


def test_a_server_of_two_vlans_guards_each_of_them() -> None:
    servers = {
        "dhcp": {"software": "kea 2.2", "addresses": {"office": "10.0.1.2", "far": "10.0.3.2"}},
        "boot": {"software": "coexist", "addresses": {"office": "10.0.1.3", "far": "10.0.3.3"}},
    }
    servers["boot"] |= {"programs": {"bios": "a.0"}, "answers": {"only": "known"}}
    vlans = {
        "office": {"id": 1, "subnet": "10.0.1.0/24", "gateway": "10.0.1.1"},
        "far": {"id": 2, "subnet": "10.0.3.0/24", "gateway": "10.0.3.1"},
    }
    far = {"server": "dhcp", "vlan": "far", "pools": ["10.0.3.100-10.0.3.199"], "options": {3: "10.0.3.1"}}
    scopes = {"first": scope("10.0.1", REFUSAL), "far": far}
    (finding,) = told(site({}, {}, servers=servers, vlans=vlans, scopes=scopes, clients=CLIENTS))
    assert finding.path == ("scopes", "first", "rules", 0)
    assert {client.vlan for client in finding.classes} == {"office"}


def test_dnsmasq_is_silent_to_a_machine_whose_own_address_a_refusal_is_about() -> None:
    refusal = {"clients": "known", "ignore": True}
    (finding,) = told(site(scope("10.0.1"), scope("10.0.2", refusal), "dnsmasq 2.90"))
    assert finding.path == ("scopes", "second", "rules", 0)
    assert {client.macs.witness for client in finding.classes} == {OTHER}
    assert not finding.edits, "the machine has an address of its own, which no pool keeps from it"


def test_where_another_server_leases_to_them_it_is_a_warning() -> None:
    spare = {**scope("10.0.2"), "server": "spare"}
    servers = {
        "dhcp": {"software": "kea 2.2", "address": "10.0.1.2", "vlan": "office"},
        "spare": {"software": "isc-dhcpd 4.4", "address": "10.0.2.2", "vlan": "office"},
    }
    cut = {
        **scope("10.0.1"),
        "subnet": "10.0.4.0/24",
        "pools": ["10.0.4.9-10.0.4.99"],
        "options": {3: "10.0.4.1"},
    }
    vlans = {
        "office": {"id": 1, "subnet": ["10.0.1.0/24", "10.0.2.0/24", "10.0.4.0/24"], "gateway": "10.0.1.1"}
    }
    scopes = {"first": scope("10.0.1", REFUSAL), "second": spare, "third": cut}
    nobody = [{"clients": "everyone", "boot_from": "nobody"}]
    (finding,) = told(
        site({}, {}, servers=servers, vlans=vlans, scopes=scopes, intent=nobody, clients=CLIENTS)
    )
    assert finding.severity is Severity.WARNING


def test_pools_refuse_the_same_clients_and_nobody_else() -> None:
    pools = ["10.0.1.100-10.0.1.149", {"range": "10.0.1.150-10.0.1.199", "deny": "known"}]
    (finding,) = told(site(scope("10.0.1", REFUSAL, pools=pools), scope("10.0.2")))
    assert [(edit.kind, edit.path, edit.value) for edit in finding.edits] == [
        ("remove", ("scopes", "first", "rules", 0), None),
        ("put", ("scopes", "first", "pools", 0), {"range": "10.0.1.100-10.0.1.149", "deny": ["unknown"]}),
        ("put", ("scopes", "first", "pools", 1, "deny"), ["known", "unknown"]),
    ]
    kept = [{"range": "10.0.1.100-10.0.1.149", "deny": ["unknown"]}]
    assert not told(site(scope("10.0.1", pools=kept), scope("10.0.2")))


def test_no_pool_keeps_its_own_address_from_a_machine() -> None:
    groups = {"most": {"groups": ["unknown"], "macs": ["00:80:64:00:00:03"]}}
    clients = [*CLIENTS, {"mac": "00:80:64:00:00:03", "name": "pc-3", "address": "10.0.1.50"}]
    refusing = scope("10.0.1", {"clients": "most", "ignore": True})
    (finding,) = told(site(refusing, scope("10.0.2"), groups=groups, clients=clients))
    assert not finding.edits


def test_a_refusal_of_some_packets_of_theirs_is_not_what_a_pool_says() -> None:
    refusing = scope("10.0.1", {**REFUSAL, "architectures": "bios"})
    (finding,) = told(site(refusing, scope("10.0.2")))
    assert not finding.edits
