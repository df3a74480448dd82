"""What check and solve promise, on small sites of any shape."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings

from coexist.analysis import Severity, analyse
from coexist.analysis.site import AnalysedSite
from coexist.analysis.space import ClientClass
from coexist.planning.solve import solve
from coexist.planning.solve_ends import holds
from tests.unit.analysis.worlds import readable, trees


@settings(max_examples=100)
@given(trees())
def test_a_site_without_errors_boots_every_client_as_intended(tree: dict[str, Any]) -> None:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    analysis = analyse(inventory)
    for finding in analysis.findings:
        assert finding.message
        assert finding.repair
        if finding.witness is not None:
            assert finding.clients > 0
            assert finding.witness.mac in analysis.site.space.class_of(finding.witness.mac).members
    cases = [case for case in analysis.site.cases if case.intended.rule is not None]
    wrong = [case for case in cases if not holds(analysis.site, case)]
    errors = [finding for finding in analysis.findings if finding.severity is Severity.ERROR]
    assert bool(errors) or not wrong, wrong[:3]


def ends(site: AnalysedSite, client: ClientClass) -> set[tuple[str | None, str | None, str | None]]:
    return {
        (finish.winner, finish.decided_by, finish.file)
        for found in (site.races.of(client), site.races.second(client))
        for finish in found
    }


@settings(max_examples=40)
@given(trees())
def test_what_solve_does_not_call_impossible_holds_afterwards(tree: dict[str, Any]) -> None:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    solution = solve(inventory)
    site = solution.after.site
    wrong = [case for case in site.cases if case.intended.rule is not None and not holds(site, case)]
    assert bool(solution.impossible) or not wrong
    # What solve remembers of the sites on its way holds for the last one.
    alone = AnalysedSite(site.inventory)
    for case in site.cases:
        assert ends(site, case.client) == ends(alone, case.client)
    again = solve(site.inventory)
    assert again.edits == ()
