from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding, Severity, Suppressed, Witness
from coexist.app.check import Report, counted
from coexist.cli import run
from coexist.errors import Position
from coexist.report.findings import (
    as_github,
    as_gitlab,
    as_junit,
    as_sarif,
    as_text,
    clients_text,
    shortened,
)

ROOT = Path(__file__).resolve().parents[3]
CAMPUS = str(ROOT / "inventories" / "campus")
BROKEN = str(ROOT / "inventories" / "broken")


def check(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    code = run(["check", *args])
    return code, capsys.readouterr().out


def test_a_clean_site_says_what_was_covered_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = check(capsys, CAMPUS)
    assert code == 0
    assert re.fullmatch(r"2\^48 MACs on 3 VLANs in \d+ classes: no findings\n", out)


def test_the_text_fits_eighty_columns_and_names_line_witness_and_repair(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out = check(capsys, BROKEN, "-v")
    assert code == 1
    assert "\x1b" not in out, "no colour where nobody looks"
    assert [line for line in out.splitlines() if len(line) > 80 and " " in line.strip()] == []
    assert re.search(r"broken/site\.yaml:\d+:\d+\n", out)
    assert "repair: " in out
    assert re.search(r"for example tc-\S+ 00:80:64:10:00:01 \(bios,\s+ipxe, VLAN office\)", out)
    assert out.splitlines()[0].startswith("2^48 MACs on 5 VLANs in ")


def test_in_a_pipe_a_finding_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = check(capsys, BROKEN)
    total, empty, *lines = out.splitlines()
    assert re.fullmatch(r"2\^48 MACs .*: \d+ errors, \d+ warnings?", total)
    assert empty == ""
    assert all(re.match(r"(error|warning|info) CX\d{3} \S+site\.yaml:\d+:\d+: .", line) for line in lines)
    assert len(lines) == len(json.loads(check(capsys, BROKEN, "--format", "json")[1])["findings"])


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--fail-on", "never"), 0),
        (("--select", "CX204", "--fail-on", "error"), 0),
        (("--select", "CX204", "--fail-on", "warning"), 1),
        (("--select", "CX1"), 0),
        (("--ignore", "CX2,CX3,CX4"), 0),
        (("--ignore", "CX4"), 1),
    ],
)
def test_the_exit_code_follows_what_is_looked_for(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int
) -> None:
    assert check(capsys, BROKEN, *args)[0] == code


def test_what_is_no_code_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", BROKEN, "--select", "E501"]) == 2
    assert "is no code" in capsys.readouterr().err


def test_an_inventory_that_cannot_be_read_exits_2(tmp_path: Path) -> None:
    assert run(["check", str(tmp_path)]) == 2


def test_json_has_a_version_and_everything_of_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = check(capsys, BROKEN, "--format", "json")
    told = json.loads(out)
    assert told["version"] == 1
    assert told["classes"] > 0
    assert len({finding["code"] for finding in told["findings"]}) >= 10
    first = told["findings"][0]
    keys = "code name severity file line column path message repair clients witness"
    assert set(first) == set(keys.split())
    assert first["witness"]["timeline"]


def test_a_suppressed_finding_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "inventories" / "broken" / "site.yaml").read_text(encoding="utf-8")
    text += "\nsuppress:\n  - code: CX204\n    where: vlans.office\n"
    text += "    reason: the router is replaced\n    until: 2999-12-31\n"
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "clients.csv").write_bytes((ROOT / "inventories" / "broken" / "clients.csv").read_bytes())
    code, out = check(capsys, str(tmp_path), "--format", "json", "--select", "CX204,CX1")
    told = json.loads(out)
    assert code == 0
    assert told["findings"] == []
    assert [finding["code"] for finding in told["suppressed"]] == ["CX204"]
    assert told["suppressed"][0]["suppression"] == {
        "reason": "the router is replaced",
        "until": "2999-12-31",
        "file": str(tmp_path / "site.yaml"),
        "line": text.splitlines().index("  - code: CX204") + 1,
        "column": 5,
    }
    assert "(1 suppressed)" in check(capsys, str(tmp_path), "--select", "CX204")[1]


