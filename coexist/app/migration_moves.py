"""Moving the next wave, taking one back, retiring the old server: what must hold, and doing it.

What is decided on the way is shown before it is done: a step with its conditions, a change for somebody's
hands, or a sentence. Whoever asks says how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from coexist.app.migration_by_hand import ByHand, check_made, machines_named, next_by_hand
from coexist.app.migrations import Loaded, local_now, new_state_of
from coexist.errors import CoexistError, UndecidedError
from coexist.planning.by_hand import is_by_hand
from coexist.planning.choosing import ProvenStep, Refused, ways_through
from coexist.planning.gates import Condition, gap_conditions
from coexist.planning.retirement import objections
from coexist.planning.roadmap import (
    Coming,
    Roadmap,
    check_retirement,
    last_wave_back,
    next_step,
    roadmap,
    some_back,
    verify_open_step,
)
from coexist.records import dataclass
from coexist.rollout.migrated import beyond_its_product, refuse_inexpressible
from coexist.rollout.migration import Surroundings, begin, carry_on, made_by_hand, retire_source, take_back
from coexist.rollout.migration_journal import Journal
from coexist.text.amounts import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A step that comes next, and what must hold before it."""

    planned: ProvenStep | Refused
    conditions: tuple[Condition, ...] = ()


Show = Callable[[Shown | ByHand | str], None]
Around = Callable[[], Surroundings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What is wanted of a move. ``despite_gate``: why it goes on although the gate is shut; ``interfaces``:
    the cards (VLAN=INTERFACE) by which a change made by hand is checked."""

    yes: bool
    despite_gate: str | None = None
    done_by_hand: bool = False
    interfaces: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    captures: tuple[Path, ...] = ()


def plan(loaded: Loaded) -> Roadmap:
    """Every step to come, with its proof; one that a server cannot be told is refused."""
    planned = roadmap(loaded.inventory, loaded.name, loaded.state)
    forward, back = (
        tuple(_can_be_told(loaded, one) for one in way) for way in (planned.forward, planned.back)
    )
    return replace(planned, forward=forward, back=back)


def _can_be_told(loaded: Loaded, coming: Coming) -> Coming:
    """A step as it was planned, or refused where a product cannot keep a moment of it."""
    if isinstance(coming.planned, Refused):
        return coming
    step = coming.planned.step
    found = beyond_its_product(loaded.inventory, loaded.name, step)
    if found is None:
        return coming
    reason = f"{found.position}: {found.code.code}: {found.message}; {found.repair}"
    offers = ways_through(loaded.inventory, (loaded.migration.source, loaded.migration.target))
    refused = Refused(wave=step.wave, direction=step.direction, reason=reason, offers=offers)
    return replace(coming, planned=refused)


def move_next(loaded: Loaded, wanted: Next, around: Around, show: Show) -> bool:
    """Move the next wave, or finish the step under way; whether something is left to do.

    Raises `CoexistError` where a gate is shut, a step is not safe, or a change was not made.
    """
    loaded.refuse_if_retired()
    if wanted.done_by_hand and loaded.state.step is None:
        raise CoexistError("no step is under way, so nothing was to be made by hand")
    if loaded.state.step is not None:
        verify_open_step(loaded.inventory, loaded.name, loaded.state)
        show(f"the step of {loaded.state.step.wave} is under way")
        if not wanted.yes and not wanted.done_by_hand:
            _show_by_hand(loaded, show)
            return True
    elif not _begins(loaded, wanted, around, show):
        return next_step(loaded.inventory, loaded.name, loaded.state) is not None
    journal = Journal(loaded.inventory, loaded.name)
    with journal.held():
        surroundings = around()
        if wanted.done_by_hand:
            checked = check_made(loaded, loaded.state, wanted.interfaces, wanted.registries, wanted.captures)
            if not checked:
                show("nothing was checked: no network card was named through which the wire is asked")
            made_by_hand(journal, surroundings)
        if journal.read().step is None:
            return False
        return _carried_on(loaded, journal, surroundings, show)


def _carried_on(loaded: Loaded, journal: Journal, surroundings: Surroundings, show: Show) -> bool:
    """Go on until the step ends, or until somebody must change something by hand; whether that is so."""
    ended = carry_on(journal, surroundings, lambda change: is_by_hand(loaded.inventory, change.server))
    if ended is not None:
        return False
    _show_by_hand(loaded, show, journal)
    return True


def _show_by_hand(loaded: Loaded, show: Show, journal: Journal | None = None) -> None:
    change = next_by_hand(loaded, loaded.state if journal is None else journal.read())
    if change is not None:
        show(change)


def _begins(loaded: Loaded, wanted: Next, around: Around, show: Show) -> bool:
    """Show the next step and what must hold before it, and write down that it began; False if it did not."""
    coming = next_step(loaded.inventory, loaded.name, loaded.state)
    if coming is None:
        show("every wave has moved; `coexist migrate retire` is what is left")
        return False
    conditions = loaded.gate(coming.wave, wanted.registries, wanted.captures)
    if not isinstance(coming.planned, Refused):
        conditions = (*conditions, *gap_conditions(loaded.migration, coming.planned, local_now()))
    show(Shown(planned=coming.planned, conditions=conditions))
    proven = coming.proven()
    refuse_inexpressible(loaded.inventory, loaded.name, proven.step)
    shut = [condition for condition in conditions if not condition.met]
    if shut and wanted.despite_gate is None:
        said = f"the gate is shut: {shut[0].text}; wait, or give a reason to go on all the same"
        raise UndecidedError(said, "gate")
    if not wanted.yes:
        return False
    journal = Journal(loaded.inventory, loaded.name)
    with journal.held():
        surroundings = around()
        state = begin(journal, proven.step, surroundings)
        if shut and wanted.despite_gate is not None:
            what = f"the gate was shut, passed all the same: {wanted.despite_gate}"
            journal.write(state.noting(surroundings.now(), what))
    return True


def move_back(loaded: Loaded, machines: tuple[str, ...], around: Around, show: Show, *, yes: bool) -> bool:
    """Take back the step under way, or the last wave, or single machines; whether something is left to do."""
    loaded.refuse_if_retired()
    journal = Journal(loaded.inventory, loaded.name)
    if loaded.state.step is not None:
        verify_open_step(loaded.inventory, loaded.name, loaded.state)
        if not yes:
            show(f"the step of {loaded.state.step.wave} would be taken back")
            return True
        with journal.held():
            take_back(journal, around())
        return False
    macs = machines_named(loaded, machines)
    coming = (
        some_back(loaded.inventory, loaded.name, loaded.state, macs)
        if macs
        else last_wave_back(loaded.inventory, loaded.name, loaded.state)
    )
    if coming is None:
        show("no wave has moved")
        return False
    show(Shown(planned=coming.planned))
    proven = coming.proven()
    refuse_inexpressible(loaded.inventory, loaded.name, proven.step)
    if not yes:
        return True
    with journal.held():
        surroundings = around()
        begin(journal, proven.step, surroundings)
        return _carried_on(loaded, journal, surroundings, show)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """The end of a migration, proven and not done yet. ``texts``: the inventory's files with the new state;
    ``against``: what spoke against it; ``by_hand``: whether somebody else silences the old server."""

    source: str
    proof: str
    patch: str
    texts: dict[str, str]
    against: tuple[str, ...]
    by_hand: bool


def retirement(loaded: Loaded, *, despite: str | None, leave_behind: bool) -> Retirement:
    """What retiring the old server means. Raises `CoexistError` where something speaks against it."""
    loaded.refuse_if_retired()
    proof, staying = check_retirement(loaded.inventory, loaded.name, loaded.state)
    against = tuple(objections(loaded.sheet))
    if against and despite is None:
        raise UndecidedError("\n".join((*against, "settle them, or give a reason")), "objections")
    if staying and not leave_behind:
        who = amount(len(staying), "client that may stay behind boots", "clients that may stay behind boot")
        raise UndecidedError(
            f"{who} from {loaded.state.source}; move them, or say that they are left behind", "staying"
        )
    texts, patch = new_state_of(loaded)
    return Retirement(
        source=loaded.state.source,
        proof=str(proof),
        patch=patch,
        texts=texts,
        against=against,
        by_hand=is_by_hand(loaded.inventory, loaded.state.source),
    )


def retire(loaded: Loaded, end: Retirement, around: Around, despite: str | None) -> None:
    """Silence the old server, and write the new state into the inventory."""
    journal = Journal(loaded.inventory, loaded.name)
    with journal.held():
        surroundings = around()
        if despite is not None:
            what = f"retired although {'; '.join(end.against) or 'nothing spoke against it'}: {despite}"
            journal.write(journal.read().noting(surroundings.now(), what))
        retire_source(journal, surroundings, by_hand=end.by_hand)
    for file, text in end.texts.items():
        Path(file).write_bytes(text.encode())
