from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory import NOBODY, Inventory, MacSet, inventory_from_tree
from coexist.planning.effective import inventory_at
from coexist.planning.parking import (
    NotParked,
    Occupied,
    Parked,
    candidates,
    park_all,
    parked_pairs,
    parked_registrations,
    parked_text,
)
from coexist.planning.placement import Placement
from coexist.wire.mac import differing_digits, format_mac, is_multicast, parse_mac
from tests.unit.planning.sites import tree

UNICAST = st.integers(0, (1 << 48) - 1).map(lambda mac: mac & ~(1 << 40))
# Few prefixes and serials, so that neighbours and collisions are the rule and not the exception.
CROWDED = st.builds(
    lambda prefix, serial: prefix << 24 | serial,
    st.sampled_from([0x000000, 0x800000, 0x900000, 0x100000, 0x525400, 0xD25400, 0x080000]),
    st.integers(0, 3),
)
MACS = range(0x00155D000000, 0x00155D00000C)
REAL, SPARE = "00:15:5d:00:00:01", "80:15:5d:00:00:01"
_LOCAL_BIT = 0x02 << 40  # IEEE 802-2014 section 8.2
FLEETS = st.sets(st.one_of(CROWDED, UNICAST), min_size=1, max_size=40)


@given(FLEETS, st.sampled_from(["first-digit", "local"]))
def test_a_parked_mac_is_nobodys_and_leads_back(fleet: set[int], strategy: str) -> None:
    occupied = Occupied(fleet)
    found = [occupied.park(mac, strategy) for mac in sorted(fleet)]  # type: ignore[arg-type]
    parked = [each for each in found if isinstance(each, Parked)]
    assert len({each.parked for each in parked}) == len(parked)
    for each in parked:
        assert differing_digits(each.original, each.parked) == (each.digit,)
        assert not is_multicast(each.parked)
        assert each.parked not in fleet
        assert each.parked >> 24 not in {mac >> 24 for mac in fleet}
        # Whoever reads a parked MAC finds one client, and no other, that differs from it in one digit.
        assert [mac for mac in fleet if len(differing_digits(each.parked, mac)) == 1] == [each.original]


@given(FLEETS, st.integers(0, 1 << 48).map(lambda free: min(free, 1 << 44)))
def test_whoever_is_not_parked_had_no_free_digit(fleet: set[int], free: int) -> None:
    # A group claims all addresses but the first ones: hardly anything is left to park in.
    occupied = Occupied(fleet, declared=MacSet.interval(free, (1 << 48) - 1) if free < 1 << 48 else NOBODY)
    for mac in sorted(fleet):
        found = occupied.park(mac)
        if isinstance(found, NotParked):
            assert sum(found.reasons.values()) == 15 * 6
            assert all(occupied.refuses(other, mac) for _, other in candidates(mac, "first-digit"))
        else:
            assert found.parked < free


@given(FLEETS, st.sets(CROWDED, max_size=10))
def test_a_list_and_its_parked_copy_are_recognised(fleet: set[int], both: set[int]) -> None:
    occupied = Occupied(fleet | both)
    parked = {
        each.original: each.parked
        for mac in sorted(fleet - both)
        if isinstance(each := occupied.park(mac), Parked)
    }
    pairs = parked_pairs(fleet | both, set(parked.values()) | both)
    assert {(min(p.original, p.parked), max(p.original, p.parked)) for p in pairs} == {
        (min(pair), max(pair)) for pair in parked.items()
    }


def test_the_classic_form_changes_the_first_digit() -> None:
    found = Occupied([parse_mac("00:15:5d:01:02:03")]).park(parse_mac("00:15:5d:01:02:03"))
    assert isinstance(found, Parked)
    assert (format_mac(found.parked), found.digit) == ("80:15:5d:01:02:03", 1)
    assert str(found) == "00:15:5d:01:02:03 parked as 80:15:5d:01:02:03"


def test_another_digit_where_the_first_collides() -> None:
    mac = parse_mac("00:15:5d:01:02:03")
    taken = MacSet.interval(parse_mac("10:00:00:00:00:00"), parse_mac("ff:ff:ff:ff:ff:ff"))
    found = Occupied([mac], declared=taken).park(mac)
    assert isinstance(found, Parked)
    assert found.digit == 2
    assert found.parked & _LOCAL_BIT


def test_a_prefix_in_use_is_avoided() -> None:
    mac, other = parse_mac("00:15:5d:01:02:03"), parse_mac("80:15:5d:99:99:99")
    found = Occupied([mac, other]).park(mac)
    assert isinstance(found, Parked)
    assert format_mac(found.parked) == "90:15:5d:01:02:03"


