"""The BOOTP header and DHCP message: octets to a frozen ``Packet`` and back.

RFC 951 and RFC 1542 (header, 300 octets at least), RFC 2131 section 2 (fields, their names),
RFC 2132 section 9.3 (option overload), RFC 3396 (long options across areas).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address

from coexist.records import dataclass
from coexist.wire.mac import Mac
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType, Option, decode_options, encode_options

__all__ = [
    "BOOTREPLY",
    "BOOTREQUEST",
    "BROADCAST_FLAG",
    "CHADDR_OCTETS",
    "FILE_OCTETS",
    "HEADER_OCTETS",
    "MAGIC_COOKIE",
    "MINIMUM_OCTETS",
    "SNAME_OCTETS",
    "UNSPECIFIED",
    "Malformed",
    "Packet",
    "decode",
    "encode",
    "fits_header_file",
]

BOOTREQUEST = 1
BOOTREPLY = 2
BROADCAST_FLAG = 0x8000
MAGIC_COOKIE = bytes((99, 130, 83, 99))
UNSPECIFIED = IPv4Address(0)

CHADDR_OCTETS = 16
SNAME_OCTETS = 64
FILE_OCTETS = 128
"""With the NUL that ends a file name (RFC 2131 section 2: a null terminated string)."""
MINIMUM_OCTETS = 300
"""A BOOTP message with its 64 octets of vendor area: RFC 1542 section 2.1."""

_HEADER = struct.Struct("!BBBBIHHIIII16s64s128s")
HEADER_OCTETS = _HEADER.size
"""Before the magic cookie (RFC 951)."""
_OPTIONS_START = _HEADER.size + len(MAGIC_COOKIE)

_OVERLOAD_FILE = 1
_OVERLOAD_SNAME = 2


def fits_header_file(name: str | bytes) -> bool:
    """Whether a file name and its NUL have room in the header field ``file``."""
    octets = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return len(octets) < FILE_OCTETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One DHCP message, its fields as RFC 2131 section 2 spells them.

    ``secs`` is in seconds as the client sent it (EDK2 swaps its octets on port 4011).
    ``chaddr`` is padded with NULs to its 16 octets, so ``mac_bytes(mac)`` will do.
    ``sname`` and ``file`` end before their first NUL. ``options`` holds the raw value of each
    option in wire order, joined across instances and overloaded areas, without 52 itself.
    """

    op: int
    htype: int = 1
    hlen: int = 6
    hops: int = 0
    xid: int = 0
    secs: int = 0
    flags: int = 0
    ciaddr: IPv4Address = UNSPECIFIED
    yiaddr: IPv4Address = UNSPECIFIED
    siaddr: IPv4Address = UNSPECIFIED
    giaddr: IPv4Address = UNSPECIFIED
    chaddr: bytes = bytes(CHADDR_OCTETS)
    sname: bytes = b""
    file: bytes = b""
    options: Mapping[int, bytes] = field(default_factory=dict, hash=False)
    options_terminated: bool = True
    """Whether an END (255) closed the options field: UEFI drops a packet without it."""
    overload: int = field(default=0, compare=False)
    """Option 52 as received (1 file, 2 sname, 3 both): how the options travelled, not what they
    say. ``encode`` puts all options into the options field."""

    def __post_init__(self) -> None:
        # chaddr always fills its field, so that a packet equals itself after a journey.
        if len(self.chaddr) < CHADDR_OCTETS:
            object.__setattr__(self, "chaddr", self.chaddr.ljust(CHADDR_OCTETS, b"\0"))

    @property
    def mac(self) -> Mac:
        """The first six octets of chaddr: the MAC of an Ethernet client (htype 1, hlen 6)."""
        return int.from_bytes(self.chaddr[:6], "big")

    @property
    def message_type(self) -> MessageType | None:
        """Option 53; ``None`` when absent (plain BOOTP) or not one of RFC 2132's eight."""
        value = self.options.get(Option.DHCP_MESSAGE_TYPE, b"")
        if len(value) == 1 and MessageType.DISCOVER <= value[0] <= MessageType.INFORM:
            return MessageType(value[0])
        return None

    @property
    def broadcast(self) -> bool:
        """Whether the client asks for broadcast answers: RFC 2131 section 4.1."""
        return bool(self.flags & BROADCAST_FLAG)

    def with_options(self, options: Mapping[int, bytes]) -> Packet:
        """The same packet with these options set: known codes keep their place, new ones follow."""
        return replace(self, options={**self.options, **options})

    def without_options(self, *codes: int) -> Packet:
        """The same packet without these options."""
        kept = {code: value for code, value in self.options.items() if code not in codes}
        return replace(self, options=kept)


