"""Numbers with what they count."""

from __future__ import annotations

import ast
import re

import pytest

from coexist.text.amounts import amount
from tests.conftest import ROOT

ROOMS = ("app", "cli", "planning", "render", "report", "rollout")
COUNTED = re.compile(r" (?:more )?(addresses|answers|changes|clients|complaints|items|lines|machines)\b")
"""What people count, behind a number."""


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1200, ("file",), "1,200 files"),
        (1, ("class", "classes"), "1 class"),
        (3, ("class", "classes"), "3 classes"),
    ],
)
def test_one_has_no_plural(number: int, words: tuple[str, ...], said: str) -> None:
    assert amount(number, *words) == said


def counts(text: str) -> list[int]:
    """Lines of a module that put a plural behind a number whatever the number is."""
    return [
        joined.lineno
        for joined in ast.walk(ast.parse(text))
        if isinstance(joined, ast.JoinedStr)
        for number, words in zip(joined.values, joined.values[1:], strict=False)
        if isinstance(number, ast.FormattedValue)
        and isinstance(words, ast.Constant)
        and COUNTED.match(str(words.value))
        and (
            "len(" in (said := ast.unparse(number.value))
            or "touched(" in said
            or said.endswith((".size", "clients", "count"))
        )
    ]


def test_what_is_read_says_one_client_and_not_one_clients() -> None:
    modules = [path for room in ROOMS for path in sorted((ROOT / "coexist" / room).rglob("*.py"))]
    assert [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules
        for line in counts(path.read_text(encoding="utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('f"{len(x)} clients"', 1),
        ('f"{told.clients} clients of it"', 1),
        ('f"and {len(x) - 2} more lines"', 1),
        ("f\"{amount(len(x), 'client')} of it\"", 0),
        ('f"{firmware} clients of {name}"', 0),
    ],
)
def test_which_plurals_are_seen(text: str, found: int) -> None:
    assert len(counts(text)) == found
