"""What may be sent to an address that has not answered yet: anybody can write another's address on a request.

Three octets for each that came from there, and an allowance that many machines of one address have room in
when they are switched on. Whoever answers from there, to a port only it was told, owes nothing any more. The
rule is QUIC's (RFC 9000 section 8.1), for addresses instead of connections.
"""

from __future__ import annotations

ALLOWANCE = 16_384
FACTOR = 3
FORGIVEN = 512.0
"""Octets a second: a client on a bad way is served again in a while."""
MOST_ADDRESSES = 16_384


class Unproven:
    """The octets each address was sent and did not answer to, beyond what it may be sent."""

    def __init__(self) -> None:
        self._owed: dict[str, tuple[float, float]] = {}

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

    def proved(self, address: str) -> None:
        """An answer came from there."""
        self._owed.pop(address, None)

    def _change(self, address: str, octets: int, now: float) -> float:
        owed, at = self._owed.pop(address, (0.0, now))
        owed = max(owed - FORGIVEN * (now - at), 0.0) + octets
        if owed <= 0.0:
            return 0.0
        if len(self._owed) >= MOST_ADDRESSES:
            del self._owed[next(iter(self._owed))]
        self._owed[address] = owed, now
        return owed
