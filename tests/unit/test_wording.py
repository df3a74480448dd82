"""Tests hold codes, places, values and classes of errors, not sentences, which can be put better.

A sentence is held where a program's words are compared with four or more words of prose in a row. A text
that the same module hands in is a value, whatever it reads like: a reason, a comment, a row of a file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

PROSE = re.compile(r"(?<![\w.<>/'\"-])(?:[A-Za-z]+[,:;]? ){3}[A-Za-z]{2,}(?![\w/<=-])")

TOLD = frozenset(
    [
        "alternatives",
        "because",
        "body",
        "complaint",
        "complaints",
        "err",
        "error",
        "html",
        "message",
        "messages",
        "note",
        "out",
        "output",
        "page",
        "problem",
        "problems",
        "refusal",
        "remarks",
        "remedy",
        "repair",
        "said",
        "stderr",
        "stdout",
        "text",
        "texts",
        "told",
        "value",
        "what",
        "why",
        "words",
    ]
)
"""What tests call the words of a program."""

ELSEWHERE = {
    "Failover peer p has no referring pools": "dhcpd's own words, which the finding repeats",
    "No valid offer received": "the firmware's own words beside its code PXE-E16",
    "Too many nested include": "Kea's own words, which the finding repeats",
    "all attacks ran to the end": "the last line of the program that a test starts",
    "asks to be registered": "the name of an event in the log",
    "waits at the PXE menu": "the name of an end of a race, beside the firmware's own codes",
}
"""A phrase that is no sentence of coexist's, and whose it is."""


def _names(node: ast.expr) -> set[str]:
    """Every name, attribute and key by which an expression comes to its value."""
    return {
        word.strip("_")
        for part in ast.walk(node)
        for name in (
            [part.id] if isinstance(part, ast.Name)
            else [part.attr] if isinstance(part, ast.Attribute)
            else [part.value] if isinstance(part, ast.Constant) and isinstance(part.value, str)
            else []
        )
        for word in re.split(r"[^a-z]+", name.lower() if " " not in name else "")
    }  # fmt: skip


def _texts(node: ast.AST) -> Iterator[ast.Constant]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
            yield part


def _plain(constant: ast.Constant) -> str:
    value = constant.value
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def sentences(source: str) -> list[tuple[int, str]]:
    """The line and the text of every sentence that the tests of a module hold."""
    tree = ast.parse(source)
    held: dict[int, ast.Constant] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "match":
            held.update((id(text), text) for text in _texts(node.value))
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for side in sides:
                others = [other for other in sides if other is not side]
                if TOLD & {name for other in others for name in _names(other)}:
                    held.update((id(text), text) for text in _texts(side))
    handed_in = [_plain(text) for text in _texts(tree) if id(text) not in held]
    return sorted(
        (text.lineno, phrase[0])
        for text in held.values()
        for phrase in [PROSE.search(_plain(text))]
        if phrase is not None
        and not any(phrase[0] in given for given in handed_in)
        and not any(theirs in _plain(text) for theirs in ELSEWHERE)
    )


@pytest.mark.parametrize("room", sorted(path.name for path in TESTS.iterdir() if path.is_dir()))
def test_no_test_holds_a_sentence(room: str) -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}: {text!r}"
        for path in sorted((TESTS / room).rglob("*.py"))
        for line, text in sentences(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_exception_has_become_useless() -> None:
    everything = "".join(
        path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py") if path != Path(__file__)
    )
    assert [phrase for phrase in ELSEWHERE if phrase not in everything] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("with raises(E, match='it cannot be read here'):\n pass", 1),
        ("assert 'it cannot be read here' in finding.message", 1),
        ("assert 'it cannot be read here' in capsys.readouterr().err", 1),
        ("assert 'it cannot be read here' in str(caught.value)", 1),
        ("assert told == ['a.yaml:1:1: it cannot be read here']", 1),
        ("assert (refusal.code, b'it cannot be read here' in refusal.message) == (2, True)", 1),
        ("assert f'{name}: it cannot be read {here}' in told['why']", 1),
        ("assert 'site.yaml:1:1: cannot be read' in told", 0),
        ("assert 'it cannot be read here' in names", 0),
        ("say('it cannot be read here')\nassert 'it cannot be read here' in told", 0),
        ("assert finding.code == 'CX101', 'why it is held is told here'", 0),
    ],
)
def test_what_a_sentence_is(source: str, found: int) -> None:
    assert len(sentences(source)) == found
