"""Registered clients told apart by what their rows say."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from operator import eq

from coexist.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """The registered clients told apart by some columns: ``cells`` of each kind in the order of ``columns``,
    and its ``rows``, ascending. Kinds stand in the order of their first rows.

    A MAC that stands in several rows is told apart by the first one.
    """

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[Sequence[int], ...]

    def having(self, tests: Iterable[tuple[str, frozenset[str]]]) -> frozenset[int]:
        """The numbers of the kinds whose columns have one of the wanted values each."""
        fitting = [
            frozenset().union(*(self._numbers[self.columns.index(name)].get(value, ()) for value in values))
            for name, values in tests
        ]
        return frozenset.intersection(*fitting)

    def values(self, name: str) -> frozenset[str]:
        """Every value of a column."""
        place = self.columns.index(name)
        return frozenset(cells[place] for cells in self.cells)

    def by(self, columns: tuple[str, ...]) -> Kinds:
        """The clients told apart by some of these columns only."""
        places = [self.columns.index(name) for name in columns]
        joined: dict[tuple[str, ...], list[Sequence[int]]] = defaultdict(list)
        for cells, rows in zip(self.cells, self.rows, strict=True):
            joined[tuple(map(cells.__getitem__, places))].append(rows)
        found = tuple(one[0] if len(one) == 1 else sorted(chain(*one)) for one in joined.values())
        return Kinds(columns=columns, cells=tuple(joined), rows=found)

    @cached_property
    def _numbers(self) -> tuple[dict[str, list[int]], ...]:
        """The kinds that have each value, by column."""
        found: tuple[dict[str, list[int]], ...] = tuple(defaultdict(list) for _ in self.columns)
        for number, cells in enumerate(self.cells):
            for having, cell in zip(found, cells, strict=True):
                having[cell].append(number)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Picked(Collection[int]):
    """The numbers of some rows, without a copy of them."""

    numbers: array[int]
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, number: object) -> bool:
        return any(map(partial(eq, number), self))

    def __iter__(self) -> Iterator[int]:
        return map(self.numbers.__getitem__, self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picked) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


def spans_of(kinds: Kinds, addresses: array[int]) -> dict[str, tuple[int, int]]:
    """The lowest and the highest address of the clients of each VLAN, as numbers."""
    place = kinds.columns.index("vlan")
    found: dict[str, tuple[int, int]] = {}
    for cells, rows in zip(kinds.cells, kinds.rows, strict=True):
        numbers = list(map(addresses.__getitem__, rows))
        low, high = found.get(cells[place], (numbers[0], numbers[0]))
        found[cells[place]] = min(low, *numbers), max(high, *numbers)
    return found


def told_apart(
    columns: Mapping[str, list[str]], names: tuple[str, ...], rows: Iterable[int] | None = None
) -> Kinds:
    """Clients by the columns of these names. ``rows``: those that count, ascending; None: all."""
    found: dict[tuple[str, ...], list[int]] = {}
    cells = [columns[name] for name in names]
    if rows is None:
        numbered: Iterable[tuple[int, tuple[str, ...]]] = enumerate(zip(*cells, strict=True))
    else:
        numbered = ((row, tuple(column[row] for column in cells)) for row in rows)
    for row, key in numbered:
        try:
            found[key].append(row)
        except KeyError:
            found[key] = [row]
    return Kinds(columns=names, cells=tuple(found), rows=tuple(found.values()))
