"""Read a packet capture: pcap and pcapng, Ethernet, Linux "any" and raw IP. scapy opens the file."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, BinaryIO

from coexist.errors import InputError, Position, Problem
from coexist.probe.frame import Datagram, cut_apart, decode_frame, decode_ipv4

# https://www.tcpdump.org/linktypes.html
_ETHERNET, _RAW, _RAW_IPV4, _LINUX_SLL, _LINUX_SLL2 = 1, 101, 228, 113, 276
_RAW_BSD = 12
_UNDERSTOOD = frozenset({_ETHERNET, _RAW, _RAW_IPV4, _RAW_BSD, _LINUX_SLL, _LINUX_SLL2})
_SLL_OCTETS, _SLL2_OCTETS = 16, 20
_PCAPNG, _LITTLE = b"\x0a\x0d\x0d\x0a", b"\x4d\x3c\x2b\x1a"
_PCAP_LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
_LARGEST_PACKET = 262_144  # libpcap's MAXIMUM_SNAPLEN
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
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

    # What scapy says of a damaged file on its log is said by ``damage``, with what it means.
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
    strange: set[int] = set()
    understood = False
    other: float | None = None
    with path.open("rb") as file:
        try:
            reader: Any = RawPcapReader(file)  # type: ignore[arg-type]  # a file will do
        except (Scapy_Exception, EOFError) as error:
            problem = Problem(
                Position(str(path)), f"this is no packet capture ({error})", "name a pcap or pcapng"
            )
            raise InputError([problem]) from None
        try:
            for octets, about in reader:
                linktype = getattr(about, "linktype", None) or reader.linktype
                if linktype not in _UNDERSTOOD:
                    strange.add(linktype)
                    continue
                understood = True
                datagram = _decode(octets, linktype)
                at = _time(about, nanoseconds=getattr(reader, "nano", False))
                other = at if datagram is None else None
                if datagram is not None:
                    for single in cut_apart(datagram):
                        yield at, single
        except (Scapy_Exception, EOFError):
            pass  # a capture that was cut off ends where it ends
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


def damage(path: Path) -> str | None:
    """What is lost of a capture that was cut off or damaged, as a sentence; None for one that is whole.

    Walks over the lengths of its records alone (draft-ietf-opsawg-pcap and -pcapng).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        walk = _walk_pcapng if magic == _PCAPNG else _walk_pcap
        broken_at = walk(file, magic, size)
    if broken_at is None:
        return None
    return (
        f"{path}: the capture is cut off or damaged at octet {broken_at} of {size}:"
        " what came after is not in it, so a boot at its end may look as if it had failed"
    )


def _walk_pcap(file: BinaryIO, magic: bytes, size: int) -> int | None:
    order = "<" if magic in _PCAP_LITTLE else ">"
    at = 24
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 16:
            return at
        (captured,) = struct.unpack(order + "I", head[8:12])
        if captured > _LARGEST_PACKET or at + 16 + captured > size:
            return at
        at += 16 + captured
    return None if at == size else 0


def _walk_pcapng(file: BinaryIO, magic: bytes, size: int) -> int | None:
    at, order = 0, "<"
    while at < size:
        file.seek(at)
        head = file.read(12)
        if head[:4] == magic:  # each section has a byte order of its own
            order = "<" if head[8:] == _LITTLE else ">"
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
        while octets[12:14] in _VLAN_TAGS:
            octets = octets[:12] + octets[16:]
        return decode_frame(octets, tcp=True)
    if linktype == _LINUX_SLL:
        return decode_ipv4(octets[_SLL_OCTETS:], tcp=True)
    if linktype == _LINUX_SLL2:
        return decode_ipv4(octets[_SLL2_OCTETS:], tcp=True)
    return decode_ipv4(octets, tcp=True)


def _time(about: Any, *, nanoseconds: bool) -> float:
    if hasattr(about, "tshigh"):
        return float(((about.tshigh << 32) | about.tslow) / about.tsresol)
    # scapy hands the second word on as it stands in the file.
    return float(about.sec + about.usec / (1e9 if nanoseconds else 1e6))
