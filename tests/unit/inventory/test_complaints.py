"""Fifty of a kind, then a number."""

from __future__ import annotations

from coexist.errors import Position, Problem
from coexist.inventory.complaints import MOST_OF_A_KIND, Complaints


def told(count: int) -> tuple[list[Problem], int]:
    complaints, made = Complaints(), 0

    def make(line: int) -> Problem:
        nonlocal made
        made += 1
        return Problem(Position("f", line), "wrong", "right")

    for line in range(1, count + 1):
        complaints.add("a", lambda line=line: make(line))  # type: ignore[misc]
    complaints.add("b", lambda: Problem(Position("g"), "else", "so"))
    return list(complaints), made


def test_few_are_told_as_they_are() -> None:
    problems, _ = told(3)
    assert [str(problem) for problem in problems] == [
        "f:1:1: wrong; right",
        "f:2:1: wrong; right",
        "f:3:1: wrong; right",
        "g:1:1: else; so",
    ]


def test_of_many_the_rest_is_counted_and_never_made() -> None:
    problems, made = told(10_000)
    assert made == len(problems) - 1 == MOST_OF_A_KIND + 1
    assert problems[-2].message.startswith(f"wrong, and {10_000 - MOST_OF_A_KIND - 1} ")
    assert problems[-1].message == "else"
