"""A migration's steps carried out on two servers that are policies in memory, and killed anywhere."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.analysis import analyse
from coexist.boot.policy import BootPolicy
from coexist.boot.servers.coexist import boot_policy
from coexist.errors import CoexistError
from coexist.inventory import Inventory, load_inventory
from coexist.planning.placement import BEFORE, Placement
from coexist.planning.steps import NEVER, Direction, build_step
from coexist.planning.ways import HAND_OVER_DELAYS
from coexist.rollout.migrated import analyse_current, current_inventory, rendered_inventory
from coexist.rollout.migration import Surroundings, begin, carry_on, take_back
from coexist.rollout.migration_journal import Journal
from tests.unit.planning.sites import tree

ENDS = ("old", "new")
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SETTLE = 90.0


class KilledError(Exception):
    """The run ended here, as if by SIGKILL."""


class Wire:
    """Two servers as the policies they run, and a clock that only waiting moves.

    ``kill_at``: the point at which the run is killed; points are before and after each change, and each wait.
    """

    def __init__(self, inventory: Inventory, kill_at: int | None = None) -> None:
        now = rendered_inventory(inventory, "up", BEFORE)
        self.policies: dict[str, BootPolicy] = {server: boot_policy(now, server) for server in ENDS}
        self.macs = list(inventory.clients.macs)
        self.now = START
        self.kill_at = kill_at
        self.points = 0
        self.changes: list[tuple[str, datetime]] = []
        self.moments: list[dict[str, BootPolicy]] = [copy.copy(self.policies)]

    def point(self) -> None:
        self.points += 1
        if self.points - 1 == self.kill_at:
            raise KilledError

    def apply(self, inventory: Inventory, server: str) -> str:
        self.point()
        self.policies[server] = boot_policy(inventory, server)
        self.changes.append((server, self.now))
        self.moments.append(copy.copy(self.policies))
        self.point()
        return "done"

    def wait_until(self, end: datetime) -> None:
        self.point()
        assert end > self.now
        self.now = end

    def world(self) -> Surroundings:
        return Surroundings(
            apply=self.apply, now=lambda: self.now, wait_until=self.wait_until, tell=lambda line: None
        )


def boots_from(policies: dict[str, BootPolicy], mac: int) -> set[str]:
    """The servers whose files a client gets, if each answers its first DISCOVER as its policy says."""
    found: set[str] = set()
    standing_by: set[str] = set()
    addresses = {"10.10.0.6": "old", "10.10.0.7": "new"}
    for server, policy in policies.items():
        rule = policy.rule_for(mac, 0)
        if rule is None or rule.delay == NEVER:
            continue
        files = rule.programs[0].server
        source = addresses[str(files)] if files is not None else server
        (standing_by if rule.delay.since_first else found).add(source)
    return found or standing_by


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "site.yaml").write_text(yaml.safe_dump(tree(waves=[{"name": "w"}], settle=SETTLE)))
    return folder


@pytest.fixture
def inventory(folder: Path) -> Iterator[Inventory]:
    yield load_inventory(folder)
    for file in (folder / "migrations").glob("*.yaml"):
        file.unlink()


CLIENTS = frozenset(range(0x00155D000001, 0x00155D000005))


def step(inventory: Inventory, direction: Direction = "forward") -> Any:
    return build_step(
        ENDS,
        wave="w",
        direction=direction,
        clients=CLIENTS,
        start=Placement.settled(CLIENTS if direction == "back" else ()),
        way="hand-over",
        delay=HAND_OVER_DELAYS[0],
    )


def test_a_step_is_carried_out_in_order_and_waits_before_it_takes_away(inventory: Inventory) -> None:
    journal, wire = Journal(inventory, "up"), Wire(inventory)
    begin(journal, step(inventory), wire.world())
    state = carry_on(journal, wire.world())
    assert [server for server, _ in wire.changes] == ["new", "old", "new", "old"]
    times = [at for _, at in wire.changes]
    assert times[3] - times[2] >= timedelta(seconds=SETTLE)
    assert state == journal.read()
    assert [(wave.name, frozenset(wave.clients)) for wave in state.waves] == [("w", CLIENTS)]
    assert state.step is None
    for moment in wire.moments:
        assert all(len(boots_from(moment, mac)) == 1 for mac in wire.macs)
    assert all(boots_from(wire.policies, mac) == {"new" if mac in CLIENTS else "old"} for mac in wire.macs)


def test_the_current_inventory_is_what_the_servers_run(inventory: Inventory) -> None:
    journal, wire = Journal(inventory, "up"), Wire(inventory, kill_at=5)
    begin(journal, step(inventory), wire.world())
    with pytest.raises(KilledError):
        carry_on(journal, wire.world())
    # Killed between a change and its entry: the entry says it is being tried, the change before it is made.
    assert journal.read().step is not None
    carry_on(journal, Wire(inventory).world())
    now = current_inventory(inventory)
    finished = {server: boot_policy(now, server) for server in ENDS}
    assert all(boots_from(finished, mac) == {"new" if mac in CLIENTS else "old"} for mac in wire.macs)


@settings(max_examples=60)
@given(
    direction=st.sampled_from(["forward", "back"]),
    kills=st.lists(st.tuples(st.integers(0, 10), st.sampled_from(["on", "back"])), max_size=3),
    ending=st.sampled_from(["on", "back"]),
)
def test_killed_anywhere_it_goes_on_or_back_and_nobody_is_ever_without_one_server(
    folder: Path, direction: Direction, kills: list[tuple[int, str]], ending: str
) -> None:
    for file in (folder / "migrations").glob("*.yaml"):
        file.unlink()
    inventory = load_inventory(folder)
    journal = Journal(inventory, "up")
    wire = Wire(inventory)
    if direction == "back":
        begin(journal, step(inventory), wire.world())
        carry_on(journal, wire.world())
    begin(journal, step(inventory, direction), wire.world())
    for kill_at, way in kills:
        wire.points, wire.kill_at = 0, kill_at
        try:
            (carry_on if way == "on" else take_back)(journal, wire.world())
        except KilledError:
            continue
        break
    else:
        wire.kill_at = None
        (carry_on if ending == "on" else take_back)(journal, wire.world())
        way = ending
    for moment in wire.moments:
        for mac in wire.macs:
            assert len(boots_from(moment, mac)) == 1
    moved = CLIENTS if (direction == "forward") == (way == "on") else frozenset()
    state = journal.read()
    assert state.step is None
    assert state.placement == Placement.settled(moved)
    at_rest = current_inventory(inventory)
    for server in ENDS:
        assert rules(wire.policies[server]) == rules(boot_policy(at_rest, server))


def rules(policy: BootPolicy) -> list[Any]:
    return [dataclasses.replace(rule, name="") for rule in policy.rules]


def test_two_runs_at_once_are_refused(inventory: Inventory) -> None:
    journal = Journal(inventory, "up")
    other = Journal(inventory, "up").held()
    with journal.held(), pytest.raises(CoexistError, match=re.escape(str(journal.path.parent))):
        other.__enter__()
    with journal.held():
        pass


def test_a_second_step_waits_for_the_first(inventory: Inventory) -> None:
    journal, wire = Journal(inventory, "up"), Wire(inventory)
    begin(journal, step(inventory), wire.world())
    with pytest.raises(CoexistError, match=r"\bw\b"):
        begin(journal, step(inventory), wire.world())


def test_a_step_that_was_planned_from_another_state_is_refused(inventory: Inventory) -> None:
    journal, wire = Journal(inventory, "up"), Wire(inventory)
    stale = step(inventory)
    begin(journal, step(inventory), wire.world())
    carry_on(journal, wire.world())
    with pytest.raises(CoexistError, match=re.escape(str(journal.path))):
        begin(journal, stale, wire.world())


def test_a_state_of_another_migration_is_refused(inventory: Inventory) -> None:
    journal, wire = Journal(inventory, "up"), Wire(inventory)
    begin(journal, step(inventory), wire.world())
    journal.path.write_text(journal.path.read_text().replace("to: new", "to: newer"))
    with pytest.raises(CoexistError, match=rf"{re.escape(str(journal.path))}.*\bold\b.*\bnewer\b"):
        journal.read()


HANDED_OVER = 4
"""Killed here, the old server names the new one's files and the new one is silent."""


