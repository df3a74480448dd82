from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from coexist.inventory import inventory_from_tree
from coexist.planning.checklist import (
    DEFAULT_ITEMS,
    ChecklistRecord,
    Complaint,
    Entry,
    items_of,
    pilot_machines,
    read_checklist,
    sheet_of,
    write_checklist,
)
from coexist.planning.waves import plan_waves
from coexist.report.checklist import to_csv, to_markdown
from tests.unit.planning.sites import site, tree

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
TIMES = st.integers(0, 10**6).map(lambda seconds: AT + timedelta(seconds=seconds))
RECORDS = st.builds(
    ChecklistRecord,
    migration=st.just("up"),
    results=st.lists(
        st.builds(
            Entry,
            at=TIMES,
            machine=TEXTS,
            item=TEXTS,
            result=st.sampled_from(["passed", "failed", "not-applicable"]),
            who=TEXTS,
            note=TEXTS,
        ),
        max_size=4,
    ).map(tuple),
    complaints=st.lists(
        st.builds(Complaint, at=TIMES, machine=TEXTS, who=TEXTS, note=TEXTS, settled=st.none() | TIMES),
        max_size=2,
    ).map(tuple),
)


def entry(machine: str, item: str, result: str = "passed", *, hours: int = 0, note: str = "") -> Entry:
    return Entry(
        at=AT + timedelta(hours=hours),
        machine=machine,
        item=item,
        result=result,  # type: ignore[arg-type]
        who="kim",
        note=note,
    )


@given(RECORDS)
def test_what_is_written_is_read_again(record: ChecklistRecord) -> None:
    assert read_checklist(write_checklist(record), "up-checklist.yaml") == record


def test_the_items_are_the_migrations_own_or_what_breaks_on_thin_clients() -> None:
    assert items_of(site().site.migrations["up"]) == DEFAULT_ITEMS
    assert items_of(site(checklist=["boots", "prints"]).site.migrations["up"]) == ("boots", "prints")


def test_the_last_result_counts_and_the_others_stay() -> None:
    migration = site(checklist=["boots", "prints"]).site.migrations["up"]
    record = ChecklistRecord(
        migration="up",
        results=(
            entry("tc01", "boots", hours=2),
            entry("tc01", "boots", "failed"),
            entry("tc04", "prints", "failed"),
        ),
    )
    sheet = sheet_of("up", migration, ("tc01", "tc04"), record)
    assert [(e.machine, e.item) for e in sheet.failed] == [("tc04", "prints")]
    assert sheet.missing == (("tc01", "prints"), ("tc04", "boots"))
    assert len(read_checklist(write_checklist(record), "f").results) == 3


def test_pilot_machines_are_the_pilots_or_the_first_wave() -> None:
    for declared, machines in (
        ({"pilots": "pilot-machines", "waves": [{"name": "rest"}]}, ("tc01", "tc04")),
        ({"waves": [{"name": "room", "location": "room-1"}]}, ("tc01", "tc04", "tc07", "tc10")),
        ({}, ()),
    ):
        inventory = site(**declared)
        migration = inventory.site.migrations["up"]
        assert pilot_machines(inventory, migration, plan_waves(inventory, migration)) == machines


def test_pilots_that_are_on_the_new_server_already_are_still_tested() -> None:
    plain = tree(pilots="pilot-machines", waves=[{"name": "rest"}])
    plain["servers"]["old"]["answers"] = {"only": "others"}
    plain["servers"]["new"]["answers"] = {"only": "pilot-machines"}
    plain["groups"]["others"] = {"groups": "thin-clients", "except": "pilot-machines"}
    inventory = inventory_from_tree(plain)
    migration = inventory.site.migrations["up"]
    waves = plan_waves(inventory, migration)
    assert [len(wave.clients) for wave in waves] == [0, 10]
    assert pilot_machines(inventory, migration, waves) == ("tc01", "tc04")


SHEET = sheet_of(
    "up",
    site(checklist=["boots | twice", "<audio>"]).site.migrations["up"],
    ("tc01", "tc04"),
    ChecklistRecord(
        migration="up",
        results=(
            entry("tc01", "boots | twice"),
            entry("tc04", "<audio>", "failed", note="=HYPERLINK(1) & silence"),
        ),
        complaints=(Complaint(at=AT, machine="tc04", who="sam", note="<b>no sound</b>"),),
    ),
)


def test_markdown_has_a_section_for_each_machine_in_80_columns() -> None:
    assert to_markdown(SHEET) == (
        "# Checklist of up\n"
        "\n"
        "Machines: 2. Tests: 4, 1 passed, 1 FAILED, 0 n/a, 2 not tried.\n"
        "\n"
        "## tc01\n"
        "\n"
        "1. boots | twice: **passed** (kim, 2026-11-03T09:30:00Z)\n"
        "2. \\<audio>: -\n"
        "\n"
        "## tc04\n"
        "\n"
        "1. boots | twice: -\n"
        "2. \\<audio>: **FAILED** (kim, 2026-11-03T09:30:00Z): =HYPERLINK(1) & silence\n"
        "\n"
        "## Complaints\n"
        "\n"
        "1. 2026-11-03T09:30:00Z, sam: tc04: \\<b>no sound\\</b>, open\n"
    )


@given(RECORDS, st.lists(TEXTS, min_size=1, max_size=9, unique=True).map(tuple))
def test_markdown_is_wider_than_80_columns_only_where_a_word_is(
    record: ChecklistRecord, items: tuple[str, ...]
) -> None:
    machines = tuple(sorted({entry.machine for entry in record.results}))
    migration = site().site.migrations["up"].model_copy(update={"checklist": items})
    for line in to_markdown(sheet_of("up", migration, machines, record)).splitlines():
        assert len(line) <= 80 or " " not in line.strip().lstrip("#").strip() or line.startswith("## ")


def test_csv_has_a_row_for_each_cell_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(SHEET))))
    assert rows[0] == ["machine", "item", "result", "who", "when", "note"]
    assert len(rows) == 1 + 2 * 2
    assert rows[4] == ["tc04", "<audio>", "failed", "kim", "2026-11-03T09:30:00Z", "'=HYPERLINK(1) & silence"]
    assert rows[2] == ["tc01", "<audio>", "", "", "", ""]


def test_every_export_of_an_empty_sheet_is_whole() -> None:
    sheet = sheet_of("up", site().site.migrations["up"], (), None)
    assert to_markdown(sheet) == (
        "# Checklist of up\n\nMachines: 0. Tests: 0, 0 passed, 0 FAILED, 0 n/a, 0 not tried.\n"
    )
    assert to_csv(sheet) == "machine,item,result,who,when,note\n"
