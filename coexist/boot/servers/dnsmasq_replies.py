"""The packets dnsmasq 2.90 makes: menus, leases and their options (``src/rfc2131.c``).

Function names in the comments are dnsmasq's; packets were looked at with Debian's 2.90.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival
from coexist.boot.servers.dnsmasq_conf import BootLine, DnsmasqConfig, OptionLine, Range, Service
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption

FIRST_EFI = 6
"""Architectures from here on are sent to port 4011 (rfc2131.c, "Redirect EFI clients")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqReplies:
    """What one configuration puts into packets. ``hosts``: addresses of names it would resolve."""

    config: DnsmasqConfig
    hosts: dict[str, IPv4Address] = field(default_factory=dict, hash=False)

    def services(self, pxe: int, tags: frozenset[str]) -> list[Service]:
        """The pxe-service lines for an architecture whose tags are set."""
        return [s for s in self.config.services if s.architecture == pxe and tags_match(s.tags, tags)]

    def only_service(self, pxe: int, tags: frozenset[str]) -> Service | None:
        """pxe_uefi_workaround."""
        named = [s for s in self.services(pxe, tags) if s.basename]
        return named[0] if len(named) == 1 else None

    def service_address(self, service: Service, own: IPv4Address) -> IPv4Address:
        """Which server has a service's file: the named one, the given one, or this."""
        if service.host:
            return self.hosts.get(service.host, UNSPECIFIED)
        return service.server or own

    def menu(self, pxe: int, tags: frozenset[str], own: IPv4Address) -> bytes:
        """pxe_opts: discovery control, prompt, boot servers, menu."""
        services = self.services(pxe, tags)
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
        made_up = b"" if self._has_prompt() else bytes((255 if len(services) > 1 else 0,)) + b"PXE"
        value = bytes((SubOption.DISCOVERY_CONTROL, 1, control))
        for code, octets in (
            (SubOption.MENU_PROMPT, made_up),
            (SubOption.BOOT_SERVERS, servers),
            (SubOption.BOOT_MENU, menu),
        ):
            if octets:
                value += bytes((code, len(octets))) + octets
        return value + self.own_vendor_options(tags, "PXEClient") + b"\xff"

    def _has_prompt(self) -> bool:
        """Whether any line, for whatever tags and vendor class, sets the prompt (pxe_opts)."""
        return bool(self.config.prompts) or any(
            line.vendor is not None and line.code == SubOption.MENU_PROMPT for line in self.config.options
        )

    def lease_packet(
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
        network = network_of(context)
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
        return make_reply(
            asked, flags=asked.flags, yiaddr=address, siaddr=siaddr, file=file, sname=sname, options=options
        )

    def _declared(self, tags: frozenset[str]) -> dict[int, OptionLine]:
        """option_filter: of several lines for a code a tagged one wins, then the last; last line first."""
        lines = [o for o in reversed(self.config.options) if o.vendor is None and o.encapsulated is None]
        tagged = {o.code: o for o in reversed(lines) if o.tags and tags_match(o.tags, tags)}
        plain = {o.code: o for o in reversed(lines) if not o.tags}
        chosen = {**plain, **tagged}
        return {o.code: chosen[o.code] for o in lines if chosen.get(o.code) is o}

    def boot(self, tags: frozenset[str]) -> BootLine | None:
        """find_boot: a tagged line that fits, then one without tags; the last of the file first."""
        lines = tuple(reversed(self.config.boots))
        found = next((b for b in lines if tags_match(b.tags, tags, empty=False)), None)
        return found or next((b for b in lines if tags_match(b.tags, tags)), None)

    def _boot_fields(
        self,
        options: dict[int, bytes],
        declared: dict[int, OptionLine],
        tags: frozenset[str],
        asks: frozenset[int],
        own: IPv4Address,
    ) -> tuple[IPv4Address, bytes, bytes]:
        """siaddr, sname and file; options 66 and 67 instead of the fields for a client that asks for them."""
        boot = self.boot(tags)
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
            if outer is not None and (line.force or outer in asks) and tags_match(line.tags, tags):
                outers[outer] = outers.get(outer, b"") + bytes((line.code, len(line.value))) + line.value
        # do_encap_opts ends each of them (2.90, packets).
        options.update({outer: value + b"\xff" for outer, value in outers.items()})
        vendor_class = asked.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
        encapsulated = b""
        if pxe != -1:
            options.update(pxe_options(asked, vendor))
            if self.only_service(pxe, tags) is None or pxe < FIRST_EFI:
                encapsulated = self.menu(pxe, tags, own)
        if not encapsulated:
            own_options = self.own_vendor_options(tags, vendor_class.decode("latin-1"))
            encapsulated = own_options + b"\xff" if own_options else b""
        forced = any(o.vendor is not None and o.force for o in self.config.options)
        if not encapsulated or not (forced or Option.VENDOR_SPECIFIC_INFORMATION in asks):
            return
        options[Option.VENDOR_SPECIFIC_INFORMATION] = encapsulated
        if pxe == -1 and vendor_class and Option.VENDOR_CLASS_IDENTIFIER not in options:
            options[Option.VENDOR_CLASS_IDENTIFIER] = vendor_class

    def own_vendor_options(self, tags: frozenset[str], vendor_class: str) -> bytes:
        """The sub-options of ``dhcp-option=vendor:``; the class matches anywhere in the client's.

        A ``pxe-prompt`` is one of them, for PXE clients (option.c); the last line of the file comes first.
        """
        lines = [
            (o.line, o.code, o.value)
            for o in self.config.options
            if o.vendor is not None and o.vendor in vendor_class and tags_match(o.tags, tags)
        ]
        lines += [
            (p.line, int(SubOption.MENU_PROMPT), bytes((p.timeout & 255,)) + p.text.encode())
            for p in self.config.prompts
            if "PXEClient" in vendor_class and tags_match(p.tags, tags)
        ]
        lines.sort(reverse=True)
        return b"".join(bytes((code, len(value))) + value for _, code, value in lines)


def leased_packet(arrival: Arrival, context: Range, lease: Lease) -> Packet:
    """A reply of a dnsmasq whose tags and ``dhcp-no-override`` say exactly what is leased."""
    asked = arrival.packet
    discover = asked.message_type is MessageType.DISCOVER
    asks = frozenset(asked.options.get(Option.PARAMETER_REQUEST_LIST, b""))
    network = network_of(context)
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
    return make_reply(
        asked,
        flags=asked.flags,
        yiaddr=lease.yiaddr,
        siaddr=lease.siaddr,
        file=lease.file,
        sname=lease.sname,
        options=options,
    )


def make_reply(
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
    """A reply with the header fields of what was asked (clear_packet)."""
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


def pxe_options(asked: Packet, vendor: str) -> dict[int, bytes]:
    """Option 60, and option 97 if the client sent 17 octets of it."""
    options: dict[int, bytes] = {Option.VENDOR_CLASS_IDENTIFIER: vendor.encode()}
    identity = asked.options.get(Option.CLIENT_MACHINE_IDENTIFIER, b"")
    if len(identity) >= 17:
        options[Option.CLIENT_MACHINE_IDENTIFIER] = identity[:17]
    return options


def service_file(service: Service, layer: int = 0) -> bytes:
    """The file of a service; a name without a dot gets its layer behind it."""
    name = service.basename
    return (name if "." in name else f"{name}.{layer}").encode()


def network_of(context: Range) -> IPv4Network:
    """The subnet of a range."""
    return IPv4Network((int(context.start), str(context.netmask or "255.255.255.0")), strict=False)


def tags_match(tags: tuple[str, ...], pool: frozenset[str], *, empty: bool = True) -> bool:
    """match_netid: all of them, those with ``!`` absent; ``empty``: what no tags at all mean."""
    if not tags:
        return empty
    return all((t[1:] not in pool) if t.startswith("!") else t in pool for t in tags)
