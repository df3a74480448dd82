"""The clients a boot server sees, in memory: bounded, so that a flood of invented MACs costs nothing.

What is to be kept goes to the registry from here, by way of ``changed``; nothing here waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from coexist.boot.policy import Standing
from coexist.boot.respond import Seen

K = TypeVar("K")

MOST_CLIENTS = 65_536
MOST_ADDRESSES = 65_536
MOST_PROBES = 4_096
MOST_CHANGED = 50_000
"""Clients that wait for the registry; of strangers no more are kept."""
_MOST_LOOKED_AT = 64
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
        "standing",
        "stored_requests",
        "took_other",
        "uuid",
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
        self.uuid = b""
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
        self.standing = Standing.STRANGER

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
    """All clients by MAC, and their addresses as DHCP packets told them.

    Who asks for a place here is anybody, so nobody takes that of one who has a better ``standing``: a flood
    of invented MACs only makes strangers forget each other, and what a stranger says about an address does
    not override what a registered client said.
    """

    def __init__(self, most: int = MOST_CLIENTS) -> None:
        self.most = most
        self.clients: dict[int, Client] = {}
        self.addresses: dict[str, int] = {}
        self.changed: deque[Client] = deque()
        self.keeps = False
        self.forgotten = 0
        self.unkept = 0
        self.standing: Callable[[int], Standing] = _strangers_all
        # The other workers of this server are told whose an address is.
        self.tell: Callable[[str, int], None] | None = None
        # By standing, in the order they came; a dict for its order.
        self._ranks: tuple[dict[int, None], ...] = tuple({} for _ in Standing)
        self._address_ranks: tuple[dict[str, None], ...] = tuple({} for _ in Standing)

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
            self.mark(client)
        return client

    def find(self, mac: int) -> Client | None:
        """A client that was seen."""
        return self.clients.get(mac)

    def trying(self, mac: int, now: float) -> Client | None:
        """A client whose boot attempt is under way."""
        client = self.clients.get(mac)
        return client if client is not None and now - client.last < ATTEMPT_ENDS_AFTER else None

    def learn(self, address: str, mac: int, *, tells: bool = True) -> None:
        """A DHCP packet said that the client uses this address; ``tells``: other workers too."""
        addresses = self.addresses
        known = addresses.get(address)
        if known == mac:
            return
        standing = self.standing(mac)
        if known is not None and self.standing(known) > standing:
            return
        if known is not None:
            self._forget_address(address)
        elif len(addresses) >= MOST_ADDRESSES and not self._make_room(
            self._address_ranks, standing, self._address_standing, self._forget_address
        ):
            return
        addresses[address] = mac
        self._address_ranks[standing][address] = None
        if tells and self.tell is not None:
            self.tell(address, mac)

    def forget(self, mac: int) -> None:
        """Have never seen a client."""
        if self.clients.pop(mac, None) is not None:
            for rank in self._ranks:
                rank.pop(mac, None)

    def mark(self, client: Client) -> None:
        """Have the registry keep a client although it sent nothing."""
        if not client.changed and self.keeps:
            if len(self.changed) >= MOST_CHANGED and not client.standing:
                self.unkept += 1
                return
            client.changed = True
            self.changed.append(client)

    def _add(self, mac: int, wall: float) -> Client:
        standing = self.standing(mac)
        client = Client(mac, wall)
        client.standing = standing
        if len(self.clients) >= self.most:
            self.forgotten += 1
            if not self._make_room(self._ranks, standing, self.standing, self.forget, self._spares):
                return client  # a place of its own it has none; it is answered as one that was never seen
        self.clients[mac] = client
        self._ranks[standing][mac] = None
        return client

    def _spares(self, mac: int) -> bool:
        """Whether an answer to the client waits: it still needs its place."""
        return self.clients[mac].waiting is not None

    def _address_standing(self, address: str) -> Standing:
        return self.standing(self.addresses[address])

    def _forget_address(self, address: str) -> None:
        del self.addresses[address]
        for rank in self._address_ranks:
            rank.pop(address, None)

    @staticmethod
    def _make_room(
        ranks: tuple[dict[K, None], ...],
        standing: Standing,
        standing_of: Callable[[K], Standing],
        forget: Callable[[K], None],
        spares: Callable[[K], bool] | None = None,
    ) -> bool:
        """Forget the one of the lowest standing that came first; none whose standing is better than
        ``standing``. A bounded number is looked at: some stand better by now, some are spared."""
        for rank, keys in enumerate(ranks[: standing + 1]):
            for _ in range(min(len(keys), _MOST_LOOKED_AT)):
                key = next(iter(keys))
                better = standing_of(key)
                if better <= rank and (spares is None or not spares(key)):
                    forget(key)
                    return True
                del keys[key]
                ranks[max(better, rank)][key] = None
        return False


def _strangers_all(_: int) -> Standing:
    return Standing.STRANGER
