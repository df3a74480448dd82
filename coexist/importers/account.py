"""What an import understood and what it did not: nothing of a source is lost without a line about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace

from coexist.errors import Position
from coexist.records import dataclass
from coexist.text.redaction import redacted


class Harmless(str):
    """A reason to leave a statement out that says besides: without it no machine boots differently."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class NotModelled:
    """A statement that is not in the inventory, or not all of it: where, what, and why.

    ``harmless``: without it every machine is told the same about its boot.
    """

    position: Position
    statement: str
    why: str
    harmless: bool = False


@dataclass(slots=True)
class Account:
    """Every statement of a source ends as modelled or as a `NotModelled`."""

    _modelled: set[Position] = field(default_factory=set)
    _left: dict[tuple[Position, str], NotModelled] = field(default_factory=dict)

    def modelled(self, position: Position) -> None:
        """The statement is in the inventory, or has no effect of its own."""
        self._modelled.add(position)

    def left_out(self, position: Position, statement: str, why: str) -> None:
        """The statement is not in the inventory. The list is shown and kept, so secrets are hidden in it."""
        entry = NotModelled(position, redacted(statement), redacted(why), isinstance(why, Harmless))
        self._left[position, why] = entry

    def also(self, position: Position, more: str) -> None:
        """The statement at a position stands elsewhere too, word for word; said of it if it is left out."""
        for key, entry in self._left.items():
            if key[0] == position:
                self._left[key] = replace(entry, statement=redacted(f"{entry.statement} {more}"))

    def close(self, statements: Iterable[tuple[Position, str]]) -> tuple[NotModelled, ...]:
        """All that was left out, in the order of the source, and those of ``statements`` nobody mentioned."""
        mentioned = self._modelled | {position for position, _ in self._left}
        for position, text in statements:
            if position not in mentioned:
                self.left_out(position, text, "not understood")
        return tuple(sorted(self._left.values()))

    def is_modelled(self, position: Position) -> bool:
        """Whether somebody said that the statement is in the inventory."""
        return position in self._modelled

    def is_mentioned(self, position: Position) -> bool:
        """Whether somebody said something of the statement."""
        return position in self._modelled or any(place == position for place, _ in self._left)
