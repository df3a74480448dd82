"""What a boot server can know of a client from one packet.

RFC 4578 (options 93, 94, 97), PXE 2.1 section 2.2, UEFI 2.10 section 24.7 (HTTPClient),
iPXE's user class and encapsulated options (ipxe.org/howto/dhcpd).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from coexist.records import dataclass
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.options import MessageType, Option

DHCP_PORT = 67
CLIENT_PORT = 68
BOOT_SERVER_PORT = 4011
"""PXE 2.1 section 2.2.4: the port of ProxyDHCP beside a DHCP server, and of boot servers."""
PROBE_HOST_NAME = b"coexist-probe"
"""Option 12 of every packet that ``coexist probe`` sends."""


class ClientKind(Enum):
    """What a client says it is in option 60."""

    PXE = "PXEClient"
    HTTP = "HTTPClient"
    OTHER = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """One packet of a booting client, as a boot server sees it.

    ``port`` is where it arrived: 67, or 4011. ``architecture`` is the first code of option 93,
    None if the client did not send it. ``is_ipxe``: the client already runs iPXE, by user
    class 77 or option 175. ``uuid``: the machine's, its octets in option 97; empty where it says none.
    """

    packet: Packet
    port: int
    mac: int
    message_type: MessageType
    kind: ClientKind
    architecture: int | None
    is_ipxe: bool
    uuid: bytes = b""

    @property
    def secs(self) -> int:
        """The header's ``secs`` as sent; not time on iPXE, byte-swapped on 4011 by EDK2."""
        return self.packet.secs


def client_kind(vendor_class: bytes) -> ClientKind:
    """The kind by the first nine or ten octets of option 60."""
    if vendor_class.startswith(b"PXEClient"):
        return ClientKind.PXE
    return ClientKind.HTTP if vendor_class.startswith(b"HTTPClient") else ClientKind.OTHER


def boot_request(packet: Packet, port: int = DHCP_PORT) -> BootRequest | None:
    """The facts of a packet; None for what no boot server answers (replies, plain BOOTP, not Ethernet)."""
    message_type = packet.message_type
    if packet.op != BOOTREQUEST or message_type is None or packet.htype != 1 or packet.hlen != 6:
        return None
    options = packet.options
    return BootRequest(
        packet=packet,
        port=port,
        mac=packet.mac,
        message_type=message_type,
        kind=client_kind(options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")),
        architecture=named_architecture(options),
        is_ipxe=is_ipxe(packet),
        uuid=machine_uuid(options),
    )


def named_architecture(options: Mapping[int, bytes]) -> int | None:
    """The first code of option 93 (RFC 4578 section 2.1); None where the client names none."""
    value = options.get(Option.CLIENT_SYSTEM_ARCHITECTURE, b"")
    return int.from_bytes(value[:2], "big") if len(value) >= 2 else None


def architecture_of(packet: Packet) -> int:
    """The architecture that a server takes a client for: one that names none is a BIOS."""
    return named_architecture(packet.options) or 0


def machine_uuid(options: Mapping[int, bytes]) -> bytes:
    """The 16 octets of option 97 (RFC 4578 section 2.3: type 0); empty for another type, and for the zeros
    and ones of machines that have none (SMBIOS 7.2.1)."""
    value = options.get(Option.CLIENT_MACHINE_IDENTIFIER, b"")
    if len(value) != 17 or value[0] or value[1:] in (bytes(16), b"\xff" * 16):
        return b""
    return value[1:]


def is_probe(packet: Packet) -> bool:
    """Whether ``coexist probe`` sent this packet: it names itself in option 12, which no boot ROM sends."""
    return packet.options.get(Option.HOST_NAME) == PROBE_HOST_NAME


def is_ipxe(packet: Packet) -> bool:
    """Whether iPXE sent this packet: user class ``iPXE`` (RFC 3004's length octet or not) or option 175."""
    user_class = packet.options.get(Option.USER_CLASS, b"")
    return user_class in (b"iPXE", b"\x04iPXE") or Option.IPXE_ENCAPSULATED in packet.options
