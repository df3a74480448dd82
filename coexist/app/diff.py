"""Compare two versions of an inventory: for every client there can be, what its boot changes to.

Both spaces of clients are cut into classes; a MAC is in one class of each. The pairs of classes that hold a
common MAC are found exactly, point by point and interval by interval, so that no client is left out and
none is sampled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coexist.app.current import analyse_now
from coexist.errors import CoexistError
from coexist.records import dataclass
from coexist.wire.mac import MAC_SPACE

if TYPE_CHECKING:
    from coexist.analysis import Analysis
    from coexist.analysis.findings import Finding
    from coexist.analysis.races import Finish
    from coexist.analysis.site import AnalysedSite
    from coexist.analysis.space import MacClass, Space

LATER = 0.5
"""Seconds by which the request for a file must move to count as a change."""


class Kind(Enum):
    """What changes for clients; the gravest first."""

    NOBODY = "boot from nobody now"
    CHANCE = "are decided by milliseconds now"
    ELSEWHERE = "boot from elsewhere now"
    BOOTS = "boot now, and did not"
    FILE = "load another file now"
    LATER = "boot later now"
    EARLIER = "boot earlier now"
    APPEARS = "may stand here now, and could not"
    GOES = "cannot stand here any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a client's boot can end: the servers it may boot from (None for nobody), the files it may load,
    and when it asks at the latest, in seconds. ``second``: the same servers for the iPXE it may load."""

    winners: tuple[str | None, ...]
    files: tuple[str, ...]
    seconds: float | None
    second: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Clients of one VLAN and profile whose boot changes alike. ``before`` or ``after`` is None where they
    cannot stand there. ``witness`` is one of them, ``name`` as it is registered."""

    kind: Kind
    vlan: str
    architecture: str
    firmware: str
    clients: int
    witness: int
    name: str
    groups: tuple[str, ...]
    before: End | None
    after: End | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changes between two versions of an inventory."""

    old: str
    new: str
    changes: tuple[Change, ...]
    gone: tuple[Finding, ...]
    appeared: tuple[Finding, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing changes for any client and no finding came or went."""
        return not (self.changes or self.gone or self.appeared)


def compare(old: Path, new: Path, today: date, *, names: tuple[str, str] | None = None) -> Difference:
    """Compare the inventories at two paths; ``names`` is what they are called in the result.

    Raises `InputError` for one that cannot be read.
    """
    first, second = analyse_now(old, today), analyse_now(new, today)
    gone, appeared = _findings(first, second)
    called = names or (str(old), str(new))
    return Difference(
        old=called[0], new=called[1], changes=_changes(first.site, second.site), gone=gone, appeared=appeared
    )


def compare_versions(old: str, new: str, path: Path, today: date) -> Difference:
    """Compare what two texts name: a directory, a git revision, or REVISION:PATH; ``path`` is where the
    inventory lies for a revision alone. Raises `CoexistError` with what to write instead."""
    from coexist.workspace.revisions import inventory_at_revision

    with inventory_at_revision(old, path) as first, inventory_at_revision(new, path) as second:
        return compare(first, second, today, names=(old, new))


def compare_revisions(path: Path, old: str, new: str, today: date) -> Difference:
    """Compare the inventory at ``path`` as it was at git revision ``old`` with revision ``new``, or with what
    it is now where that is empty. A text is never the name of a file: whoever asks may be far away."""
    from coexist.workspace.revisions import at_revision

    if not old:
        raise CoexistError("name the git revision to compare with: old=HEAD~1")
    with ExitStack() as kept:
        first = kept.enter_context(at_revision(old, path))
        second = kept.enter_context(at_revision(new, path)) if new else path
        return compare(first, second, today, names=(old, new or "now"))


def _findings(old: Analysis, new: Analysis) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings that went, and those that came. One is the same if its code and its declaration are."""
    before = {(finding.code.code, finding.path) for finding in old.findings}
    after = {(finding.code.code, finding.path) for finding in new.findings}
    return (
        tuple(f for f in old.findings if (f.code.code, f.path) not in after),
        tuple(f for f in new.findings if (f.code.code, f.path) not in before),
    )


# -- the clients ----------------------------------------------------------------------------------


class _Row(NamedTuple):
    """Clients whose boot changes alike."""

    kind: Kind
    vlan: str
    architecture: str
    firmware: str
    before: End | None
    after: End | None


def _changes(old: AnalysedSite, new: AnalysedSite) -> tuple[Change, ...]:
    found: dict[_Row, list[_Pair]] = defaultdict(list)
    ends = _Ends(old), _Ends(new)
    for pair in _pairs(old.space, new.space):
        for key in _profiles(pair):
            before, after = ends[0].of(pair.old, *key), ends[1].of(pair.new, *key)
            kind = _kind(before, after)
            if kind is not None:
                found[_Row(kind, *key, before, after)].append(pair)
    order = list(Kind)
    changes = [_change(row, members) for row, members in found.items()]
    return tuple(sorted(changes, key=lambda c: (order.index(c.kind), c.vlan, c.architecture, c.firmware)))


def _change(row: _Row, members: list[_Pair]) -> Change:
    shown = next((pair for pair in members if pair.name), members[0])
    return Change(
        kind=row.kind,
        vlan=row.vlan,
        architecture=row.architecture,
        firmware=row.firmware,
        clients=sum(pair.size for pair in members),
        witness=shown.witness,
        name=shown.name,
        groups=tuple(group for group in shown.groups if all(group in pair.groups for pair in members)),
        before=row.before,
        after=row.after,
    )


def _kind(before: End | None, after: End | None) -> Kind | None:
    if before is None or after is None:
        return Kind.APPEARS if before is None else Kind.GOES
    if before.winners != after.winners or before.second != after.second:
        if None in after.winners and None not in before.winners:
            return Kind.NOBODY
        if len(after.winners) > max(1, len(before.winners)):
            return Kind.CHANCE
        return Kind.BOOTS if before.winners == (None,) else Kind.ELSEWHERE
    if before.files != after.files:
        return Kind.FILE
    if before.seconds is None or after.seconds is None:
        return None
    moved = after.seconds - before.seconds
    if abs(moved) < LATER:
        return None
    return Kind.LATER if moved > 0 else Kind.EARLIER


class _Ends:
    """How the boots of one site end, by class."""

    def __init__(self, site: AnalysedSite) -> None:
        self.site = site
        self._known: dict[tuple[int, str, str, str], End | None] = {}

    def of(self, macs: MacClass, vlan: str, architecture: str, firmware: str) -> End | None:
        key = (macs.number, vlan, architecture, firmware)
        if key not in self._known:
            self._known[key] = self._find(macs, vlan, architecture, firmware)
        return self._known[key]

    def _find(self, macs: MacClass, vlan: str, architecture: str, firmware: str) -> End | None:
        from coexist.analysis.space import ClientClass

        here = vlan in macs.vlans and any(
            (p.architecture, p.firmware) == (architecture, firmware) for p in macs.profiles
        )
        if not here:
            return None
        client = ClientClass(macs=macs, vlan=vlan, architecture=architecture, firmware=firmware)
        finishes = self.site.races.of(client)
        return End(
            winners=_sorted(self.site.winners(client)),
            files=_files(finishes),
            seconds=self.site.seconds(client),
            second=_sorted(self.site.second_winners(client)),
        )


def _sorted(winners: frozenset[str | None]) -> tuple[str | None, ...]:
    return tuple(sorted(winners, key=lambda winner: winner or ""))


def _files(finishes: tuple[Finish, ...]) -> tuple[str, ...]:
    return tuple(sorted({finish.file for finish in finishes if finish.file}))


# -- the common refinement of both spaces -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The MACs that are in one class of the old space and in one of the new."""

    old: MacClass
    new: MacClass
    size: int
    witness: int
    name: str
    groups: tuple[str, ...]


def _profiles(pair: _Pair) -> Iterator[tuple[str, str, str]]:
    """VLAN, architecture and firmware that the members may have before or after."""
    yield from dict.fromkeys(
        (vlan, profile.architecture, profile.firmware)
        for macs in (pair.old, pair.new)
        for vlan in macs.vlans
        for profile in macs.profiles
    )


def _pairs(old: Space, new: Space) -> Iterator[_Pair]:
    sides = _Side(old), _Side(new)
    points = sides[0].points.keys() | sides[1].points.keys()
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for mac in points:
        found[sides[0].number(mac), sides[1].number(mac)].append(mac)
    exact = [(key, len(macs), macs) for key, macs in found.items()]
    for (before, after), size, macs in sorted(exact, key=lambda row: (row[0], min(row[2]))):
        witness = _shown(macs, sides[1].space, sides[0].space)
        yield _pair(sides, before, after, size, witness)
    holes = sorted(points)
    between: dict[tuple[int, int], tuple[int, int]] = {}
    cuts = sorted({*sides[0].starts, *sides[1].starts})
    for first, end in zip(cuts, [*cuts[1:], MAC_SPACE], strict=True):
        key = sides[0].between(first), sides[1].between(first)
        taken = bisect_right(holes, end - 1) - bisect_right(holes, first - 1)
        size, witness = between.get(key, (0, -1))
        usual = sides[1].classes[key[1]].witness
        if first <= usual < end and usual not in points:
            witness = usual
        elif witness < 0:
            witness = _free(first, end, points)
        between[key] = size + end - first - taken, witness
    for (before, after), (size, witness) in between.items():
        if size:
            yield _pair(sides, before, after, size, witness)


def _free(first: int, end: int, taken: set[int]) -> int:
    """An address of the interval that nobody wrote out; -1 if there is none."""
    return next((mac for mac in range(first, end) if mac not in taken), -1)


def _shown(macs: list[int], *spaces: Space) -> int:
    """One of these machines: the first that is registered with a name, if there is one."""
    for space in spaces:
        clients = space.inventory.clients
        for mac in sorted(macs)[:1000]:
            record = clients.find(mac)
            if record is not None and record.name:
                return mac
    return min(macs)


def _pair(sides: tuple[_Side, _Side], before: int, after: int, size: int, witness: int) -> _Pair:
    old, new = sides[0].classes[before], sides[1].classes[after]
    name = ""
    for side in reversed(sides):
        record = side.space.inventory.clients.find(witness)
        name = name or (record.name if record else "")
    bits = sides[1].space.bits
    groups = tuple(group for group, bit in bits.items() if group != "known" and new.signature & bit)
    return _Pair(old=old, new=new, size=size, witness=witness, name=name, groups=groups)


class _Side:
    """One space, to look a MAC's class up in."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.classes = {macs.number: macs for macs in space.mac_classes}
        self.points: dict[int, int] = {}
        intervals: list[tuple[int, int]] = []
        for macs in space.mac_classes:
            if macs.bounds:
                intervals += [(first, macs.number) for first in macs.bounds[::2]]
            else:
                self.points.update(dict.fromkeys(macs.points, macs.number))
        intervals.sort()
        self.starts = [first for first, _ in intervals]
        self._numbers = [number for _, number in intervals]

    def between(self, mac: int) -> int:
        """The class of an address of which nothing is written out."""
        return self._numbers[bisect_right(self.starts, mac) - 1]

    def number(self, mac: int) -> int:
        """The class of an address."""
        found = self.points.get(mac)
        return self.between(mac) if found is None else found
