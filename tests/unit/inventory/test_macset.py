"""The algebra of MAC sets against Python's own sets on small universes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.wire.mac import MAC_SPACE

# A small universe at both ends and in the middle of the space.
UNIVERSE = [*range(24), *range(1 << 40, (1 << 40) + 8), *range(MAC_SPACE - 8, MAC_SPACE)]
macs = st.sampled_from(UNIVERSE)


@st.composite
def sets(draw: st.DrawFn) -> MacSet:
    result = MacSet.of(draw(st.frozensets(macs, max_size=6)))
    for low, high in draw(st.lists(st.tuples(macs, macs), max_size=3)):
        other = MacSet.interval(min(low, high), max(low, high))
        result = draw(st.sampled_from([result | other, result - other, result ^ other, other - result]))
    return ~result if draw(st.booleans()) else result


def members(macset: MacSet) -> set[int]:
    return {mac for mac in UNIVERSE if mac in macset}


@given(sets(), sets())
def test_operations_agree_with_plain_sets(a: MacSet, b: MacSet) -> None:
    x, y = members(a), members(b)
    assert members(a | b) == x | y
    assert members(a & b) == x & y
    assert members(a - b) == x - y
    assert members(a ^ b) == x ^ y
    assert members(~a) == set(UNIVERSE) - x


@given(sets(), sets())
def test_sizes_add_up(a: MacSet, b: MacSet) -> None:
    assert a.size + b.size == (a | b).size + (a & b).size
    assert a.size + (~a).size == MAC_SPACE
    assert a.size == sum(last - first + 1 for first, last in a.intervals())


@given(sets(), sets())
def test_comparisons(a: MacSet, b: MacSet) -> None:
    assert (a == b) == (not a ^ b)
    assert (not a - b) == ((a | b) == b)
    assert a.isdisjoint(b) == (not (a & b))
    assert ~~a == a


@given(sets())
def test_intervals_are_maximal_and_ascending(a: MacSet) -> None:
    ends = list(a.intervals())
    for (_, last), (following, _) in pairwise(ends):
        assert following > last + 1
    for first, last in ends:
        assert first in a
        assert last in a
        assert first - 1 not in a or first == 0
        assert last + 1 not in a or last + 1 == MAC_SPACE


@given(sets())
def test_the_sample_is_a_member(a: MacSet) -> None:
    sample = a.sample()
    assert (sample is None) == (not a)
    assert sample is None or sample in a


def test_everyone_minus_an_oui_keeps_the_count() -> None:
    oui = MacSet.interval(0x805EC0000000, 0x805EC0FFFFFF)
    assert (EVERYONE - oui).size == MAC_SPACE - (1 << 24)
    assert (EVERYONE - oui - MacSet.of([0])).size == MAC_SPACE - (1 << 24) - 1


def test_a_registered_machine_is_preferred_as_sample() -> None:
    assert (MacSet.interval(0, 99) | MacSet.of([0x525400123456])).sample() == 0x525400123456


def test_nothing_and_everything() -> None:
    assert not NOBODY
    assert ~NOBODY == EVERYONE
    assert list(NOBODY.intervals()) == []
    assert list(EVERYONE.intervals()) == [(0, MAC_SPACE - 1)]


@pytest.mark.parametrize("ends", [(5, 4), (-1, 3), (0, MAC_SPACE)])
def test_a_range_must_lie_in_the_space(ends: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a range"):
        MacSet.interval(*ends)
