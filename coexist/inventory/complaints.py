"""The same mistake in a thousand rows is told fifty times, then counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from coexist.errors import Problem

MOST_OF_A_KIND = 50


class Complaints:
    """Problems of single rows, by kind."""

    def __init__(self) -> None:
        self._told: dict[str, list[Problem]] = defaultdict(list)
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, make: Callable[[], Problem]) -> None:
        """Count a problem; it is made only if it will be told."""
        self._counts[kind] += 1
        if self._counts[kind] <= MOST_OF_A_KIND + 1:
            self._told[kind].append(make())

    def __iter__(self) -> Iterator[Problem]:
        """The problems in the order of their kinds; the last of many says how many more there are."""
        for kind, problems in self._told.items():
            rest = self._counts[kind] - len(problems)
            if rest:
                last = problems[-1]
                yield from problems[:-1]
                yield replace(last, message=f"{last.message}, and {rest} more rows of this kind")
            else:
                yield from problems
