"""What relay agents, routers and odd responders do to a boot: every case through the whole race."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from coexist.analysis.course import NO_ROUTE
from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.world import build_world
from coexist.inventory.loader import inventory_from_tree

FAR: dict[str, Any] = {
    "site": "s",
    "vlans": {
        "hall": {"id": 1, "subnet": "10.61.1.0/24", "gateway": "10.61.1.1", "relay_to": ["lease", "boot"]},
        "core": {"id": 2, "subnet": "10.61.2.0/24", "gateway": "10.61.2.1"},
    },
    "servers": {
        "lease": {"software": "isc-dhcpd", "address": "10.61.2.5", "vlan": "core", "ping_check": False},
        "boot": {
            "software": "generic",
            "address": "10.61.2.6",
            "vlan": "core",
            "roles": ["proxydhcp", "tftp"],
            "programs": {"bios": "b.0", "uefi-x64": "b.efi"},
            "discovery_control": 8,
        },
    },
    "scopes": {
        "hall": {
            "server": "lease",
            "vlan": "hall",
            "pools": ["10.61.1.100-10.61.1.200"],
            "options": {"3": "10.61.1.1"},
        }
    },
}


def declared(**changes: Any) -> dict[str, Any]:
    """The site with values set at places written ``vlans__hall__relay``; None takes one out."""
    tree = deepcopy(FAR)
    for path, value in changes.items():
        *way, last = path.split("__")
        here: Any = tree
        for step in way:
            here = here.setdefault(step, {})
        if value is None:
            here.pop(last)
        else:
            here[last] = value
    return tree


def boot(tree: dict[str, Any], firmware: str = "edk2", vlan: str = "hall") -> RaceResult:
    architecture = "bios" if firmware in ("ipxe", "pxe21") else "uefi-x64"
    case = ClientCase(mac=0x52_54_00_00_00_01, vlan=vlan, architecture=architecture, firmware=firmware)
    return race(build_world(inventory_from_tree(tree)), case)


@pytest.mark.parametrize("firmware", ["edk2", "ipxe", "pxe21"])
def test_a_relay_agent_that_hands_everything_back_boots_the_client(firmware: str) -> None:
    assert boot(declared(), firmware).winners == ("boot",)


@pytest.mark.parametrize("firmware", ["edk2", "ipxe"])
def test_of_two_answers_at_once_a_relay_agent_may_hand_back_either(firmware: str) -> None:
    result = boot(declared(vlans__hall__relay={"passes": "first"}), firmware)
    assert None in result.winners
    assert any("first answer only" in event.text for event in result.events)


def test_an_answer_that_comes_later_is_not_handed_back() -> None:
    first = {"vlans__hall__relay": {"passes": "first"}, "servers__boot__delay": 0.5}
    assert boot(declared(**first), "ipxe").winners == (None,)
    # Each packet that is sent on opens it again: it is the same answer that comes first.
    assert boot(declared(**first)).winners == (None,)
    named = declared(**first, scopes__hall__next_server="lease", scopes__hall__filename="l.efi")
    assert boot(named).winners == ("lease",)


def test_a_replaced_server_identifier_sends_ipxe_to_the_relay_agent() -> None:
    asks_4011 = {"servers__boot__offers_file": False, "servers__boot__discovery_control": None}
    assert boot(declared(**asks_4011), "ipxe").winners == ("boot",)
    replaced = declared(**asks_4011, vlans__hall__relay={"replaces_server_id": True})
    assert boot(replaced, "ipxe").winners == (None,)
    # EDK2 asks siaddr, and the lease is acknowledged: the agent knows whose offer it was.
    assert boot(replaced).winners == ("boot",)


def test_answers_without_option_82_are_dropped_where_the_relay_agent_wants_it() -> None:
    strict = {"vlans__hall__relay": {"option_82": True, "requires_option_82": True}}
    assert boot(declared(**strict)).winners == ("boot",)
    assert boot(declared(**strict, servers__boot__echoes_option_82=False)).winners == (None,)
    lax = {"vlans__hall__relay": {"option_82": True}}
    assert boot(declared(**lax, servers__boot__echoes_option_82=False)).winners == ("boot",)


@pytest.mark.parametrize("how", ["broadcast", "silent"])
def test_a_responder_that_overlooks_giaddr_is_heard_on_its_own_vlan_only(how: str) -> None:
    assert boot(declared(servers__boot__relayed=how)).winners == (None,)
    here = declared(
        servers__boot__relayed=how,
        scopes__core={"server": "lease", "vlan": "core", "pools": ["10.61.2.100-10.61.2.200"]},
    )
    assert boot(here, vlan="core").winners == ("boot",)


@pytest.mark.parametrize("router", [None, "10.61.1.77"])
def test_without_a_router_of_the_vlan_no_file_comes_from_another_subnet(router: str | None) -> None:
    options = {} if router is None else {"3": router}
    result = boot(declared(scopes__hall__options=options))
    assert result.winners == (None,)
    assert {outcome.error for outcome in result.outcomes} == {NO_ROUTE}
    known = declared(scopes__hall__options={"3": "10.61.1.77"}, vlans__hall__routers=["10.61.1.77"])
    assert boot(known).winners == ("boot",)


def test_a_file_of_the_clients_own_subnet_needs_no_router() -> None:
    here = {"servers__boot__vlan": "hall", "servers__boot__address": "10.61.1.6", "scopes__hall__options": {}}
    assert boot(declared(**here, vlans__hall__relay_to=["lease"])).winners == ("boot",)


def test_each_of_two_relay_agents_has_targets_of_its_own() -> None:
    agents = [{"relay_to": ["lease"]}, {"address": "10.61.1.2", "relay_to": ["lease", "boot"], "min_secs": 4}]
    both = declared(vlans__hall__relay=agents, vlans__hall__relay_to=None)
    result = boot(both)
    assert result.winners == ("boot",)
    # EDK2 says secs 0 and then 4: the second agent is the only way to the boot server.
    assert result.outcomes[0].seconds is not None
    assert result.outcomes[0].seconds > 10
    leases = [event for event in result.events if event.kind == "reply" and event.server == "lease"]
    assert len(leases) > len({event.at for event in leases}), "each agent brings the lease server one packet"


def test_a_relay_target_may_be_written_as_the_servers_address() -> None:
    assert boot(declared(vlans__hall__relay_to=["10.61.2.5", "10.61.2.6"])).winners == ("boot",)


def test_an_offer_that_a_relay_agent_hands_back_is_overheard() -> None:
    follower = {
        "software": "coexist",
        "address": "10.61.1.7",
        "vlan": "hall",
        "programs": {"bios": "c.0", "uefi-x64": "c.efi"},
        "delay": {"after_offer": True},
    }
    tree = declared(servers__boot=follower, vlans__hall__relay_to=["lease"])
    assert boot(tree).winners == ("boot",)
