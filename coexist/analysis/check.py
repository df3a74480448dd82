"""What the rules find in a site: in its declarations, and in the outcome of its races."""

from __future__ import annotations

from collections.abc import Iterable

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import ERROR, Finding
from coexist.analysis.rules import JUDGES, RULES, Explained
from coexist.analysis.site import AnalysedSite, identity

assert CATALOGUE, "it is what fills RULES and JUDGES"


def found_in(site: AnalysedSite) -> list[Finding]:
    """The findings of every rule. The order of the rules means nothing."""
    declared = [finding for rule in RULES.values() for finding in rule.find(site)]
    explained = explanations(declared)
    return [*declared, *(finding for judge in JUDGES for finding in judge(site, explained))]


def explanations(declared: Iterable[Finding]) -> Explained:
    """The errors that say already why some classes do not boot as intended."""
    found: dict[tuple[int, str, str, str], set[str]] = {}
    for finding in declared:
        if finding.severity is ERROR:
            for client in finding.classes:
                found.setdefault(identity(client), set()).add(finding.code.code)
    return {client: frozenset(codes) for client, codes in found.items()}
