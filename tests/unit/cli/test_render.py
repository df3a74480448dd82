"""``coexist render`` on the command line."""

import json

from coexist.cli import run
from tests.conftest import ROOT

CAMPUS = str(ROOT / "inventories" / "campus")
SMALL = """\
site: small
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
servers:
  boot: {software: coexist, address: 10.10.0.6, vlan: office, answers: {only: all}, programs: {bios: a.0}}
  theirs: {software: wds, address: 10.10.0.7, vlan: office, fixed: true}
groups:
  all: {macs: "52:54:00:00:00:01"}
"""


def test_every_server_has_its_folder(tmp_path, capsys):
    assert run(["render", CAMPUS, "-o", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    written = sorted(str(path) for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(printed) == written
    for server in ("dhcp-core", "otc", "sccm"):
        listed = json.loads((tmp_path / server / "manifest.json").read_text())["files"]
        assert {item["path"] for item in listed} | {"manifest.json"} == {
            p.name for p in (tmp_path / server).iterdir()
        }
    assert "ip helper-address 10.10.0.6" in (tmp_path / "_site" / "ip-helper.txt").read_text()


def test_a_second_run_removes_its_own_leftovers_only(tmp_path, capsys):
    inventory, out = tmp_path / "site.yaml", tmp_path / "out"
    inventory.write_text(SMALL)
    assert run(["render", str(inventory), "-o", str(out)]) == 0
    assert "theirs: " in capsys.readouterr().err
    assert not (out / "theirs").exists()
    (out / "boot" / "notes.txt").write_text("mine")
    inventory.write_text(SMALL.replace("{only: all}", "everyone"))
    assert run(["render", str(inventory), "-o", str(out)]) == 0
    assert {path.name for path in (out / "boot").iterdir()} == {
        "coexist.yaml",
        "known.macs",
        "manifest.json",
        "notes.txt",
    }


def test_findings_are_told_and_decide_the_exit_code(tmp_path, capsys):
    inventory = tmp_path / "site.yaml"
    inventory.write_text(SMALL.replace("software: coexist,", "software: wds, delay: {since_first: 3},"))
    assert run(["render", str(inventory), "-o", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "site.yaml:5:" in told
    assert "CX503" in told
    assert (tmp_path / "out" / "boot" / "wds.ps1").exists()
    assert run(["render", str(inventory), "-o", str(tmp_path / "out"), "--fail-on", "never"]) == 0


def test_one_server_only(tmp_path, capsys):
    assert run(["render", CAMPUS, "-o", str(tmp_path), "--only", "otc"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["otc"]
    assert run(["render", CAMPUS, "-o", str(tmp_path), "--only", "oct"]) == 2
    assert "did you mean 'otc'?" in capsys.readouterr().err
