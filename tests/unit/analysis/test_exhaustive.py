"""The answer for a class holds for each of its clients: held against one race and one look for each alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coexist.analysis.intent import Intended
from coexist.analysis.race import ClientCase, race
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.analysis.world import build_world
from coexist.inventory import Inventory
from tests.unit.analysis.worlds import UNIVERSE, readable, trees


def site_of(tree: dict[str, Any]) -> AnalysedSite:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    return AnalysedSite(inventory)


def case_with(site: AnalysedSite, mac: int) -> list[Case]:
    """The cases of one address."""
    owner = site.space.class_of(mac)
    return [case for case in site.cases if case.client.macs is owner]


def intent_for(inventory: Inventory, mac: int, vlan: str, architecture: str) -> Intended:
    """The intent of one client, by reading the rules for it alone."""
    for number, rule in enumerate(inventory.site.intent):
        if rule.vlan is not None and vlan not in rule.vlan:
            continue
        if rule.architectures is not None and architecture not in rule.architectures:
            continue
        if mac in inventory.members(rule.clients, rule.unless):
            return Intended(number, rule.boot_from, rule.fallback)
    return Intended()


def answers(inventory: Inventory, server: str, mac: int, architecture: str) -> bool:
    """Whether a server's list has one client, by looking for that address alone."""
    wanted = inventory.site.servers[server].answers
    if wanted.architectures is not None and architecture not in wanted.architectures:
        return False
    if wanted.who == "intended":
        vlans = inventory.site.vlans
        return any(server in intent_for(inventory, mac, vlan, architecture).servers for vlan in vlans)
    if wanted.who == "only":
        return mac in inventory.members(wanted.groups)
    if wanted.who == "all_except":
        return mac not in inventory.members(wanted.groups)
    return mac in inventory.group(wanted.who)


@settings(max_examples=2000)
@given(trees(), st.sampled_from(UNIVERSE))
def test_intent_and_lists_of_a_class_are_those_of_each_of_its_clients(tree: dict[str, Any], mac: int) -> None:
    site = site_of(tree)
    for case in case_with(site, mac):
        client = case.client
        assert case.intended == intent_for(site.inventory, mac, client.vlan, client.architecture)
        for name, standing in case.standing.items():
            listed = answers(site.inventory, name, mac, client.architecture)
            assert (standing is not Standing.REFUSES) == listed
            has_program = client.architecture in site.site.servers[name].programs
            assert (standing is Standing.ANSWERS) == (listed and has_program)


def outcomes(site: AnalysedSite, case: ClientCase, silent: frozenset[str]) -> set[tuple[object, ...]]:
    """How a race of one client alone can end."""
    result = race(build_world(site.inventory), case, silent)
    return {(o.winner, o.decided_by, o.file) for o in result.outcomes}


@settings(max_examples=120)
@given(trees(), st.sampled_from(UNIVERSE), st.data())
def test_the_race_of_a_class_ends_as_that_of_each_of_its_clients(
    tree: dict[str, Any], mac: int, data: st.DataObject
) -> None:
    site = site_of(tree)
    cases = case_with(site, mac)
    for case in site.cases:  # fill the memory of races, so that they are shared between classes
        site.races.of(case.client)
    client = data.draw(st.sampled_from(cases)).client
    silent = frozenset(data.draw(st.lists(st.sampled_from(sorted(site.boot_services)), max_size=1)))
    alone = ClientCase(mac=mac, vlan=client.vlan, architecture=client.architecture, firmware=client.firmware)
    told = {(f.winner, f.decided_by, f.file) for f in site.races.of(client, silent)}
    assert told == outcomes(site, alone, silent)


def test_equal_line_ups_share_a_race_and_name_their_own_servers() -> None:
    vlans = {f"v{n}": {"id": n + 1, "subnet": f"10.{n}.0.0/16", "gateway": f"10.{n}.0.1"} for n in range(20)}
    servers: dict[str, Any] = {}
    scopes: dict[str, Any] = {}
    for n in range(20):
        servers[f"dhcp{n}"] = {"software": "isc-dhcpd", "address": f"10.{n}.0.2", "vlan": f"v{n}"}
        servers[f"boot{n}"] = {
            "software": "coexist",
            "address": f"10.{n}.0.3",
            "vlan": f"v{n}",
            "programs": {"bios": "a.0", "uefi-x64": "a.efi"},
        }
        scopes[f"v{n}"] = {"server": f"dhcp{n}", "vlan": f"v{n}", "pools": [f"10.{n}.1.0-10.{n}.1.9"]}
    tree = {"site": "equal", "vlans": vlans, "servers": servers, "scopes": scopes}
    inventory = readable(tree)
    assert inventory is not None
    site = AnalysedSite(inventory)
    winners = {case.client.vlan: site.winners(case.client) for case in site.cases}
    assert winners == {f"v{n}": {f"boot{n}"} for n in range(20)}
    assert site.races.run == len({(c.client.architecture, c.client.firmware) for c in site.cases})


def test_plans_that_differ_in_the_router_alone_are_raced_apart() -> None:
    routers = {"right": {3: "10.0.0.1"}, "wrong": {3: "10.0.0.9"}, "none": {}}
    vlans = {
        name: {"id": 2 + n, "subnet": f"10.{n}.0.0/16", "gateway": f"10.{n}.0.1", "relay_to": ["dhcp"]}
        for n, name in enumerate(routers)
    }
    scopes = {
        name: {
            "server": "dhcp",
            "vlan": name,
            "pools": [f"10.{n}.1.0-10.{n}.1.9"],
            "next_server": "boot",
            "filename": "a.0",
            "options": {code: text.replace("10.0.", f"10.{n}.") for code, text in options.items()},
        }
        for n, (name, options) in enumerate(routers.items())
    }
    tree = {
        "site": "routers",
        "vlans": {"servers": {"id": 1, "subnet": "10.9.0.0/16", "gateway": "10.9.0.1"}, **vlans},
        "servers": {
            "dhcp": {"software": "kea 2.2", "address": "10.9.0.2", "vlan": "servers"},
            "boot": {"software": "tftpd", "address": "10.9.0.3", "vlan": "servers"},
        },
        "scopes": scopes,
        "architectures": {"bios": ["ipxe"]},
    }
    inventory = readable(tree)
    assert inventory is not None
    site = AnalysedSite(inventory)
    winners = {case.client.vlan: site.winners(case.client) for case in site.cases}
    assert {name: winners[name] for name in routers} == {"right": {"boot"}, "wrong": {None}, "none": {None}}


@pytest.mark.parametrize("silent", [frozenset(), frozenset({"otc"})])
def test_a_silent_server_is_thought_away(silent: frozenset[str]) -> None:
    tree = {
        "site": "one",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "a", "ping_check": False},
            "otc": {"software": "coexist", "address": "10.0.0.3", "vlan": "a", "programs": {"bios": "a.0"}},
        },
        "scopes": {"a": {"server": "dhcp", "vlan": "a", "pools": ["10.0.1.0-10.0.1.9"]}},
        "architectures": {"bios": ["ipxe"]},
    }
    inventory = readable(tree)
    assert inventory is not None
    site = AnalysedSite(inventory)
    (case,) = site.cases
    assert set(site.winners(case.client, silent)) == ({None} if silent else {"otc"})
