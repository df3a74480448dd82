"""What coexist's boot server answers: one pure function for the server and for the analyzer.

PXE 2.1 sections 2.2 to 2.4 (ProxyDHCP, boot server on 4011, discovery control), RFC 2131 section
4.1 (where a reply goes), RFC 3046 section 2.2 (option 82 echoed), RFC 4578 section 2.3 (option 97
echoed), UEFI 2.10 section 24.7.3 (HTTPClient echoed). What real firmware needs to see in a reply is
measured in docs/concepts/what-a-reply-needs.md.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address

from coexist.boot.policy import BootMenu, BootPolicy, BootProgram, MenuEntry, Rule
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT, BootRequest, ClientKind
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, BROADCAST_FLAG, UNSPECIFIED, Packet, fits_header_file
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import (
    BootServer,
    DiscoveryControl,
    MenuItem,
    MenuPrompt,
    PxeVendorOptions,
    SubOption,
    decode_suboptions,
    encode_vendor_options,
)

LIMITED_BROADCAST = IPv4Address("255.255.255.255")


class Reason(Enum):
    """Why a packet was not answered."""

    NOT_A_BOOT_CLIENT = "not a PXE or HTTP boot client"
    NOT_FOR_US = "not a message a boot server answers"
    OTHER_SERVER = "the client chose another server"
    DENIED = "the client is on the deny list"
    NO_RULE = "no rule is about this client"
    IGNORED = "a rule says to ignore this client"
    NO_PROGRAM = "no boot program for this architecture"
    SECS = "the client's secs are below the threshold"
    TOO_EARLY = "too soon after the client's first packet"
    NO_OFFER = "no address offer was heard yet"
    TWIN = "its twin answers this client"
    WAITING = "an answer to this very request waits already"
    NO_SUCH_ITEM = "the boot menu has no such item"
    NOT_ON_67 = "this server does not answer on port 67"
    NOT_ON_4011 = "this server does not answer on port 4011"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the server remembers of a client when a packet comes.

    ``since_first``: seconds since the first DISCOVER of this boot attempt. ``offer_heard``: whether a DHCP
    server's offer to it was heard. ``took_other``: whether it was seen to take another PXE server's offer.
    ``waiting``: whether a delayed answer to the same exchange (MAC and xid) waits already.
    """

    since_first: float = 0.0
    offer_heard: bool = False
    took_other: bool = False
    waiting: bool = False


FIRST_SIGHT = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply to be sent ``after`` seconds to ``address``:``port``; ``rule`` names why.

    ``registers``: the client chose a menu item that asks for its registration.
    """

    packet: Packet
    after: float
    address: IPv4Address
    port: int
    rule: str
    registers: bool = False


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
    after = rule.delay.after if request.port == DHCP_PORT else 0.0
    if after and seen.waiting:
        return Silence(reason=Reason.WAITING, rule=rule.name)
    menu = _shown_menu(rule, request)
    packet = build_reply(policy, request, program, server, menu)
    address, port = destination(request, source)
    chosen = _chosen_entry(rule, request)
    return Answer(
        packet=packet,
        after=after,
        address=address,
        port=port,
        rule=rule.name,
        registers=chosen is not None and chosen.registers,
    )


def decide(
    policy: BootPolicy, request: BootRequest, *, server: IPv4Address, seen: Seen = FIRST_SIGHT
) -> tuple[Rule, BootProgram] | Silence:
    """Whom to serve and with which program, without building the packet.

    A client that is shown a menu gets a program without a file.
    """
    unwanted = unwanted_reason(policy, request, server, seen)
    if unwanted is not None:
        return Silence(reason=unwanted)
    rule = _rule_of(policy, request.mac, request.architecture, request.uuid)
    if isinstance(rule, Silence):
        return rule
    program = _offered_program(policy, rule, request, server)
    if isinstance(program, Reason):
        return Silence(reason=program, rule=rule.name)
    if is_of_twin(policy, request.port, request.message_type, mac_bytes(request.mac), request.secs):
        return Silence(reason=Reason.TWIN, rule=rule.name)
    too_soon = _too_soon(rule, request, seen)
    if too_soon is not None:
        return Silence(reason=too_soon, rule=rule.name)
    return rule, program


def may_load(
    policy: BootPolicy, mac: int, architecture: int | None = None, uuid: bytes = b""
) -> Rule | Silence:
    """Whether a client may load files (TFTP, HTTP), and the rule that says so.

    ``architecture`` None means that the client was not seen to name one: then the first rule about its MAC
    that serves any architecture counts. ``uuid``: what it said of itself when it was seen.
    """
    found = _rule_of(policy, mac, architecture, uuid)
    denied = mac in policy.refused(uuid)
    if architecture is None and not denied and (isinstance(found, Silence) or found.menu):
        serving = [rule for rule in policy.rules if rule.action == "serve" and mac in rule.of(uuid)]
        return serving[0] if serving else found
    return found


def _rule_of(policy: BootPolicy, mac: int, architecture: int | None, uuid: bytes) -> Rule | Silence:
    if mac in policy.refused(uuid):
        return Silence(reason=Reason.DENIED)
    rule = policy.rule_for(mac, architecture, uuid)
    if rule is None:
        return Silence(reason=Reason.NO_RULE)
    return Silence(reason=Reason.IGNORED, rule=rule.name) if rule.action == "ignore" else rule


def unwanted_reason(
    policy: BootPolicy, request: BootRequest, server: IPv4Address, seen: Seen = FIRST_SIGHT
) -> Reason | None:
    """Why a packet needs no answer whoever sent it; None for one that the rules decide on."""
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
        # A broadcast REQUEST on 67 is for the DHCP server, unless it names this one or is PXE boot server
        # discovery, which names a boot item and no server (PXE 2.1, 2.2.3 and 2.4.5).
        chosen = request.packet.options.get(Option.SERVER_IDENTIFIER)
        if chosen == server.packed or (chosen is None and boot_item(request) is not None):
            return None
        return Reason.OTHER_SERVER
    if request.message_type is not MessageType.DISCOVER:
        return Reason.NOT_FOR_US
    return Reason.OTHER_SERVER if policy.follow_offers and seen.took_other else None


def _names_another(request: BootRequest, server: IPv4Address) -> bool:
    chosen = request.packet.options.get(Option.SERVER_IDENTIFIER, b"")
    # EDK2 repeats the DHCP server's identifier or leaves it out on 4011; only a boot item names a server.
    return len(chosen) == 4 and chosen != server.packed and boot_item(request) is not None


def boot_item(request: BootRequest) -> tuple[int, int] | None:
    """The boot server type and layer a client asks for (option 43.71), None for a plain request."""
    vendor = request.packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
    if vendor is None or request.kind is not ClientKind.PXE:
        return None
    item = decode_suboptions(vendor).get(SubOption.BOOT_ITEM, b"")
    return (int.from_bytes(item[:2], "big"), int.from_bytes(item[2:], "big")) if len(item) == 4 else None


def is_of_twin(policy: BootPolicy, port: int, kind: MessageType | None, mac: bytes, secs: int) -> bool:
    """Whether the other of two servers answers a DISCOVER; who is asked by name answers always."""
    share = policy.share
    if share is None or port != DHCP_PORT or kind is not MessageType.DISCOVER:
        return False
    # By the MAC alone: the stages of one machine, with and without a client identifier, stay together.
    return bool(share.left_to_of(mac, secs))


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


def _offered_program(
    policy: BootPolicy, rule: Rule, request: BootRequest, server: IPv4Address
) -> BootProgram | Reason:
    """What the client is to load now: nothing yet beside a menu, a URL for an HTTPClient."""
    if _shown_menu(rule, request) is not None:
        return BootProgram(file="")
    program = program_for(rule, request)
    if _uses_menu(rule, request):
        entry = _chosen_entry(rule, request)
        if entry is None:
            return Reason.NO_SUCH_ITEM
        program = entry.programs.get(request.architecture or 0) or program
    if program is None:
        return Reason.NO_PROGRAM
    return _for_http(policy, program, server) if request.kind is ClientKind.HTTP else program


def _for_http(policy: BootPolicy, program: BootProgram, server: IPv4Address) -> BootProgram | Reason:
    """UEFI 2.10 section 24.7.3: option 67 of an HTTPClient is a URI; a path becomes one of our own."""
    if "://" in program.file:
        return program
    if policy.http_port is None:
        return Reason.NO_PROGRAM
    host = program.server or policy.boot_server or server
    port = "" if policy.http_port == 80 else f":{policy.http_port}"
    return BootProgram(file=f"http://{host}{port}/{program.file.lstrip('/')}", server=program.server)


def _uses_menu(rule: Rule, request: BootRequest) -> bool:
    """Firmware menus are PXE's; a client that runs iPXE and has a program of its own needs none."""
    return (
        rule.menu is not None
        and request.kind is ClientKind.PXE
        and not (request.is_ipxe and rule.ipxe is not None)
    )


