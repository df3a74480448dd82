"""In which order servers change, so that no client is left with two servers or none. Pure.

A client that moves from A to B cannot move at one instant: A and B are two machines. So what moves is
bridged by a delay, which orders two servers that both answer (docs/concepts/delays.md): the delayed one
is the fallback of the other. Three steps, and inside a step any order is safe:

======== ============================== ============================== ======================
step     B can delay (``by gainer``)    only A can (``by loser``)      the moving client gets
======== ============================== ============================== ======================
opening  B answers it too, delayed      A answers it delayed           A
middle   A drops it                     B answers it at once           B
final    B answers it at once           A drops it                     B
======== ============================== ============================== ======================

Only coexist's own server delays some of its clients; another changes as a whole, in the middle step.
Where neither can delay, the gainer changes before the loser: make before break. Between the two both
answer, and the plan says for whom (``exposed``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from coexist.inventory.macset import NOBODY, MacSet
from coexist.rollout.document import Version

GAP = 1.2
"""Seconds between a bridged server and the other: longer than a DHCP server's own latency with its ping
check, so that iPXE holds its lease when the first of the two answers."""

LATEST = 2.6
"""Seconds a bridging delay may take: iPXE waits 3.0 for a ProxyDHCP, UEFI's first window is as long."""

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
    """Clients of one architecture that go from one server to another, and how that is bridged.

    ``delay``: seconds the bridging server waits with them.
    """

    loser: str
    gainer: str
    architecture: str
    macs: MacSet
    by: Literal["gainer", "loser", "nobody"]
    delay: float
    opens: bool
    """Whether the gainer takes them in the opening already, and the loser drops them in the middle step."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """The steps, each a set of stages that may happen in any order, and the moves they serve."""

    steps: tuple[tuple[Stage, ...], ...]
    moves: tuple[Move, ...] = field(default=())

    @property
    def exposed(self) -> tuple[Move, ...]:
        """Moves during which both servers answer at once."""
        return tuple(move for move in self.moves if move.by == "nobody")


def moves_of(changes: Sequence[Change]) -> tuple[Move, ...]:
    """Every group of clients that changes its server."""
    return tuple(
        _move(loser, gainer, architecture, macs)
        for loser in changes
        for gainer in changes
        if loser.server != gainer.server
        for architecture in sorted(set(loser.before) & set(gainer.after))
        for macs in [_lost(loser, architecture) & _gained(gainer, architecture)]
        if macs
    )


def order(changes: Sequence[Change]) -> Ordering:
    """The steps of some servers' changes; servers whose clients do not move change in the last one."""
    moves = moves_of(changes)
    opening: list[Stage] = []
    middle: list[Stage] = []
    final: list[Stage] = []
    plain: list[str] = []
    for change in changes:
        own = [move for move in moves if change.server in (move.loser, move.gainer)]
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
    gains = [move for move in moves if move.gainer == server]
    losses = [move for move in moves if move.loser == server]
    early = tuple(_delayed(move) for move in gains if move.opens)
    late = tuple(_delayed(move) for move in losses if not move.opens)
    softened = tuple(_delayed(move) for move in losses if move.by == "loser")
    bridged = tuple(_delayed(move) for move in gains if move.by == "gainer")
    if early or softened:
        yield Stage(server=server, version="opening", base="before", taken=early, held=softened)
    drops = any(move.opens for move in losses)
    takes = any(not move.opens for move in gains)
    if (bridged or late) and (drops or takes):
        yield Stage(server=server, version="middle", base="after", taken=bridged, held=late)
    yield Stage(server=server, version="final" if bridged or late else "middle", base="after")


def _ranks(servers: Sequence[str], moves: Sequence[Move]) -> list[list[str]]:
    """Servers that can only switch as a whole, each after those that take clients from it."""
    left = list(servers)
    ranks: list[list[str]] = []
    while left:
        free = [
            server
            for server in left
            if not any(move.loser == server and move.gainer in left for move in moves if move.by == "nobody")
        ]
        # In a circle somebody must be first.
        ranks.append(free or left[:1])
        left = [server for server in left if server not in ranks[-1]]
    return ranks


def _move(loser: Change, gainer: Change, architecture: str, macs: MacSet) -> Move:
    by: Literal["gainer", "loser", "nobody"] = "nobody"
    delay = 0.0
    if gainer.can_delay and loser.delay_before + GAP <= LATEST:
        by, delay = "gainer", max(loser.delay_before + GAP, gainer.delay_after)
    elif loser.can_delay and gainer.delay_after + GAP <= LATEST:
        by, delay = "loser", max(gainer.delay_after + GAP, loser.delay_before)
    elif gainer.can_delay:
        delay = gainer.delay_after
    elif loser.can_delay:
        delay = loser.delay_before
    return Move(
        loser=loser.server,
        gainer=gainer.server,
        architecture=architecture,
        macs=macs,
        by=by,
        delay=delay,
        opens=by == "gainer" or (by == "nobody" and gainer.can_delay),
    )


def _delayed(move: Move) -> Delayed:
    return Delayed(architecture=move.architecture, macs=move.macs, delay=move.delay)


def _lost(change: Change, architecture: str) -> MacSet:
    return change.before.get(architecture, NOBODY) - change.after.get(architecture, NOBODY)


def _gained(change: Change, architecture: str) -> MacSet:
    return change.after.get(architecture, NOBODY) - change.before.get(architecture, NOBODY)
