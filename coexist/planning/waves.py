"""Who moves in which wave: groups, single machines, locations and shares turned into sets of MACs.

A machine with several network cards moves with all of them: cards share the name of their row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import count, zip_longest
from math import ceil

from coexist.boot.answered import answers_of
from coexist.inventory import NOBODY, Inventory, MacSet
from coexist.inventory.models import Migration, Wave
from coexist.records import dataclass
from coexist.wire.mac import parse_mac

LEFT = "left-over"
"""The wave of who is left once every wave has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveMembers:
    """A wave and the MACs that move in it."""

    wave: Wave
    clients: frozenset[int]


def migrating(inventory: Inventory, migration: Migration) -> frozenset[int]:
    """Every registered client the migration is about, those that may stay behind included.

    Not those that the new server answers today and the old one does not: they are there already.
    """
    members = inventory.members(migration.clients) & inventory.known
    on_target = _answered(inventory, migration.target) - _answered(inventory, migration.source)
    return (members - on_target).points


def _answered(inventory: Inventory, server: str) -> MacSet:
    found = NOBODY
    for macs, _ in answers_of(inventory, server):
        found |= macs
    return found


def staying(inventory: Inventory, migration: Migration) -> frozenset[int]:
    """The registered clients that may be left behind."""
    if not migration.stays:
        return frozenset()
    return (MacSet.of(migrating(inventory, migration)) & inventory.members(migration.stays)).points


def plan_waves(
    inventory: Inventory, migration: Migration, moved: dict[str, frozenset[int]] | None = None
) -> tuple[WaveMembers, ...]:
    """The members of every wave, in order; no client is in two.

    ``moved`` has the members of the waves that moved already: they stay as they were, whatever was
    registered since. Once every wave has moved, a last one has who is left: machines that went back alone,
    those that were registered since, and those that no wave took.
    """
    done = moved or {}
    table = _Machines(inventory)
    scope = migrating(inventory, migration) - staying(inventory, migration)
    gone = frozenset().union(*done.values())
    result = []
    for wave in migration.all_waves:
        if wave.name in done:
            clients = done[wave.name]
        else:
            clients = table.macs_of(_chosen(inventory, wave, scope, gone, table)) & scope - gone
            gone |= clients
        result.append(WaveMembers(wave=wave, clients=clients))
    declared = {wave.name for wave in migration.all_waves}
    result += [
        WaveMembers(wave=Wave(name=name), clients=clients)
        for name, clients in done.items()
        if name not in declared
    ]
    left = scope - gone
    if done and left and all(each.wave.name in done or not each.clients for each in result):
        result.append(WaveMembers(wave=Wave(name=_last_name(declared.union(done))), clients=left))
    return tuple(result)


def _last_name(taken: Collection[str]) -> str:
    """A name of the wave of who is left: there may have been one before."""
    names = (LEFT if number == 1 else f"{LEFT}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def left_over(inventory: Inventory, migration: Migration, waves: Iterable[WaveMembers]) -> frozenset[int]:
    """Clients that neither move in a wave nor may stay behind."""
    scope = migrating(inventory, migration) - staying(inventory, migration)
    return scope.difference(*(wave.clients for wave in waves))


class _Machines:
    """Registered machines: a key for each (its name, or its MAC if it has none) and its cards."""

    def __init__(self, inventory: Inventory) -> None:
        table = inventory.clients
        self.key = {
            mac: name or f"{mac:012x}" for mac, name in zip(table.macs, table.columns["name"], strict=True)
        }
        self.columns = {
            name: dict(zip(table.macs, table.columns[name], strict=True)) for name in ("hardware", "location")
        }
        self.cards: dict[str, list[int]] = defaultdict(list)
        for mac, key in self.key.items():
            self.cards[key].append(mac)

    def macs_of(self, keys: Iterable[str]) -> frozenset[int]:
        return frozenset(mac for key in keys for mac in self.cards[key])

    def keys_of(self, macs: Iterable[int]) -> list[str]:
        """Machines in the order of their names; those without one by MAC."""
        return sorted({self.key[mac] for mac in macs})


def _chosen(
    inventory: Inventory,
    wave: Wave,
    scope: frozenset[int],
    gone: frozenset[int],
    table: _Machines,
) -> list[str]:
    free = frozenset(table.keys_of(scope - gone))
    named = [key for key in _named(wave, table) if key in free]
    if wave.machines and not (wave.clients or wave.location or wave.share or wave.size):
        return named
    buckets = _buckets(wave, _selected(inventory, wave, scope, table), table)
    taken = [
        [key for key in keys if key in free][: ceil(wave.share * len(keys)) if wave.share else len(keys)]
        for keys in buckets
    ]
    return list(dict.fromkeys([*named, *_in_turn(taken)]))[: wave.size]


def _named(wave: Wave, table: _Machines) -> list[str]:
    found = []
    for name in wave.machines:
        if name in table.cards:
            found.append(name)
        else:
            found.append(table.key[parse_mac(name)])
    return found


def _selected(inventory: Inventory, wave: Wave, scope: frozenset[int], table: _Machines) -> frozenset[int]:
    """What the groups and locations of a wave leave of the migration's clients."""
    found = scope
    if wave.clients:
        found = (MacSet.of(found) & inventory.members(wave.clients)).points
    if wave.location:
        found = frozenset(mac for mac in found if table.columns["location"][mac] in wave.location)
    return found


def _buckets(wave: Wave, macs: frozenset[int], table: _Machines) -> list[list[str]]:
    """The machines by hardware type or location, each bucket in the order of names."""
    if wave.by == "all":
        return [table.keys_of(macs)]
    found: dict[str, set[str]] = defaultdict(set)
    for mac in macs:
        found[table.columns[wave.by][mac]].add(table.key[mac])
    return [sorted(found[value]) for value in sorted(found)]


def _in_turn(buckets: list[list[str]]) -> Iterator[str]:
    """One of each bucket after the other, so that a limited size still has every kind."""
    for row in zip_longest(*buckets):
        yield from (key for key in row if key is not None)
