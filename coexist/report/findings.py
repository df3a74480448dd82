"""Findings in every form they are printed in: text for people, JSON, SARIF, JUnit, GitHub, GitLab."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

from coexist import __version__
from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding, Severity, Suppressed, Witness
from coexist.app.check import Report
from coexist.errors import Position
from coexist.report.prose import folded
from coexist.report.styles import style
from coexist.wire.mac import format_mac

FORMAT_VERSION = 1
"""The version of the JSON form; raised when a field changes its meaning or goes."""
HELP_URI = "docs/findings/{code}.md"
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SHOWN_LINES = 14


def line(finding: Finding) -> str:
    """A finding in two lines: what it is, and what to do instead."""
    code = finding.code
    head = f"{finding.position}: {code.code} {code.name} ({finding.severity})"
    return f"{head}: {finding.message}\n    {finding.repair}"


def clients_text(number: int) -> str:
    """A number of clients as people read it: 2^48 and its neighbours by their power."""
    power = number.bit_length() - 1
    if power >= 40:
        return "about 2^48" if number > 0.9 * 2**48 else f"about 2^{power}"
    return f"{number:,}"


def describe(witness: Witness) -> str:
    """One client in a line."""
    words = [witness.name, format_mac(witness.mac)] if witness.name else [format_mac(witness.mac)]
    what = ", ".join(
        text for text in (witness.architecture, witness.firmware, f"VLAN {witness.vlan}") if text
    )
    return f"{' '.join(words)} ({what})"


def as_text(report: Report, width: int = 80, *, place: str, whole: bool = True) -> str:
    """The total first, then the findings, worst first; never wider than ``width`` where words allow it.

    ``whole``: grouped by code, each with its witness, time line and repair; else a sentence each. ``place``:
    the inventory as it was typed, for the commands that come next.
    """
    blocks = [report.summary] if report.summary else []
    if report.findings:
        blocks += ["", *(_grouped(report, width, place) if whole else _listed(report, width))]
    return "\n".join(blocks) + "\n" if blocks else ""


def _listed(report: Report, width: int) -> Iterator[str]:
    """A sentence a finding, with its place."""
    for finding in report.findings:
        head = f"{finding.severity} {finding.code.code} {finding.position}: {finding.message}"
        first, *rest = folded(head, width=width, hang=4)
        word = str(finding.severity)
        yield style(word, colour=_COLOURS[finding.severity], bold=True) + first.removeprefix(word)
        yield from rest


def _grouped(report: Report, width: int, place: str) -> Iterator[str]:
    for (severity, code), group in groupby(report.findings, key=lambda f: (f.severity, f.code)):
        head = style(str(severity), colour=_COLOURS[severity], bold=True)
        yield f"{head} {style(code.code, bold=True)} {code.name}"
        yield from folded(code.title, "  ", width=width)
        for finding in group:
            yield _text_of(finding, width, place)
        yield ""


def _text_of(finding: Finding, width: int, place: str) -> str:
    lines = [f"  {style(str(finding.position), colour='blue')}"]
    lines += folded(finding.message, "    ", width=width)
    if finding.witness is not None:
        count = clients_text(finding.clients)
        lines += folded(f"clients: {count}, for example {describe(finding.witness)}", "    ", width=width)
        for line in shortened(finding.witness.timeline, f"{place} {format_mac(finding.witness.mac)}"):
            lines += folded(line, "      ", width=width, hang=10)
    lines += folded(f"repair: {finding.repair}", "    ", width=width)
    if finding.edits:
        from coexist.report.edits import edit_lines

        lines += [f"      {line}" for line in edit_lines(finding.edits)]
    return "\n".join(lines)


def shortened(timeline: Sequence[str], whose: str, most: int = _SHOWN_LINES) -> list[str]:
    """A machine's time line with its beginning and its end: what is cut is in the middle.

    ``whose``: the inventory and the machine, as `coexist explain` is given them.
    """
    if len(timeline) <= most:
        return list(timeline)
    end = most // 3
    cut = len(timeline) - most
    told = f"... {cut} more lines: coexist explain {whose}"
    return [*timeline[: most - end], told, *timeline[-end:]]


def as_dict(finding: Finding) -> dict[str, Any]:
    """A finding as JSON; MACs as text, counts as numbers."""
    witness = finding.witness
    return {
        "code": finding.code.code,
        "name": finding.code.name,
        "severity": str(finding.severity),
        "file": finding.position.file,
        "line": finding.position.line,
        "column": finding.position.column,
        "path": ".".join(map(str, finding.path)),
        "message": finding.message,
        "repair": finding.repair,
        "clients": finding.clients,
        "witness": None
        if witness is None
        else {
            "mac": format_mac(witness.mac),
            "name": witness.name,
            "vlan": witness.vlan,
            "architecture": witness.architecture,
            "firmware": witness.firmware,
            "timeline": list(witness.timeline),
        },
    }


def as_json(report: Report) -> str:
    """One object: version, facts, findings, suppressed."""
    return json.dumps(
        {
            "version": FORMAT_VERSION,
            "coexist": __version__,
            **report.facts,
            "findings": [as_dict(finding) for finding in report.findings],
            "suppressed": [_suppressed_dict(one) for one in report.suppressed],
        },
        indent=2,
        ensure_ascii=False,
    )


def _suppressed_dict(one: Suppressed) -> dict[str, Any]:
    place = one.position
    said = {"reason": one.reason, "until": one.until and one.until.isoformat(),
            "file": place.file, "line": place.line, "column": place.column}  # fmt: skip
    return {**as_dict(one.finding), "suppression": said}


_SARIF_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_sarif(report: Report) -> str:
    """SARIF 2.1.0 (OASIS), with every code of the catalogue that was found as a rule."""
    codes = sorted({f.code.code for f in (*report.findings, *(s.finding for s in report.suppressed))})
    rules = [
        {
            "id": code,
            "name": _pascal(CATALOGUE[code].name),
            "shortDescription": {"text": CATALOGUE[code].title},
            "helpUri": HELP_URI.format(code=code),
            "defaultConfiguration": {"level": _SARIF_LEVEL[CATALOGUE[code].severity]},
        }
        for code in codes
    ]
    results = [_sarif_result(finding, codes) for finding in report.findings]
    results += [_sarif_suppressed(one, codes) for one in report.suppressed]
    driver = {
        "name": "coexist",
        "version": __version__,
        "informationUri": "docs/findings/README.md",
        "rules": rules,
    }
    return json.dumps(
        {
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        },
        indent=2,
        ensure_ascii=False,
    )


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _sarif_result(finding: Finding, codes: Sequence[str]) -> dict[str, Any]:
    text = f"{finding.message}. Repair: {finding.repair}."
    if finding.witness is not None:
        text += f" Witness: {describe(finding.witness)}."
    return {
        "ruleId": finding.code.code,
        "ruleIndex": codes.index(finding.code.code),
        "level": _SARIF_LEVEL[finding.severity],
        "message": {"text": text},
        "locations": [_sarif_location(finding.position)],
        "properties": {"clients": finding.clients, "path": ".".join(map(str, finding.path))},
    }


def _sarif_location(position: Position) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": position.file.replace("\\", "/")},
            "region": {"startLine": position.line, "startColumn": position.column},
        }
    }


def _sarif_suppressed(one: Suppressed, codes: Sequence[str]) -> dict[str, Any]:
    """A result with its suppression (SARIF 2.1.0 section 3.35), which stands in the analysed source."""
    justification = one.reason + (f" (until {one.until})" if one.until else "")
    suppression = {
        "kind": "inSource",
        "status": "accepted",
        "justification": justification,
        "location": _sarif_location(one.position),
    }
    return {**_sarif_result(one.finding, codes), "suppressions": [suppression]}


def as_junit(report: Report) -> str:
    """JUnit XML: a test case a code. An error is a failure; what is less stands in the case's output."""
    from xml.etree import ElementTree

    failed = {f.code.code for f in report.findings if f.severity is Severity.ERROR}
    suite = ElementTree.Element(
        "testsuite", name="coexist", tests=str(len(CATALOGUE)), failures=str(len(failed)), errors="0"
    )
    for code in CATALOGUE.values():
        case = ElementTree.SubElement(suite, "testcase", classname="coexist", name=f"{code.code} {code.name}")
        found = [finding for finding in report.findings if finding.code is code]
        errors = [finding for finding in found if finding.severity is Severity.ERROR]
        if errors:
            failure = ElementTree.SubElement(
                case, "failure", type=str(errors[0].severity), message=code.title
            )
            failure.text = _junit_lines(errors)
        others = [finding for finding in found if finding.severity is not Severity.ERROR]
        if others:
            ElementTree.SubElement(case, "system-out").text = _junit_lines(others)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _junit_lines(findings: Sequence[Finding]) -> str:
    return "\n".join(f"{f.severity} {f.position}: {f.message}; {f.repair}" for f in findings)


