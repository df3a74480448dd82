"""What other servers answer, as far as it can be heard: broadcasts to port 68.

Unicast answers and port 4011 are never seen from here, and switches with DHCP snooping keep even the
broadcasts away; so what is learnt here adds to the rules and never takes their place.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from coexist.server.loop import Loop
from coexist.server.seen import ClientsSeen
from coexist.wire.bootp import Packet, decode
from coexist.wire.options import MessageType, Option

_BATCH = 64
_LARGEST = 4096
_MOST_SERVERS = 1000
_MOST_EARLY = 1000
_MOST_BEHIND = 2.0  # seconds that a packet may wait on the other port, however busy this server is


class OfferWatch:
    """Listens on port 68 for what other servers answer by broadcast.

    ``own``: this server's addresses, not to be listened to. ``pxe_servers``: where addresses of others that
    answer PXE clients are put. Addresses are four octets. ``early``: by MAC, when an address was offered, and
    by whom, to a client whose own packet was not read yet.
    """

    def __init__(self, loop: Loop, sock: socket.socket, clients: ClientsSeen, probes: ClientsSeen) -> None:
        self.loop = loop
        self.sock = sock
        self.clients = clients
        self.probes = probes
        self.own: set[bytes] = set()
        self.pxe_servers: set[bytes] = set()
        self.early: dict[int, tuple[float, bytes]] = {}
        # Which clients are this worker's; answers to others are heard for who answers only.
        self.mine: Callable[[int], bool] | None = None
        sock.setblocking(False)

    def start(self) -> None:
        """Begin to listen on the loop."""
        self.loop.register(self.sock.fileno(), self.drain)

    def drain(self) -> None:
        """Read what has come, at most a batch."""
        now = time.monotonic()
        for _ in range(_BATCH):
            try:
                data = self.sock.recv(_LARGEST)
            except OSError:
                return
            packet = decode(data)
            if isinstance(packet, Packet):
                self.observe(packet, now)

    def observe(self, packet: Packet, now: float) -> None:
        """Note one server's answer."""
        server = packet.options.get(Option.SERVER_IDENTIFIER, b"")
        if len(server) != 4 or server in self.own:
            return
        vendor = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
        if vendor.startswith((b"PXEClient", b"HTTPClient")) and len(self.pxe_servers) < _MOST_SERVERS:
            self.pxe_servers.add(server)
        if self.mine is not None and not self.mine(packet.mac):
            return
        if packet.message_type is MessageType.OFFER and int(packet.yiaddr):
            self._offered(packet.mac, server, now)
        client = self.clients.find(packet.mac)
        if client is None:
            return
        # Its REQUEST may have been read first, from the other port.
        client.took_other = client.took_other or (client.chosen == server and server in self.pxe_servers)
        if packet.message_type is MessageType.ACK and int(packet.yiaddr):
            client.address = str(packet.yiaddr)
            self.clients.learn(client.address, client.mac)
        client.answered_by = socket.inet_ntoa(server)
        self.clients.mark(client)

    def recall(self, mac: int, now: float) -> None:
        """A client's packet was decided on: what it was offered meanwhile counts from its next one on."""
        at, server = self.early.pop(mac, (now - _MOST_BEHIND, b""))
        if now - at < _MOST_BEHIND:
            self._offered(mac, server, now)

    def _offered(self, mac: int, server: bytes, now: float) -> None:
        """An address was offered to whoever boots with this MAC."""
        trying = [clients.trying(mac, now) for clients in (self.clients, self.probes)]
        for client in trying:
            if client is not None:
                client.offer_heard = True
                client.answered_by = socket.inet_ntoa(server)
        if trying == [None, None]:
            if len(self.early) >= _MOST_EARLY:
                del self.early[next(iter(self.early))]
            self.early[mac] = now, server

    def close(self) -> None:
        """Stop and close the socket."""
        self.loop.unregister(self.sock.fileno())
        self.sock.close()
