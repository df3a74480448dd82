"""Runs the rules: first what the declarations show, then what only the race shows."""

from __future__ import annotations

from coexist.analysis.findings import Finding
from coexist.analysis.rules import (
    RULES,
    addressing,
    architectures,
    bootpath,
    hearing,
    inventory,
    loaders,
    ordering,
    outcome,
    programs,
)
from coexist.analysis.site import AnalysedSite

# Importing a module of rules registers them; naming the modules keeps that from looking unused.
MODULES = (inventory, hearing, addressing, ordering, bootpath, programs, architectures, loaders, outcome)


def run_rules(site: AnalysedSite) -> list[Finding]:
    """The findings of every rule. Rules about outcomes come last: they leave out what errors explain."""
    last = [code for code in RULES if code in outcome.OUTCOME_CODES]
    first = [code for code in RULES if code not in outcome.OUTCOME_CODES]
    return [finding for code in (*first, *last) for finding in RULES[code](site)]