_GITHUB_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def as_github(report: Report) -> str:
    """GitHub Actions workflow commands, one line a finding."""
    return "\n".join(
        f"::{_GITHUB_LEVEL[f.severity]} file={_property(f.position.file)},line={f.position.line},"
        f"col={f.position.column},title={_property(f'{f.code.code} {f.code.name}')}"
        f"::{_data(f'{f.message}; {f.repair}')}"
        for f in report.findings
    )


_GITLAB_SEVERITY = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def as_gitlab(report: Report) -> str:
    """GitLab's code quality report: issues told apart by fingerprints that no line number changes."""
    issues = []
    seen: dict[str, int] = {}
    for finding in report.findings:
        about = f"{finding.code.code} {'.'.join(map(str, finding.path))} {finding.position.file}"
        number = seen[about] = seen.get(about, 0) + 1
        issues.append(
            {
                "description": f"{finding.message}. Repair: {finding.repair}",
                "check_name": f"{finding.code.code} {finding.code.name}",
                "fingerprint": sha256(f"{about} {number}".encode()).hexdigest(),
                "severity": _GITLAB_SEVERITY[finding.severity],
                "location": {"path": finding.position.file, "lines": {"begin": finding.position.line}},
            }
        )
    return json.dumps(issues, indent=2, ensure_ascii=False)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS = {
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
    "github": as_github,
    "gitlab": as_gitlab,
}
"""The machine-readable forms by name; ``text`` is `as_text`."""
