"""Who answers whom, class by class, against the intent; as a table, JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def print_table(rows: Sequence[Row], *, unfolded: bool = False) -> None:
    """A table for people: as wide as the terminal, or ``unfolded``, with each row on one line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from coexist.report.styles import marked
    from coexist.text.foreign import harmless

    cells = [_cells(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in _HEAD:
        table.add_column(head, justify="right" if head in ("count", "after") else "left", overflow="fold")
    for row, shown in zip(rows, cells, strict=True):
        table.add_row(*(Text(harmless(cell)) for cell in shown), style="red" if row.agrees is False else None)
    console = Console(highlight=False)
    if unfolded:
        widths = [max(len(row[number]) for row in (_HEAD, *cells)) for number in range(len(_HEAD))]
        console.width = sum(widths) + 2 * len(widths)
    with console.capture() as printed:
        console.print(table)
    sys.stdout.write(marked(printed.get()))


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
