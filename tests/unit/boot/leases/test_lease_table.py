"""The free addresses of a dhcpd, held to the insertion that makes its lists, address by address."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.leases.dhcpd.free_leases import LeaseTable

_BUCKETS = 100_003


def inserted(ranges: list[tuple[int, int, int]]) -> dict[int, list[int]]:
    """The lists after each address was put in, in the order of the table (``lease_insert``)."""
    placed = sorted(
        (address % _BUCKETS, -entered, -address, pool)
        for entered, (pool, first, last) in enumerate(ranges)
        for address in range(first, last + 1)
    )
    lists: dict[int, list[int]] = {}
    before: tuple[int, int] | None = None
    for _, _, negative, pool in placed:
        listed = lists.setdefault(pool, [])
        at = listed.index(before[1]) + 1 if before is not None and before[0] == pool else 0
        listed.insert(at, -negative)
        before = pool, -negative
    return lists


@st.composite
def ranges(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Ranges of a few pools that meet in the table, also at its two ends."""
    found: list[tuple[int, int, int]] = []
    for turn in range(draw(st.integers(1, 6))):
        first = (300 + turn) * _BUCKETS + draw(st.integers(-12, 12))
        found.append((draw(st.integers(0, 2)), first, first + draw(st.integers(0, 9))))
    return found


@given(ranges())
def test_the_first_address_is_at_the_beginning_of_its_list(found: list[tuple[int, int, int]]) -> None:
    table = LeaseTable((pool, IPv4Address(first), IPv4Address(last)) for pool, first, last in found)
    assert {pool: int(table.first(pool)) for pool in {p for p, *_ in found}} == {
        pool: listed[0] for pool, listed in inserted(found).items()
    }


def test_a_range_that_is_longer_than_the_table() -> None:
    first = 3000 * _BUCKETS - 5
    table = LeaseTable([(0, IPv4Address(first), IPv4Address(first + _BUCKETS + 20))])
    # Its first bucket has two addresses, of which the higher one was entered last.
    assert int(table.first(0)) == first + 5 + _BUCKETS
