"""Every address is in exactly one cell, and in the one of its groups."""

from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory.macset import EVERYONE, MacSet
from coexist.render.cells import Cell, cut, octet_prefixes
from coexist.wire.mac import MAC_SPACE

# A small corner of the address space, so that sets overlap.
macs = st.integers(0, 40).map(lambda n: 0x008064000000 + n)
intervals = st.tuples(macs, macs).map(lambda pair: MacSet.interval(min(pair), max(pair)))
sets = st.recursive(
    st.one_of(st.frozensets(macs, max_size=6).map(MacSet.of), intervals),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] | p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
        inner.map(lambda s: ~s),
    ),
    max_leaves=4,
)
named = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), sets, max_size=4)


def holds(cell: Cell, mac: int) -> bool:
    inside = any(first <= mac <= last for first, last in cell.intervals)
    return (inside and mac not in cell.excluded) or mac in cell.points


@given(named, macs)
def test_one_cell_for_each_address(groups, mac):
    cells = cut(groups)
    expected = frozenset(name for name, members in groups.items() if mac in members)
    everything = (*cells.named, cells.rest)
    in_named = [cell for cell in cells.named if holds(cell, mac)]
    assert len(in_named) <= 1
    found = in_named[0] if in_named else cells.rest
    assert found.groups == expected
    assert len({cell.name for cell in everything}) == len(everything)
    for name in groups:
        assert (found.name in cells.of(frozenset({name}))) == (name in expected)


@given(named)
def test_the_rest_is_the_largest_and_has_no_list(groups):
    cells = cut(groups)
    assert sum(last - first + 1 for first, last in cells.rest.intervals) > MAC_SPACE // 2


def test_known_and_unknown_are_two_cells():
    known = MacSet.of([1, 2, 3])
    cells = cut({"known": known, "unknown": EVERYONE - known})
    assert [(cell.name, cell.points) for cell in cells.named] == [("known", (1, 2, 3))]
    assert cells.rest.name == "unknown"


@given(st.integers(0, MAC_SPACE - 1), st.integers(0, 70_000))
def test_octet_prefixes_are_the_interval(first, span):
    last = min(first + span, MAC_SPACE - 1)
    expected = first
    for prefix in octet_prefixes(first, last):
        low = int.from_bytes(prefix.ljust(6, b"\0"), "big")
        high = int.from_bytes(prefix.ljust(6, b"\xff"), "big")
        assert low == expected
        expected = high + 1
    assert expected == last + 1


def test_an_oui_is_one_prefix():
    assert list(octet_prefixes(0x805EC0000000, 0x805EC0FFFFFF)) == [b"\x80\x5e\xc0"]
