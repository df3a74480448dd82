"""Recorded boots of real firmware against real servers, each predicted from its line-up alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.truth import judge, predict

HERE = Path(__file__).parents[2]
OWN = HERE / "data" / "recorded-boots.json"
SHARED = Path(os.environ.get("COEXIST_SHARED", HERE.parent.parent / "shared")) / "data"


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["results"]
    return rows


ROWS = _rows(OWN)
ALL = [row for path in sorted(SHARED.glob("firmware-truth*.json")) for row in _rows(path)]


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_recorded_boot_is_predicted(row: dict[str, Any]) -> None:
    report = judge(row)
    assert report["agrees"], report["why"]


@pytest.mark.parametrize("row", ALL, ids=[row["id"] for row in ALL])
def test_every_repetition_is_predicted(row: dict[str, Any]) -> None:
    report = judge(row)
    assert report["agrees"], report["why"]


def test_repetitions_that_differ_are_predicted_as_the_set_of_their_winners() -> None:
    by_scenario: dict[str, set[str | None]] = {}
    scenarios: dict[str, Any] = {}
    for row in ROWS:
        key = json.dumps(row["scenario"], sort_keys=True)
        by_scenario.setdefault(key, set()).add(row["winner"])
        scenarios[key] = row["scenario"]
    races = {key: winners for key, winners in by_scenario.items() if len(winners) > 1}
    assert len(races) >= 3
    for key, winners in races.items():
        assert set(predict(scenarios[key]).winners) == winners


def test_what_is_no_race_has_one_outcome() -> None:
    """Servers whose offers lie further apart than the jitter leave no choice."""
    alone = [row for row in ROWS if row["id"].startswith(("S1-", "S4-A0.2", "S4-A2", "S5-", "S7-"))]
    assert len(alone) > 30
    for row in alone:
        assert predict(row["scenario"]).winners == (row["winner"],), row["id"]


def test_a_wrong_row_is_told() -> None:
    row = next(row for row in ROWS if row["id"] == "S4-A2-B3@ipxe")
    assert not judge({**row, "winner": "B", "file": "b.0"})["agrees"]
    assert not judge({**row, "file": "b.0"})["agrees"]
    assert not judge({**row, "t_rrq": 0.05})["agrees"]
    unknown = {**row["scenario"], "servers": [{"name": "X", "type": "unheard-of", "ip": "10.77.0.9"}]}
    assert not judge({**row, "scenario": unknown})["agrees"]
