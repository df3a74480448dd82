"""Sets of MAC addresses on integers: exact addresses, OUIs, prefixes, ranges and their algebra.

A set is *intervals* plus *points*: a MAC is a member if exactly one of the two holds it.
That form is closed under complement, keeps a hundred thousand registered machines as one
hash set, and a difference such as "this OUI but not these forty" as one interval and forty
points, so that every operation costs what the operands hold and never the 2**48 addresses
they speak about.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from coexist.records import dataclass
from coexist.wire.mac import MAC_SPACE, format_mac

_NO_BOUNDS: tuple[int, ...] = ()
_ALL_BOUNDS: tuple[int, ...] = (0, MAC_SPACE)


@dataclass(frozen=True, slots=True, eq=False)
class MacSet:
    """An immutable set of MAC addresses.

    ``bounds`` are the ends of disjoint half-open intervals, ascending: start, end, start, end.
    ``points`` are the addresses whose membership differs from what ``bounds`` says.
    """

    bounds: tuple[int, ...] = _NO_BOUNDS
    points: frozenset[int] = frozenset()

    @classmethod
    def of(cls, macs: Iterable[int]) -> MacSet:
        """The set of exactly these addresses."""
        return cls(_NO_BOUNDS, frozenset(macs))

    @classmethod
    def interval(cls, first: int, last: int) -> MacSet:
        """All addresses from ``first`` to ``last``, both included."""
        if not 0 <= first <= last < MAC_SPACE:
            raise ValueError(f"{first:#x} to {last:#x} is not a range of MAC addresses")
        return cls((first, last + 1))

    def __contains__(self, mac: int) -> bool:
        return (bisect_right(self.bounds, mac) & 1 == 1) != (mac in self.points)

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return self.size > 0

    @property
    def size(self) -> int:
        """How many addresses are members."""
        inside = sum(1 for p in self.points if bisect_right(self.bounds, p) & 1) if self.bounds else 0
        covered = sum(self.bounds[1::2]) - sum(self.bounds[::2])
        return covered + len(self.points) - 2 * inside

    def __or__(self, other: MacSet) -> MacSet:
        if self.bounds == other.bounds == _NO_BOUNDS:
            if not (self.points and other.points):
                return self if self.points else other
            return MacSet(_NO_BOUNDS, self.points | other.points)
        return _combine(self, other, lambda a, b: a or b)

    def __and__(self, other: MacSet) -> MacSet:
        if self.bounds == _NO_BOUNDS:
            return _select(self.points, other, keep=True)
        if other.bounds == _NO_BOUNDS:
            return _select(other.points, self, keep=True)
        return _combine(self, other, lambda a, b: a and b)

    def __sub__(self, other: MacSet) -> MacSet:
        if other.bounds == _NO_BOUNDS and not other.points:
            return self
        if self.bounds == _NO_BOUNDS:
            return _select(self.points, other, keep=False)
        if self.bounds == _ALL_BOUNDS and not self.points:
            return ~other
        return _combine(self, other, lambda a, b: a and not b)

    def __xor__(self, other: MacSet) -> MacSet:
        return _combine(self, other, lambda a, b: a != b)

    def __invert__(self) -> MacSet:
        return MacSet(_merge(self.bounds, _ALL_BOUNDS, lambda a, b: b and not a), self.points)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MacSet) and not (self ^ other)

    def __hash__(self) -> int:
        raise TypeError("a MacSet has no canonical form to hash; use id() or a name")

    def isdisjoint(self, other: MacSet) -> bool:
        """Whether no address is a member of both."""
        return not (self & other)

    def intervals(self) -> Iterator[tuple[int, int]]:
        """The members as maximal intervals (first, last), ascending; adjacent addresses are joined."""
        cuts = list(self.bounds)
        for point in self.points:
            cuts += (point, point + 1)
        cuts.sort()
        # A boundary that occurs an even number of times toggles nothing.
        toggles: list[int] = []
        for cut in cuts:
            if toggles and toggles[-1] == cut:
                toggles.pop()
            else:
                toggles.append(cut)
        for i in range(0, len(toggles), 2):
            yield toggles[i], toggles[i + 1] - 1

    def sample(self) -> int | None:
        """One member, always the same: the lowest exact address if there is one, else the lowest."""
        exact = [p for p in self.points if not bisect_right(self.bounds, p) & 1]
        if exact:
            return min(exact)
        return next((first for first, _ in self.intervals()), None)

    def __repr__(self) -> str:
        shown: list[str] = []
        for first, last in self.intervals():
            if len(shown) == 4:
                shown.append("...")
                break
            shown.append(format_mac(first) if first == last else f"{format_mac(first)}-{format_mac(last)}")
        return f"MacSet({', '.join(shown)}; {self.size})"


def _select(points: frozenset[int], other: MacSet, *, keep: bool) -> MacSet:
    """Those of ``points`` whose membership in ``other`` is ``keep``."""
    if other.bounds == _NO_BOUNDS:
        chosen = points & other.points if keep else points - other.points
    elif other.bounds == _ALL_BOUNDS:
        chosen = points - other.points if keep else points & other.points
    else:
        chosen = frozenset(p for p in points if (p in other) == keep)
    return MacSet(_NO_BOUNDS, chosen)


def _merge(a: tuple[int, ...], b: tuple[int, ...], member: Callable[[bool, bool], bool]) -> tuple[int, ...]:
    """The boundaries of the interval part of a combination."""
    result: list[int] = []
    i = j = 0
    inside = member(False, False)
    if inside:
        raise ValueError("a combination may not hold what neither operand holds")
    while i < len(a) or j < len(b):
        cut = min(a[i] if i < len(a) else MAC_SPACE, b[j] if j < len(b) else MAC_SPACE)
        while i < len(a) and a[i] == cut:
            i += 1
        while j < len(b) and b[j] == cut:
            j += 1
        now = member(i & 1 == 1, j & 1 == 1)
        if now != inside:
            result.append(cut)
            inside = now
    return tuple(result)


def _combine(a: MacSet, b: MacSet, member: Callable[[bool, bool], bool]) -> MacSet:
    bounds = _merge(a.bounds, b.bounds, member)
    points = frozenset(
        p for p in a.points | b.points if member(p in a, p in b) != (bisect_right(bounds, p) & 1 == 1)
    )
    return MacSet(bounds, points)


NOBODY = MacSet()
EVERYONE = MacSet(_ALL_BOUNDS)
