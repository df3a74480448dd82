"""dnsmasq 2.90 as DHCP server, as ProxyDHCP, or as both: ``src/rfc2131.c``, ``src/dnsmasq.c``.

Function names below are dnsmasq's; packets were looked at with Debian's 2.90.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Unanswered
from coexist.boot.servers.dnsmasq_conf import (
    BootLine,
    DnsmasqConfig,
    HostLine,
    MatchLine,
    OptionLine,
    Range,
    Service,
)
from coexist.boot.servers.generic import architecture_of, relay_or
from coexist.boot.servers.lease import Lease, LeaseSource
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.wire.bootp import BOOTREPLY, BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption, decode_suboptions

POLL = 0.25
"""delay_dhcp waits in polls of a quarter of a second."""
POLL_LATENESS = 0.004
"""How much longer than that one poll was seen to take (LAB: 8 polls 2.00 to 2.03 s)."""
PING_WAIT = 3
"""dnsmasq.h, seconds: as long as an address is pinged before it is offered first."""
FIRST_EFI = 6
"""Architectures from here on are sent to port 4011 (rfc2131.c, "Redirect EFI clients")."""


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
    leases: LeaseSource | None = None
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
        ignored = any(_matches(tags_, tags, empty=False) for tags_ in self.config.ignores) or (
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
                    "dhcp-ignore is for this client" if ignored else self._serve_item(arrival, item, contexts)
                )
            if len(architecture) >= 2:
                pxe = int.from_bytes(architecture[:2], "big")
                proxy = next((c for c in contexts if c.mode == "proxy" and _matches(c.filter, tags)), None)
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
        return [r for r in self.config.ranges if near in _network(r)]

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

    def _tag_if(self, tags: frozenset[str]) -> frozenset[str]:
        """run_tag_if: each line once, in order."""
        for line in self.config.tag_ifs:
            if _matches(line.tags, tags):
                tags = tags | frozenset(line.sets)
        return tags

    def _delay(self, tags: frozenset[str], mac: int) -> int:
        """apply_delay; the list is read from its last line, a line without tags comes last."""
        for clients, seconds in self.delay_for:
            if mac in clients:
                return seconds
        lines = tuple(reversed(self.config.delays))
        found = next((d for d in lines if _matches(d.tags, tags, empty=False)), None)
        if found is None:
            found = next((d for d in lines if _matches(d.tags, tags)), None)
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
        service = self._only_service(pxe, tags) if efi else None
        if service is not None and on_4011:
            siaddr = self._service_address(service, arrival.address)
            sname = service.host.encode() or str(siaddr).encode()
            file = _service_file(service)
        boot = self._boot(tags)
        if service is None and boot is not None:
            next_server = boot.address or self.hosts.get(boot.host)
            siaddr = next_server or siaddr
            file = boot.file.encode()
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER if discover else MessageType.ACK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            **_pxe_misc(asked, vendor),
        }
        if (on_4011 and service is None) or not efi:
            options[Option.VENDOR_SPECIFIC_INFORMATION] = self._menu(pxe, tags, arrival.address)
        flags, ciaddr = asked.flags, asked.ciaddr
        if discover or ciaddr == UNSPECIFIED:
            flags, ciaddr = flags | BROADCAST_FLAG, UNSPECIFIED
        packet = _reply(
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

    def _services(self, pxe: int, tags: frozenset[str]) -> list[Service]:
        return [s for s in self.config.services if s.architecture == pxe and _matches(s.tags, tags)]

    def _only_service(self, pxe: int, tags: frozenset[str]) -> Service | None:
        """pxe_uefi_workaround."""
        named = [s for s in self._services(pxe, tags) if s.basename]
        return named[0] if len(named) == 1 else None

    def _service_address(self, service: Service, own: IPv4Address) -> IPv4Address:
        if service.host:
            return self.hosts.get(service.host, UNSPECIFIED)
        return service.server or own

    def _menu(self, pxe: int, tags: frozenset[str], own: IPv4Address) -> bytes:
        """pxe_opts: discovery control, prompt, boot servers, menu."""
        services = self._services(pxe, tags)
        menu, servers, control = b"", b"", 3
        for service in services:
            text = service.menu.encode()
            menu += service.type.to_bytes(2, "big") + bytes((len(text),)) + text
            if service.basename:
                server = own
            elif service.host:
                server = self.hosts.get(service.host, UNSPECIFIED)
            else:
                server = service.server or UNSPECIFIED
            if server != UNSPECIFIED:
                servers += service.type.to_bytes(2, "big") + b"\1" + server.packed
            elif service.type:
                control = 2
        if not services:
            control = 8
        prompt = next((p for p in self.config.prompts if _matches(p.tags, tags)), None)
        made_up = b"" if self.config.prompts else bytes((255 if len(services) > 1 else 0,)) + b"PXE"
        declared = b"" if prompt is None else bytes((prompt.timeout & 255,)) + prompt.text.encode()
        value = bytes((SubOption.DISCOVERY_CONTROL, 1, control))
        for code, octets in (
            (SubOption.MENU_PROMPT, made_up),
            (SubOption.BOOT_SERVERS, servers),
            (SubOption.BOOT_MENU, menu),
            (SubOption.MENU_PROMPT, declared),
        ):
            if octets:
                value += bytes((code, len(octets))) + octets
        return value + self._own_vendor_options(tags, "PXEClient") + b"\xff"

    def _serve_item(self, arrival: Arrival, item: int, contexts: list[Range]) -> _Answer | str:
        """A boot server request with a boot item: never delayed."""
        asked = arrival.packet
        kind = int.from_bytes(item.to_bytes(4, "big")[:2], "big")
        layer = item & 0xFFFF
        if layer & 0x8000:
            return "PXE BIS is not supported"
        service = next((s for s in self.config.services if s.type == kind), None)
        if service is None or not service.basename:
            return "no pxe-service has this boot item"
        if not any(asked.ciaddr in _network(c) for c in contexts):
            return "the client's address is not of its subnet"
        siaddr = self._service_address(service, arrival.address)
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.ACK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            **_pxe_misc(asked, "PXEClient"),
            Option.VENDOR_SPECIFIC_INFORMATION: bytes((SubOption.BOOT_ITEM, 4))
            + item.to_bytes(4, "big")
            + b"\xff",
        }
        packet = _reply(
            asked,
            flags=asked.flags,
            ciaddr=UNSPECIFIED,
            yiaddr=asked.ciaddr,
            siaddr=siaddr,
            file=_service_file(service, layer),
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
        if isinstance(leased, str):
            return leased
        address = host.address if host is not None and host.address is not None else None
        if leased is not None:
            address = leased.yiaddr
        if address is None:
            if context.mode == "static":
                return "no dhcp-host has an address for this client"
            if not _matches(context.filter, tags):
                return "its dhcp-range is for other tags"
            address = context.start
        if context.tag:
            tags = self._tag_if(tags | {context.tag})
        discover = asked.message_type is MessageType.DISCOVER
        if leased is not None:
            packet = _leased(arrival, context, leased)
        else:
            packet = self._lease_packet(arrival, context, address, tags, pxe, vendor)
        broadcast = asked.broadcast or any(_matches(t, tags) for t in self.config.broadcasts)
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
        packet = _reply(asked, flags=asked.flags | BROADCAST_FLAG, options=options)
        to = relay_or(asked, (LIMITED_BROADCAST, CLIENT_PORT))
        return _Answer(packet, *to, DHCP_PORT, 0, "the client chose another server")

    def _lease_packet(
        self,
        arrival: Arrival,
        context: Range,
        address: IPv4Address,
        tags: frozenset[str],
        pxe: int,
        vendor: str,
    ) -> Packet:
        """do_options."""
        asked = arrival.packet
        requested = asked.options.get(Option.PARAMETER_REQUEST_LIST)
        asks = frozenset(requested or b"")
        answer = MessageType.OFFER if asked.message_type is MessageType.DISCOVER else MessageType.ACK
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((answer,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            Option.IP_ADDRESS_LEASE_TIME: context.lease_time.to_bytes(4, "big"),
        }
        declared = self._declared(tags)
        siaddr, sname, file = self._boot_fields(options, declared, tags, asks, arrival.address)
        if context.lease_time != 0xFFFFFFFF:
            options[Option.RENEWAL_TIME] = (context.lease_time // 2).to_bytes(4, "big")
            options[Option.REBINDING_TIME] = (context.lease_time * 7 // 8).to_bytes(4, "big")
        network = _network(context)
        if Option.SUBNET_MASK not in declared:
            options[Option.SUBNET_MASK] = network.netmask.packed
        if Option.BROADCAST_ADDRESS not in declared:
            options[Option.BROADCAST_ADDRESS] = (context.broadcast or network.broadcast_address).packed
        if Option.ROUTER in asks and Option.ROUTER not in declared:
            options[Option.ROUTER] = (asked.giaddr if asked.giaddr != UNSPECIFIED else arrival.address).packed
        if (
            self.config.dns
            and Option.DOMAIN_NAME_SERVER in asks
            and Option.DOMAIN_NAME_SERVER not in declared
        ):
            options[Option.DOMAIN_NAME_SERVER] = arrival.address.packed
        self._declared_options(options, declared, asks, pxe, done_file=bool(file), done_sname=bool(sname))
        self._encapsulated_options(options, asked, tags, asks, pxe, vendor, arrival.address)
        if Option.RELAY_AGENT_INFORMATION in asked.options:
            options[Option.RELAY_AGENT_INFORMATION] = asked.options[Option.RELAY_AGENT_INFORMATION]
        return _reply(
            asked, flags=asked.flags, yiaddr=address, siaddr=siaddr, file=file, sname=sname, options=options
        )

    def _declared(self, tags: frozenset[str]) -> dict[int, OptionLine]:
        """option_filter: of several lines for a code a tagged one wins, then the last; last line first."""
        lines = [o for o in reversed(self.config.options) if o.vendor is None and o.encapsulated is None]
        tagged = {o.code: o for o in reversed(lines) if o.tags and _matches(o.tags, tags)}
        plain = {o.code: o for o in reversed(lines) if not o.tags}
        chosen = {**plain, **tagged}
        return {o.code: chosen[o.code] for o in lines if chosen.get(o.code) is o}

    def _boot(self, tags: frozenset[str]) -> BootLine | None:
        """find_boot: a tagged line that fits, then one without tags; the last of the file first."""
        lines = tuple(reversed(self.config.boots))
        found = next((b for b in lines if _matches(b.tags, tags, empty=False)), None)
        return found or next((b for b in lines if _matches(b.tags, tags)), None)

    def _boot_fields(
        self,
        options: dict[int, bytes],
        declared: dict[int, OptionLine],
        tags: frozenset[str],
        asks: frozenset[int],
        own: IPv4Address,
    ) -> tuple[IPv4Address, bytes, bytes]:
        """siaddr, sname and file; options 66 and 67 instead of the fields for a client that asks for them."""
        boot = self._boot(tags)
        siaddr, sname, file = own, b"", b""
        if boot is not None:
            if boot.sname:
                if self.config.override and Option.TFTP_SERVER_NAME in asks:
                    options[Option.TFTP_SERVER_NAME] = boot.sname.encode() + b"\0"
                else:
                    sname = boot.sname.encode()
            if boot.file:
                if self.config.override and Option.BOOTFILE_NAME in asks:
                    options[Option.BOOTFILE_NAME] = boot.file.encode() + b"\0"
                else:
                    file = boot.file.encode()
            siaddr = boot.address or self.hosts.get(boot.host) or own
            return siaddr, sname, file
        for code in (Option.BOOTFILE_NAME, Option.TFTP_SERVER_NAME):
            line = declared.get(code)
            if line is not None and code not in asks and not line.force:
                if code == Option.BOOTFILE_NAME:
                    file = line.value
                else:
                    sname = line.value
        if 255 in declared and len(declared[255].value) == 4:
            siaddr = IPv4Address(declared[255].value)
        return siaddr, sname, file

    @staticmethod
    def _declared_options(
        options: dict[int, bytes],
        declared: dict[int, OptionLine],
        asks: frozenset[int],
        pxe: int,
        *,
        done_file: bool,
        done_sname: bool,
    ) -> None:
        for code, line in declared.items():
            if not line.force and code not in asks:
                continue
            if (
                code in (0, 52, 57, 58, 59, 81, 255)
                or (code == 67 and done_file)
                or (code == 66 and done_sname)
            ):
                continue
            if not line.value and code in (1, 3, 6, 12, 15, 28):
                continue
            if pxe != -1 and code == Option.VENDOR_CLASS_IDENTIFIER:
                continue
            nul = b"\0" if code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME) else b""
            # A code that dhcp-boot put there stays beside this one on the wire; clients read the first.
            options.setdefault(code, line.value + nul)

    def _encapsulated_options(
        self,
        options: dict[int, bytes],
        asked: Packet,
        tags: frozenset[str],
        asks: frozenset[int],
        pxe: int,
        vendor: str,
        own: IPv4Address,
    ) -> None:
        outers: dict[int, bytes] = {}
        for line in self.config.options:
            outer = line.encapsulated
            if outer is not None and (line.force or outer in asks) and _matches(line.tags, tags):
                outers[outer] = outers.get(outer, b"") + bytes((line.code, len(line.value))) + line.value
        # do_encap_opts ends each of them (2.90, packets).
        options.update({outer: value + b"\xff" for outer, value in outers.items()})
        vendor_class = asked.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
        encapsulated = b""
        if pxe != -1:
            options.update(_pxe_misc(asked, vendor))
            if self._only_service(pxe, tags) is None or pxe < FIRST_EFI:
                encapsulated = self._menu(pxe, tags, own)
        if not encapsulated:
            own_options = self._own_vendor_options(tags, vendor_class.decode("latin-1"))
            encapsulated = own_options + b"\xff" if own_options else b""
        forced = any(o.vendor is not None and o.force for o in self.config.options)
        if not encapsulated or not (forced or Option.VENDOR_SPECIFIC_INFORMATION in asks):
            return
        options[Option.VENDOR_SPECIFIC_INFORMATION] = encapsulated
        if pxe == -1 and vendor_class and Option.VENDOR_CLASS_IDENTIFIER not in options:
            options[Option.VENDOR_CLASS_IDENTIFIER] = vendor_class

    def _own_vendor_options(self, tags: frozenset[str], vendor_class: str) -> bytes:
        """The sub-options of ``dhcp-option=vendor:``; the class matches anywhere in the client's."""
        lines = [
            o
            for o in reversed(self.config.options)
            if o.vendor is not None and o.vendor in vendor_class and _matches(o.tags, tags)
        ]
        return b"".join(bytes((o.code, len(o.value))) + o.value for o in lines)


