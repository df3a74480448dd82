"""The registered clients: read from CSV files, kept in columns.

A site has a hundred thousand machines or a million; they are kept as columns instead of one
object each, and everything that speaks about them (groups, whitelists) is a ``MacSet``.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from ipaddress import IPv4Address
from uuid import UUID

from coexist.errors import Position, Problem
from coexist.inventory.client_csv import CsvClients, read_clients
from coexist.inventory.columns import Columns
from coexist.inventory.csv_text import COLUMNS, named_twice, repeats
from coexist.inventory.kinds import Kinds, spans_of, told_apart
from coexist.inventory.models import Client
from coexist.inventory.plain_cells import first_octets, in_order, places_of, repeat_in
from coexist.inventory.values import machine_uuid
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRecord:
    """One registered machine, as a view for output and rules."""

    mac: int
    name: str
    location: str
    hardware: str
    architecture: str
    firmware: str
    vlan: str
    address: IPv4Address | None
    tags: tuple[str, ...]
    position: Position
    uuid: UUID | None = None


UUID_COLUMN = "uuid"
"""A column that a file may have: the machine's UUID, which is the same for all its cards."""


@lru_cache(maxsize=4096)
def _uuid(text: str) -> UUID | None:
    """The UUID of a cell; None for an empty one, and for one that `registrations` reports."""
    try:
        return machine_uuid(text) if text.strip() else None
    except ValueError:
        return None


_OF_ALL_ROWS = (
    "index",
    "known",
    "repeated",
    "first_octets",
    "uuids",
    "cards",
    "_rows_by_address",
    "_rows_by_mac",
    "reserved_twice",
    "named_twice",
    "spans",
)
"""What a table keeps that follows from all its rows."""


def _line_start(line: int, name: str) -> int:  # noqa: ARG001
    return 1


@dataclass(slots=True)
class _Source:
    """The rows of one file (or of the inventory's own list), from ``first`` on in the table."""

    file: str
    first: int
    lines: array[int] | range
    positions: tuple[Position, ...] = ()
    locate: Callable[[int, str], int] = _line_start


