"""Columns of cells that are unpacked when somebody asks for them."""

from __future__ import annotations

from coexist.inventory.columns import Columns


def test_a_column_of_many_cells_is_one_text_until_it_is_asked_for() -> None:
    columns = Columns()
    columns.join("name", ["a\nb", "c"])
    columns["hardware"] = ["x", "", "x"]
    assert columns.is_joined("name")
    assert not columns.is_joined("hardware")
    assert columns["name"] == ["a", "b", "c"]
    assert not columns.is_joined("name")


def test_packed_columns_are_taken_over_as_they_were() -> None:
    columns = Columns()
    columns.join("name", ["a\n", "c"])
    columns["hardware"] = ["x", "ü\n", "x"]
    taken = Columns()
    taken.take(columns.packed())
    assert dict(taken) == {"name": ["a", "", "c"], "hardware": ["x", "ü\n", "x"]}
    assert taken == columns
    again = Columns()
    again.take(taken.packed())
    third = Columns()
    third.take(again.packed())
    assert third == columns


def test_a_column_that_only_one_side_has_is_empty_on_the_other() -> None:
    columns = Columns({"name": [], "tags": []})
    columns.take_all(Columns({"name": ["a", "b"], "rack": ["r1", "r2"]}), 2)
    assert list(columns) == ["name", "tags", "rack"]
    assert dict(columns) == {"name": ["a", "b"], "tags": ["", ""], "rack": ["r1", "r2"]}


def test_a_column_that_was_asked_for_is_the_one_that_is_kept() -> None:
    columns = Columns()
    columns.join("name", ["a\nb"])
    columns["name"].append("c")
    assert columns["name"] == ["a", "b", "c"]
    assert "name" in columns
    assert "rack" not in columns
    assert len(columns) == 1
