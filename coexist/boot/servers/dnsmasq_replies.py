"""The packets dnsmasq 2.90 makes: menus, leases and their options (``src/rfc2131.c``).

Function names in the comments are dnsmasq's; packets were looked at with Debian's 2.90.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from ipaddress import IPv4Address

from coexist.boot.leases.dnsmasq_clients import told_fqdn, told_text
from coexist.boot.leases.dnsmasq_file import Client, DnsmasqFile, domain_of, tags_match
from coexist.boot.leases.dnsmasq_ranges import Context, ciaddr_of
from coexist.boot.responder import reply_to
from coexist.boot.servers.dnsmasq_area import Area
from coexist.languages.dnsmasq.config import BootLine, DnsmasqConfig, Service
from coexist.languages.dnsmasq.options import Kind, OptionLine
from coexist.records import dataclass
from coexist.wire.bootp import BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.option_codes import INFINITE_LEASE
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption

FIRST_EFI = 6
"""Architectures from here on are sent to port 4011 (rfc2131.c, "Redirect EFI clients")."""

_WORD = 0xFFFFFFFF
_SIADDR = 255
_SUBNET_SELECTION = 118
_VENDOR_IDENTIFYING = 125
# Sent by other means, or never (do_options, "prohibit some used-internally options").
NEVER = frozenset({0, 52, 57, 58, 59, Option.CLIENT_FQDN, _SIADDR})
# "dhcp-option=<code>" without a value switches these off instead of sending an empty one.
_SWITCHED_OFF = frozenset({1, 3, 6, 12, 15, 28})
_MOST_OF_A_MENU = 253
_MOST_OF_AN_ENTERPRISE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a lease's packet is made of: whom it is for, and what is told.

    ``context`` None: the client's subnet has no range (DHCPINFORM). ``lease_time`` None is not told. ``pxe``:
    the architecture of a PXE client, or -1. ``is_rapid``: an ACK of a DISCOVER (RFC 4039).
    """

    kind: MessageType
    client: Client
    context: Context | None
    yiaddr: IPv4Address
    server_id: IPv4Address
    lease_time: int | None
    hostname: str
    pxe: int
    vendor: str
    is_rapid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqReplies:
    """What one configuration puts into packets. ``hosts``: addresses of names it would resolve."""

    file: DnsmasqFile
    hosts: dict[str, IPv4Address] = field(default_factory=dict, hash=False)

    @property
    def config(self) -> DnsmasqConfig:
        """The configuration."""
        return self.file.config

    # -- boot services ---------------------------------------------------------------------------

    def services(self, pxe: int, tags: frozenset[str]) -> list[Service]:
        """The pxe-service lines for an architecture whose tags are set."""
        return [s for s in self.config.services if s.architecture == pxe and tags_match(s.tags, tags)]

    def only_service(self, pxe: int, tags: frozenset[str]) -> Service | None:
        """pxe_uefi_workaround."""
        named = [s for s in self.services(pxe, tags) if s.basename] if pxe >= FIRST_EFI else []
        return named[0] if len(named) == 1 else None

    def address_of(self, name: str) -> IPv4Address:
        """a_record_from_hosts: 0.0.0.0 for a name that no hosts file has."""
        return self.hosts.get(name, UNSPECIFIED)

    def service_address(self, service: Service, own: IPv4Address) -> IPv4Address:
        """Which server has a service's file: the named one, the given one, or this."""
        return self.address_of(service.host) if service.host else service.server or own

    def boot(self, tags: frozenset[str]) -> BootLine | None:
        """The dhcp-boot line for clients with these tags."""
        return self.file.boot(tags)

    def boot_address(self, boot: BootLine, otherwise: IPv4Address) -> IPv4Address:
        """The siaddr a dhcp-boot line gives."""
        if boot.address is not None and boot.address != UNSPECIFIED:
            return boot.address
        return self.address_of(boot.host) if boot.host else otherwise

    def menu(
        self, pxe: int, tags: frozenset[str], own: IPv4Address, vendor_options: Sequence[tuple[int, bytes]]
    ) -> list[tuple[int, bytes]]:
        """pxe_opts: discovery control, prompt, boot servers and menu before the file's own sub-options."""
        services = self.services(pxe, tags)
        menu, servers, control = b"", b"", 3
        for service in services:
            text = _octets(service.menu)
            if len(menu) + len(text) + 3 >= _MOST_OF_A_MENU:
                return list(vendor_options)
            menu += service.type.to_bytes(2, "big") + bytes((len(text),)) + text
            server = (
                own if service.basename else self.address_of(service.host) if service.host else service.server
            )
            if server is not None and server != UNSPECIFIED:
                if len(servers) + 7 >= _MOST_OF_A_MENU:
                    return list(vendor_options)
                servers += service.type.to_bytes(2, "big") + b"\1" + server.packed
            elif service.type:
                control = 2
        made_up = bytes((255 if len(services) > 1 else 0,)) + b"PXE"
        if any(code == SubOption.MENU_PROMPT for code, _ in vendor_options):
            made_up = b""
        found = (
            (int(SubOption.DISCOVERY_CONTROL), bytes((control if services else 8,))),
            (int(SubOption.MENU_PROMPT), made_up),
            (int(SubOption.BOOT_SERVERS), servers),
            (int(SubOption.BOOT_MENU), menu),
        )
        return [(code, octets) for code, octets in found if octets] + list(vendor_options)

    def vendor_options(
        self, tags: frozenset[str], vendor_class: bytes | None, *, ended: bool = False
    ) -> list[tuple[int, bytes]]:
        """match_vendor_opts, prune_vendor_opts: the sub-options of ``dhcp-option=vendor:``; the class matches
        anywhere in the client's. A ``pxe-prompt`` is one of them; the last line of the file comes first."""
        if vendor_class is None:
            return []
        lines = [
            (o.line, o.code, _value(o, ended=ended))
            for o in self.config.options
            if o.vendor is not None and _octets(o.vendor) in vendor_class and tags_match(o.tags, tags)
        ]
        is_pxe = any(_octets(v) in vendor_class for v in self.config.pxe_vendors)
        lines += [
            (
                p.line,
                int(SubOption.MENU_PROMPT),
                bytes((p.timeout & 255,)) + _octets(p.text),
            )
            for p in self.config.prompts
            if is_pxe and tags_match(p.tags, tags)
        ]
        return [(code, value) for _, code, value in sorted(lines, key=lambda line: line[0], reverse=True)]

    # -- leases ----------------------------------------------------------------------------------

    def lease_packet(self, asked: Packet, answer: Answer) -> Packet:
        """A reply with do_options."""
        area = Area(asked)
        area.put(Option.DHCP_MESSAGE_TYPE, bytes((answer.kind,)))
        area.put(Option.SERVER_IDENTIFIER, answer.server_id.packed)
        if answer.lease_time is not None:
            area.put(Option.IP_ADDRESS_LEASE_TIME, answer.lease_time.to_bytes(4, "big"))
        if answer.is_rapid:
            area.put(Option.RAPID_COMMIT, b"")
        siaddr, broadcast = _Telling(self, asked, answer, area).tell()
        return reply_to(
            asked,
            flags=asked.flags | (BROADCAST_FLAG if broadcast else 0),
            ciaddr=ciaddr_of(asked),
            yiaddr=answer.yiaddr,
            siaddr=siaddr,
            file=b"" if area.overload & 1 else area.file,
            sname=b"" if area.overload & 2 else area.sname,
            options=area.options(),
        )


