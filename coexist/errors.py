"""The exception tree, and the place and remedy every complaint about input carries.

An exception means "could not do it". It is caught once, in the command line. What a
server receives from the network is never exceptional: see ``coexist.wire.bootp.Malformed``
and ``coexist.boot``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from coexist.records import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file the administrator wrote: line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with an input, where it stands, and what to write instead."""

    position: Position
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.position}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


def unreadable(
    error: OSError,
    place: Position,
    name: str = "the file",
    remedy: str = "check its name and permissions",
) -> Problem:
    """That a file cannot be read, in the words of the operating system."""
    return Problem(place, f"{name} cannot be read: {error.strerror}", remedy)


class CoexistError(Exception):
    """Something could not be done; the text is one sentence for the person at the terminal."""

    exit_code = 2


Decision = Literal[
    "reason", "overwrite", "overwrite-file", "force", "history", "gate", "objections", "staying", "go-on",
    "migration", "again",
]  # fmt: skip
"""What whoever asks may decide. A terminal and a browser each have their own words for how it is said."""


class UndecidedError(CoexistError):
    """Something is not done until whoever asks decides more: ``decision``."""

    def __init__(self, message: str, decision: Decision) -> None:
        self.decision: Decision = decision
        super().__init__(message)


class InputError(CoexistError):
    """An input was refused. ``problems`` holds every reason, in the order of their places."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class HostError(CoexistError):
    """A host could not be reached or did not do what it was asked. ``decision``: what lets it be done."""

    exit_code = 4

    def __init__(self, message: str, decision: Decision | None = None) -> None:
        self.decision = decision
        super().__init__(message)
