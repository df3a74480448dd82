"""What the rules find in a site: in its declarations, and in the outcome of its races."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from coexist.analysis.carried import carried, taken
from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import ERROR, Finding
from coexist.analysis.rules import JUDGES, RULES, Explained
from coexist.analysis.site import AnalysedSite, identity
from coexist.apart import Apart, Wait

assert CATALOGUE, "it is what fills RULES and JUDGES"

Further: TypeAlias = Callable[[], Iterable[Finding]]
"""What makes the findings of other rooms about the same inventory."""

# A site with fewer classes is done before another process has begun.
_WORTH_TWO = 64


def found_in(
    site: AnalysedSite, further: Further = tuple, apart: Apart | None = None
) -> tuple[list[Finding], list[Finding]]:
    """The findings of every rule, and those of other rooms. The order of the rules means nothing.

    What asks no race is asked on another core, where ``apart`` begins work there and there is enough of it.
    """

    def unraced() -> tuple[list[Finding], list[Finding]]:
        return _declared(site, raced=False), list(further())

    wait: Wait | None = None
    if apart is not None and len(site.space.classes) >= _WORTH_TWO:
        wait = apart(lambda: carried(site, (unraced(), site.races.run)))
    raced = _declared(site, raced=True)
    octets = wait() if wait is not None else None
    if octets is None:
        others, theirs = unraced()
    else:
        (others, theirs), races = taken(site, octets)
        site.races.run += races
    declared = [*others, *raced]
    explained = explanations(declared)
    return [*declared, *(finding for judge in JUDGES for finding in judge(site, explained))], theirs


def _declared(site: AnalysedSite, *, raced: bool) -> list[Finding]:
    """What the rules find that ask for the ends of races, or those that do not."""
    return [finding for rule in RULES.values() if rule.raced is raced for finding in rule.find(site)]


def explanations(declared: Iterable[Finding]) -> Explained:
    """The errors that say already why some classes do not boot as intended."""
    found: dict[tuple[int, str, str, str], set[str]] = {}
    for finding in declared:
        if finding.severity is ERROR:
            for client in finding.classes:
                found.setdefault(identity(client), set()).add(finding.code.code)
    return {client: frozenset(codes) for client, codes in found.items()}
