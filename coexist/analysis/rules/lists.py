"""CX1xx, the part about lists of clients: what a slip of the hand leaves out of them without a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from coexist.analysis.findings import INFO, WARNING, Finding
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
    for column, near in _unread(site).items():
        filled = sum(map(bool, table.columns[column])) if near else 0
        if filled:
            row = next(row for row, cell in enumerate(table.columns[column]) if cell)
            yield report(site, "CX119", ("clients",), f"nothing reads the column {column!r}; did you mean {near!r}?",
                         f"call the column {near}, or name it in `columns` of `clients` if it is your own", count=filled,
                         position=table.position(row, column))  # fmt: skip


@rule("CX123", "column-without-meaning", INFO, "Nothing reads a column of a list of clients")
def column_without_meaning(site: AnalysedSite) -> Iterable[Finding]:
    """Columns such as ``inventory number``, of which nobody has said that they are the site's own. They are
    told together."""
    table = site.inventory.clients
    own = [column for column, near in _unread(site).items() if not near and any(table.columns[column])]
    if own:
        row = next(row for row, cell in enumerate(table.columns[own[0]]) if cell)
        filled = sum(map(bool, table.columns[own[0]]))
        named = " and ".join(map(repr, own))
        yield report(site, "CX123", ("clients",), f"nothing reads the column{'s' if len(own) > 1 else ''} {named}",
                     f"name {'them' if len(own) > 1 else 'it'} in `columns` of `clients` if that is meant, or in a group's `where`",
                     count=filled, position=table.position(row, own[0]))  # fmt: skip


def _unread(site: AnalysedSite) -> dict[str, str]:
    """The columns that nothing reads and nobody calls the site's own, each with the name that is nearly its
    own, or ''."""
    asked = {column for group in site.site.groups.values() for column in group.where}
    known = sorted({*COLUMNS, UUID_COLUMN, *asked})
    left = [
        c for c in site.inventory.clients.columns if c not in known and c not in site.site.clients.columns
    ]
    if not left:
        return {}
    from difflib import get_close_matches  # only needed once there is such a column

    return {
        column: next(iter(get_close_matches(column.casefold(), known, n=1, cutoff=0.75)), "")
        for column in left
    }
