"""Read a packet capture: pcap and pcapng, Ethernet, Linux "any" and raw IP. scapy opens the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.probe.frame import Datagram, decode_frame, decode_ipv4

# https://www.tcpdump.org/linktypes.html
_ETHERNET, _RAW, _RAW_IPV4, _LINUX_SLL, _LINUX_SLL2 = 1, 101, 228, 113, 276
_SLL_OCTETS, _SLL2_OCTETS = 16, 20
_VLAN_TAGS = (b"\x81\x00", b"\x88\xa8")


def read_capture(path: Path) -> Iterator[tuple[float, Datagram]]:
    """Every UDP datagram of a capture with its time (seconds since the epoch).

    Raises ``InputError`` for a file that is no capture.
    """
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

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
                datagram = _decode(octets, getattr(about, "linktype", None) or reader.linktype)
                if datagram is not None:
                    yield _time(about), datagram
        except (Scapy_Exception, EOFError):
            return  # a capture that was cut off ends where it ends


def _decode(octets: bytes, linktype: int) -> Datagram | None:
    if linktype == _ETHERNET:
        while octets[12:14] in _VLAN_TAGS:
            octets = octets[:12] + octets[16:]
        return decode_frame(octets)
    if linktype == _LINUX_SLL:
        return decode_ipv4(octets[_SLL_OCTETS:])
    if linktype == _LINUX_SLL2:
        return decode_ipv4(octets[_SLL2_OCTETS:])
    return decode_ipv4(octets) if linktype in (_RAW, _RAW_IPV4, 12) else None


def _time(about: Any) -> float:
    if hasattr(about, "tshigh"):
        return float(((about.tshigh << 32) | about.tslow) / about.tsresol)
    return float(about.sec + about.usec / 1e6)