class _Telling:
    """do_options for one reply."""

    def __init__(self, replies: DnsmasqReplies, asked: Packet, answer: Answer, area: Area) -> None:
        self.replies, self.asked, self.answer, self.area = replies, asked, answer, area
        self.file, self.config = replies.file, replies.config
        self.tags = answer.client.tags
        context = answer.context
        self.context = context
        self.tag_if = self.file.tag_if(self.tags, context.range.tag if context else None)
        self.declared = self.file.options(self.tags, context)
        self.ended = answer.client.named.ended
        requested = asked.options.get(Option.PARAMETER_REQUEST_LIST)
        self.requested = None if requested is None else frozenset(requested.partition(b"\xff")[0])
        self.local = context.local if context else UNSPECIFIED

    def asks(self, code: int) -> bool:
        """in_list: a client without a list asks for everything."""
        return self.requested is None or code in self.requested

    def tell(self) -> tuple[IPv4Address, bool]:
        """Fill the area; siaddr, and whether it must be broadcast."""
        broadcast = any(not tags or tags_match(tags, self.tags) for tags in self.config.broadcasts)
        done, siaddr = self._boot()
        subnet = self.file.ranges.subnet_asked(self.asked)
        if subnet is not None:
            self.area.put(_SUBNET_SELECTION, subnet.packed)
        self._times()
        self._defaults()
        vendor_class, is_told = self._declared(done)
        self._encapsulated()
        self._vendor(vendor_class, is_told)
        return siaddr, broadcast

    def _boot(self) -> tuple[frozenset[int], IPv4Address]:
        """siaddr, sname and file, or options 66 and 67 for a client that asks for them.

        Returns which of the two are told by their fields instead of their options, and siaddr.
        """
        boot = self.replies.boot(self.tag_if)
        siaddr, done = self.local, frozenset[int]()
        fields = {67: b"", 66: b""}
        if boot is not None:
            for code, text in ((66, boot.sname), (67, boot.file)):
                if not text:
                    continue
                octets = _octets(text)
                if self.config.override and self.requested is not None and code in self.requested:
                    self.area.put(code, octets + b"\0")
                else:
                    fields[code] = octets
            siaddr = self.replies.boot_address(boot, siaddr)
        else:
            for code in (67, 66):
                line = self.declared.get(code)
                listed = self.requested is not None and code in self.requested
                if line is not None and not line.force and not listed:
                    fields[code] = line.value.partition(b"\0")[0]
                    done |= {code}
            line = self.declared.get(_SIADDR)
            if line is not None and len(line.value) >= 4:
                siaddr = IPv4Address(line.value[:4])
        free = self.requested is not None and self.config.override
        self.area.set_fields(fields[67], fields[66], overload=free)
        return done, siaddr

    def _times(self) -> None:
        """Renewal and rebinding."""
        if self.answer.lease_time is not None:
            declared = {code: line.value for code, line in self.declared.items()}
            for code, octets in lease_times(self.answer.lease_time, declared).items():
                self.area.put(code, octets)

    def _defaults(self) -> None:
        """What it tells by itself where no line says otherwise."""
        context, put = self.context, self.area.put
        named = self.answer.client.named
        if context is not None:
            if 1 not in self.declared:
                put(Option.SUBNET_MASK, context.netmask.packed)
            if 28 not in self.declared:
                put(Option.BROADCAST_ADDRESS, context.broadcast.packed)
            if context.router != UNSPECIFIED and self.asks(3) and 3 not in self.declared:
                put(Option.ROUTER, context.router.packed)
            if self.config.dns and self.asks(6) and 6 not in self.declared:
                put(Option.DOMAIN_NAME_SERVER, context.local.packed)
        address = self.answer.yiaddr if self.answer.yiaddr != UNSPECIFIED else self.asked.ciaddr
        domain = domain_of(self.config, address)
        if domain and self.asks(15) and 15 not in self.declared:
            put(Option.DOMAIN_NAME, told_text(named, domain))
        hostname = self.answer.hostname
        if hostname:
            if self.asks(12) and 12 not in self.declared:
                put(Option.HOST_NAME, told_text(named, hostname))
            if named.told:
                put(Option.CLIENT_FQDN, told_fqdn(named, hostname, domain))

    def _declared(self, done: frozenset[int]) -> tuple[bytes | None, bool]:
        """The options of the file. The vendor class that its sub-options go by, and whether it was told."""
        vendor_class = self.asked.options.get(Option.VENDOR_CLASS_IDENTIFIER)
        is_told = False
        for code, line in self.declared.items():
            if (not line.force and not self.asks(code)) or code in NEVER or code in done:
                continue
            if not line.value and code in _SWITCHED_OFF:
                continue
            if self.answer.pxe != -1 and code == Option.VENDOR_CLASS_IDENTIFIER:
                continue
            ended = self.ended or code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME)
            value = _value(line, ended=ended, own=self.local if self.context else None)
            if self.area.put(code, value) and code == Option.VENDOR_CLASS_IDENTIFIER:
                vendor_class, is_told = value, True
        return vendor_class, is_told

    def _encapsulated(self) -> None:
        """The sub-options of other options, grouped by these; the last line of the file first."""
        lines = [o for o in reversed(self.config.options) if o.is_inside and o.vendor is None]
        done: set[tuple[int | None, int | None]] = set()
        for line in lines:
            outer = (line.encapsulated, line.enterprise)
            if outer in done:
                continue
            done.add(outer)
            code = line.encapsulated if line.encapsulated is not None else _VENDOR_IDENTIFYING
            found = [
                o
                for o in lines
                if (o.encapsulated, o.enterprise) == outer
                and tags_match(o.tags, self.tag_if)
                and (o.force or self.asks(code))
            ]
            if not found:
                continue
            if line.enterprise is None:
                self.area.put_inside(code, [(o.code, _value(o, ended=self.ended)) for o in found])
                continue
            inner = b"".join(bytes((o.code & 255, len(o.value))) + o.value for o in found)
            if len(inner) <= _MOST_OF_AN_ENTERPRISE:
                self.area.put(code, line.enterprise.to_bytes(4, "big") + bytes((len(inner),)) + inner)

    def _vendor(self, vendor_class: bytes | None, is_told: bool) -> None:
        """Options 60, 97 and 43 for a PXE client; the file's vendor options for any."""
        answer, tags = self.answer, self.tag_if
        parts = self.replies.vendor_options(tags, vendor_class, ended=self.ended)
        is_pxe = self.context is not None and answer.pxe != -1
        if is_pxe:
            for code, value in pxe_options(self.asked, answer.vendor).items():
                self.area.put(code, value)
            if self.replies.only_service(answer.pxe, tags) is None:
                parts = self.replies.menu(answer.pxe, tags, self.local, parts)
        forced = any(
            o.force and tags_match(o.tags, tags) and _octets(o.vendor) in (vendor_class or b"")
            for o in self.config.options
            if o.vendor is not None and vendor_class is not None
        )
        if not forced and not self.asks(Option.VENDOR_SPECIFIC_INFORMATION):
            return
        own_class = self.asked.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
        if (
            self.area.put_inside(Option.VENDOR_SPECIFIC_INFORMATION, parts)
            and answer.pxe == -1
            and not is_told
            and own_class
        ):
            self.area.put(Option.VENDOR_CLASS_IDENTIFIER, own_class)


