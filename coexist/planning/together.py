"""Servers that change together, so that no client is left with two of them or none.

Every client whose server differs goes over by one of the ways between the two servers
(`coexist.planning.ways`); all go at once, in three steps. Inside a step any order is safe:

======== ============================== ============================== ======================
step     taker-stands-by                giver-stands-by                the moving client gets
======== ============================== ============================== ======================
opening  the taker answers it, late     the giver answers it late      the giver's boot
middle   the giver lets it go           the taker answers it at once   the taker's boot
final    the taker answers it at once   the giver lets it go           the taker's boot
======== ============================== ============================== ======================

Only coexist's own server delays some of its clients; another changes as a whole, in the middle step. Where
neither can delay, the two overlap: the taker changes before the giver, and between the two both answer.

`proven_order` takes the first way of each move whose moments are proven (`coexist.planning.judging`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Literal

from coexist.inventory.macset import NOBODY, MacSet
from coexist.inventory.values import Delay
from coexist.planning.judging import Failure
from coexist.planning.ways import WAYS, Does, End, Way, ways_between
from coexist.records import dataclass

Version = Literal["opening", "middle", "final"]
"""What a server runs at a step."""

VERSIONS: tuple[Version, ...] = ("opening", "middle", "final")

GAP = 1.2
"""Seconds between a server that stands by and the other: longer than a DHCP server's own latency with its
ping check, so that iPXE holds its lease when the first of the two answers."""

LATEST = 2.6
"""Seconds a server may stand by: iPXE waits 3.0 for a ProxyDHCP, UEFI's first window is as long."""

