"""The cells of clients, column by column, each unpacked when somebody asks for it.

A hundred thousand names are a hundred thousand objects, and most questions about a site ask for none of them:
a column of many different cells is kept as one text, one that another process has read as its octets, and one
without any cell by their number.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeAlias

# No plain cell contains it: there it is the end of a row.
_BETWEEN = "\n"

Packed: TypeAlias = str | bytes | memoryview | int
"""Cells joined to one text, so many empty ones, or octets: either or a list, as it was packed."""


class Columns(MutableMapping[str, list[str]]):
    """The cells of each column, by its name; all columns have the same number of cells."""

    def __init__(self, columns: Mapping[str, list[str]] | None = None) -> None:
        self._cells: dict[str, list[str] | Packed] = dict(columns or {})

    def __getitem__(self, name: str) -> list[str]:
        cells = self._cells[name]
        if not isinstance(cells, list):
            cells = self._cells[name] = _unpacked(cells)
        return cells

    def __setitem__(self, name: str, cells: list[str]) -> None:
        self._cells[name] = cells

    def __delitem__(self, name: str) -> None:
        del self._cells[name]

    def __contains__(self, name: object) -> bool:
        return name in self._cells

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def join(self, name: str, parts: list[str]) -> None:
        """Take a column of plain cells: some texts, each of them cells with line ends between them."""
        self._cells[name] = _BETWEEN.join(parts)

    def is_joined(self, name: str) -> bool:
        """Whether a column was taken as a text, as those of many different cells are."""
        return isinstance(self._cells[name], str)

    def packed(self) -> dict[str, bytes]:
        """Every column in a form that another process takes over by `take`."""
        return {
            name: bytes(cells) if isinstance(cells, bytes | memoryview) else marshal.dumps(cells)
            for name, cells in self._cells.items()
        }

    def take(self, packed: Mapping[str, bytes | memoryview]) -> None:
        """Take columns that another process of this program has packed."""
        self._cells.update(packed)

    def take_all(self, columns: Columns, count: int) -> None:
        """Take columns of ``count`` cells; each that is here alone gets so many empty ones."""
        self._cells = {**dict.fromkeys(self._cells, count), **columns._cells}


def _unpacked(cells: Packed) -> list[str]:
    whole = marshal.loads(cells) if isinstance(cells, bytes | memoryview) else cells
    if isinstance(whole, int):
        return [""] * whole
    unpacked: list[str] = whole.split(_BETWEEN) if isinstance(whole, str) else whole
    return unpacked
