"""``plan``, ``apply``, ``history`` and ``rollback`` where something is missing or broken."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import stat
from pathlib import Path

import pytest
import yaml

from coexist.cli import run
from coexist.cli.private import write_file
from coexist.rollout.document import WireCheck, sha256, write_plan
from coexist.rollout.history import History
from coexist.rollout.seal import make_key, sealed_with
from tests.unit.planning.sites import tree
from tests.unit.rollout.test_document import plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An inventory without a way to any server."""
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(tree(waves=[{"name": "rest"}])))
    return tmp_path


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"format": 1}', b'{"format": 2}'])
def test_what_is_no_plan_is_not_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    assert run(["apply", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{path}:1:1: ")
    assert "`coexist plan`" in told


def test_a_plan_that_was_edited_is_not_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited = json.loads(write_plan(plan()))
    edited["servers"]["a"]["host"] = "elsewhere.example"
    (tmp_path / "plan.json").write_text(json.dumps(edited))
    assert run(["apply", str(tmp_path / "plan.json")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{tmp_path / 'plan.json'}:1:1: ")
    assert "`coexist plan`" in told
    assert not (tmp_path / "history").exists()


def test_a_plan_with_a_new_digest_is_not_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = tmp_path / "history"
    made = sealed_with(plan(root=str(tmp_path)), make_key(history / "seal.key"))
    edited = made.model_copy(update={"site": "another"}).sealed()
    path = tmp_path / "plan.json"
    path.write_text(write_plan(edited))
    assert run(["apply", str(path)]) == 2
    assert str(history / "seal.key") in capsys.readouterr().err
    path.write_text(write_plan(made.model_copy(update={"seal": ""})))
    assert run(["apply", str(path)]) == 2
    assert str(history / "seal.key") in capsys.readouterr().err
    assert [file.name for file in history.iterdir()] == ["seal.key"]


@pytest.mark.parametrize("how", ["absent", "of others", "short"])
def test_a_key_that_anybody_may_have_made_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    key = tmp_path / "history" / "seal.key"
    made = sealed_with(plan(root=str(tmp_path)), make_key(key))
    (tmp_path / "plan.json").write_text(write_plan(made))
    if how == "absent":
        key.unlink()
    elif how == "of others":
        key.chmod(0o640)
    else:
        key.write_bytes(b"x")
    assert run(["apply", str(tmp_path / "plan.json")]) == 2
    assert str(key) in capsys.readouterr().err


def test_a_plan_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    write_file(path, b"new", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_file(Path("/dev/null"), b"new", private=True)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_plan_from_elsewhere_makes_no_history_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text(write_plan(plan(root=str(tmp_path / "not-here"))))
    assert run(["apply", str(tmp_path / "plan.json")]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "not-here") in told
    assert "--history" in told
    assert not (tmp_path / "not-here").exists()


CHECK = WireCheck(
    server="a", version="final", vlan="office", address="10.0.0.1", mac="", architecture="bios", port=67
)


@pytest.mark.parametrize(
    ("checks", "option", "why"),
    [
        ((), ["--probe", "office=lo"], "a VLAN 'office'; it knows none"),
        ((CHECK,), ["--probe", "lab=lo"], "a VLAN 'lab'; it knows office"),
        ((CHECK,), ["--probe", "office"], "write VLAN=..."),
        ((CHECK,), ["--relay", "office=eth0"], "office=eth0: write an IPv4 address of this machine"),
        ((CHECK,), ["--relay", "office=192.0.2.1"], "192.0.2.1"),
    ],
)
def test_how_the_wire_is_asked_is_settled_before_anything_is_changed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    checks: tuple[WireCheck, ...],
    option: list[str],
    why: str,
) -> None:
    made = sealed_with(plan(root=str(tmp_path), checks=checks), make_key(tmp_path / "seal.key"))
    (tmp_path / "plan.json").write_text(write_plan(made))
    option = [*option, "--key", str(tmp_path / "seal.key")]
    assert run(["apply", str(tmp_path / "plan.json"), *option]) in (2, 4)
    told = capsys.readouterr().err
    assert why in told
    assert "Traceback" not in told
    assert not (tmp_path / "history").exists()


def test_a_history_that_is_empty_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", str(folder)]) == 0
    assert str(folder / "history") in capsys.readouterr().err
    assert run(["history", str(folder), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["history", str(folder), "2026"]) == 2
    assert "begins with '2026'" in capsys.readouterr().err
    assert run(["rollback", str(folder)]) == 2
    assert str(folder / "history") in capsys.readouterr().err


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_record_is_one_line_where_no_terminal_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, on_terminal: bool
) -> None:
    history = History(folder / "history")
    applied = history.begin(plan(), "apply")
    applied.close("done")
    history.begin(plan(), "rollback", of=applied.record.id).close("done")
    stdout = io.StringIO()
    monkeypatch.setattr(stdout, "isatty", lambda: on_terminal)
    with contextlib.redirect_stdout(stdout):
        assert run(["history", str(folder)]) == 0
    lines = stdout.getvalue().splitlines()
    assert (len(lines) == 2) is not on_terminal
    assert (max(map(len, lines)) <= 80) is on_terminal


@pytest.mark.parametrize("words", [["plan"], ["rollback"]])
def test_a_record_without_its_plan_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    history = History(folder / "history")
    history.begin(plan(), "apply").close("done")
    (record,) = history.records()
    (history.folder / record.id / "plan.json").unlink()
    assert run([*words, str(folder)]) == 2
    told = capsys.readouterr().err
    assert "plan.json:1:1: " in told
    assert os.strerror(errno.ENOENT) in told


def test_a_plan_without_servers_says_that_none_was_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", str(folder)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("nothing to change: ")
    assert re.search(r"^old: left out: .*deploy: \{host: ", told.err, re.MULTILINE)


def test_what_was_left_on_a_server_that_is_gone_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = History(folder / "history").begin(plan(), "apply")
    journal.state("a", "new", version="final")
    journal.close("done")
    assert run(["plan", str(folder)]) == 0
    told = capsys.readouterr().err
    assert re.search(r"info CX605: a .* /etc/x\b", told)
    assert sha256(b"new") not in told


def cut_off(folder: Path, *, doing: str) -> History:
    """The history beside an inventory, of an apply that was killed."""
    history = History(folder / "history")
    journal = history.begin(plan(root=str(folder)), "apply")
    if doing:
        journal.doing("a", doing)
    journal.lock.close()
    return history


def test_a_plan_names_a_roll_out_that_was_cut_off(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = cut_off(folder, doing="").records()
    run(["plan", str(folder), "--connect-timeout", "3"])
    said = [text for text in capsys.readouterr().err.replace("\n", " ").split("`") if "coexist " in text[:9]]
    file = folder / "history" / record.id / "plan.json"
    assert said[:2] == [
        f"coexist apply {file} --connect-timeout 3.0",
        f"coexist rollback {folder} {record.id} --connect-timeout 3.0",
    ]
    assert file.is_file()


def test_one_that_goes_on_in_another_process_was_not_cut_off(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(folder / "history")
    journal = history.begin(plan(root=str(folder)), "apply")
    run(["plan", str(folder)])
    assert journal.record.id not in capsys.readouterr().err
    journal.lock.close()


def test_of_a_switch_that_was_cut_off_nothing_is_taken_for_certain(folder: Path) -> None:
    history = cut_off(folder, doing="commit")
    (record,) = history.records()
    assert record.touched
    about = plan(root=str(folder)).servers["a"].files
    assert not any(("a", file.path) in history.last_applied() for file in about)
    digests = {digest for file in about for digest in file.after.values() if digest}
    assert {d for written in history.written()["a"].values() for d in written} == digests


def test_what_was_never_begun_is_certain(folder: Path) -> None:
    history = cut_off(folder, doing="")
    assert not history.records()[0].touched
    assert history.written() == {}
