"""All clients there can be, cut into classes that behave alike.

The space is every MAC address (2**48) on every VLAN it may stand on, with every architecture and
firmware it may have. Two addresses of one class are members of exactly the same groups that servers,
scopes and the intent speak of, and their rows say the same, so no declaration can tell them
apart: one race answers for all of them. The cut is exact set algebra, never a sample:

- registered clients and addresses written out are *points*; each has a signature, the groups it is in
  (a bit each) and what its row says of VLAN, architecture and firmware;
- everything between them is intervals, cut at every boundary of an OUI, prefix or range.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from itertools import chain, compress
from typing import TypeAlias

from coexist.analysis.profiles import Profile, profiles_of, vlans_of
from coexist.errors import Position
from coexist.inventory import Inventory, MacSet
from coexist.inventory.groups import ROW
from coexist.inventory.kinds import Picked
from coexist.records import dataclass
from coexist.wire.mac import MAC_SPACE

KNOWN, RESERVED = 1, 2
"""The two lowest bits of a signature: registered, and registered with an address of its own."""
_FIRST_GROUP = 2
# A locally administered unicast address: what an unregistered machine is shown as, where it fits.
_STRANGER = 0x02_00_00_00_00_01
_MULTICAST = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class MacClass:
    """Addresses no declaration can tell apart.

    ``signature``: a bit for each group of `Space.bits`, and `KNOWN`, `RESERVED`. ``witness``: one of
    them; ``name``: as it is registered, else empty.
    """

    number: int
    signature: int
    bounds: tuple[int, ...]
    points: Collection[int] = field(repr=False)
    size: int
    witness: int
    name: str
    vlans: tuple[str, ...]
    profiles: tuple[Profile, ...]

    @property
    def known(self) -> bool:
        """Whether its members are registered clients."""
        return bool(self.signature & KNOWN)

    @property
    def members(self) -> MacSet:
        """The addresses."""
        return MacSet(self.bounds, frozenset(self.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientClass:
    """A class of equal clients: addresses on one VLAN with one architecture and firmware."""

    macs: MacClass
    vlan: str
    architecture: str
    firmware: str

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return self.macs.size


@dataclass(frozen=True, kw_only=True)
class Space:
    """The whole space as a partition. ``bits``: the signature bit of each group that matters; ``own``: of
    each server by its own files, the bits of the sets of addresses that its files tell apart, in the order in
    which the files have them."""

    inventory: Inventory
    bits: dict[str, int]
    mac_classes: tuple[MacClass, ...]
    own: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def classes(self) -> tuple[ClientClass, ...]:
        """Every class, by VLAN in the order of the inventory."""
        order = {name: number for number, name in enumerate(self.inventory.site.vlans)}
        found = [
            ClientClass(macs=macs, vlan=vlan, architecture=profile.architecture, firmware=profile.firmware)
            for macs in self.mac_classes
            for vlan in macs.vlans
            for profile in macs.profiles
        ]
        return tuple(sorted(found, key=lambda c: (order[c.vlan], c.macs.number)))

    def mask(self, names: Iterable[str]) -> int:
        """The signature bits of some groups: who has one of them is a member of one of the groups.

        ``unknown`` and ``everyone`` have no bit of their own; ask `has`.
        """
        result = 0
        for name in names:
            result |= self.bits.get(name, 0)
        return result

    def own_mask(self, server: str) -> int:
        """All bits of the sets that the own files of a server tell apart; 0 where it has none."""
        return sum(self.own.get(server, ()))

    def has(self, names: Iterable[str], signature: int) -> bool:
        """Whether addresses of this signature are members of any of the groups."""
        for name in names:
            bit = self.bits.get(name)
            if bit is not None:
                if signature & bit:
                    return True
            elif name == "everyone" or (name == "unknown" and not signature & KNOWN):
                return True
        return False

    def class_of(self, mac: int) -> MacClass:
        """The class an address belongs to."""
        return next(c for c in self.mac_classes if mac in c.members)


def relevant_groups(inventory: Inventory) -> list[str]:
    """The groups whose membership can make a difference, in a fixed order."""
    site = inventory.site
    names: dict[str, None] = {}

    def add(groups: Iterable[str]) -> None:
        names.update(dict.fromkeys(group for group in groups if group in site.groups))

    for rule in site.intent:
        add(rule.clients)
        add(rule.unless)
    for server in site.servers.values():
        add(server.answers.groups)
        add(server.delay_for)
        add(server.programs_for)
    for scope in site.scopes.values():
        for scope_rule in scope.rules:
            add(scope_rule.clients or ())
        for pool in scope.pools:
            add(pool.allow)
            add(pool.deny)
    add(name for name, group in site.groups.items() if group.architecture or group.firmware or group.vlan)
    return list(names)


def cut(inventory: Inventory) -> Space:
    """Cut the space of all clients of an inventory."""
    names = relevant_groups(inventory)
    theirs = _sets_of_own_files(inventory)
    alone = [name for name in names if not any(name in named for named in theirs.values())]
    by_kind = {name: made for name in alone if (made := inventory.resolver.of_kind(name)) is not None}
    sets = {name: inventory.group(name) for name in names if name not in by_kind}
    for named in theirs.values():
        sets |= named
    bits = {name: 1 << (_FIRST_GROUP + number) for number, name in enumerate(dict.fromkeys((*names, *sets)))}
    own = {server: tuple(bits[name] for name in named) for server, named in theirs.items()}
    ends, signatures = _intervals(sets, bits)
    points = _points(inventory, sets, bits, by_kind, _Intervals(ends, signatures))
    maker = _Maker(inventory, {name: inventory.site.groups[name] for name in names}, bits)
    classes = [*maker.from_points(points), *maker.from_intervals(points)]
    return Space(inventory=inventory, bits={"known": KNOWN, **bits}, mac_classes=tuple(classes), own=own)


def _sets_of_own_files(inventory: Inventory) -> dict[str, dict[str, MacSet]]:
    """The sets of addresses that servers' own files tell apart, each named by its line."""
    from coexist.boot.own_files import own_config

    found: dict[str, dict[str, MacSet]] = {}
    for server in inventory.site.servers:
        config = own_config(inventory, server)
        if config is None:
            continue
        named = found.setdefault(server, {})
        for macs, origin in config.leases.distinctions.clients:
            name = f"{server} {origin.file}:{origin.line}" if isinstance(origin, Position) else server
            named[name if name not in named else f"{name} ({len(named)})"] = macs
    return found


