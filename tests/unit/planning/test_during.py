"""What can be done where no order of single changes leaves every client with exactly one server."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest

from coexist.errors import InputError
from coexist.inventory import Inventory, inventory_from_tree
from coexist.inventory.migrations import within
from coexist.planning.by_hand import as_csv, hand_changes
from coexist.planning.choosing import ProvenStep, Refused
from coexist.planning.effective import inventory_at
from coexist.planning.gates import gap_conditions
from coexist.planning.parking import park_all
from coexist.planning.progress import MigrationState, MovedWave
from coexist.planning.roadmap import next_step, roadmap, some_back
from coexist.planning.waves import migrating
from tests.unit.planning.sites import tree

NOBODY_YET = MigrationState(migration="up", source="old", target="new")
NOW = datetime(2026, 11, 2, 21, 0, tzinfo=UTC)
MACS = tuple(range(0x00155D000000, 0x00155D00000C))


def managers(new: dict[str, Any] | None = None, **migration: Any) -> Inventory:
    """Two thin-client managers, which know no delay; a ProxyDHCP that could stand between.

    ``new``: what the new one is instead.
    """
    plain = tree(**{"waves": [{"name": "all"}], **migration})
    for name in ("old", "new"):
        plain["servers"][name]["software"] = "openthinclient"
    plain["servers"]["new"] |= {"roles": ["proxydhcp", "tftp"], **(new or {})}
    plain["servers"]["front"] = {
        "software": "coexist",
        "address": "10.10.0.9",
        "vlan": "office",
        "roles": ["proxydhcp"],
        "answers": "nobody",
    }
    return inventory_from_tree(plain)


def first(inventory: Inventory, state: MigrationState = NOBODY_YET) -> ProvenStep | Refused:
    coming = next_step(inventory, "up", state)
    assert coming is not None
    return coming.planned


def test_a_refusal_offers_the_ways_that_work_with_what_each_costs() -> None:
    refused = first(managers())
    assert isinstance(refused, Refused)
    assert [offer.during for offer in refused.offers] == ["gap", "either", "front", "scope"]
    gap, either, *_ = refused.offers
    assert gap.proven is not None
    assert gap.proven.gap > 0
    assert "12 machines" in gap.costs
    assert either.proven is not None
    assert either.proven.gap == 0


def test_a_gap_has_no_client_with_two_servers() -> None:
    step = first(managers(during="gap"))
    assert isinstance(step, ProvenStep)
    assert [change.server for change in step.step.changes] == ["old", "new"]
    assert [change.gap for change in step.step.changes] == [True, False]
    assert step.step.moments[1].none == frozenset(MACS)
    assert all(proof.holds for proof in step.proofs)


def test_by_hand_a_gap_is_as_long_as_the_list() -> None:
    few, many = (first(managers(during="gap", waves=[{"name": "w", "size": n}])) for n in (2, 12))
    assert isinstance(few, ProvenStep)
    assert isinstance(many, ProvenStep)
    assert few.gap < many.gap


def test_either_is_allowed_only_where_both_boot_the_client() -> None:
    step = first(managers(during="either"))
    assert isinstance(step, ProvenStep)
    assert [change.server for change in step.step.changes] == ["new", "old"]
    refused = first(managers(during="either", new={"software": "generic", "programs": {"bios": "x.0"}}))
    assert isinstance(refused, Refused)
    assert "either" not in [offer.during for offer in refused.offers]


@pytest.mark.parametrize(("during", "through"), [("front", "front"), ("scope", "dhcp")])
def test_a_server_between_is_put_in_place_moves_and_is_taken_away(during: str, through: str) -> None:
    inventory = managers(during=during, through=through, waves=[{"name": "a", "size": 4}, {"name": "b"}])
    planned = roadmap(inventory, "up", NOBODY_YET.updated(through=through))
    assert not planned.refused
    assert [coming.wave.name for coming in planned.forward] == ["put-in-place", "a", "b", "take-away"]
    servers = [[c.server for c in coming.proven().step.changes] for coming in planned.forward]
    assert servers == [[through, "old"], [through], [through], ["new", through]]
    back = [[c.server for c in coming.proven().step.changes] for coming in planned.back]
    assert back == [["old", through], [through], [through], [through, "new"]]


def test_a_server_between_names_the_files_of_each_clients_own_server() -> None:
    inventory = managers(during="front", through="front")
    state = NOBODY_YET.updated(
        through="front", stands="between", waves=(MovedWave(name="a", moved=NOW, clients=MACS[:4]),)
    )
    at = inventory_at(inventory, "up", state.placement)
    front = at.site.servers["front"]
    assert front.programs["bios"].file == "old/lpxelinux.0"
    assert front.programs["bios"].server == "old"
    ((group, programs),) = front.programs_for.items()
    assert at.group(group).points == frozenset(MACS[:4])
    assert programs["bios"].server == "new"
    assert {at.site.servers[name].answers.who for name in ("old", "new")} == {"nobody"}


def test_one_machine_goes_back_alone() -> None:
    state = NOBODY_YET.updated(waves=(MovedWave(name="all", moved=NOW, clients=MACS),))
    step = some_back(managers(during="gap"), "up", state, frozenset(MACS[3:4])).proven().step
    assert (step.direction, step.clients) == ("back", frozenset(MACS[3:4]))
    assert step.end.left == frozenset(MACS) - {MACS[3]}


def test_what_is_changed_by_hand_is_one_digit_of_each_machine() -> None:
    inventory = managers(during="gap")
    step = first(inventory)
    assert isinstance(step, ProvenStep)
    migration = inventory.site.migrations["up"]
    parked, _ = park_all(inventory, migrating(inventory, migration), migration.parking)
    start, parked_there, arrived = step.step.moments
    given = hand_changes(inventory, "up", "old", start, parked_there, parked)
    taken = hand_changes(inventory, "up", "new", parked_there, arrived, parked)
    assert [each.before for each in given] == [each.after for each in taken] == list(MACS)
    assert [each.after for each in given] == [each.before for each in taken] == [parked[mac] for mac in MACS]
    assert "digit 1: 0 to 8" in given[0].what
    assert as_csv(given).splitlines()[1].startswith("old,tc00,00:15:5d:00:00:00,80:15:5d:00:00:00,")
    assert hand_changes(inventory, "up", "dhcp", start, arrived, parked) == ()


def test_a_gap_needs_its_window() -> None:
    step = first(managers(during="gap"))
    assert isinstance(step, ProvenStep)
    for window, met in ((None, False), ("20:00-06:00", True), ("6:00-20:00", False)):
        declared: dict[str, Any] = {"window": window} if window else {}
        migration = managers(during="gap", **declared).site.migrations["up"]
        assert [condition.met for condition in gap_conditions(migration, step, NOW)] == [met]


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        ("20:00-06:00", time(23, 59), True),
        ("20:00-06:00", time(5, 59), True),
        ("20:00-06:00", time(6, 0), False),
        ("8:30-9:30", time(8, 30), True),
        ("8:30-9:30", time(9, 30), False),
    ],
)
def test_a_window_may_go_over_midnight(window: str, at: time, inside: bool) -> None:
    assert within(window, at) is inside


@pytest.mark.parametrize(
    "migration",
    [
        {"during": "front"},
        {"through": "front"},
        {"during": "front", "through": "old"},
        {"during": "scope", "through": "front"},
        {"during": "front", "through": "dhcp"},
        {"during": "front", "through": "nowhere"},
        {"window": "late"},
        {"window": "25:00-26:00"},
        {"during": "never"},
    ],
)
def test_what_cannot_stand_between_is_refused_at_its_place(migration: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        managers(**migration)
