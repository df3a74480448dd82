"""One step of a migration: the single changes that move some clients, in an order that is proven.

Two servers' files cannot be changed at one instant. So no step relies on it: each is a row of moments,
one server changes between two of them, and each moment holds for ever (`coexist.planning.proof`). What makes
a moment with two servers hold is that one of them only *stands by*: it answers later than the other, so
much that no firmware prefers it, and early enough that each one waits for it. See
docs/concepts/two-generations.md for the four ways and what decides between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from coexist.inventory import Inventory
from coexist.inventory.values import Delay
from coexist.planning.placement import BEFORE, Placement

Direction = Literal["forward", "back"]
Way = Literal[
    "hand-over",
    "giver-stands-by",
    "taker-stands-by",
    "overlap",
    "gap",
    "either",
    "put-in-place",
    "direct",
    "take-away",
]
"""The first four leave every client with exactly one server; the others are what `Migration.during` allows:
a moment without one, both at once, or a server between the two, which is put in place, moves clients by one
change each, and is taken away."""
PUT_IN_PLACE, TAKE_AWAY = "put-in-place", "take-away"
"""The names of the two steps of a server that stands between; no wave has a name with a way's."""

NEVER = Delay(secs_at_least=65535)
"""On port 67 no client ever says so many seconds; port 4011 and files do not ask for ``secs``."""
_ASKS_TWICE = Delay(since_first=0.5)

HAND_OVER_DELAYS = (_ASKS_TWICE, Delay())
"""How the giver answers while it names the taker's files: both answers are the same boot then, whoever asks
how often. Who was answered does not ask again, so with the first only one of the two is heard: iPXE asks
again after 1.0 s, EDK2 after 3.1 to 3.9 s, PXE 2.1 ROMs after 2 to 4 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One server's files change; afterwards ``placement`` holds. ``what`` is a sentence without subject.

    ``settles``: boots that began must have ended before it (``Migration.settle``). ``cuts``: a boot that
    is under way with this server at that very moment may have to be repeated. ``gap``: from here to the next
    change the clients of the step have no server.
    """

    server: str
    what: str
    placement: Placement
    settles: bool = False
    cuts: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Clients on their way from one server to the other. ``start`` is the moment before the first change."""

    wave: str
    direction: Direction
    clients: frozenset[int]
    way: Way
    delay: Delay
    start: Placement
    changes: tuple[Change, ...]

    @property
    def moments(self) -> tuple[Placement, ...]:
        """Before, between and after the single changes."""
        return (self.start, *(change.placement for change in self.changes))

    @property
    def end(self) -> Placement:
        """The moment after the last change."""
        return self.moments[-1]

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers touched, each once."""
        return tuple(dict.fromkeys(change.server for change in self.changes))


def ways(
    inventory: Inventory,
    ends: tuple[str, str],
    wave: str,
    direction: Direction,
    clients: frozenset[int],
    start: Placement,
) -> Iterator[Step]:
    """Every way to move ``clients`` that the two products can express and that leaves each of them with
    exactly one server, best first."""
    giver, taker = ends if direction == "forward" else (ends[1], ends[0])
    products = [inventory.site.servers[server].product for server in (giver, taker)]
    tried: list[tuple[Way, Delay | None]] = []
    if products[0].names_others_files and products[1].gives_files_silently:
        tried += [("hand-over", delay) for delay in HAND_OVER_DELAYS]
    tried += [("giver-stands-by", delay) for delay in products[0].standby]
    tried += [("taker-stands-by", delay) for delay in products[1].standby]
    tried.append(("overlap", None))
    for way, delay in tried:
        yield build_step(
            ends, wave=wave, direction=direction, clients=clients, start=start, way=way, delay=delay
        )


