"""What follows the first file: loaders that ask servers for files, and iPXE, which asks DHCP again.

iPXE's second stage is raced like the first, by the same servers, which remember the first: an address that
was pinged is not pinged again, and what counts from a client's first packet has begun long ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from coexist.analysis.bootfiles import chained_architecture, ipxe_architecture, resets_link
from coexist.analysis.course import Course
from coexist.analysis.ending import Leaf, Outcome
from coexist.analysis.loading import NETBOOT_XYZ, Chain, chains, loaded_of, loader_of, step_of
from coexist.analysis.race import (
    ClientCase,
    FirstStage,
    RaceResult,
    course_of,
    first_stage,
    leaves_of,
    result_of,
)
from coexist.analysis.running import halted
from coexist.analysis.world import World
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.loaders.ipxe import embedded_stage
from coexist.boot.loaders.registry import LOADERS
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE

CHAINED_FIRMWARE = "ipxe"
LOADING = (1.0, 20.0)
"""Seconds from the request for iPXE to its first DISCOVER: quick and slow networks and machines."""

NO_SCRIPT = "the iPXE that is loaded holds no script of its own, which would decide instead of DHCP"
PORT_FORWARDS = "iPXE's driver does not take the link down: the switch port still forwards"
PORT_STARTS_AGAIN = (
    "iPXE with drivers of its own takes the link down, and spanning tree begins again: it waits for the port "
    "where the switch speaks rapid spanning tree (net/stp.c), else it asks in vain"
)
KEEPS_PROXY = (
    "UEFI builds of iPXE from July 2021 to March 2023 keep the first stage's ProxyDHCP offer: where nothing "
    "names a file they load iPXE again (ipxe issue 913)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStage:
    """The race of the chain-loaded iPXE, in seconds after its own first DISCOVER.

    ``loaded``: the first stage's (winner, file) that lead here, the likeliest first; ``certain``: whether
    the first stage cannot end differently. ``chains``: what its files lead to.
    """

    result: RaceResult
    loaded: tuple[tuple[str, str], ...]
    certain: bool
    chains: tuple[Chain, ...] = ()

    @property
    def loops(self) -> bool:
        """Whether it may load an iPXE again that asks DHCP again, and so on without end."""
        return any(chain.ask_again for chain in self.chains)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """A whole boot: the race of the firmware, what its files lead to, and the race of the iPXE it loads, if
    it may load one that asks DHCP what to boot."""

    first: RaceResult
    next: NextStage | None
    chains: tuple[Chain, ...] = ()

    @property
    def last_chains(self) -> tuple[Chain, ...]:
        """The chains of every stage that no race of iPXE follows."""
        further = self.next.chains if self.next is not None else ()
        return tuple(c for c in (*self.chains, *further) if not c.ask_again)

    @property
    def in_vain(self) -> frozenset[str]:
        """The servers that wait for another's offer in the first stage and hear none in either."""
        found = self.first.waiting - self.first.overheard
        return found - self.next.result.overheard if self.next is not None else found


def stages(world: World, case: ClientCase, silent: frozenset[str] = frozenset()) -> Stages:
    """Follow one client through both stages; servers in ``silent`` are switched off."""
    stage = first_stage(world, case, silent)
    first = stage.result
    return Stages(first=first, next=_next_stage(stage, first), chains=chains_after(stage))


def chains_after(stage: FirstStage) -> tuple[Chain, ...]:
    """What the files of the first stage lead to, each chain once."""
    followed = (chain for course, leaves in stage.runs for chain in _with_scripts(stage, course, leaves))
    return tuple({chain.key: chain for chain in followed}.values())


