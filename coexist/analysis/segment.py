"""What a packet sets off on one segment, whoever sends it.

Who hears it, what relay agents add and drop, when each server answers, what comes back to the client and who
overhears whom. A boot (`coexist.analysis.course`), a probe and the wire check of a rollout send here alike.
Nothing is sampled: each answer has the span of time in which it arrives, and the sender decides what it makes
of their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.analysis.relays import FRESH, RelayAgent, RelayState, hand_back, misses_option_82, send_on
from coexist.analysis.timeline import Link
from coexist.analysis.world import Listener, Segment, World
from coexist.boot.firmware.machine import Heard, Send, Span
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

_PRECISE = 0.001
"""Seconds: how closely the moment is found at which a server begins to answer."""
CLOCK = ""
"""The key of `Air.servers` under which the phase of the servers' common clock stands."""


@dataclass(slots=True, eq=False)
class Pending:
    """Something that is under way.

    With ``heard`` it is a packet on its way to the client. Else it is the servers' own affair: a relay agent
    has an answer to hand back (``agent``), ``sender`` overhears a packet (``overheard``), or wakes (``due``
    in the servers' time).
    """

    lo: float
    hi: float
    number: int
    sender: str
    heard: Heard | None
    reply: Reply | None
    agent: RelayAgent | None = None
    overheard: Arrival | None = None
    due: float = 0.0

    @property
    def packet(self) -> object:
        """What tells it from others that come at the same time; equal packets are one object (`Heard`)."""
        if self.overheard is not None:
            return self.overheard.packet
        return self.heard or self.reply

    @property
    def keeps_order(self) -> bool:
        """Whether it stays behind what its server sent before it."""
        return self.heard is not None or self.agent is not None


@dataclass(slots=True)
class Air:
    """A segment at one moment: the state of its servers and relay agents, what is under way, what happened.

    ``servers`` is replaced, never changed, so that equal ones are the same object.
    """

    servers: dict[str, Any]
    items: tuple[Pending, ...]
    trace: Link


