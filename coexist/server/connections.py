"""How many connections HTTP holds: bounded in all and for each address, so that whoever opens many only
loses his own, and the descriptors of TFTP are never touched."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import field

from coexist.records import dataclass

MOST_CONNECTIONS = 1024
MOST_PER_ADDRESS = 32
_SHARE = 8
"""HTTP takes at most this part of the descriptors a process may have; each connection may need two."""


def most_connections() -> int:
    """How many this process can afford."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(MOST_PER_ADDRESS, min(MOST_CONNECTIONS, soft // (2 * _SHARE)))


@dataclass(eq=False, slots=True)
class Held:
    """One connection; ``drop`` breaks it off."""

    address: str
    drop: Callable[[], object] = bool


@dataclass(slots=True)
class Connections:
    """All connections there are. Those that wait for a request are the first to go if there are too many."""

    most: int = field(default_factory=most_connections)
    most_per_address: int = MOST_PER_ADDRESS
    by_address: Counter[str] = field(default_factory=Counter)
    waiting: dict[Held, None] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    held: set[Held] = field(default_factory=set)

    def admits(self, address: str) -> bool:
        """Whether one more of this address is taken; another one may be dropped for it."""
        if self.by_address[address] >= self.most_per_address:
            self.refused["address"] += 1
            return False
        if len(self.held) >= self.most:
            if not self.waiting:
                self.refused["all"] += 1
                return False
            oldest = next(iter(self.waiting))
            self.refused["waited"] += 1
            oldest.drop()
            self.remove(oldest)
        return True

    def add(self, held: Held) -> None:
        """One more."""
        self.held.add(held)
        self.by_address[held.address] += 1
        self.waiting[held] = None

    def busy(self, held: Held) -> None:
        """Its request has come."""
        self.waiting.pop(held, None)

    def idle(self, held: Held) -> None:
        """It waits for its next request."""
        self.waiting[held] = None

    def remove(self, held: Held) -> None:
        """It has ended; nothing happens the second time."""
        if held not in self.held:
            return
        self.held.remove(held)
        self.waiting.pop(held, None)
        if self.by_address[held.address] <= 1:
            del self.by_address[held.address]
        else:
            self.by_address[held.address] -= 1
