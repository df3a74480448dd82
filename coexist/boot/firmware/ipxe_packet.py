"""What iPXE sends, and how it reads a packet or its settings (``net/udp/dhcp.c``, ``usr/pxemenu.c``).

Settings are blocks, one a packet that it keeps; a value is that of the first block that has it. Function
names in docstrings are iPXE's.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address

from coexist.boot.firmware.machine import (
    Heard,
    Machine,
    client_identity,
    request,
    vendor_class,
)
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption, decode_suboptions, walk_boot_servers

XID, XID_MENU = 0x1B0E2019, 0
REQUESTED = bytes((1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, *range(128, 136), 175, 203))
NDI, EFI_NDI = bytes((1, 2, 1)), bytes((1, 3, 10))
"""Option 94: UNDI 2.1, and 3.10 of EFI builds (capture of snponly.efi)."""
MAX_MESSAGE = (1472).to_bytes(2, "big")
# Features of Debian's ROM; nobody decides by them, but is_ipxe() looks for the option itself.
FEATURES = bytes.fromhex(
    "b105018086100eeb03010000170101220101130101110101270101190101290101100102210101150101180101120101"
)
PRIORITY, NO_PXEDHCP = 1, 176
"""Sub-options of option 175: DHCP_EB_PRIORITY, DHCP_EB_NO_PXEDHCP (include/ipxe/dhcp.h)."""


def priority_of(packet: Packet) -> int:
    """DHCP_EB_PRIORITY (175.1), a signed octet; 0 where there is none."""
    value = decode_suboptions(packet.options.get(Option.IPXE_ENCAPSULATED, b"")).get(PRIORITY, b"\0")
    return int.from_bytes(value[:1], "big", signed=True)


def vendor_options(packet: Packet) -> dict[int, bytes]:
    """The sub-options of option 43, whatever option 60 says."""
    return decode_suboptions(packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b""))


def first_vendor(settings: tuple[Heard, ...], code: int) -> bytes | None:
    """A sub-option of option 43, of the first block that has it."""
    for block in settings:
        value = vendor_options(block.packet).get(code)
        if value is not None:
            return value
    return None


def vendor_class_of(settings: tuple[Heard, ...]) -> bytes | None:
    """Option 60 of the first block that has it."""
    found = (block.packet.options.get(Option.VENDOR_CLASS_IDENTIFIER) for block in settings)
    return next((value for value in found if value is not None), None)


def menu_of(settings: tuple[Heard, ...]) -> bytes | None:
    """have_pxe_menu: each value from the first block that has it; of option 60 it reads nine octets."""
    vendor = vendor_class_of(settings) or b""
    menu = first_vendor(settings, SubOption.BOOT_MENU)
    if not vendor.startswith(b"PXEClient") or menu is None:
        return None
    control = (first_vendor(settings, SubOption.DISCOVERY_CONTROL) or b"\0")[0]
    has_file = any(b.packet.file or b.packet.options.get(Option.BOOTFILE_NAME) for b in settings)
    return None if control & 8 and has_file else menu


def has_pxe_options(packet: Packet) -> bool:
    """dhcp_has_pxeopts."""
    file = packet.file or packet.options.get(Option.BOOTFILE_NAME, b"")
    if packet.siaddr != UNSPECIFIED and file:
        return True
    return bool(vendor_options(packet).get(SubOption.BOOT_MENU))


def server_id(heard: Heard) -> IPv4Address:
    """Option 54; 0.0.0.0 where there is none, or one of another length."""
    value = heard.packet.options.get(Option.SERVER_IDENTIFIER, b"")
    return IPv4Address(value) if len(value) == 4 else UNSPECIFIED


def pseudo_id(heard: Heard) -> IPv4Address:
    """dhcp_deliver: option 54, else siaddr, else where the packet came from."""
    for address in (server_id(heard), heard.packet.siaddr, heard.source):
        if address != UNSPECIFIED:
            return address
    return UNSPECIFIED


def listed_servers(value: bytes, item: int) -> list[IPv4Address]:
    """pxebs_list: of every entry of the item's type."""
    found: list[IPv4Address] = []
    for kind, count, octets in walk_boot_servers(value):
        if kind == item and len(octets) == 4 * count:
            found += [IPv4Address(octets[i : i + 4]) for i in range(0, len(octets), 4)]
    return found


def uri_host(uri: str) -> IPv4Address | str:
    """The host of ``scheme://user@host:port/path``: an address, or a name."""
    host = uri.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]
    try:
        return IPv4Address(host)
    except ValueError:
        return host


@lru_cache(maxsize=1024)
def discover(machine: Machine, secs: int, broadcast: bool) -> Packet:
    """A DISCOVER; ``secs`` is the header field."""
    return request(
        machine, MessageType.DISCOVER, plain_options(machine), xid=XID, secs=secs, broadcast=broadcast
    )


def options_with(machine: Machine, settings: tuple[Heard, ...]) -> dict[int, bytes]:
    """What it sends once it has settings: the vendor class it was told is its own then (captures)."""
    told = vendor_class_of(settings)
    own = plain_options(machine)
    return own if told is None else {**own, Option.VENDOR_CLASS_IDENTIFIER: told}


def plain_options(machine: Machine) -> dict[int, bytes]:
    """The options of every packet, before it has settings."""
    return {
        Option.MAXIMUM_DHCP_MESSAGE_SIZE: MAX_MESSAGE,
        Option.CLIENT_SYSTEM_ARCHITECTURE: machine.architecture.to_bytes(2, "big"),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: EFI_NDI if machine.architecture else NDI,
        # The UNDI version of BIOS ROMs; EFI builds say 003010 (capture).
        Option.VENDOR_CLASS_IDENTIFIER: vendor_class(machine, "003010" if machine.architecture else "002001"),
        Option.USER_CLASS: b"iPXE",
        Option.PARAMETER_REQUEST_LIST: REQUESTED,
        Option.IPXE_ENCAPSULATED: FEATURES,
        Option.CLIENT_IDENTIFIER: b"\1" + mac_bytes(machine.mac),
        Option.CLIENT_MACHINE_IDENTIFIER: client_identity(machine),
    }