class Traffic:
    """What packets set off on one segment. It holds no state of a boot: that is in `Air`.

    ``silent``: servers that are switched off. ``ahead``: seconds by which the servers' time is ahead of the
    sender's. ``reads_from``: the moment from which the sender reads what arrives.
    """

    def __init__(
        self,
        world: World,
        segment: Segment,
        silent: frozenset[str] = frozenset(),
        *,
        ahead: float = 0.0,
        reads_from: float = 0.0,
    ) -> None:
        self.world = world
        self.segment = segment
        self.silent = silent
        self.ahead = ahead
        self.reads_from = reads_from
        self.listeners = tuple(x for x in segment.listeners if x.model.name not in silent)
        self.overhearing = tuple(x for x in self.listeners if x.relay is None and x.model.overhears)
        self.involved: dict[str, None] = {}
        """The servers that sent anything."""
        self.waiting: dict[str, None] = {}
        """The servers that waited for another's offer."""
        self.overheard: dict[str, None] = {}
        """The servers that overheard an offer."""
        self._numbers = 0
        self._interned: dict[tuple[IPv4Address, int, bool, Packet], Heard] = {}

    # -- from the client -------------------------------------------------------------------------

    def send(self, air: Air, send: Send, at: Span, lease: Packet | None = None) -> None:
        """Carry one packet to all who hear it. ``lease``: the ACK that gave the sender its address."""
        air.trace = Link(air.trace, "send", at[0], "", send)
        if at[0] < self.segment.forwarding_delay:
            air.trace = Link(air.trace, "lost", at[0], "", "the switch port does not forward yet")
        elif send.address.is_multicast:
            self._multicast(air, send, at)
        elif send.address != LIMITED_BROADCAST:
            self._unicast(air, send, at, lease)
        else:
            self._broadcast(air, send, at)

    def parts(self, air: Air, sends: Sequence[Send], at: Span) -> list[Span]:
        """A span of broadcasts, parted where a server begins or ceases to answer: at a threshold on its own
        clock, or while an earlier answer of it waits."""
        first, last = self._answered(air, sends, at[0]), self._answered(air, sends, at[1])
        if first == last:
            return [at]
        low, high = at
        while high - low > _PRECISE:
            middle = (low + high) / 2
            low, high = (middle, high) if self._answered(air, sends, middle) == first else (low, middle)
        return [(at[0], low), *self.parts(air, sends, (high, at[1]))]

    def _answered(self, air: Air, sends: Sequence[Send], at: float) -> tuple[int, ...]:
        """How many answers each server would give to broadcasts at one moment."""
        found = []
        for send in sends:
            for listener in self.listeners:
                agent = listener.relay
                packet, source = send.packet, (send.source, send.source_port)
                if agent is not None:
                    sent = _sent_on(air, agent, listener, packet)
                    if isinstance(sent, str):
                        continue
                    packet, source = sent[1], (agent.address, DHCP_PORT)
                arrival = Arrival(
                    packet=packet, at=at + self.ahead, port=send.port, address=listener.address, source=source
                )
                model = listener.model
                found.append(len(model.receive(self._state(air, model.name), arrival).replies))
        return tuple(found)

    def no_way_to(self, address: IPv4Address, lease: Packet | None) -> str | None:
        """Why a client with this lease cannot send to an address off its VLAN; None if it can."""
        if lease is None or _is_near(lease, address, self.segment.subnets):
            return None
        if not self.segment.routed:
            return "the VLAN has no gateway"
        routers = lease.options.get(Option.ROUTER, b"")
        if len(routers) < 4:
            return f"the client was given no router, and {address} is in another subnet"
        first = IPv4Address(routers[:4])
        if self.segment.routers and first not in self.segment.routers:
            return f"the client's router is {first}, which does not exist, and {address} is in another subnet"
        return None

    def _broadcast(self, air: Air, send: Send, at: Span) -> None:
        for listener in self.listeners:
            agent = listener.relay
            if agent is None:
                self._ask(air, listener, send.packet, at, send.port, (send.source, send.source_port))
                continue
            sent = _sent_on(air, agent, listener, send.packet)
            if isinstance(sent, str):
                air.trace = Link(air.trace, "lost", at[0], listener.model.name, sent)
                continue
            _remember(air, agent, sent[0])
            self._ask(air, listener, sent[1], at, send.port, (agent.address, DHCP_PORT))

    def _multicast(self, air: Air, send: Send, at: Span) -> None:
        """Routers and relay agents pass no multicast on: it stays on the VLAN."""
        members = [x for x in self.listeners if x.relay is None and x.group == send.address]
        if not members:
            why = f"no boot server here listens at {send.address}"
            air.trace = Link(air.trace, "lost", at[0], "", why)
        for listener in members:
            self._ask(air, listener, send.packet, at, send.port, (send.source, send.source_port))

    def _unicast(self, air: Air, send: Send, at: Span, lease: Packet | None) -> None:
        owner = self.world.owners.get(send.address)
        if owner is None or owner in self.silent:
            air.trace = Link(air.trace, "lost", at[0], owner or "", f"nobody answers at {send.address}")
            return
        is_here = any(
            x.model.name == owner and x.address == send.address and x.relay is None for x in self.listeners
        )
        why = self.no_way_to(send.address, lease)
        if not is_here and why is None:
            if send.port in self.segment.blocked_ports:
                why = f"UDP port {send.port} is blocked towards other subnets"
            elif not self.segment.routed:
                why = "the VLAN has no gateway"
        if why is not None:
            air.trace = Link(air.trace, "lost", at[0], owner, why)
            return
        listener = Listener(model=self.world.models[owner], address=send.address)
        self._ask(air, listener, send.packet, at, send.port, (send.source, send.source_port))

    # -- at the servers --------------------------------------------------------------------------

    def _ask(
        self,
        air: Air,
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
        reaction = model.receive(self._state(air, model.name), arrival)
        if reaction.unanswered is not None:
            if reaction.unanswered.waits:
                self.waiting[model.name] = None
            air.trace = Link(air.trace, "silent", at[0], model.name, reaction.unanswered.why)
        self._react(air, listener, reaction, at[1] - at[0])

    def _state(self, air: Air, name: str) -> Any:
        state = air.servers.get(name, _ABSENT)
        if state is _ABSENT:
            return self.world.models[name].initial(air.servers[CLOCK])
        return state

    def happen(self, air: Air, item: Pending, at: Span) -> None:
        """Let something happen that is not the client's (`Pending`)."""
        if item.agent is not None and item.reply is not None:
            by_agent = (x for x in self.listeners if (x.model.name, x.relay) == (item.sender, item.agent))
            self._hand_back(air, next(by_agent), item.agent, item.reply, at)
            return
        model = self.world.models[item.sender]
        state = self._state(air, item.sender)
        if item.overheard is None:
            reaction = model.resume(state, item.due)
        else:
            reaction = model.receive(state, item.overheard)
        listener = next(
            (x for x in self.listeners if x.model.name == item.sender),
            Listener(model=model, address=LIMITED_BROADCAST),
        )
        self._react(air, listener, reaction, 0.0)

    def _react(self, air: Air, listener: Listener, reaction: Reaction, spread: float) -> None:
        name = listener.model.name
        if reaction.state is not air.servers.get(name, _ABSENT):
            air.servers = {**air.servers, name: reaction.state}
        if reaction.wake is not None:
            wake = reaction.wake - self.ahead
            item = Pending(wake, wake, self._number(), name, None, None, due=reaction.wake)
            air.items = (*air.items, item)
        for reply in reaction.replies:
            self._answer(air, listener, reply, spread)

    # -- to the client ---------------------------------------------------------------------------

    def _answer(self, air: Air, listener: Listener, reply: Reply, spread: float) -> None:
        listener = self._asked_through(listener, reply.packet.giaddr)
        name = listener.model.name
        self.involved[name] = None
        reply = _as_declared(listener, reply)
        earliest = reply.earliest - self.ahead
        lost = self._loses(listener, reply)
        if lost:
            air.trace = Link(air.trace, "lost", earliest, name, lost)
            return
        air.trace = Link(air.trace, "reply", earliest, name, reply)
        latest = reply.latest - self.ahead + spread + self.segment.jitter
        agent = listener.relay
        if agent is None or reply.address != agent.address:
            self._arrive(air, listener, reply, reply.packet, (earliest, latest))
        elif agent.first_only:
            # Which answer comes first is decided when it is there.
            item = Pending(earliest, latest, self._number(), name, None, reply, agent=agent)
            air.items = (*air.items, item)
        else:
            self._hand_back(air, listener, agent, reply, (earliest, latest))

    def _asked_through(self, listener: Listener, giaddr: IPv4Address) -> Listener:
        """The way by which a server was asked: one that waited may answer several relay agents."""
        if giaddr == UNSPECIFIED or (listener.relay is not None and listener.relay.address == giaddr):
            return listener
        same = (x for x in self.listeners if x.model.name == listener.model.name and x.relay is not None)
        return next((x for x in same if x.relay is not None and x.relay.address == giaddr), listener)

    def _hand_back(self, air: Air, listener: Listener, agent: RelayAgent, reply: Reply, at: Span) -> None:
        handed = hand_back(agent, _state_of(air, agent), reply.packet)
        if isinstance(handed, str):
            air.trace = Link(air.trace, "lost", at[0], listener.model.name, handed)
            return
        _remember(air, agent, handed[0])
        self._arrive(air, listener, reply, handed[1], at)

    def _arrive(self, air: Air, listener: Listener, reply: Reply, packet: Packet, at: Span) -> None:
        """Put an answer on its way to the client and to all who overhear it; equal ones are one object."""
        name, broadcast = listener.model.name, _is_broadcast(reply)
        known = (listener.address, reply.source_port, broadcast, packet)
        heard = self._interned.setdefault(
            known, Heard(packet, listener.address, reply.source_port, broadcast)
        )
        item = Pending(*at, self._number(), name, heard, reply)
        if self.reads_from > item.lo:
            item.lo, item.hi = self.reads_from, max(self.reads_from, item.hi)
        air.items = (*air.items, item)
        if broadcast and not reply.to_one and self.overhearing:
            self._overhear(air, reply, heard, name, at[0])

    def _overhear(self, air: Air, reply: Reply, heard: Heard, name: str, at: float) -> None:
        """Let others hear a broadcast reply at its time, after the request, which reached them all."""
        for listener in self.overhearing:
            if listener.model.name == name:
                continue
            if heard.packet.yiaddr != UNSPECIFIED:
                self.overheard[listener.model.name] = None
            arrival = Arrival(
                packet=heard.packet,
                at=at + self.ahead,
                port=CLIENT_PORT,
                address=listener.address,
                source=(heard.source, reply.source_port),
            )
            item = Pending(at, at, self._number(), listener.model.name, None, None, overheard=arrival)
            air.items = (*air.items, item)

    def _loses(self, listener: Listener, reply: Reply) -> str | None:
        """Why a reply does not reach the client, if it does not."""
        if not listener.trusted and reply.source_port == DHCP_PORT:
            return "DHCP snooping drops the replies of this server"
        agent = listener.relay
        if agent is not None and reply.address != agent.address:
            is_here = any(listener.address in subnet for subnet in self.segment.subnets)
            if not (is_here and reply.address == LIMITED_BROADCAST):
                return "it does not send to the relay agent, so the answer stays on its own VLAN"
        elif agent is not None and misses_option_82(agent, reply.packet):
            return "the relay agent drops answers that do not repeat its option 82"
        if reply.latest - self.ahead < self.segment.forwarding_delay:
            return "the switch port does not forward yet"
        return None

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


_ABSENT = object()


def _state_of(air: Air, agent: RelayAgent) -> RelayState:
    found = air.servers.get(_key_of(agent)) if agent.remembers else None
    return found if isinstance(found, RelayState) else FRESH


def _sent_on(
    air: Air, agent: RelayAgent, listener: Listener, packet: Packet
) -> tuple[RelayState, Packet] | str:
    """A broadcast as a relay agent brings it to a server, or why the server does not hear it."""
    if listener.relayed == "silent":
        return "it answers no packet that a relay agent brings"
    return send_on(agent, _state_of(air, agent), packet)


def _remember(air: Air, agent: RelayAgent, state: RelayState) -> None:
    if agent.remembers:
        air.servers = {**air.servers, _key_of(agent): state}


def _key_of(agent: RelayAgent) -> str:
    # No server's name has a space.
    return f"relay agent {agent.address}"


def _as_declared(listener: Listener, reply: Reply) -> Reply:
    """A relayed answer as the server's declaration has it, where that is not what its product does."""
    if listener.relay is None:
        return reply
    if not listener.echoes_option_82 and Option.RELAY_AGENT_INFORMATION in reply.packet.options:
        reply = replace(reply, packet=reply.packet.without_options(Option.RELAY_AGENT_INFORMATION))
    if listener.relayed == "broadcast" and reply.source_port == DHCP_PORT:
        reply = replace(reply, address=LIMITED_BROADCAST, port=CLIENT_PORT)
    return reply


def _is_near(lease: Packet, address: IPv4Address, subnets: tuple[IPv4Network, ...]) -> bool:
    """Whether an address is in the client's own subnet; also where nothing says what that is."""
    mask = lease.options.get(Option.SUBNET_MASK, b"")
    if len(mask) == 4:
        bits = int.from_bytes(mask, "big")
        return int(lease.yiaddr) & bits == int(address) & bits
    own = next((subnet for subnet in subnets if lease.yiaddr in subnet), None)
    return own is None or address in own


def _is_broadcast(reply: Reply) -> bool:
    """Whether it reaches the client as a broadcast; a relay agent goes by the flag (RFC 1542 section 5.4)."""
    packet = reply.packet
    through_relay = packet.giaddr != UNSPECIFIED and reply.address == packet.giaddr
    if through_relay:
        return packet.broadcast or packet.yiaddr == UNSPECIFIED
    return reply.address == LIMITED_BROADCAST


def lease_of(trace: Link) -> Packet | None:
    """The ACK that gave the client its address: the last one it took. None before there is one."""
    link: Link | None = trace
    while link is not None:
        if link.kind == "heard":
            packet: Packet = link.detail[0]
            # A boot server's DHCPACK may name the address too (dnsmasq does), but leases nothing.
            leases = Option.IP_ADDRESS_LEASE_TIME in packet.options and packet.yiaddr != UNSPECIFIED
            if packet.message_type is MessageType.ACK and leases:
                return packet
        link = link.before
    return None


__all__ = ["Air", "Pending", "Segment", "Traffic", "lease_of"]
