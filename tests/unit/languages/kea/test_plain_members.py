"""Members that are read by a pattern are what the reader of every member has, at the same places."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coexist.errors import InputError, Position
from coexist.languages.kea.json_nodes import Node, read_json

NO_FILES: dict[str, str] = {}
# A comment keeps the pattern away from a member; blanks of the same length do not.
COMMENT, BLANKS = "/**/", " \n\t "

names = st.sampled_from(["a", "b", "hw-address", "Straße", 'q"', "x\\y", "", " { "])
scalars = st.one_of(
    st.sampled_from(["text", "", "a,b }", 'say "x"', "tab\t", "back\\slash", "ü", True, False, None]),
    st.integers(-5, 300),
    st.sampled_from([10**17, -(10**19), 1.5, -0.25, 1e9]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(names, inner), max_size=4)),
)


def written(tree: Any, blank: str) -> str:
    if isinstance(tree, list) and all(isinstance(item, tuple) for item in tree):
        members = (f"{json.dumps(k)}{blank}:{written(v, blank)}{blank}" for k, v in tree)
        return "{" + ",".join(members) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(written(item, blank) for item in tree) + "]"
    return json.dumps(tree, ensure_ascii=False)


def said(node: Node) -> Iterator[Any]:
    yield node.at.column, node.value_at.column, type(node.value)
    for key, member in node.members():
        yield key
        yield from said(member)
    for element in node.elements():
        yield from said(element)
    if not isinstance(node.value, dict | list):
        yield node.value, node.text


def outcome(text: str) -> Any:
    try:
        return list(said(read_json(text, "kea.conf", NO_FILES.__getitem__)))
    except InputError as error:
        return [problem.position.column for problem in error.problems]


@given(trees)
@example([("a", 1), ("a", 2)])
@example([("a", "x"), ("b", [("a", 10**19)])])
def test_a_pattern_reads_what_the_reader_reads(tree: Any) -> None:
    assert outcome(written(tree, BLANKS.replace("\n", " "))) == outcome(written(tree, COMMENT))


def test_lines_and_columns_of_members() -> None:
    node = read_json('{ "a":\n   7,\n  "b": "x" ,\n "c": {\n "d": true } }', "kea.conf", NO_FILES.__getitem__)
    a, b = node.value["a"], node.value["b"]
    assert (a.at, a.value_at, a.text) == (Position("kea.conf", 1, 3), Position("kea.conf", 2, 4), "7")
    assert (b.at, b.value_at, b.text) == (Position("kea.conf", 3, 3), Position("kea.conf", 3, 8), '"x"')
    assert node.value["c"].text == '{ "d": true }'


@pytest.mark.parametrize("text", ['{ "a": 1 "b": 2 }', '{ "a": 1x }', '{ "a": 007e }', '{ "a": truer }'])
def test_what_is_no_member_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_json(text, "kea.conf", NO_FILES.__getitem__)


def test_a_value_that_an_include_brings_has_its_name_in_the_file_that_includes() -> None:
    files = {"host.json": '\n "pc"'}
    node = read_json('{ "name": <?include "host.json"?>, "b": 1 }', "kea.conf", files.__getitem__)
    name = node.value["name"]
    assert (str(name.at), str(name.value_at)) == ("kea.conf:1:3", "host.json:2:2")
