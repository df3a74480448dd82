"""Choosing the way of a step: the first one of which every moment is proven, or what can be done instead."""

from __future__ import annotations

from coexist.inventory import Inventory
from coexist.planning.by_hand import is_by_hand, seconds_by_hand
from coexist.planning.placement import Placement
from coexist.planning.proof import Proof, Prover
from coexist.planning.steps import Direction, Step, build_step, ways
from coexist.planning.ways import Way
from coexist.records import dataclass
from coexist.text.amounts import amount

BY_TOOL = 10.0
"""Seconds a change of coexist takes at most on a server it reaches: check, replace, reload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenStep:
    """A step and the proof of each of its moments, in order.

    ``gap``: seconds for which each of its clients has no server at most (`gap_of`).
    """

    step: Step
    proofs: tuple[Proof, ...]
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A way that was tried and fails: at which moment (0 is before the first change), and its proof."""

    step: Step
    moment: int
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can be done where no order of single changes is free of a gap.

    ``during``: what to write into the inventory. ``costs``: what it means for the clients. ``proven``: the
    step, None where it needs a server that is not declared yet.
    """

    during: str
    costs: str
    proven: ProvenStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No way is safe. ``attempts`` are all that were tried, the most promising first.

    ``offers``: what `Migration.during` can say instead, the nearest first.
    """

    wave: str
    direction: Direction
    reason: str
    attempts: tuple[Attempt, ...] = ()
    offers: tuple[Offer, ...] = ()


def plan_step(
    prover: Prover, *, wave: str, direction: Direction, clients: frozenset[int], start: Placement
) -> ProvenStep | Refused:
    """The first way to move ``clients`` of which every moment is proven, or why there is none."""
    attempts: list[Attempt] = []
    for step in ways(prover.inventory, prover.ends, wave, direction, clients, start):
        tried = try_step(prover, step)
        if isinstance(tried, ProvenStep):
            return tried
        attempts.append(tried)
    attempts.sort(key=lambda attempt: -attempt.moment)
    offers = _offers(prover, wave, direction, clients, start)
    allowed = next((o for o in offers if o.during == prover.migration.during and o.proven), None)
    if allowed is not None and allowed.proven is not None:
        return allowed.proven
    return Refused(
        wave=wave, direction=direction, reason=_reason(attempts), attempts=tuple(attempts), offers=offers
    )


def try_step(prover: Prover, step: Step) -> ProvenStep | Attempt:
    """A step with its proofs, or the first moment of it that does not hold."""
    proofs: list[Proof] = []
    for number, moment in enumerate(step.moments):
        proof = prover.prove(moment)
        proofs.append(proof)
        if not proof.holds:
            return Attempt(step=step, moment=number, proof=proof)
    return ProvenStep(step=step, proofs=tuple(proofs), gap=gap_of(prover.inventory, step))


def gap_of(inventory: Inventory, step: Step) -> float:
    """How many seconds each client of a step has no server at most: until the next change is made for it.

    By hand, where both lists are gone through in their order, at `by_hand.SECONDS_A_MACHINE` a change.
    """
    after = [next_ for change, next_ in zip(step.changes, step.changes[1:], strict=False) if change.gap]
    return sum(
        seconds_by_hand(len(step.clients)) if is_by_hand(inventory, change.server) else BY_TOOL
        for change in after
    )


def _offers(
    prover: Prover, wave: str, direction: Direction, clients: frozenset[int], start: Placement
) -> tuple[Offer, ...]:
    """The nearest ways that work, in the order of what they cost the clients."""
    found: list[Offer] = []
    single: tuple[Way, ...] = ("gap", "either")
    for way in single:
        step = build_step(prover.ends, wave=wave, direction=direction, clients=clients, start=start, way=way)
        tried = try_step(prover, step)
        if isinstance(tried, ProvenStep):
            found.append(Offer(during=way, costs=_costs(tried), proven=tried))
    return (*found, *ways_through(prover.inventory, prover.ends))


def ways_through(inventory: Inventory, ends: tuple[str, str]) -> tuple[Offer, ...]:
    """The ways on which another server names the files of both ends, which answer nobody."""
    old, new = ends
    servers = inventory.site.servers
    if not all(servers[end].named_programs for end in ends):
        return ()
    unwritten = " and ".join(end for end in ends if not servers[end].programs)
    first = f". Write the `programs` of {unwritten} first" if unwritten else ""
    return (
        Offer(
            during="front",
            costs=f"one coexist ProxyDHCP more: it answers for {old} and {new}, which answer nobody; "
            "every wave is one file. Declare it with `answers: nobody` and name it in `through`" + first,
        ),
        Offer(
            during="scope",
            costs=f"the DHCP server names next server and file by its own list; {old} and {new} answer "
            "nobody. Name the DHCP server in `through`" + first,
        ),
    )


def _costs(proven: ProvenStep) -> str:
    machines = amount(len(proven.step.clients), "machine")
    if proven.step.way == "gap":
        return (
            f"{machines} without a server for at most {proven.gap:.0f} s, never with two; "
            "say in `window` when that may be"
        )
    return f"{machines} boot from either server until the second change"


def _reason(attempts: list[Attempt]) -> str:
    if attempts and all(attempt.moment == 0 for attempt in attempts):
        return "the moment before the step does not hold already; repair it first"
    return "no order of single changes leaves every client with exactly one server"
