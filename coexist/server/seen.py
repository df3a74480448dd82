"""The clients a boot server sees, in memory: bounded, so that a flood of invented MACs costs nothing.

What is to be kept goes to the registry from here, by way of ``changed``; nothing here waits for it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from coexist.boot.respond import Seen

MOST_CLIENTS = 65_536
MOST_ADDRESSES = 65_536
MOST_PROBES = 4_096
ATTEMPT_ENDS_AFTER = 60.0
"""Seconds of silence after which a DISCOVER begins a new boot attempt: EDK2, the most patient firmware
known, gives up 59.7 s after its first DISCOVER and is never silent for more than 32 s."""


class Client:
    """One client. Times ending in ``_at`` are wall clock (seconds since the epoch), others monotonic.

    ``probe``: no machine that boots, but ``coexist probe`` asking in its name.
    """

    __slots__ = (
        "address",
        "answered_by",
        "architecture",
        "asks",
        "changed",
        "chosen",
        "decision",
        "first_at",
        "last",
        "last_at",
        "lines",
        "lines_since",
        "mac",
        "muted",
        "offer_heard",
        "probe",
        "requests",
        "rule",
        "since",
        "stored_requests",
        "took_other",
        "vendor_class",
        "vlan",
        "waiting",
    )

    def __init__(self, mac: int, wall: float) -> None:
        self.mac = mac
        self.first_at = self.last_at = wall
        self.last = self.since = -ATTEMPT_ENDS_AFTER
        self.requests = 0
        self.stored_requests = 0
        self.architecture: int | None = None
        self.vendor_class = b""
        self.address = ""
        self.vlan = ""
        self.decision = ""
        self.rule = ""
        self.answered_by = ""
        self.asks = False
        self.chosen = b""
        self.offer_heard = False
        self.took_other = False
        self.probe = False
        self.changed = False
        self.waiting: Any = None
        self.lines = 0
        self.lines_since = 0.0
        self.muted = 0

    def seen(self, now: float, xid: bytes) -> Seen:
        """What ``respond`` may look at."""
        waiting = self.waiting is not None and self.waiting.xid == xid
        return Seen(
            since_first=max(now - self.since, 0.0),
            offer_heard=self.offer_heard,
            took_other=self.took_other,
            waiting=waiting,
        )


class ClientsSeen:
    """All clients by MAC, and their addresses as DHCP packets told them."""

    def __init__(self, most: int = MOST_CLIENTS) -> None:
        self.most = most
        self.clients: dict[int, Client] = {}
        self.addresses: dict[str, int] = {}
        self.changed: deque[Client] = deque()
        self.keeps = False
        self.forgotten = 0

    def note(self, mac: int, now: float, wall: float) -> Client:
        """The client of a packet that just came."""
        client = self.clients.get(mac)
        if client is None:
            client = self._add(mac, wall)
        if now - client.last >= ATTEMPT_ENDS_AFTER:
            client.since = now
            client.offer_heard = client.took_other = False
            client.chosen = b""
        client.last = now
        client.last_at = wall
        client.requests += 1
        if not client.changed and self.keeps:
            client.changed = True
            self.changed.append(client)
        return client

    def find(self, mac: int) -> Client | None:
        """A client that was seen."""
        return self.clients.get(mac)

    def trying(self, mac: int, now: float) -> Client | None:
        """A client whose boot attempt is under way."""
        client = self.clients.get(mac)
        return client if client is not None and now - client.last < ATTEMPT_ENDS_AFTER else None

    def learn(self, address: str, mac: int) -> None:
        """A DHCP packet said that the client uses this address."""
        addresses = self.addresses
        if addresses.get(address) == mac:
            return
        addresses.pop(address, None)
        if len(addresses) >= MOST_ADDRESSES:
            del addresses[next(iter(addresses))]
        addresses[address] = mac

    def forget(self, mac: int) -> None:
        """Have never seen a client."""
        self.clients.pop(mac, None)

    def mark(self, client: Client) -> None:
        """Have the registry keep a client although it sent nothing."""
        if not client.changed and self.keeps:
            client.changed = True
            self.changed.append(client)

    def _add(self, mac: int, wall: float) -> Client:
        clients = self.clients
        if len(clients) >= self.most:
            # The one that was added first goes, unless an answer to it waits: it still needs its place.
            oldest = next(iter(clients))
            client = clients.pop(oldest)
            if client.waiting is not None:
                clients[oldest] = client
                if (following := next(iter(clients))) != oldest:
                    del clients[following]
            self.forgotten += 1
        client = clients[mac] = Client(mac, wall)
        return client
