"""YAML 1.2 scalars, positions, and what must not be lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import Position, Problem
from coexist.inventory.documents import SourceMap, WrittenFloat, WrittenInt, read_yaml, written


def read(text: str) -> tuple[object, SourceMap, list[Problem]]:
    sources = SourceMap(Position("f.yaml"))
    problems: list[Problem] = []
    return read_yaml(text, "f.yaml", sources, problems), sources, problems


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),  # 41135085296 to a YAML 1.1 loader
        ("10:20", "10:20"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("2026-12-31", "2026-12-31"),
        ("010", 10),
        ("0o17", 15),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("-12", -12),
        ("1.5", 1.5),
        ("525400e12345", float("inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("0b101", "0b101"),
        (".5", 0.5),
        ("1e3", 1000.0),
    ],
)
def test_plain_scalars_follow_the_core_schema(scalar: str, value: object) -> None:
    tree, _, problems = read(f"k: {scalar}\n")
    assert problems == []
    assert tree == {"k": value}
    assert type(tree["k"]) in (type(value), WrittenInt, WrittenFloat)


@pytest.mark.parametrize("text", ["525400123456", "001560123456", "525400e12345", "1.50", "0x1f"])
def test_a_number_remembers_its_text(text: str) -> None:
    tree, _, _ = read(f"- {text}\n")
    assert written(tree[0]) == text  # type: ignore[index]


def test_keys_are_text() -> None:
    assert read("66: a\ntrue: b\n")[0] == {"66": "a", "true": "b"}


def test_positions_of_keys_and_values() -> None:
    _, sources, _ = read("a:\n  b: {c: 1}\nd:\n  - x\n  - y: 2\n")
    assert sources.at(("a", "b")) == Position("f.yaml", 2, 3)
    assert sources.at(("a", "b", "c"), value=True) == Position("f.yaml", 2, 10)
    assert sources.at(("d", 1, "y")) == Position("f.yaml", 5, 5)
    # What was not written down is where its nearest ancestor is.
    assert sources.at(("d", 1, "z", 7)) == Position("f.yaml", 5, 5)
    assert sources.at(("nothing",)) == Position("f.yaml")


def test_a_key_that_stands_twice_is_an_error_with_both_places() -> None:
    _, _, problems = read("a: 1\nb: 2\na: 3\n")
    (problem,) = problems
    assert problem.position == Position("f.yaml", 3, 1)
    assert "line 1" in problem.message


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("a: [1, 2\n", "f.yaml:2:1", "quotes"),
        ("a:\n\t- b\n", "f.yaml:2:1", "spaces"),
        ("a: *nothing\n", "f.yaml:1:4", "anchor"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1", "one document"),
        ("base: &b {x: 1}\nc:\n  <<: *b\n", "f.yaml:3:3", "write the keys out"),
        ("? [1, 2]\n: x\n", "f.yaml:1:3", "key: value"),
        ("a: !ruby/object {x: 1}\n", "f.yaml:1:4", "remove the tag"),
        ("a: &x [*x]\n", "f.yaml:1:4", "write the value out"),
    ],
)
def test_what_is_not_read_is_named(text: str, place: str, remedy: str) -> None:
    _, _, problems = read(text)
    assert len(problems) == 1
    assert str(problems[0].position) == place
    assert remedy in problems[0].remedy


def test_aliases_unfold() -> None:
    assert read("a: &x [1, 2]\nb: *x\n")[0] == {"a": [1, 2], "b": [1, 2]}


def test_aliases_that_explode_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    _, _, problems = read("\n".join(lines) + "\n")
    assert len(problems) == 1
    assert "without end" in problems[0].message


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 100_000, "a: " + "{a: " * 3_000 + "1" + "}" * 3_000, "- " * 50_000 + "a"],
    ids=["lists", "mappings", "one line"],
)
def test_what_nests_deeper_than_the_parser_can_is_refused(text: str) -> None:
    tree, _, problems = read(f"site: x\n{text}\n")
    assert tree is None
    assert [(problem.position.line, bool(problem.remedy)) for problem in problems] == [(2, True)]


def test_many_brackets_side_by_side_are_not_deep() -> None:
    tree, _, problems = read("a: [" + ", ".join(["{b: [c]}"] * 500) + "]\n")
    assert problems == []
    assert isinstance(tree, dict)
    assert len(tree["a"]) == 500


@pytest.mark.parametrize("character", ["\0", "\a", "\x7f", "\ufffe"])
def test_a_character_that_yaml_has_not_is_named_where_it_stands(character: str) -> None:
    _, _, problems = read(f"a: 1\nb: x{character}\n")
    (problem,) = problems
    assert str(problem.position) == "f.yaml:2:5"
    assert f"U+{ord(character):04X}" in problem.message
    assert problem.remedy


def test_an_empty_document_is_nothing() -> None:
    assert read("# only a comment\n")[0] is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    tree, _, problems = read(text)
    assert problems or tree is None or tree is not None
    assert all(p.position.line >= 1 and p.remedy for p in problems)
