"""What the rules find in a site: in its declarations, and in the outcome of its races."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from coexist.analysis.carried import carried, taken
from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import ERROR, Finding
from coexist.analysis.races import RaceAskedError
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

    Where ``apart`` begins work on another core, and there is enough of it, the declarations are looked into
    there, while the races are run here. A rule that turns out to ask how a race ends is then asked here.
    """
    wait: Wait | None = None
    if apart is not None and len(site.space.classes) >= _WORTH_TWO:
        wait = apart(lambda: carried(site, (*_untold(site), list(further()), site.races.run)))
    declared = [found for rule in RULES.values() if rule.raced is not None for found in rule.raced(site)]
    octets = wait() if wait is not None else None
    if octets is None:
        asking, theirs = list(RULES), list(further())
    else:
        others, asking, theirs, races = taken(site, octets)
        declared += others
        site.races.run += races
    declared += [found for code in asking for found in RULES[code].find(site)]
    explained = explanations(declared)
    return [*declared, *(finding for judge in JUDGES for finding in judge(site, explained))], theirs


def _untold(site: AnalysedSite) -> tuple[list[Finding], list[str]]:
    """What the rules find that ask for the end of no race, and the codes of the others."""
    found: list[Finding] = []
    asking = []
    with site.races.untold():
        for code, rule in RULES.items():
            run = site.races.run
            try:
                found += [*rule.find(site)]
            except RaceAskedError:
                asking.append(code)
                site.races.run = run
    return found, asking


def explanations(declared: Iterable[Finding]) -> Explained:
    """The errors that say already why some classes do not boot as intended."""
    found: dict[tuple[int, str, str, str], set[str]] = {}
    for finding in declared:
        if finding.severity is ERROR:
            for client in finding.classes:
                found.setdefault(identity(client), set()).add(finding.code.code)
    return {client: frozenset(codes) for client, codes in found.items()}
