"""All steps of a migration that are still to come, each planned from where the one before it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.models import Wave
from coexist.planning.choosing import ProvenStep, Refused, plan_step, try_step
from coexist.planning.parking import NotParked, park_all
from coexist.planning.placement import Placement
from coexist.planning.progress import MigrationState
from coexist.planning.proof import Proof, Prover
from coexist.planning.steps import Direction, build_step
from coexist.planning.waves import left_over, migrating, plan_waves, staying
from coexist.planning.ways import PUT_IN_PLACE, TAKE_AWAY, Way
from coexist.records import dataclass
from coexist.text.amounts import amount
from coexist.wire.mac import format_mac


class RefusedError(CoexistError):
    """A step that no order of changes makes safe; the text has the witness."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A wave (or its way back) and what was planned for it."""

    wave: Wave
    clients: frozenset[int]
    planned: ProvenStep | Refused

    def proven(self) -> ProvenStep:
        """The step. Raises ``RefusedError`` with the witness if there is none that is safe."""
        if isinstance(self.planned, ProvenStep):
            return self.planned
        raise RefusedError(refusal(self.planned))


@dataclass(frozen=True, slots=True, kw_only=True)
class Roadmap:
    """What is still to come. ``back`` has the way back of each step in ``forward``, in its order.

    ``stay``: clients that may be left behind. ``left_over``: those no wave takes. ``not_parked``: clients
    that cannot stay registered on the server that must not serve them.
    """

    migration: str
    source: str
    target: str
    forward: tuple[Coming, ...]
    back: tuple[Coming, ...]
    settle: float
    stay: frozenset[int]
    left_over: frozenset[int]
    parked: int
    not_parked: tuple[NotParked, ...]

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Every step that cannot be made safe, forward or back."""
        both = (*self.forward, *self.back)
        return tuple(coming.planned for coming in both if isinstance(coming.planned, Refused))


def roadmap(inventory: Inventory, name: str, state: MigrationState) -> Roadmap:
    """Plan every step that is still to come, and the way back of each."""
    migration = inventory.site.migrations[name]
    steps = tuple(_steps(Prover(inventory, name), state))
    parked, not_parked = park_all(inventory, migrating(inventory, migration), migration.parking)
    return Roadmap(
        migration=name,
        source=migration.source,
        target=migration.target,
        forward=tuple(forward for forward, _ in steps),
        back=tuple(back for _, back in steps),
        settle=migration.settle,
        stay=staying(inventory, migration),
        left_over=left_over(inventory, migration, plan_waves(inventory, migration, moved_or_moving(state))),
        parked=len(parked),
        not_parked=not_parked,
    )


def _steps(prover: Prover, state: MigrationState) -> Iterator[tuple[Coming, Coming]]:
    """The steps to come, each from where the one before it ends, and the way back of each."""
    step = state.under_way()
    start = step.end if step is not None else state.settled
    stands = state.stands
    through = prover.migration.through
    if through is not None and stands == "before" and not (step is not None and step.way == PUT_IN_PLACE):
        start, coming = _through_step(prover, Wave(name=PUT_IN_PLACE), start)
        yield coming
    moving = step.wave if step is not None and step.direction == "forward" else None
    for members in plan_waves(prover.inventory, prover.migration, moved_or_moving(state)):
        if members.wave.name in state.moved or not members.clients or members.wave.name == moving:
            continue
        if through is not None and stands != "after":
            start, coming = _through_step(prover, members.wave, start, members.clients)
            yield coming
            continue
        end = Placement.settled(start.left | members.clients).changed(silenced=start.silenced)
        ends: tuple[tuple[Direction, Placement], ...] = (("forward", start), ("back", end))
        forward, back = (
            Coming(
                wave=members.wave,
                clients=members.clients,
                planned=plan_step(
                    prover,
                    wave=members.wave.name,
                    direction=direction,
                    clients=members.clients,
                    start=at,
                ),
            )
            for direction, at in ends
        )
        yield forward, back
        start = end
    if through is not None and stands != "after" and not (step is not None and step.way == TAKE_AWAY):
        _, coming = _through_step(prover, Wave(name=TAKE_AWAY), start)
        yield coming


def _through_step(
    prover: Prover, wave: Wave, start: Placement, clients: frozenset[int] = frozenset()
) -> tuple[Placement, tuple[Coming, Coming]]:
    """A step of the server that stands between, with its way back, and where it ends."""
    way: Way = cast("Way", wave.name) if wave.name in (PUT_IN_PLACE, TAKE_AWAY) else "direct"
    forward = _through(prover, wave, "forward", clients, start, way)
    step = forward.step if isinstance(forward, ProvenStep) else forward.attempts[0].step
    both = (
        Coming(wave=wave, clients=clients, planned=forward),
        Coming(wave=wave, clients=clients, planned=_through(prover, wave, "back", clients, step.end, way)),
    )
    return step.end, both


def _through(
    prover: Prover, wave: Wave, direction: Direction, clients: frozenset[int], start: Placement, way: Way
) -> ProvenStep | Refused:
    """One direction of a step of the server that stands between."""
    step = build_step(
        prover.ends,
        wave=wave.name,
        direction=direction,
        clients=clients,
        start=start,
        way=way,
        through=prover.migration.through,
    )
    tried = try_step(prover, step)
    if isinstance(tried, ProvenStep):
        return tried
    reason = f"with {prover.migration.through} between the two, a client would not boot as it must"
    return Refused(wave=wave.name, direction=direction, reason=reason, attempts=(tried,))


def moved_or_moving(state: MigrationState) -> dict[str, frozenset[int]]:
    """The MACs of the waves that moved and of the one that is moving: no longer the inventory's to say."""
    step, moved = state.step, state.moved
    if step is None:
        return moved
    # Of a wave that moved, single machines may be on their way back.
    return {**moved, step.wave: moved.get(step.wave, frozenset()) | frozenset(step.clients)}


