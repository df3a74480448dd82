"""Ethernet, IPv4 and UDP around a DHCP message, for a network card that speaks for another client.

RFC 791 (IPv4 header), RFC 768 (UDP), RFC 1071 (checksum). Checksums of what is received are not
verified: on virtual links they are filled in later by hardware that is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.records import dataclass
from coexist.wire.bootp import HEADER_OCTETS, MAGIC_COOKIE
from coexist.wire.mac import Mac, mac_bytes

ETHERTYPE_IPV4 = 0x0800
BROADCAST_MAC: Mac = (1 << 48) - 1

_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")
_PROTOCOL_TCP = 6
_PROTOCOL_UDP = 17
_TCP_OCTETS = 20
_TTL = 64
_FRAGMENT = 0x1FFF
_MORE_FRAGMENTS = 0x2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """A UDP datagram, or with ``tcp`` what one TCP segment carries, as it lay on the wire."""

    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int
    payload: bytes
    tcp: bool = False


def encode_frame(datagram: Datagram, *, from_mac: Mac, to_mac: Mac = BROADCAST_MAC) -> bytes:
    """An Ethernet frame with this datagram."""
    length = _UDP.size + len(datagram.payload)
    source, destination = int(datagram.source), int(datagram.destination)
    udp = _UDP.pack(datagram.source_port, datagram.destination_port, length, 0) + datagram.payload
    pseudo = struct.pack("!IIBBH", source, destination, 0, _PROTOCOL_UDP, length)
    # RFC 768: a computed checksum of zero is sent as all ones.
    checksum = _checksum(pseudo + udp) or 0xFFFF
    udp = udp[:6] + checksum.to_bytes(2, "big") + udp[8:]
    header = _IPV4.pack(0x45, 0, _IPV4.size + length, 0, 0, _TTL, _PROTOCOL_UDP, 0, source, destination)
    header = header[:10] + _checksum(header).to_bytes(2, "big") + header[12:]
    return _ETHERNET.pack(mac_bytes(to_mac), mac_bytes(from_mac), ETHERTYPE_IPV4) + header + udp


def decode_frame(frame: bytes, *, tcp: bool = False) -> Datagram | None:
    """The datagram in an Ethernet frame; None for whatever is not one whole UDP datagram over IPv4.

    ``tcp``: TCP segments that carry anything too.
    """
    if len(frame) < _ETHERNET.size or frame[12:14] != ETHERTYPE_IPV4.to_bytes(2, "big"):
        return None
    return decode_ipv4(frame[_ETHERNET.size :], tcp=tcp)


def decode_ipv4(octets: bytes, *, tcp: bool = False) -> Datagram | None:
    """The datagram in an IPv4 packet; None for whatever is not one whole datagram. ``tcp`` as above."""
    if len(octets) < _IPV4.size:
        return None
    first, _, total, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(octets)
    start = 4 * (first & 0x0F)
    if first >> 4 != 4 or start < _IPV4.size:
        return None
    if protocol == _PROTOCOL_TCP and tcp:
        return _segment(octets[start:total], IPv4Address(source), IPv4Address(destination))
    if protocol != _PROTOCOL_UDP:
        return None
    if fragment & (_FRAGMENT | _MORE_FRAGMENTS) or not start + _UDP.size <= total <= len(octets):
        return None
    source_port, destination_port, length, _ = _UDP.unpack_from(octets, start)
    if not _UDP.size <= length <= total - start:
        return None
    return Datagram(
        source=IPv4Address(source),
        source_port=source_port,
        destination=IPv4Address(destination),
        destination_port=destination_port,
        payload=octets[start + _UDP.size : start + length],
    )


def _segment(octets: bytes, source: IPv4Address, destination: IPv4Address) -> Datagram | None:
    """What a TCP segment carries (RFC 9293 section 3.1); None where that is nothing."""
    if len(octets) <= _TCP_OCTETS:
        return None
    start = 4 * (octets[12] >> 4)
    if start < _TCP_OCTETS or start >= len(octets):
        return None
    source_port, destination_port = struct.unpack_from("!HH", octets)
    return Datagram(
        source=source,
        source_port=source_port,
        destination=destination,
        destination_port=destination_port,
        payload=octets[start:],
        tcp=True,
    )


def cut_apart(datagram: Datagram) -> Iterator[Datagram]:
    """The datagrams in one that was seen before the kernel or the card cut it (UDP_SEGMENT, udp(7)).

    On the host of a server that answers a storm, and on virtual links from it, DHCP messages of one length
    stand in one UDP datagram. Each has its magic cookie at the same place (RFC 2131 section 3); what has it
    but once is yielded as it is.
    """
    for octets in messages(datagram.payload):
        yield datagram if octets is datagram.payload else replace(datagram, payload=octets)


def messages(payload: bytes) -> Iterator[bytes]:
    """The payloads of the datagrams in one: see `cut_apart`."""
    length = _length_of_each(payload)
    if length is None:
        yield payload
        return
    for start in range(0, len(payload), length):
        yield payload[start : start + length]


def _length_of_each(payload: bytes) -> int | None:
    options = HEADER_OCTETS + len(MAGIC_COOKIE)
    if payload[HEADER_OCTETS:options] != MAGIC_COOKIE:
        return None
    at = options
    while (at := payload.find(MAGIC_COOKIE, at)) >= 0:
        length = at - HEADER_OCTETS
        if length >= options and len(payload) % length == 0:
            starts = range(0, len(payload), length)
            heads = {(payload[start], payload[start + HEADER_OCTETS :][:4]) for start in starts}
            if heads == {(payload[0], MAGIC_COOKIE)}:
                return length
        at += 1
    return None


def _checksum(octets: bytes) -> int:
    padded = octets + b"\0" if len(octets) % 2 else octets
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
