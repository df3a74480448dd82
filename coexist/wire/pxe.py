"""Option 43 as PXE names it: Preboot Execution Environment 2.1, section 2.4, table 2-1.

PXE gives option 43 this meaning only beside a vendor class identifier that begins with
``PXEClient``: whether to look is the caller's question.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address

from coexist.records import dataclass
from coexist.wire.malformed import Malformed
from coexist.wire.options import Option, decode_options


class SubOption(IntEnum):
    """PXE's sub-options of option 43."""

    MTFTP_IP_ADDR = 1
    MTFTP_CLIENT_PORT = 2
    MTFTP_SERVER_PORT = 3
    MTFTP_TIMEOUT = 4
    MTFTP_DELAY = 5
    DISCOVERY_CONTROL = 6
    DISCOVERY_MCAST_ADDR = 7
    BOOT_SERVERS = 8
    BOOT_MENU = 9
    MENU_PROMPT = 10
    MCAST_ADDRS_ALLOC = 11
    CREDENTIAL_TYPES = 12
    BOOT_ITEM = 71


class DiscoveryControl(IntFlag):
    """The bits of ``DISCOVERY_CONTROL``."""

    DISABLE_BROADCAST = 1
    DISABLE_MULTICAST = 2
    ACCEPT_ONLY_LISTED = 4
    """Use and accept only the servers in ``BOOT_SERVERS``."""
    USE_BOOT_FILE = 8
    """Load the boot file this offer names: no prompt, no menu, no discovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootServer:
    """An entry of ``BOOT_SERVERS``: a server type and the addresses that offer it."""

    type: int
    addresses: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """A line of ``BOOT_MENU``: type 0 boots from the local disk."""

    type: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuPrompt:
    """``MENU_PROMPT``: ``timeout`` in seconds, 0 takes the first item at once, 255 waits for ever."""

    timeout: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PxeVendorOptions:
    """A decoded option 43. ``None`` or empty stands for an absent sub-option.

    ``boot_item`` is (type, layer). ``other`` holds every sub-option without a field here, raw.
    """

    discovery_control: DiscoveryControl | None = None
    mcast: IPv4Address | None = None
    boot_servers: tuple[BootServer, ...] = ()
    menu: tuple[MenuItem, ...] = ()
    prompt: MenuPrompt | None = None
    boot_item: tuple[int, int] | None = None
    other: Mapping[int, bytes] = field(default_factory=dict, hash=False)


_TYPE_AND_LENGTH = struct.Struct("!HB")
_BOOT_ITEM = struct.Struct("!HH")


def decode_suboptions(value: bytes) -> dict[int, bytes]:
    """Walk encapsulated options as EDK2's ``PxeBcParseVendorOptions`` does.

    Zeros are skipped, 255 ends, of two instances the last counts. Whatever follows a length
    that reaches past the end is left out. Also fit for iPXE's option 175.
    """
    suboptions: dict[int, bytes] = {}
    at = 0
    while at < len(value) and value[at] != Option.END:
        if value[at] == Option.PAD:
            at += 1
            continue
        if at + 1 >= len(value) or at + 2 + value[at + 1] > len(value):
            break
        suboptions[value[at]] = value[at + 2 : at + 2 + value[at + 1]]
        at += 2 + value[at + 1]
    return suboptions


def walk_boot_servers(value: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The entries of ``BOOT_SERVERS`` as far as the octets reach, as firmware walks them.

    Each is a server type, the number of its addresses, and their octets; the last one's may be too few.
    """
    at = 0
    while at + _TYPE_AND_LENGTH.size <= len(value):
        type_, count = _TYPE_AND_LENGTH.unpack_from(value, at)
        at += _TYPE_AND_LENGTH.size
        yield type_, count, value[at : at + 4 * count]
        at += 4 * count


