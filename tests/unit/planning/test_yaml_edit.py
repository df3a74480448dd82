from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coexist.planning.yaml_edit import EditError, append, apply, drop, flow, put, remove

TEXT = """\
# about the site
site: x
vlans:
  office:            # the first
    id: 10
    relay_to: [a, b] # two
  lab: {id: 20, relay_to: a, blocked: [1]}
servers:
  otc:
    answers:
      only: thin     # a list
    delay: 4

# the end
scopes:
  office:
    rules:
      - clients: phones
        options: {66: x}
    options: {3: 10.0.0.1, 66: y, 67: z}
"""


def read(text: str) -> Any:
    return yaml.safe_load(text)


@pytest.mark.parametrize(
    ("edit", "path", "value", "line"),
    [
        (put, ("servers", "otc", "delay"), 1.5, "    delay: 1.5"),
        (put, ("servers", "otc", "answers"), "intended", "    answers: intended     # a list"),
        (put, ("servers", "otc", "fixed"), True, "    fixed: true"),
        (put, ("vlans", "lab", "id"), 30, "  lab: {id: 30, relay_to: a, blocked: [1]}"),
        (append, ("vlans", "office", "relay_to"), "c", "    relay_to: [a, b, c] # two"),
        (append, ("vlans", "lab", "relay_to"), "c", "  lab: {id: 20, relay_to: [a, c], blocked: [1]}"),
        (append, ("servers", "otc", "roles"), "tftp", "    roles: [tftp]"),
        (append, ("scopes", "office", "rules"), {"clients": "a"}, "      - {clients: a}"),
        (drop, ("vlans", "office", "relay_to"), "a", "    relay_to: [b] # two"),
    ],
)
def test_a_change_touches_one_line_and_keeps_the_rest(edit: Any, path: Any, value: Any, line: str) -> None:
    changed = edit(TEXT, path, value)
    assert line in changed.splitlines()
    assert changed.count("#") == TEXT.count("#")
    assert "# the end" in changed
    assert abs(len(changed.splitlines()) - len(TEXT.splitlines())) <= 1


def test_what_is_removed_takes_its_line_and_no_other() -> None:
    changed = remove(TEXT, ("servers", "otc", "delay"))
    assert read(changed)["servers"]["otc"] == {"answers": {"only": "thin"}}
    assert "\n# the end" in changed
    assert read(remove(TEXT, ("scopes", "office", "options", "66")))["scopes"]["office"]["options"] == {
        3: "10.0.0.1",
        67: "z",
    }


def test_a_mapping_that_would_be_empty_goes_too() -> None:
    assert "answers" not in read(remove(TEXT, ("servers", "otc", "answers", "only")))["servers"]["otc"]
    assert "relay_to" not in read(drop(TEXT, ("vlans", "lab", "relay_to"), "a"))["vlans"]["lab"]


def test_what_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(EditError, match=r"no servers\.otc\.boot_server"):
        remove(TEXT, ("servers", "otc", "boot_server"))


RULES = """\
scopes:
  office:
    rules:
      - architectures: bios   # a
        filename: x           # b
      # about phones
      - filename: y
        options: {60: z}
      - {clients: a, filename: z}
"""


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ((0, "filename"), [{"architectures": "bios"}, {"filename": "y", "options": {60: "z"}}]),
        ((0, "architectures"), [{"filename": "x"}, {"filename": "y", "options": {60: "z"}}]),
        ((1, "filename"), [{"architectures": "bios", "filename": "x"}, {"options": {60: "z"}}]),
        ((1, "options", "60"), [{"architectures": "bios", "filename": "x"}, {"filename": "y"}]),
        ((0,), [{"filename": "y", "options": {60: "z"}}]),
    ],
)
def test_what_stands_in_the_items_of_a_list_is_removed(path: Any, left: Any) -> None:
    changed = apply(RULES, [("remove", ("scopes", "office", "rules", *path), None)])
    assert read(changed)["scopes"]["office"]["rules"] == [*left, {"clients": "a", "filename": "z"}]
    assert "# about phones" in changed