def stop_half_way(inventory: Inventory) -> None:
    journal, wire = Journal(inventory, "up"), Wire(inventory, HANDED_OVER)
    begin(journal, step(inventory), wire.world())
    with pytest.raises(KilledError):
        carry_on(journal, wire.world())


def of_the_step(inventory: Inventory) -> dict[str, tuple[str, bool]]:
    return {
        finding.code.code: (str(finding.severity), re.search(r"\bw\b.*\bup\b", finding.message) is not None)
        for finding in analyse_current(inventory).findings
    }


def test_findings_about_clients_in_transit_are_the_steps(inventory: Inventory) -> None:
    lasting = {finding.code.code: (str(finding.severity), False) for finding in analyse(inventory).findings}
    assert of_the_step(inventory) == lasting
    stop_half_way(inventory)
    bare = {
        f.code.code: str(f.severity) for f in analyse(current_inventory(inventory, parked=False)).findings
    }
    assert (bare["CX307"], bare["CX310"]) == ("warning", "error")
    assert of_the_step(inventory) == {**lasting, "CX307": ("info", True), "CX310": ("info", True)}
    journal = Journal(inventory, "up")
    carry_on(journal, Wire(inventory).world())
    assert of_the_step(inventory) == lasting


def changed(inventory: Inventory, change: Any) -> Inventory:
    """The inventory after an edit while the step is under way."""
    plain = tree(waves=[{"name": "w"}], settle=SETTLE)
    change(plain)
    (inventory.root / "site.yaml").write_text(yaml.safe_dump(plain))
    return load_inventory(inventory.root)


@pytest.fixture
def own(tmp_path: Path) -> Inventory:
    """An inventory that a test may change."""
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(tree(waves=[{"name": "w"}], settle=SETTLE)))
    inventory = load_inventory(tmp_path)
    stop_half_way(inventory)
    return inventory


def test_what_is_wrong_without_the_step_stays_an_error(own: Inventory) -> None:
    def spoil(plain: Any) -> None:
        plain["servers"]["printer"] = {**plain["servers"]["old"], "address": "10.10.0.9"}
        plain["groups"]["one"] = {"macs": ["02:00:00:00:00:99"]}
        plain["servers"]["printer"]["answers"] = {"only": "one"}
        plain["servers"]["printer"]["delay"] = 3600
        plain["intent"].append({"clients": "one", "boot_from": "printer"})

    found = [
        (finding.path[1], str(finding.severity))
        for finding in analyse_current(changed(own, spoil)).findings
        if finding.code.code == "CX310"
    ]
    assert sorted(found) == [("new", "info"), ("printer", "error")]


def test_a_step_that_no_longer_holds_excuses_nothing(own: Inventory) -> None:
    def spoil(plain: Any) -> None:
        plain["servers"]["rival"] = {**plain["servers"]["old"], "address": "10.10.0.9"}

    found = of_the_step(changed(own, spoil))
    assert found["CX310"] == ("error", False)
    assert not any(is_the_steps for _, is_the_steps in found.values())