def decode_vendor_options(value: bytes) -> PxeVendorOptions | Malformed:
    """Read option 43 as PXE 2.1 defines it, strictly.

    A length past the end, or a sub-option without its shape, gives the reason. A sub-option that
    appears twice counts as EDK2 counts it: the last.
    """
    walked = decode_options(value)
    if isinstance(walked, Malformed):
        return walked
    other = decode_suboptions(value)
    try:
        return PxeVendorOptions(
            discovery_control=_read_control(other.pop(SubOption.DISCOVERY_CONTROL, None)),
            mcast=_read_address(other.pop(SubOption.DISCOVERY_MCAST_ADDR, None)),
            boot_servers=_read_servers(other.pop(SubOption.BOOT_SERVERS, b"")),
            menu=_read_menu(other.pop(SubOption.BOOT_MENU, b"")),
            prompt=_read_prompt(other.pop(SubOption.MENU_PROMPT, None)),
            boot_item=_read_boot_item(other.pop(SubOption.BOOT_ITEM, None)),
            other=other,
        )
    except (struct.error, ValueError, IndexError):
        return Malformed.BAD_PXE_SUBOPTION


def encode_vendor_options(options: PxeVendorOptions) -> bytes:
    """Write option 43 in ascending order of its codes, closed by END (255).

    Raises ``ValueError`` when a sub-option does not fit into 255 octets.
    """
    try:
        named = _named_suboptions(options)
    except (struct.error, ValueError) as error:
        raise ValueError(f"a PXE sub-option does not fit: {error}") from None
    if twice := sorted(named.keys() & options.other.keys()):
        raise ValueError(f"PXE sub-options {twice} are given twice: leave them out of `other`")
    suboptions = {**options.other, **named}
    value = bytearray()
    for code, octets in sorted(suboptions.items()):
        if not Option.PAD < code < Option.END:
            raise ValueError(f"sub-option {code} cannot carry a value: use a code from 1 to 254")
        if len(octets) > 255:
            raise ValueError(f"PXE sub-option {code} has room for 255 octets, not {len(octets)}")
        value += bytes((code, len(octets))) + octets
    value.append(Option.END)
    return bytes(value)


def _named_suboptions(options: PxeVendorOptions) -> dict[int, bytes]:
    named: dict[int, bytes] = {}
    if options.discovery_control is not None:
        named[SubOption.DISCOVERY_CONTROL] = bytes((options.discovery_control,))
    if options.mcast is not None:
        named[SubOption.DISCOVERY_MCAST_ADDR] = options.mcast.packed
    if options.boot_servers:
        named[SubOption.BOOT_SERVERS] = b"".join(
            _TYPE_AND_LENGTH.pack(server.type, len(server.addresses))
            + b"".join(address.packed for address in server.addresses)
            for server in options.boot_servers
        )
    if options.menu:
        named[SubOption.BOOT_MENU] = b"".join(
            _TYPE_AND_LENGTH.pack(item.type, len(_octets(item.text))) + _octets(item.text)
            for item in options.menu
        )
    if options.prompt is not None:
        named[SubOption.MENU_PROMPT] = bytes((options.prompt.timeout,)) + _octets(options.prompt.text)
    if options.boot_item is not None:
        named[SubOption.BOOT_ITEM] = _BOOT_ITEM.pack(*options.boot_item)
    return named


def _read_control(octets: bytes | None) -> DiscoveryControl | None:
    if octets is None:
        return None
    (control,) = struct.unpack("!B", octets)
    return DiscoveryControl(control)


def _read_address(octets: bytes | None) -> IPv4Address | None:
    return None if octets is None else IPv4Address(octets)


def _read_servers(octets: bytes) -> tuple[BootServer, ...]:
    servers = []
    at = 0
    while at < len(octets):
        type_, count = _TYPE_AND_LENGTH.unpack_from(octets, at)
        at += _TYPE_AND_LENGTH.size
        addresses = struct.unpack_from(f"!{count}I", octets, at)
        at += 4 * count
        servers.append(BootServer(type=type_, addresses=tuple(map(IPv4Address, addresses))))
    return tuple(servers)


def _read_menu(octets: bytes) -> tuple[MenuItem, ...]:
    items = []
    at = 0
    while at < len(octets):
        type_, length = _TYPE_AND_LENGTH.unpack_from(octets, at)
        at += _TYPE_AND_LENGTH.size
        (text,) = struct.unpack_from(f"!{length}s", octets, at)
        at += length
        items.append(MenuItem(type=type_, text=_text(text)))
    return tuple(items)


def _read_prompt(octets: bytes | None) -> MenuPrompt | None:
    return None if octets is None else MenuPrompt(timeout=octets[0], text=_text(octets[1:]))


def _read_boot_item(octets: bytes | None) -> tuple[int, int] | None:
    if octets is None:
        return None
    type_, layer = _BOOT_ITEM.unpack(octets)
    return type_, layer


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
