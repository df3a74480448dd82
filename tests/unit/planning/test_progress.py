from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import InputError
from coexist.inventory.values import Delay
from coexist.planning.placement import Placement
from coexist.planning.progress import (
    Happened,
    MigrationState,
    MovedWave,
    OpenStep,
    quoted,
    read_state,
    write_state,
)
from coexist.planning.ways import HAND_OVER_DELAYS

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
TIMES = st.integers(0, 10**7).map(lambda seconds: START + timedelta(seconds=seconds))
UNICAST = st.integers(0, (1 << 48) - 1).map(lambda mac: mac & ~(1 << 40))
MACS = st.sets(UNICAST, max_size=5).map(lambda macs: tuple(sorted(macs)))
NAMES = st.sampled_from(["pilots", "wave-2", "true", "null", "1.5", "0x10", "no", "a.b_c-d", "2026-11-02"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)

CHANGES = {"hand-over": 4, "giver-stands-by": 3, "taker-stands-by": 3, "overlap": 2}
STATES = st.builds(
    # The fields' names: hypothesis knows only their aliases, `from` and `to`.
    lambda **fields: MigrationState(source="old", target="new", **fields),
    migration=NAMES,
    waves=st.lists(st.builds(MovedWave, name=NAMES, moved=TIMES, clients=MACS), max_size=3).map(tuple),
    step=st.none()
    | st.builds(
        OpenStep,
        wave=NAMES,
        direction=st.sampled_from(["forward", "back"]),
        way=st.sampled_from(list(CHANGES)),
        delay=st.sampled_from([Delay(), Delay(after=1.2), *HAND_OVER_DELAYS, Delay(secs_at_least=5)]),
        clients=MACS,
        done=st.integers(0, 4),
        trying=st.booleans(),
        since=TIMES,
    ).filter(lambda step: step.done <= CHANGES[step.way]),
    retired=st.none() | TIMES,
    history=st.lists(st.builds(Happened, at=TIMES, what=TEXTS), max_size=3).map(tuple),
)


@given(STATES, st.dictionaries(UNICAST, TEXTS, max_size=3))
def test_what_is_written_is_read_again(state: MigrationState, names: dict[int, str]) -> None:
    labels = {**names, **{mac: "reception\n- not: a list" for wave in state.waves for mac in wave.clients}}
    text = write_state(state, labels)
    assert read_state(text, "up.yaml") == state
    # Other people's tools read YAML 1.1.
    assert yaml.safe_load(text)["migration"] == state.migration


@given(TEXTS)
def test_any_text_is_one_line_of_yaml(text: str) -> None:
    assert "\n" not in quoted(text)
    assert yaml.safe_load(quoted(text)) == text


def test_the_file_is_readable() -> None:
    state = MigrationState(
        migration="up",
        source="old",
        target="new",
        waves=(MovedWave(name="pilots", moved=START, clients=(0x00155D000001, 0x00155D000004)),),
        step=OpenStep(
            wave="rest", direction="forward", way="hand-over", delay=Delay(since_first=0.5),
            clients=(0x00155D000002,), done=2, trying=True, since=START,
        ),
    ).noting(START, "pilots: 2 clients boot from new")  # fmt: skip
    assert write_state(state, {0x00155D000001: "reception"}) == (
        "# Written by `coexist migrate`. Keep it in version control, beside the inventory.\n"
        "migration: up\n"
        "from: old\n"
        "to: new\n"
        "waves:\n"
        "  - name: pilots\n"
        "    moved: 2026-11-02T08:00:00Z\n"
        "    clients:\n"
        '      - "00:15:5d:00:00:01"  # reception\n'
        '      - "00:15:5d:00:00:04"\n'
        "# A step is under way: `coexist migrate next` goes on with it, `back` takes it back.\n"
        "step:\n"
        "  wave: rest\n"
        "  direction: forward\n"
        "  way: hand-over\n"
        "  delay: {since_first: 0.5}\n"
        "  done: 2\n"
        "  trying: true\n"
        "  since: 2026-11-02T08:00:00Z\n"
        "  clients:\n"
        '    - "00:15:5d:00:00:02"\n'
        "history:\n"
        '  - {at: 2026-11-02T08:00:00Z, what: "pilots: 2 clients boot from new"}\n'
    )


def test_where_the_clients_are() -> None:
    moved, moving = 0x00155D000001, 0x00155D000002
    pilots = MovedWave(name="pilots", moved=START, clients=(moved,))
    state = MigrationState(migration="up", source="old", target="new", waves=(pilots,))
    assert state.placement == Placement.settled([moved])
    step = OpenStep(
        wave="rest", direction="forward", way="overlap", clients=(moving,), done=1, trying=True, since=START
    )
    assert state.updated(step=step).placement.arrived == {moved, moving}
    assert state.updated(step=step).placement.left == {moved}
    assert state.updated(retired=START).placement.retired


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("migration: up\nfrom: old\n", "'to' is missing"),
        ("migration: up\nfrom: old\nto: new\nwaves:\n  - {name: a, moved: yesterday}\n", "up.yaml:5:22: "),
        ("migration: up\nfrom: old\nto: new\nwave: []\n", "the key 'wave' is not known here"),
        ("migration: up\nmigration: up\nfrom: old\nto: new\n", "up.yaml:2:1: "),
    ],
)
def test_a_file_that_was_edited_wrongly_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=r"^up\.yaml:\d+:\d+: ") as told:
        read_state(text, "up.yaml")
    assert complaint in str(told.value)
