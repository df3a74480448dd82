"""What a registry asks of its database engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

Values = Mapping[str, Any]


class Engine(Protocol):
    """An open database, used by one thread at a time. Every method raises `RegistryError`.

    Statements name their values ``:name``.
    """

    where: str
    shared: bool
    """Whether it is made for several servers."""
    sound: str
    """What is so of every row a server wrote, as far as the engine itself does not see to it."""

    def run(self, statement: str, values: Values = ...) -> int:
        """Run one statement; how many rows it changed."""

    def run_many(self, statement: str, values: Iterable[Values]) -> int:
        """Run one statement for each of some values; how many rows that changed."""

    def fetch(self, query: str, values: Values = ...) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and nobody else's decision comes between."""

    def migrate(self) -> None:
        """Bring the tables to the version of this program."""

    def announce(self) -> None:
        """Inside a transaction: wake whoever listens, once it is done."""

    def listen(self) -> int | None:
        """Begin to listen; the descriptor that can be read once somebody announced. None: there is none, ask
        again and again."""

    def heard(self) -> None:
        """Take in what was announced."""

    def usable(self) -> bool:
        """Whether this is still the database it was when it was opened."""

    def close(self) -> None:
        """Close it."""