def finding(code: str = "CX301", message: str = "two, of them: 50%", **changes: object) -> Finding:
    kind = CATALOGUE[code]
    witness = Witness(mac=0x0080641, architecture="bios", firmware="ipxe", vlan="office", timeline=("a", "b"))
    values: dict[str, object] = {
        "code": kind,
        "severity": kind.severity,
        "position": Position("inv/site.yaml", 12, 5),
        "message": message,
        "repair": "do this",
        "path": ("servers", "otc"),
        "witness": witness,
        "clients": 7,
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def test_sarif_is_what_the_standard_asks_for() -> None:
    """OASIS SARIF 2.1.0, sections 3.13, 3.14, 3.19, 3.27, 3.30: what must be there, and its references."""
    place = Position("inv/site.yaml", 40, 5)
    accepted = Suppressed(
        finding=finding("CX307"), position=place, reason="both hold a copy", until=date(2027, 3, 31)
    )
    report = Report(findings=[finding(), finding("CX204")], suppressed=[accepted])
    log = json.loads(as_sarif(report))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run_,) = log["runs"]
    driver = run_["tool"]["driver"]
    assert driver["name"] == "coexist"
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == ["CX204", "CX301", "CX307"]
    assert all(rule["helpUri"] == f"docs/findings/{rule['id']}.md" for rule in rules)
    assert all((ROOT / rule["helpUri"]).is_file() for rule in rules)
    for result in run_["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "inv/site.yaml"
        assert place["region"] == {"startLine": 12, "startColumn": 5}
    assert [bool(result.get("suppressions")) for result in run_["results"]] == [False, False, True]
    # Section 3.35: the inventory is the analysed source, and the suppression stands in it.
    region = {"startLine": 40, "startColumn": 5}
    assert run_["results"][2]["suppressions"] == [
        {
            "kind": "inSource",
            "status": "accepted",
            "justification": "both hold a copy (until 2027-03-31)",
            "location": {
                "physicalLocation": {"artifactLocation": {"uri": "inv/site.yaml"}, "region": region}
            },
        }
    ]


def test_junit_has_a_case_for_each_code_and_a_failure_for_each_found() -> None:
    root = ElementTree.fromstring(as_junit(Report(findings=[finding(), finding(message="another")])))
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == len(CATALOGUE)
    (failed,) = [case for case in cases if case.find("failure") is not None]
    assert failed.get("name") == "CX301 two-responders"
    failure = failed.find("failure")
    assert failure is not None
    assert len((failure.text or "").splitlines()) == 2


def test_github_annotations_escape_what_would_end_them() -> None:
    (line,) = as_github(Report(findings=[finding()])).splitlines()
    assert line == (
        "::error file=inv/site.yaml,line=12,col=5,title=CX301 two-responders::two, of them: 50%25; do this"
    )


def test_the_text_is_grouped_by_code() -> None:
    text = as_text(Report(findings=[finding(), finding(message="another")], summary="end"), place="site")
    assert text.count("two-responders") == 1
    assert text.startswith("end\n")


def test_a_finding_is_a_sentence_and_whole_where_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    _, brief = check(capsys, BROKEN)
    assert "repair: " not in brief
    found = json.loads(check(capsys, BROKEN, "--format", "json")[1])["findings"]
    assert len(re.findall(r"^(?:error|warning|info) CX\d{3} ", brief, re.MULTILINE)) == len(found)
    first = found[0]
    for what in (first["code"], first["path"], f"site.yaml:{first['line']}"):
        _, whole = check(capsys, BROKEN, what)
        assert "repair: " in whole
        assert f"site.yaml:{first['line']}:" in whole
    assert check(capsys, BROKEN, "servers.nobody-of-this-name")[0] == 0


def test_a_time_line_that_is_cut_keeps_its_end() -> None:
    lines = [f"{n}" for n in range(40)]
    shown = shortened(lines, "site 52:54:00:00:00:07")
    assert (shown[0], shown[-1]) == ("0", "39")
    assert len(shown) < 20
    assert [line for line in shown if line.endswith(" coexist explain site 52:54:00:00:00:07")]
    assert shortened(lines[:5], "tc-1") == lines[:5]


def test_gitlab_tells_issues_apart_by_what_they_are_about() -> None:
    first, second = json.loads(as_gitlab(Report(findings=[finding(), finding(message="another")])))
    assert first["location"] == {"path": "inv/site.yaml", "lines": {"begin": 12}}
    assert first["severity"] == "major"
    assert first["fingerprint"] != second["fingerprint"]


def test_junit_fails_for_errors_only() -> None:
    root = ElementTree.fromstring(as_junit(Report(findings=[finding("CX204", severity=Severity.WARNING)])))
    assert root.findall(".//failure") == []
    assert len(root.findall(".//system-out")) == 1


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (16_777_216, "16,777,216"),
        (2**48, "about 2^48"),
        (2**48 - 5, "about 2^48"),
        (2**44, "about 2^44"),
    ],
)
def test_numbers_of_clients_are_told_as_people_read_them(number: int, text: str) -> None:
    assert clients_text(number) == text


