"""Findings: the space of all clients, the race for each class of them, and the rules.

`analyse` is the whole of it: what ``coexist check`` prints and what other rooms ask.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from coexist.analysis.findings import Code, Finding, Severity, Suppressed, Witness
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.check import Further
    from coexist.analysis.matrix import Row
    from coexist.analysis.races import RaceMemory
    from coexist.analysis.site import AnalysedSite
    from coexist.apart import Apart
    from coexist.inventory import Inventory


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What is known of an inventory: findings in the order of their places, and the accepted ones."""

    site: AnalysedSite
    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def matrix(self) -> tuple[Row, ...]:
        """Who answers whom, class by class, against the intent."""
        from coexist.analysis.matrix import matrix

        return matrix(self.site)


def ready() -> None:
    """Import what `analyse` needs, for who has to wait for an inventory anyway."""
    importlib.import_module("coexist.analysis.check")


def analyse(
    inventory: Inventory,
    today: date | None = None,
    further: Further = tuple,
    memory: RaceMemory | None = None,
    apart: Apart | None = None,
    *,
    brief: bool = False,
) -> Analysis:
    """Apply every rule to an inventory. ``today`` decides which dates have passed; None: no date has.

    ``further`` makes the findings of other rooms about the same inventory, which it may suppress too; what a
    product cannot keep is weighed by who boots differently for it. ``memory``: races of inventories that are
    like it. ``apart`` begins work on another core. ``brief``: without the time lines of witnesses and without
    repairs, which cost a race each and which a sentence a finding does not show.
    """
    from coexist.analysis.check import found_in
    from coexist.analysis.site import AnalysedSite
    from coexist.analysis.suppress import apply
    from coexist.boot.firmware import firmwares_of

    firmwares_of(inventory)  # a wrong one is a mistake in the inventory, also where no client has it
    site = AnalysedSite(inventory, today, memory, brief=brief)
    everything, kept = found_in(site, further, apart)
    if kept:
        from coexist.analysis.keeping import weighed

        everything += weighed(site, kept)
    found, hidden = apply(site, everything)
    if found and not brief:
        from coexist.analysis.repairs import repaired, with_causes

        found = with_causes(site, [repaired(site, finding) for finding in found])
    return Analysis(site=site, findings=sorted_findings(found), suppressed=tuple(hidden))


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, then by code and place."""
    return tuple(sorted(findings, key=_order))


def _order(finding: Finding) -> tuple[object, ...]:
    return (-finding.severity, finding.code.code, finding.position, finding.message)


__all__ = [
    "Analysis",
    "Code",
    "Finding",
    "Severity",
    "Suppressed",
    "Witness",
    "analyse",
    "ready",
    "sorted_findings",
]
