"""From the names of groups to sets of MAC addresses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from pathlib import Path
from uuid import UUID

from coexist.errors import Problem
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import SourceMap
from coexist.inventory.files import read_named, shown
from coexist.inventory.kinds import Kinds
from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.inventory.models import Group, Site, mac_range
from coexist.wire.mac import parse_mac_prefix

BUILT_IN = ("everyone", "known", "unknown", "nobody")

ROW = ("vlan", "architecture", "firmware")
"""The columns that say what a client is and where it stands."""
# So many kinds of clients are no burden, even if each client is one.
_SMALL = 4096
_BY_ROWS = {"where", "architecture", "firmware", "vlan"}
"""What may be said of a group whose members follow from the cells of their rows alone."""


class GroupResolver:
    """Resolves each group once. Names that do not exist and circles resolve to nobody and are
    reported by ``references``; reading goes on so that one run names every mistake."""

    def __init__(self, site: Site, clients: ClientTable, root: Path, sources: SourceMap) -> None:
        self._site = site
        self._clients = clients
        self._root = root
        self._sources = sources
        self._resolved = {"everyone": EVERYONE, "nobody": NOBODY}
        self._open: list[str] = []
        self._by_kind: dict[str, frozenset[int] | None] = {}
        self.problems: list[Problem] = []

    def macs(self, name: str) -> MacSet:
        """The members of a group."""
        if name in self._resolved:
            return self._resolved[name]
        if name in ("known", "unknown"):
            return self._registered(name)
        group = self._site.groups.get(name)
        if group is None:
            return NOBODY
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            place = self._sources.at(("groups", name))
            self.problems.append(
                Problem(place, f"the group contains itself: {circle}", "remove one of the references")
            )
            return NOBODY
        self._open.append(name)
        try:
            found = self._members(name, group)
        finally:
            self._open.pop()
        self._resolved[name] = found
        return found

    def _registered(self, name: str) -> MacSet:
        known = MacSet.of(self._clients.known)
        self._resolved |= {"known": known, "unknown": ~known}
        return self._resolved[name]

    @cached_property
    def kinds(self) -> Kinds:
        """The registered clients told apart by what their rows say of them, and by each column that a group
        asks for and that has few values."""
        asked = {column for group in self._site.groups.values() for column in group.where}
        table, small = self._clients, len(self._clients) <= _SMALL
        fit = (name for name in asked if name in table.columns and name != "tags")
        few = sorted(name for name in fit if small or table.repeats(name))
        return self._clients.kinds(tuple(dict.fromkeys((*ROW, *few))))

    def of_kind(self, name: str) -> frozenset[int] | None:
        """The numbers of the kinds that a group is made of; None for one that other things make too."""
        if name not in self._by_kind:
            self._by_kind[name] = self._kinds_of(name)
        return self._by_kind[name]

    def _kinds_of(self, name: str) -> frozenset[int] | None:
        group = self._site.groups.get(name)
        if group is None or not group.where or not group.model_fields_set <= _BY_ROWS:
            return None
        return self._having(group) if self._by_cells(group) else None

    def is_empty(self, names: Iterable[str]) -> bool:
        """Whether nobody is a member of any of the groups. Those of kinds are not resolved for it."""
        return not any(self.of_kind(name) or self.macs(name) for name in names)

    def examine(self, name: str) -> None:
        """Note what is wrong with the members of a group; with those that follow from rows nothing is."""
        if self.of_kind(name) is None:
            self.macs(name)

    def uuids(self, name: str, above: frozenset[str] = frozenset()) -> tuple[UUID, ...]:
        """The machines that a group names by their UUID, those of the groups in it included."""
        group = self._site.groups.get(name)
        if group is None or name in above:
            return ()
        inner = [uuid for other in group.groups for uuid in self.uuids(other, above | {name})]
        without = {uuid for other in group.excluded for uuid in self.uuids(other, above | {name})}
        return tuple(dict.fromkeys(u for u in (*map(UUID, group.uuid), *inner) if u not in without))

    def union(self, names: tuple[str, ...]) -> MacSet:
        """The members of any of the groups."""
        if len(names) == 1:
            return self.macs(names[0])
        result = NOBODY
        for name in names:
            result |= self.macs(name)
        return result

    def _members(self, name: str, group: Group) -> MacSet:
        result = MacSet.of(group.macs)
        if group.where and self._is_asked(group):
            result |= MacSet.of(map(self._clients.macs.__getitem__, self._rows(group)))
        for text in group.uuid:
            result |= MacSet.of(self._clients.cards.get(UUID(text), ()))
        if group.file:
            result |= self._from_file(name, group.file)
        for text in (*group.oui, *group.prefix):
            result |= MacSet.interval(*parse_mac_prefix(text))
        for text in group.range:
            result |= MacSet.interval(*mac_range(text))
        return (result | self.union(group.groups)) - self.union(group.excluded)

    def _is_asked(self, group: Group) -> bool:
        """Whether every column that a group asks for is there."""
        return {*group.where} <= self._clients.columns.keys()

    def _by_cells(self, group: Group) -> bool:
        """Whether the rows that a group asks for are those of some kinds."""
        # A MAC in several rows is of one kind, and in the groups of each of its rows.
        return {*group.where} <= {*self.kinds.columns} and not self._clients.repeated

    def _having(self, group: Group) -> frozenset[int]:
        return self.kinds.having((column, frozenset(values)) for column, values in group.where.items())

    def _rows(self, group: Group) -> Iterable[int]:
        """The rows that a group asks for by their cells."""
        if not self._by_cells(group):
            return self._clients.rows(group.where.items())
        return chain.from_iterable(map(self.kinds.rows.__getitem__, self._having(group)))

    def _from_file(self, name: str, file: str) -> MacSet:
        place = self._sources.at(("groups", name, "file"), value=True)
        data = read_named(self._root, file, place, self.problems)
        if data is None:
            return NOBODY
        table, known = ClientTable(), len(self.problems)
        table.add_csv(data, shown(self._root / file), self.problems, (self._root / file).read_bytes)
        if not len(table) and len(self.problems) == known:
            self.problems.append(Problem(place, f"{file} lists no client", "add one, or remove the group"))
        return MacSet.of(table.macs)
