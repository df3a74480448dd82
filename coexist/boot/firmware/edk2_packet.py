"""How EDK2 reads one packet: what it accepts, and of what kind it takes an offer to be.

``Dhcp4Option.c`` (validation) and ``PxeBcDhcp4.c`` PxeBcParseDhcp4Packet (classification).
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address

from coexist.boot.firmware.machine import Heard, text_of
from coexist.boot.request import DHCP_PORT
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.options import Option, encode_options
from coexist.wire.pxe import SubOption, decode_suboptions, walk_boot_servers

LARGEST = 1472
"""PXEBC_DHCP4_PACKET_MAX_SIZE, octets of a packet with its header."""
OPTIONS_ROOM = 60
"""Octets of options in the smallest BOOTP packet (300): padding that can be walked into."""
_HEADER = 240

# Dhcp4Option.c DhcpOptionFormats: octets of a unit, least and most units (None: any number).
_ADDRESSES = (4, 1, None)
_ONE_ADDRESS = (4, 1, 1)
_TEXT = (1, 1, None)
_FORMATS: dict[int, tuple[int, int, int | None]] = {
    **dict.fromkeys((1, 16, 28, 32, 50, 54), _ONE_ADDRESS),
    **dict.fromkeys(
        (3, 4, 5, 6, 7, 8, 9, 10, 11, 41, 42, 44, 45, 48, 49, 65, 69, 70, 71, 72, 73, 74, 75, 76), _ADDRESSES
    ),
    **dict.fromkeys((12, 14, 15, 17, 18, 40, 43, 47, 55, 56, 60, 64, 66, 67), _TEXT),
    **dict.fromkeys((2, 24, 35, 38, 51, 58, 59), (4, 1, 1)),
    **dict.fromkeys((13, 22, 26, 57), (2, 1, 1)),
    **dict.fromkeys((19, 20, 23, 27, 29, 30, 31, 34, 36, 37, 39, 46, 52, 53), (1, 1, 1)),
    **dict.fromkeys((21, 33), (8, 1, None)),
    25: (2, 1, None),
    61: (1, 2, None),
    68: (4, 0, None),
    121: (1, 5, None),
}
_SWITCHES = frozenset((19, 20, 27, 29, 30, 31, 34, 36, 39))

# SET_VENDOR_OPTION_BIT_MAP: 6 to 10 make an offer "PXE 1.0", 1 to 5 all together "WfM 1.1a".
_DISCOVER_TAGS = frozenset(
    (
        SubOption.DISCOVERY_CONTROL,
        SubOption.DISCOVERY_MCAST_ADDR,
        SubOption.BOOT_SERVERS,
        SubOption.BOOT_MENU,
        SubOption.MENU_PROMPT,
    )
)
_MTFTP_TAGS = frozenset(
    (
        SubOption.MTFTP_IP_ADDR,
        SubOption.MTFTP_CLIENT_PORT,
        SubOption.MTFTP_SERVER_PORT,
        SubOption.MTFTP_TIMEOUT,
        SubOption.MTFTP_DELAY,
    )
)


class Kind(Enum):
    """The offer types of PxeBcDhcp4.h."""

    DHCP_PXE10 = "DHCP offer with PXEClient and option 43"
    PROXY_PXE10 = "proxy offer with option 43"
    DHCP_BINL = "DHCP offer with PXEClient"
    PROXY_BINL = "proxy offer without option 43"
    DHCP_ONLY = "plain DHCP offer"
    BOOTP = "BOOTP reply"
    NOT_PXE_PROXY = "offer without address and without PXEClient"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, eq=False)
class Cached:
    """A parsed packet. ``file_from`` names the field it came from. Equal only to itself.

    ``damaged``: its option 67 had no NUL, so that one was written over the octet behind it.
    ``valid_when_damaged``: whether its options still validate then.
    """

    kind: Kind
    packet: Packet
    source: IPv4Address
    server_id: bytes
    file: str | None
    file_from: str
    vendor: dict[int, bytes]
    control: int
    damaged: bool
    valid_when_damaged: bool
    why: str = ""


def is_acceptable(heard: Heard) -> bool:
    """DhcpInput: a reply whose options end with END and have legal lengths."""
    packet = heard.packet
    if packet.op != BOOTREPLY or not packet.options_terminated:
        return False
    return _sizes_fit(packet)


def _sizes_fit(packet: Packet) -> bool:
    total = _HEADER + 1
    for code, value in packet.options.items():
        total += 2 + len(value)
        if not _is_legal(code, value):
            return False
    return total <= LARGEST


def _is_legal(code: int, value: bytes) -> bool:
    form = _FORMATS.get(code)
    if form is None:
        return True
    unit, least, most = form
    count, rest = divmod(len(value), unit)
    if rest or count < least or (most is not None and count > most):
        return False
    if code == Option.DHCP_MESSAGE_TYPE:
        return 1 <= value[0] <= 9
    return code not in _SWITCHES or value in (b"\0", b"\1")


@lru_cache(maxsize=4096)
def parse(heard: Heard) -> Cached:
    """PxeBcParseDhcp4Packet."""
    packet, options = heard.packet, heard.packet.options
    is_proxy = packet.yiaddr == UNSPECIFIED
    vendor_class = options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
    is_pxe = vendor_class.startswith(b"PXEClient")
    vendor: dict[int, bytes] = {}
    if is_pxe and Option.VENDOR_SPECIFIC_INFORMATION in options:
        vendor = decode_suboptions(options[Option.VENDOR_SPECIFIC_INFORMATION])
    file, file_from, damaged = _file(packet)
    kind, why = _classify(packet, vendor, is_proxy=is_proxy, is_pxe=is_pxe, has_file=file is not None)
    return Cached(
        kind=kind,
        packet=packet,
        source=heard.source,
        server_id=options[Option.SERVER_IDENTIFIER] if _has_server(packet) else b"",
        file=file,
        file_from=file_from,
        vendor=vendor,
        control=(vendor.get(SubOption.DISCOVERY_CONTROL) or b"\0")[0],
        damaged=damaged,
        valid_when_damaged=not damaged or _validates_damaged(packet),
        why=why,
    )


def _has_server(packet: Packet) -> bool:
    value = packet.options.get(Option.SERVER_IDENTIFIER, b"")
    return len(value) == 4 and value != bytes(4)


def _file(packet: Packet) -> tuple[str | None, str, bool]:
    """Option 67 before the header field; whether 67 lacks its NUL."""
    option = packet.options.get(Option.BOOTFILE_NAME)
    if option is not None:
        return text_of(option), "option 67", not option.endswith(b"\0")
    if packet.file:
        return text_of(packet.file), "the header", False
    return None, "", False


def _classify(
    packet: Packet, vendor: dict[int, bytes], *, is_proxy: bool, is_pxe: bool, has_file: bool
) -> tuple[Kind, str]:
    if not packet.options.get(Option.DHCP_MESSAGE_TYPE, b"\0")[0]:
        return (Kind.BOOTP, "") if has_file else (Kind.DISCARDED, "a BOOTP reply without a file")
    if not _DISCOVER_TAGS.isdisjoint(vendor):
        return (Kind.PROXY_PXE10 if is_proxy else Kind.DHCP_PXE10), ""
    if vendor.keys() >= _MTFTP_TAGS:
        return Kind.DISCARDED, "multicast TFTP (WfM 1.1a) is not supported"
    if is_pxe:
        return (Kind.PROXY_BINL if is_proxy else Kind.DHCP_BINL), ""
    return (Kind.NOT_PXE_PROXY if is_proxy else Kind.DHCP_ONLY), ""


def boot_servers(cached: Cached, item: int | None) -> tuple[IPv4Address, ...] | None:
    """The addresses 43.8 lists for a boot item; for None those of its first entry. None: not listed."""
    for kind, _, octets in walk_boot_servers(cached.vendor.get(SubOption.BOOT_SERVERS, b"")):
        if item is None or kind == item:
            return tuple(IPv4Address(octets[i : i + 4]) for i in range(0, len(octets) - 3, 4))
    return None


@lru_cache(maxsize=256)
def _walk(area: bytes) -> bool:
    """DhcpIterateBufferOptions with DhcpOptionIsValid: legal options up to an END."""
    at = 0
    while at < len(area):
        code = area[at]
        at += 1
        if code == Option.PAD:
            continue
        if code == Option.END:
            return True
        if at == len(area) or at + 1 + area[at] > len(area):
            return False
        length = area[at]
        if not _is_legal(code, area[at + 1 : at + 1 + length]):
            return False
        at += 1 + length
    return False


def _damaged_area(packet: Packet) -> bytearray:
    """The options once a NUL stands behind option 67 (PxeBcParseDhcp4Packet)."""
    area = bytearray()
    behind = 0
    for code, value in packet.options.items():
        area += encode_options({code: value})
        if code == Option.BOOTFILE_NAME:
            behind = len(area)
    area.append(Option.END)
    area[behind] = 0
    return area.ljust(OPTIONS_ROOM, b"\0")


def _validates_damaged(packet: Packet) -> bool:
    return _walk(bytes(_damaged_area(packet)))


def reread(cached: Cached) -> Cached:
    """An offer parsed once more from its cached octets (PxeBcCopyProxyOffer).

    Where its option 67 had no NUL, the first reading wrote one over the code of the option behind it: that
    option is lost, and its octets are read as options.
    """
    if not cached.damaged:
        return cached
    packet = replace(cached.packet, options=_found(_damaged_area(cached.packet)))
    return parse(Heard(packet, cached.source, DHCP_PORT))


def _found(area: bytearray) -> dict[int, bytes]:
    """PxeBcParseDhcp4Options: of each code the first, whatever its length, up to an END."""
    options: dict[int, bytes] = {}
    at = 0
    while at + 1 < len(area) and area[at] != Option.END:
        if area[at] == Option.PAD:
            at += 1
            continue
        options.setdefault(area[at], bytes(area[at + 2 : at + 2 + area[at + 1]]))
        at += 2 + area[at + 1]
    return options