def _with_scripts(stage: FirstStage, course: Course, leaves: list[Leaf]) -> Iterator[Chain]:
    """The chains of one course; where a script is built into iPXE, with what it reads."""
    world, case, silent = stage.world, stage.case, stage.silent
    for chain in chains(course, leaves):
        program = world.programs.get(chain.outcome.file or "")
        architecture = ipxe_architecture(case.architecture, chain.outcome.file or "")
        leaf = next(x for x in leaves if _same(x.outcome, chain.outcome))
        loaded = loaded_of(world, course.machine, leaf)
        scripted = bool(program and program.embedded) or loader_of(loaded) == NETBOOT_XYZ
        if not scripted or architecture is None or chain.ends:
            yield chain
            continue
        again = replace(case, architecture=architecture, firmware=CHAINED_FIRMWARE)
        ahead = (leaf.outcome.ended or 0.0) + LOADING[0]
        second = course_of(
            world, again, silent, firmware=_builds(world, again)[0], before=leaf.servers, ahead=ahead
        )
        told: dict[Any, Chain] = {}
        for end in leaves_of(second):
            mine = replace(loaded_of(world, second.machine, end), file=loaded.file, embedded=loaded.embedded)
            script = embedded_stage(mine) if loaded.embedded else LOADERS[NETBOOT_XYZ].follow(mine)
            told.setdefault(script, Chain(outcome=chain.outcome, steps=(step_of(world, script),)))
        yield from told.values()


def _same(one: Outcome, other: Outcome) -> bool:
    return (one.winner, one.boot_server, one.file) == (other.winner, other.boot_server, other.file)


def _next_stage(stage: FirstStage, first: RaceResult) -> NextStage | None:
    world, case, silent = stage.world, stage.case, stage.silent
    loaded = [outcome for outcome in first.outcomes if _architecture(world, case, outcome)]
    if not loaded:
        return None
    again = replace(
        case,
        architecture=_architecture(world, case, loaded[0]) or case.architecture,
        firmware=CHAINED_FIRMWARE,
    )
    courses: list[Course] = []
    ends: list[Leaf] = []
    opens_late = world.segments[case.vlan].forwarding_delay
    restarts = bool(opens_late) and any(resets_link(outcome.file or "") for outcome in loaded)
    for leaf, ahead in _starts(world, case, stage.leaves):
        for firmware in _builds(world, again):
            for waits, down in _port_ways(opens_late, leaf):
                course = course_of(
                    world,
                    again,
                    silent,
                    firmware=firmware,
                    before=leaf.servers,
                    ahead=ahead + waits,
                    link_was_down=down,
                )
                courses.append(course)
                ends += leaves_of(course)
    result = result_of(world, again, courses, ends)
    notes = [*result.assumptions, NO_SCRIPT]
    if opens_late:
        notes.append(PORT_STARTS_AGAIN if restarts else PORT_FORWARDS)
    if again.architecture != "bios" and None in result.winners:
        notes.append(KEEPS_PROXY)
    names = {(str(outcome.winner), str(outcome.file)): None for outcome in loaded}
    return NextStage(
        result=replace(result, assumptions=tuple(notes)),
        loaded=tuple(names),
        certain=len(loaded) == len(first.outcomes),
        chains=chains(courses[0], ends),
    )


def _port_ways(opens_late: float, leaf: Leaf) -> tuple[tuple[float, bool], ...]:
    """How the switch port treats an iPXE: the seconds it waits before it asks, and whether the port is shut.

    Where its driver takes the link down it either sees that the port does not forward and waits, or does not
    see it and loses what it sends.
    """
    if not opens_late or not resets_link(leaf.outcome.file or ""):
        return ((0.0, False),)
    return ((opens_late, False), (0.0, True))


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


def _architecture(world: World, case: ClientCase, outcome: Outcome) -> str | None:
    if not outcome.file:
        return None
    number = CANONICAL_CODE.get(case.architecture, 0)
    halt = halted(world, world.segments[case.vlan], world.firmwares[case.firmware], number, outcome)
    if halt is not None and halt.certain:
        return None
    return chained_architecture(case.architecture, outcome.file, world.programs.get(outcome.file))


def _starts(world: World, case: ClientCase, leaves: list[Leaf]) -> Iterator[tuple[Leaf, float]]:
    """Each way into the second stage: an end of the first, and when iPXE asks after its first DISCOVER.

    Of the courses that end alike, the likeliest and the last that was followed stand for all.
    """
    by_end: dict[tuple[str | None, ...], list[Leaf]] = {}
    for leaf in leaves:
        if _architecture(world, case, leaf.outcome):
            found = leaf.outcome
            by_end.setdefault((found.winner, found.boot_server, found.file), []).append(leaf)
    for alike in by_end.values():
        for leaf in (alike[0], alike[-1]) if len(alike) > 1 else alike:
            for loading in LOADING:
                yield leaf, (leaf.outcome.ended or 0.0) + loading
