"""What dnsmasq 2.90 answers to one packet, and after which delay: ``dhcp_reply`` of ``src/rfc2131.c``.

Function names below are dnsmasq's; packets were looked at with Debian's 2.90.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from ipaddress import IPv4Address
from typing import NamedTuple

from coexist.boot.leases.dnsmasq_clients import offered_name
from coexist.boot.leases.dnsmasq_file import Client, DnsmasqFile, tags_match
from coexist.boot.leases.dnsmasq_ranges import Context, ciaddr_of
from coexist.boot.leases.lease import Leases, NoLease
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT, architecture_of, named_architecture
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, relay_or, reply_to
from coexist.boot.servers.dnsmasq_area import Area
from coexist.boot.servers.dnsmasq_leased import leased_packet
from coexist.boot.servers.dnsmasq_replies import (
    FIRST_EFI,
    DnsmasqReplies,
    pxe_options,
    service_file,
)
from coexist.boot.servers.dnsmasq_replies import Answer as LeaseAnswer
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.languages.dnsmasq.config import DnsmasqConfig
from coexist.records import dataclass
from coexist.wire.bootp import BROADCAST_FLAG, FILE_OCTETS, SNAME_OCTETS, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption, decode_suboptions

_IGNORED = "dhcp-ignore is for this client"


class Answer(NamedTuple):
    """A reply, the seconds of its delay, and why."""

    packet: Packet
    address: IPv4Address
    port: int
    source_port: int
    delay: float
    why: str
    pings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A packet, and what is known of its client."""

    arrival: Arrival
    client: Client
    tags: frozenset[str]
    ignored: bool
    pxe: int = -1
    vendor: str = "PXEClient"

    @property
    def packet(self) -> Packet:
        return self.arrival.packet


