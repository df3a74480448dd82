"""Which of its free addresses ISC dhcpd 4.4.3 leases first, if it has leased none of them yet.

It goes from pool to pool in the order of the file (``allocate_lease``). Pools of one wire without statements,
which permit the same clients, are one pool (``parse_pool_statement``), also those of several subnets. At its
start dhcpd puts the addresses of all pools into their lists in the order of its table of leases
(``expire_all_pools`` and ``lease_instantiate`` in ``server/mdb.c``); the order in the file means nothing
there. An address stands behind the one that was put into a list before it, if that was the same list; else
at the beginning (``lease_insert``). Seen of 4.4.3-P1: tests/wire/test_free_leases.py.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from coexist.languages.dhcpd.levels import PoolPart

_TABLE = 100_003
"""LEASE_HASH_SIZE (includes/dhcpd.h)."""

Place: TypeAlias = tuple[int, int, int]
"""Sorts addresses: the bucket, and in it the one that was entered last."""


class _Run(NamedTuple):
    """Addresses that follow one another in the table: of the list ``pool``, from ``start`` to ``end``, two
    buckets. ``base``: what an address has more than its bucket."""

    start: int
    end: int
    base: int
    entered: int
    pool: int

    def place(self, bucket: int) -> Place:
        return bucket, -self.entered, -(self.base + bucket)

    def before(self, place: Place) -> Place | None:
        """Its last place before another one."""
        bucket = min(self.end, place[0])
        if self.place(bucket) >= place:
            bucket -= 1
        return self.place(bucket) if bucket >= self.start else None

    def behind(self, place: Place) -> Place | None:
        """Its first place behind another one."""
        bucket = max(self.start, place[0])
        if self.place(bucket) <= place:
            bucket += 1
        return self.place(bucket) if bucket <= self.end else None


_BEGIN: Place = (-1, 0, 0)


class LeaseTable:
    """The addresses of all pools of a server.

    ``ranges``: in the order of the file; the number of the pool they are of, first and last address.
    """

    def __init__(self, ranges: Iterable[tuple[int, IPv4Address, IPv4Address]]) -> None:
        listed = enumerate(ranges)
        self._runs = sorted(
            run
            for entered, (pool, first, last) in listed
            for run in _runs(pool, int(first), int(last), entered)
        )
        self._starts = [run.start for run in self._runs]
        # The last bucket of all runs up to one.
        self._reach = list(accumulate((run.end for run in self._runs), max))
        self._ends = sorted((run.place(run.end), run.pool) for run in self._runs)
        self._of_pool: dict[int, list[_Run]] = {}
        for run in self._runs:
            self._of_pool.setdefault(run.pool, []).append(run)

    def first(self, pool: int) -> IPv4Address:
        """The address that a pool leases first: where those that came into its list last begin."""
        own = self._of_pool[pool]
        last = max(run.place(run.end) for run in own)
        other = self._other_before(last, pool)
        found = (run.behind(other) for run in own)
        return IPv4Address(-min(place for place in found if place is not None)[2])

    def _other_before(self, place: Place, pool: int) -> Place:
        """The last place of another pool before one."""
        best = _BEGIN
        at = bisect_left(self._ends, (place, -1)) - 1
        while at >= 0 and self._ends[at][1] == pool:
            at -= 1
        if at >= 0:
            best = self._ends[at][0]
        at = bisect_right(self._starts, place[0]) - 1
        while at >= 0 and self._reach[at] >= place[0]:
            run = self._runs[at]
            if run.pool != pool and run.end >= place[0]:
                best = max(best, run.before(place) or best)
            at -= 1
        return best


def _runs(pool: int, first: int, last: int, entered: int) -> Iterator[_Run]:
    while first <= last:
        bucket = first % _TABLE
        end = min(bucket + last - first, _TABLE - 1)
        yield _Run(start=bucket, end=end, base=first - bucket, entered=entered, pool=pool)
        first += end - bucket + 1


def is_one_pool(pool: PoolPart, other: PoolPart) -> bool:
    """Whether dhcpd makes one pool of two of a wire."""
    if pool is other:
        return True
    if pool.is_implied or other.is_implied or pool.level.statements or other.level.statements:
        return False
    permits = ({(p.allowed, p.who, p.class_name) for p in each.permits} for each in (pool, other))
    return pool.peer == other.peer and next(permits) == next(permits)
