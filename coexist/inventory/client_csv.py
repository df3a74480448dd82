"""clients.csv as people and spreadsheets save it, read into columns.

The usual file is cut up in one stroke; any other is read row by row, and every mistake is named
with the line and the column of its cell.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address

from coexist.errors import Position, Problem
from coexist.inventory.columns import Columns
from coexist.inventory.complaints import MOST_OF_A_KIND, Complaints
from coexist.inventory.csv_text import LINE, Header, cell_columns, column_of, decoded, read_header, repeats
from coexist.inventory.kinds import Kinds
from coexist.inventory.plain_cells import first_octets, plain_addresses, plain_macs
from coexist.records import dataclass
from coexist.text.amounts import amount
from coexist.text.closest import closest
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import format_mac, is_multicast, parse_mac

# How many characters are cut into cells at once: the cells fit the processor's second cache.
_GROUP = 1 << 16
# The I/G bit of the first octet (IEEE 802): set in group addresses only.
_GROUP_BIT = 1
# A cell that a program wrapped into a formula so that a spreadsheet keeps it as text.
_FORMULA = re.compile(r'\s*="(.*)"\s*', re.DOTALL)
_BETWEEN_CARDS = re.compile(r"[\s,;/|]+")
_AS_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_TOO_SHORT = re.compile(r"[0-9]{6,11}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What follows from rows in which no MAC is repeated: their ``kinds`` by every column that has a meaning
    or few values, and the ``names`` of their first rows; the rows in the order of their MACs, and those with
    an address in the order of these; whether an address is ``reserved_twice`` and a name ``named_twice``, and
    the lowest and highest address of the clients of each VLAN as numbers (0: none)."""

    kinds: Kinds
    names: Mapping[int, str]
    by_mac: Sequence[int]
    by_address: Sequence[int]
    reserved_twice: bool
    named_twice: bool
    spans: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvClients:
    """The rows of one file: a MAC, an address (0: none), a line and a cell of each column for each.

    ``locate`` tells at which column of a line the cell of a named column begins. ``told``: what else was made
    of them, where there was time.
    """

    macs: array[int]
    addresses: array[int]
    columns: Columns
    lines: array[int] | range
    locate: Callable[[int, str], int]
    told: Told | None = None


def read_clients(
    data: bytes, file: str, problems: list[Problem], reread: Callable[[], bytes] = bytes
) -> CsvClients | None:
    """Read a CSV file; what is wrong goes to ``problems`` and its row is left out. None if nothing is read.

    UTF-8 with or without byte-order mark, any line end, separated by comma, semicolon or tab. A MAC cell
    may hold several addresses (a machine with two cards). Columns without a name must be empty.
    """
    text = decoded(data, file, problems)
    if text is None:
        return None
    header = read_header(text, file, problems)
    if header is None:
        return None
    return _Reader(text, file, header, cell_columns(reread, header.names, header.delimiter)).read(problems)


@dataclass(slots=True)
class _Column:
    """The cells of one column as they are read: of one that repeats itself each different cell once, and any
    other as texts."""

    few: bool
    one: dict[str, str] = field(default_factory=dict)
    values: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, cells: list[str]) -> None:
        """Append cells."""
        if self.few:
            self.values += map(self.one.setdefault, cells, cells)
        else:
            self.texts.append("\n".join(cells))

    def put(self, columns: Columns, name: str) -> None:
        """Hand the column over."""
        if self.few:
            columns[name] = self.values
        else:
            columns.join(name, self.texts)


def _line_groups(text: str) -> Iterator[str]:
    """The lines after the first, some thousands at a time."""
    begin, last = text.find("\n") + 1, len(text) - text.endswith("\n")
    while 0 < begin <= last:
        end = text.find("\n", begin + _GROUP, last)
        end = last if end < 0 else end
        yield text[begin:end]
        begin = end + 1


