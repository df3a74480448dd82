"""The registered clients: read from CSV files, kept in columns.

A site has a hundred thousand machines or a million; they are kept as columns instead of one
object each, and everything that speaks about them (groups, whitelists) is a ``MacSet``.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address

from coexist.errors import Position, Problem
from coexist.inventory.models import Client
from coexist.inventory.values import closest
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import format_mac, parse_mac

COLUMNS = ("mac", "name", "location", "hardware", "architecture", "firmware", "vlan", "address", "tags")
"""The columns with a meaning; any further one can be used in a group's ``where``."""

# How many cells tell whether a column repeats itself.
_SAMPLE = 4096
# How many characters are cut into cells at once.
_GROUP = 1 << 18
# The I/G bit of the first octet (IEEE 802): set in group addresses only.
_GROUP_BIT = 1 << 40
_LINE_END = re.compile(r"\r\n|\r|\n")


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
        self.columns: dict[str, list[str]] = {name: [] for name in COLUMNS[1:]}
        self._sources: list[_Source] = []
        self._by_value: dict[str, dict[str, list[int]]] = {}
        self._counts: dict[str, Counter[str]] = {}

    def __len__(self) -> int:
        return len(self.macs)

    @cached_property
    def index(self) -> dict[int, int]:
        """Row number by MAC; of duplicates the first."""
        return dict(zip(reversed(self.macs), range(len(self.macs) - 1, -1, -1), strict=True))

    @cached_property
    def known(self) -> frozenset[int]:
        """Every registered MAC."""
        return frozenset(self.macs)

    def reserved(self, first: int, last: int) -> list[int]:
        """The rows whose address lies from ``first`` to ``last``, in the order of the table."""
        numbers, rows = self.addresses, self._rows_by_address
        low = bisect_left(rows, first, key=numbers.__getitem__)
        high = bisect_right(rows, last, key=numbers.__getitem__)
        return sorted(rows[low:high])

    @cached_property
    def _rows_by_address(self) -> list[int]:
        numbers = self.addresses
        return sorted((row for row, number in enumerate(numbers) if number), key=numbers.__getitem__)

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
        )

    def find(self, mac: int) -> ClientRecord | None:
        """The registered client with this MAC."""
        row = self.index.get(mac)
        return None if row is None else self.record(row)

    def rows(self, tests: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[int]:
        """The rows whose columns have one of the wanted values each; ``tags`` holds words."""
        wanted = [(name, frozenset(values)) for name, values in tests]
        if not wanted:
            return iter(range(len(self.macs)))
        sizes = [sum(map(self._count(name).__getitem__, values)) for name, values in wanted]
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

    def _count(self, name: str) -> Counter[str]:
        """How many rows have each value of a column; of ``tags``, each word."""
        counted = self._counts.get(name)
        if counted is None:
            values: Iterable[str] = self.columns[name]
            if name == "tags":
                values = (word for value in values for word in set(value.split()))
            counted = self._counts[name] = Counter(values)
        return counted

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
        for name in ("index", "known", "_rows_by_address"):
            self.__dict__.pop(name, None)
        self._by_value.clear()
        self._counts.clear()

    # -- reading -------------------------------------------------------------------------------

    def add_listed(self, clients: Iterable[Client], position: Callable[[int], Position]) -> None:
        """Add the clients written into the inventory itself; ``position`` by their list index."""
        first, places = len(self.macs), []
        for number, client in enumerate(clients):
            texts = {
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
        """Add the rows of a CSV file; what is wrong goes to ``problems`` and the row is left out.

        UTF-8 with or without byte-order mark, LF or CRLF, separated by comma, semicolon or tab.
        A MAC cell may hold several addresses separated by blanks (a machine with two cards).
        ``reread`` delivers the file again when the column of a cell is asked for, so that the text
        of a million rows need not be kept.
        """
        text = _decoded(data, file, problems)
        if text is None:
            return
        reader = _CsvRows(text, file, problems)
        if reader.names:
            reader.into(self, _cell_columns(reread, reader.names, reader.delimiter))

    def _extend(
        self, source: _Source, macs: array[int], addresses: array[int], columns: dict[str, list[str]]
    ) -> None:
        known = len(self.macs)
        for name in columns:
            self.columns.setdefault(name, [""] * known)
        for name, column in self.columns.items():
            cells = columns.get(name) or [""] * len(macs)
            if known:
                column.extend(cells)
            else:
                self.columns[name] = cells
        self.macs.extend(macs)
        self.addresses.extend(addresses)
        self._sources.append(source)
        self._forget()


def _decoded(data: bytes, file: str, problems: list[Problem]) -> str | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        problems.append(
            Problem(Position(file, line, column), "this is not UTF-8 text", "save the file as `CSV UTF-8`")
        )
        return None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        problems.append(
            Problem(Position(file, line), "the file holds a NUL character", "save it as plain CSV")
        )
        return None
    return text


@dataclass(slots=True)
class _Column:
    """The cells of one column as they are read, without the blanks around them."""

    padded: bool
    values: list[str] = field(default_factory=list)
    one: dict[str, str] | None = None

    def add(self, cells: list[str]) -> None:
        """Append cells. Equal ones become one object: a million rows repeat a few hundred types."""
        if self.padded:
            cells = list(map(str.strip, cells))
        if not self.values and len(set(cells[:_SAMPLE])) * 8 < len(cells[:_SAMPLE]):
            self.one = {}
        self.values += cells if self.one is None else map(self.one.setdefault, cells, cells)


def _line_groups(text: str) -> Iterator[str]:
    """The lines after the first, some thousands at a time: what is cut up fits the processor's cache."""
    begin, last = text.find("\n") + 1, len(text) - text.endswith("\n")
    while 0 < begin <= last:
        end = text.find("\n", begin + _GROUP, last)
        end = last if end < 0 else end
        yield text[begin:end]
        begin = end + 1


@dataclass(slots=True)
class _CsvRows:
    text: str
    file: str
    problems: list[Problem]
    names: list[str] = field(default_factory=list)
    delimiter: str = ","
    header_line: int = 1
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        lines = self.text.splitlines() if len(self.text) < 4096 else self.text[:4096].splitlines()
        header = ""
        for self.header_line, header in enumerate(lines, start=1):
            if header.strip() and not header.lstrip().startswith("#"):
                break
        else:
            self.complain(1, 0, "the file has no header line", f"begin it with: {','.join(COLUMNS)}")
            return
        self.delimiter = max(",;\t", key=header.count)
        names = [cell.strip().lower() for cell in next(csv.reader([header], delimiter=self.delimiter))]
        for number, name in enumerate(names):
            if name in names[:number]:
                self.complain(
                    self.header_line,
                    number,
                    f"the column {name!r} stands twice",
                    "rename or remove one of them",
                )
                return
        if "mac" not in names:
            self.complain(
                self.header_line, 0, "there is no column `mac`", f"begin the file with: {','.join(COLUMNS)}"
            )
            return
        self.names = names

    def complain(self, line: int, cell: int, message: str, remedy: str) -> None:
        if not self.lines:
            self.lines = _LINE_END.split(self.text)
        column = _column_of(self.lines[min(line, len(self.lines)) - 1], cell, self.delimiter)
        self.problems.append(Problem(Position(self.file, line, column), message, remedy))

    def into(self, table: ClientTable, locate: Callable[[int, str], int]) -> None:
        if not self._read_plain(table, locate):
            self._read_each(table, locate)

    def _read_plain(self, table: ClientTable, locate: Callable[[int, str], int]) -> bool:
        """The usual file in one stroke: header first, no quotes or comments, each row full, plain MACs."""
        text = self.text.replace("\r\n", "\n")
        if self.header_line != 1 or '"' in text or "#" in text or "\r" in text:
            return False
        width, padded = len(self.names), self._may_be_padded()
        columns = {name: _Column(padded) for name in self.names if name != "mac"}
        macs = array("Q")
        for part in _line_groups(text):
            # Each line end becomes a cell of its own: if all rows are full, they stand at one distance.
            count = part.count("\n") + 1
            cells = part.replace("\n", f"{self.delimiter}\n{self.delimiter}").split(self.delimiter)
            if len(cells) != count * (width + 1) - 1 or cells[width :: width + 1].count("\n") != count - 1:
                return False
            plain = _plain_macs(cells[self.names.index("mac") :: width + 1])
            if plain is None:
                return False
            macs += plain
            for number, name in enumerate(self.names):
                if name != "mac":
                    columns[name].add(cells[number :: width + 1])
        if not macs:
            return False
        values = {name: column.values for name, column in columns.items()}
        self._store(table, macs, values, range(2, len(macs) + 2), locate)
        return True

    def _read_each(self, table: ClientTable, locate: Callable[[int, str], int]) -> None:
        lines: array[int] = array("L")
        rows: list[list[str]] = []
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter, strict=True)
        width = len(self.names)
        try:
            for row in reader:
                number = reader.line_num
                if number <= self.header_line or not row or row[0].lstrip().startswith("#") or not any(row):
                    continue
                if len(row) != width:
                    self.complain(
                        number,
                        min(len(row), width) - 1,
                        f"this row has {len(row)} cells, the header has {width}",
                        "quote cells that contain the separator",
                    )
                    continue
                rows.append(row)
                lines.append(number)
        except csv.Error as error:
            self.complain(max(reader.line_num, 1), 0, f"this row is not CSV: {error}", "close the quote")
        if rows:
            columns = dict(zip(self.names, map(list, zip(*rows, strict=True)), strict=True))
            macs, columns, lines = self._parse_macs(columns, lines)
            padded = self._may_be_padded()
            for name, cells in columns.items():
                column = _Column(padded)
                column.add(cells)
                columns[name] = column.values
            self._store(table, macs, columns, lines, locate)

    def _store(
        self,
        table: ClientTable,
        macs: array[int],
        columns: dict[str, list[str]],
        lines: array[int] | range,
        locate: Callable[[int, str], int],
    ) -> None:
        self._check_cells("architecture", _bad_architecture, columns, lines)
        cells = columns.get("address") or [""] * len(macs)
        addresses = _plain_addresses(cells)
        if addresses is None:
            self._check_cells("address", _bad_address, columns, lines)
            addresses = array("I", (int(IPv4Address(cell or 0)) for cell in cells))
        self._check_macs(macs, lines)
        table._extend(_Source(self.file, len(table), lines, locate=locate), macs, addresses, columns)

    def _may_be_padded(self) -> bool:
        """Whether any cell may have blanks around it; quicker than to look at each."""
        text, separator = self.text, self.delimiter
        if '"' in text or not text.isascii():
            return True
        if any(blank in text for blank in "\t\v\f\x1c\x1d\x1e\x1f" if blank != separator):
            return True
        return " " in text and (
            " " in (text[0], text[-1])
            or any(pair in text for pair in (f" {separator}", f"{separator} ", " \n", "\n ", " \r"))
        )

    def _parse_macs(
        self, columns: dict[str, list[str]], lines: array[int]
    ) -> tuple[array[int], dict[str, list[str]], array[int]]:
        """Each MAC for itself: other spellings, two cards in one cell, mistakes."""
        cells = columns.pop("mac")
        macs = array("Q")
        kept: list[int] = []
        for row, cell in enumerate(cells):
            try:
                parsed = [parse_mac(part) for part in cell.split()]
            except ValueError as error:
                self.complain(
                    lines[row], self.names.index("mac"), str(error).partition(";")[0], _remedy(error)
                )
                continue
            if not parsed:
                self.complain(
                    lines[row],
                    self.names.index("mac"),
                    "the MAC address is missing",
                    "write it, or remove the row",
                )
            macs.extend(parsed)
            kept += [row] * len(parsed)
        return (
            macs,
            {name: [column[row] for row in kept] for name, column in columns.items()},
            array("L", (lines[row] for row in kept)),
        )

    def _check_macs(self, macs: array[int], lines: array[int] | range) -> None:
        if not any(map(_GROUP_BIT.__and__, macs)):
            return
        for row in [row for row, mac in enumerate(macs) if mac & _GROUP_BIT]:
            self.complain(
                lines[row],
                self.names.index("mac"),
                f"{format_mac(macs[row])} is a multicast address, no machine has it",
                "correct its second digit: it must be even",
            )

    def _check_cells(
        self,
        name: str,
        wrong: Callable[[str], str | None],
        columns: dict[str, list[str]],
        lines: array[int] | range,
    ) -> None:
        """Complain of cells that cannot be read, and empty them."""
        column = columns.get(name, [])
        remedies = {value: wrong(value) for value in set(column) if value}
        unreadable = {value: remedy for value, remedy in remedies.items() if remedy is not None}
        for row, cell in enumerate(column) if unreadable else ():
            if cell in unreadable:
                self.complain(
                    lines[row], self.names.index(name), f"{cell!r} is not an {name}", unreadable[cell]
                )
                column[row] = ""


_OCTETS = {str(number): number for number in range(256)}


def _plain_addresses(cells: list[str]) -> array[int] | None:
    """The addresses of cells as numbers, 0 for an empty cell; None if one is no address."""
    if not any(cells):
        return array("I", bytes(4 * len(cells)))
    # A site has few networks of 256 addresses: the first three numbers are read once each.
    networks: dict[str, int] = {}
    numbers: list[int] = []
    for cell in cells:
        network, _, last = cell.rpartition(".")
        try:
            numbers.append(networks[network] + _OCTETS[last])
        except KeyError:
            if not cell:
                numbers.append(0)
                continue
            parts = network.split(".")
            if len(parts) != 3 or not _OCTETS.keys() >= {last, *parts}:
                return None
            networks[network] = int.from_bytes([*map(_OCTETS.__getitem__, parts), 0], "big")
            numbers.append(networks[network] + _OCTETS[last])
    return array("I", numbers)


def _plain_macs(cells: list[str]) -> array[int] | None:
    """The MACs of cells that are all written with colons and nothing else; None if one is not."""
    joined = "\n".join(cells) + "\n"
    count = len(cells)
    if len(joined) != 18 * count or joined[17::18] != "\n" * count:
        return None
    if any(joined[place::18] != ":" * count for place in (2, 5, 8, 11, 14)):
        return None
    try:
        octets = bytes.fromhex("0000" + joined[:-1].replace(":", "").replace("\n", "0000"))
    except ValueError:
        return None
    # fromhex() passes over blanks; then octets are missing.
    if len(octets) != 8 * count:
        return None
    numbers = array("Q", octets)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _cell_columns(reread: Callable[[], bytes], names: list[str], delimiter: str) -> Callable[[int, str], int]:
    lines: list[str] = []

    def column(line: int, name: str) -> int:
        if not lines:
            lines.extend(_LINE_END.split(reread().decode("utf-8-sig", "replace")))
        if name not in names or line > len(lines):
            return 1
        return _column_of(lines[line - 1], names.index(name), delimiter)

    return column


def _bad_architecture(value: str) -> str | None:
    return None if value in ARCHITECTURE_NAMES else closest(value, ARCHITECTURE_NAMES)


def _bad_address(value: str) -> str | None:
    try:
        IPv4Address(value)
    except AddressValueError:
        return "write four numbers, for example 10.10.1.20"
    return None


def _remedy(error: ValueError) -> str:
    return str(error).partition(";")[2].strip() or "write 52:54:00:12:34:56"


def _column_of(line: str, cell: int, delimiter: str) -> int:
    """The column (from 1) where cell number ``cell`` of a line begins; quotes are honoured."""
    if cell <= 0:
        return 1
    quoted, seen = False, 0
    for column, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            seen += 1
            if seen == cell:
                return column + 2
    return 1
