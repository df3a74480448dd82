"""Findings about the clients a migration has on their way, told from those of the inventory itself. Pure.

While a step is under way some clients are on the lists of two servers, one of which only stands by. A rule
must call that what it looks like; that it holds is proven for the whole step (`coexist.planning.proof`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from coexist.analysis.findings import Finding, Severity
from coexist.inventory.documents import Path

_Key = tuple[str, Path]


def told_apart(
    findings: Iterable[Finding], settled: Iterable[Iterable[Finding]], *, migration: str, wave: str
) -> tuple[Finding, ...]:
    """The findings at a moment of a proven step, those of the step itself as information.

    ``settled``: the findings with the clients in transit where they came from, and where they go. What is
    found in neither comes from the step alone: nothing but its clients' lists differs. What is found in one
    of them is the inventory's, and stays as it is.
    """
    lasting = {_key(finding) for found in settled for finding in found}
    return tuple(
        finding if _key(finding) in lasting else _of_the_step(finding, migration, wave)
        for finding in findings
    )


def _key(finding: Finding) -> _Key:
    return finding.code.code, finding.path


def _of_the_step(finding: Finding, migration: str, wave: str) -> Finding:
    return replace(
        finding,
        severity=Severity.INFO,
        message=f"{finding.message} (the step of {wave} in {migration} that is under way: proven to hold)",
        repair="finish the step with `coexist migrate next`, or take it back with `coexist migrate back`",
    )
