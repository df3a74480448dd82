"""What changes between two versions of an inventory, as text, Markdown for a merge request, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from coexist.analysis.findings import Finding
from coexist.app.diff import Change, Difference, End
from coexist.report.findings import as_dict as finding_as_dict
from coexist.report.findings import clients_text
from coexist.report.prose import folded
from coexist.text.amounts import amount
from coexist.wire.mac import format_mac

FORMAT_VERSION = 1


def ending(end: End | None) -> str:
    """How a boot ends, in a few words: ``otc, lpxelinux.0, 0.4 s``."""
    if end is None:
        return "not there"
    words = " or ".join(winner or "nobody" for winner in end.winners)
    if end.files:
        words += f", {' or '.join(end.files)}"
    if end.seconds is not None:
        words += f", {end.seconds:.1f} s"
    if end.second:
        words += f", then {' or '.join(winner or 'nobody' for winner in end.second)}"
    return words


def who(change: Change) -> str:
    """The clients of a change, in a few words."""
    profile = " ".join(part for part in (change.architecture, change.firmware) if part)
    groups = f" of {', '.join(change.groups)}" if change.groups else ""
    return f"{clients_text(change.clients)}{groups} on {change.vlan}, {profile}"


def witness(change: Change) -> str:
    """One machine that shows it."""
    return f"{change.name} {format_mac(change.witness)}" if change.name else format_mac(change.witness)


def summary(difference: Difference) -> str:
    """The whole in a line."""
    if difference.empty:
        return "nothing changes for any client"
    counts: list[str] = []
    for kind, group in groupby(difference.changes, key=lambda change: change.kind):
        number = len(list(group))
        counts.append(
            f"{number} {kind.value}" if counts else f"{amount(number, 'group')} of clients {kind.value}"
        )
    for findings, word in ((difference.gone, "disappear"), (difference.appeared, "appear")):
        if findings:
            counts.append(f"{amount(len(findings), 'finding')} {word}{'s' if len(findings) == 1 else ''}")
    return ", ".join(counts)


def as_text(difference: Difference) -> str:
    """For a terminal: the gravest first."""
    return "\n".join(_lines(difference)) + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    yield from folded(f"{difference.old} -> {difference.new}: {summary(difference)}")
    for kind, group in groupby(difference.changes, key=lambda change: change.kind):
        yield ""
        yield kind.value
        for change in group:
            yield from folded(f"{who(change)}, for example {witness(change)}", "  ")
            yield from folded(f"- {ending(change.before)}", "    ")
            yield from folded(f"+ {ending(change.after)}", "    ")
    for title, findings in _findings(difference):
        yield ""
        yield title
        for finding in findings:
            where = f"{finding.severity} {finding.code.code} {finding.position}"
            yield from folded(f"{where}: {finding.message}", "  ")


def _findings(difference: Difference) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """The findings that appear and that go, each under its title, if there are any."""
    if difference.appeared:
        yield "findings that appear", difference.appeared
    if difference.gone:
        yield "findings that disappear", difference.gone


def as_markdown(difference: Difference) -> str:
    """For a merge request: a table of the clients, then the findings."""
    lines = [f"**coexist: {summary(difference)}**", ""]
    if difference.changes:
        lines += ["| what changes | clients | for example | before | after |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(map(_cell, _row(change))) + " |" for change in difference.changes]
        lines.append("")
    for title, findings in _findings(difference):
        lines += [f"{title.capitalize()}:", ""]
        lines += [
            f"- {finding.severity} `{finding.code.code}` `{finding.position}`: {_cell(finding.message)}"
            for finding in findings
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(change: Change) -> tuple[str, ...]:
    return change.kind.value, who(change), witness(change), ending(change.before), ending(change.after)


def _cell(text: str) -> str:
    escaped = "".join("\\" + char if char in "\\|`*_<>[]" else char for char in text)
    return escaped.replace("\n", " ")


def as_dict(difference: Difference) -> dict[str, Any]:
    """The difference as JSON values."""
    return {
        "version": FORMAT_VERSION,
        "old": difference.old,
        "new": difference.new,
        "changes": [_change(change) for change in difference.changes],
        "findings_gone": [finding_as_dict(finding) for finding in difference.gone],
        "findings_new": [finding_as_dict(finding) for finding in difference.appeared],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind.name.lower(),
        "vlan": change.vlan,
        "architecture": change.architecture,
        "firmware": change.firmware,
        "clients": change.clients,
        "witness": format_mac(change.witness),
        "name": change.name,
        "groups": list(change.groups),
        "before": _end(change.before),
        "after": _end(change.after),
    }


def _end(end: End | None) -> dict[str, Any] | None:
    if end is None:
        return None
    return {
        "winners": list(end.winners),
        "files": list(end.files),
        "seconds": end.seconds,
        "second_stage_winners": list(end.second),
    }


def as_json(difference: Difference) -> str:
    """One object."""
    return json.dumps(as_dict(difference), indent=2, ensure_ascii=False) + "\n"


FORMATS = {"text": as_text, "markdown": as_markdown, "json": as_json}
"""The forms by name; the HTML form is made by ``report.page``."""
