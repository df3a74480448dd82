"""Rules are pure: they write into nothing, and their order means nothing."""

from __future__ import annotations

import random

import pytest

from coexist.analysis import analyse, sorted_findings
from coexist.analysis.check import found_in
from coexist.analysis.rules import RULES
from coexist.inventory import load_inventory
from tests.conftest import ROOT

SITES = ["broken", "campus"]


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rules_means_nothing(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    site = analyse(load_inventory(ROOT / "inventories" / name)).site
    before = sorted_findings(found_in(site))
    order = sorted(RULES)
    random.Random(seed).shuffle(order)
    shuffled = {code: RULES[code] for code in order}
    monkeypatch.setattr("coexist.analysis.check.RULES", shuffled)
    fresh = analyse(load_inventory(ROOT / "inventories" / name)).site
    # One after the other on a site that was asked before, and on a fresh one.
    assert sorted_findings(found_in(site)) == sorted_findings(found_in(fresh)) == before
