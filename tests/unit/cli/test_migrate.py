"""``coexist migrate`` and ``coexist checklist`` on two servers whose files lie in a folder."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.cli import run
from coexist.registry.records import Note
from coexist.registry.sqlite import sqlite_registry
from coexist.server.config import load_config
from coexist.wire.mac import format_mac, parse_mac
from tests.unit.planning.sites import tree

PILOTS = (0x00155D000001, 0x00155D000004)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plain = tree(
        pilots="pilot-machines",
        waves=[{"name": "room", "location": "room-0"}, {"name": "rest"}],
        gate={"checklist": True, "seen_share": "50%"},
        checklist=["boots", "prints"],
        settle=0,
    )
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        plain["servers"][name]["deploy"] = {
            "host": "localhost",
            "paths": {"*": str(tmp_path / name)},
            "check": "test -s {path}",
            "reload": f"touch {tmp_path / name / 'reloaded'}",
        }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(plain))
    return tmp_path


def served(folder: Path, server: str) -> set[int]:
    """Whom a server's configuration on the disk serves."""
    loaded = load_config(folder / server / "coexist.yaml")
    macs = range(0x00155D000000, 0x00155D00000C)
    return {mac for mac in macs if loaded.policy.rule_for(mac, 0) is not None}


def state(folder: Path) -> Any:
    return yaml.safe_load((folder / "migrations" / "up.yaml").read_text())


def pass_everything(folder: Path) -> None:
    for machine in ("tc01", "tc04"):
        for item in ("1", "prints"):
            assert run(["checklist", "record", str(folder), machine, item, "passed", "--who", "kim"]) == 0


def gate(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, bool]:
    """Each condition of the next wave, and whether it is met."""
    capsys.readouterr()
    assert run(["migrate", "status", str(folder), "--format", "json"]) == 0
    return {each["condition"]: each["met"] for each in json.loads(capsys.readouterr().out)["gate"]}


def test_plan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "plan", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "pilots: 2 clients" in shown
    assert "every moment proven (hand-over)" in shown
    assert run(["migrate", "plan", str(folder), "--format", "json"]) == 0
    assert [step["forward"]["wave"] for step in json.loads(capsys.readouterr().out)["steps"]] == [
        "pilots",
        "room",
        "rest",
    ]
    assert not (folder / "migrations").exists()


def test_next_shows_and_does_and_back_undoes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "next", str(folder)]) == 3
    assert not (folder / "migrations").exists()
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    assert served(folder, "new") == set(PILOTS)
    assert served(folder, "old") == set(range(0x00155D000000, 0x00155D00000C)) - set(PILOTS)
    assert (folder / "new" / "reloaded").exists()
    assert [wave["name"] for wave in state(folder)["waves"]] == ["pilots"]
    assert run(["migrate", "back", str(folder)]) == 3
    assert served(folder, "new") == set(PILOTS)
    assert run(["migrate", "back", str(folder), "--yes"]) == 0
    assert served(folder, "new") == set()
    assert served(folder, "old") == set(range(0x00155D000000, 0x00155D00000C))
    assert state(folder)["waves"] == []
    last = state(folder)["history"][-1]["what"]
    assert {"pilots:", "2", "old"} <= set(last.split())
    before = state(folder)
    assert run(["migrate", "back", str(folder), "--yes"]) == 0
    assert state(folder) == before


def test_the_parked_registration_stays_on_the_other_server(folder: Path) -> None:
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    lists = {
        server: "\n".join(path.read_text() for path in (folder / server).glob("up.parked-on-*.macs"))
        for server in ("old", "new")
    }
    assert "80:15:5d:00:00:01" in lists["old"]
    assert "80:15:5d:00:00:02" in lists["new"]
    assert "00:15:5d:00:00:01" not in lists["old"]


