"""A checklist to read and to carry along: Markdown and CSV.

The Markdown is what a terminal shows and a wiki takes: a section a machine, folded to 80 columns. A table
of machines and items would be wider than either has room for.
"""

from __future__ import annotations

import csv
import io
import textwrap
from typing import Any

from coexist.planning.checklist import Complaint, Entry, Sheet
from coexist.planning.progress import moment
from coexist.text.foreign import cell, markdown

_WIDTH = 80
_MARKS = {"passed": "passed", "failed": "FAILED", "not-applicable": "n/a"}


def to_markdown(sheet: Sheet) -> str:
    """How far it is, a numbered list of the items for each machine, then every complaint.

    The numbers are those `coexist checklist record` and `settle` take.
    """
    lines = [f"# {_title(sheet)}", "", *_folded(_so_far(sheet))]
    for machine in sheet.machines:
        lines += ["", f"## {markdown(machine)}", ""]
        for number, item in enumerate(sheet.items, start=1):
            lines += _folded(f"{number}. {_result(item, sheet.cell(machine, item))}")
    if sheet.complaints:
        lines += ["", "## Complaints", ""]
        for number, complaint in enumerate(sheet.complaints, start=1):
            lines += _folded(f"{number}. {markdown(_complaint(complaint))}")
    return "\n".join(lines) + "\n"


def _so_far(sheet: Sheet) -> str:
    results: list[str] = [entry.result for entry in _shown(sheet)]
    counts = ", ".join(f"{results.count(result)} {mark}" for result, mark in _MARKS.items())
    tests = len(sheet.machines) * len(sheet.items)
    return f"Machines: {len(sheet.machines)}. Tests: {tests}, {counts}, {len(sheet.missing)} not tried."


def _result(item: str, entry: Entry | None) -> str:
    if entry is None:
        return f"{markdown(item)}: -"
    note = f": {markdown(entry.note)}" if entry.note else ""
    return f"{markdown(item)}: **{_MARKS[entry.result]}** ({markdown(entry.who)}, {moment(entry.at)}){note}"


def _folded(line: str) -> list[str]:
    """A paragraph or a list item; what follows a fold still belongs to the item."""
    number, dot, _ = line.partition(". ")
    hang = len(number) + 2 if dot and number.isdigit() else 0
    return textwrap.wrap(
        line, _WIDTH, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False
    )


def to_csv(sheet: Sheet) -> str:
    """A row for each machine and item; items not tried have empty cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("machine", "item", "result", "who", "when", "note"))
    for machine in sheet.machines:
        for item in sheet.items:
            entry = sheet.cell(machine, item)
            tail = (entry.result, entry.who, moment(entry.at), entry.note) if entry else ("", "", "", "")
            writer.writerow(map(cell, (machine, item, *tail)))
    return out.getvalue()


def as_dict(sheet: Sheet) -> dict[str, Any]:
    """The same for machines: the last result of each machine and item; every complaint with its number."""
    return {
        "machines": list(sheet.machines),
        "items": list(sheet.items),
        "results": [entry.model_dump(mode="json") for entry in _shown(sheet)],
        "complaints": [
            {"number": number, **complaint.model_dump(mode="json")}
            for number, complaint in enumerate(sheet.complaints, start=1)
        ],
    }


def _title(sheet: Sheet) -> str:
    return f"Checklist of {sheet.migration}"


def _shown(sheet: Sheet) -> list[Entry]:
    cells = (sheet.cell(machine, item) for machine in sheet.machines for item in sheet.items)
    return [entry for entry in cells if entry is not None]


def _complaint(complaint: Complaint) -> str:
    place = f"{complaint.machine}: " if complaint.machine else ""
    settled = f", settled {moment(complaint.settled)}" if complaint.settled else ", open"
    return f"{moment(complaint.at)}, {complaint.who}: {place}{complaint.note}{settled}"