def _shown_menu(rule: Rule, request: BootRequest) -> BootMenu | None:
    """The menu, as long as the client has not chosen from it."""
    return rule.menu if _uses_menu(rule, request) and boot_item(request) is None else None


def _chosen_entry(rule: Rule, request: BootRequest) -> MenuEntry | None:
    item = boot_item(request)
    if rule.menu is None or item is None or not _uses_menu(rule, request):
        return None
    return rule.menu.entry(item[0])


def build_reply(
    policy: BootPolicy,
    request: BootRequest,
    program: BootProgram,
    server: IPv4Address,
    menu: BootMenu | None = None,
) -> Packet:
    """The OFFER or ACK with everything real firmware looks for, in the order it is sent."""
    asked = request.packet
    on_4011 = request.port == BOOT_SERVER_PORT
    offer = request.message_type is MessageType.DISCOVER and not on_4011
    # HTTPClients have no 4011 to ask: an offer without its URI is none (UEFI 2.10 section 24.7.3).
    names_file = not offer or policy.offers_file or request.kind is ClientKind.HTTP
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
    vendor = _vendor_options(policy, request, server, menu)
    if vendor is not None:
        options[Option.VENDOR_SPECIFIC_INFORMATION] = encode_vendor_options(vendor)
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
        file=file if fits_header_file(file) else b"",
        options=options,
    )


def _vendor_options(
    policy: BootPolicy, request: BootRequest, server: IPv4Address, menu: BootMenu | None
) -> PxeVendorOptions | None:
    """Option 43: the menu, or the discovery control; the boot item a client asked for is repeated to it."""
    if request.kind is not ClientKind.PXE:
        return None
    if menu is not None:
        return PxeVendorOptions(
            discovery_control=DiscoveryControl.DISABLE_BROADCAST
            | DiscoveryControl.DISABLE_MULTICAST
            | DiscoveryControl.ACCEPT_ONLY_LISTED,
            boot_servers=tuple(
                BootServer(type=entry.type, addresses=(server,)) for entry in menu.entries if entry.type
            ),
            menu=tuple(MenuItem(type=entry.type, text=entry.text) for entry in menu.entries),
            prompt=MenuPrompt(timeout=menu.timeout, text=menu.prompt),
        )
    item = boot_item(request)
    if item is None and policy.discovery_control is None:
        return None
    control = policy.discovery_control
    return PxeVendorOptions(
        discovery_control=None if control is None else DiscoveryControl(control), boot_item=item
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