def build_step(
    ends: tuple[str, str],
    *,
    wave: str,
    direction: Direction,
    clients: frozenset[int],
    start: Placement,
    way: Way,
    delay: Delay | None = None,
    through: str | None = None,
) -> Step:
    """The changes of one way. The same arguments give the same step: that is how a run is resumed.

    ``through``: the server that stands between, for the ways that need it.
    """
    stand_by = delay if delay is not None else Delay()
    giver, taker = ends if direction == "forward" else (ends[1], ends[0])
    view = _View(direction, clients, stand_by)
    if way in (PUT_IN_PLACE, "direct", TAKE_AWAY):
        changes = _between(way, direction, view, start, ends, str(through))
    else:
        changes = _SINGLE[way](view, start, giver, taker)
    return Step(
        wave=wave,
        direction=direction,
        clients=clients,
        way=way,
        delay=stand_by,
        start=start,
        changes=changes,
    )


def _hand_over(view: _View, start: Placement, giver: str, taker: str) -> tuple[Change, ...]:
    first = view.taker_is_ready(start)
    second = view.giver_hands_over(first)
    third = view.taker_answers(second)
    asked = "" if view.delay == Delay() else f", {view.delay}"
    return (
        Change(server=taker, what=f"has the files for {view.count} ready, but is silent", placement=first),
        Change(server=giver, what=f"names the files of {taker} in its answers{asked}", placement=second),
        Change(server=taker, what="answers them too, with the same files", placement=third),
        Change(server=giver, what=_LETS_GO, placement=view.giver_lets_go(third), settles=True),
    )


def _giver_stands_by(view: _View, start: Placement, giver: str, taker: str) -> tuple[Change, ...]:
    first = view.giver_stands_by(start)
    second = view.taker_answers(first)
    return (
        Change(server=giver, what=f"answers {view.count} only {view.delay}", placement=first),
        Change(server=taker, what="answers them at once, and so wins", placement=second),
        Change(server=giver, what=_LETS_GO, placement=view.giver_lets_go(second), settles=True),
    )


def _taker_stands_by(view: _View, start: Placement, giver: str, taker: str) -> tuple[Change, ...]:
    first = view.taker_stands_by(start)
    second = view.giver_lets_go(first)
    return (
        Change(server=taker, what=f"answers {view.count} too, only {view.delay}", placement=first),
        Change(server=giver, what=_LETS_GO, placement=second, cuts=True),
        Change(server=taker, what="answers them at once", placement=view.taker_answers(second)),
    )


def _overlap(view: _View, start: Placement, giver: str, taker: str) -> tuple[Change, ...]:
    first = view.taker_answers(start)
    return (
        Change(server=taker, what=f"answers {view.count} too", placement=first),
        Change(server=giver, what=_LETS_GO, placement=view.giver_lets_go(first), settles=True),
    )


def _gap(view: _View, start: Placement, giver: str, taker: str) -> tuple[Change, ...]:
    first = view.giver_lets_go(start)
    nobody = first.changed(none=first.none | view.clients)
    what = f"no longer answers {view.count}: they have no server until the next change"
    return (
        Change(server=giver, what=what, placement=nobody, cuts=True, gap=True),
        Change(server=taker, what="answers them", placement=view.taker_answers(first)),
    )


def _either(view: _View, start: Placement, giver: str, taker: str) -> tuple[Change, ...]:
    first = view.taker_answers(start)
    both = first.changed(either=first.either | view.clients)
    what = f"answers {view.count} too: they boot from either until the next change"
    return (
        Change(server=taker, what=what, placement=both),
        Change(server=giver, what=_LETS_GO, placement=view.giver_lets_go(first), settles=True),
    )


_LETS_GO = "no longer answers them"
_SINGLE: dict[str, Callable[[_View, Placement, str, str], tuple[Change, ...]]] = {
    "hand-over": _hand_over,
    "giver-stands-by": _giver_stands_by,
    "taker-stands-by": _taker_stands_by,
    "overlap": _overlap,
    "gap": _gap,
    "either": _either,
}


