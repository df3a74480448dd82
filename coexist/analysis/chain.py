"""The second stage of a chain load: a client that loaded iPXE asks DHCP again, now as iPXE.

It is raced like the first, by the same servers, which remember the first: an address that was pinged is
not pinged again, and what counts from a client's first packet has begun long ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from coexist.analysis.bootfiles import chained_architecture, is_ipxe_program
from coexist.analysis.course import Course
from coexist.analysis.ending import Leaf, Outcome
from coexist.analysis.race import ClientCase, RaceResult, course_of, leaves_of, result_of
from coexist.analysis.world import World
from coexist.boot.firmware.ipxe import Ipxe

CHAINED_FIRMWARE = "ipxe"
LOADING = (1.0, 20.0)
"""Seconds from the request for iPXE to its first DISCOVER: quick and slow networks and machines."""

NO_SCRIPT = "the iPXE that is loaded holds no script of its own, which would decide instead of DHCP"
PORT_FORWARDS = "iPXE's driver does not take the link down: the switch port still forwards"
KEEPS_PROXY = (
    "UEFI builds of iPXE from July 2021 to March 2023 keep the first stage's ProxyDHCP offer: where nothing "
    "names a file they load iPXE again (ipxe issue 913)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStage:
    """The race of the chain-loaded iPXE, in seconds after its own first DISCOVER.

    ``loaded``: the first stage's (winner, file) that lead here, the likeliest first; ``certain``: whether
    the first stage cannot end otherwise. ``loops``: whether iPXE can be given iPXE again, and so on without
    end; it is followed no further.
    """

    result: RaceResult
    loaded: tuple[tuple[str, str], ...]
    certain: bool

    @property
    def loops(self) -> bool:
        """Whether it may load iPXE again."""
        return any(outcome.file and is_ipxe_program(outcome.file) for outcome in self.result.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """A whole boot: the race of the firmware, and of the iPXE it loads, if it may load one."""

    first: RaceResult
    next: NextStage | None


def stages(world: World, case: ClientCase, silent: frozenset[str] = frozenset()) -> Stages:
    """Follow one client through both stages; servers in ``silent`` are switched off."""
    course = course_of(world, case, silent)
    leaves = leaves_of(course)
    first = result_of(world, case, [course], leaves)
    return Stages(first=first, next=_next_stage(world, case, silent, first, leaves))


def _next_stage(
    world: World, case: ClientCase, silent: frozenset[str], first: RaceResult, leaves: list[Leaf]
) -> NextStage | None:
    loaded = [outcome for outcome in first.outcomes if _architecture(case, outcome)]
    if not loaded:
        return None
    again = replace(
        case, architecture=_architecture(case, loaded[0]) or case.architecture, firmware=CHAINED_FIRMWARE
    )
    courses: list[Course] = []
    ends: list[Leaf] = []
    for leaf, ahead in _starts(case, leaves):
        for firmware in _builds(world, again):
            course = course_of(world, again, silent, firmware=firmware, before=leaf.servers, ahead=ahead)
            courses.append(course)
            ends += leaves_of(course)
    result = result_of(world, again, courses, ends)
    notes = [*result.assumptions, NO_SCRIPT]
    if world.segments[case.vlan].forwarding_delay:
        notes.append(PORT_FORWARDS)
    if again.architecture != "bios" and None in result.winners:
        notes.append(KEEPS_PROXY)
    names = {(str(outcome.winner), str(outcome.file)): None for outcome in loaded}
    return NextStage(
        result=replace(result, assumptions=tuple(notes)),
        loaded=tuple(names),
        certain=len(loaded) == len(first.outcomes),
    )


def _builds(world: World, case: ClientCase) -> tuple[Ipxe, ...]:
    """The forms of the iPXE that may have been loaded.

    undionly takes the address of the ROM's cached ACK (core/cachedhcp.c; capture); UEFI builds do so from
    July 2021 on, Debian's of 2019 does not (capture). Only servers that overhear others' offers tell them
    apart.
    """
    plain = Ipxe()
    configured = replace(plain, has_address=True)
    if case.architecture == "bios":
        return (configured,)
    overheard = any(listener.model.overhears for listener in world.segments[case.vlan].listeners)
    return (plain, configured) if overheard else (plain,)


def _architecture(case: ClientCase, outcome: Outcome) -> str | None:
    return chained_architecture(case.architecture, outcome.file) if outcome.file else None


def _starts(case: ClientCase, leaves: list[Leaf]) -> Iterator[tuple[Leaf, float]]:
    """Each way into the second stage: an end of the first, and when iPXE asks after its first DISCOVER.

    Of the courses that end alike, the likeliest and the last that was followed stand for all.
    """
    by_end: dict[tuple[str | None, ...], list[Leaf]] = {}
    for leaf in leaves:
        if _architecture(case, leaf.outcome):
            found = leaf.outcome
            by_end.setdefault((found.winner, found.boot_server, found.file), []).append(leaf)
    for alike in by_end.values():
        for leaf in (alike[0], alike[-1]) if len(alike) > 1 else alike:
            for loading in LOADING:
                yield leaf, (leaf.outcome.ended or 0.0) + loading
