"""One course of a race: the events of one client for one phase, and every order they can come in.

Time is a span, and the only place where order matters is the client. Where two of its events can come
either way, both are followed, and equal states once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Any

from coexist.analysis.timeline import Link
from coexist.analysis.world import Listener, Segment, World
from coexist.boot.firmware.machine import KEEP, Boot, Firmware, GiveUp, Heard, Machine, Send, Span, Step
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

MOST_STEPS = 5_000
"""Client events followed for one phase before the rest of the orders is left out, with a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One way a boot can end.

    ``winner``: the server that is asked for the file, None for nobody. ``boot_server``: that server, or its
    address if the inventory knows none there. ``decided_by``: the server whose packet decided. ``seconds``
    and ``latest``: first and last moment of the first request for the file; ``ended``: of that or of
    giving up (``error``). ``discovers``: how many DISCOVERs it sent.
    """

    winner: str | None
    boot_server: str | None
    file: str | None
    seconds: float | None
    why: str
    decided_by: str | None = None
    latest: float | None = None
    error: str | None = None
    ended: float | None = None
    discovers: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of one course. ``calm``: see `_Node`; ``clocked``: whether a server's clock mattered;
    ``servers``: the state each server is left in."""

    outcome: Outcome
    trace: Link
    signature: tuple[Any, ...]
    clocked: bool
    calm: float
    servers: Mapping[str, Any]

    def earlier(self, seconds: float) -> Leaf:
        """The same course with a first window that is so much shorter."""
        found = self.outcome
        if found.ended is None:
            return self
        shifted = replace(
            found,
            seconds=None if found.seconds is None else found.seconds - seconds,
            latest=None if found.latest is None else found.latest - seconds,
            ended=found.ended - seconds,
        )
        return Leaf(shifted, self.trace, self.signature, self.clocked, self.calm, self.servers)


@dataclass(slots=True, eq=False)
class _Item:
    """Something that will happen to the client (``heard``) or to the server ``sender``: a packet of another
    one comes by (``overheard``), or it wakes, ``due`` in the servers' time."""

    lo: float
    hi: float
    number: int
    sender: str
    heard: Heard | None
    reply: Reply | None
    overheard: Arrival | None = None
    due: float = 0.0


@dataclass(slots=True)
class _Node:
    """A client on its way. ``servers`` is replaced, never changed, so that equal ones are the same object."""

    step: Step
    timer: Span | None
    servers: dict[str, Any]
    items: tuple[_Item, ...]
    now: float
    trace: Link
    order: tuple[Any, ...]
    calm: float = 0.0
    """When the last packet of the first window came, if none came or was on its way later; else for ever."""

    def key(self) -> tuple[Any, ...]:
        """What its future depends on. Heard packets are interned, so that equal ones are the same object."""
        return (
            self.step.state,
            self.timer,
            frozenset((name, state) for name, state in self.servers.items() if name),
            tuple((item.sender, item.lo, item.hi, id(item.heard)) for item in self.items),
        )