Answering = Mapping[str, MacSet]
"""Whom a server boots, by architecture name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One server's change. Delays in seconds; ``can_delay``: some of its clients, by their MAC.

    ``delay_before`` is the longest delay it answers with today, ``delay_after`` the longest afterwards.
    """

    server: str
    before: Answering
    after: Answering
    can_delay: bool = False
    delay_before: float = 0.0
    delay_after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Clients of one architecture that go from one server to another.

    ``delay``: seconds the server waits with them that stands by. ``number``: which of its ``ways`` it is.
    ``opens``: whether the taker takes them in the opening already, and the giver drops them in the middle.
    """

    giver: str
    taker: str
    architecture: str
    macs: MacSet
    way: Way
    delay: float
    opens: bool
    number: int = 0
    ways: int = 1

    @property
    def key(self) -> Key:
        """Which clients move, whatever the way."""
        return self.giver, self.taker, self.architecture

    def doing(self, server: str) -> Mapping[Version, Does]:
        """What one of its two servers does, by the version that does it first."""
        acts = WAYS[self.way]
        versions = VERSIONS if self.opens or len(acts) == len(VERSIONS) else VERSIONS[1:]
        part = "giver" if server == self.giver else "taker"
        return {version: act.does for version, act in zip(versions, acts, strict=False) if act.part == part}


Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed:
    """Clients of one architecture that a server answers ``delay`` seconds late."""

    architecture: str
    macs: MacSet
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one server does at one version.

    ``base``: whether the rules of before or after hold for all not named here. ``taken``: clients it
    answers by its future rules already, with their delay; ``held``: by its old rules still.
    """

    server: str
    version: Version
    base: Literal["before", "after"]
    taken: tuple[Delayed, ...] = ()
    held: tuple[Delayed, ...] = ()

    @property
    def is_last(self) -> bool:
        """Whether the server is as it is to be: whatever the step is called, nothing is delayed any more."""
        return not self.taken and not self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """The steps, each a set of stages that may happen in any order, and the moves they serve."""

    steps: tuple[tuple[Stage, ...], ...]
    moves: tuple[Move, ...] = field(default=())

    @property
    def exposed(self) -> tuple[Move, ...]:
        """Moves during which both servers answer at once."""
        return tuple(move for move in self.moves if move.way == "overlap")

    def moments(self, move: Move) -> Iterator[Mapping[str, Stage | None]]:
        """What the two servers of a move run, one moment after the other; None is what stands there today."""
        now: dict[str, Stage | None] = {move.giver: None, move.taker: None}
        yield dict(now)
        for step in self.steps:
            changing = [stage for stage in step if stage.server in now]
            if len(changing) > 1:
                yield from ({**now, stage.server: stage} for stage in changing)
            if changing:
                now |= {stage.server: stage for stage in changing}
                yield dict(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the races of a move said. ``judged``: how many classes of clients they could be run for."""

    judged: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenOrdering:
    """An ordering, and of each of its moves what was proven."""

    ordering: Ordering
    verdicts: Mapping[Key, Verdict]

    @property
    def exposed(self) -> tuple[Move, ...]:
        """Moves for which it is not proven that their clients have one server at every moment."""
        return tuple(
            move
            for move in self.ordering.moves
            for verdict in [self.verdicts[move.key]]
            if verdict.failure is not None or (move.way == "overlap" and not verdict.judged)
        )


def proven_order(changes: Sequence[Change], prove: Callable[[Ordering, Move], Verdict]) -> ProvenOrdering:
    """The order in which each move takes its first way that is proven; its first of all if none is."""
    chosen: dict[Key, int] = {}
    # What a move does is the same in any ordering, so each way of it is proven once.
    proven: dict[tuple[Key, int], Verdict] = {}
    while True:
        ordering = order(changes, chosen)
        for move in ordering.moves:
            if (move.key, move.number) not in proven:
                proven[move.key, move.number] = prove(ordering, move)
        failed = [move for move in ordering.moves if proven[move.key, move.number].failure is not None]
        again = [move for move in failed if move.number + 1 < move.ways]
        if not again:
            break
        chosen |= {move.key: move.number + 1 for move in again}
    chosen |= {move.key: 0 for move in failed}
    ordering = order(changes, chosen)
    return ProvenOrdering(
        ordering=ordering, verdicts={move.key: proven[move.key, move.number] for move in ordering.moves}
    )


def moves_of(changes: Sequence[Change], chosen: Mapping[Key, int] | None = None) -> tuple[Move, ...]:
    """Every group of clients that changes its server. ``chosen``: which of its ways each takes."""
    return tuple(
        _move(giver, taker, architecture, macs, chosen or {})
        for giver in changes
        for taker in changes
        if giver.server != taker.server
        for architecture in sorted(set(giver.before) & set(taker.after))
        for macs in [_lost(giver, architecture) & _gained(taker, architecture)]
        if macs
    )


def order(changes: Sequence[Change], chosen: Mapping[Key, int] | None = None) -> Ordering:
    """The steps of some servers' changes; servers whose clients do not move change in the last one."""
    moves = moves_of(changes, chosen)
    opening: list[Stage] = []
    middle: list[Stage] = []
    final: list[Stage] = []
    plain: list[str] = []
    for change in changes:
        own = [move for move in moves if change.server in (move.giver, move.taker)]
        stages = tuple(_stages(change.server, own)) if own and change.can_delay else ()
        if own and not change.can_delay:
            plain.append(change.server)
        elif not stages:
            final.append(Stage(server=change.server, version="final", base="after"))
        opening += [stage for stage in stages if stage.version == "opening"]
        middle += [stage for stage in stages if stage.version == "middle"]
        final += [stage for stage in stages if stage.version == "final"]
    ranks = [
        [Stage(server=server, version="final", base="after") for server in rank]
        for rank in _ranks(plain, moves)
    ]
    first = middle + (ranks[0] if ranks else [])
    steps = tuple(tuple(stages) for stages in (opening, first, *ranks[1:], final) if stages)
    return Ordering(steps=steps, moves=moves)


def _stages(server: str, moves: Sequence[Move]) -> Iterator[Stage]:
    """The versions of a server that can delay some of its clients."""
    doing = [(move, move.doing(server)) for move in moves]
    acts_in = {version for _, acts in doing for version in acts}
    taken = tuple(_delayed(move) for move, acts in doing if move.taker == server and "opening" in acts)
    held = tuple(_delayed(move) for move, acts in doing if move.giver == server and "opening" in acts)
    if taken or held:
        yield Stage(server=server, version="opening", base="before", taken=taken, held=held)
    # Who has something left to do in the last step stands by in the middle, or still answers as before.
    taken = tuple(_delayed(move) for move, acts in doing if move.taker == server and "final" in acts)
    held = tuple(_delayed(move) for move, acts in doing if move.giver == server and "final" in acts)
    if (taken or held) and "middle" in acts_in:
        yield Stage(server=server, version="middle", base="after", taken=taken, held=held)
    yield Stage(server=server, version="final" if taken or held else "middle", base="after")


def _ranks(servers: Sequence[str], moves: Sequence[Move]) -> list[list[str]]:
    """Servers that can only switch as a whole, each after those that take clients from it."""
    left = list(servers)
    ranks: list[list[str]] = []
    while left:
        free = [
            server
            for server in left
            if not any(move.giver == server and move.taker in left for move in moves if move.way == "overlap")
        ]
        # In a circle somebody must be first.
        ranks.append(free or left[:1])
        left = [server for server in left if server not in ranks[-1]]
    return ranks


def _move(giver: Change, taker: Change, architecture: str, macs: MacSet, chosen: Mapping[Key, int]) -> Move:
    ways = tuple(_ways(giver, taker))
    number = chosen.get((giver.server, taker.server, architecture), 0)
    way, delay = ways[number]
    return Move(
        giver=giver.server,
        taker=taker.server,
        architecture=architecture,
        macs=macs,
        way=way,
        delay=delay,
        opens=way == "taker-stands-by" or (way == "overlap" and taker.can_delay),
        number=number,
        ways=len(ways),
    )


def _ways(giver: Change, taker: Change) -> Iterator[tuple[Way, float]]:
    """The ways between two servers, with the seconds that one of them waits.

    Nobody waits here for boots to end. So the taker stands by if it can: the giver changes only once then.
    """
    ends = (
        End(standby=_late(giver, behind=taker.delay_after, least=giver.delay_before)),
        End(standby=_late(taker, behind=giver.delay_before, least=taker.delay_after)),
    )
    for way, delay in ways_between(*ends, first="taker"):
        own = taker.delay_after if taker.can_delay else giver.delay_before if giver.can_delay else 0.0
        yield way, own if way == "overlap" else delay.after


def _late(change: Change, *, behind: float, least: float) -> tuple[Delay, ...]:
    """How a server can answer some clients later than one that answers after ``behind`` seconds."""
    can = change.can_delay and behind + GAP <= LATEST
    return (Delay(after=max(behind + GAP, least)),) if can else ()


def _delayed(move: Move) -> Delayed:
    return Delayed(architecture=move.architecture, macs=move.macs, delay=move.delay)


def _lost(change: Change, architecture: str) -> MacSet:
    return change.before.get(architecture, NOBODY) - change.after.get(architecture, NOBODY)


def _gained(change: Change, architecture: str) -> MacSet:
    return change.after.get(architecture, NOBODY) - change.before.get(architecture, NOBODY)
