"""Choosing the way of a step: the first one of which every moment is proven."""

from __future__ import annotations

from dataclasses import dataclass

from coexist.inventory import Inventory
from coexist.planning.placement import Placement
from coexist.planning.proof import Proof, Prover
from coexist.planning.steps import Direction, Step, ways


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenStep:
    """A step and the proof of each of its moments, in order."""

    step: Step
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A way that was tried and fails: at which moment (0 is before the first change), and its proof."""

    step: Step
    moment: int
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No way is safe. ``attempts`` are all that were tried, the most promising first."""

    wave: str
    direction: Direction
    reason: str
    attempts: tuple[Attempt, ...] = ()


def plan_step(
    prover: Prover, *, wave: str, direction: Direction, clients: frozenset[int], start: Placement
) -> ProvenStep | Refused:
    """The first way to move ``clients`` of which every moment is proven, or why there is none."""
    fixed = _fixed(prover.inventory, prover.ends)
    if fixed is not None:
        return Refused(wave=wave, direction=direction, reason=fixed)
    attempts: list[Attempt] = []
    for step in ways(prover.inventory, prover.ends, wave, direction, clients, start):
        proofs: list[Proof] = []
        for number, moment in enumerate(step.moments):
            proof = prover.prove(moment)
            proofs.append(proof)
            if not proof.holds:
                attempts.append(Attempt(step=step, moment=number, proof=proof))
                break
        else:
            return ProvenStep(step=step, proofs=tuple(proofs))
    attempts.sort(key=lambda attempt: -attempt.moment)
    return Refused(wave=wave, direction=direction, reason=_reason(attempts), attempts=tuple(attempts))


def _fixed(inventory: Inventory, ends: tuple[str, str]) -> str | None:
    fixed = [name for name in ends if inventory.site.servers[name].is_foreign]
    if not fixed:
        return None
    return f"{' and '.join(fixed)} is not ours to change (fixed: true); ask its owner to make each change"


def _reason(attempts: list[Attempt]) -> str:
    if attempts and all(attempt.moment == 0 for attempt in attempts):
        return "the moment before the step does not hold already; repair it first"
    return "no order of single changes leaves every client with exactly one server"