def lease_times(time: int, declared: Mapping[int, bytes]) -> dict[int, bytes]:
    """Options 58 and 59 of a lease; declared ones count if they are shorter than the lease."""
    if time == INFINITE_LEASE:
        return {}

    def of(code: int, otherwise: int) -> int:
        octets = declared.get(code, b"")
        value = int.from_bytes(octets[:4], "big") if len(octets) >= 4 else 0
        return value if 2 < value < time else otherwise

    renewal, rebinding = (
        of(Option.RENEWAL_TIME, time // 2),
        of(Option.REBINDING_TIME, (time * 7 & _WORD) // 8),
    )
    if rebinding <= renewal:
        renewal = rebinding - 1
    return {
        int(Option.RENEWAL_TIME): renewal.to_bytes(4, "big"),
        int(Option.REBINDING_TIME): rebinding.to_bytes(4, "big"),
    }


def _value(line: OptionLine, *, ended: bool, own: IPv4Address | None = None) -> bytes:
    """do_opt: a text with its NUL, addresses with the server's own in the place of 0.0.0.0."""
    if line.kind is Kind.TEXT and ended and len(line.value) != 255:
        return line.value + b"\0"
    if line.kind is Kind.ADDRESSES and own is not None:
        return b"".join(
            own.packed if line.value[i : i + 4] == bytes(4) else line.value[i : i + 4]
            for i in range(0, len(line.value), 4)
        )
    return line.value


def _octets(text: str) -> bytes:
    """The text as it stands in the file, which need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def pxe_options(asked: Packet, vendor: str) -> dict[int, bytes]:
    """Option 60, and option 97 if the client sent 17 octets of it."""
    options: dict[int, bytes] = {Option.VENDOR_CLASS_IDENTIFIER: _octets(vendor)}
    identity = asked.options.get(Option.CLIENT_MACHINE_IDENTIFIER, b"")
    if len(identity) >= 17:
        options[Option.CLIENT_MACHINE_IDENTIFIER] = identity[:17]
    return options


def service_file(service: Service, layer: int = 0) -> bytes:
    """The file of a service; a name without a dot gets its layer behind it."""
    name = service.basename
    return _octets(name if "." in name else f"{name}.{layer}")
