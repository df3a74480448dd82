"""Findings that the administrator accepts, and acceptances that accept nothing any more."""

from __future__ import annotations

from collections.abc import Sequence

from coexist.analysis.findings import WARNING, Finding, Suppressed
from coexist.analysis.rules import kind, report
from coexist.analysis.site import AnalysedSite
from coexist.inventory.models import Suppression

kind("CX101", "suppression-without-finding", WARNING, "A suppression matches no finding any more")
kind("CX102", "suppression-expired", WARNING, "A suppression's date has passed; it no longer hides anything")


def matches(suppression: Suppression, finding: Finding) -> bool:
    """Whether the suppression is about the finding: same code, and ``where`` begins its path."""
    if suppression.code != finding.code.code:
        return False
    if not suppression.where:
        return True
    path = ".".join(map(str, finding.path))
    return path == suppression.where or path.startswith(f"{suppression.where}.")


OF_FILES = frozenset({"CX429", "CX430", "CX431", "CX432"})
"""Codes that only boot files show: a check that does not look into them finds none."""


def accepted(site: AnalysedSite, findings: Sequence[Finding]) -> tuple[list[Finding], list[Suppressed]]:
    """Split findings into those to report and those suppressed, and say nothing of the suppressions."""
    kept, hidden = list(findings), list[Suppressed]()
    for number in range(len(site.site.suppress)):
        if not _has_passed(site, number):
            kept, more = _without(site, number, kept)
            hidden += more
    return kept, hidden


def apply(site: AnalysedSite, findings: Sequence[Finding]) -> tuple[list[Finding], list[Suppressed]]:
    """Split findings into those to report and those suppressed; adds the suppressions' own."""
    from coexist.analysis.catalogue import CATALOGUE  # which collects the codes above too

    kept, hidden = list(findings), list[Suppressed]()
    for number, suppression in enumerate(site.site.suppress):
        place = ("suppress", number)
        if _has_passed(site, number):
            message = f"this suppression of {suppression.code} ended on {suppression.until}"
            repair = "repair the finding, or set a new date"
            kept.append(report(site, "CX102", (*place, "until"), message, repair))
            continue
        kept, more = _without(site, number, kept)
        hidden += more
        if suppression.code in OF_FILES or any(matches(suppression, one.finding) for one in hidden):
            continue
        where = f" at {suppression.where}" if suppression.where else ""
        known = "" if suppression.code in CATALOGUE else "; there is no such code"
        message = f"this suppression of {suppression.code}{where} matches no finding{known}"
        repair = "remove the suppression, or correct its code and `where`"
        kept.append(report(site, "CX101", (*place, "code"), message, repair))
    return kept, hidden


def _has_passed(site: AnalysedSite, number: int) -> bool:
    until = site.site.suppress[number].until
    return until is not None and site.today is not None and until < site.today


def _without(
    site: AnalysedSite, number: int, findings: Sequence[Finding]
) -> tuple[list[Finding], list[Suppressed]]:
    """The findings that a suppression leaves, and those that it accepts."""
    suppression, position = site.site.suppress[number], site.inventory.where("suppress", number)
    matched = [finding for finding in findings if matches(suppression, finding)]
    return [finding for finding in findings if finding not in matched], [
        Suppressed(finding=finding, position=position, reason=suppression.reason, until=suppression.until)
        for finding in matched
    ]
