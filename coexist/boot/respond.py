"""What coexist's boot server answers: one pure function for the server and for the analyzer.

PXE 2.1 sections 2.2 to 2.4 (ProxyDHCP, boot server on 4011, discovery control), RFC 2131 section
4.1 (where a reply goes), RFC 3046 section 2.2 (option 82 echoed), RFC 4578 section 2.3 (option 97
echoed), UEFI 2.10 section 24.7.3 (HTTPClient echoed). What real firmware needs to see in a reply is
measured in docs/concepts/what-a-reply-needs.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from coexist.boot.policy import BootPolicy, BootProgram, Rule
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT, BootRequest, ClientKind
from coexist.wire.bootp import BOOTREPLY, BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption

LIMITED_BROADCAST = IPv4Address("255.255.255.255")


class Reason(Enum):
    """Why a packet was not answered."""

    NOT_A_BOOT_CLIENT = "not a PXE or HTTP boot client"
    NOT_FOR_US = "not a message a boot server answers"
    OTHER_SERVER = "the client chose another server"
    NO_RULE = "no rule is about this client"
    IGNORED = "a rule says to ignore this client"
    NO_PROGRAM = "no boot program for this architecture"
    SECS = "the client's secs are below the threshold"
    TOO_EARLY = "too soon after the client's first packet"
    NO_OFFER = "no address offer was heard yet"
    NOT_ON_67 = "this server does not answer on port 67"
    NOT_ON_4011 = "this server does not answer on port 4011"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the server remembers of a client when a packet comes.

    ``since_first``: seconds since the first DISCOVER of this boot attempt. ``offer_heard``: whether a DHCP
    server's offer to it was heard. ``took_other``: whether it was seen to take another PXE server's offer.
    """

    since_first: float = 0.0
    offer_heard: bool = False
    took_other: bool = False


FIRST_SIGHT = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply to be sent ``after`` seconds to ``address``:``port``; ``rule`` names why."""

    packet: Packet
    after: float
    address: IPv4Address
    port: int
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No reply, and why; ``rule`` is the rule that said so, if one did."""

    reason: Reason
    rule: str | None = None


def respond(
    policy: BootPolicy,
    request: BootRequest,
    *,
    server: IPv4Address,
    source: tuple[IPv4Address, int] | None = None,
    seen: Seen = FIRST_SIGHT,
) -> Answer | Silence:
    """Decide on one packet that arrived at ``server`` (the address of the interface or VLAN).

    ``source`` is the address and port the packet came from, needed on port 4011.
    """
    decided = decide(policy, request, server=server, seen=seen)
    if isinstance(decided, Silence):
        return decided
    rule, program = decided
    packet = build_reply(policy, request, program, server)
    address, port = destination(request, source)
    after = rule.delay.after if request.port == DHCP_PORT else 0.0
    return Answer(packet=packet, after=after, address=address, port=port, rule=rule.name)


def decide(
    policy: BootPolicy, request: BootRequest, *, server: IPv4Address, seen: Seen = FIRST_SIGHT
) -> tuple[Rule, BootProgram] | Silence:
    """Whom to serve and with which program, without building the packet."""
    unwanted = _unwanted(policy, request, server, seen)
    if unwanted is not None:
        return Silence(reason=unwanted)
    rule = policy.rule_for(request.mac, request.architecture)
    if rule is None:
        return Silence(reason=Reason.NO_RULE)
    if rule.action == "ignore":
        return Silence(reason=Reason.IGNORED, rule=rule.name)
    program = program_for(rule, request)
    if program is None:
        return Silence(reason=Reason.NO_PROGRAM, rule=rule.name)
    too_soon = _too_soon(rule, request, seen)
    if too_soon is not None:
        return Silence(reason=too_soon, rule=rule.name)
    return rule, program


def _unwanted(policy: BootPolicy, request: BootRequest, server: IPv4Address, seen: Seen) -> Reason | None:
    if request.kind is ClientKind.OTHER:
        return Reason.NOT_A_BOOT_CLIENT
    if request.port == BOOT_SERVER_PORT:
        if not policy.answers_4011:
            return Reason.NOT_ON_4011
        # iPXE asks with REQUEST, some ROMs with INFORM, boot server discovery with DISCOVER too.
        if request.message_type not in (MessageType.DISCOVER, MessageType.REQUEST, MessageType.INFORM):
            return Reason.NOT_FOR_US
        return Reason.OTHER_SERVER if _names_another(request, server) else None
    if not policy.answers_67:
        return Reason.NOT_ON_67
    if request.message_type is MessageType.REQUEST:
        # A broadcast REQUEST on 67 is for the DHCP server, unless it names this one (PXE 2.1, 2.2.3).
        chosen = request.packet.options.get(Option.SERVER_IDENTIFIER)
        return None if chosen == server.packed else Reason.OTHER_SERVER
    if request.message_type is not MessageType.DISCOVER:
        return Reason.NOT_FOR_US
    return Reason.OTHER_SERVER if policy.follow_offers and seen.took_other else None