def test_counts_name_each_severity_once() -> None:
    found = [finding(), finding(), finding("CX204"), finding("CX103", severity=Severity.INFO)]
    assert counted(found) == "2 errors, 1 warning, 1 note"


@pytest.mark.parametrize("form", ["text", "json", "csv", "markdown"])
def test_the_matrix_has_a_row_for_each_kind_of_client(capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert run(["matrix", CAMPUS, "--format", form]) == 0
    out = capsys.readouterr().out
    assert "thin-clients" in out
    if form == "json":
        rows = json.loads(out)["rows"]
        assert sum(r["clients"] for r in rows if (r["vlan"], r["architecture"]) == ("office", "bios")) > 2**47
        assert all(row["agrees"] is not False for row in rows)


def test_solve_prints_a_patch_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = (ROOT / "inventories" / "broken" / "site.yaml").read_bytes()
    assert run(["solve", BROKEN]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("--- a/")
    assert "+    answers: intended\n" in told.out
    assert "no findings" in told.err.splitlines()[-1]
    assert (ROOT / "inventories" / "broken" / "site.yaml").read_bytes() == before


def test_solve_writes_what_check_then_finds_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("site.yaml", "clients.csv"):
        (tmp_path / name).write_bytes((ROOT / "inventories" / "broken" / name).read_bytes())
    assert run(["solve", str(tmp_path), "--write"]) == 0
    assert run(["check", str(tmp_path)]) == 0
    capsys.readouterr()
    assert run(["solve", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "nothing to change" in told.err


RULED = """\
site: x
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
servers:
  dhcp: {software: isc-dhcpd, address: 10.10.0.5, vlan: office, ping_check: false}
  otc: {software: coexist, address: 10.10.0.6, vlan: office, programs: {bios: a.0, uefi-x64: b.efi}}
scopes:
  office:
    server: dhcp
    vlan: office
    pools: [10.10.1.0-10.10.1.255]
    rules:
      - architectures: uefi-x64   # years ago
        next_server: 10.10.0.99
        filename: old.efi
      - filename: older.0         # and before
        next_server: 10.10.0.98
        options: {15: example.org}
architectures: {bios: ipxe, uefi-x64: edk2}
intent:
  - {clients: everyone, boot_from: otc}   # the end"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_solve_takes_values_out_of_rules_and_keeps_how_the_file_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    file = tmp_path / "site.yaml"
    file.write_bytes(("\ufeff" + RULED.replace("\n", ending)).encode())
    assert run(["solve", str(tmp_path), "--write"]) == 0
    told = capsys.readouterr()
    assert "\n-      - architectures: uefi-x64   # years ago" in told.out
    text = file.read_bytes().decode()
    head, _, tail = RULED.partition("      - architectures")
    tail = "      - options: {15: example.org}\n" + tail[tail.index("architectures: {bios") :]
    assert text == "\ufeff" + (head + tail).replace("\n", ending)
    assert run(["check", str(tmp_path)]) == 0


def test_solve_refuses_what_it_cannot_write_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RULED.replace("rules:", "rules: &old") + "\nmigrations:\n"
    second = "  lab: {server: dhcp, vlan: office, pools: [10.10.2.0-10.10.2.255], rules: *old}\n"
    file = tmp_path / "site.yaml"
    file.write_text(text.replace("architectures: {bios", second + "architectures: {bios"))
    before = file.read_bytes()
    assert run(["solve", str(tmp_path), "--write"]) == 2
    told = capsys.readouterr()
    assert f"{file}: " in told.err
    assert "scopes.office.rules.0.filename: " in told.err
    assert file.read_bytes() == before


def test_the_matrix_fits_eighty_columns_and_breaks_no_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["matrix", BROKEN]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "WRONG" in out
    assert {"office", "workshop"} <= {line.split(" ")[0] for line in out.splitlines()}
    assert {"WRONG", "16,777,216", "uefi-x64", "dhcp-core"} <= set(out.split())
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
