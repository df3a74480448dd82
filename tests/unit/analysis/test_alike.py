"""VLANs that are declared alike: what is told of one by another is what its own line-up is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coexist.analysis.alike import PlainVlans
from coexist.analysis.lineup import LineUps, _LineUp
from coexist.analysis.site import AnalysedSite
from coexist.analysis.world import build_world
from coexist.boot.servers import model_for
from coexist.inventory import inventory_from_tree, load_inventory
from tests.conftest import ROOT
from tests.unit.analysis.worlds import readable, trees

Tree = dict[str, Any]


def vlan_of(tree: Tree, n: int, **more: Any) -> None:
    """VLAN n of a site: a boot service of its own for its thin clients, and leases by a server elsewhere."""
    net = f"10.{n}.0"
    tree["vlans"][f"v{n}"] = {
        "id": n + 1,
        "subnet": f"{net}.0/24",
        "gateway": f"{net}.1",
        "relay_to": ["dhcp"],
    }
    tree["servers"][f"boot{n}"] = {
        "software": "coexist",
        "address": f"{net}.3",
        "vlan": f"v{n}",
        "answers": {"only": f"thin{n}"},
        "programs": {"bios": "lpxelinux.0"},
    }
    tree["scopes"][f"v{n}"] = {
        "server": "dhcp",
        "vlan": f"v{n}",
        "pools": [f"{net}.100-{net}.200"],
        "options": {3: f"{net}.1"},
    }
    tree["groups"][f"thin{n}"] = {"macs": [f"52:54:00:00:{n:02x}:01"]}
    tree["intent"].append({"clients": f"thin{n}", "vlan": f"v{n}", "boot_from": f"boot{n}"})
    for place, said in more.items():
        room, _, kind = place.partition("_")
        name = {"vlans": f"v{n}", "servers": f"boot{n}", "scopes": f"v{n}", "groups": f"thin{n}"}[room]
        assert kind in ("", "more")
        tree[room][name] |= said


def site_of_vlans(count: int, differ: dict[int, Tree] | None = None) -> Tree:
    tree: Tree = {
        "site": "alike",
        "vlans": {"servers": {"id": 4000, "subnet": "10.250.0.0/24", "gateway": "10.250.0.1"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd", "address": "10.250.0.2", "vlan": "servers"},
            "files": {"software": "tftpd", "address": "10.250.0.4", "vlan": "servers"},
        },
        "scopes": {},
        "groups": {},
        "intent": [],
        "clients": [],
    }
    for n in range(count):
        vlan_of(tree, n, **(differ or {}).get(n, {}))
    return tree


def read(tree: Tree) -> AnalysedSite:
    return AnalysedSite(inventory_from_tree(tree))


def hold(site: AnalysedSite) -> None:
    """Each class has the line-up that it has by itself, and classes with one number have equal ones."""
    world = build_world(site.inventory)
    lineups = LineUps(site, lambda: world, {})
    met_by: dict[int, Any] = {}
    for client in site.space.classes:
        (*_, number, _), names = lineups.of(client, frozenset())
        met, own_names = _LineUp(lineups, world, client).met()
        assert names == own_names
        assert met_by.setdefault(number, met) == met


NOT_ALIKE: list[Tree] = [
    {"vlans": {"gateway": "10.1.0.9"}},
    {"vlans": {"forwarding_delay": 2.0}},
    {"vlans": {"relay": {"min_secs": 4}}},
    {"servers": {"delay": 1.2}},
    {"servers": {"address": "10.1.0.4"}},
    {"servers": {"answers": {"except": "thin1"}}},
    {"servers": {"answers": {"only": "thin1", "architectures": "bios"}}},
    {"servers": {"programs": {"bios": "other.0"}}},
    {"servers": {"programs_for": {"thin1": {"bios": "other.0"}}}},
    {"scopes": {"next_server": "files", "filename": "a.0"}},
    {"scopes": {"next_server": "boot1", "filename": "a.0"}},
    {"scopes": {"next_server": "10.0.0.3", "filename": "a.0"}},
    {"scopes": {"options": {3: "10.1.0.7"}}},
    {"scopes": {"options": {3: "10.1.0.1", 60: "PXEClient"}}},
    {"scopes": {"rules": [{"clients": "thin1", "filename": "a.0", "next_server": "boot1"}]}},
    {"scopes": {"reservations": False}},
]


@pytest.mark.parametrize("differs", NOT_ALIKE)
def test_one_word_more_is_another_kind(differs: Tree) -> None:
    site = read(site_of_vlans(3, {1: differs}))
    plain = PlainVlans(site)
    first, other, last = (plain.of(f"v{n}") for n in range(3))
    assert first is not None
    assert last is not None
    assert first.kind == last.kind
    assert other is None or other.kind != first.kind
    hold(site)


@pytest.mark.parametrize(
    "differs",
    [
        {},
        {"scopes": {"options": {3: "10.1.0.1", 6: "192.0.2.53", 15: "other.example"}}},
        {"servers": {"owner": "somebody"}},
        {"vlans": {"id": 77}},
    ],
)
def test_what_decides_nothing_may_differ(differs: Tree) -> None:
    usual = {"scopes": {"options": {3: "10.1.0.1", 6: "192.0.2.1", 15: "one.example"}}}
    own = {n: _there(usual, n) for n in range(3)}
    site = read(site_of_vlans(3, {**own, 1: {**own[1], **differs}}))
    plain = PlainVlans(site)
    assert len({getattr(plain.of(f"v{n}"), "kind", None) for n in range(3)}) == 1
    assert plain.of("v0") is not None
    hold(site)


def shared(tree: Tree) -> None:
    """A server elsewhere sends clients to the boot server of one VLAN."""
    tree["servers"]["menu"] = {
        "software": "coexist",
        "address": "10.250.0.5",
        "vlan": "servers",
        "programs": {"bios": {"file": "a.0", "server": "boot0"}},
    }
    for n in range(3):
        tree["vlans"][f"v{n}"]["relay_to"].append("menu")


def relayed_in_another_name(tree: Tree) -> None:
    """A relay agent that writes another VLAN's address into giaddr."""
    tree["vlans"]["v2"]["relay"] = {"address": "10.1.0.9"}


