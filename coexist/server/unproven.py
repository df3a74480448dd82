"""What may be sent to an address that has not answered yet: anybody can write another's address on a request.

Three octets for each that came from there, and an allowance that many machines of one address have room in
when they are switched on. Whoever answers from there, to a port only it was told, owes nothing any more, and
is believed for a while. The rules are QUIC's (RFC 9000 sections 8.1 and 8.1.3), for addresses instead of
connections.
"""

from __future__ import annotations

from typing import Any

ALLOWANCE = 16_384
FACTOR = 3
FORGIVEN = 512.0
"""Octets a second: a client on a bad way is served again in a while."""
MOST_ADDRESSES = 16_384
PROVEN_SECONDS = 600.0
"""As long as it takes a machine to load what it boots."""


class Unproven:
    """The octets each address was sent and did not answer to, beyond what it may be sent."""

    def __init__(self) -> None:
        self._owed: dict[str, tuple[float, float]] = {}
        self._proven: dict[str, float] = {}

    def asked(self, address: str, octets: int, now: float) -> bool:
        """A request came from there; whether it may be answered."""
        if address not in self._owed:
            return True
        owed = self._change(address, -FACTOR * octets, now)
        return owed < ALLOWANCE

    def may_repeat(self, address: str, now: float) -> bool:
        """Whether something may be sent there once more."""
        return address not in self._owed or self._change(address, 0, now) < ALLOWANCE

    def sent(self, address: str, octets: int, now: float) -> None:
        """Something was sent there."""
        self._change(address, octets, now)

    def proved(self, address: str, now: float) -> None:
        """An answer came from there, to a port only it was told."""
        self._owed.pop(address, None)
        self._proven.pop(address, None)
        _make_room(self._proven)
        self._proven[address] = now

    def believes(self, address: str, now: float) -> bool:
        """Whether an answer came from there not long ago."""
        return now - self._proven.get(address, -PROVEN_SECONDS) < PROVEN_SECONDS

    def _change(self, address: str, octets: int, now: float) -> float:
        owed, at = self._owed.pop(address, (0.0, now))
        owed = max(owed - FORGIVEN * (now - at), 0.0) + octets
        if owed <= 0.0:
            return 0.0
        _make_room(self._owed)
        self._owed[address] = owed, now
        return owed


def _make_room(addresses: dict[str, Any]) -> None:
    """Forget the oldest where they are too many."""
    if len(addresses) >= MOST_ADDRESSES:
        del addresses[next(iter(addresses))]