class Course:
    """The run of one client through one world, for any phases.

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
        self.listeners = tuple(x for x in segment.listeners if x.model.name not in silent)
        self.silent = silent
        self.before = before or {}
        self.ahead = ahead
        self.overhearing = tuple(x for x in self.listeners if x.relay is None and x.model.overhears)
        models = {x.model.name: x.model for x in self.listeners}
        self.clocked = tuple(model for model in models.values() if len(model.phases) > 1)
        self.involved: dict[str, None] = {}
        self.cut_short = False
        self.reads_from: float = getattr(firmware, "reads_from", 0.0)
        self._numbers = 0
        self._interned: dict[tuple[IPv4Address, int, bool, Packet], Heard] = {}

    # -- following -------------------------------------------------------------------------------

    def follow(self, phase: float, clock: float) -> list[Leaf]:
        """Every course of events for given phases."""
        servers: dict[str, Any] = {**self.before, "": clock}
        step = self.firmware.begin(self.machine, phase)
        start = _Node(step, None, servers, (), 0.0, Link(None, "begin", 0.0, "", None), ())
        leaves: list[Leaf] = []
        stack = [start]
        self._apply(start, step, (0.0, 0.0))
        seen: set[tuple[Any, ...]] = set()
        budget = MOST_STEPS
        while stack:
            node = stack.pop()
            while True:
                budget -= 1
                if node.step.end is not None:
                    leaves.append(self._leaf(node))
                    break
                choices = _next(node)
                if not choices:
                    leaves.append(self._leaf(node))
                    break
                if len(choices) > 1:
                    key = node.key()
                    if key in seen or budget < 0:
                        self.cut_short |= budget < 0
                        break
                    seen.add(key)
                    branches = [b for choice in choices for b in self._take(node, choice)]
                    stack.extend(reversed(branches[1:]))
                    node = branches[0]
                else:
                    branches = list(self._take(node, choices[0]))
                    stack.extend(reversed(branches[1:]))
                    node = branches[0]
        return leaves

    def _take(self, node: _Node, choice: tuple[_Item | None, Span]) -> Iterator[_Node]:
        """The node after one event; two where the firmware's own step can go two ways."""
        item, at = choice
        if item is None:
            step = self.firmware.expire(node.step.state, at)
            after = _Node(
                step,
                None,
                node.servers,
                node.items,
                at[0],
                Link(node.trace, "timer", at[0], "", step.note),
                (*node.order, "timer"),
                # With a second DISCOVER, or a packet still on its way, the phase may matter.
                _FOR_EVER if node.items or _discovers_again(step) else node.calm,
            )
            self._apply(after, step, at)
            yield after
            return
        left = tuple(other for other in node.items if other is not item)
        if item.heard is None:
            after = _Node(node.step, node.timer, node.servers, left, at[0], node.trace, node.order, _FOR_EVER)
            self._resume(after, item)
            yield after
            return
        steps = self.firmware.receive(node.step.state, item.heard, at)
        order = (*node.order, (item.sender, item.heard.source_port))
        calm = node.calm if "timer" in node.order else max(node.calm, item.hi)
        if not steps:
            trace = Link(node.trace, "ignored", at[0], item.sender, item.heard.packet)
            yield _Node(node.step, node.timer, node.servers, left, at[0], trace, order, calm)
            return
        for step in steps:
            trace = Link(node.trace, "heard", at[0], item.sender, (item.heard.packet, step.note))
            after = _Node(step, node.timer, node.servers, left, at[0], trace, order, calm)
            self._apply(after, step, at, keep=node.timer)
            yield after

    def _apply(self, node: _Node, step: Step, at: Span, keep: Span | None = None) -> None:
        """Set the timer and carry what the client sends to those who hear it."""
        node.timer = keep if step.timer is KEEP else step.timer
        for send in step.sends:
            node.trace = Link(node.trace, "send", at[0], "", send)
            self._deliver(node, send, at)

    def _leaf(self, node: _Node) -> Leaf:
        end = node.step.end or GiveUp(error="waits for ever", why="nothing more will come")
        now = node.now
        if isinstance(end, GiveUp):
            outcome = Outcome(
                winner=None,
                boot_server=None,
                file=None,
                seconds=None,
                why=f"{end.error}: {end.why}",
                error=end.error,
                ended=now,
                discovers=_discovers(node.trace),
            )
            trace = Link(node.trace, "gave up", now, "", end)
        else:
            outcome = self._boot(end, now, _discovers(node.trace))
            trace = Link(node.trace, "boot", now + end.after[0], outcome.boot_server or "", end)
        key = (outcome.winner, outcome.boot_server, outcome.file, outcome.error)
        clocked = any(
            model.depends_on_phase(node.servers[model.name])
            for model in self.clocked
            if model.name in node.servers
        )
        return Leaf(outcome, trace, (key, node.order), clocked, node.calm, node.servers)

    def _boot(self, end: Boot, now: float, discovers: int) -> Outcome:
        owner = self.world.owners.get(end.server) if isinstance(end.server, IPv4Address) else None
        decided = self.world.owners.get(end.by)
        return Outcome(
            winner=owner or decided or str(end.by),
            boot_server=owner or str(end.server),
            file=end.file,
            seconds=now + end.after[0],
            latest=now + end.after[1],
            why=end.why,
            decided_by=decided,
            ended=now + end.after[0],
            discovers=discovers,
        )

    # -- the network -----------------------------------------------------------------------------

    def _deliver(self, node: _Node, send: Send, at: Span) -> None:
        if at[0] < self.segment.forwarding_delay:
            node.trace = Link(node.trace, "lost", at[0], "", "the switch port does not forward yet")
            return
        if send.address != LIMITED_BROADCAST:
            self._deliver_unicast(node, send, at)
            return
        for listener in self.listeners:
            packet = send.packet
            if listener.relay is not None:
                if packet.secs < self.segment.relay_min_secs:
                    why = f"the relay drops packets with secs below {self.segment.relay_min_secs}"
                    node.trace = Link(node.trace, "lost", at[0], listener.model.name, why)
                    continue
                packet = relayed(packet, listener.relay, self.segment.relay_option_82)
                source = (listener.relay, DHCP_PORT)
            else:
                source = (send.source, send.source_port)
            self._ask(node, listener, packet, at, send.port, source)

    def _deliver_unicast(self, node: _Node, send: Send, at: Span) -> None:
        owner = self.world.owners.get(send.address)
        if owner is None or owner in self.silent:
            node.trace = Link(node.trace, "lost", at[0], owner or "", f"nobody answers at {send.address}")
            return
        is_here = any(
            x.model.name == owner and x.address == send.address and x.relay is None for x in self.listeners
        )
        if not is_here:
            if send.port in self.segment.blocked_ports:
                why = f"UDP port {send.port} is blocked towards other subnets"
                node.trace = Link(node.trace, "lost", at[0], owner, why)
                return
            if not self.segment.routed:
                node.trace = Link(node.trace, "lost", at[0], owner, "the VLAN has no gateway")
                return
        listener = Listener(model=self.world.models[owner], address=send.address)
        self._ask(node, listener, send.packet, at, send.port, (send.source, send.source_port))

    def _ask(
        self,
        node: _Node,
        listener: Listener,
        packet: Packet,
        at: Span,
        port: int,
        source: tuple[IPv4Address, int],
    ) -> None:
        """Put one packet to one server, and its replies on their way."""
        model = listener.model
        when = at[0] + self.ahead
        arrival = Arrival(packet=packet, at=when, port=port, address=listener.address, source=source)
        reaction = model.receive(self._state(node, model.name), arrival)
        if reaction.unanswered is not None:
            node.trace = Link(node.trace, "silent", at[0], model.name, reaction.unanswered.why)
        self._react(node, listener, reaction, at[1] - at[0])

    def _state(self, node: _Node, name: str) -> Any:
        state = node.servers.get(name, _ABSENT)
        if state is _ABSENT:
            return self.world.models[name].initial(node.servers[""])
        return state

    def _resume(self, node: _Node, item: _Item) -> None:
        model = self.world.models[item.sender]
        state = self._state(node, item.sender)
        if item.overheard is None:
            reaction = model.resume(state, item.due)
        else:
            reaction = model.receive(state, item.overheard)
        listener = next(
            (x for x in self.listeners if x.model.name == item.sender),
            Listener(model=model, address=LIMITED_BROADCAST),
        )
        self._react(node, listener, reaction, 0.0)

    def _react(self, node: _Node, listener: Listener, reaction: Reaction, spread: float) -> None:
        name = listener.model.name
        if reaction.state is not node.servers.get(name, _ABSENT):
            node.servers = {**node.servers, name: reaction.state}
        if reaction.wake is not None:
            self._numbers += 1
            wake = reaction.wake - self.ahead
            item = _Item(wake, wake, self._numbers, name, None, None, due=reaction.wake)
            node.items = (*node.items, item)
        for reply in reaction.replies:
            self.involved[name] = None
            earliest = reply.earliest - self.ahead
            lost = self._loses(listener, reply)
            if lost:
                node.trace = Link(node.trace, "lost", earliest, name, lost)
                continue
            node.trace = Link(node.trace, "reply", earliest, name, reply)
            self._numbers += 1
            source = listener.address
            broadcast = _is_broadcast(reply)
            known = (source, reply.source_port, broadcast, reply.packet)
            heard = self._interned.setdefault(
                known, Heard(reply.packet, source, reply.source_port, broadcast)
            )
            latest = reply.latest - self.ahead + spread + self.segment.jitter
            item = _Item(earliest, latest, self._numbers, name, heard, reply)
            if self.reads_from > item.lo:
                item.lo, item.hi = self.reads_from, max(self.reads_from, item.hi)
            node.items = (*node.items, item)
            if reply.address == LIMITED_BROADCAST and self.overhearing:
                self._overhear(node, reply, name, source)

    def _overhear(self, node: _Node, reply: Reply, name: str, source: IPv4Address) -> None:
        """Let others hear a broadcast reply at its time, after the request, which reached them all."""
        for listener in self.overhearing:
            if listener.model.name == name:
                continue
            arrival = Arrival(
                packet=reply.packet,
                at=reply.earliest,
                port=CLIENT_PORT,
                address=listener.address,
                source=(source, reply.source_port),
            )
            self._numbers += 1
            at, number = reply.earliest - self.ahead, self._numbers
            node.items = (*node.items, _Item(at, at, number, listener.model.name, None, None, arrival))

    def _loses(self, listener: Listener, reply: Reply) -> str | None:
        """Why a reply does not reach the client, if it does not."""
        if not listener.trusted and reply.source_port == DHCP_PORT:
            return "DHCP snooping drops the replies of this server"
        if listener.relay is not None and reply.address != listener.relay:
            return "it does not send to the relay agent, so the answer stays on its own VLAN"
        if reply.latest - self.ahead < self.segment.forwarding_delay:
            return "the switch port does not forward yet"
        return None


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


