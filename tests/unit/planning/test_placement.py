from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.boot.servers.coexist import boot_policy
from coexist.inventory import inventory_from_tree
from coexist.inventory.products import COEXIST
from coexist.planning.effective import inventory_at
from coexist.planning.parking import park_all
from coexist.planning.placement import BEFORE, Placement, registrations
from coexist.planning.steps import Direction, build_step, undo
from coexist.planning.waves import migrating
from coexist.planning.ways import HAND_OVER_DELAYS, Way
from tests.unit.planning.sites import site, tree

ENDS = ("old", "new")
MACS = range(0x00155D000000, 0x00155D00000C)
SITE = site()
SETS = st.sets(st.sampled_from(MACS)).map(frozenset)


def answered(inventory: Any, server: str) -> frozenset[int]:
    """Whom a server's own policy serves at all, of the site's clients."""
    policy = boot_policy(inventory, server)
    return frozenset(mac for mac in MACS if policy.rule_for(mac, 0) is not None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"only": "thin-clients"}, "nobody"),
        ("known", {"only": "pilot-machines"}),
        ("everyone", "nobody"),
        ({"except": "pilot-machines"}, {"only": "pilot-machines"}),
        ("intended", "intended"),
        ({"only": "thin-clients"}, {"except": "thin-clients"}),
    ],
)
@given(moved=SETS)
def test_each_server_answers_what_the_placement_says(old: Any, new: Any, moved: frozenset[int]) -> None:
    plain = tree()
    plain["servers"]["old"]["answers"], plain["servers"]["new"]["answers"] = old, new
    base = inventory_from_tree(plain)
    before = {server: answered(base, server) for server in ENDS}
    now = inventory_at(base, "up", Placement.settled(moved))
    assert answered(now, "old") == before["old"] - moved
    assert answered(now, "new") == before["new"] | moved


@given(moved=SETS)
def test_the_intent_follows_the_clients(moved: frozenset[int]) -> None:
    now = inventory_at(SITE, "up", Placement.settled(moved))
    for mac in MACS:
        rule = next(r for r in now.site.intent if mac in now.members(r.clients, r.unless))
        assert rule.boot_from == ("new" if mac in moved else "old")


@given(moved=SETS)
def test_parked_macs_are_rendered_where_the_client_must_not_be_served(moved: frozenset[int]) -> None:
    base = SITE
    parked, failed = park_all(base, MACS, "first-digit")
    assert not failed
    now = inventory_at(base, "up", Placement.settled(moved), parked)
    lists = {server: now.members(now.site.servers[server].answers.groups) for server in ENDS}
    for mac in MACS:
        assert (mac in lists["new"], parked[mac] in lists["new"]) == (mac in moved, mac not in moved)
        assert (mac in lists["old"], parked[mac] in lists["old"]) == (mac not in moved, mac in moved)


@given(moved=SETS)
def test_registration_lists_hold_every_client_once(moved: frozenset[int]) -> None:
    base = SITE
    migration = base.site.migrations["up"]
    scope = migrating(base, migration)
    parked, _ = park_all(base, scope, "first-digit")
    for parking in (parked, {}):
        lists = registrations(migration, scope, Placement.settled(moved), parking)
        active = {name: {r.original for r in rows if not r.parked} for name, rows in lists.items()}
        assert active == {"old": scope - moved, "new": moved}
        assert all(
            len(rows) == (len(scope) if parking else len(active[name])) for name, rows in lists.items()
        )


WAYS: list[tuple[Way, Any]] = [
    *(("hand-over", delay) for delay in HAND_OVER_DELAYS),
    *(("giver-stands-by", delay) for delay in COEXIST.standby),
    *(("taker-stands-by", delay) for delay in COEXIST.standby),
    ("overlap", None),
]


@pytest.mark.parametrize(("way", "delay"), WAYS)
@pytest.mark.parametrize("direction", ["forward", "back"])
@settings(max_examples=5)
@given(st.data())
def test_a_step_changes_one_server_at_a_time_and_ends_settled(
    way: Way, delay: Any, direction: Direction, data: Any
) -> None:
    clients = data.draw(st.sets(st.sampled_from(MACS), min_size=1).map(frozenset))
    others = data.draw(SETS) - clients
    start = Placement.settled(others | clients if direction == "back" else others)
    step = build_step(ENDS, wave="w", direction=direction, clients=clients, start=start, way=way, delay=delay)
    assert step.end == Placement.settled(others if direction == "back" else others | clients)
    base = SITE
    at = [inventory_at(base, "up", moment).site.servers for moment in step.moments]
    groups = [inventory_at(base, "up", moment) for moment in step.moments]
    for number, change in enumerate(step.changes):
        kept = next(name for name in ENDS if name != change.server)
        assert at[number][kept] == at[number + 1][kept]
        assert boot_policy(groups[number], kept) == boot_policy(groups[number + 1], kept)
        assert boot_policy(groups[number], change.server) != boot_policy(groups[number + 1], change.server)


@pytest.mark.parametrize(("way", "delay"), WAYS)
@pytest.mark.parametrize("direction", ["forward", "back"])
def test_undoing_passes_the_same_moments(way: Way, delay: Any, direction: Direction) -> None:
    clients = frozenset(MACS[:3])
    start = Placement.settled(clients) if direction == "back" else BEFORE
    step = build_step(ENDS, wave="w", direction=direction, clients=clients, start=start, way=way, delay=delay)
    for reached in range(len(step.changes) + 1):
        back = undo(step, reached)
        assert [change.placement for change in back] == list(reversed(step.moments[:reached]))
        assert [change.server for change in back] == [c.server for c in reversed(step.changes[:reached])]


def test_whoever_is_handed_over_boots_the_other_servers_files() -> None:
    clients = frozenset(MACS[:2])
    step = build_step(
        ENDS, wave="w", direction="forward", clients=clients, start=BEFORE, way="hand-over",
        delay=HAND_OVER_DELAYS[0],
    )  # fmt: skip
    handed = boot_policy(inventory_at(site(), "up", step.moments[2]), "old")
    rule = handed.rule_for(MACS[0], 0)
    assert rule is not None
    assert str(rule.programs[0].server) == "10.10.0.7"
    assert rule.programs[0].file == "new/lpxelinux.0"
    untouched = handed.rule_for(MACS[5], 0)
    assert untouched is not None
    assert (untouched.programs[0].server, untouched.programs[0].file) == (None, "old/lpxelinux.0")


def test_a_machine_that_was_unregistered_since_is_served_by_nobody() -> None:
    now = inventory_at(site(clients=11), "up", Placement.settled(MACS))
    assert answered(now, "new") == frozenset(MACS[:11])
    assert not answered(now, "old")


def test_a_retired_server_answers_nobody() -> None:
    now = inventory_at(SITE, "up", replace(Placement.settled(MACS), retired=True))
    assert not answered(now, "old")
    assert answered(now, "new") == frozenset(MACS)
