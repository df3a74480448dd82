"""Many clients on one card that each send one packet, and every server that answers each of them."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode, encode
from tests.harness.frames import BROADCAST_MAC, ETH_P_ALL, ArpRequest, Datagram, parse_frames, udp_frame
from tests.harness.network import Host

QUIET = 0.6
"""Seconds without a reply after which none comes any more."""
_AT_ONCE = 16

Answers = Mapping[IPv4Address, Packet]
"""What one client was answered, by the address of who answered."""


class Crowd:
    """Sends packets as broadcasts of their clients, and hears what goes to any of these."""

    def __init__(self, host: Host) -> None:
        interface = next(iter(host.interfaces.values()))
        self._socket = host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind((interface, ETH_P_ALL))
        self._next = 0x5EED0001

    def close(self) -> None:
        """Close its socket."""
        self._socket.close()

    def ask(self, packets: Iterable[Packet], quiet: float = QUIET) -> list[Answers]:
        """The answers to each packet. Transactions are numbered here."""
        asked = list(packets)
        first, self._next = self._next, self._next + len(asked)
        found: list[dict[IPv4Address, Packet]] = [{} for _ in asked]
        for number, packet in enumerate(asked):
            self._send(replace(packet, xid=first + number))
            if number % _AT_ONCE == _AT_ONCE - 1:
                self._collect(found, first, 0.02)
        self._collect(found, first, quiet)
        return list(found)

    def _send(self, packet: Packet) -> None:
        self._socket.send(
            udp_frame(
                Datagram(
                    source_mac=packet.mac,
                    destination_mac=BROADCAST_MAC,
                    source=(UNSPECIFIED, CLIENT_PORT),
                    destination=(LIMITED_BROADCAST, DHCP_PORT),
                    payload=encode(packet),
                )
            )
        )

    def _collect(self, found: list[dict[IPv4Address, Packet]], first: int, quiet: float) -> None:
        numbers = range(first, first + len(found))
        end = time.monotonic() + quiet
        while (left := end - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            frame, origin = self._socket.recvfrom(65535)
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            for datagram in parse_frames(frame):
                if isinstance(datagram, ArpRequest) or datagram.destination[1] != CLIENT_PORT:
                    continue
                packet = decode(datagram.payload)
                if isinstance(packet, Packet) and packet.op == BOOTREPLY and packet.xid in numbers:
                    found[packet.xid - first][datagram.source[0]] = packet
                    end = time.monotonic() + quiet
