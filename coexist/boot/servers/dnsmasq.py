"""dnsmasq 2.90 as DHCP server, as ProxyDHCP, or as both: ``src/rfc2131.c``, ``src/dnsmasq.c``.

Function names below are dnsmasq's; packets were looked at with Debian's 2.90.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import NamedTuple

from coexist.boot.leases.lease import Leases, NoLease
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Unanswered
from coexist.boot.servers.dnsmasq_conf import (
    DnsmasqConfig,
    HostLine,
    MatchLine,
    Range,
)
from coexist.boot.servers.dnsmasq_replies import (
    FIRST_EFI,
    DnsmasqReplies,
    leased_packet,
    make_reply,
    network_of,
    pxe_options,
    service_file,
    tags_match,
)
from coexist.boot.servers.generic import architecture_of, relay_or
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.wire.bootp import BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption, decode_suboptions

POLL = 0.25
"""delay_dhcp waits in polls of a quarter of a second."""
POLL_LATENESS = 0.004
"""How much longer than that one poll was seen to take (LAB: 8 polls 2.00 to 2.03 s)."""
PING_WAIT = 3
"""dnsmasq.h, seconds: as long as an address is pinged before it is offered first."""


class Queued(NamedTuple):
    """A packet that waits while the daemon is deaf, and when it came."""

    arrival: Arrival
    received: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqState:
    """``phase``: where in its second the daemon's clock stands at time 0. ``busy``: until when it is deaf.
    ``queued``: whether a packet that waited was delayed too, whose end depends on the clock.
    """

    phase: float = 0.0
    busy: float | None = None
    on_67: tuple[Queued, ...] = ()
    on_4011: tuple[Queued, ...] = ()
    pinged: bool = False
    queued: bool = False


class _Answer(NamedTuple):
    """A reply, the seconds of its delay, and why."""

    packet: Packet
    address: IPv4Address
    port: int
    source_port: int
    delay: int
    why: str
    pings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqModel:
    """dnsmasq with one configuration. ``interface``: the tag its interface sets; ``latency``: seconds.

    ``hosts``: addresses of names that its own hosts file would know (for ``dhcp-boot`` with a name).
    What an inventory says of its clients stands beside the configuration, not in it: ``clients`` and
    ``architectures`` (as ``dhcp-ignore`` by tag keeps out all others), ``delay_for`` (as
    ``dhcp-reply-delay`` by tag), ``leases`` (as tags and ``dhcp-no-override`` make it answer).
    """

    name: str
    config: DnsmasqConfig
    interface: str = "eth0"
    latency: float = 0.0
    hosts: dict[str, IPv4Address] = field(default_factory=dict, hash=False)
    clients: MacSet = EVERYONE
    architectures: frozenset[int] | None = None
    delay_for: tuple[tuple[MacSet, int], ...] = ()
    leases: Leases | None = None
    assumptions: tuple[str, ...] = ()

    @property
    def overhears(self) -> bool:
        """It listens on 67 and 4011 only."""
        return False

    @property
    def phases(self) -> tuple[float, ...]:
        """Its delay counts whole seconds of its clock once packets queue up (delay_dhcp)."""
        delays = self.config.delays or self.delay_for
        if not delays and not (self.config.ping and not self._only_proxy):
            return (0.0,)
        return (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)

    @property
    def _only_proxy(self) -> bool:
        return all(r.mode == "proxy" for r in self.config.ranges)

    @property
    def replies(self) -> DnsmasqReplies:
        """The packets its configuration makes."""
        return DnsmasqReplies(config=self.config, hosts=self.hosts)

    def initial(self, phase: float = 0.0) -> DnsmasqState:
        """Its clock stands ``phase`` seconds behind a full second."""
        return DnsmasqState(phase=phase)

    def depends_on_phase(self, state: DnsmasqState) -> bool:
        """Once a delayed packet had waited for another."""
        return state.queued

    # -- the queue -------------------------------------------------------------------------------

    def receive(self, state: DnsmasqState, arrival: Arrival) -> Reaction:
        """Answer, or queue the packet while deaf."""
        if arrival.port == BOOT_SERVER_PORT and not self.config.pxe:
            return Reaction(state=state, unanswered=Unanswered(why="nothing listens on that port there"))
        queued = Queued(arrival, arrival.at)
        if state.busy is not None:
            if arrival.port == BOOT_SERVER_PORT:
                return Reaction(state=replace(state, on_4011=(*state.on_4011, queued)))
            return Reaction(state=replace(state, on_67=(*state.on_67, queued)))
        return self._process(state, queued, arrival.at)

    def resume(self, state: DnsmasqState, at: float) -> Reaction:
        """The wait is over: the main loop polls port 67 first, then 4011, one packet each.

        A delay inside the first spoils the poll's result for the second (dnsmasq.c, main loop), so that
        port 4011 waits for as long as port 67 has packets that are delayed.
        """
        state = replace(state, busy=None)
        replies: list[Reply] = []
        unanswered: Unanswered | None = None
        while state.on_67 or state.on_4011:
            if state.on_67:
                queued = state.on_67[0]
                polled = bool(state.on_4011)
                reaction = self._process(replace(state, on_67=state.on_67[1:]), queued, at)
                replies += reaction.replies
                state, unanswered = reaction.state, reaction.unanswered or unanswered
                if state.busy is not None:
                    return Reaction(state=state, replies=tuple(replies), wake=state.busy)
                if not polled:
                    continue
            queued = state.on_4011[0]
            reaction = self._process(replace(state, on_4011=state.on_4011[1:]), queued, at)
            replies += reaction.replies
            state, unanswered = reaction.state, reaction.unanswered or unanswered
            if state.busy is not None:
                return Reaction(state=state, replies=tuple(replies), wake=state.busy)
        return Reaction(state=state, replies=tuple(replies), unanswered=unanswered)

    def _process(self, state: DnsmasqState, queued: Queued, at: float) -> Reaction:
        found = self._answer(queued.arrival, pinged=state.pinged)
        if isinstance(found, str):
            return Reaction(state=state, unanswered=Unanswered(why=found))
        end, polls = at, 0
        if found.pings:
            end, more = _wait(state.phase, end, end, PING_WAIT)
            polls += more
            state = replace(state, pinged=True)
        if found.delay:
            if queued.received < end:
                state = replace(state, queued=True)
            end, more = _wait(state.phase, queued.received, end, found.delay)
            polls += more
        reply = Reply(
            packet=found.packet,
            earliest=end,
            latest=end + polls * POLL_LATENESS + self.latency,
            source_port=found.source_port,
            address=found.address,
            port=found.port,
            why=found.why,
        )
        if end > at:
            state = replace(state, busy=end)
            return Reaction(state=state, replies=(reply,), wake=end)
        return Reaction(state=state, replies=(reply,))

    # -- one packet (dhcp_reply) -------------------------------------------------------------------

    def _answer(self, arrival: Arrival, *, pinged: bool) -> _Answer | str:
        packet = arrival.packet
        kind = packet.message_type
        contexts = self._contexts(arrival)
        if not contexts:
            return "no dhcp-range is for this subnet"
        if kind is None:
            return "not a DHCP message"
        host = self._host(packet)
        tags = self._tags(packet, host)
        ignored = any(tags_match(tags_, tags, empty=False) for tags_ in self.config.ignores) or (
            packet.mac not in self.clients
            or (self.architectures is not None and architecture_of(packet) not in self.architectures)
        )
        vendor = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
        architecture = packet.options.get(Option.CLIENT_SYSTEM_ARCHITECTURE, b"")
        pxe_vendor = next((v for v in self.config.pxe_vendors if vendor.startswith(v.encode())), None)
        pxe = -1
        if self.config.pxe and pxe_vendor is not None:
            item = _boot_item(packet)
            if kind in (MessageType.REQUEST, MessageType.INFORM) and item is not None:
                return (
                    "dhcp-ignore is for this client"
                    if ignored
                    else self._serve_item(arrival, item, contexts, tags)
                )
            if len(architecture) >= 2:
                pxe = int.from_bytes(architecture[:2], "big")
                proxy = next((c for c in contexts if c.mode == "proxy" and tags_match(c.filter, tags)), None)
                wanted = kind is MessageType.DISCOVER or (
                    arrival.port == BOOT_SERVER_PORT and kind is MessageType.REQUEST
                )
                if proxy is not None and wanted:
                    if ignored:
                        return "dhcp-ignore is for this client"
                    return self._proxy(arrival, proxy, tags, pxe, pxe_vendor)
        if contexts[0].mode == "proxy" or arrival.port == BOOT_SERVER_PORT:
            if not self.config.pxe:
                return "a proxy without a pxe-service or pxe-prompt answers nobody"
            return "not a message its proxy answers"
        if ignored or (host is not None and host.ignore):
            return "dhcp-ignore is for this client"
        return self._lease(arrival, contexts[0], host, tags, pxe, pxe_vendor or "PXEClient", pinged=pinged)

    def _contexts(self, arrival: Arrival) -> list[Range]:
        """The ranges of the subnet the packet comes from; leases before proxies as they stand."""
        packet = arrival.packet
        near = packet.giaddr if packet.giaddr != UNSPECIFIED else arrival.address
        return [r for r in self.config.ranges if near in network_of(r)]

    def _host(self, packet: Packet) -> HostLine | None:
        """find_config: by client identifier, then by exact MAC, then by pattern."""
        mac = format_mac(packet.mac)
        client_id = packet.options.get(Option.CLIENT_IDENTIFIER)
        for host in self.config.hosts:
            if client_id is not None and client_id in host.client_ids:
                return host
        for host in self.config.hosts:
            if any("*" not in p and _fits(p, mac) for p in host.macs):
                return host
        patterns = [
            (p.count("*"), h) for h in self.config.hosts for p in h.macs if "*" in p and _fits(p, mac)
        ]
        return min(patterns, key=lambda found: found[0])[1] if patterns else None

    def _tags(self, packet: Packet, host: HostLine | None) -> frozenset[str]:
        tags = {self.interface}
        for match in self.config.matches:
            if _tag_applies(match, packet):
                tags.add(match.tag)
        if host is not None:
            tags.add("known")
            tags.update(host.sets)
        return self._tag_if(frozenset(tags))

    def tags_of(self, packet: Packet) -> frozenset[str]:
        """The tags a packet sets before its subnet is known."""
        return self._tags(packet, self._host(packet))

    def _tag_if(self, tags: frozenset[str]) -> frozenset[str]:
        """run_tag_if: each line once, in order."""
        for line in self.config.tag_ifs:
            if tags_match(line.tags, tags):
                tags = tags | frozenset(line.sets)
        return tags

    def _delay(self, tags: frozenset[str], mac: int) -> int:
        """apply_delay; the list is read from its last line, a line without tags comes last."""
        for clients, seconds in self.delay_for:
            if mac in clients:
                return seconds
        lines = tuple(reversed(self.config.delays))
        found = next((d for d in lines if tags_match(d.tags, tags, empty=False)), None)
        if found is None:
            found = next((d for d in lines if tags_match(d.tags, tags)), None)
        return found.seconds if found else 0

    # -- the proxy -------------------------------------------------------------------------------

    def _proxy(
        self, arrival: Arrival, context: Range, tags: frozenset[str], pxe: int, vendor: str
    ) -> _Answer:
        asked = arrival.packet
        on_4011 = arrival.port == BOOT_SERVER_PORT
        discover = asked.message_type is MessageType.DISCOVER
        if context.tag:
            tags = self._tag_if(tags | {context.tag})
        efi = pxe >= FIRST_EFI
        # The request's siaddr, sname and file are the reply's to begin with; clear_packet empties them.
        siaddr = arrival.address if efi else UNSPECIFIED
        file, sname = b"", b""
        service = self.replies.only_service(pxe, tags) if efi else None
        if service is not None and on_4011:
            siaddr = self.replies.service_address(service, arrival.address)
            sname = service.host.encode() or str(siaddr).encode()
            file = service_file(service)
        boot = self.replies.boot(tags)
        if service is None and boot is not None:
            next_server = boot.address or self.hosts.get(boot.host)
            siaddr = next_server or siaddr
            file = boot.file.encode()
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER if discover else MessageType.ACK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            **pxe_options(asked, vendor),
        }
        if (on_4011 and service is None) or not efi:
            options[Option.VENDOR_SPECIFIC_INFORMATION] = self.replies.menu(pxe, tags, arrival.address)
        flags, ciaddr = asked.flags, asked.ciaddr
        if discover or ciaddr == UNSPECIFIED:
            flags, ciaddr = flags | BROADCAST_FLAG, UNSPECIFIED
        packet = make_reply(
            asked, flags=flags, ciaddr=ciaddr, siaddr=siaddr, file=file, sname=sname, options=options
        )
        to = arrival.source if on_4011 else relay_or(asked, (LIMITED_BROADCAST, CLIENT_PORT))
        delay = self._delay(tags, asked.mac)
        what = (
            "its only pxe-service for this architecture"
            if service
            else "its menu"
            if not efi
            else "no service"
        )
        return _Answer(packet, *to, arrival.port, delay, _why(what, delay))

    def _serve_item(
        self, arrival: Arrival, item: int, contexts: list[Range], tags: frozenset[str]
    ) -> _Answer | str:
        """A boot server request with a boot item: never delayed."""
        asked = arrival.packet
        kind = int.from_bytes(item.to_bytes(4, "big")[:2], "big")
        layer = item & 0xFFFF
        if layer & 0x8000:
            return "PXE BIS is not supported"
        service = next((s for s in self.config.services if s.type == kind), None)
        if service is None or not service.basename:
            return "no pxe-service has this boot item"
        if not any(asked.ciaddr in network_of(c) for c in contexts):
            return "the client's address is not of its subnet"
        siaddr = self.replies.service_address(service, arrival.address)
        vendor_class = asked.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").decode("latin-1")
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.ACK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            **pxe_options(asked, "PXEClient"),
            Option.VENDOR_SPECIFIC_INFORMATION: bytes((SubOption.BOOT_ITEM, 4))
            + item.to_bytes(4, "big")
            + self.replies.own_vendor_options(tags, vendor_class)
            + b"\xff",
        }
        packet = make_reply(
            asked,
            flags=asked.flags,
            ciaddr=UNSPECIFIED,
            yiaddr=asked.ciaddr,
            siaddr=siaddr,
            file=service_file(service, layer),
            options=options,
        )
        to = arrival.source if arrival.port == BOOT_SERVER_PORT else (LIMITED_BROADCAST, CLIENT_PORT)
        return _Answer(packet, *to, arrival.port, 0, "the boot item's file")

    # -- the lease -------------------------------------------------------------------------------

    def _lease(
        self,
        arrival: Arrival,
        context: Range,
        host: HostLine | None,
        tags: frozenset[str],
        pxe: int,
        vendor: str,
        *,
        pinged: bool,
    ) -> _Answer | str:
        asked = arrival.packet
        own = arrival.address.packed
        chosen = asked.options.get(Option.SERVER_IDENTIFIER)
        if asked.message_type is MessageType.REQUEST:
            if chosen is not None and chosen != own:
                return (
                    self._refuse(arrival) if self.config.authoritative else "the client chose another server"
                )
        elif asked.message_type is not MessageType.DISCOVER:
            return "not a message that leads to a lease"
        leased = self.leases(arrival) if self.leases is not None else None
        if isinstance(leased, NoLease):
            return leased.why
        address = host.address if host is not None and host.address is not None else None
        if leased is not None:
            address = leased.yiaddr
        if address is None:
            if context.mode == "static":
                return "no dhcp-host has an address for this client"
            if not tags_match(context.filter, tags):
                return "its dhcp-range is for other tags"
            address = context.start
        if context.tag:
            tags = self._tag_if(tags | {context.tag})
        discover = asked.message_type is MessageType.DISCOVER
        if leased is not None:
            packet = leased_packet(arrival, context, leased)
        else:
            packet = self.replies.lease_packet(arrival, context, address, tags, pxe, vendor)
        broadcast = asked.broadcast or any(tags_match(t, tags) for t in self.config.broadcasts)
        if broadcast and not asked.broadcast:
            packet = replace(packet, flags=packet.flags | BROADCAST_FLAG)
        to = relay_or(asked, (LIMITED_BROADCAST if broadcast else address, CLIENT_PORT))
        delay = self._delay(tags, asked.mac) if discover else 0
        reserved = leased.reserved if leased is not None else host is not None and host.address is not None
        pings = discover and self.config.ping and not pinged and not reserved
        return _Answer(packet, *to, DHCP_PORT, delay, _why("", delay), pings)

    def _refuse(self, arrival: Arrival) -> _Answer:
        """An authoritative dnsmasq answers a REQUEST for another server with DHCPNAK ("wrong server-ID")."""
        asked = arrival.packet
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.NAK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            Option.MESSAGE: b"wrong server-ID",
        }
        packet = make_reply(asked, flags=asked.flags | BROADCAST_FLAG, options=options)
        to = relay_or(asked, (LIMITED_BROADCAST, CLIENT_PORT))
        return _Answer(packet, *to, DHCP_PORT, 0, "the client chose another server")


def _wait(phase: float, received: float, begun: float, seconds: int) -> tuple[float, int]:
    """delay_dhcp: quarter-second polls until the clock's full seconds differ by more than ``seconds``.

    Returns when it ends and how many polls that took; without a poll, at once.
    """
    start = int(phase + received)
    polls = 0
    while polls < seconds * 4 and int(phase + begun + polls * POLL) - start <= seconds:
        polls += 1
    return begun + polls * POLL, polls


def _boot_item(packet: Packet) -> int | None:
    """Type and layer of PXE_BOOT_ITEM as one number."""
    vendor = packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
    value = decode_suboptions(vendor).get(SubOption.BOOT_ITEM, b"") if vendor else b""
    return int.from_bytes(value[:4], "big") if len(value) >= 4 else None


def _fits(pattern: str, mac: str) -> bool:
    parts = pattern.split("-", 1)[-1].split(":")
    return all(
        p == "*" or int(p, 16) == int(octet, 16) for p, octet in zip(parts, mac.split(":"), strict=False)
    )


def _tag_applies(match: MatchLine, packet: Packet) -> bool:
    options = packet.options
    if match.kind == "mac":
        return _fits(match.pattern, format_mac(packet.mac))
    if match.kind == "vendorclass":
        return match.value in options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
    if match.kind == "userclass":
        return match.value in options.get(Option.USER_CLASS, b"")
    value = options.get(match.code)
    if value is None or len(match.value) > len(value):
        return False
    if not match.value:
        return True
    # match_bytes: texts at any place, other values at multiples of their length.
    step = 1 if match.text else len(match.value)
    return any(
        value[i : i + len(match.value)] == match.value
        for i in range(0, len(value) - len(match.value) + 1, step)
    )


def _why(what: str, delay: int) -> str:
    late = f"dhcp-reply-delay {delay} s" if delay else ""
    return ", ".join(part for part in (what, late) if part)