def test_a_client_without_a_free_digit_is_told() -> None:
    mac = parse_mac("00:15:5d:01:02:03")
    found = Occupied([mac], declared=MacSet.interval(0, (1 << 48) - 1)).park(mac)
    assert isinstance(found, NotParked)
    assert str(found) == (
        "00:15:5d:01:02:03 cannot be parked: of the MACs that differ in one digit, "
        "82 belong to a group, 8 are multicast"
    )


def test_local_makes_a_locally_administered_address() -> None:
    mac = parse_mac("00:15:5d:01:02:03")
    found = Occupied([mac]).park(mac, "local")
    assert isinstance(found, Parked)
    assert found.parked & _LOCAL_BIT


def test_a_client_keeps_its_parked_mac_whoever_else_is_parked() -> None:
    inventory = inventory_from_tree(
        {
            "site": "s",
            "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/24"}},
            "clients": [{"mac": f"00:15:5d:00:00:{n:02x}"} for n in range(20)]
            + [{"mac": f"80:15:5d:00:00:{n:02x}"} for n in range(20)],
        }
    )
    macs = inventory.clients.macs
    everyone, failed = park_all(inventory, macs, "first-digit")
    assert not failed
    some, _ = park_all(inventory, macs[3:30], "first-digit")
    assert all(everyone[mac] == parked for mac, parked in some.items())
    assert park_all(inventory, macs, "none") == ({}, ())


@pytest.mark.parametrize(
    ("active", "other", "original", "parked_in"),
    [
        # Three machines of one vendor: the odd prefix is the parked one, whichever list has it.
        ([REAL, "00:15:5d:00:00:02"], [SPARE, "00:15:5d:00:00:09"], REAL, "other"),
        ([SPARE, "00:15:5d:00:00:02"], [REAL, "00:15:5d:00:00:09"], REAL, "active"),
        # Nothing to tell them apart.
        ([REAL], [SPARE], REAL, None),
    ],
)
def test_which_of_two_is_the_parked_one(
    active: list[str], other: list[str], original: str, parked_in: str | None
) -> None:
    (pair,) = parked_pairs(list(map(parse_mac, active)), list(map(parse_mac, other)))
    assert (format_mac(pair.original), pair.parked_in, pair.digit) == (original, parked_in, 1)


def test_neighbours_of_one_series_are_no_pair() -> None:
    assert not parked_pairs([parse_mac("00:15:5d:00:00:01")], [parse_mac("00:15:5d:00:00:02")])


def two_lists(old: list[str], new: list[str]) -> Inventory:
    server = {"software": "openthinclient", "vlan": "office", "programs": {"bios": "a"}}
    return inventory_from_tree(
        {
            "site": "s",
            "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/24"}},
            "servers": {
                "old": {**server, "address": "10.0.0.1", "answers": {"only": "on-old"}},
                "new": {**server, "address": "10.0.0.2", "answers": {"only": "on-new"}},
            },
            "groups": {"on-old": {"macs": old}, "on-new": {"macs": new}},
        }
    )


def values(text: str) -> list[str]:
    """What a line names, in its order: machines, servers, and the digit."""
    return re.findall(rf"{REAL}|{SPARE}|\bold\b|\bnew\b|digit \d+", text)


def test_what_an_inventory_has_parked() -> None:
    others = [f"00:15:5d:00:00:{n:02x}" for n in range(16, 20)]
    found = parked_registrations(two_lists([REAL, *others], [SPARE]))
    assert [(each.servers, each.parked_on) for each in found] == [(("old", "new"), "new")]
    assert values(parked_text(found)) == [REAL, "new", SPARE, "digit 1"]
    found = parked_registrations(two_lists([SPARE], [REAL, *others]))
    assert values(parked_text(found)) == [REAL, "old", SPARE, "digit 1"]
    found = parked_registrations(two_lists([REAL], [SPARE]))
    assert values(parked_text(found)) == [REAL, SPARE, "digit 1", "old", "new"]


@pytest.mark.parametrize("known", [True, False])
def test_what_is_parked_at_a_moment_is_recognised(known: bool) -> None:
    # Every machine is on both lists: the two prefixes are equally common, and only a reservation tells.
    moved = MACS[:5]
    plain = tree()
    if known:
        for number, client in enumerate(plain["clients"]):
            client["address"] = f"10.10.7.{number}"
    base = inventory_from_tree(plain)
    parked, _ = park_all(base, MACS, "first-digit")
    found = parked_registrations(inventory_at(base, "up", Placement.settled(moved), parked))
    assert {frozenset((each.pair.original, each.pair.parked)) for each in found} == {
        frozenset(pair) for pair in parked.items()
    }
    if known:
        assert {each.pair.original: each.parked_on for each in found} == {
            mac: "old" if mac in moved else "new" for mac in MACS
        }
    else:
        assert {each.parked_on for each in found} == {None}