def next_step(inventory: Inventory, name: str, state: MigrationState) -> Coming | None:
    """The step that comes next; None when all have moved."""
    return next((forward for forward, _ in _steps(Prover(inventory, name), state)), None)


def last_wave_back(inventory: Inventory, name: str, state: MigrationState) -> Coming | None:
    """The way back of the step that was made last; None if none was."""
    prover = Prover(inventory, name)
    if state.stands == "after" or (state.stands == "between" and not state.waves):
        wave = Wave(name=TAKE_AWAY if state.stands == "after" else PUT_IN_PLACE)
        return _way_back(
            prover, wave, frozenset(), state, "take-away" if state.stands == "after" else "put-in-place"
        )
    if not state.waves:
        return None
    last = state.waves[-1]
    return _some_back(prover, last.name, frozenset(last.clients), state)


def some_back(inventory: Inventory, name: str, state: MigrationState, macs: frozenset[int]) -> Coming:
    """The way back of single machines, whatever wave they moved in. Raises ``CoexistError``."""
    waves = [wave.name for wave in state.waves if macs <= frozenset(wave.clients)]
    if not waves:
        strange = ", ".join(format_mac(mac) for mac in sorted(macs - state.on_target))
        raise CoexistError(
            f"{strange} has not moved; see `coexist migrate status`"
            if strange
            else "the machines moved in several waves; take them back one wave at a time"
        )
    return _some_back(Prover(inventory, name), waves[0], macs, state)


def _some_back(prover: Prover, wave: str, clients: frozenset[int], state: MigrationState) -> Coming:
    declared = {each.name: each for each in prover.migration.all_waves}.get(wave, Wave(name=wave))
    if state.stands == "between":
        return _way_back(prover, declared, clients, state, "direct")
    planned = plan_step(prover, wave=wave, direction="back", clients=clients, start=state.settled)
    if isinstance(planned, Refused) and state.stands == "after":
        raise CoexistError(
            f"{state.through} is no longer between the two, and without it no single client goes back: have "
            f"`coexist migrate back` put it in place again, then take the machines back, and "
            "`coexist migrate next` goes on from there"
        )
    return Coming(wave=declared, clients=clients, planned=planned)


def _way_back(prover: Prover, wave: Wave, clients: frozenset[int], state: MigrationState, way: Way) -> Coming:
    """The way back of a step of the server that stands between."""
    return Coming(
        wave=wave, clients=clients, planned=_through(prover, wave, "back", clients, state.settled, way)
    )


def verify_open_step(inventory: Inventory, name: str, state: MigrationState) -> None:
    """Prove the moments of the step under way again: the inventory may have changed since it began.

    Raises ``RefusedError`` if one of them no longer holds.
    """
    step = state.under_way()
    if step is None:
        return
    prover = Prover(inventory, name)
    for number, moment in enumerate(step.moments):
        proof = prover.prove(moment)
        if not proof.holds:
            raise RefusedError(
                f"the step of {step.wave} no longer holds after change {number}, the inventory was changed:\n"
                + "\n".join(witness_lines(proof))
            )


def check_retirement(inventory: Inventory, name: str, state: MigrationState) -> tuple[Proof, frozenset[int]]:
    """The proof that nobody needs the old server, and the clients that may stay behind and are still on it.

    Raises ``CoexistError`` while a client that must move has not, ``RefusedError`` if the proof fails.
    """
    migration = inventory.site.migrations[name]
    if state.step is not None:
        raise CoexistError(f"the step of {state.step.wave} is not finished; finish it, or take it back")
    if state.stands == "between":
        raise CoexistError(
            f"{state.through} still stands between the two; `coexist migrate next` takes it away"
        )
    must = migrating(inventory, migration) - staying(inventory, migration) - state.on_target
    if must:
        who = amount(len(must), "client still boots", "clients still boot")
        raise CoexistError(f"{who} from {state.source}; `coexist migrate next` moves them")
    proof = Prover(inventory, name).prove(state.settled.changed(retired=True))
    if not proof.holds:
        raise RefusedError(f"{state.source} cannot be retired:\n" + "\n".join(witness_lines(proof)))
    return proof, staying(inventory, migration) - state.on_target


def refusal(refused: Refused) -> str:
    """Why a step is refused, with every way that was tried and the first one's witness."""
    lines = [f"{refused.wave}, {refused.direction}: refused, {refused.reason}"]
    if refused.offers:
        lines.append("  what can be done; write one of them into the migration:")
        lines += [f"    during: {offer.during}  # {offer.costs}" for offer in refused.offers]
    for number, attempt in enumerate(refused.attempts):
        delay = "" if str(attempt.step.delay) == "at once" else f" ({attempt.step.delay})"
        after = "before the first change" if attempt.moment == 0 else f"after change {attempt.moment}"
        lines.append(f"  {attempt.step.way}{delay}: {after}, {attempt.proof.failures[0].message}")
        if number == 0:
            lines += [f"    {line}" for line in attempt.proof.failures[0].witness.timeline]
    return "\n".join(lines)


def witness_lines(proof: Proof) -> list[str]:
    """The first failure of a proof, with its time line."""
    if not proof.failures:
        return []
    first = proof.failures[0]
    return [f"  {first.message}", *(f"    {line}" for line in first.witness.timeline)]