def _leased(arrival: Arrival, context: Range, lease: Lease) -> Packet:
    """A reply of a dnsmasq whose tags and ``dhcp-no-override`` say exactly what is leased."""
    asked = arrival.packet
    discover = asked.message_type is MessageType.DISCOVER
    asks = frozenset(asked.options.get(Option.PARAMETER_REQUEST_LIST, b""))
    network = _network(context)
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER if discover else MessageType.ACK,)),
        Option.SERVER_IDENTIFIER: arrival.address.packed,
        Option.IP_ADDRESS_LEASE_TIME: lease.lease_time.to_bytes(4, "big"),
        Option.SUBNET_MASK: network.netmask.packed,
        Option.BROADCAST_ADDRESS: network.broadcast_address.packed,
    }
    for code, value in lease.options.items():
        if code in asks or code in lease.forced:
            nul = b"\0" if code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME) else b""
            options[code] = value if value.endswith(b"\0") else value + nul
    return _reply(
        asked,
        flags=asked.flags,
        yiaddr=lease.yiaddr,
        siaddr=lease.siaddr,
        file=lease.file,
        sname=lease.sname,
        options=options,
    )


def _wait(phase: float, received: float, begun: float, seconds: int) -> tuple[float, int]:
    """delay_dhcp: quarter-second polls until the clock's full seconds differ by more than ``seconds``.

    Returns when it ends and how many polls that took; without a poll, at once.
    """
    start = int(phase + received)
    polls = 0
    while polls < seconds * 4 and int(phase + begun + polls * POLL) - start <= seconds:
        polls += 1
    return begun + polls * POLL, polls


