"""All steps of a migration that are still to come, each planned from where the one before it ends."""

from __future__ import annotations

from dataclasses import dataclass

from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.models import Wave
from coexist.planning.choosing import ProvenStep, Refused, plan_step
from coexist.planning.parking import NotParked, park_all
from coexist.planning.placement import Placement
from coexist.planning.progress import MigrationState
from coexist.planning.proof import Proof, Prover
from coexist.planning.waves import left_over, migrating, plan_waves, staying


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
    """Plan every wave that has not moved, and the way back of each."""
    migration = inventory.site.migrations[name]
    prover = Prover(inventory, name)
    step = state.under_way()
    start = step.end if step is not None else state.settled
    forward: list[Coming] = []
    back: list[Coming] = []
    waves = plan_waves(inventory, migration, moved_or_moving(state))
    moved = {wave.name for wave in state.waves}
    for members in waves:
        if members.wave.name in moved or not members.clients:
            continue
        if step is not None and step.direction == "forward" and step.wave == members.wave.name:
            continue
        end = Placement.settled(start.left | members.clients)
        for found, direction, at in ((forward, "forward", start), (back, "back", end)):
            planned = plan_step(
                prover,
                wave=members.wave.name,
                direction="forward" if direction == "forward" else "back",
                clients=members.clients,
                start=at,
            )
            found.append(Coming(wave=members.wave, clients=members.clients, planned=planned))
        start = end
    parked, not_parked = park_all(inventory, migrating(inventory, migration), migration.parking)
    return Roadmap(
        migration=name,
        source=migration.source,
        target=migration.target,
        forward=tuple(forward),
        back=tuple(back),
        settle=migration.settle,
        stay=staying(inventory, migration),
        left_over=left_over(inventory, migration, waves),
        parked=len(parked),
        not_parked=not_parked,
    )


def moved_or_moving(state: MigrationState) -> dict[str, frozenset[int]]:
    """The MACs of the waves that moved and of the one that is moving: no longer the inventory's to say."""
    step = state.step
    moving = {step.wave: frozenset(step.clients)} if step is not None else {}
    return {**state.moved, **moving}


def next_step(inventory: Inventory, name: str, state: MigrationState) -> Coming | None:
    """The step of the next wave that has anyone to move; None when all have moved."""
    migration = inventory.site.migrations[name]
    for members in plan_waves(inventory, migration, state.moved):
        if members.wave.name not in state.moved and members.clients:
            planned = plan_step(
                Prover(inventory, name),
                wave=members.wave.name,
                direction="forward",
                clients=members.clients,
                start=state.settled,
            )
            return Coming(wave=members.wave, clients=members.clients, planned=planned)
    return None


def last_wave_back(inventory: Inventory, name: str, state: MigrationState) -> Coming | None:
    """The way back of the wave that moved last; None if none has."""
    if not state.waves:
        return None
    last = state.waves[-1]
    clients = frozenset(last.clients)
    declared = {wave.name: wave for wave in inventory.site.migrations[name].all_waves}
    planned = plan_step(
        Prover(inventory, name), wave=last.name, direction="back", clients=clients, start=state.settled
    )
    return Coming(wave=declared.get(last.name, Wave(name=last.name)), clients=clients, planned=planned)


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
    must = migrating(inventory, migration) - staying(inventory, migration) - state.settled.left
    if must:
        raise CoexistError(
            f"{len(must)} clients still boot from {state.source}; `coexist migrate next` moves them"
        )
    proof = Prover(inventory, name).prove(state.settled.changed(retired=True))
    if not proof.holds:
        raise RefusedError(f"{state.source} cannot be retired:\n" + "\n".join(witness_lines(proof)))
    return proof, staying(inventory, migration) - state.settled.left


def refusal(refused: Refused) -> str:
    """Why a step is refused, with every way that was tried and the first one's witness."""
    lines = [f"{refused.wave}, {refused.direction}: refused, {refused.reason}"]
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
