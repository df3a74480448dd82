"""The text of a CSV file: its encoding, its header, and where a cell stands in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

from coexist.errors import Position, Problem
from coexist.records import dataclass
from coexist.text.octets import UTF_16_MARKS
from coexist.wire.mac import parse_mac

COLUMNS = ("mac", "name", "location", "hardware", "architecture", "firmware", "vlan", "address", "tags")
"""The columns with a meaning; any further one can be used in a group's ``where``."""

_HEADER = ",".join(COLUMNS)
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
"""One line with its end, as the csv module counts them."""

# What a spreadsheet writes before the header so that another one knows the separator.
_SEPARATOR = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)


# How many cells tell whether a column repeats itself.
_SAMPLE = 4096


def repeats(cells: list[str]) -> bool:
    """Whether a column has few values for its rows, as its first ones are."""
    sample = cells[:_SAMPLE]
    return len(set(sample)) * 8 < len(sample)


def named_twice(names: list[str]) -> bool:
    """Whether a name stands in several rows; rows without one are a machine each."""
    distinct = set(names)
    unnamed = names.count("") if "" in distinct else 0
    return len(distinct) - (unnamed > 0) + unnamed < len(names)


def decoded(data: bytes, file: str, problems: list[Problem]) -> str | None:
    """The text of a file, or None. What is not UTF-8 is told, and read as it was probably meant."""
    remedy = "save the file as `CSV UTF-8`"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        wide = data[:2] in UTF_16_MARKS
        what = "this is UTF-16 text" if wide else "this is not UTF-8 text"
        problems.append(Problem(Position(file, line, column), what, remedy))
        text = data.decode("utf-16" if wide else "cp1252", "replace")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        problems.append(Problem(Position(file, line), "the file holds a NUL character", remedy))
        return None
    return text


MOST_COLUMNS = 1000
_LONGEST_HEADER = 100_000


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns ('' for one without), what separates them, and the line they stand on."""

    names: list[str]
    delimiter: str
    line: int


def read_header(text: str, file: str, problems: list[Problem]) -> Header | None:
    """The first line that is neither empty nor a comment; None, with a problem, if it is no header."""
    delimiter, header, number = "", "", 0
    for match in LINE.finditer(text):
        number += 1
        header = match.group().rstrip("\r\n")
        said = _SEPARATOR.fullmatch(header)
        if said is not None and not delimiter:
            delimiter = said[1]
        elif header.strip() and not header.lstrip().startswith("#"):
            break
    else:
        remedy = f"begin it with: {_HEADER}"
        problems.append(Problem(Position(file), "the file has no header line", remedy))
        return None
    delimiter = delimiter or max(",;\t", key=header.count)
    if header.count(delimiter) >= MOST_COLUMNS or len(header) > _LONGEST_HEADER:
        message = f"the header has more than {MOST_COLUMNS} columns, or {_LONGEST_HEADER} characters"
        problems.append(Problem(Position(file, number), message, "keep the columns that an inventory knows"))
        return None
    names = [cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter))]
    twice = next((cell for cell, name in enumerate(names) if name and name in names[:cell]), None)
    if twice is not None:
        column = column_of(header, twice, delimiter)
        message, remedy = f"the column {names[twice]!r} is written twice", "rename or remove one of them"
    elif "mac" not in names:
        column = 1
        message, remedy = _without_mac(header, names, delimiter)
    else:
        return Header(names, delimiter, number)
    problems.append(Problem(Position(file, number, column), message, remedy))
    return None


def _without_mac(header: str, names: list[str], delimiter: str) -> tuple[str, str]:
    if any(_is_mac(name) for name in names):
        return "the file has no header line", f"begin it with: {_HEADER}"
    message = "there is no column `mac`"
    if delimiter not in header:
        return message, "separate the columns by comma, semicolon or tab, and name one of them `mac`"
    like = next((name for name in names if "mac" in name), None)
    return message, f"rename {like!r} to `mac`" if like else f"begin the file with: {_HEADER}"


def _is_mac(text: str) -> bool:
    try:
        parse_mac(text)
    except ValueError:
        return False
    return True


def cell_columns(reread: Callable[[], bytes], names: list[str], delimiter: str) -> Callable[[int, str], int]:
    """A function that tells where on a line the cell of a named column begins; it reads the file anew."""
    lines: list[str] = []

    def column(line: int, name: str) -> int:
        if not lines:
            lines.extend(LINE.findall(reread().decode("utf-8-sig", "replace")))
        if name not in names or line > len(lines):
            return 1
        return column_of(lines[line - 1], names.index(name), delimiter)

    return column


def column_of(line: str, cell: int, delimiter: str) -> int:
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
