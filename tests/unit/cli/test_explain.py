"""``coexist explain``: one client, in words and in JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from coexist.cli import run

CAMPUS = str(Path(__file__).resolve().parents[3] / "inventories" / "campus")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["explain", CAMPUS, *arguments]) == 0
    return capsys.readouterr().out


def test_json_has_what_programs_need(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, "00:80:64:10:00:01", "--format", "json"))
    assert found["winner"] == found["boot_server"] == "otc"
    assert found["file"] == "lpxelinux.0"
    assert found["deterministic"] is True
    assert found["possible"] == ["otc"]
    assert found["first_rrq_seconds"] is not None
    assert found["declared_at"].endswith(tuple("0123456789"))
    assert "site.yaml:" in found["declared_at"]
    assert {"seconds", "kind", "server", "text"} == set(found["events"][0])
    assert isinstance(found["assumptions"], list)


def test_text_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "3c:52:82:30:00:03")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "pc-store-1" in text
    assert re.search(r"^ *sccm: .*\bwdsnbp\.com\b", text, re.MULTILINE)
    assert "site.yaml:" in text


def test_a_stranger_has_every_possibility(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, "02-00-00-00-00-01", "--format", "json"))
    cases = {(case["vlan"], case["architecture"], case["firmware"]) for case in found}
    assert len(cases) == len(found) > 3
    one = json.loads(
        told(
            capsys,
            "02-00-00-00-00-01",
            "--vlan",
            "office",
            "--arch",
            "bios",
            "--firmware",
            "ipxe",
            "--format",
            "json",
        )
    )
    assert one["winner"] == "sccm"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["not-a-mac"], "52:54:00:12:34:56"),
        (["00:80:64:10:00:01", "--vlan", "ofice"], "office"),
        (["00:80:64:10:00:01", "--arch", "uefi"], "uefi"),
        (["00:80:64:10:00:01", "--firmware", "edk"], "edk2"),
    ],
)
def test_a_wrong_word_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], remedy: str) -> None:
    assert run(["explain", CAMPUS, *arguments]) == 2
    assert remedy in capsys.readouterr().err


CHAIN = str(Path(__file__).resolve().parents[2] / "lab" / "lineups" / "chain-load-leaves.yaml")
LOOP = str(Path(__file__).resolve().parents[2] / "lab" / "lineups" / "chain-load-loop.yaml")


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_the_second_stage_is_nested_and_has_the_same_shape(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(explained(capsys, CHAIN, "52:54:00:00:00:01", "--format", "json"))
    assert (found["winner"], found["file"]) == ("alpha", "snponly.efi")
    again = found["next_stage"]
    assert (again["winner"], again["file"]) == ("files", "files.ipxe")
    assert (again["architecture"], again["firmware"]) == ("uefi-x64", "ipxe")
    assert again["declared_at"].endswith("chain-load-leaves.yaml:23")
    assert again["loaded"] == [{"winner": "alpha", "file": "snponly.efi"}]
    assert again["certain"] is True
    assert again["loop"] is False
    assert set(again) - {"loaded", "certain", "loop"} == set(found) - {"next_stage"}


def test_a_client_that_loads_no_ipxe_has_no_next_stage(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, "00:80:64:10:00:01", "--format", "json"))
    assert found["next_stage"] is None


def test_the_second_stage_is_told_with_its_time_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, CHAIN, "52:54:00:00:00:01")
    assert all(len(line) <= 80 for line in text.splitlines())
    _, again = text.split("second stage: iPXE asks again (snponly.efi of alpha), as uefi-x64 ipxe\n")
    assert "files: it asks for files.ipxe" in again
    assert "client asks files for files.ipxe" in again
    assert "LOOP" not in again


def test_a_loop_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, LOOP, "52:54:00:00:00:01", "--arch", "uefi-x64")
    assert "LOOP: " in text
