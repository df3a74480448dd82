"""The rules: each is a function over an analysed site that returns findings.

A rule that crashes fails the run: nothing here catches anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding, Severity, Witness
from coexist.analysis.site import AnalysedSite, touched
from coexist.analysis.space import ClientClass
from coexist.errors import Position
from coexist.inventory.documents import Path

Rule = Callable[[AnalysedSite], Iterable[Finding]]

RULES: dict[str, Rule] = {}
"""Every rule by the code it reports."""


def rule(code: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of a code of the catalogue."""
    if code not in CATALOGUE:
        raise ValueError(f"{code} is not in the catalogue")

    def register(function: Rule) -> Rule:
        if code in RULES:
            raise ValueError(f"{code} has two rules")
        RULES[code] = function
        return function

    return register


def report(
    site: AnalysedSite,
    code: str,
    path: Path,
    message: str,
    repair: str,
    *,
    clients: Sequence[ClientClass] = (),
    timeline: Sequence[str] | None = None,
    severity: Severity | None = None,
    position: Position | None = None,
    count: int | None = None,
) -> Finding:
    """A finding about the declaration at ``path``; its witness is taken from ``clients``.

    ``timeline`` None lets the race write it.
    """
    kind = CATALOGUE[code]
    severity = kind.severity if severity is None else severity
    if severity is Severity.ERROR:
        site.explain(code, clients)
    chosen = choose(clients)
    witness = None
    if chosen is not None:
        lines = site.timeline(chosen) if timeline is None else tuple(timeline)
        witness = Witness(
            mac=chosen.macs.witness,
            architecture=chosen.architecture,
            firmware=chosen.firmware,
            vlan=chosen.vlan,
            name=chosen.macs.name,
            timeline=lines,
        )
    return Finding(
        code=kind,
        severity=severity,
        position=position or site.inventory.where(*path),
        message=message,
        repair=repair,
        path=path,
        witness=witness,
        clients=touched(clients) if count is None else count,
    )


def choose(clients: Sequence[ClientClass]) -> ClientClass | None:
    """The class to show: a registered machine with a name if there is one, else the first."""
    return next((c for c in clients if c.macs.name), next((c for c in clients if c.macs.known), None)) or (
        clients[0] if clients else None
    )
