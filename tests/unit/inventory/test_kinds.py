"""Clients told apart by some columns, at once or out of finer kinds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory.kinds import told_apart

NAMES = ("vlan", "architecture", "hardware")
CELLS = st.sampled_from(["", "a", "b", "c"])


@given(st.lists(st.tuples(CELLS, CELLS, CELLS)), st.permutations(NAMES), st.integers(0, 3))
def test_joined_kinds_are_those_told_apart_at_once(
    rows: list[tuple[str, ...]], order: list[str], count: int
) -> None:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(NAMES)}
    wanted = tuple(order[:count])
    if wanted:
        assert told_apart(columns, NAMES).by(wanted) == told_apart(columns, wanted)


def test_kinds_stand_in_the_order_of_their_first_rows_and_count_only_the_rows_asked_for() -> None:
    columns = {"vlan": ["b", "a", "b", "c", "a"], "hardware": ["", "x", "", "", ""]}
    found = told_apart(columns, ("vlan", "hardware"), [1, 2, 3, 4])
    assert found.cells == (("a", "x"), ("b", ""), ("c", ""), ("a", ""))
    assert found.rows == ([1], [2], [3], [4])
    assert found.by(("vlan",)).rows == ([1, 4], [2], [3])
    assert found.values("hardware") == {"x", ""}
    assert found.having([("vlan", frozenset("ab")), ("hardware", frozenset([""]))]) == {1, 3}