def _intervals(sets: dict[str, MacSet], bits: dict[str, int]) -> tuple[list[int], list[int]]:
    """The elementary intervals: interval n begins at ``ends[n]`` and has ``signatures[n]``."""
    toggles: dict[int, int] = defaultdict(int)
    toggles[0] = 0
    for name, macs in sets.items():
        for bound in macs.bounds:
            toggles[bound] ^= bits[name]
    toggles.pop(MAC_SPACE, None)
    ends = sorted(toggles)
    signatures, now = [], 0
    for end in ends:
        now ^= toggles[end]
        signatures.append(now)
    return ends, signatures


@dataclass(frozen=True, slots=True)
class _Intervals:
    """The elementary intervals: number n begins at ``ends[n]`` and has ``signatures[n]``."""

    ends: list[int]
    signatures: list[int]

    def at(self, mac: int) -> int:
        """The signature of the interval that has an address."""
        return self.signatures[bisect_right(self.ends, mac) - 1]


_Said: TypeAlias = tuple[int, str, str, str]
"""A signature, and what a row says of VLAN, architecture and firmware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Points:
    """The addresses that are registered or written out. ``rows``: of the registered ones, by what is said of
    them, ascending and in the order of their first rows; ``strangers``: the others, by their signature."""

    rows: dict[_Said, Sequence[int]]
    strangers: dict[int, list[int]]
    intervals: _Intervals


def _points(
    inventory: Inventory,
    sets: dict[str, MacSet],
    bits: dict[str, int],
    by_kind: Mapping[str, frozenset[int]],
    intervals: _Intervals,
) -> _Points:
    """What is said of every registered address and every written-out one.

    ``by_kind``: the groups that follow from the cells of rows, which are asked once for each kind of row;
    of all other ``sets`` each of their addresses counts.
    """
    table, kinds = inventory.clients, inventory.resolver.kinds
    own: dict[int, int] = {}
    for name, macs in sets.items():
        # A point is a member where the intervals of its set say it is not, and the other way round.
        for mac in macs.points:
            own[mac] = own.get(mac, 0) ^ bits[name]
    some, every = table.reserved_rows > 0, table.reserved_rows == len(table)
    reserved = frozenset(compress(table.macs, table.addresses)) if some and not every else frozenset[int]()
    equal = not own and not reserved and len(intervals.ends) == 1
    found: dict[_Said, list[Sequence[int]]] = defaultdict(list)
    for number, (cells, rows) in enumerate(zip(kinds.cells, kinds.rows, strict=True)):
        signature = KNOWN | RESERVED if some and every else KNOWN
        signature |= sum(bits[name] for name, numbers in by_kind.items() if number in numbers)
        vlan, architecture, firmware = cells[: len(ROW)]
        if equal:
            found[signature ^ intervals.signatures[0], vlan, architecture, firmware].append(rows)
            continue
        apart: dict[_Said, list[int]] = defaultdict(list)
        for row in rows:
            mac = table.macs[row]
            more = own.pop(mac, 0) ^ intervals.at(mac) ^ (RESERVED if mac in reserved else 0)
            apart[signature ^ more, vlan, architecture, firmware].append(row)
        for said, some_rows in apart.items():
            found[said].append(some_rows)
    joined = {said: lists[0] if len(lists) == 1 else sorted(chain(*lists)) for said, lists in found.items()}
    strangers: dict[int, list[int]] = defaultdict(list)
    for mac in sorted(own):
        strangers[own[mac] ^ intervals.at(mac)].append(mac)
    in_order = sorted(joined.items(), key=lambda item: item[1][0])
    return _Points(rows=dict(in_order), strangers=dict(sorted(strangers.items())), intervals=intervals)


class _Maker:
    """Makes the classes; equal signatures and rows share VLANs and profiles."""

    def __init__(self, inventory: Inventory, groups: dict[str, object], bits: dict[str, int]) -> None:
        self.inventory = inventory
        self.saying = [
            (bits[name], group)
            for name, group in inventory.site.groups.items()
            if name in groups and (group.architecture or group.firmware or group.vlan)
        ]
        self.made = 0

    def from_points(self, points: _Points) -> Iterator[MacClass]:
        table = self.inventory.clients
        for (signature, *said), rows in points.rows.items():
            vlan, architecture, firmware = said
            row = (vlan, architecture, firmware)
            members = Picked(table.macs, rows)
            yield self._make(signature, (), members, len(rows), table.macs[rows[0]], row, table.name(rows[0]))
        for signature, macs in points.strangers.items():
            yield self._make(signature, (), macs, len(macs), macs[0])

    def from_intervals(self, points: _Points) -> Iterator[MacClass]:
        """What is left between the points."""
        ends, signatures = points.intervals.ends, points.intervals.signatures
        bounds: dict[int, list[int]] = {}
        for number, (first, signature) in enumerate(zip(ends, signatures, strict=True)):
            end = ends[number + 1] if number + 1 < len(ends) else MAC_SPACE
            cuts = bounds.setdefault(signature, [])
            if cuts and cuts[-1] == first:
                cuts[-1] = end
            else:
                cuts += (first, end)
        taken, is_taken = self._taken(points), self._is_taken(points)
        for signature, cuts in bounds.items():
            holes = taken.get(signature, ())
            size = sum(cuts[1::2]) - sum(cuts[::2]) - len(holes)
            if size:
                yield self._make(signature, tuple(cuts), holes, size, _stranger(cuts, is_taken))

    def _taken(self, points: _Points) -> Mapping[int, Collection[int]]:
        """The points, each once, by the signature of the intervals they stand in."""
        table, intervals = self.inventory.clients, points.intervals
        if len(intervals.ends) == 1 and not points.strangers and not table.repeated:
            return {intervals.signatures[0]: table.macs}
        found: dict[int, list[int]] = defaultdict(list)
        for mac in table.known.union(*points.strangers.values()):
            found[intervals.at(mac)].append(mac)
        return found

    def _is_taken(self, points: _Points) -> Callable[[int], bool]:
        """Whether an address is one of the points."""
        strangers = frozenset(chain.from_iterable(points.strangers.values()))
        return lambda mac: mac in strangers or self.inventory.clients.row(mac) is not None

    def _make(
        self,
        signature: int,
        bounds: tuple[int, ...],
        points: Collection[int],
        size: int,
        witness: int,
        row: tuple[str, str, str] = ("", "", ""),
        name: str = "",
    ) -> MacClass:
        vlan, architecture, firmware = row
        groups = [group for bit, group in self.saying if signature & bit]
        site = self.inventory.site
        self.made += 1
        return MacClass(
            number=self.made,
            signature=signature,
            bounds=bounds,
            points=points,
            size=size,
            witness=witness,
            name=name,
            vlans=vlans_of(site, vlan, groups),
            profiles=profiles_of(site, architecture, firmware, groups),
        )


def _stranger(bounds: list[int], is_taken: Callable[[int], bool]) -> int:
    """An address of these intervals that a machine could have: unicast, and easy to read if possible."""
    for first, end in zip(bounds[::2], bounds[1::2], strict=True):
        if first <= _STRANGER < end and not is_taken(_STRANGER):
            return _STRANGER
    found = None
    for first, end in zip(bounds[::2], bounds[1::2], strict=True):
        # The first address of a block is rarely given out: begin with the second.
        candidate = first + 1
        while candidate < end and is_taken(candidate):
            candidate += 1
        if candidate >= end:
            candidate = first
            if is_taken(candidate):
                continue
        if not candidate & _MULTICAST:
            return candidate
        found = candidate if found is None else found
    if found is None:
        raise ValueError("the intervals hold no free address")
    return found