class ClientTable:
    """All registered clients in columns; row numbers are indices from 0 in the order of reading."""

    def __init__(self) -> None:
        self.macs: array[int] = array("Q")
        self.addresses: array[int] = array("I")
        """The column ``address`` as numbers, 0 where a client has none."""
        self.columns = Columns({name: [] for name in COLUMNS[1:]})
        self._sources: list[_Source] = []
        self._by_value: dict[str, dict[str, list[int]]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._kinds: dict[tuple[str, ...], Kinds] = {}
        self._finest: Kinds | None = None
        self._names: Mapping[int, str] = {}

    def __len__(self) -> int:
        return len(self.macs)

    @property
    def files(self) -> frozenset[str]:
        """The files that have a client."""
        return frozenset(source.file for source in self._sources)

    @cached_property
    def index(self) -> dict[int, int]:
        """Row number by MAC; of duplicates the first."""
        return dict(zip(reversed(self.macs), range(len(self.macs) - 1, -1, -1), strict=True))

    @cached_property
    def known(self) -> frozenset[int]:
        """Every registered MAC."""
        return frozenset(self.macs)

    @cached_property
    def repeated(self) -> bool:
        """Whether a MAC stands in several rows."""
        return len(self.known) != len(self.macs)

    @cached_property
    def first_octets(self) -> frozenset[int]:
        """The first octet of every registered MAC."""
        return first_octets(self.macs)

    def counted(self, name: str) -> Counter[str]:
        """How many rows have each value of a column; of ``tags``, each word."""
        counted = self._counts.get(name)
        if counted is None:
            counted = self._counts[name] = self._counted(name)
        return counted

    def _counted(self, name: str) -> Counter[str]:
        kinds = next((kinds for kinds in self._kinds.values() if name in kinds.columns), None)
        if kinds is None or name == "tags" or self.repeated:
            values: Iterable[str] = self.columns[name]
            if name == "tags":
                values = (word for value in values for word in set(value.split()))
            return Counter(values)
        counted: Counter[str] = Counter()
        for cells, rows in zip(kinds.cells, kinds.rows, strict=True):
            counted[cells[kinds.columns.index(name)]] += len(rows)
        return counted

    def row(self, mac: int) -> int | None:
        """The row of a MAC; of duplicates the first. For a few: who asks for many takes the `index`."""
        rows, macs = self._rows_by_mac, self.macs
        place = bisect_left(rows, mac, key=macs.__getitem__)
        return rows[place] if place < len(rows) and macs[rows[place]] == mac else None

    def name(self, row: int) -> str:
        """The name in a row."""
        known = self._names.get(row)
        return self.columns["name"][row] if known is None else known

    def repeats(self, name: str) -> bool:
        """Whether a column has few values for its rows."""
        known = self._finest is not None and name in self._finest.columns
        return known or repeats(self.columns[name])

    def reserved(self, first: int, last: int) -> list[int]:
        """The rows whose address lies from ``first`` to ``last``, in the order of the table."""
        return sorted(self.by_address(first, last))

    def by_address(self, first: int, last: int) -> Sequence[int]:
        """The rows whose address lies from ``first`` to ``last``, by their addresses."""
        numbers, rows = self.addresses, self._rows_by_address
        low = bisect_left(rows, first, key=numbers.__getitem__)
        high = bisect_right(rows, last, key=numbers.__getitem__)
        return rows[low:high]

    @property
    def numbers(self) -> Iterator[int]:
        """The addresses of all clients as numbers, ascending; those without one are left out."""
        return map(self.addresses.__getitem__, self._rows_by_address)

    @property
    def reserved_rows(self) -> int:
        """How many rows have an address."""
        return len(self._rows_by_address)

    @cached_property
    def reserved_twice(self) -> bool:
        """Whether an address stands in several rows."""
        return repeat_in(self.addresses, self._rows_by_address)

    @cached_property
    def named_twice(self) -> bool:
        """Whether a name stands in several rows."""
        return named_twice(self.columns["name"])

    @cached_property
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """The lowest and the highest address of the clients of each VLAN as numbers; 0: none."""
        return spans_of(self.kinds(("vlan",)), self.addresses)

    @cached_property
    def _rows_by_address(self) -> Sequence[int]:
        return in_order(self.addresses, places_of(self.addresses))

    @cached_property
    def _rows_by_mac(self) -> Sequence[int]:
        return in_order(self.macs)

    def position(self, row: int, column: str = "mac") -> Position:
        """Where a cell of the row was written."""
        for source in reversed(self._sources):
            if row >= source.first:
                if source.positions:
                    return source.positions[row - source.first]
                line = source.lines[row - source.first]
                return Position(source.file, line, source.locate(line, column))
        raise IndexError(row)

    def record(self, row: int) -> ClientRecord:
        """The client of a row."""
        text = {name: column[row] for name, column in self.columns.items()}
        return ClientRecord(
            mac=self.macs[row],
            name=text["name"],
            location=text["location"],
            hardware=text["hardware"],
            architecture=text["architecture"],
            firmware=text["firmware"],
            vlan=text["vlan"],
            address=IPv4Address(text["address"]) if text["address"] else None,
            tags=tuple(text["tags"].split()),
            position=self.position(row),
            uuid=_uuid(text.get(UUID_COLUMN, "")),
        )

    @cached_property
    def uuids(self) -> dict[int, UUID]:
        """Who a card's machine is, by MAC; empty where no client says it. Of duplicates the first."""
        column = self.columns.get(UUID_COLUMN)
        if column is None:
            return {}
        found = zip(reversed(self.macs), map(_uuid, reversed(column)), strict=True)
        return {mac: own for mac, own in found if own is not None}

    @cached_property
    def cards(self) -> dict[UUID, tuple[int, ...]]:
        """Every registered card of each machine, by its UUID."""
        found: dict[UUID, list[int]] = defaultdict(list)
        for mac, text in zip(self.macs, self.columns.get(UUID_COLUMN, ()), strict=False):
            own = _uuid(text)
            if own is not None:
                found[own].append(mac)
        return {own: tuple(macs) for own, macs in found.items()}

    def kinds(self, columns: tuple[str, ...]) -> Kinds:
        """The clients told apart by their cells in some columns."""
        found = self._kinds.get(columns)
        if found is None:
            found = self._kinds[columns] = self._told_apart(columns)
        return found

    def _told_apart(self, columns: tuple[str, ...]) -> Kinds:
        if self._finest is not None and {*columns} <= {*self._finest.columns}:
            return self._finest.by(columns)
        return told_apart(self.columns, columns, sorted(self.index.values()) if self.repeated else None)

    def find(self, mac: int) -> ClientRecord | None:
        """The registered client with this MAC."""
        row = self.row(mac)
        return None if row is None else self.record(row)

    def rows(self, tests: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[int]:
        """The rows whose columns have one of the wanted values each; ``tags`` holds words."""
        wanted = [(name, frozenset(values)) for name, values in tests]
        if not wanted:
            return iter(range(len(self.macs)))
        sizes = [sum(map(self.counted(name).__getitem__, values)) for name, values in wanted]
        # The rarest values first: what they leave is looked up row by row.
        first = sizes.index(min(sizes))
        found = self._rows_by_value(wanted[first][0])
        lists = [found[value] for value in wanted[first][1] if value in found]
        rows: Iterable[int] = lists[0] if len(lists) == 1 else sorted(set().union(*lists))
        for number, (name, values) in enumerate(wanted):
            column = self.columns[name]
            if number != first and name == "tags":
                rows = [row for row in rows if not values.isdisjoint(column[row].split())]
            elif number != first:
                rows = [row for row in rows if column[row] in values]
        return iter(rows)

    def _rows_by_value(self, name: str) -> dict[str, list[int]]:
        """The rows of each value of a column; of ``tags``, of each word."""
        by_value = self._by_value.get(name)
        if by_value is None:
            by_value = self._by_value[name] = defaultdict(list)
            for row, value in enumerate(self.columns[name]):
                if name != "tags":
                    by_value[value].append(row)
                else:
                    for word in set(value.split()):
                        by_value[word].append(row)
        return by_value

    def _forget(self) -> None:
        """Drop what was computed of the rows there were before."""
        for name in _OF_ALL_ROWS:
            self.__dict__.pop(name, None)
        self._finest, self._names = None, {}
        self._by_value.clear()
        self._kinds.clear()
        self._counts.clear()

    # -- reading -------------------------------------------------------------------------------

    def add_listed(self, clients: Iterable[Client], position: Callable[[int], Position]) -> None:
        """Add the clients written into the inventory itself; ``position`` by their list index."""
        first, places = len(self.macs), []
        for number, client in enumerate(clients):
            if client.uuid:
                self.columns.setdefault(UUID_COLUMN, [""] * len(self.macs))
            texts = {
                UUID_COLUMN: client.uuid or "",
                "name": client.name,
                "location": client.location,
                "hardware": client.hardware,
                "architecture": client.architecture or "",
                "firmware": client.firmware or "",
                "vlan": client.vlan or "",
                "address": str(client.address or ""),
                "tags": " ".join(client.tags),
            }
            for mac in client.mac:
                self.macs.append(mac)
                self.addresses.append(int(client.address or 0))
                places.append(position(number))
                for name, column in self.columns.items():
                    column.append(texts.get(name, ""))
        if places:
            self._sources.append(_Source("", first, range(0), tuple(places)))
            self._forget()

    def add_csv(
        self, data: bytes, file: str, problems: list[Problem], reread: Callable[[], bytes] = bytes
    ) -> None:
        """Add the rows of a CSV file (see `read_clients`); what is wrong goes to ``problems``.

        ``reread`` delivers the file again when the column of a cell is asked for, so that the text
        of a million rows need not be kept.
        """
        found = read_clients(data, file, problems, reread)
        if found is not None:
            self.extend(file, found)

    def extend(self, file: str, found: CsvClients) -> None:
        """Add the rows that were read of a file."""
        known = len(self.macs)
        if not known:
            self.columns.take_all(found.columns, len(found.macs))
        else:
            for name in found.columns:
                self.columns.setdefault(name, [""] * known)
            for name, column in self.columns.items():
                column.extend(found.columns.get(name) or [""] * len(found.macs))
        self.macs.extend(found.macs)
        self.addresses.extend(found.addresses)
        self._sources.append(_Source(file, known, found.lines, locate=found.locate))
        self._forget()
        if found.told is not None and not known:
            self.repeated = False
            self._finest, self._names = found.told.kinds, found.told.names
            self._rows_by_mac, self._rows_by_address = found.told.by_mac, found.told.by_address
            self.reserved_twice, self.named_twice = found.told.reserved_twice, found.told.named_twice
            self.spans = found.told.spans
