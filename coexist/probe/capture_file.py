"""Read a packet capture: pcap and pcapng, Ethernet, Linux "any" and raw IP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import BinaryIO

from coexist.errors import InputError, Position, Problem
from coexist.languages.source_files import packed
from coexist.probe.capture_records import (
    LARGEST_PACKET,
    LITTLE,
    PCAP_LITTLE,
    SECTION,
    NoCaptureError,
    records,
)
from coexist.probe.frame import Datagram, cut_apart, decode_frame, decode_ipv4

# https://www.tcpdump.org/linktypes.html
_ETHERNET, _RAW, _RAW_IPV4, _LINUX_SLL, _LINUX_SLL2 = 1, 101, 228, 113, 276
_RAW_BSD, _NULL, _LOOP = 12, 0, 108
_UNDERSTOOD = frozenset({_ETHERNET, _RAW, _RAW_IPV4, _RAW_BSD, _NULL, _LOOP, _LINUX_SLL, _LINUX_SLL2})
# The address family in the byte order of the machine that captured, whichever that was.
_FAMILY_IPV4 = (b"\x02\0\0\0", b"\0\0\0\x02")
_MOST_NAMED = 10
_LONGEST_MAGIC = 8
_SLL_OCTETS, _SLL2_OCTETS = 16, 20
_MOST_TAGS = 4
_VLAN_TAGS = (b"\x81\x00", b"\x88\xa8")


NOTHING = Datagram(
    source=IPv4Address(0), source_port=0, destination=IPv4Address(0), destination_port=0, payload=b""
)
"""Stands for a packet that is no datagram and no segment."""


def read_capture(path: Path) -> Iterator[tuple[float, Datagram]]:
    """Every UDP datagram and TCP segment of a capture with its time (seconds since the epoch).

    A last packet that is something else is `NOTHING`: until then the capture goes on. Ends where a capture
    was cut off: see ``damage``. Raises ``InputError`` for a file that is no capture, or
    one of a medium that is not understood.
    """
    strange: set[int] = set()
    understood = False
    other: float | None = None
    with path.open("rb") as file:
        try:
            for record in records(file):
                if record.linktype not in _UNDERSTOOD:
                    if len(strange) < _MOST_NAMED:
                        strange.add(record.linktype)
                    continue
                understood = True
                datagram = _decode(record.octets, record.linktype)
                other = record.at if datagram is None else None
                if datagram is not None:
                    for single in cut_apart(datagram):
                        yield record.at, single
        except NoCaptureError as error:
            told = packed(_beginning(file))
            what, remedy = told or (f"this is no packet capture ({error})", "name a pcap or pcapng")
            raise InputError([Problem(Position(str(path)), what, remedy)]) from None
        if other is not None:
            yield other, NOTHING
    if strange and not understood:
        numbers = ", ".join(map(str, sorted(strange)))
        problem = Problem(
            Position(str(path)),
            f"its packets are of link type {numbers}, which is not understood",
            "capture on Ethernet (tcpdump -i eth0) or on all interfaces (tcpdump -i any)",
        )
        raise InputError([problem])


def _beginning(file: BinaryIO) -> bytes:
    """The first octets of a file; none of a pipe, which is read once."""
    if not file.seekable():
        return b""
    file.seek(0)
    return file.read(_LONGEST_MAGIC)


def damage(path: Path) -> str | None:
    """What is lost of a capture that was cut off or damaged, as a sentence; None for one that is whole.

    Walks over the lengths of its records alone (draft-ietf-opsawg-pcap and -pcapng).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        walk = _walk_pcapng if magic == SECTION else _walk_pcap
        broken_at = walk(file, magic, size)
    if broken_at is None:
        return None
    return (
        f"{path}: the capture is cut off or damaged at octet {broken_at} of {size}:"
        " what came after is not in it, so a boot at its end may look as if it had failed"
    )


def _walk_pcap(file: BinaryIO, magic: bytes, size: int) -> int | None:
    order = "<" if magic in PCAP_LITTLE else ">"
    at = 24
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 16:
            return at
        (captured,) = struct.unpack(order + "I", head[8:12])
        if captured > LARGEST_PACKET or at + 16 + captured > size:
            return at
        at += 16 + captured
    return None if at == size else 0


def _walk_pcapng(file: BinaryIO, magic: bytes, size: int) -> int | None:
    at, order = 0, "<"
    while at < size:
        file.seek(at)
        head = file.read(12)
        if head[:4] == magic:  # each section has a byte order of its own
            order = "<" if head[8:] == LITTLE else ">"
        if len(head) < 12:
            return at
        (length,) = struct.unpack(order + "I", head[4:8])
        if length < 12 or length % 4 or at + length > size:
            return at
        file.seek(at + length - 4)
        if file.read(4) != head[4:8]:
            return at
        at += length
    return None


def _decode(octets: bytes, linktype: int) -> Datagram | None:
    if linktype == _ETHERNET:
        for _ in range(_MOST_TAGS):
            if octets[12:14] in _VLAN_TAGS:
                octets = octets[:12] + octets[16:]
        return decode_frame(octets, tcp=True)
    if linktype == _LINUX_SLL:
        return decode_ipv4(octets[_SLL_OCTETS:], tcp=True)
    if linktype == _LINUX_SLL2:
        return decode_ipv4(octets[_SLL2_OCTETS:], tcp=True)
    if linktype in (_NULL, _LOOP):
        return decode_ipv4(octets[4:], tcp=True) if octets[:4] in _FAMILY_IPV4 else None
    return decode_ipv4(octets, tcp=True)