def test_the_gate_reads_the_checklist_and_the_registry(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    assert run(["migrate", "next", str(folder), "--yes"]) == 2
    told = capsys.readouterr()
    assert "gate NOT MET: " in told.out
    assert "--despite-gate" in told.err
    assert gate(folder, capsys) == {"checklist": False, "seen_share": False}
    pass_everything(folder)
    assert run(["migrate", "next", str(folder), "--yes"]) == 2
    assert gate(folder, capsys) == {"checklist": True, "seen_share": False}
    registry = sqlite_registry(folder / "new.sqlite")
    at = time.time() + 1
    registry.note(
        [Note(PILOTS[0], "", "office", 0, "", "answered", "up.arrived-12345678", "new", at, at, 1, False)]
    )
    registry.close()
    seen = ["--registry", f"new={folder / 'new.sqlite'}"]
    assert run(["migrate", "status", str(folder), *seen]) == 0
    shown = capsys.readouterr().out
    assert "pilots, not seen: 00:15:5d:00:00:04 tc04" in shown
    assert "gate met: 50% of pilots seen on the new server: 1 of 2" in shown
    assert run(["migrate", "next", str(folder), "--yes", *seen]) == 0
    assert [wave["name"] for wave in state(folder)["waves"]] == ["pilots", "room"]


def test_a_shut_gate_is_passed_with_a_reason(folder: Path) -> None:
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    assert run(["migrate", "next", str(folder), "--yes", "--despite-gate", "the fair is on Monday"]) == 0
    assert any("the fair is on Monday" in line["what"] for line in state(folder)["history"])


def test_a_server_that_refuses_leaves_the_step_open_and_it_is_resumed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = folder / "site.yaml"
    text = site.read_text()
    site.write_text(text.replace(f"touch {folder / 'old' / 'reloaded'}", "/bin/false"))
    assert run(["migrate", "next", str(folder), "--yes"]) == 4
    assert "old: " in capsys.readouterr().err
    assert (state(folder)["step"]["done"], state(folder)["step"]["trying"]) == (1, True)
    assert run(["migrate", "status", str(folder)]) == 0
    assert re.search(r"pilots, forward \(hand-over\), 1 change", capsys.readouterr().out)
    site.write_text(text)
    assert run(["migrate", "next", str(folder)]) == 3
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    assert served(folder, "new") == set(PILOTS)
    assert "step" not in state(folder)


def test_to_the_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    despite = ["--despite-gate", "trying it out"]
    for _ in range(3):
        assert run(["migrate", "retire", str(folder)]) == 2
        assert run(["migrate", "next", str(folder), "--yes", *despite]) == 0
    capsys.readouterr()
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    assert "`coexist migrate retire`" in capsys.readouterr().err
    assert run(["migrate", "retire", str(folder)]) == 3
    assert run(["migrate", "retire", str(folder), "--yes"]) == 0
    assert served(folder, "old") == set()
    written = yaml.safe_load((folder / "site.yaml").read_text())
    assert written["servers"]["old"]["answers"] == "nobody"
    assert [rule["boot_from"] for rule in written["intent"]] == ["new"]
    assert not written.get("migrations")
    assert run(["check", str(folder)]) == 0
    assert run(["migrate", "back", str(folder), "--yes"]) == 2
    assert f"{folder / 'site.yaml'}:" in capsys.readouterr().err


def test_who_went_back_from_the_last_wave_moves_again_and_the_end_is_reached(folder: Path) -> None:
    despite = ["--despite-gate", "trying it out"]
    for _ in range(3):
        assert run(["migrate", "next", str(folder), "--yes", *despite]) == 0
    *_, last = state(folder)["waves"]
    mac = parse_mac(last["clients"][0])
    assert run(["migrate", "back", str(folder), "--machine", last["clients"][0], "--yes"]) == 0
    assert mac in served(folder, "old") - served(folder, "new")
    assert run(["migrate", "retire", str(folder), "--yes"]) == 2
    assert run(["migrate", "plan", str(folder)]) == 0
    assert run(["migrate", "next", str(folder), "--yes", *despite]) == 0
    assert mac in served(folder, "new") - served(folder, "old")
    assert state(folder)["waves"][-1]["name"] == "left-over"
    # The same machine once more.
    assert run(["migrate", "back", str(folder), "--machine", last["clients"][0], "--yes"]) == 0
    assert run(["migrate", "next", str(folder), "--yes", *despite]) == 0
    assert run(["migrate", "retire", str(folder), "--yes"]) == 0
    assert run(["check", str(folder)]) == 0


def test_the_end_waits_for_what_was_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        assert run(["migrate", "next", str(folder), "--yes", "--despite-gate", "trying it out"]) == 0
    assert run(["checklist", "record", str(folder), "tc01", "boots", "failed"]) == 0
    assert run(["checklist", "complain", str(folder), "--note", "no sound"]) == 0
    capsys.readouterr()
    assert run(["migrate", "retire", str(folder), "--yes"]) == 2
    said = capsys.readouterr().err
    assert "tc01" in said
    assert "no sound" in said
    assert "retired" not in state(folder)
    assert run(["migrate", "retire", str(folder), "--yes", "--despite", "the sound card is broken"]) == 0
    assert any("the sound card is broken" in line["what"] for line in state(folder)["history"])


def test_one_machine_goes_back_and_moves_again(folder: Path) -> None:
    for _ in range(2):
        assert run(["migrate", "next", str(folder), "--yes", "--despite-gate", "trying it out"]) == 0
    assert {0x00155D000001, 0x00155D000004, 0x00155D000003} <= served(folder, "new")
    assert run(["migrate", "back", str(folder), "--machine", "tc03"]) == 3
    assert run(["migrate", "back", str(folder), "--machine", "tc03", "--yes"]) == 0
    assert 0x00155D000003 in served(folder, "old") - served(folder, "new")
    assert 0x00155D000001 in served(folder, "new") - served(folder, "old")
    assert run(["migrate", "back", str(folder), "--machine", "tc03", "--yes"]) == 2
    assert run(["migrate", "back", str(folder), "--machine", "tc99", "--yes"]) == 2
    assert run(["migrate", "next", str(folder), "--yes", "--despite-gate", "trying it out"]) == 0
    assert 0x00155D000003 in served(folder, "new") - served(folder, "old")


def test_a_state_without_its_section_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "next", str(folder), "--yes"]) == 0
    plain = yaml.safe_load((folder / "site.yaml").read_text())
    del plain["migrations"]
    (folder / "site.yaml").write_text(yaml.safe_dump(plain))
    for command in (["check"], ["render", "--output", str(folder / "out")], ["plan"]):
        capsys.readouterr()
        assert run([command[0], str(folder), *command[1:]]) == 2
        assert "migrations/up.yaml" in capsys.readouterr().err


