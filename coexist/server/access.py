"""Who may load files: the same rules as for offers, asked by the address a request comes from.

A TFTP or HTTP request carries no MAC. On the own links the kernel's neighbour table knows it; behind a
router only the client's DHCP packets tell which address it uses (REQUESTs that a relay copies here, and
port 4011). An address nobody knows is refused unless ``tftp.unknown_addresses`` says otherwise.
"""

from __future__ import annotations

import time
from contextlib import suppress

from coexist.boot.policy import BootPolicy
from coexist.boot.respond import Silence, may_load
from coexist.records import dataclass
from coexist.server import interfaces
from coexist.server.seen import Client, ClientsSeen

_FRESH = 1.0
_MOST_DECIDED = 4096
_SHARE = 10
"""The neighbour table is read for at most a tenth of the time, whatever addresses a flood invents."""

_Asking = tuple[int, Client | None, int | None, bytes]
"""A MAC, the client, and the architecture and UUID that it was seen to name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A decision about a file request: the client if it is known, the rule, and why it was refused.

    ``undecided``: the neighbour table could not be asked again so soon; the client asks again by itself.
    """

    allowed: bool
    undecided: bool = False
    mac: int | None = None
    client: Client | None = None
    rule: str = ""
    why: str = ""


class Doorkeeper:
    """Decides by a client's address. Used by the loop and, for HTTP, by another thread: it only looks."""

    def __init__(self, clients: ClientsSeen) -> None:
        self.clients = clients
        self.serves_unknown = False
        # A policy, and what it says of the clients that asked; another policy comes with nothing decided yet.
        self._decided: tuple[BootPolicy | None, dict[_Asking, Access]] = (None, {})
        self._neighbours: dict[str, int] = {}
        self._read = -_FRESH
        self._again = 0.0

    @property
    def policy(self) -> BootPolicy | None:
        """What is decided by."""
        return self._decided[0]

    @policy.setter
    def policy(self, policy: BootPolicy | None) -> None:
        self._decided = (policy, {})

    def mac_of(self, address: str) -> int | None:
        """The MAC behind an address, None if neither the neighbour table nor DHCP told it."""
        known = self._neighbours.get(address)
        if known is None or time.monotonic() - self._read >= _FRESH:
            self._read_neighbours()
            known = self._neighbours.get(address)
        return known or self.clients.addresses.get(address)

    def _read_neighbours(self) -> None:
        begun = time.monotonic()
        if begun < self._again:
            return
        with suppress(OSError):  # what DHCP told is left
            self._neighbours = interfaces.neighbours()
        self._read = time.monotonic()
        self._again = self._read + _SHARE * (self._read - begun)

    def ask(self, address: str, *, whitelist: bool) -> Access:
        """Whether a request from an address is served. Without ``whitelist`` everyone is."""
        asked = time.monotonic()
        mac = self.mac_of(address)
        client = self.clients.find(mac) if mac is not None else None
        if not whitelist:
            return Access(allowed=True, mac=mac, client=client, rule="no whitelist")
        if mac is not None:
            return self._decide(mac, client)
        if self.serves_unknown:
            return Access(allowed=True, rule="unknown addresses are served")
        if self._read < asked:
            return Access(allowed=False, undecided=True, why="the neighbour table is asked too often")
        return Access(allowed=False, why="no client is known by this address")

    def _decide(self, mac: int, client: Client | None) -> Access:
        policy, decided = self._decided
        assert policy is not None
        architecture, uuid = (client.architecture, client.uuid) if client is not None else (None, b"")
        asking = (mac, client, architecture, uuid)
        access = decided.get(asking)
        if access is None:
            found = may_load(policy, mac, architecture, uuid)
            if isinstance(found, Silence):
                rule, why = found.rule or "", found.reason.value
                access = Access(allowed=False, mac=mac, client=client, rule=rule, why=why)
            else:
                access = Access(allowed=True, mac=mac, client=client, rule=found.name)
            if len(decided) >= _MOST_DECIDED:
                decided.clear()
            decided[asking] = access
        return access
