"""One step of a migration: the single changes that move some clients, in an order that is proven.

A step takes one of the ways between two servers (`coexist.planning.ways`). It is a row of moments: one server
changes between two of them, and each moment holds for ever (`coexist.planning.proof`). See
docs/concepts/two-generations.md for what decides between the ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from coexist.inventory import Inventory
from coexist.inventory.values import Delay
from coexist.planning.placement import BEFORE, Placement
from coexist.planning.ways import PUT_IN_PLACE, TAKE_AWAY, WAYS, Act, Does, End, Way, ways_between
from coexist.records import dataclass
from coexist.text.amounts import amount

Direction = Literal["forward", "back"]

NEVER = Delay(secs_at_least=65535)
"""On port 67 no client ever says so many seconds; port 4011 and files do not ask for ``secs``."""


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
    giver, taker = (
        _end(inventory, server) for server in (ends if direction == "forward" else reversed(ends))
    )
    for way, delay in ways_between(giver, taker):
        yield build_step(
            ends, wave=wave, direction=direction, clients=clients, start=start, way=way, delay=delay
        )


def _end(inventory: Inventory, server: str) -> End:
    product = inventory.site.servers[server].product
    return End(
        standby=product.standby,
        names_others_files=product.names_others_files,
        gives_files_silently=product.gives_files_silently,
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
        changes = tuple(_changes(WAYS[way], view, start, giver, taker))
    return Step(
        wave=wave,
        direction=direction,
        clients=clients,
        way=way,
        delay=stand_by,
        start=start,
        changes=changes,
    )


def _changes(acts: tuple[Act, ...], view: _View, at: Placement, giver: str, taker: str) -> Iterator[Change]:
    """The changes of a way between the two servers alone."""
    said = {
        "count": view.count,
        "taker": taker,
        "delay": view.delay,
        "asked": "" if view.delay == Delay() else f", {view.delay}",
    }
    for act in acts:
        at = view.after(act.does, act.part == "giver", at)
        moment = at
        if act.gap:
            moment = at.changed(none=at.none | view.clients)
        elif act.either:
            moment = at.changed(either=at.either | view.clients)
        yield Change(
            server=giver if act.part == "giver" else taker,
            what=act.what.format(**said),
            placement=moment,
            settles=act.settles,
            cuts=act.cuts,
            gap=act.gap,
        )


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
        return amount(len(self.clients), "client")

    def after(self, does: Does, giver: bool, at: Placement) -> Placement:
        """The moment after one of the two has done something."""
        match does:
            case "is ready":
                return self.taker_is_ready(at)
            case "hands over":
                return self.giver_hands_over(at)
            case "stands by":
                return self.giver_stands_by(at) if giver else self.taker_stands_by(at)
            case "answers":
                return self.taker_answers(at)
            case "lets go":
                return self.giver_lets_go(at)

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
