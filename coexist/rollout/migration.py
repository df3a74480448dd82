"""Carrying out a step of a migration: one server after the other, written down before and after each.

Every moment of a step holds for ever, so it may be killed anywhere. What it needs to know to go on is
in the state file: how many changes were made, and whether one was being made. A change that may have been
made is made again, which changes nothing if it was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path, PurePath

from coexist.analysis import Analysis, analyse, sorted_findings
from coexist.analysis.findings import Finding
from coexist.errors import CoexistError, InputError, Position, Problem
from coexist.inventory import Inventory
from coexist.planning import checklist, progress
from coexist.planning.checklist import ChecklistRecord, read_checklist, write_checklist
from coexist.planning.choosing import gap_of
from coexist.planning.effective import inventory_at
from coexist.planning.in_transit import told_apart
from coexist.planning.parking import park_all
from coexist.planning.placement import Placement
from coexist.planning.progress import MigrationState, MovedWave, OpenStep, read_state, write_state
from coexist.planning.roadmap import RefusedError, verify_open_step
from coexist.planning.steps import Change, Step, undo
from coexist.planning.waves import migrating
from coexist.planning.ways import PUT_IN_PLACE, TAKE_AWAY
from coexist.records import dataclass
from coexist.render.limits import first_error, limits

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


class Journal:
    """The files of one migration beside the inventory; a write is whole or has not happened."""

    def __init__(self, inventory: Inventory, name: str) -> None:
        self.inventory = inventory
        self.name = name
        self.migration = inventory.site.migrations[name]
        self.path = inventory.root / progress.path_of(name)
        self.checklist_path = inventory.root / checklist.path_of(name)

    def read(self) -> MigrationState:
        """The state; that of a migration nobody began if there is no file."""
        declared = self.migration
        if not self.path.exists():
            return MigrationState(
                migration=self.name, source=declared.source, target=declared.target, through=declared.through
            )
        state = read_state(_text(self.path), str(self.path))
        ends = (state.source, state.target)
        if ends != (declared.source, declared.target):
            raise CoexistError(
                f"{self.path} is about a migration from {ends[0]} to {ends[1]}, which {self.name} of the "
                "inventory is not; give the new one a name of its own"
            )
        if state.through != declared.through:
            if state.waves or state.step is not None or state.stands != "before":
                raise CoexistError(
                    f"{self.path} was begun with `through: {state.through or 'nothing'}`; "
                    f"{self.name} says {declared.through or 'nothing'}: write it as it was begun"
                )
            state = state.updated(through=declared.through)
        return state

    def write(self, state: MigrationState) -> None:
        """Replace the state."""
        table = self.inventory.clients
        names = dict(zip(table.macs, table.columns["name"], strict=True))
        _replace(self.path, write_state(state, names))

    def read_checklist(self) -> ChecklistRecord:
        """The checklist's results; none if there is no file."""
        if not self.checklist_path.exists():
            return ChecklistRecord(migration=self.name)
        record = read_checklist(_text(self.checklist_path), str(self.checklist_path))
        if record.migration != self.name:
            raise CoexistError(
                f"{self.checklist_path} is about the migration {record.migration}, not {self.name}; "
                "take the file back from version control, or move it away"
            )
        return record

    def write_checklist(self, record: ChecklistRecord) -> None:
        """Replace the checklist's results."""
        _replace(self.checklist_path, write_checklist(record))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other run away from these files; ends with the process, however it ends."""
        self.path.parent.mkdir(exist_ok=True)
        # The directory itself is locked: a lock file would lie in the repository for ever.
        lock = os.open(self.path.parent, os.O_RDONLY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = f"another run is at work in {self.path.parent}; wait for its end"
                raise CoexistError(busy) from None
            yield
        finally:
            os.close(lock)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """One writer of the checklist at a time; a step may be under way, which read it at its start."""
        lock = os.open(self.inventory.root, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problem = f"this is not UTF-8 text: octet {error.start} is none"
        remedy = "take the file back from version control"
        raise InputError([Problem(Position(str(path)), problem, remedy)]) from None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def rendered_inventory(inventory: Inventory, name: str, placement: Placement) -> Inventory:
    """What the servers are to be rendered from at a moment: parked registrations included."""
    migration = inventory.site.migrations[name]
    parked, _ = park_all(inventory, migrating(inventory, migration), migration.parking)
    return inventory_at(inventory, name, placement, parked)


def beyond_its_product(inventory: Inventory, name: str, step: Step) -> Finding | None:
    """What a server cannot be told of a moment of a step, as far as its product says; None if nothing is."""
    for change in step.changes:
        at = rendered_inventory(inventory, name, change.placement)
        if at.site.servers[change.server].fixed:
            continue
        found = first_error(at, change.server)
        if found is not None:
            return found
    return None


def refuse_inexpressible(inventory: Inventory, name: str, step: Step) -> None:
    """Raise ``CoexistError`` if a server cannot be configured as a moment of the step needs it."""
    found = beyond_its_product(inventory, name, step)
    if found is not None:
        raise CoexistError(f"{found.position}: {found.code.code}: {found.message}; {found.repair}")


def refuse_orphaned(inventory: Inventory) -> None:
    """Raise ``InputError`` for a state file without its migration, whose machines would all go back.

    One of a migration that has ended may stay: its old server answers nobody, or is gone.
    """
    known = {file.name for name in inventory.site.migrations for file in _files_of(name)}
    left = [
        path
        for path in sorted((inventory.root / progress.DIRECTORY).glob("*.yaml"))
        if path.name not in known and not path.name.endswith(checklist.SUFFIX)
    ]
    problems = [
        Problem(
            Position(str(path)),
            f"the inventory has no migration {path.stem!r}, and machines of it have moved",
            "write its section again, and end it with `coexist migrate retire`, which writes the new state "
            "into the inventory",
        )
        for path in left
        if _takes_back(inventory, read_state(_text(path), str(path)))
    ]
    if problems:
        raise InputError(problems)


def _files_of(name: str) -> tuple[PurePath, ...]:
    return progress.path_of(name), checklist.path_of(name)


def _takes_back(inventory: Inventory, state: MigrationState) -> bool:
    """Whether an inventory without the section of a migration has its machines where they were before."""
    if not state.history:
        return False
    source = inventory.site.servers.get(state.source)
    return state.retired is None or (source is not None and source.answers.who != "nobody")


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
    return f"to move {len(step.clients)} clients of {step.wave} {what} {server}"


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


def current_inventory(
    inventory: Inventory, *, parked: bool = True, moments: Mapping[str, Placement] | None = None
) -> Inventory:
    """The inventory as its migrations stand now; with parked registrations it is what servers should run.

    A migration that was never begun changes nothing. ``moments``: some migrations at another placement.
    """
    refuse_orphaned(inventory)
    for name in inventory.site.migrations:
        state = Journal(inventory, name).read()
        placement = (moments or {}).get(name, state.placement)
        if state.history and parked:
            inventory = rendered_inventory(inventory, name, placement)
        elif state.history:
            inventory = inventory_at(inventory, name, placement)
    return inventory


def analyse_current(inventory: Inventory, today: date | None = None) -> Analysis:
    """The findings of an inventory as its migrations stand now.

    What is found only because a step is under way is information, if the step is proven again to hold.
    """
    current = current_inventory(inventory, parked=False)
    # What servers are told counts the parked registrations; races do not, as no machine has those MACs.
    analysis = analyse(current, today, limits(current_inventory(inventory)))
    found = analysis.findings
    for name in inventory.site.migrations:
        state = Journal(inventory, name).read()
        step = state.under_way()
        if step is None or not found:
            continue
        try:
            verify_open_step(inventory, name, state)
        except RefusedError:
            continue
        settled = [
            analyse(
                current_inventory(inventory, parked=False, moments={name: moment}),
                today,
                limits(current_inventory(inventory, moments={name: moment})),
            )
            for moment in (step.start, step.end)
        ]
        found = told_apart(found, [each.findings for each in settled], migration=name, wave=step.wave)
    return replace(analysis, findings=sorted_findings(found))


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
    if step.way in (PUT_IN_PLACE, TAKE_AWAY):
        before, after = ("before", "between") if step.way == PUT_IN_PLACE else ("between", "after")
        update = {"stands": after if forward else before}
        what = f"{_about(state, step)}: done"
    elif forward:
        update = {"waves": (*state.waves, MovedWave(name=step.wave, moved=now, clients=open_.clients))}
        what = f"{step.wave}: {len(step.clients)} clients boot from {state.target}"
    else:
        update = {"waves": tuple(_without(state.waves, step))}
        what = f"{step.wave}: {len(step.clients)} clients boot from {state.source} again"
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
