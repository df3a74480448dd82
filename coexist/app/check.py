"""Check an inventory: every finding for every client there can be, as far as its migrations have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coexist.analysis.findings import Finding, Severity, Suppressed
from coexist.app.current import analyse_now
from coexist.records import dataclass
from coexist.text.amounts import amount

if TYPE_CHECKING:
    from coexist.analysis import Analysis
    from coexist.apart import Apart


@dataclass(frozen=True, kw_only=True)
class Report:
    """Findings and what they are about. ``facts`` go into the JSON as they are; ``summary`` ends the text."""

    findings: Sequence[Finding]
    suppressed: Sequence[Suppressed] = ()
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def check(
    path: Path,
    today: date,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    about: Sequence[str] = (),
    files: Sequence[str] = (),
    apart: Apart | None = None,
    brief: bool = False,
) -> Report:
    """Apply every rule to the inventory at ``path``; ``select`` and ``ignore`` are beginnings of codes.

    ``about``: codes, declarations (``servers.otc``) or places (``site.yaml:57``); one of them must fit.
    ``files``: where boot files lie (``DIRECTORY`` or ``SERVER=DIRECTORY``), to look into them too.
    ``apart`` begins work on another core (see `coexist.app.second_core`). ``brief``: for who shows a sentence
    a finding; time lines and repairs may be missing.
    Raises `InputError` for an inventory that cannot be read.
    """
    analysis = analyse_now(path, today, apart, brief=brief)
    if files:
        analysis = _with_files(analysis, files)
    return report_of(analysis, select=select, ignore=ignore, about=about)


def _with_files(analysis: Analysis, files: Sequence[str]) -> Analysis:
    from coexist.analysis import sorted_findings
    from coexist.analysis.suppress import accepted
    from coexist.app.boot_files import file_findings, roots_of

    roots = roots_of(analysis.site.inventory, files)
    found, hidden = accepted(analysis.site, file_findings(analysis.site, roots))
    return replace(
        analysis,
        findings=sorted_findings((*analysis.findings, *found)),
        suppressed=(*analysis.suppressed, *hidden),
    )


def report_of(
    analysis: Analysis,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    about: Sequence[str] = (),
) -> Report:
    """The report of an analysis that was made."""
    findings = [f for f in selected(analysis.findings, select, ignore) if is_about(f, about)]
    hidden = [
        one
        for one in analysis.suppressed
        if wanted(one.finding, select, ignore) and is_about(one.finding, about)
    ]
    more = f" ({len(analysis.suppressed)} suppressed)" if analysis.suppressed else ""
    return Report(
        findings=findings,
        suppressed=hidden,
        summary=f"{coverage(analysis)}: {counted(findings)}{more}",
        facts=facts(analysis),
    )


def is_code(beginning: str) -> bool:
    """Whether a finding's code begins so."""
    from coexist.analysis.catalogue import CATALOGUE

    return any(known.startswith(beginning) for known in CATALOGUE)


def coverage(analysis: Analysis) -> str:
    """What was covered, in a line."""
    site = analysis.site
    vlans, classes = len(site.site.vlans), len(site.space.classes)
    return f"2^48 MACs on {amount(vlans, 'VLAN')} in {amount(classes, 'class', 'classes')}"


def facts(analysis: Analysis) -> dict[str, object]:
    """What was covered, for machines."""
    site = analysis.site
    return {
        "site": site.site.site,
        "registered": len(site.inventory.clients),
        "vlans": len(site.site.vlans),
        "servers": len(site.site.servers),
        "classes": len(site.space.classes),
        "races": site.races.run,
    }


def counted(findings: Sequence[Finding]) -> str:
    """``2 errors, 1 warning, 3 notes``, or that nothing was found."""
    if not findings:
        return "no findings"
    words = []
    for severity, one in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note")):
        number = sum(1 for finding in findings if finding.severity is severity)
        if number:
            words.append(amount(number, one))
    return ", ".join(words)


def selected(findings: Sequence[Finding], select: Sequence[str], ignore: Sequence[str]) -> list[Finding]:
    """The findings whose code begins with one of ``select`` (empty: all) and none of ``ignore``."""
    return [finding for finding in findings if wanted(finding, select, ignore)]


def wanted(finding: Finding, select: Sequence[str], ignore: Sequence[str]) -> bool:
    """Whether the finding's code begins with one of ``select`` (empty: all) and none of ``ignore``."""
    code = finding.code.code
    return (not select or code.startswith(tuple(select))) and not code.startswith(tuple(ignore) or ("-",))


def is_about(finding: Finding, about: Sequence[str]) -> bool:
    """Whether one of ``about`` means the finding: its code, a beginning of its declaration, or its place."""
    path = ".".join(map(str, finding.path))
    position = finding.position
    file = position.file.rsplit("/", 1)[-1]
    places = [f"{name}{line}" for name in (position.file, file) for line in ("", f":{position.line}")]
    return not about or any(
        finding.code.code == what.upper()
        or path == what
        or path.startswith(f"{what}.")
        or what in (*places, str(position))
        for what in about
    )


def fails(findings: Sequence[Finding], fail_on: str) -> bool:
    """Whether a finding is at or above the level; ``never`` is above all."""
    return fail_on != "never" and any(f.severity >= Severity[fail_on.upper()] for f in findings)
