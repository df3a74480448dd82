from __future__ import annotations

from typing import Any

import pytest

from coexist.inventory import Inventory, inventory_from_tree
from coexist.planning.solve import solve

PROGRAMS = {"bios": "a.0", "uefi-x64": "a.efi"}


def tree(**changes: Any) -> Inventory:
    """One VLAN, a DHCP server, `otc` and `sccm`, with some sections replaced."""
    servers: dict[str, dict[str, Any]] = {
        "dhcp": {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "office", "ping_check": False},
        "otc": {"software": "coexist", "address": "10.0.0.3", "vlan": "office", "programs": PROGRAMS},
        "sccm": {"software": "coexist", "address": "10.0.0.4", "vlan": "office", "programs": PROGRAMS},
    }
    for name, change in changes.pop("servers", {}).items():
        servers[name] = {**servers.get(name, {}), **change}
    site: dict[str, Any] = {
        "site": "small",
        "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": servers,
        "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]}},
        "architectures": {"bios": ["ipxe"], "uefi-x64": ["edk2"]},
        "intent": [{"clients": "everyone", "boot_from": "otc"}],
    }
    return inventory_from_tree({**site, **changes})


def changes(inventory: Inventory) -> dict[str, Any]:
    solution = solve(inventory)
    assert solution.impossible == (), solution.impossible
    assert solution.after.clean, [f.message for f in solution.after.findings]
    return {".".join(map(str, edit.path)): edit.value for edit in solution.edits}


THIN = {"thin": {"oui": "00:80:64"}}
TWO = [{"clients": "thin", "boot_from": "otc"}, {"clients": "everyone", "boot_from": "sccm"}]


def test_two_servers_for_two_kinds_of_clients_get_disjoint_lists_and_no_delay() -> None:
    assert changes(tree(groups=THIN, intent=TWO)) == {
        "servers.otc.answers": "intended",
        "servers.sccm.answers": "intended",
    }


def test_a_fallback_gets_the_smallest_delay() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "sccm"}]
    assert changes(tree(intent=intent)) == {"servers.sccm.delay": 0.5}


def test_a_fallback_waits_for_a_dhcp_server_that_pings() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "sccm"}]
    found = changes(tree(intent=intent, servers={"dhcp": {"ping_check": True}}))
    assert found == {"servers.sccm.delay": 1.5}


def test_three_servers_in_a_row() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": ["sccm", "last"]}]
    last = {"software": "coexist", "address": "10.0.0.5", "vlan": "office", "programs": PROGRAMS}
    assert changes(tree(intent=intent, servers={"last": last})) == {
        "servers.sccm.delay": 0.5,
        "servers.last.delay": 1.0,
    }


def test_a_dnsmasq_is_delayed_in_whole_seconds() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "slow"}]
    slow = {
        "software": "dnsmasq",
        "roles": ["proxydhcp", "tftp"],
        "address": "10.0.0.5",
        "vlan": "office",
        "programs": PROGRAMS,
    }
    solution = solve(tree(intent=intent, servers={"slow": slow, "sccm": {"answers": "nobody"}}))
    assert [(e.path[1:], e.value) for e in solution.edits] == [(("slow", "delay"), 1.0)]


def test_what_holds_already_is_left_alone() -> None:
    assert changes(tree(servers={"sccm": {"answers": "nobody"}})) == {}


def test_a_fixed_server_that_answers_everyone_makes_it_impossible() -> None:
    inventory = tree(intent=[{"clients": "everyone", "boot_from": "otc"}], servers={"sccm": {"fixed": True}})
    solution = solve(inventory)
    assert solution.impossible
    told = solution.impossible[0]
    assert "sccm answers at once and is fixed" in told.because
    assert any("disjoint whitelists" in text for text in told.alternatives)
    assert any("VLAN of its own" in text for text in told.alternatives)
    assert all(edit.path[1] != "sccm" for edit in solution.edits)


def test_a_fixed_server_that_comes_late_is_planned_around() -> None:
    inventory = tree(groups=THIN, intent=TWO, servers={"sccm": {"fixed": True, "delay": 1.2}})
    assert changes(inventory) == {"servers.otc.answers": "intended"}


def test_servers_that_stand_in_for_each_other_have_no_order() -> None:
    intent = [
        {"clients": "thin", "boot_from": "otc", "fallback": "sccm"},
        {"clients": "everyone", "boot_from": "sccm", "fallback": "otc"},
    ]
    solution = solve(tree(groups=THIN, intent=intent))
    assert any("stand in for the other" in item.because for item in solution.impossible)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_scope_that_sends_clients_elsewhere_is_cleaned_if_it_is_ours(fixed: bool) -> None:
    scope = {
        "server": "dhcp",
        "vlan": "office",
        "pools": ["10.0.1.0-10.0.1.99"],
        "options": {"66": "10.0.0.4", "67": "old.0"},
    }
    inventory = tree(
        scopes={"office": scope}, servers={"dhcp": {"fixed": fixed}, "sccm": {"answers": "nobody"}}
    )
    solution = solve(inventory)
    if fixed:
        assert any("is fixed" in item.because for item in solution.impossible)
    else:
        assert {edit.path[-1] for edit in solution.edits} == {"66", "67"}
        assert solution.after.clean
