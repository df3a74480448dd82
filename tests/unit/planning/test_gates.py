from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from coexist.inventory.models import Migration, Wave
from coexist.planning.checklist import ChecklistRecord, Complaint, Entry, Result, sheet_of
from coexist.planning.gates import gate_before
from coexist.planning.progress import MigrationState, MovedWave
from coexist.planning.sightings import Sighting, WaveSeen, seen_since

MOVED = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
A, B, C = 0x00155D000001, 0x00155D000002, 0x00155D000003
PILOTS = MovedWave(name="pilots", moved=MOVED, clients=(A, B, C))
STATE = MigrationState(migration="up", source="old", target="new", waves=(PILOTS,))


def migration(**gate: Any) -> Migration:
    return Migration.model_validate(
        {
            "from": "old",
            "to": "new",
            "waves": [{"name": "pilots", "gate": gate}, {"name": "rest"}],
            "gate": {"checklist": False},
            "checklist": ["boots", "prints"],
        }
    )


def record(*results: tuple[str, str, Result], complaints: tuple[Complaint, ...] = ()) -> ChecklistRecord:
    return ChecklistRecord(
        migration="up",
        results=tuple(
            Entry(at=MOVED, machine=machine, item=item, result=result, who="kim")
            for machine, item, result in results
        ),
        complaints=complaints,
    )


def conditions(
    declared: Migration,
    checked: ChecklistRecord | None = None,
    *,
    seen: tuple[WaveSeen, ...] = (),
    days: float = 0,
    wave: Wave | None = None,
) -> list[tuple[bool, str]]:
    found = gate_before(
        declared,
        wave or declared.waves[1],
        STATE,
        sheet=sheet_of("up", declared, ("tc01",), checked),
        seen=seen,
        now=MOVED + timedelta(days=days),
    )
    return [(condition.met, condition.text) for condition in found]


def test_the_first_wave_waits_for_its_date_only() -> None:
    declared = migration()
    first = Wave(name="pilots", not_before=date(2026, 11, 2))
    nobody = MigrationState(migration="up", source="old", target="new")
    sheet = sheet_of("up", declared, (), None)
    for day, met in ((1, False), (2, True)):
        now = datetime(2026, 11, day, 23, 0, tzinfo=UTC)
        (condition,) = gate_before(declared, first, nobody, sheet=sheet, seen=(), now=now)
        assert condition.met is met


@pytest.mark.parametrize(
    ("results", "met", "text"),
    [
        ((), False, "checklist: 0 of 2 passed on 1 pilot machines, 2 not tried (first: boots on tc01)"),
        (
            (("tc01", "boots", "passed"), ("tc01", "prints", "failed")),
            False,
            "checklist: 1 of 2 passed on 1 pilot machines, 1 failed (first: prints on tc01)",
        ),
        (
            (("tc01", "boots", "passed"), ("tc01", "prints", "not-applicable")),
            True,
            "checklist: 2 of 2 passed on 1 pilot machines",
        ),
    ],
)
def test_the_checklist(results: Any, met: bool, text: str) -> None:
    assert conditions(migration(), record(*results)) == [(met, text)]


def test_quiet_days_begin_with_the_wave_and_again_with_each_complaint() -> None:
    declared = migration(checklist=False, quiet_days=3)
    assert [met for met, _ in conditions(declared, days=2.9)] == [False]
    assert [met for met, _ in conditions(declared, days=3)] == [True]
    at = MOVED + timedelta(days=2)
    still_open = record(complaints=(Complaint(at=at, who="sam", note="no sound"),))
    ((met, said),) = conditions(declared, still_open, days=30)
    assert (met, re.findall(r"\d+", said)) == (False, ["3", "28", "1"])
    settled = Complaint(at=at, who="sam", note="no sound", settled=at + timedelta(days=1))
    assert [met for met, _ in conditions(declared, record(complaints=(settled,)), days=5.9)] == [False]
    assert [met for met, _ in conditions(declared, record(complaints=(settled,)), days=6)] == [True]


def sighting(mac: int, server: str, hours: float) -> Sighting:
    return Sighting(at=MOVED + timedelta(hours=hours), mac=mac, server=server, how="registry")


def test_what_was_seen_since_the_wave_moved() -> None:
    (seen,) = seen_since(
        STATE,
        [
            sighting(A, "old", -1),  # before it moved: says nothing
            sighting(A, "new", 1),
            sighting(B, "new", 1),
            sighting(B, "old", 2),  # it went back
            sighting(C, "another", 1),
        ],
    )
    assert [set(macs) for macs in (seen.seen, seen.went_back, seen.missing)] == [{A}, {B}, {C}]
    assert seen.share == pytest.approx(1 / 3)


def test_the_share_seen() -> None:
    declared = migration(checklist=False, seen_share="60%")
    assert conditions(declared) == [(False, "60% of pilots seen on the new server: nobody looked")]
    one = seen_since(STATE, [sighting(A, "new", 1)])
    assert conditions(declared, seen=one) == [
        (False, "60% of pilots seen on the new server: 1 of 3, 2 missing, 0 back on the old one")
    ]
    two = seen_since(STATE, [sighting(A, "new", 1), sighting(B, "new", 1)])
    assert [met for met, _ in conditions(declared, seen=two)] == [True]


def test_the_gate_is_that_of_the_wave_before_or_else_the_migrations() -> None:
    declared = migration(checklist=False)
    assert conditions(declared) == []
    without = declared.model_copy(update={"waves": (Wave(name="pilots"), Wave(name="rest"))})
    assert conditions(without) == []
    strict = without.model_copy(update={"gate": declared.gate.model_copy(update={"checklist": True})})
    assert [met for met, _ in conditions(strict)] == [False]
