"""The addresses of a scope: its range, without those that are excluded, reserved or a policy's.

A policy's own ranges are for those who meet it; all others get an address from the rest of the range
("Introduction to DHCP Policies", Conditions). A reserved address may be an excluded one (Microsoft's DHCP
team, "Order of precedence").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from ipaddress import IPv4Address

from coexist.boot.leases.lease import NoLease, Origin
from coexist.errors import Position
from coexist.languages.windows.export import AddressRange, Policy, Reservation, Scope


class Pools:
    """What a scope may lease. ``policies``: of the scope, those in force."""

    def __init__(self, scope: Scope, policies: Sequence[Policy]) -> None:
        self.scope = scope
        self.policies = policies
        self._first: dict[Position, IPv4Address | None] = {}

    @cached_property
    def _taken(self) -> list[tuple[int, int]]:
        own = [(int(found.address), int(found.address)) for found in self.scope.reservations]
        return [*own, *((int(first), int(last)) for first, last, _ in self.scope.excluded)]

    @cached_property
    def _of_policies(self) -> list[tuple[int, int]]:
        found = (piece for policy in self.policies for piece in policy.ranges)
        return [(int(first), int(last)) for first, last, _ in found]

    @cached_property
    def common(self) -> tuple[AddressRange, ...]:
        """The addresses of everyone."""
        return tuple(_without(self.scope.ranges, [*self._taken, *self._of_policies]))

    @cached_property
    def ranges(self) -> tuple[AddressRange, ...]:
        """Everything it leases to somebody, but for reservations."""
        pieces = [*self.scope.ranges]
        excluded = [(int(first), int(last)) for first, last, _ in self.scope.excluded]
        return tuple(_without(pieces, excluded))

    def address(self, own: Reservation | None, met: Sequence[Policy]) -> tuple[IPv4Address, Origin] | NoLease:
        """The address of a client with its line; the first of its pool stands for the pool."""
        if own is not None:
            return own.address, own.at
        ranged = [policy for policy in met if policy.ranges]
        for policy in ranged:
            for first, _, at in _without(policy.ranges, self._taken):
                return first, at
        if ranged:
            return NoLease(why="the ranges of its policy have no address left", origin=ranged[0].at)
        for first, _, at in self.common:
            return first, at
        return NoLease(why="the scope has no address for this client", origin=self.scope.at)


def _without(ranges: Iterable[AddressRange], taken: Iterable[tuple[int, int]]) -> Iterator[AddressRange]:
    """What is left of ranges, in ascending order."""
    gone = sorted(taken)
    for first, last, at in sorted(ranges):
        start, end = int(first), int(last)
        for low, high in gone:
            if high < start or low > end:
                continue
            if start < low:
                yield IPv4Address(start), IPv4Address(low - 1), at
            start = max(start, high + 1)
        if start <= end:
            yield IPv4Address(start), IPv4Address(end), at