def of_two_cards(tree: Tree) -> None:
    """Machines that are known by their UUID."""
    uuid = "00000000-0000-0000-0000-000000000001"
    tree["clients"] = [{"mac": "52:54:00:00:01:01", "uuid": uuid}]


def leasing_there_too(tree: Tree) -> None:
    """The boot server of a VLAN leases addresses on another one."""
    tree["servers"]["boot1"] |= {"software": "dnsmasq 2.90", "roles": ["dhcp", "proxydhcp", "tftp"]}
    tree["scopes"]["more"] = {"server": "boot1", "vlan": "servers", "pools": ["10.250.0.100-10.250.0.110"]}


@pytest.mark.parametrize("change", [shared, relayed_in_another_name, of_two_cards, leasing_there_too])
def test_where_more_is_declared_than_is_read_no_vlan_stands_for_another(change: Any) -> None:
    tree = site_of_vlans(3)
    change(tree)
    site = read(tree)
    plain = PlainVlans(site)
    first, other = plain.of("v0"), plain.of("v1")
    assert first is None or other is None or first.kind != other.kind
    hold(site)


@settings(max_examples=300)
@given(st.lists(st.sampled_from([{}, {}, *NOT_ALIKE]), min_size=2, max_size=5), st.booleans())
def test_line_ups_are_those_of_each_vlan_alone(differ: list[Tree], known: bool) -> None:
    own = {n: _there(said, n) for n, said in enumerate(differ)}
    tree = site_of_vlans(len(differ), own)
    if known:
        for n in range(len(differ)):
            where = {} if n % 2 else {"address": f"10.{n}.0.50"}
            tree["clients"].append({"mac": f"52:54:00:00:{n:02x}:01", "vlan": f"v{n}", **where})
    hold(read(tree))


def _there(said: Any, n: int) -> Any:
    """What is said of VLAN 1, of another one; an address of VLAN 0 stays one."""
    if isinstance(said, dict):
        return {_there(key, n): _there(value, n) for key, value in said.items()}
    if isinstance(said, list):
        return [_there(value, n) for value in said]
    if not isinstance(said, str):
        return said
    return said.replace("10.1.", f"10.{n}.").replace("thin1", f"thin{n}").replace("boot1", f"boot{n}")


@settings(max_examples=300)
@given(trees())
def test_line_ups_of_sites_of_any_shape(tree: Tree) -> None:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    hold(AnalysedSite(inventory))


@pytest.mark.parametrize("name", ["adopted", "broken", "campus", "hospital", "two-generations"])
def test_line_ups_of_whole_inventories(name: str) -> None:
    hold(AnalysedSite(load_inventory(ROOT / "inventories" / name)))


def test_the_servers_of_vlans_that_are_alike_are_modelled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(inventory: Any, name: str) -> Any:
        made.append(name)
        return model_for(inventory, name)

    monkeypatch.setattr("coexist.analysis.world.model_for", counted)
    site = read(site_of_vlans(20))
    winners = {
        case.client.vlan: site.winners(case.client)
        for case in site.cases
        if case.intended.boots and case.client.architecture == "bios"
    }
    assert winners == {f"v{n}": {f"boot{n}"} for n in range(20)}
    assert sorted(made) == ["boot0", "dhcp"]