def _between(
    way: Way, direction: Direction, view: _View, start: Placement, ends: tuple[str, str], through: str
) -> tuple[Change, ...]:
    """The changes of a server that stands between: put in place, a wave in one change, taken away.

    While it is put in place or taken away two servers answer with the very same boot.
    """
    old, new = ends
    if way == "direct":
        back = direction == "back"
        moved = start.directed - view.clients if back else start.directed | view.clients
        what = f"tells {view.count} to load from {old if back else new}"
        return (Change(server=through, what=what, placement=start.changed(directed=moved)),)
    moved = start.directed | start.left
    between = start.changed(directing=True, silenced=True, directed=moved, left=_NONE, arrived=_NONE)
    if way == PUT_IN_PLACE:
        comes, goes = through, old
        earlier, both, later = BEFORE, between.changed(silenced=False), between
        what = f"tells every client to load from {old}, as {old} does itself"
    else:
        comes, goes = new, through
        later = Placement(left=moved, arrived=moved, silenced=True)
        earlier, both = between, later.changed(directing=True, directed=moved)
        what = "answers its clients itself, with the same files"
    if direction == "forward":
        return (
            Change(server=comes, what=what, placement=both),
            Change(server=goes, what=_SILENT, placement=later, settles=True),
        )
    return (
        Change(server=goes, what="answers its clients again", placement=both),
        Change(server=comes, what=_SILENT, placement=earlier, settles=True),
    )


_SILENT = "answers nobody any more; its files stay"
_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _View:
    """The sets of a placement as the server that gives clients away and the one that takes them see them."""

    direction: Direction
    clients: frozenset[int]
    delay: Delay

    @property
    def count(self) -> str:
        """How many clients move, in words."""
        return f"{len(self.clients)} client{'' if len(self.clients) == 1 else 's'}"

    def giver_stands_by(self, at: Placement) -> Placement:
        if self.direction == "forward":
            return at.changed(yielding=at.yielding | self.clients, yielding_delay=self.delay)
        return at.changed(waiting=at.waiting | self.clients, waiting_delay=self.delay)

    def taker_is_ready(self, at: Placement) -> Placement:
        if self.direction == "forward":
            waiting = at.waiting | self.clients
            return at.changed(arrived=at.arrived | self.clients, waiting=waiting, waiting_delay=NEVER)
        yielding = at.yielding | self.clients
        return at.changed(left=at.left - self.clients, yielding=yielding, yielding_delay=NEVER)

    def giver_hands_over(self, at: Placement) -> Placement:
        standing_by = self.giver_stands_by(at)
        if self.direction == "forward":
            return standing_by.changed(handed=at.handed | self.clients)
        return standing_by.changed(returned=at.returned | self.clients)

    def taker_stands_by(self, at: Placement) -> Placement:
        if self.direction == "forward":
            waiting = at.waiting | self.clients
            return at.changed(arrived=at.arrived | self.clients, waiting=waiting, waiting_delay=self.delay)
        yielding = at.yielding | self.clients
        return at.changed(left=at.left - self.clients, yielding=yielding, yielding_delay=self.delay)

    def taker_answers(self, at: Placement) -> Placement:
        if self.direction == "forward":
            return _tidy(at.changed(arrived=at.arrived | self.clients, waiting=at.waiting - self.clients))
        return _tidy(at.changed(left=at.left - self.clients, yielding=at.yielding - self.clients))

    def giver_lets_go(self, at: Placement) -> Placement:
        kept = at.changed(handed=at.handed - self.clients, returned=at.returned - self.clients)
        if self.direction == "forward":
            return _tidy(kept.changed(left=at.left | self.clients, yielding=at.yielding - self.clients))
        return _tidy(kept.changed(arrived=at.arrived - self.clients, waiting=at.waiting - self.clients))


def _tidy(at: Placement) -> Placement:
    """Without the delay of a set that is empty, so that equal moments are equal."""
    return at.changed(
        yielding_delay=at.yielding_delay if at.yielding else Delay(),
        waiting_delay=at.waiting_delay if at.waiting else Delay(),
    )


def undo(step: Step, reached: int) -> tuple[Change, ...]:
    """The changes that lead from moment ``reached`` of a step that was not finished back to its start.

    They pass the same moments in the other order, which are proven; no server is touched that was not.
    """
    moments = step.moments
    back: list[Change] = []
    for number in range(min(reached, len(step.changes)), 0, -1):
        change, before = step.changes[number - 1], moments[number - 1]
        taken = before.arrived < moments[number].arrived or moments[number].left < before.left
        back.append(Change(server=change.server, what="is as it was before", placement=before, cuts=taken))
    return tuple(back)