def _reply(
    asked: Packet,
    *,
    flags: int,
    options: dict[int, bytes],
    ciaddr: IPv4Address = UNSPECIFIED,
    yiaddr: IPv4Address = UNSPECIFIED,
    siaddr: IPv4Address = UNSPECIFIED,
    file: bytes = b"",
    sname: bytes = b"",
) -> Packet:
    return Packet(
        op=BOOTREPLY,
        xid=asked.xid,
        secs=asked.secs,
        flags=flags,
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=asked.giaddr,
        chaddr=asked.chaddr,
        file=file,
        sname=sname,
        options=options,
    )


def _pxe_misc(asked: Packet, vendor: str) -> dict[int, bytes]:
    """Option 60, and option 97 if the client sent 17 octets of it."""
    options: dict[int, bytes] = {Option.VENDOR_CLASS_IDENTIFIER: vendor.encode()}
    identity = asked.options.get(Option.CLIENT_MACHINE_IDENTIFIER, b"")
    if len(identity) >= 17:
        options[Option.CLIENT_MACHINE_IDENTIFIER] = identity[:17]
    return options


def _boot_item(packet: Packet) -> int | None:
    """Type and layer of PXE_BOOT_ITEM as one number."""
    vendor = packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
    value = decode_suboptions(vendor).get(SubOption.BOOT_ITEM, b"") if vendor else b""
    return int.from_bytes(value[:4], "big") if len(value) >= 4 else None


def _service_file(service: Service, layer: int = 0) -> bytes:
    name = service.basename
    return (name if "." in name else f"{name}.{layer}").encode()


def _network(context: Range) -> IPv4Network:
    return IPv4Network((int(context.start), str(context.netmask or "255.255.255.0")), strict=False)


def _matches(tags: tuple[str, ...], pool: frozenset[str], *, empty: bool = True) -> bool:
    """match_netid: all of them, those with ``!`` absent; ``empty``: what no tags at all mean."""
    if not tags:
        return empty
    return all((t[1:] not in pool) if t.startswith("!") else t in pool for t in tags)


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