_ABSENT = object()
_FOR_EVER = float("inf")


def _next(node: _Node) -> list[tuple[_Item | None, Span]]:
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
    found: list[tuple[float, int, _Item | None]] = []
    for item in items:
        if item.lo < soonest or item.hi <= soonest:
            # One server's packets keep their order on their way to one client.
            if item.heard is not None and any(
                o.heard is not None and o.sender == item.sender and (o.lo, o.number) < (item.lo, item.number)
                for o in items
            ):
                continue
            found.append((item.lo, item.number, item))
    if timer is not None and (timer[0] < soonest or timer[1] <= soonest):
        found.append((timer[0], 1 << 60, None))
    found.sort(key=lambda entry: entry[:2])
    choices: list[tuple[_Item | None, Span]] = []
    for lo, _, choice in found:
        end = soonest if choice is None else min(choice.hi, soonest)
        if choice is None and timer is not None:
            end = min(timer[1], soonest)
        begin = max(lo, node.now)
        choices.append((choice, (begin, max(begin, end))))
    return choices


@lru_cache(maxsize=1024)
def _relay_information(giaddr: IPv4Address) -> bytes:
    # RFC 3046: sub-option 1, the circuit; its text is the relay's own affair.
    return b"\x01\x04" + giaddr.packed


def relayed(packet: Packet, giaddr: IPv4Address, option_82: bool) -> Packet:
    """The packet as a relay agent sends it on (RFC 1542 section 4.1, RFC 3046 section 2.1)."""
    options = dict(packet.options)
    if option_82:
        options[Option.RELAY_AGENT_INFORMATION] = _relay_information(giaddr)
    return Packet(
        op=packet.op,
        htype=packet.htype,
        hlen=packet.hlen,
        hops=packet.hops + 1,
        xid=packet.xid,
        secs=packet.secs,
        flags=packet.flags,
        ciaddr=packet.ciaddr,
        giaddr=giaddr,
        chaddr=packet.chaddr,
        options=options,
    )


def _is_broadcast(reply: Reply) -> bool:
    """Whether it reaches the client as a broadcast; a relay agent goes by the flag (RFC 1542 section 5.4)."""
    packet = reply.packet
    relayed = packet.giaddr != UNSPECIFIED and reply.address == packet.giaddr
    if relayed:
        return packet.broadcast or packet.yiaddr == UNSPECIFIED
    return reply.address == LIMITED_BROADCAST
