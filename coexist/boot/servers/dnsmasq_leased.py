"""The reply of a dnsmasq whose file was rendered from a lease plan: ``do_options`` of ``src/rfc2131.c``.

Tags say exactly what is leased; what dnsmasq 2.90 adds by itself is here (looked at in packets of Debian's).
Unless its scopes are ``literal``, ``dhcp-no-override`` keeps the boot file in the header.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.dnsmasq_clients import name_of, offered_name, told_fqdn, told_text
from coexist.boot.leases.dnsmasq_file import domain_of
from coexist.boot.leases.evaluate import OF_A_MACHINE
from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival, reply_to
from coexist.boot.servers.dnsmasq_area import Area
from coexist.boot.servers.dnsmasq_replies import NEVER, lease_times
from coexist.languages.dnsmasq.config import DnsmasqConfig
from coexist.languages.dnsmasq.options import TEXT_ONLY, as_text
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

_TERMINATED = (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME)


def rendered_lease(lease: Lease, arrival: Arrival) -> Lease:
    """A compiled lease as the rendered file makes it: a dhcp-boot without a next server means this server,
    and the options 66 and 67 end with a NUL that dnsmasq puts there."""
    options = dict(lease.options)
    for code in _TERMINATED:
        if code in options:
            options[code] = options[code].removesuffix(b"\0") + b"\0"
    has_boot_line = "file" in lease.origins
    siaddr = arrival.address if has_boot_line and lease.siaddr == UNSPECIFIED else lease.siaddr
    return replace(lease, options=options, siaddr=siaddr)


def in_order(codes: Iterable[int], order: tuple[int, ...]) -> list[int]:
    """Options as they stand in a reply: the declared order first, then the codes from above. The last line of
    a file comes first."""
    known = set(codes)
    first = [code for code in order if code in known]
    return [*first, *sorted(known.difference(first), reverse=True)]


def told_by_itself(config: DnsmasqConfig, own: IPv4Address, address: IPv4Address) -> dict[int, bytes]:
    """What a server of ``literal`` scopes tells without a line: itself as router and, if it is one, as DNS
    server; its domain.

    ``own``: its address on the subnet; ``address``: the client's.
    """
    found: dict[int, bytes] = {Option.ROUTER: own.packed}
    if config.dns:
        found[Option.DOMAIN_NAME_SERVER] = own.packed
    domain = domain_of(config, address)
    if domain:
        found[Option.DOMAIN_NAME] = domain.encode()
    return found


def leased_packet(
    arrival: Arrival, lease: Lease, config: DnsmasqConfig, *, is_literal: bool = False, is_rapid: bool = False
) -> Packet:
    """The OFFER or ACK for a lease of a server with these settings. ``is_literal``: its scopes are;
    ``is_rapid``: a DISCOVER is acknowledged at once."""
    return _Telling(arrival, lease, config, is_literal=is_literal, is_rapid=is_rapid).packet()


class _Telling:
    """The options of one reply, each once."""

    def __init__(
        self, arrival: Arrival, lease: Lease, config: DnsmasqConfig, *, is_literal: bool, is_rapid: bool
    ) -> None:
        self.arrival, self.lease, self.is_rapid = arrival, lease, is_rapid
        self.config = config
        self.literal = config if is_literal else None
        self.asked = arrival.packet
        self.wanted = self.asked.options.get(Option.PARAMETER_REQUEST_LIST)
        self.named = name_of(self.asked, by_client=False)
        self.ended = self.named.ended
        self.area = Area(self.asked)
        self.done: frozenset[int] = frozenset()

    def packet(self) -> Packet:
        lease, area = self.lease, self.area
        for code, octets in _head(self.arrival, lease, is_rapid=self.is_rapid).items():
            area.put(code, octets)
        self._boot()
        for code, octets in _own_options(self.arrival, lease).items():
            area.put(code, octets)
        self._by_itself()
        self._names()
        for code in in_order(lease.options, lease.order):
            self._tell(code)
        is_inform = self.asked.message_type is MessageType.INFORM
        return reply_to(
            self.asked,
            flags=self.asked.flags,
            ciaddr=self.asked.ciaddr if is_inform else UNSPECIFIED,
            yiaddr=UNSPECIFIED if is_inform else lease.yiaddr,
            siaddr=lease.siaddr,
            file=b"" if area.overload & 1 else area.file,
            sname=b"" if area.overload & 2 else area.sname,
            options=area.options(),
        )

    def _names(self) -> None:
        """The name of a dhcp-host, else that of the client; it precedes all options of lines."""
        lease, code = self.lease, int(Option.HOST_NAME)
        own = lease.options[code].decode() if lease.origins.get(code) == OF_A_MACHINE else ""
        is_offer = self.asked.message_type is MessageType.DISCOVER and not self.is_rapid
        name = offered_name(self.named, own) if is_offer else own or self.named.name
        if own and name == own:
            self._tell(code)
        elif own:
            self.done |= {code}
        elif name and code not in lease.options and (self.wanted is None or code in self.wanted):
            self.area.put(code, told_text(self.named, name))
        if name and self.named.told:
            self.area.put(Option.CLIENT_FQDN, told_fqdn(self.named, name, self._domain()))

    def _domain(self) -> str:
        address = self.lease.yiaddr if self.lease.yiaddr != UNSPECIFIED else self.asked.ciaddr
        return domain_of(self.config, address)

    def _tell(self, code: int) -> None:
        """An option of the lease, if the client asks for it."""
        lease = self.lease
        asked = self.wanted is None or code in self.wanted or code in lease.forced
        if asked and code not in self.done and code not in NEVER:
            self.area.put(code, self._value(code))
        self.done |= {code}

    def _value(self, code: int) -> bytes:
        """Its octets; a client that ends its own texts with a NUL is told one behind each text."""
        octets = self.lease.options[code]
        is_text = code in TEXT_ONLY or (self.literal is not None and as_text(code, octets) != "")
        return octets + b"\0" if self.ended and is_text and code not in _TERMINATED else octets

    def _boot(self) -> None:
        """The header fields, or option 67 instead for a client that asks for it."""
        sname, file, self.done = _fields(self.lease, self.wanted or b"")
        moves = self.literal is not None and self.literal.override and self.wanted is not None
        if moves and file and "file" in self.lease.origins and Option.BOOTFILE_NAME in (self.wanted or b""):
            self.area.put(Option.BOOTFILE_NAME, file + b"\0")
            file, self.done = b"", self.done | {Option.BOOTFILE_NAME}
        self.area.set_fields(file, sname, overload=moves)

    def _by_itself(self) -> None:
        """What no line of a literal server says."""
        if self.literal is None:
            return
        client = self.lease.yiaddr if self.lease.yiaddr != UNSPECIFIED else self.asked.ciaddr
        told = told_by_itself(self.literal, self.arrival.address, client)
        for code, octets in told.items():
            if code not in self.lease.order and self.lease.options.get(code) == octets:
                self._tell(code)


def _fields(lease: Lease, wanted: bytes) -> tuple[bytes, bytes, frozenset[int]]:
    """The fields sname and file, and the options that stand there.

    Where no dhcp-boot is for the client, the options 66 and 67 that it does not name fill the fields, unless
    they are forced.
    """
    if "file" in lease.origins:
        return b"", lease.file, frozenset()
    moved = {
        code: lease.options[code]
        for code in _TERMINATED
        if code in lease.options and code not in (*wanted, *lease.forced)
    }
    sname = moved.get(Option.TFTP_SERVER_NAME, b"").removesuffix(b"\0")
    return sname, moved.get(Option.BOOTFILE_NAME, b"").removesuffix(b"\0"), frozenset(moved)


def _head(arrival: Arrival, lease: Lease, *, is_rapid: bool) -> dict[int, bytes]:
    """The options that every reply begins with."""
    is_offer = arrival.packet.message_type is MessageType.DISCOVER and not is_rapid
    kind = MessageType.OFFER if is_offer else MessageType.ACK
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.SERVER_IDENTIFIER: arrival.address.packed,
    }
    if arrival.packet.message_type is not MessageType.INFORM:
        options[Option.IP_ADDRESS_LEASE_TIME] = lease.lease_time.to_bytes(4, "big")
    if is_rapid:
        options[Option.RAPID_COMMIT] = b""
    return options


def _own_options(arrival: Arrival, lease: Lease) -> dict[int, bytes]:
    """What precedes the declared options; the mask and the broadcast address unless they are declared."""
    options: dict[int, bytes] = {}
    if arrival.packet.message_type is not MessageType.INFORM:
        options.update(lease_times(lease.lease_time, lease.options))
    address = lease.yiaddr if lease.yiaddr != UNSPECIFIED else arrival.packet.ciaddr
    network = IPv4Network((int(address), str(lease.netmask)), strict=False)
    own = {Option.SUBNET_MASK: network.netmask, Option.BROADCAST_ADDRESS: network.broadcast_address}
    options.update({code: address.packed for code, address in own.items() if code not in lease.options})
    return options
