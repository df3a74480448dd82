"""CX1xx, the part about lists of clients: what a slip of the hand leaves out of them without a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches

from coexist.analysis.findings import WARNING, Finding
from coexist.analysis.rules import report, rule
from coexist.analysis.site import AnalysedSite
from coexist.inventory.clients import UUID_COLUMN
from coexist.inventory.csv_text import COLUMNS
from coexist.inventory.files import shown

_TAGS = "tags"


@rule(
    "CX117",
    "cell-spelled-otherwise",
    WARNING,
    "A client's cell differs from what a group asks for in case or blanks only",
)
def cell_spelled_otherwise(site: AnalysedSite) -> Iterable[Finding]:
    """Clients that miss a group by the case of a letter: ``Thin-Client`` where it asks for ``thin-client``."""
    table = site.inventory.clients
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    for name, group in site.site.groups.items():
        for column, values in group.where.items():
            wanted[column] |= dict.fromkeys(values, name)
    for column, owners in wanted.items():
        cells = table.columns.get(column, [])
        alike = {_plain(value): value for value in owners}
        for word, count in sorted(table.counted(column).items()) if cells else ():
            value = alike.get(_plain(word))
            if value is None or word in owners:
                continue
            row = next(row for row, cell in enumerate(cells) if word in _words(column, cell))
            yield report(site, "CX117", ("groups", owners[value], "where", column),
                         f"{count} client{'s have' if count > 1 else ' has'} {word!r} in the column {column}, and {owners[value]} asks for {value!r}",
                         f"write {value!r} in the list, or add {word!r} to the group", count=count,
                         position=table.position(row, column))  # fmt: skip


def _words(column: str, cell: str) -> list[str]:
    return cell.split() if column == _TAGS else [cell]


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


@rule("CX120", "list-without-clients", WARNING, "A list of clients has lines and no client")
def list_without_clients(site: AnalysedSite) -> Iterable[Finding]:
    """Files of which nothing was read: a header alone, or rows that are all comments."""
    read = site.inventory.clients.files
    for number, name in enumerate(site.site.clients.files):
        if shown(site.inventory.root / name) not in read:
            yield report(site, "CX120", ("clients", "files", number), f"{name} lists no client",
                         "add its clients, or remove the file from `clients`", count=0)  # fmt: skip


@rule("CX119", "column-misspelt", WARNING, "An unknown column of a list has nearly the name of a known one")
def column_misspelt(site: AnalysedSite) -> Iterable[Finding]:
    """Columns such as ``hardwear``: neither known nor asked for by a group, and near to one that is."""
    table = site.inventory.clients
    asked = {column for group in site.site.groups.values() for column in group.where}
    known = {*COLUMNS, UUID_COLUMN, *asked}
    for column in table.columns:
        near = (
            [] if column in known else get_close_matches(column.casefold(), sorted(known), n=1, cutoff=0.75)
        )
        filled = sum(map(bool, table.columns[column])) if near else 0
        if filled:
            row = next(row for row, cell in enumerate(table.columns[column]) if cell)
            yield report(site, "CX119", ("clients",), f"nothing reads the column {column!r}; did you mean {near[0]!r}?",
                         f"call the column {near[0]}, or name it in a group's `where`", count=filled,
                         position=table.position(row, column))  # fmt: skip