def _names_another(request: BootRequest, server: IPv4Address) -> bool:
    chosen = request.packet.options.get(Option.SERVER_IDENTIFIER, b"")
    # EDK2 repeats the DHCP server's identifier or leaves it out on 4011; only a boot item names a server.
    return False if len(chosen) != 4 else chosen != server.packed and _has_boot_item(request)


def _has_boot_item(request: BootRequest) -> bool:
    vendor = request.packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b"")
    return bytes((SubOption.BOOT_ITEM, 4)) in vendor


def _too_soon(rule: Rule, request: BootRequest, seen: Seen) -> Reason | None:
    """The delay kinds that stay silent; on port 4011 the client has chosen and ``secs`` means nothing."""
    if request.port != DHCP_PORT or request.message_type is not MessageType.DISCOVER:
        return None
    if request.secs < rule.delay.secs_at_least:
        return Reason.SECS
    if seen.since_first < rule.delay.since_first:
        return Reason.TOO_EARLY
    return Reason.NO_OFFER if rule.delay.after_offer and not seen.offer_heard else None


def program_for(rule: Rule, request: BootRequest) -> BootProgram | None:
    """The program of a client: iPXE gets its own (which ends the reload loop), else by architecture."""
    if request.is_ipxe and rule.ipxe is not None:
        return rule.ipxe
    return rule.programs.get(request.architecture or 0)


def build_reply(
    policy: BootPolicy, request: BootRequest, program: BootProgram, server: IPv4Address
) -> Packet:
    """The OFFER or ACK with everything real firmware looks for, in the order it is sent."""
    asked = request.packet
    on_4011 = request.port == BOOT_SERVER_PORT
    offer = request.message_type is MessageType.DISCOVER and not on_4011
    names_file = not offer or policy.offers_file
    file = program.file.encode() if names_file else b""
    # An iPXE chain stage tells its ROM class by option 60 too; HTTPClient must be echoed to be seen.
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER if offer else MessageType.ACK,)),
        Option.SERVER_IDENTIFIER: server.packed,
        Option.VENDOR_CLASS_IDENTIFIER: request.kind.value.encode(),
    }
    if file:
        # EDK2 reads 67 first and overruns one that has no NUL; iPXE and old ROMs read the header.
        options[Option.BOOTFILE_NAME] = file + b"\0"
    if policy.discovery_control is not None and request.kind is ClientKind.PXE:
        options[Option.VENDOR_SPECIFIC_INFORMATION] = bytes(
            (SubOption.DISCOVERY_CONTROL, 1, policy.discovery_control, 255)
        )
    options.update(policy.options)
    for echoed in (Option.CLIENT_MACHINE_IDENTIFIER, Option.RELAY_AGENT_INFORMATION):
        if echoed in asked.options:
            options[echoed] = asked.options[echoed]
    return Packet(
        op=BOOTREPLY,
        htype=asked.htype,
        hlen=asked.hlen,
        xid=asked.xid,
        # Without an address the client hears broadcasts only; a relay reads the flag to do the same.
        flags=asked.flags | (BROADCAST_FLAG if asked.ciaddr == UNSPECIFIED else 0),
        ciaddr=asked.ciaddr,
        siaddr=program.server or policy.boot_server or server,
        giaddr=asked.giaddr,
        chaddr=asked.chaddr,
        file=file if len(file) <= 127 else b"",
        options=options,
    )


def destination(request: BootRequest, source: tuple[IPv4Address, int] | None) -> tuple[IPv4Address, int]:
    """Where the reply goes: the relay, the client's own address, or everyone (RFC 2131 section 4.1)."""
    packet = request.packet
    if packet.giaddr != UNSPECIFIED:
        return packet.giaddr, DHCP_PORT
    if request.port == BOOT_SERVER_PORT and source is not None and source[0] != UNSPECIFIED:
        return source
    if packet.ciaddr != UNSPECIFIED:
        return packet.ciaddr, CLIENT_PORT
    return LIMITED_BROADCAST, CLIENT_PORT
