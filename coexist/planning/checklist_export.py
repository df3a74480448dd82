"""A checklist to read, to print and to carry along: Markdown, CSV and an HTML page."""

from __future__ import annotations

import csv
import io
from html import escape

from coexist.planning.checklist import Complaint, Entry, Sheet
from coexist.planning.progress import moment

_MARKS = {"passed": "passed", "failed": "FAILED", "not-applicable": "n/a"}


def to_markdown(sheet: Sheet) -> str:
    """A table of machines and items, then every note and complaint."""
    header = ["machine", *sheet.items]
    rows = [[machine, *(_mark(sheet, machine, item) for item in sheet.items)] for machine in sheet.machines]
    lines = [f"# {_title(sheet)}", ""]
    lines += [
        "| " + " | ".join(_cell(text) for text in row) + " |"
        for row in (header, ["---"] * len(header), *rows)
    ]
    notes = [entry for entry in _shown(sheet) if entry.note]
    if notes:
        lines += ["", "## Notes", ""]
        lines += [
            f"- {_cell(entry.machine)}, {_cell(entry.item)} ({_cell(entry.who)}, {moment(entry.at)}):"
            f" {_cell(entry.note)}"
            for entry in notes
        ]
    if sheet.complaints:
        lines += ["", "## Complaints", ""]
        lines += [f"- {_complaint(complaint)}" for complaint in sheet.complaints]
    return "\n".join(lines) + "\n"


def to_csv(sheet: Sheet) -> str:
    """A row for each machine and item; items not tried have empty cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("machine", "item", "result", "who", "when", "note"))
    for machine in sheet.machines:
        for item in sheet.items:
            entry = sheet.cell(machine, item)
            tail = (entry.result, entry.who, moment(entry.at), entry.note) if entry else ("", "", "", "")
            writer.writerow(_harmless(cell) for cell in (machine, item, *tail))
    return out.getvalue()


def _harmless(text: str) -> str:
    """A cell no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


_STYLE = """
body { font: 11pt sans-serif; margin: 2cm; }
table { border-collapse: collapse; width: 100%; page-break-inside: auto; margin-bottom: 1em; }
tr { page-break-inside: avoid; }
th, td { border: 1px solid #444; padding: .3em .5em; text-align: left; vertical-align: top; }
td.box::before { content: "\\2610"; font-size: 1.3em; }
td.failed { font-weight: bold; }
h2 { page-break-before: always; } h2.first { page-break-before: auto; }
""".strip()


def to_html(sheet: Sheet) -> str:
    """One page a machine, for a clipboard: empty boxes where nothing was recorded."""
    title = escape(_title(sheet))
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
    ]
    for number, machine in enumerate(sheet.machines):
        parts.append(f"<h2{' class=first' if number == 0 else ''}>{escape(machine)}</h2>")
        parts.append("<table><tr><th>item</th><th>result</th><th>who</th><th>when</th><th>note</th></tr>")
        parts += [_html_row(item, sheet.cell(machine, item)) for item in sheet.items]
        parts.append("</table>")
    if sheet.complaints:
        parts.append("<h2>Complaints</h2><ul>")
        parts += [f"<li>{escape(_complaint(complaint))}</li>" for complaint in sheet.complaints]
        parts.append("</ul>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _title(sheet: Sheet) -> str:
    return f"Checklist of {sheet.migration}"


def _html_row(item: str, entry: Entry | None) -> str:
    if entry is None:
        return f"<tr><td>{escape(item)}</td><td class=box></td><td></td><td></td><td></td></tr>"
    cells = (entry.who, moment(entry.at), entry.note)
    tail = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr><td>{escape(item)}</td><td class={entry.result}>{_MARKS[entry.result]}</td>{tail}</tr>"


def _shown(sheet: Sheet) -> list[Entry]:
    cells = (sheet.cell(machine, item) for machine in sheet.machines for item in sheet.items)
    return [entry for entry in cells if entry is not None]


def _mark(sheet: Sheet, machine: str, item: str) -> str:
    entry = sheet.cell(machine, item)
    return _MARKS[entry.result] if entry else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def _complaint(complaint: Complaint) -> str:
    place = f"{complaint.machine}: " if complaint.machine else ""
    settled = f", settled {moment(complaint.settled)}" if complaint.settled else ", open"
    return f"{moment(complaint.at)}, {complaint.who}: {place}{complaint.note}{settled}"
