"""One step of a migration: the single changes that move some clients, in an order that is proven.

Two servers' files cannot be changed at one instant. So no step relies on it: each is a row of moments,
one server changes between two of them, and each moment holds for ever (`coexist.planning.proof`). What makes
a moment with two servers hold is that one of them only *stands by*: it answers later than the other, so
much that no firmware prefers it, and early enough that each one waits for it. See
docs/concepts/two-generations.md for the four ways and what decides between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from coexist.inventory import Inventory
from coexist.inventory.values import Delay
from coexist.planning.placement import Placement

Direction = Literal["forward", "back"]
Way = Literal["hand-over", "giver-stands-by", "taker-stands-by", "overlap"]

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
    is under way with this server at that very moment may have to be repeated.
    """

    server: str
    what: str
    placement: Placement
    settles: bool = False
    cuts: bool = False


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
    """Every way to move ``clients`` that the two products can express, best first."""
    giver, taker = ends if direction == "forward" else (ends[1], ends[0])
    products = [inventory.site.servers[server].product for server in (giver, taker)]
    if products[0].names_others_files and products[1].gives_files_silently:
        for delay in HAND_OVER_DELAYS:
            yield build_step(
                ends,
                wave=wave,
                direction=direction,
                clients=clients,
                start=start,
                way="hand-over",
                delay=delay,
            )
    by_server: tuple[tuple[str, Way], ...] = ((giver, "giver-stands-by"), (taker, "taker-stands-by"))
    for server, way in by_server:
        for delay in inventory.site.servers[server].product.standby:
            yield build_step(
                ends, wave=wave, direction=direction, clients=clients, start=start, way=way, delay=delay
            )
    yield build_step(ends, wave=wave, direction=direction, clients=clients, start=start, way="overlap")


def build_step(
    ends: tuple[str, str],
    *,
    wave: str,
    direction: Direction,
    clients: frozenset[int],
    start: Placement,
    way: Way,
    delay: Delay | None = None,
) -> Step:
    """The changes of one way. The same arguments give the same step: that is how a run is resumed."""
    stand_by = delay if delay is not None else Delay()
    giver, taker = ends if direction == "forward" else (ends[1], ends[0])
    view = _View(direction, clients, stand_by)
    count = f"{len(clients)} client{'' if len(clients) == 1 else 's'}"
    changes: tuple[Change, ...]
    if way == "hand-over":
        first = view.taker_is_ready(start)
        second = view.giver_hands_over(first)
        third = view.taker_answers(second)
        fourth = view.giver_lets_go(third)
        asked = "" if stand_by == Delay() else f", {stand_by}"
        changes = (
            Change(server=taker, what=f"has the files for {count} ready, but is silent", placement=first),
            Change(server=giver, what=f"names the files of {taker} in its answers{asked}", placement=second),
            Change(server=taker, what="answers them too, with the same files", placement=third),
            Change(server=giver, what="no longer answers them", placement=fourth, settles=True),
        )
    elif way == "giver-stands-by":
        first = view.giver_stands_by(start)
        second = view.taker_answers(first)
        third = view.giver_lets_go(second)
        changes = (
            Change(server=giver, what=f"answers {count} only {stand_by}", placement=first),
            Change(server=taker, what="answers them at once, and so wins", placement=second),
            Change(server=giver, what="no longer answers them", placement=third, settles=True),
        )
    elif way == "taker-stands-by":
        first = view.taker_stands_by(start)
        second = view.giver_lets_go(first)
        third = view.taker_answers(second)
        changes = (
            Change(server=taker, what=f"answers {count} too, only {stand_by}", placement=first),
            Change(server=giver, what="no longer answers them", placement=second, cuts=True),
            Change(server=taker, what="answers them at once", placement=third),
        )
    else:
        first = view.taker_answers(start)
        second = view.giver_lets_go(first)
        changes = (
            Change(server=taker, what=f"answers {count} too", placement=first),
            Change(server=giver, what="no longer answers them", placement=second, settles=True),
        )
    return Step(
        wave=wave,
        direction=direction,
        clients=clients,
        way=way,
        delay=stand_by,
        start=start,
        changes=changes,
    )


@dataclass(frozen=True, slots=True)
class _View:
    """The sets of a placement as the server that gives clients away and the one that takes them see them."""

    direction: Direction
    clients: frozenset[int]
    delay: Delay

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