@dataclass(frozen=True, kw_only=True)
class DnsmasqAnswers:
    """The answers of one configuration.

    ``hosts``: addresses of names that its own hosts file would know (for ``dhcp-boot`` with a name).
    What an inventory says of its clients stands beside the configuration, not in it: ``clients`` and
    ``architectures`` (as ``dhcp-ignore`` by tag keeps out all others), ``delay_for`` in seconds (as
    ``dhcp-reply-delay`` by tag), ``leases`` (as tags make it answer; with ``literal``, without
    ``dhcp-no-override``, and with what the configuration tells by itself).
    """

    file: DnsmasqFile
    hosts: dict[str, IPv4Address] = field(default_factory=dict, hash=False)
    clients: MacSet = EVERYONE
    architectures: frozenset[int] | None = None
    delay_for: tuple[tuple[MacSet, float], ...] = ()
    leases: Leases | None = None
    literal: bool = False

    @property
    def config(self) -> DnsmasqConfig:
        """The configuration."""
        return self.file.config

    @cached_property
    def replies(self) -> DnsmasqReplies:
        """The packets its configuration makes."""
        return DnsmasqReplies(file=self.file, hosts=self.hosts)

    def answer(self, arrival: Arrival, *, pinged: bool) -> Answer | str:
        """The reply to a packet, or why there is none; ``pinged``: its address is known to be free."""
        packet = arrival.packet
        kind = packet.message_type
        contexts = self.file.ranges.contexts(arrival)
        if not contexts:
            return "no dhcp-range is for this subnet"
        if kind is None:
            return "not a DHCP message"
        client = self.file.client(arrival, contexts)
        tags = self.file.tag_if(client.tags)
        ignored = self.file.is_ignored(tags) or (
            packet.mac not in self.clients
            or (self.architectures is not None and architecture_of(packet) not in self.architectures)
        )
        asked = _Asked(arrival=arrival, client=client, tags=tags, ignored=ignored)
        found = self._pxe(asked)
        if not isinstance(found, _Asked):
            return found
        if contexts[0].range.mode == "proxy" or arrival.port == BOOT_SERVER_PORT:
            if not self.config.pxe:
                return "a proxy without a pxe-service or pxe-prompt answers nobody"
            return "not a message its proxy answers"
        if ignored or (client.host is not None and client.host.ignore):
            return _IGNORED
        match kind:
            case MessageType.DISCOVER:
                return self._offer(found, pinged=pinged)
            case MessageType.REQUEST:
                return self._acknowledge(found)
            case MessageType.INFORM:
                return self._inform(found)
            case _:
                return "not a message that leads to a lease"

    def _pxe(self, asked: _Asked) -> Answer | str | _Asked:
        """What a PXE client is answered as such; or else what is known of it then."""
        packet, tags = asked.packet, asked.tags
        vendor = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER)
        named = self.config.pxe_vendors if vendor is not None and self.config.pxe else ()
        found = next(
            (v for v in named if (vendor or b"").startswith(v.encode("utf-8", "surrogateescape"))), None
        )
        if found is None:
            return asked
        kind = packet.message_type
        item = _boot_item(packet)
        if kind in (MessageType.REQUEST, MessageType.INFORM) and item is not None:
            return _IGNORED if asked.ignored else self._serve_item(asked.arrival, item, asked.client, found)
        architecture = named_architecture(packet.options)
        if architecture is None:
            return replace(asked, vendor=found)
        asked = replace(asked, vendor=found, pxe=architecture)
        on_4011 = asked.arrival.port == BOOT_SERVER_PORT
        if kind is not MessageType.DISCOVER and not (on_4011 and kind is MessageType.REQUEST):
            return asked
        for context in asked.client.contexts:
            if context.range.mode == "proxy" and tags_match(context.range.filter, tags):
                return _IGNORED if asked.ignored else self._proxy(asked, context)
        return asked

    def tags_of(self, packet: Packet) -> frozenset[str]:
        """The tags a packet sets before its subnet is known."""
        arrival = Arrival(
            packet=packet, at=0.0, port=DHCP_PORT, address=UNSPECIFIED, source=(UNSPECIFIED, CLIENT_PORT)
        )
        return self.file.tag_if(self.file.client(arrival, ()).tags)

    def _delay(self, tags: frozenset[str], mac: int) -> float:
        """What the inventory says of a client's delay, or else its configuration."""
        own = next((seconds for clients, seconds in self.delay_for if mac in clients), None)
        return self.file.delay(tags) if own is None else own

    # -- the proxy -------------------------------------------------------------------------------

    def _proxy(self, about: _Asked, context: Context) -> Answer:
        arrival, client, pxe, vendor = about.arrival, about.client, about.pxe, about.vendor
        asked = arrival.packet
        on_4011 = arrival.port == BOOT_SERVER_PORT
        discover = asked.message_type is MessageType.DISCOVER
        tags = self.file.tag_if(client.tags, context.range.tag)
        efi = pxe >= FIRST_EFI
        siaddr = context.local if efi else UNSPECIFIED
        file, sname = b"", b""
        service = self.replies.only_service(pxe, tags)
        if service is not None and on_4011:
            siaddr = self.replies.service_address(service, context.local)
            sname = service.host.encode("utf-8", "surrogateescape") or str(siaddr).encode()
            file = service_file(service)
        boot = self.replies.boot(tags)
        if service is None and boot is not None:
            siaddr = self.replies.boot_address(boot, siaddr)
            file = boot.file.encode("utf-8", "surrogateescape")
        area = Area(asked)
        area.put(Option.DHCP_MESSAGE_TYPE, bytes((MessageType.OFFER if discover else MessageType.ACK,)))
        area.put(Option.SERVER_IDENTIFIER, context.local.packed)
        for code, value in pxe_options(asked, vendor).items():
            area.put(code, value)
        if (on_4011 and service is None) or not efi:
            own = self.replies.vendor_options(tags, asked.options.get(Option.VENDOR_CLASS_IDENTIFIER))
            menu = self.replies.menu(pxe, tags, context.local, own)
            area.put_inside(Option.VENDOR_SPECIFIC_INFORMATION, menu)
        flags, ciaddr = asked.flags, ciaddr_of(asked)
        if discover or ciaddr == UNSPECIFIED:
            flags, ciaddr = flags | BROADCAST_FLAG, UNSPECIFIED
        packet = reply_to(
            asked,
            flags=flags,
            ciaddr=ciaddr,
            siaddr=siaddr,
            file=file[: FILE_OCTETS - 1],
            sname=sname[: SNAME_OCTETS - 1],
            options=area.options(),
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
        return Answer(packet, *to, arrival.port, delay, _why(what, delay))

    def _serve_item(self, arrival: Arrival, item: int, client: Client, vendor: str) -> Answer | str:
        """A boot server request with a boot item: never delayed."""
        asked = arrival.packet
        kind, layer = item >> 16, item & 0xFFFF
        if layer & 0x8000:
            return "PXE BIS is not supported"
        tags = self.file.tag_if(client.tags)
        service = next((s for s in self.config.services if s.type == kind), None)
        ciaddr = ciaddr_of(asked)
        context = next(
            (c for c in client.contexts if tags_match(c.range.filter, tags) and c.holds(ciaddr)), None
        )
        if service is None or not service.basename:
            return "no pxe-service has this boot item"
        if context is None:
            return "the client's address is not of its subnet"
        area = Area(asked)
        area.put(Option.DHCP_MESSAGE_TYPE, bytes((MessageType.ACK,)))
        area.put(Option.SERVER_IDENTIFIER, context.local.packed)
        for code, value in pxe_options(asked, vendor).items():
            area.put(code, value)
        own = self.replies.vendor_options(tags, asked.options.get(Option.VENDOR_CLASS_IDENTIFIER))
        parts = [(int(SubOption.BOOT_ITEM), item.to_bytes(4, "big")), *own]
        area.put_inside(Option.VENDOR_SPECIFIC_INFORMATION, parts)
        packet = reply_to(
            asked,
            flags=asked.flags,
            ciaddr=UNSPECIFIED,
            yiaddr=ciaddr,
            siaddr=self.replies.service_address(service, context.local),
            file=service_file(service, layer)[: FILE_OCTETS - 1],
            options=area.options(),
        )
        to = arrival.source if arrival.port == BOOT_SERVER_PORT else (LIMITED_BROADCAST, CLIENT_PORT)
        return Answer(packet, *to, arrival.port, 0, "the boot item's file")

    # -- the lease -------------------------------------------------------------------------------

    def _offer(self, asked: _Asked, *, pinged: bool) -> Answer | str:
        packet, client, file = asked.packet, asked.client, self.file
        if self.leases is not None:
            return self._leased(asked, self.leases, pinged=pinged)
        address = file.address(packet, client, asked.tags)
        if address is None:
            return "no dhcp-range or dhcp-host has an address for this client"
        context = file.narrow(client, address, asked.tags)
        if context is None:
            return "no dhcp-range is for its address"
        named = client.named
        name = offered_name(named, client.offered)
        tags = file.tag_if(client.tags, context.range.tag)
        kind = MessageType.OFFER
        if self._commits(packet):
            kind, name = MessageType.ACK, self._lease_name(packet, client, tags)
        reply = self._reply(asked, kind, context, address, name)
        pings = self.config.ping and not pinged and file.own_address(client) is None
        delay = self._delay(tags, packet.mac)
        return self._sent(asked, reply, delay=delay, pings=pings)

    def _commits(self, packet: Packet) -> bool:
        """Whether a DISCOVER leases at once: ``dhcp-rapid-commit``, and a client with option 80."""
        is_wanted = Option.RAPID_COMMIT in packet.options and packet.message_type is MessageType.DISCOVER
        return self.config.rapid_commit and is_wanted

    def _acknowledge(self, asked: _Asked) -> Answer | str:
        packet, client, file = asked.packet, asked.client, self.file
        chosen = packet.options.get(Option.SERVER_IDENTIFIER, b"")
        wanted = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
        override = file.override(packet)
        if len(wanted) >= 4 and len(chosen) >= 4:
            own = {override} if override is not None else {asked.arrival.address}
            if IPv4Address(chosen[:4]) not in own:
                if override is not None or not self.config.authoritative:
                    return "the client chose another server"
                return self._refuse(asked, "wrong server-ID")
        elif not self.config.authoritative and self.leases is None:
            return "it knows of no lease of this client"
        if self.leases is not None:
            return self._leased(asked, self.leases, pinged=True)
        address = IPv4Address(wanted[:4]) if len(wanted) >= 4 else ciaddr_of(packet)
        context = file.narrow(client, address, asked.tags)
        if context is None:
            return self._refuse(asked, "wrong network")
        own_address = client.host.address if client.host is not None else None
        if not file.is_available(client, address, asked.tags) and own_address != address:
            return self._refuse(asked, "address not available")
        if len(chosen) < 4 and file.own_address(client) not in (None, address):
            return self._refuse(asked, "static lease available")
        if address in file.reserved_addresses and own_address != address:
            return self._refuse(asked, "address reserved")
        tags = file.tag_if(client.tags, context.range.tag)
        name = self._lease_name(packet, client, tags)
        return self._sent(asked, self._reply(asked, MessageType.ACK, context, address, name))

    def _lease_name(self, packet: Packet, client: Client, tags: frozenset[str]) -> str:
        """The name a lease gets: its line's, or the client's own, or one made of its MAC."""
        if client.host is not None and client.host.name:
            return client.host.name
        nameless = any(not t or tags_match(t, tags, empty=False) for t in self.config.nameless)
        name = "" if nameless else client.named.name
        if not name and any(not t or tags_match(t, tags, empty=False) for t in self.config.named):
            return packet.chaddr[: packet.hlen].hex("-")
        return name

    def _inform(self, asked: _Asked) -> Answer | str:
        packet, client, file = asked.packet, asked.client, self.file
        ciaddr = ciaddr_of(packet)
        if ciaddr == UNSPECIFIED:
            return "the client has no address"
        if self.leases is not None:
            return self._leased(asked, self.leases, pinged=True)
        context = file.narrow(client, ciaddr, asked.tags)
        own = client.host.name if client.host is not None else ""
        reply = self._reply(asked, MessageType.ACK, context, UNSPECIFIED, own or client.named.name)
        return self._sent(asked, reply)

    def _reply(
        self,
        asked: _Asked,
        kind: MessageType,
        context: Context | None,
        address: IPv4Address,
        name: str,
    ) -> Packet:
        inform = asked.packet.message_type is MessageType.INFORM
        time = None
        if context is not None and not inform:
            time = self.file.lease_time(asked.packet, asked.client, context)
        answer = LeaseAnswer(
            kind=kind,
            client=asked.client,
            context=context,
            yiaddr=address,
            server_id=self.file.override(asked.packet) or asked.arrival.address,
            lease_time=time,
            hostname=name,
            pxe=asked.pxe,
            vendor=asked.vendor,
            is_rapid=self._commits(asked.packet),
        )
        return self.replies.lease_packet(asked.packet, answer)

    def _leased(self, asked: _Asked, leases: Leases, *, pinged: bool) -> Answer | str:
        """What the inventory leases, and its configuration says nothing of."""
        leased = leases(asked.arrival)
        if isinstance(leased, NoLease):
            return leased.why
        discover = asked.packet.message_type is MessageType.DISCOVER
        packet = leased_packet(
            asked.arrival,
            leased,
            self.config,
            is_literal=self.literal,
            is_rapid=self._commits(asked.packet),
        )
        delay = self._delay(asked.tags, asked.packet.mac) if discover else 0
        pings = discover and self.config.ping and not pinged and not leased.reserved
        return self._sent(asked, packet, delay=delay, pings=pings)

    @staticmethod
    def _sent(asked: _Asked, packet: Packet, *, delay: float = 0, pings: bool = False) -> Answer:
        """Where a reply goes (dhcp_packet of dhcp.c)."""
        to = LIMITED_BROADCAST if packet.broadcast else packet.yiaddr
        if packet.ciaddr != UNSPECIFIED:
            to = packet.ciaddr
        address, port = relay_or(asked.packet, (to, CLIENT_PORT))
        return Answer(packet, address, port, DHCP_PORT, delay, _why("", delay), pings)

    def _refuse(self, asked: _Asked, message: str) -> Answer:
        """DHCPNAK."""
        packet = asked.packet
        ciaddr, flags = ciaddr_of(packet), packet.flags
        context = asked.client.contexts[0]
        if packet.giaddr != UNSPECIFIED or ciaddr == UNSPECIFIED or context.holds(ciaddr):
            flags, ciaddr = flags | BROADCAST_FLAG, UNSPECIFIED
        area = Area(packet)
        area.put(Option.DHCP_MESSAGE_TYPE, bytes((MessageType.NAK,)))
        server_id = self.file.override(packet) or asked.arrival.address
        area.put(Option.SERVER_IDENTIFIER, server_id.packed)
        area.put(
            Option.MESSAGE,
            message.encode("utf-8", "surrogateescape") + (b"\0" if asked.client.named.ended else b""),
        )
        reply = reply_to(packet, flags=flags, ciaddr=ciaddr, options=area.options())
        return self._sent(asked, reply)._replace(why=message)


def _boot_item(packet: Packet) -> int | None:
    """Type and layer of PXE_BOOT_ITEM as one number."""
    vendor = packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
    value = decode_suboptions(vendor).get(SubOption.BOOT_ITEM, b"") if vendor else b""
    return int.from_bytes(value[:4], "big") if len(value) >= 4 else None


def _why(what: str, delay: float) -> str:
    late = f"dhcp-reply-delay {delay:g} s" if delay else ""
    return ", ".join(part for part in (what, late) if part)
