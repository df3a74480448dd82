"""Who answers whom, class by class, against the intent; as a table, JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from coexist.analysis.matrix import Row

_HEAD = ("VLAN", "clients", "firmware", "count", "intended", "boots from", "after", "")


def _cells(row: Row) -> tuple[str, ...]:
    from coexist.report.findings import clients_text

    sign = "LOOP" if row.loops else {True: "ok", False: "WRONG", None: ""}[row.agrees]
    profile = f"{row.architecture} {row.firmware}".strip()
    intended = " > ".join((row.intended, *row.fallback)) if row.intended else "-"
    winners = " or ".join(winner or "nobody" for winner in row.winners)
    seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
    return (
        row.vlan,
        " ".join(row.groups),
        profile,
        clients_text(row.clients),
        intended,
        winners,
        seconds,
        sign,
    )


_PADDING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)
"""The blanks at the end of a line, among what begins and ends its colours."""
_GAP = 2


def print_table(rows: Sequence[Row], *, unfolded: bool = False) -> None:
    """A table for people: as wide as the terminal, or ``unfolded``, with each row on one line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from coexist.report.styles import marked
    from coexist.text.foreign import harmless

    cells = [_cells(row) for row in rows]
    console = Console(highlight=False)
    room = None if unfolded else console.width
    widths = _widths((_HEAD, *cells), room)
    console.width = sum(widths) + _GAP * len(widths)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head, width in zip(_HEAD, widths, strict=True):
        justify: Literal["left", "right"] = "right" if head in ("count", "after") else "left"
        table.add_column(head, justify=justify, overflow="fold", width=width)
    for row, shown in zip(rows, cells, strict=True):
        table.add_row(*(Text(harmless(cell)) for cell in shown), style="red" if row.agrees is False else None)
    with console.capture() as printed:
        console.print(table)
    sys.stdout.write(marked(_PADDING.sub(lambda found: found[0].replace(" ", ""), printed.get())))


def _widths(rows: Sequence[Sequence[str]], room: int | None) -> list[int]:
    """The width of each column: its longest cell; where ``room`` is too small, its longest word or less."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [max(len(word) for cell in column for word in ("", *cell.split())) for column in columns]
    while room is not None and sum(widths) + _GAP * (len(widths) - 1) > room and max(widths) > 1:
        # What can be folded at a blank gives way first, then whatever is widest.
        spare = [width - word for width, word in zip(widths, words, strict=True)]
        by = spare if max(spare) > 0 else widths
        widths[by.index(max(by))] -= 1
    return widths


def as_dict(row: Row) -> dict[str, Any]:
    """A row as JSON."""
    from coexist.wire.mac import format_mac

    return {
        "vlan": row.vlan,
        "groups": list(row.groups),
        "architecture": row.architecture,
        "firmware": row.firmware,
        "clients": row.clients,
        "witness": format_mac(row.witness),
        "name": row.name,
        "intended": row.intended or None,
        "fallback": list(row.fallback),
        "responders": list(row.responders),
        "winners": list(row.winners),
        "file": row.file,
        "seconds": row.seconds,
        "agrees": row.agrees,
    }


def as_json(rows: Sequence[Row]) -> str:
    """The rows under a version."""
    return json.dumps({"version": 1, "rows": [as_dict(row) for row in rows]}, indent=2, ensure_ascii=False)


def as_csv(rows: Sequence[Row]) -> str:
    """A header and a line a row; lists are separated by blanks."""
    text = io.StringIO()
    writer: Any = None
    for row in rows:
        cells = {
            key: " ".join("nobody" if v is None else str(v) for v in value)
            if isinstance(value, list)
            else value
            for key, value in as_dict(row).items()
        }
        if writer is None:
            writer = csv.DictWriter(text, list(cells), lineterminator="\n")
            writer.writeheader()
        writer.writerow(cells)
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """A table for a wiki page."""
    lines = ["| " + " | ".join(_HEAD[:-1]) + " | as intended |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row)) + " |" for row in rows]
    return "\n".join(lines)


FORMATS = {"json": as_json, "csv": as_csv, "markdown": as_markdown}
"""The machine-readable forms by name; people get `print_table`."""
