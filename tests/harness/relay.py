"""A DHCP relay agent (ip-helper), as RFC 1542 section 4 and RFC 2131 section 4.1 have it.

It copies each client's broadcast to all of its targets at once, and hands every reply on: by unicast
to the offered address where the client did not ask for a broadcast.
"""

from __future__ import annotations

import select
import socket
import threading
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_from_bytes
from coexist.wire.options import Option
from tests.harness.frames import BROADCAST_MAC, ETHERTYPE_IPV4, Datagram, udp_frame
from tests.harness.namespaces import Namespace

_LIMITED_BROADCAST = IPv4Address("255.255.255.255")
_MOST_HOPS = 16  # RFC 1542 section 4.1.1


class RelayAgent:
    """Relays between the clients on ``interface`` and ``targets``.

    ``min_secs`` drops requests whose ``secs`` is smaller (RRAS's boot threshold). ``option_82`` is the
    raw relay agent information to add to requests and to take out of replies. ``first_only``: of the answers
    to one request it hands on the first. ``replaces_server_id``: its own address stands in option 54 of what
    it hands on, and it turns that back for the server whose address a client asks for.
    """

    def __init__(
        self,
        namespace: Namespace,
        interface: str,
        *,
        giaddr: IPv4Address,
        targets: tuple[IPv4Address, ...],
        min_secs: int = 0,
        option_82: bytes | None = None,
        first_only: bool = False,
        replaces_server_id: bool = False,
    ) -> None:
        self.giaddr = giaddr
        self.targets = targets
        self.min_secs = min_secs
        self.option_82 = option_82
        self.first_only = first_only
        self.replaces_server_id = replaces_server_id
        self._waiting: set[bytes] = set()
        self._lenders: dict[bytes, bytes] = {}
        self._down, self._up, self._mac = namespace.call(lambda: _open(interface, giaddr))
        self._frames = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._frames.bind((interface, ETHERTYPE_IPV4))
        self._stopped, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"relay {giaddr}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop relaying; a second time it does nothing."""
        if self._stop.fileno() == -1:
            return
        self._stop.close()
        self._thread.join()
        for each in (self._down, self._up, self._frames, self._stopped):
            each.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._down, self._up, self._stopped], [], [])
            if self._stopped in ready:
                return
            for each in ready:
                packet = decode(each.recv(65535))
                if not isinstance(packet, Packet):
                    continue
                if each is self._down and packet.op == BOOTREQUEST:
                    self._to_servers(packet)
                elif packet.op == BOOTREPLY and packet.giaddr == self.giaddr:
                    self._to_client(packet)

    def _to_servers(self, packet: Packet) -> None:
        if packet.hops >= _MOST_HOPS or packet.secs < self.min_secs:
            return
        giaddr = self.giaddr if packet.giaddr == UNSPECIFIED else packet.giaddr
        self._waiting.add(packet.chaddr)
        relayed = replace(packet, hops=packet.hops + 1, giaddr=giaddr)
        lender = self._lenders.get(packet.options.get(Option.REQUESTED_IP_ADDRESS, b""))
        if lender is not None and packet.options.get(Option.SERVER_IDENTIFIER) == self.giaddr.packed:
            relayed = relayed.with_options({Option.SERVER_IDENTIFIER: lender})
        if self.option_82 is not None:
            relayed = relayed.with_options({Option.RELAY_AGENT_INFORMATION: self.option_82})
        data = encode(relayed)
        for target in self.targets:
            self._up.sendto(data, (str(target), DHCP_PORT))

    def _to_client(self, packet: Packet) -> None:
        if self.first_only:
            if packet.chaddr not in self._waiting:
                return
            self._waiting.remove(packet.chaddr)
        packet = packet.without_options(Option.RELAY_AGENT_INFORMATION)
        server = packet.options.get(Option.SERVER_IDENTIFIER)
        if self.replaces_server_id and server is not None:
            if packet.yiaddr != UNSPECIFIED:
                self._lenders.setdefault(packet.yiaddr.packed, server)
            packet = packet.with_options({Option.SERVER_IDENTIFIER: self.giaddr.packed})
        everyone = packet.broadcast or packet.yiaddr == UNSPECIFIED
        self._frames.send(
            udp_frame(
                Datagram(
                    source_mac=self._mac,
                    destination_mac=BROADCAST_MAC if everyone else packet.mac,
                    source=(self.giaddr, DHCP_PORT),
                    destination=(_LIMITED_BROADCAST if everyone else packet.yiaddr, CLIENT_PORT),
                    payload=encode(packet),
                )
            )
        )


def _open(interface: str, giaddr: IPv4Address) -> tuple[socket.socket, socket.socket, int]:
    """The socket of the clients' side, the one that servers answer to, and the interface's address."""
    down = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    down.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    down.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    down.bind(("", DHCP_PORT))
    # Replies are addressed to giaddr but arrive on another interface: this one is bound to no device.
    up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    up.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    up.bind((str(giaddr), DHCP_PORT))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asked:
        asked.bind((interface, 0))
        mac = mac_from_bytes(asked.getsockname()[4])
    return down, up, mac
