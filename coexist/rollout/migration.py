"""Carrying out a step of a migration: one server after the other, written down before and after each.

Every moment of a step holds for ever, so it may be killed anywhere. What it needs to know to go on is
in the state file: how many changes were made, and whether one was being made. A change that may have been
made is made again, which changes nothing if it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.planning import progress
from coexist.planning.choosing import gap_of
from coexist.planning.progress import MigrationState, MovedWave, OpenStep
from coexist.planning.steps import Change, Step, undo
from coexist.planning.ways import PUT_IN_PLACE, TAKE_AWAY
from coexist.records import dataclass
from coexist.rollout.migrated import rendered_inventory
from coexist.rollout.migration_journal import Journal
from coexist.text.amounts import amount

Apply = Callable[[Inventory, str], str]
"""Brings one server to what an inventory says of it, whatever it runs now, and tells what it did.

Doing it twice must be the same as once. Raises ``HostError`` when it could not; the server is then as it
was, or as it is planned.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run needs beside files: the servers, a clock with a time zone, patience, someone to tell."""

    apply: Apply
    now: Callable[[], datetime]
    wait_until: Callable[[datetime], None]
    tell: Callable[[str], None]


def begin(journal: Journal, step: Step, around: Surroundings) -> MigrationState:
    """Write a step down, before anything is changed."""
    state = journal.read()
    if state.step is not None:
        raise CoexistError(f"the step of {state.step.wave} is not finished; finish it, or take it back")
    if state.settled != step.start:
        raise CoexistError(f"{journal.path} changed while the step was planned; run it again")
    now = around.now()
    state = state.updated(
        step=OpenStep(
            wave=step.wave,
            direction=step.direction,
            way=step.way,
            delay=step.delay,
            clients=tuple(sorted(step.clients)),
            since=now,
        )
    ).noting(now, f"began {_about(state, step)} ({step.way})")
    journal.write(state)
    return state


def _about(state: MigrationState, step: Step) -> str:
    """What a step does, as a part of a sentence."""
    if step.way in (PUT_IN_PLACE, TAKE_AWAY):
        back = "" if step.direction == "forward" else "the way back of "
        return f"{back}{step.way} of {state.through}"
    what = "to" if step.direction == "forward" else "back to"
    server = state.target if step.direction == "forward" else state.source
    return f"to move {amount(len(step.clients), 'client')} of {step.wave} {what} {server}"


def carry_on(
    journal: Journal, around: Surroundings, by_hand: Callable[[Change], bool] = lambda _: False
) -> MigrationState | None:
    """Make the changes of the step under way that are left, and end it.

    None where it stops before a change that somebody has to make by hand (``by_hand``).
    """
    state = journal.read()
    step, open_ = _under_way(state)
    for number in range(open_.done, len(step.changes)):
        change = step.changes[number]
        if change.settles:
            _settle(journal, open_, around)
        if by_hand(change):
            return None
        state = _make(journal, state, change, number + 1, around)
        assert state.step is not None
        open_ = state.step
    return _finish(journal, state, around)


def made_by_hand(journal: Journal, around: Surroundings) -> MigrationState:
    """Write down that the next change of the step under way was made by somebody else."""
    state = journal.read()
    step, open_ = _under_way(state)
    change = step.changes[open_.done]
    now = around.now()
    made = _made(open_, change, open_.done + 1, begun=open_.since, ended=now)
    state = state.updated(step=made).noting(now, f"{change.server} {change.what} (by hand)")
    journal.write(state)
    around.tell(f"{change.server}: {change.what} (by hand)")
    if open_.done + 1 == len(step.changes):
        return _finish(journal, state, around)
    return state


def take_back(journal: Journal, around: Surroundings) -> MigrationState:
    """Undo the changes of the step under way that were made, and forget it."""
    state = journal.read()
    step, open_ = _under_way(state)
    reached = min(open_.done + open_.trying, len(step.changes))
    for number, change in zip(range(reached - 1, -1, -1), undo(step, reached), strict=True):
        # It counts as not made from here on: whether a run goes on or back after this, it makes it again.
        state = state.updated(step=open_.model_copy(update={"done": number, "trying": True}))
        journal.write(state)
        state = _make(journal, state, change, number, around)
        assert state.step is not None
        open_ = state.step
    now = around.now()
    state = state.updated(step=None).noting(now, f"took the step of {step.wave} back")
    journal.write(state)
    around.tell(f"{step.wave}: as it was before the step")
    return state


def retire_source(journal: Journal, around: Surroundings, *, by_hand: bool = False) -> MigrationState:
    """Have the old server answer nobody; somebody did so ``by_hand``. There is no way back from here."""
    state = journal.read()
    if state.step is not None or state.retired is not None:
        raise CoexistError("a step is under way" if state.step is not None else "it is retired already")
    told = "by hand"
    if not by_hand:
        moment = state.settled.changed(retired=True)
        told = around.apply(rendered_inventory(journal.inventory, journal.name, moment), state.source)
    now = around.now()
    state = state.updated(retired=now).noting(now, f"{state.source} is retired")
    journal.write(state)
    around.tell(f"{state.source}: answers nobody ({told})")
    return state


def _under_way(state: MigrationState) -> tuple[Step, OpenStep]:
    step = state.under_way()
    if step is None or state.step is None:
        raise CoexistError("no step is under way")
    return step, state.step


def _make(
    journal: Journal, state: MigrationState, change: Change, done: int, around: Surroundings
) -> MigrationState:
    """Make one change, written down before and after."""
    assert state.step is not None
    open_ = state.step.model_copy(update={"trying": True})
    journal.write(state.updated(step=open_))
    begun = around.now()
    told = around.apply(rendered_inventory(journal.inventory, journal.name, change.placement), change.server)
    around.tell(f"{change.server}: {change.what} ({told})")
    state = state.updated(step=_made(open_, change, done, begun=begun, ended=around.now()))
    journal.write(state)
    return state


def _made(open_: OpenStep, change: Change, done: int, *, begun: datetime, ended: datetime) -> OpenStep:
    """The step under way after a change, which was made between two moments."""
    update: dict[str, object] = {"done": done, "trying": False, "since": ended}
    if change.gap and open_.unserved is None:
        update["unserved"] = begun
    return open_.model_copy(update=update)


def _settle(journal: Journal, open_: OpenStep, around: Surroundings) -> None:
    """Wait until every boot that began before the last change has ended."""
    end = open_.since + timedelta(seconds=journal.migration.settle)
    if around.now() < end:
        around.tell(f"boots under way may take until {progress.moment(end)}")
        around.wait_until(end)


def _finish(journal: Journal, state: MigrationState, around: Surroundings) -> MigrationState:
    step, open_ = _under_way(state)
    now = around.now()
    forward = step.direction == "forward"
    update: dict[str, object] = {}
    who = amount(len(step.clients), "client boots", "clients boot")
    if step.way in (PUT_IN_PLACE, TAKE_AWAY):
        before, after = ("before", "between") if step.way == PUT_IN_PLACE else ("between", "after")
        update = {"stands": after if forward else before}
        what = f"{_about(state, step)}: done"
    elif forward:
        update = {"waves": (*state.waves, MovedWave(name=step.wave, moved=now, clients=open_.clients))}
        what = f"{step.wave}: {who} from {state.target}"
    else:
        update = {"waves": tuple(_without(state.waves, step))}
        what = f"{step.wave}: {who} from {state.source} again"
    gap = None
    if open_.unserved is not None:
        gap = (now - open_.unserved).total_seconds()
        planned = gap_of(journal.inventory, step)
        what += f"; each had no server for at most {gap:.0f} s, planned: at most {planned:.0f} s"
    state = state.updated(**update, step=None).noting(now, what, gap)
    journal.write(state)
    around.tell(what)
    return state


def _without(waves: tuple[MovedWave, ...], step: Step) -> Iterator[MovedWave]:
    """The waves without the clients that went back; one that nobody is left of is gone."""
    for wave in waves:
        if wave.name != step.wave:
            yield wave
            continue
        left = tuple(mac for mac in wave.clients if mac not in step.clients)
        if left:
            yield wave.model_copy(update={"clients": left})
