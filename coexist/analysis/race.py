"""The race for one client: every packet, who hears it, who answers when, and what the client makes of it.

A discrete-event simulation over spans of time. The only place where order matters is the client: where
two of its events can come in either order (arrivals within the network's jitter, a timer beside an
arrival), both are followed, and equal states are followed once. What is fixed but unknown during a boot
(the phase of a firmware's tick, of a server's clock) is tried at its ends, and between them for as long
as the course of events differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from coexist.analysis.course import Course
from coexist.analysis.ending import Leaf, Outcome
from coexist.analysis.numbers import numbers_of
from coexist.analysis.segment import CLOCK
from coexist.analysis.timeline import Event, read_trace, with_names
from coexist.analysis.world import World
from coexist.boot.firmware.machine import Firmware, Machine
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE

CUT_SHORT = "more orders of arrival are possible than were followed"
"""The note on a result that does not cover everything."""
PHASE_CUTS = 3
"""How often an unknown phase is halved where the course of events depends on it: an eighth of its range."""
SAME_TIME = 1.5
"""Outcomes alike in everything but their time are one if they are no further apart, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCase:
    """One client: MAC, and VLAN, architecture and firmware by name.

    ``number``: what it announces in option 93, where that is known of it.
    """

    mac: int
    vlan: str
    architecture: str
    firmware: str
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult:
    """All outcomes, the likeliest course first; ``events`` is the time line of the first.

    ``waiting``: the servers that wait for another's offer before they answer; ``overheard``: those that may
    hear one.
    """

    case: ClientCase
    outcomes: tuple[Outcome, ...]
    deterministic: bool
    events: tuple[Event, ...]
    assumptions: tuple[str, ...]
    waiting: frozenset[str] = frozenset()
    overheard: frozenset[str] = frozenset()

    @property
    def winners(self) -> tuple[str | None, ...]:
        """Who can win, each once."""
        return tuple(dict.fromkeys(outcome.winner for outcome in self.outcomes))


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStage:
    """The race of a client's firmware, followed to all its ends; ``runs``: each course with its leaves."""

    world: World
    case: ClientCase
    silent: frozenset[str]
    runs: tuple[tuple[Course, list[Leaf]], ...]

    @property
    def leaves(self) -> list[Leaf]:
        """Every end, the likeliest first."""
        return [leaf for _, own in self.runs for leaf in own]

    @property
    def result(self) -> RaceResult:
        """What they come to."""
        return result_of(self.world, self.case, [course for course, _ in self.runs], self.leaves)


def first_stage(world: World, case: ClientCase, silent: frozenset[str] = frozenset()) -> FirstStage:
    """Follow one client; servers in ``silent`` are switched off."""
    runs = tuple((course, leaves_of(course)) for course in courses_of(world, case, silent))
    return FirstStage(world=world, case=case, silent=silent, runs=runs)


def race(world: World, case: ClientCase, silent: frozenset[str] = frozenset()) -> RaceResult:
    """What the race of one client comes to; servers in ``silent`` are switched off."""
    return first_stage(world, case, silent).result


def courses_of(world: World, case: ClientCase, silent: frozenset[str]) -> list[Course]:
    """The courses of one client, one for each number that its machine may announce and servers tell apart."""
    if case.number is not None:
        return [course_of(world, case, silent, number=case.number)]
    firmware, segment = world.firmwares[case.firmware], world.segments[case.vlan]
    numbers = numbers_of(case.architecture, segment, firmware, case.mac, silent)
    return [course_of(world, case, silent, number=number) for number in numbers]


def course_of(
    world: World,
    case: ClientCase,
    silent: frozenset[str],
    *,
    firmware: Firmware | None = None,
    before: Mapping[str, Any] | None = None,
    ahead: float = 0.0,
    number: int | None = None,
    link_was_down: bool = False,
) -> Course:
    """The course of one client through the world; ``before`` and ``ahead`` as `Course` has them.

    ``number``: what the machine announces in option 93, the usual number of its architecture if not given.
    ``link_was_down``: the stage before left the switch port forwarding, and this one took its link down.
    """
    firmware = firmware or world.firmwares[case.firmware]
    segment = world.segments[case.vlan]
    if before is not None and not link_was_down:
        # Its port forwarded for the stage before.
        segment = replace(segment, forwarding_delay=0.0)
    usual = CANONICAL_CODE.get(case.architecture, 0)
    uuid = world.uuids.get(case.mac, world.uuid)
    machine = Machine(mac=case.mac, architecture=usual if number is None else number, uuid=uuid)
    return Course(world, segment, firmware, machine, silent, before, ahead)


def leaves_of(course: Course) -> list[Leaf]:
    """Every end of a course, the likeliest first."""
    # Servers keep the same time, so where in its second a clock stands is one unknown for all of them.
    first, *others = max((model.phases for model in course.clocked), key=len, default=(0.0,))
    if course.before:
        first, others = course.before[CLOCK], []
    leaves = _over_phases(course, first)
    # It counts only once packets queue up behind a delay.
    if any(leaf.clocked for leaf in leaves):
        for clock in others:
            leaves += _over_phases(course, clock)
    return leaves


