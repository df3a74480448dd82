"""Who may load files: the same rules as for offers, asked by the address a request comes from.

A TFTP or HTTP request carries no MAC. On the own links the kernel's neighbour table knows it; behind a
router only the client's DHCP packets tell which address it uses (REQUESTs that a relay copies here, and
port 4011). An address nobody knows is refused unless ``tftp.unknown_addresses`` says otherwise.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from coexist.boot.policy import BootPolicy
from coexist.boot.respond import Silence, may_load
from coexist.server import interfaces
from coexist.server.seen import Client, ClientsSeen

_FRESH = 1.0
_AT_MOST_EVERY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A decision about a file request: the client if it is known, the rule, and why it was refused."""

    allowed: bool
    mac: int | None = None
    client: Client | None = None
    rule: str = ""
    why: str = ""


class Doorkeeper:
    """Decides by a client's address. Used by the loop and, for HTTP, by another thread: it only looks."""

    def __init__(self, clients: ClientsSeen) -> None:
        self.clients = clients
        self.policy: BootPolicy | None = None
        self.serves_unknown = False
        self._neighbours: dict[str, int] = {}
        self._read = -_FRESH

    def mac_of(self, address: str) -> int | None:
        """The MAC behind an address, None if neither the neighbour table nor DHCP told it."""
        now = time.monotonic()
        known = self._neighbours.get(address)
        age = now - self._read
        if age >= _FRESH or (known is None and age >= _AT_MOST_EVERY):
            self._read = now
            with suppress(OSError):  # what DHCP told is left
                self._neighbours = interfaces.neighbours()
            known = self._neighbours.get(address)
        return known or self.clients.addresses.get(address)

    def ask(self, address: str, *, whitelist: bool) -> Access:
        """Whether a request from an address is served. Without ``whitelist`` everyone is."""
        assert self.policy is not None
        mac = self.mac_of(address)
        client = self.clients.find(mac) if mac is not None else None
        if not whitelist:
            return Access(allowed=True, mac=mac, client=client, rule="no whitelist")
        if mac is None:
            if self.serves_unknown:
                return Access(allowed=True, rule="unknown addresses are served")
            return Access(allowed=False, why="no client is known by this address")
        found = may_load(self.policy, mac, client.architecture if client is not None else None)
        if isinstance(found, Silence):
            return Access(
                allowed=False, mac=mac, client=client, rule=found.rule or "", why=found.reason.value
            )
        return Access(allowed=True, mac=mac, client=client, rule=found.name)
