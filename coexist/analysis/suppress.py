"""Findings that the administrator accepts, and acceptances that accept nothing any more."""

from __future__ import annotations

from collections.abc import Sequence

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding, Suppressed
from coexist.analysis.rules import report
from coexist.analysis.site import AnalysedSite
from coexist.inventory.models import Suppression


def matches(suppression: Suppression, finding: Finding) -> bool:
    """Whether the suppression speaks of the finding: same code, and ``where`` begins its path."""
    if suppression.code != finding.code.code:
        return False
    if not suppression.where:
        return True
    path = ".".join(map(str, finding.path))
    return path == suppression.where or path.startswith(f"{suppression.where}.")


def apply(site: AnalysedSite, findings: Sequence[Finding]) -> tuple[list[Finding], list[Suppressed]]:
    """Split findings into those to report and those suppressed; adds the suppressions' own."""
    kept, hidden = list(findings), list[Suppressed]()
    for number, suppression in enumerate(site.site.suppress):
        place = ("suppress", number)
        if suppression.until and site.today and suppression.until < site.today:
            message = f"this suppression of {suppression.code} held until {suppression.until}"
            repair = "repair the finding, or set a new date"
            kept.append(report(site, "CX102", (*place, "until"), message, repair))
            continue
        matched = [finding for finding in kept if matches(suppression, finding)]
        hidden += [
            Suppressed(
                finding=finding,
                position=site.inventory.where(*place),
                reason=suppression.reason,
                until=suppression.until,
            )
            for finding in matched
        ]
        kept = [finding for finding in kept if finding not in matched]
        if not matched and not any(matches(suppression, one.finding) for one in hidden):
            where = f" at {suppression.where}" if suppression.where else ""
            known = "" if suppression.code in CATALOGUE else "; there is no such code"
            message = f"there is no {suppression.code}{where} to suppress{known}"
            repair = "remove the suppression, or correct its code and `where`"
            kept.append(report(site, "CX101", (*place, "code"), message, repair))
    return kept, hidden