def decode(data: bytes) -> Packet | Malformed:
    """Read one UDP payload. Never raises: octets that are no packet give their reason."""
    if len(data) < _OPTIONS_START:
        return Malformed.TOO_SHORT
    (op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file) = (
        _HEADER.unpack_from(data)
    )
    if op not in (BOOTREQUEST, BOOTREPLY):
        return Malformed.BAD_OP
    if hlen > CHADDR_OCTETS:
        return Malformed.BAD_HLEN
    if data[_HEADER.size : _OPTIONS_START] != MAGIC_COOKIE:
        return Malformed.NO_MAGIC_COOKIE
    decoded = decode_options(data[_OPTIONS_START:])
    if isinstance(decoded, Malformed):
        return decoded
    options, terminated = decoded
    overload = _read_overload(options)
    if isinstance(overload, Malformed):
        return overload
    # RFC 3396 section 5: the aggregate is the options field, then file, then sname.
    for bit, area in ((_OVERLOAD_FILE, file), (_OVERLOAD_SNAME, sname)):
        if overload & bit:
            reason = _join_area(options, area)
            if reason is not None:
                return reason
    return Packet(
        op=op,
        htype=htype,
        hlen=hlen,
        hops=hops,
        xid=xid,
        secs=secs,
        flags=flags,
        ciaddr=_address(ciaddr),
        yiaddr=_address(yiaddr),
        siaddr=_address(siaddr),
        giaddr=_address(giaddr),
        chaddr=chaddr,
        sname=b"" if overload & _OVERLOAD_SNAME else sname.partition(b"\0")[0],
        file=b"" if overload & _OVERLOAD_FILE else file.partition(b"\0")[0],
        options=options,
        options_terminated=terminated,
        overload=overload,
    )


def encode(packet: Packet, *, minimum: int = MINIMUM_OCTETS) -> bytes:
    """Write a packet as one UDP payload, padded with NULs to ``minimum`` octets.

    Options go into the options field alone, closed by END unless ``options_terminated`` is false.
    Raises ``ValueError`` when a field does not fit.
    """
    if Option.OPTION_OVERLOAD in packet.options:
        raise ValueError("option 52 cannot be set: the options field holds all options")
    if len(packet.chaddr) > CHADDR_OCTETS:
        raise ValueError(f"chaddr has room for {CHADDR_OCTETS} octets, not {len(packet.chaddr)}")
    try:
        header = _HEADER.pack(
            packet.op,
            packet.htype,
            packet.hlen,
            packet.hops,
            packet.xid,
            packet.secs,
            packet.flags,
            int(packet.ciaddr),
            int(packet.yiaddr),
            int(packet.siaddr),
            int(packet.giaddr),
            packet.chaddr,
            _fitting("sname", packet.sname, SNAME_OCTETS),
            _fitting("file", packet.file, FILE_OCTETS),
        )
    except struct.error as error:
        raise ValueError(f"a header field does not fit: {error}") from None
    end = bytes((Option.END,)) if packet.options_terminated else b""
    data = header + MAGIC_COOKIE + encode_options(packet.options) + end
    return data.ljust(minimum, b"\0")


def _address(number: int) -> IPv4Address:
    return IPv4Address(number) if number else UNSPECIFIED


def _read_overload(options: dict[int, bytes]) -> int | Malformed:
    """Take option 52 out of the options."""
    value = options.pop(Option.OPTION_OVERLOAD, None)
    if value is None:
        return 0
    if value not in (b"\x01", b"\x02", b"\x03"):
        return Malformed.BAD_OVERLOAD
    return value[0]


def _join_area(options: dict[int, bytes], area: bytes) -> Malformed | None:
    """Append the options of an overloaded area; a 52 inside it means nothing (RFC 2131 section 4.1)."""
    decoded = decode_options(area)
    if isinstance(decoded, Malformed):
        return decoded
    for code, value in decoded[0].items():
        if code != Option.OPTION_OVERLOAD:
            options[code] = options.get(code, b"") + value
    return None


def _fitting(name: str, value: bytes, room: int) -> bytes:
    if len(value) > room:
        raise ValueError(f"{name} has room for {room} octets, not {len(value)}: {value!r}")
    if b"\0" in value:
        raise ValueError(f"{name} ends at its first NUL: {value!r} cannot be carried whole")
    return value