class _Reader:
    """Reads the rows below a header."""

    def __init__(self, text: str, file: str, header: Header, locate: Callable[[int, str], int]) -> None:
        self.text = text
        self.file = file
        self.names, self.delimiter = header.names, header.delimiter
        self.header_line = header.line
        self.locate = locate
        self.lines: list[str] = []
        self.complaints = Complaints()

    def read(self, problems: list[Problem]) -> CsvClients | None:
        """The rows of the file; None if there are none."""
        found = self._plain() or self._each()
        problems += self.complaints
        return found

    def complain(self, kind: str, line: int, cell: int, message: str, remedy: str) -> None:
        def make() -> Problem:
            if not self.lines:
                self.lines = LINE.findall(self.text)
            written = self.lines[min(line, len(self.lines)) - 1]
            column = column_of(written, cell, self.delimiter)
            return Problem(Position(self.file, line, column), message, remedy)

        self.complaints.add(kind, make)

    # -- the usual file ------------------------------------------------------------------------

    def _plain(self) -> CsvClients | None:
        """The usual file in one stroke: header first, no quotes or comments, each row full, plain MACs."""
        text = self.text.replace("\r\n", "\n") if "\r" in self.text else self.text
        if self.header_line != 1 or '"' in text or "#" in text or "\r" in text:
            return None
        padded = self._may_be_padded()
        read: dict[str, _Column] = {}
        macs = array("Q")
        addresses: array[int] | None = array("I")
        for part in _line_groups(text):
            columns = self._cut(part)
            plain = plain_macs(columns[self.names.index("mac")]) if columns else None
            if plain is None:
                return None
            macs += plain
            for name, column in zip(self.names, columns, strict=True):
                cells = _trimmed(column, padded) if name != "mac" else []
                if name not in read:
                    read[name] = _Column(repeats(cells))
                read[name].add(cells)
                if name == "address" and addresses is not None:
                    some = plain_addresses(cells)
                    addresses = None if some is None else addresses + some
                elif not name and any(map(str.strip, cells)):
                    return None
        if not macs:
            return None
        found = Columns()
        for name, one in read.items():
            if name not in ("", "mac"):
                one.put(found, name)
        return self._checked(macs, found, range(2, len(macs) + 2), addresses)

    def _cut(self, part: str) -> list[list[str]]:
        """The cells of some lines, column by column; nothing if one of them is not full."""
        # Each line end becomes a cell of its own: if all rows are full, they stand at one distance.
        width, count = len(self.names), part.count("\n") + 1
        cells = part.replace("\n", f"{self.delimiter}\n{self.delimiter}").split(self.delimiter)
        if len(cells) != count * (width + 1) - 1 or cells[width :: width + 1].count("\n") != count - 1:
            return []
        return [cells[number :: width + 1] for number in range(width)]

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

    # -- any other file ------------------------------------------------------------------------

    def _each(self) -> CsvClients | None:
        """Row by row: quotes, comments, rows of other lengths, MACs in any spelling."""
        lines: array[int] = array("L")
        rows: list[list[str]] = []
        width, unnamed = len(self.names), "" in self.names
        for number, row in self._rows():
            full = self._full(number, row) if unnamed or len(row) != width else row
            if full is not None:
                rows.append(full)
                lines.append(number)
        if not rows:
            return None
        columns = dict(zip(self.names, map(list, zip(*rows, strict=True)), strict=True))
        columns.pop("", None)
        if '="' in self.text:
            columns = {name: list(map(_unwrapped, cells)) for name, cells in columns.items()}
        macs, columns, lines = self._parse_macs(columns, lines)
        padded = self._may_be_padded()
        read = {name: _shared(_trimmed(cells, padded)) for name, cells in columns.items()}
        return self._checked(macs, Columns(read), lines, plain_addresses(read.get("address", ())))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows below the header that say something, each with the line it begins on."""
        self.lines = LINE.findall(self.text)
        begin, mistakes = self.header_line, 0
        while mistakes <= MOST_OF_A_KIND:
            reader = csv.reader(
                (self.lines[number] for number in range(begin, len(self.lines))),
                delimiter=self.delimiter,
                strict=True,
            )
            line = begin + 1
            try:
                for row in reader:
                    if any(map(str.strip, row)) and not row[0].lstrip().startswith("#"):
                        yield line, row
                    line = begin + reader.line_num + 1
                return
            except csv.Error as error:
                what = f"this row is not CSV: {error}"
                if "unexpected end of data" in what:
                    what = "a quote in this row is never closed"
                self.complain("quotes", line, 0, what, "close it; a quote inside a cell is written twice")
            # The rest is read too, for the mistakes in it.
            begin, mistakes = line, mistakes + 1

    def _full(self, line: int, row: list[str]) -> list[str] | None:
        """A row with a cell for each column; None if it has not."""
        width = len(self.names)
        if len(row) > width and not any(map(str.strip, row[width:])):
            row = row[:width]
        if len(row) != width:
            remedy = "quote cells that contain the separator"
            if len(row) < width:
                remedy = "write its empty cells too; some spreadsheets do if `mac` is the last column"
            what = f"this row has {amount(len(row), 'cell')}, the header has {width}"
            self.complain("cells", line, min(len(row), width) - 1, what, remedy)
            return None
        unnamed = next((n for n, name in enumerate(self.names) if not name and row[n].strip()), None)
        if unnamed is not None:
            what = f"{row[unnamed].strip()!r} is in a column without a name"
            self.complain("unnamed", line, unnamed, what, "name the column in the header, or empty the cell")
        return row

    def _parse_macs(
        self, columns: dict[str, list[str]], lines: array[int]
    ) -> tuple[array[int], dict[str, list[str]], array[int]]:
        """Each MAC for itself: other spellings, two cards in one cell, mistakes."""
        cells, place = columns.pop("mac"), self.names.index("mac")
        macs = array("Q")
        kept: list[int] = []
        for row, cell in enumerate(cells):
            try:
                parsed = [parse_mac(part) for part in _BETWEEN_CARDS.split(cell.strip()) if part]
            except ValueError as error:
                self.complain("mac", lines[row], place, *_mac_mistake(cell.strip(), error))
                continue
            if not parsed:
                message, remedy = "the MAC address is missing", "write it, or remove the row"
                self.complain("no mac", lines[row], place, message, remedy)
            macs.extend(parsed)
            kept += [row] * len(parsed)
        return (
            macs,
            {name: [column[row] for row in kept] for name, column in columns.items()},
            array("L", (lines[row] for row in kept)),
        )

    # -- what the cells say --------------------------------------------------------------------

    def _checked(
        self,
        macs: array[int],
        columns: Columns,
        lines: array[int] | range,
        addresses: array[int] | None,
    ) -> CsvClients:
        """``addresses``: those of a column that has plain ones only; None if it has others."""
        self._check_cells("architecture", _bad_architecture, columns, lines)
        if "address" not in columns:
            addresses = array("I", bytes(4 * len(macs)))
        elif addresses is None:
            self._check_cells("address", _bad_address, columns, lines)
            addresses = array("I", (int(IPv4Address(cell or 0)) for cell in columns["address"]))
        self._check_macs(macs, lines)
        return CsvClients(macs=macs, addresses=addresses, columns=columns, lines=lines, locate=self.locate)

    def _check_macs(self, macs: array[int], lines: array[int] | range) -> None:
        if 0 not in macs and not any(octet & _GROUP_BIT for octet in first_octets(macs)):
            return
        for row, mac in enumerate(macs):
            if mac and not is_multicast(mac):
                continue
            what = f"{format_mac(mac)} is a multicast address, which no machine has"
            remedy = "correct its second digit: it must be even"
            if not mac:
                what = f"{format_mac(mac)} is no machine's address"
                remedy = "write the machine's own, or remove the row"
            self.complain("nobody's mac", lines[row], self.names.index("mac"), what, remedy)

    def _check_cells(
        self,
        name: str,
        wrong: Callable[[str], str | None],
        columns: Columns,
        lines: array[int] | range,
    ) -> None:
        """Complain of cells that cannot be read, and empty them."""
        column = columns.get(name, [])
        remedies = {value: wrong(value) for value in set(column) if value}
        unreadable = {value: remedy for value, remedy in remedies.items() if remedy is not None}
        for row, cell in enumerate(column) if unreadable else ():
            if cell in unreadable:
                place, message = self.names.index(name), f"{cell!r} is not an {name}"
                self.complain(name, lines[row], place, message, unreadable[cell])
                column[row] = ""


def _trimmed(cells: list[str], padded: bool) -> list[str]:
    """Cells without the blanks around them, where some may have such."""
    return list(map(str.strip, cells)) if padded else cells


def _shared(cells: list[str]) -> list[str]:
    """Cells of which equal ones are one object: a million rows repeat a few hundred types."""
    one: dict[str, str] = {}
    return list(map(one.setdefault, cells, cells)) if repeats(cells) else cells


def _unwrapped(cell: str) -> str:
    match = _FORMULA.fullmatch(cell)
    return match[1] if match else cell


def _mac_mistake(cell: str, error: ValueError) -> tuple[str, str]:
    """What is wrong with a MAC cell, and what to write."""
    if _AS_NUMBER.fullmatch(cell):
        message = f"{cell!r} is a MAC address that a spreadsheet took for a number"
        return message, "its digits are lost: format the column as text and enter it again"
    if _TOO_SHORT.fullmatch(cell):
        remedy = f"write {cell.zfill(12)} if a spreadsheet took the zeros away"
        return f"{cell!r} has {len(cell)} digits, a MAC address has 12", remedy
    message, _, remedy = str(error).partition(";")
    return message, remedy.strip() or "write 52:54:00:12:34:56"


def _bad_architecture(value: str) -> str | None:
    return None if value in ARCHITECTURE_NAMES else closest(value, ARCHITECTURE_NAMES)


def _bad_address(value: str) -> str | None:
    try:
        IPv4Address(value)
    except AddressValueError:
        return "write four numbers, for example 10.10.1.20"
    return None