@pytest.fixture
def managers(folder: Path) -> Path:
    """The same with two managers that coexist does not reach."""
    plain = yaml.safe_load((folder / "site.yaml").read_text())
    for name in ("old", "new"):
        plain["servers"][name]["software"] = "openthinclient"
        del plain["servers"][name]["deploy"]
    plain["migrations"]["up"] |= {"during": "gap", "window": "00:00-23:59"}
    (folder / "site.yaml").write_text(yaml.safe_dump(plain))
    return folder


def test_by_hand(managers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, table = managers, managers / "to-do.csv"
    despite = ["--despite-gate", "a test at any hour"]
    assert run(["migrate", "plan", str(folder), "--format", "json"]) == 0
    planned = json.loads(capsys.readouterr().out)["steps"][0]["forward"]["gap"]
    assert planned == 60.0
    assert run(["migrate", "next", str(folder), "--done-by-hand"]) == 2
    capsys.readouterr()
    # Nothing is to be made before the step has begun, and an option is not left out in silence.
    assert run(["migrate", "next", str(folder), *despite, "--list", str(table)]) == 3
    assert str(table) in capsys.readouterr().err
    assert not table.exists()
    assert run(["migrate", "next", str(folder), "--yes", *despite, "--list", str(table)]) == 3
    assert state(folder)["step"]["done"] == 0
    said = capsys.readouterr().out
    assert re.search(r"^In .*\bold\b", said, re.MULTILINE)
    assert "[ ] tc01: change 00:15:5d:00:00:01 to " in said
    assert [line.split(",")[1] for line in table.read_text().splitlines()[1:]] == ["tc01", "tc04"]
    assert run(["migrate", "next", str(folder)]) == 3
    assert run(["migrate", "next", str(folder), "--done-by-hand", "--yes"]) == 3
    assert state(folder)["step"]["done"] == 1
    assert re.search(r"^In .*\bnew\b", capsys.readouterr().out, re.MULTILINE)
    assert run(["migrate", "next", str(folder), "--done-by-hand", "--yes"]) == 0
    assert "step" not in state(folder)
    assert [wave["name"] for wave in state(folder)["waves"]] == ["pilots"]
    # How long it was is written down where it ended.
    began, dropped, *_, ended = state(folder)["history"]
    assert [("gap" in each) for each in (began, dropped, ended)] == [False, False, True]
    assert ended["gap"] == pytest.approx((ended["at"] - began["at"]).total_seconds(), abs=1.1)


def test_a_step_that_a_product_cannot_be_told_is_refused_by_the_plan(
    managers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A distribution point has no list of those that it answers."""
    site = yaml.safe_load((managers / "site.yaml").read_text())
    site["servers"]["new"] |= {"software": "configmgr"}
    (managers / "site.yaml").write_text(yaml.safe_dump(site))
    assert run(["migrate", "plan", str(managers), "--format", "json"]) == 1
    for step in json.loads(capsys.readouterr().out)["steps"]:
        assert "CX507" in step["forward"]["refused"]
        assert [offer["during"] for offer in step["forward"]["offers"]] == ["front", "scope"]


def test_what_was_seen_on_the_old_server_was_not_done_by_hand(managers: Path) -> None:
    assert run(["migrate", "next", str(managers), "--yes", "--despite-gate", "a test at any hour"]) == 3
    registry, at = sqlite_registry(managers / "old.sqlite"), time.time() + 60
    registry.note([Note(PILOTS[0], "", "office", 0, "", "answered", "thin", "old", at, at, 1, False)])
    registry.close()
    seen = ["--registry", f"old={managers / 'old.sqlite'}"]
    assert run(["migrate", "next", str(managers), "--done-by-hand", "--yes", *seen]) == 2
    assert state(managers)["step"]["done"] == 0


def test_a_refused_step_exits_with_1_and_its_witness(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = folder / "site.yaml"
    site.write_text(site.read_text().replace("software: coexist", "software: openthinclient"))
    assert run(["migrate", "plan", str(folder)]) == 1
    assert "pilots, forward: refused" in capsys.readouterr().out
    assert run(["migrate", "plan", str(folder), "--format", "json"]) == 1
    refused = json.loads(capsys.readouterr().out)["steps"][0]["forward"]["attempts"][0]
    assert refused["boots_from"] == ["new", "old"]
    assert refused["client"] in {format_mac(mac) for mac in PILOTS}
    assert run(["migrate", "next", str(folder), "--yes"]) == 1
    assert refused["client"] in capsys.readouterr().err
    assert not (folder / "migrations").exists()


def test_the_checklist_is_shown_in_every_format(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checklist", "show", str(folder)]) == 1
    assert "## tc01\n\n1. boots: -\n" in capsys.readouterr().out
    pass_everything(folder)
    capsys.readouterr()
    for form, beginning in (("markdown", "# Checklist"), ("csv", "machine,item"), ("html", "<!DOCTYPE")):
        assert run(["checklist", "show", str(folder), "--format", form]) == 0
        assert capsys.readouterr().out.startswith(beginning)
    assert run(["checklist", "record", str(folder), "tc99", "boots", "passed"]) == 2
    assert run(["checklist", "record", str(folder), "tc01", "flies", "passed"]) == 2


def test_a_complaint_stays_open_until_it_is_settled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["checklist", "complain", str(folder), "--note", "no sound", "--machine", "tc01", "--who", "sam"])
        == 0
    )
    run(["checklist", "show", str(folder)])
    assert "sam: tc01: no sound, open" in capsys.readouterr().out
    assert run(["checklist", "settle", str(folder), "2"]) == 2
    assert run(["checklist", "settle", str(folder), "1"]) == 0
    run(["checklist", "show", str(folder)])
    assert "no sound, settled" in capsys.readouterr().out


def test_which_migration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "status", str(folder), "--migration", "down"]) == 2
    assert {"'down'", "up"} <= set(re.findall(r"'?\w+'?", capsys.readouterr().err))


def test_status_tells_the_servers_own_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = folder / "old.prom"
    copy.write_text(
        'coexist_answers_total 12\ncoexist_tftp_transfers_total{end="finished"} 9\n'
        'coexist_tftp_transfers_total{end="refused"} 2\ncoexist_clients_seen 11\n'
    )
    metrics = ["--metrics", f"old={copy}", "--metrics", "new"]
    assert run(["migrate", "status", str(folder), *metrics]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "metrics of old: 12 answers, 9 files given whole, 2 transfers refused, 11 machines remembered"
        in shown
    )
    assert "metrics of new: missing: it has no metrics; declare" in shown
    assert run(["migrate", "status", str(folder), *metrics, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["metrics"]
    assert (told["old"]["loaded"], list(told["new"])) == (9, ["missing"])
    assert run(["migrate", "status", str(folder), "--metrics", "nwe"]) == 2
    assert {"'nwe'", "'new'"} <= set(re.findall(r"'\w+'", capsys.readouterr().err))


STEP = """\
migration: up
from: old
to: new
step: {{wave: w, direction: forward, way: hand-over, clients: [], done: {done}, since: 2026-11-01T00:00:00Z}}
history: [{{at: 2026-11-01T00:00:00Z, what: began}}]
"""


@pytest.mark.parametrize(
    "words", [["check"], ["plan"], ["migrate", "status"], ["migrate", "next"], ["render", "-o", "out"]]
)
@pytest.mark.parametrize(
    ("state", "why"),
    [
        (STEP.format(done=9).encode(), "9 changes of the step are done, and a hand-over has 4"),
        (b"\xff\xfe", "this is not UTF-8 text"),
        (b"{", "this is not YAML"),
        (b"", "nothing is written here"),
        (b"migration: up\nfrom: b\nto: a\n", "is about a migration from b to a"),
    ],
)
def test_a_broken_state_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], state: bytes, why: str
) -> None:
    (folder / "migrations").mkdir()
    (folder / "migrations" / "up.yaml").write_bytes(state)
    assert run([*words, str(folder)]) == 2
    told = capsys.readouterr().err
    assert why in told
    assert "up.yaml" in told


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff", "this is not UTF-8 text"),
        (b"migration: down\n", "is about the migration down, not up"),
        (b"results: [", "this is not YAML"),
    ],
)
def test_a_broken_checklist_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, why: str
) -> None:
    (folder / "migrations").mkdir()
    (folder / "migrations" / "up-checklist.yaml").write_bytes(content)
    assert run(["checklist", "show", str(folder)]) == 2
    assert why in capsys.readouterr().err


def test_a_complaint_is_about_a_machine_there_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checklist", "complain", str(folder), "--note", "no sound", "--machine", "tx01"]) == 2
    assert {"'tx01'", "'tc01'"} <= set(re.findall(r"'\w+'", capsys.readouterr().err))
    assert not (folder / "migrations").exists()
