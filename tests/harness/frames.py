"""Ethernet frames with IPv4 and UDP: octets to what they carry, and back. RFC 791, 768, 1071, 826."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TypeAlias

from coexist.probe.frame import messages
from coexist.wire.mac import Mac, mac_bytes

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
ETH_P_ALL = 3
"""linux/if_ether.h: frames of every protocol."""

BROADCAST_MAC: Mac = 0xFFFFFFFFFFFF

_UDP = 17
_TCP = 6
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_UDP_HEADER = struct.Struct("!HHHH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")

Endpoint: TypeAlias = tuple[IPv4Address, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """The payload of one UDP datagram, or of one TCP segment where ``stream``, and its addresses."""

    source_mac: Mac
    destination_mac: Mac
    source: Endpoint
    destination: Endpoint
    payload: bytes
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArpRequest:
    """Somebody asks who has ``target``."""

    sender_mac: Mac
    sender: IPv4Address
    target: IPv4Address


def parse_frame(frame: bytes) -> Datagram | ArpRequest | None:
    """Read one frame; None for everything but UDP, TCP with a payload, and ARP requests.

    Checksums are not looked at: on a veth they are left to hardware that is not there.
    """
    if len(frame) < 14:
        return None
    destination_mac, source_mac = int.from_bytes(frame[0:6], "big"), int.from_bytes(frame[6:12], "big")
    kind, body = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == ETHERTYPE_ARP and len(body) >= _ARP.size:
        _, _, _, _, operation, sender_mac, sender, _, target = _ARP.unpack_from(body)
        if operation != 1:
            return None
        return ArpRequest(
            sender_mac=int.from_bytes(sender_mac, "big"),
            sender=IPv4Address(sender),
            target=IPv4Address(target),
        )
    if kind != ETHERTYPE_IPV4 or len(body) < _IPV4.size:
        return None
    version, _, total, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(body)
    header = (version & 15) * 4
    segment = body[header:total]
    if fragment & 0x1FFF or protocol not in (_UDP, _TCP) or len(segment) < 8:
        return None
    start = 8 if protocol == _UDP else (segment[12] >> 4) * 4 if len(segment) > 12 else len(segment)
    source_port, destination_port = struct.unpack_from("!HH", segment)
    if protocol == _TCP and len(segment) <= start:
        return None
    return Datagram(
        source_mac=source_mac,
        destination_mac=destination_mac,
        source=(IPv4Address(source), source_port),
        destination=(IPv4Address(destination), destination_port),
        payload=segment[start:],
        stream=protocol == _TCP,
    )


def parse_frames(frame: bytes) -> Iterator[Datagram | ArpRequest]:
    """What one frame of a capture stands for: as `parse_frame`, but answers of a storm that no card has cut
    apart yet (UDP_SEGMENT, udp(7)) each on its own."""
    found = parse_frame(frame)
    if isinstance(found, Datagram) and not found.stream:
        for payload in messages(found.payload):
            yield replace(found, payload=payload)
    elif found is not None:
        yield found


def udp_frame(datagram: Datagram) -> bytes:
    """Write one UDP datagram as a frame, with its checksums."""
    (source, source_port), (destination, destination_port) = datagram.source, datagram.destination
    length = _UDP_HEADER.size + len(datagram.payload)
    pseudo = source.packed + destination.packed + struct.pack("!BBH", 0, _UDP, length)
    bare = _UDP_HEADER.pack(source_port, destination_port, length, 0) + datagram.payload
    checksum = internet_checksum(pseudo + bare) or 0xFFFF
    udp = bare[:6] + checksum.to_bytes(2, "big") + bare[8:]
    head = _IPV4.pack(0x45, 0, 20 + length, 0, 0, 64, _UDP, 0, source.packed, destination.packed)
    head = head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:]
    return ethernet(datagram.destination_mac, datagram.source_mac, ETHERTYPE_IPV4) + head + udp


def arp_reply(request: ArpRequest, mac: Mac) -> bytes:
    """The frame that says: ``request.target`` is at ``mac``."""
    return ethernet(request.sender_mac, mac, ETHERTYPE_ARP) + _ARP.pack(
        1,
        ETHERTYPE_IPV4,
        6,
        4,
        2,
        mac_bytes(mac),
        request.target.packed,
        mac_bytes(request.sender_mac),
        request.sender.packed,
    )


def ethernet(destination: Mac, source: Mac, kind: int) -> bytes:
    """An Ethernet II header."""
    return mac_bytes(destination) + mac_bytes(source) + kind.to_bytes(2, "big")


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