def result_of(world: World, case: ClientCase, courses: list[Course], leaves: list[Leaf]) -> RaceResult:
    """What the leaves of a client's courses come to."""
    merged = _merge(leaves)
    keys = {(o.winner, o.boot_server, o.file) for o in merged}
    numbers = dict.fromkeys(course.machine.architecture for course in courses)
    readings = not courses[0].firmware.continuous and len(courses[0].firmware.phases) > 1
    by_firmware = len(keys) > 1 and (len(numbers) > 1 or readings) and all(map(_ends_in_one_way, courses))
    outcomes = tuple(
        replace(found, why=with_names(found.why, world.owners), by_firmware=by_firmware) for found in merged
    )
    notes: dict[str, None] = {}
    if len(numbers) > 1:
        said = " or ".join(map(str, numbers))
        notes[f"{case.architecture} machines announce {said} in option 93: each is followed"] = None
    for course in courses:
        notes.update(dict.fromkeys((*course.firmware.assumptions, *course.segment.assumptions)))
        for name in course.traffic.involved:
            notes.update(dict.fromkeys(world.models[name].assumptions))
        if course.cut_short:
            notes[CUT_SHORT] = None
    return RaceResult(
        case=case,
        outcomes=outcomes,
        deterministic=len(keys) == 1,
        events=read_trace(leaves[0].trace, world.owners),
        assumptions=tuple(notes),
        waiting=frozenset(name for course in courses for name in course.traffic.waiting),
        overheard=frozenset(name for course in courses for name in _overheard(course)),
    )


def _overheard(course: Course) -> Iterable[str]:
    """The servers that may overhear an offer in a course; where orders were left out, all that listen."""
    traffic = course.traffic
    return (x.model.name for x in traffic.overhearing) if course.cut_short else traffic.overheard


def _ends_in_one_way(course: Course) -> bool:
    """Whether firmware of one make, which announces one number and reads the specification in one way, always
    ends in the same way."""
    firmware = course.firmware
    if firmware.continuous or len(firmware.phases) < 2:
        return len({leaf.signature[0] for leaf in leaves_of(course)}) == 1
    clock = course.before.get(CLOCK, 0.0)
    return all(
        len({leaf.signature[0] for leaf in course.follow(phase, clock)}) == 1 for phase in firmware.phases
    )


def _over_phases(course: Course, clock: float) -> list[Leaf]:
    """The leaves for every phase of the firmware, between two phases only where they differ."""
    phases = course.firmware.phases
    last = course.follow(phases[-1], clock)
    if (
        course.firmware.continuous
        and len(phases) == 2
        and all(leaf.calm <= phases[0] and not leaf.clocked for leaf in last)
    ):
        return [*last, *(leaf.earlier(phases[1] - phases[0]) for leaf in last)]
    runs = [*(course.follow(phase, clock) for phase in phases[:-1]), last]
    leaves = [leaf for run in reversed(runs) for leaf in run]
    if course.firmware.continuous:
        for (low, first), (high, last) in zip(
            zip(phases, runs, strict=True), list(zip(phases, runs, strict=True))[1:], strict=False
        ):
            leaves += _between(course, clock, (low, first), (high, last))
    return leaves


def _between(
    course: Course,
    clock: float,
    low: tuple[float, list[Leaf]],
    high: tuple[float, list[Leaf]],
    cuts: int = PHASE_CUTS,
) -> list[Leaf]:
    if not cuts or _signature(low[1]) == _signature(high[1]):
        return []
    middle = (low[0] + high[0]) / 2
    run = course.follow(middle, clock)
    return [
        *run,
        *_between(course, clock, low, (middle, run), cuts - 1),
        *_between(course, clock, (middle, run), high, cuts - 1),
    ]


def _signature(leaves: list[Leaf]) -> frozenset[tuple[Any, ...]]:
    return frozenset(leaf.signature for leaf in leaves)


def _merge(leaves: list[Leaf]) -> tuple[Outcome, ...]:
    """Equal outcomes as one, with the span of their times."""
    merged: list[Outcome] = []
    for leaf in leaves:
        found = leaf.outcome
        for number, known in enumerate(merged):
            if _alike(known, found):
                merged[number] = _joined(known, found)
                break
        else:
            merged.append(found)
    return tuple(merged)


def _alike(one: Outcome, other: Outcome) -> bool:
    same = (one.winner, one.boot_server, one.file, one.error) == (
        other.winner,
        other.boot_server,
        other.file,
        other.error,
    )
    if not same or one.ended is None or other.ended is None:
        return same
    return abs(one.ended - other.ended) <= SAME_TIME


def _joined(one: Outcome, other: Outcome) -> Outcome:
    if one.seconds is None or other.seconds is None or one.latest is None or other.latest is None:
        return one
    return Outcome(
        winner=one.winner,
        boot_server=one.boot_server,
        file=one.file,
        seconds=min(one.seconds, other.seconds),
        latest=max(one.latest, other.latest),
        why=one.why,
        decided_by=one.decided_by,
        error=one.error,
        ended=one.ended,
        discovers=one.discovers,
        by_firmware=one.by_firmware,
        asks_dns=one.asks_dns,
        failure=one.failure,
    )


__all__ = ["ClientCase", "Event", "Outcome", "RaceResult", "race"]
