"""Which of its free addresses ISC dhcpd 4.4.3 leases first, if it has leased none of them yet.

It goes from pool to pool in the order of the file (``allocate_lease``). Pools of one wire without statements,
which permit the same clients, are one pool (``parse_pool_statement``), also those of several subnets. At its
start dhcpd puts the addresses of each pool into a list in the order of its table of leases
(``expire_all_pools`` in ``server/mdb.c``); the order in the file means nothing there. Seen of 4.4.3-P1:
tests/wire/test_free_leases.py.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TypeAlias

from coexist.languages.dhcpd.levels import PoolPart

_TABLE = 100_003
"""LEASE_HASH_SIZE (includes/dhcpd.h)."""

Place: TypeAlias = tuple[int, int, int]
"""Sorts addresses: the bucket, and in it the one that was entered last."""


def first_free(first: IPv4Address, last: IPv4Address, entered: int) -> tuple[Place, IPv4Address]:
    """The first address of a range, after its place among those of other ranges.

    ``entered``: the number of the range in the order of the file.
    """
    return min((_place(address, entered), address) for address in _candidates(first, last))


def _place(address: IPv4Address, entered: int) -> Place:
    return int(address) % _TABLE, -entered, -int(address)


def _candidates(first: IPv4Address, last: IPv4Address) -> tuple[IPv4Address, ...]:
    """The addresses of a range that can be its first: its beginning, or the last one of the first bucket."""
    wraps = int(last) - int(last) % _TABLE
    return (first, IPv4Address(wraps)) if wraps > int(first) else (first,)


def is_one_pool(pool: PoolPart, other: PoolPart) -> bool:
    """Whether dhcpd makes one pool of two of a wire."""
    if pool is other:
        return True
    if pool.is_implied or other.is_implied or pool.level.statements or other.level.statements:
        return False
    permits = ({(p.allowed, p.who, p.class_name) for p in each.permits} for each in (pool, other))
    return pool.peer == other.peer and next(permits) == next(permits)