def test_an_item_that_says_nothing_keeps_the_places_of_those_behind_it() -> None:
    at = ("scopes", "office", "rules")
    edits = [("remove", (*at, 1, "options"), None), ("remove", (*at, 1, "filename"), None)]
    changed = apply(RULES, edits)
    assert read(changed)["scopes"]["office"]["rules"][1] == {}
    changed = apply(RULES, [*edits, ("remove", (*at, 2, "clients"), None), ("remove", (*at, 1), None)])
    assert read(changed)["scopes"]["office"]["rules"][1:] == [{"filename": "z"}]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("v: [\n  a,  # one\n  b   # two\n]\n", ["a", "b", "c"]),
        ("v: [a, b, ]\n", ["a", "b", "c"]),
        ("v: []\n", ["c"]),
        ("v:\n  - a # one\n  - b\n", ["a", "b", "c"]),
        ("v:\n- a\n- b", ["a", "b", "c"]),
        ("v: a  # one\n", ["a", "c"]),
    ],
)
def test_an_item_comes_to_a_list_however_it_is_written(text: str, left: list[str]) -> None:
    changed = apply(text, [("append", ("v",), "c")])
    assert read(changed) == {"v": left}
    assert changed.count("#") == text.count("#")


def test_line_ends_and_a_byte_order_mark_stay() -> None:
    text = "\ufeff" + TEXT.replace("\n", "\r\n")
    edits = [("append", ("vlans", "office", "relay_to"), "c"), ("remove", ("servers", "otc", "delay"), None)]
    assert apply(text, edits) == "\ufeff" + apply(TEXT, edits).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("a: &x [1, 2]\nb: *x\n", ("append", ("b",), "3")),  # it would change both
        ("a: &x [1, 2]\nb: *x\n", ("append", ("a",), "3")),
        ("a: &x [1, 2]\nb: *x\n", ("put", ("a",), "3")),  # the anchor would go
        ("a: &x {d: 1, e: 2}\nb: *x\n", ("remove", ("b", "d"), None)),
    ],
)
def test_what_an_anchor_shares_is_refused_and_not_damaged(text: str, edit: Any) -> None:
    with pytest.raises(EditError):
        apply(text, [edit])


scalars = st.one_of(
    st.integers(-5, 5000),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,6}\Z"), inner, max_size=3)
    ),
)


@given(values)
def test_a_value_in_flow_style_is_read_back(value: Any) -> None:
    assert read(f"key: {flow(value)}") == {"key": value}


@given(values.filter(lambda value: value not in ({}, [])), st.sampled_from(["delay", "answers", "new"]))
def test_a_value_that_is_put_is_found_there_and_nothing_else_changed(value: Any, key: str) -> None:
    changed = read(apply(TEXT, [("put", ("servers", "otc", key), value)]))
    assert changed["servers"]["otc"].pop(key) == value
    before = read(TEXT)
    before["servers"]["otc"].pop(key, None)
    assert changed == before


@pytest.mark.parametrize(
    ("text", "edit", "after"),
    [
        ("a: 1  # one\nb: 2\n", ("put", ("a",), 3), "a: 3  # was 1: one\nb: 2\n"),
        ("a: [x]   # alone\n", ("append", ("a",), "y"), "a: [x, y]  # was [x]: alone\n"),
        ("a: [x, y]   # two # of them\n", ("drop", ("a",), "y"), "a: [x]  # was [x, y]: two # of them\n"),
        ("a: 1\nb: 2  # two\n", ("put", ("a",), 3), "a: 3\nb: 2  # two\n"),
        ("a: '#1'  # one\n", ("put", ("a",), "#2"), "a: \"#2\"  # was '#1': one\n"),
        ("a: 3  # was 1: one\n", ("put", ("a",), 4), "a: 4  # was 1: one\n"),
        ("# above\na: 1\n", ("put", ("a",), 3), "# above\na: 3\n"),
    ],
)
def test_a_comment_on_a_changed_line_tells_what_was(
    text: str, edit: tuple[str, tuple[str, ...], object], after: str
) -> None:
    assert apply(text, [edit]) == after
