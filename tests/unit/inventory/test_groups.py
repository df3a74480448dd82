"""Groups that follow from the rows of clients: told by kinds of rows, and resolved only for their MACs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory.loader import Inventory, inventory_from_tree

CELLS = st.sampled_from(["igel", "hp", "dell"])
ROWS = st.lists(
    st.tuples(CELLS, st.sampled_from(["lab", "hall"]), st.integers(1, 99)),
    max_size=9,
    unique_by=lambda row: row[2],
)
GROUPS = {
    "igels": {"where": {"hardware": "igel"}},
    "some": {"where": {"hardware": ["igel", "hp"], "location": "lab"}},
    "marked": {"where": {"tags": "old"}},
    "one": {"macs": "52:54:00:00:00:01"},
    "more": {"where": {"hardware": "dell"}, "groups": "one"},
    "less": {"where": {"hardware": "hp"}, "except": "some"},
    "nothing": {"where": {"hardware": "sun"}},
    "bios": {"where": {"location": "hall"}, "architecture": "bios"},
}


UUIDS = [f"00000000-0000-0000-0000-{number:012}" for number in (1, 2)]


def site(rows: list[tuple[str, str, int]], uuids: list[str] | None = None) -> Inventory:
    clients: list[dict[str, Any]] = [
        {
            "mac": f"52:54:00:00:00:{mac:02x}",
            "hardware": hardware,
            "location": location,
            "tags": ["old"] * odd,
        }
        for hardware, location, mac in rows
        for odd in [mac % 2]
    ]
    for client, uuid in zip(clients, uuids or [], strict=False):
        client["uuid"] = uuid
    tree: dict[str, Any] = {"site": "s", "clients": clients, "groups": GROUPS}
    return inventory_from_tree(tree, Path("inv"))


@given(ROWS)
def test_what_is_told_without_the_members_of_a_group_is_true_of_them(
    rows: list[tuple[str, str, int]],
) -> None:
    inventory = site(rows)
    resolver, clients = inventory.resolver, inventory.clients
    empty = {name: resolver.is_empty([name]) for name in GROUPS}
    kinds = {name: resolver.of_kind(name) for name in GROUPS}
    for name in GROUPS:
        members = resolver.macs(name)
        assert empty[name] is (not members)
        numbers = kinds[name]
        if numbers is not None:
            assert members.points == {clients.macs[row] for n in numbers for row in resolver.kinds.rows[n]}
            assert not members.bounds
    assert resolver.is_empty(["nothing", "some"]) is empty["some"]
    assert kinds["igels"] is not None
    assert kinds["bios"] is not None
    assert [kinds[name] for name in ("marked", "one", "more", "less")] == [None] * 4


def test_a_mac_in_two_rows_is_in_the_groups_of_both() -> None:
    """Two machines of one dock: the kind of its MAC is that of the first row alone."""
    inventory = site([("igel", "lab", 1), ("hp", "lab", 1)], UUIDS)
    assert inventory.resolver.of_kind("igels") is None
    assert [inventory.group(name).size for name in ("igels", "some")] == [1, 1]


@pytest.mark.parametrize("name", ["everyone", "known", "unknown", "nobody"])
def test_a_group_that_always_exists_is_of_no_kind(name: str) -> None:
    inventory = site([("igel", "lab", 1)])
    assert inventory.resolver.of_kind(name) is None
    assert inventory.resolver.is_empty([name]) is (name == "nobody")
