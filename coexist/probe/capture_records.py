"""The packets of a capture file, one after the other: pcap and pcapng (draft-ietf-opsawg-pcap and -pcapng).

A file may be of any size and come from anybody: nothing but the packet at hand is kept, and no length is
believed before it is compared with what there can be. Where a file is damaged or cut off, its packets end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from coexist.records import dataclass

LARGEST_PACKET = 262_144
"""libpcap's MAXIMUM_SNAPLEN."""
LARGEST_BLOCK = 1 << 24
SECTION = b"\x0a\x0d\x0d\x0a"
LITTLE = b"\x4d\x3c\x2b\x1a"
PCAP_LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
_PCAP_BIG = (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d")
_NANOSECONDS = (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
_LATEST = 253_402_300_799.0
"""The last second of the year 9999, the last that everything else can say."""
_INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14
_MOST_INTERFACES = 65_536


class NoCaptureError(Exception):
    """The file is no capture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One packet: its link type (without the bits about its checksum) and its time (seconds, Unix epoch)."""

    linktype: int
    at: float
    octets: bytes


def records(file: BinaryIO) -> Iterator[Record]:
    """Every packet of a capture. Raises ``NoCaptureError``."""
    magic = file.read(4)
    if magic == SECTION:
        yield from _pcapng(file)
    elif magic in PCAP_LITTLE or magic in _PCAP_BIG:
        yield from _pcap(file, magic)
    else:
        raise NoCaptureError("it begins with no magic number of pcap or pcapng")


def _pcap(file: BinaryIO, magic: bytes) -> Iterator[Record]:
    order = "<" if magic in PCAP_LITTLE else ">"
    second = 1e9 if magic in _NANOSECONDS else 1e6
    head = file.read(20)
    if len(head) < 20:
        raise NoCaptureError("it ends in its own head")
    # Above the 16 bits of the link type stands how long the frame check sequence is.
    linktype = struct.unpack(order + "I", head[16:])[0] & 0xFFFF
    packet = struct.Struct(order + "IIII")
    while len(head := file.read(packet.size)) == packet.size:
        seconds, fraction, captured, _ = packet.unpack(head)
        if captured > LARGEST_PACKET:
            return
        yield Record(linktype=linktype, at=seconds + fraction / second, octets=file.read(captured))


@dataclass(frozen=True, slots=True)
class _Interface:
    linktype: int
    resolution: float = 1e-6
    offset: int = 0

    def time(self, high: int, low: int) -> float:
        at = ((high << 32) | low) * self.resolution + self.offset
        return min(max(at, 0.0), _LATEST)


def _pcapng(file: BinaryIO) -> Iterator[Record]:
    order = "<"
    interfaces: list[_Interface] = []
    head = SECTION + file.read(8)
    first = True
    while len(head) == 12:
        kind = head[:4]
        if kind == SECTION:
            order, interfaces = "<" if head[8:] == LITTLE else ">", []
        elif first:
            return
        (length,) = struct.unpack(order + "I", head[4:8])
        if not 12 <= length <= LARGEST_BLOCK or length % 4:
            return
        body = head[8:] + file.read(length - 12)
        if len(body) < length - 8:
            # A last packet whose head is whole is read as far as it goes.
            body = body.ljust(4, b"\0")
            yield from _record(order, kind, body, interfaces)
            return
        if kind != SECTION:
            if struct.unpack(order + "I", kind)[0] == _INTERFACE and len(interfaces) < _MOST_INTERFACES:
                interfaces.append(_interface(order, body[:-4]))
            yield from _record(order, kind, body[:-4], interfaces)
        first = False
        head = file.read(12)


def _interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        return _Interface(linktype=-1)
    (linktype,) = struct.unpack_from(order + "H", body)
    resolution, offset, at = 1e-6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == 0:
            break
        if code == _RESOLUTION and len(value) == 1:
            resolution = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        elif code == _OFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
        at += 4 + length + -length % 4
    return _Interface(linktype=linktype, resolution=resolution, offset=offset)


def _record(order: str, kind: bytes, body: bytes, interfaces: list[_Interface]) -> Iterator[Record]:
    number = struct.unpack(order + "I", kind)[0]
    if number in (_ENHANCED, _PACKET) and len(body) >= 20:
        first, high, low, captured, _ = struct.unpack_from(order + "IIIII", body)
        # The obsolete block has a counter of what was dropped in the upper half of its first word.
        index = first if number == _ENHANCED else struct.unpack_from(order + "H", body)[0]
        octets = body[20 : 20 + captured]
    elif number == _SIMPLE and len(body) >= 4:
        index, high, low = 0, 0, 0
        (original,) = struct.unpack_from(order + "I", body)
        octets = body[4 : 4 + original]
    else:
        return
    if index < len(interfaces):
        interface = interfaces[index]
        yield Record(linktype=interface.linktype, at=interface.time(high, low), octets=octets)
