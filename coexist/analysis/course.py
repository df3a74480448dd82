"""One client's boot: every order in which its events can come, for one phase of what is unknown.

The client sends into its segment (`coexist.analysis.segment`), which delivers events, each with the span of
time in which it comes. Here stands what follows: which event can be next, what the firmware makes of it, and
how the boot ends. Where two events can come either way, both are followed, and equal states once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any, TypeAlias

from coexist.analysis.ending import Failure, Leaf, Outcome
from coexist.analysis.segment import CLOCK, Air, Pending, Traffic, lease_of
from coexist.analysis.timeline import Link
from coexist.analysis.world import Segment, World
from coexist.boot.firmware.machine import KEEP, Boot, Firmware, GiveUp, Machine, Span, Step
from coexist.boot.loaders.names import url_host
from coexist.boot.request import DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.records import dataclass
from coexist.wire.options import MessageType, Option

MOST_STEPS = 5_000
"""Client events followed for one phase before the rest of the orders is left out, with a note."""
NO_ROUTE = "no route to the boot server"
"""The error of a client that knows its file and cannot reach the server that has it."""
IN_USE = "the address is in use"
"""The error of a client that finds another machine at the address it was leased."""
_FOR_EVER = float("inf")


@dataclass(slots=True)
class _Node(Air):
    """A client on its way.

    ``calm``: when the last packet of the first window came, if none came or was on its way later; else for
    ever.
    """

    step: Step
    timer: Span | None
    now: float
    order: tuple[Any, ...]
    calm: float = 0.0

    def key(self) -> tuple[Any, ...]:
        """What its future depends on. Heard packets are interned, so that equal ones are the same object."""
        return (
            self.step.state,
            self.timer,
            frozenset((name, state) for name, state in self.servers.items() if name),
            tuple((item.sender, item.lo, item.hi, id(item.packet)) for item in self.items),
        )


_Choice: TypeAlias = tuple[Pending | None, Span]
"""What can come next (None: the client's timer) and when."""


class Course:
    """The boot of one client in one world, for any phases.

    ``before``: the states that an earlier stage of this boot left the servers in, ``ahead`` seconds before
    this one's first DISCOVER, the zero of the client's time.
    """

    def __init__(
        self,
        world: World,
        segment: Segment,
        firmware: Firmware,
        machine: Machine,
        silent: frozenset[str],
        before: Mapping[str, Any] | None = None,
        ahead: float = 0.0,
    ) -> None:
        self.world = world
        self.segment = segment
        self.firmware = firmware
        self.machine = machine
        self.before = before or {}
        reads_from: float = getattr(firmware, "reads_from", 0.0)
        self.traffic = Traffic(world, segment, silent, ahead=ahead, reads_from=reads_from)
        models = {x.model.name: x.model for x in self.traffic.listeners}
        self.clocked = tuple(model for model in models.values() if len(model.phases) > 1)
        self.cut_short = False

    # -- from event to event ---------------------------------------------------------------------

    def follow(self, phase: float, clock: float) -> list[Leaf]:
        """Every course of events for given phases."""
        step = self.firmware.begin(self.machine, phase)
        servers: dict[str, Any] = {**self.before, CLOCK: clock}
        start = _Node(servers, (), Link(None, "begin", 0.0, "", None), step, None, 0.0, ())
        self._apply(start, step, (0.0, 0.0))
        leaves: list[Leaf] = []
        stack = [start]
        seen: set[tuple[Any, ...]] = set()
        budget = MOST_STEPS
        while stack:
            node = stack.pop()
            while True:
                budget -= 1
                choices = _next(node) if node.step.end is None else []
                if not choices:
                    leaves.append(self._leaf(node))
                    break
                if len(choices) > 1:
                    key = node.key()
                    if key in seen or budget < 0:
                        self.cut_short |= budget < 0
                        break
                    seen.add(key)
                branches = [branch for choice in choices for branch in self._take(node, choice)]
                stack.extend(reversed(branches[1:]))
                node = branches[0]
        return leaves

    def _take(self, node: _Node, choice: _Choice) -> Iterator[_Node]:
        """The node after one event; two where the firmware's own step can go two ways."""
        item, at = choice
        if item is None:
            for part in self._parts(node, at):
                yield self._expire(node, part)
            return
        left = tuple(other for other in node.items if other is not item)
        if item.heard is None:
            after = _Node(node.servers, left, node.trace, node.step, node.timer, at[0], node.order, _FOR_EVER)
            self.traffic.happen(after, item, at)
            yield after
            return
        steps = self.firmware.receive(node.step.state, item.heard, at)
        order = (*node.order, (item.sender, item.heard.source_port))
        calm = node.calm if "timer" in node.order else max(node.calm, item.hi)
        if not steps:
            trace = Link(node.trace, "ignored", at[0], item.sender, item.heard.packet)
            yield _Node(node.servers, left, trace, node.step, node.timer, at[0], order, calm)
            return
        for step in steps:
            trace = Link(node.trace, "heard", at[0], item.sender, (item.heard.packet, step.note))
            after = _Node(node.servers, left, trace, step, node.timer, at[0], order, calm)
            self._apply(after, step, at, keep=node.timer)
            yield after

    def _parts(self, node: _Node, at: Span) -> list[Span]:
        """The parts of a timer's span in each of which every server does the same about what is sent."""
        step = self.firmware.expire(node.step.state, at)
        sends = [send for send in step.sends if send.address == LIMITED_BROADCAST]
        if not sends or at[0] == at[1]:
            return [at]
        return self.traffic.parts(node, sends, at)

    def _expire(self, node: _Node, at: Span) -> _Node:
        """The node after the client's timer."""
        step = self.firmware.expire(node.step.state, at)
        trace = Link(node.trace, "timer", at[0], "", step.note)
        # With a second DISCOVER, or a packet still on its way, the phase may matter.
        calm = _FOR_EVER if node.items or _discovers_again(step) else node.calm
        after = _Node(node.servers, node.items, trace, step, None, at[0], (*node.order, "timer"), calm)
        self._apply(after, step, at)
        return after

    def _apply(self, node: _Node, step: Step, at: Span, keep: Span | None = None) -> None:
        """Set the timer and send what the client sends."""
        node.timer = keep if step.timer is KEEP else step.timer
        for send in step.sends:
            lease = None if send.address == LIMITED_BROADCAST else lease_of(node.trace)
            self.traffic.send(node, send, at, lease)

    # -- the end ---------------------------------------------------------------------------------

    def _leaf(self, node: _Node) -> Leaf:
        end = node.step.end or GiveUp(error="waits for ever", why="nothing more will come")
        failure = Failure.REFUSED if isinstance(end, GiveUp) and _was_refused(node.trace) else None
        if isinstance(end, Boot):
            in_use, no_way = self._in_use(node), self._no_way(node, end)
            if in_use is not None:
                end, failure = GiveUp(error=IN_USE, why=in_use), Failure.DECLINED
            elif no_way is not None:
                end, failure = GiveUp(error=NO_ROUTE, why=no_way), Failure.NO_ROUTE
        if isinstance(end, GiveUp):
            outcome = Outcome(
                winner=None,
                boot_server=None,
                file=None,
                seconds=None,
                why=f"{end.error}: {end.why}",
                error=end.error,
                ended=node.now,
                discovers=_discovers(node.trace),
                failure=failure,
            )
            trace = Link(node.trace, "gave up", node.now, "", end)
        else:
            outcome = self._boot(end, node.now, _discovers(node.trace))
            trace = Link(node.trace, "boot", node.now + end.after[0], outcome.boot_server or "", end)
        key = (outcome.winner, outcome.boot_server, outcome.file, outcome.error)
        clocked = any(
            model.depends_on_phase(node.servers[model.name])
            for model in self.clocked
            if model.name in node.servers
        )
        return Leaf(outcome, trace, (key, node.order), clocked, node.calm, node.servers)

    def _in_use(self, node: _Node) -> str | None:
        """Which server has the leased address already, for a client that looks (RFC 2131 section 3.1)."""
        lease = lease_of(node.trace) if getattr(self.firmware, "checks_address", False) else None
        owner = self.world.owners.get(lease.yiaddr) if lease is not None else None
        return (
            None if owner is None or lease is None else f"{owner} has {lease.yiaddr}: it sends a DHCPDECLINE"
        )

    def _no_way(self, node: _Node, end: Boot) -> str | None:
        """Why the client cannot ask the server it was told for the file."""
        if not isinstance(end.server, IPv4Address):
            return None
        return self.traffic.no_way_to(end.server, lease_of(node.trace))

    def _boot(self, end: Boot, now: float, discovers: int) -> Outcome:
        decided = self.world.owners.get(end.by)
        if isinstance(end.server, IPv4Address):
            owner, stranger = self.world.owners.get(end.server), None
        else:
            # A name that no server has is nobody's: only DNS knows whom it means.
            owner, stranger = self.world.names.get(end.server.lower()), end.file and url_host(end.file)
        return Outcome(
            winner=owner or stranger or decided or str(end.by),
            boot_server=owner or str(end.server),
            file=end.file,
            seconds=now + end.after[0],
            latest=now + end.after[1],
            why=end.why,
            decided_by=decided,
            ended=now + end.after[0],
            discovers=discovers,
            asks_dns=end.asks_dns,
        )


def _was_refused(trace: Link) -> bool:
    """Whether the server that was asked last for an address answered with a DHCPNAK."""
    refused: list[bytes | None] = []
    link: Link | None = trace
    while link is not None:
        packet = link.detail[0] if link.kind == "heard" else link.detail if link.kind == "ignored" else None
        if packet is not None and packet.message_type is MessageType.NAK:
            refused.append(packet.options.get(Option.SERVER_IDENTIFIER))
        if link.kind == "send" and link.detail.packet.message_type is MessageType.REQUEST:
            return link.detail.packet.options.get(Option.SERVER_IDENTIFIER) in refused
        link = link.before
    return False


def _discovers_again(step: Step) -> bool:
    return any(send.packet.message_type is MessageType.DISCOVER for send in step.sends)


def _discovers(trace: Link) -> int:
    count = 0
    link: Link | None = trace
    while link is not None:
        if link.kind == "send" and link.detail.packet.message_type is MessageType.DISCOVER:
            count += link.detail.port == DHCP_PORT
        link = link.before
    return count


def _next(node: _Node) -> list[_Choice]:
    """What can come next, the likeliest first, each with the span in which it does."""
    items, timer = node.items, node.timer
    if not items:
        if timer is None:
            return []
        return [(None, (max(timer[0], node.now), max(timer[1], node.now)))]
    soonest = min(item.hi for item in items)
    if timer is not None and timer[1] < soonest:
        soonest = timer[1]
    soonest = max(soonest, node.now)
    found: list[tuple[float, int, Pending | None]] = []
    for item in items:
        if item.lo < soonest or item.hi <= soonest:
            # One server's packets keep their order on their way to one client.
            if item.keeps_order and any(
                o.keeps_order and o.sender == item.sender and (o.lo, o.number) < (item.lo, item.number)
                for o in items
            ):
                continue
            found.append((item.lo, item.number, item))
    if timer is not None and (timer[0] < soonest or timer[1] <= soonest):
        found.append((timer[0], 1 << 60, None))
    found.sort(key=lambda entry: entry[:2])
    choices: list[_Choice] = []
    for lo, _, choice in found:
        end = soonest if choice is None else min(choice.hi, soonest)
        if choice is None and timer is not None:
            end = min(timer[1], soonest)
        begin = max(lo, node.now)
        choices.append((choice, (begin, max(begin, end))))
    return choices
