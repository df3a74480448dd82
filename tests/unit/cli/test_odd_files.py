"""Files that are too deep, too wide, too long or damaged: a place and a remedy, no defect of ours."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest

from coexist.cli import run
from coexist.registry.sqlite import sqlite_registry
from coexist.text.octets import MOST_OCTETS

SITE = "site: x\nclients: clients.csv\n"

SITES = {
    "brackets": ("site: x\na: " + "[" * 500 + "]" * 500, "", "site.yaml:2:"),
    "open braces": ("site: x\nvlans: " + "{a: " * 500, "", "site.yaml:2:"),
    "blocks": ("site: x\n" + "".join(" " * i + "a:\n" for i in range(500)), "", "site.yaml:102:"),
    "lists": ("site: x\na:\n" + "".join(" " * i + "-\n" for i in range(500)), "", "site.yaml:"),
    "a long header": (SITE, "mac," + "a" * 200_000 + "\n", "clients.csv:1:1:"),
    "columns": (SITE, "mac," + ",".join(f"c{i}" for i in range(80_000)) + "\n", "clients.csv:1:1:"),
    "an open quote": (SITE, 'mac,name\n"52:54' + "x\n" * 100_000, "clients.csv:2:"),
    "comments": (SITE, "# c\n" * 200_000, "clients.csv:"),
    "a long cell": (SITE, 'mac,name\n52:54:00:00:00:01,"' + "x" * 200_000 + '"\n', "clients.csv:2:"),
}


@pytest.mark.parametrize("odd", SITES)
def test_an_odd_inventory_is_told_with_its_place(tmp_path, capsys, monkeypatch, odd):
    site, clients, place = SITES[odd]
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(site)
    Path("clients.csv").write_text(clients)
    assert run(["check", "."]) == 2
    told = capsys.readouterr().err
    assert place in " ".join(told.split())
    assert ";" in told


SMALL = "site: x\nvlans:\n  a: {id: 7, subnet: 10.7.0.0/16}\nfirmwares:\n"
FIRMWARES = {
    "a truth where seconds stand": ("  slow: {like: ipxe, parameters: {late: true}}\n", {"5:35"}),
    "an unknown parameter": ("  slow:\n    like: ipxe\n    parameters: {lat: 1}\n", {"7:18"}),
    "in terms of other models": ("  slow: {like: edk2, parameters: {discover_at: [a]}}\n", {"5:35"}),
    "no times": (
        "  slow: {like: ipxe, parameters: {discover_at: [], gives_up_at: {a: b}}}\n",
        {"5:35", "5:52"},
    ),
    "times backwards": ("  slow: {like: edk2, parameters: {discover_at: [9, 2, 1]}}\n", {"5:22"}),
    "a circle": ("  a: {like: b}\n  b: {like: c}\n  c: {like: a}\n", {"5:13", "6:13", "7:13"}),
    "like a circle": ("  a: {like: b}\n  b: {like: b}\n", {"6:13"}),
    "like nothing": ("  a: {like: b}\n  b: {like: bios}\n", {"6:13"}),
}


@pytest.mark.parametrize("odd", FIRMWARES)
def test_a_wrong_firmware_is_told_at_its_line(tmp_path, capsys, monkeypatch, odd):
    text, places = FIRMWARES[odd]
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(SMALL + text + "architectures: {bios: [ipxe]}\n")
    assert run(["check", "."]) == 2
    assert set(re.findall(r"^site.yaml:(\d+:\d+): ", capsys.readouterr().err, re.MULTILINE)) == places


def test_a_firmware_may_be_like_another_own_one(tmp_path, capsys):
    own = "  slow: {like: ipxe, parameters: {late: 1}}\n  slower: {like: slow, parameters: {proxy_wait: 9}}\n"
    (tmp_path / "site.yaml").write_text(SMALL + own + "architectures: {bios: slower}\n")
    assert run(["check", str(tmp_path), "--format", "json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["findings"] is not None


KEA = '{{"Dhcp4": {{"client-classes": [{{"name": "a", "test": "{}"}}], "subnet4": []}}}}'
SOURCES = {
    "kea parentheses": ("kea", KEA.format("(" * 400 + "option[60].exists" + ")" * 400)),
    "kea not": ("kea", KEA.format("not " * 5000 + "option[60].exists")),
    "kea lists": ("kea", '{"Dhcp4": ' + "[" * 5000 + "]" * 5000 + "}"),
    "kea maps": ("kea", '{"Dhcp4": ' + '{"a":' * 5000 + "1" + "}" * 5000 + "}"),
    "kea comments": ("kea", "// c\n" * 200_000 + '{"Dhcp4":{"subnet4":[]}}'),
    "dhcpd parentheses": ("dhcpd", "if " + "(" * 400 + "1 = 1" + ")" * 400 + " { }\n"),
    "dhcpd not": ("dhcpd", "if " + "not " * 5000 + "known { }\n"),
    "dhcpd groups": ("dhcpd", "group { " * 3000 + "}" * 3000),
    "dhcpd comments": ("dhcpd", "# c\n" * 200_000),
    "dnsmasq comments": ("dnsmasq", "# c\n" * 200_000),
    "dnsmasq itself": ("dnsmasq", "conf-file=source\n" * 1000),
    "folded": ("openthinclient", "dn: cn=a,ou=clients\ndescription: a\n" + " b\n" * 300_000),
    "folded comments": ("openthinclient", "# c\n" + " c\n" * 300_000),
    "xml": ("windows-dhcp", "<DHCPServer>" + "<a>" * 3000 + "</a>" * 3000 + "</DHCPServer>"),
    "entities": ("windows-dhcp", '<!DOCTYPE x [<!ENTITY a "x">]><DHCPServer>&a;</DHCPServer>'),
    "columns": ("macs", "mac," + ",".join(f"c{i}" for i in range(20_000)) + "\n52:54:00:00:00:01,x\n"),
    "a long cell": ("macs", "mac," + "a" * 200_000 + "\n52:54:00:00:00:01,x\n"),
}


@pytest.mark.parametrize("odd", SOURCES)
def test_an_odd_source_is_imported_or_told(tmp_path, capsys, monkeypatch, odd):
    kind, text = SOURCES[odd]
    monkeypatch.chdir(tmp_path)
    Path("source").write_text(text)
    code = run(["import", kind, "source", "-o", "site", "--address", "10.0.0.1"])
    told = " ".join(capsys.readouterr().err.split())
    assert code in (0, 2), told
    if code:
        assert "source:" in told
        assert ";" in told


@pytest.mark.parametrize("kind", ["kea", "dhcpd", "dnsmasq", "openthinclient", "windows-dhcp", "macs"])
def test_a_source_that_is_too_large_is_not_read(tmp_path, capsys, kind):
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.truncate(MOST_OCTETS + 1)
    assert run(["import", kind, str(path), "-o", str(tmp_path / "site")]) == 2
    assert "is larger than" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format":1,"site":"' + "x" * 10_000, '{"format": ' + "9" * 10_000 + "}"]
)
def test_an_odd_plan_is_told(tmp_path, capsys, text):
    (tmp_path / "plan.json").write_text(text)
    assert run(["apply", str(tmp_path / "plan.json")]) == 2
    assert "plan.json:1:1:" in capsys.readouterr().err


COMMANDS = [["list"], ["list", "--format", "json"], ["list", "--format", "csv"], ["export", "--all"]]
BAD_ROWS = [
    {"mac": -5},
    {"mac": 1 << 50},
    {"name": b"\xff"},
    {"requests": "many"},
    {"last_seen": "soon"},
    {"last_seen": 1e300},
    {"architecture": "x"},
    {"architecture": 1 << 40},
]


def _insert(db: sqlite3.Connection, table: str, row: dict) -> None:
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("bad", BAD_ROWS, ids=str)
def test_a_damaged_row_of_a_registry_is_told(tmp_path, capsys, words, bad):
    path = tmp_path / "registry.sqlite"
    sqlite_registry(path).close()
    db = sqlite3.connect(path)
    if {"mac", "name"} & bad.keys():
        row = {"decided_at": 0.0, "generation": 1, "mac": 1, "state": "registered", **bad}
        _insert(db, "decisions", row)
    else:
        row = {"server": "a", "mac": 1, "first_seen": 1.0, "last_seen": 1.0, "asks": 0, **bad}
        _insert(db, "sightings", row)
    db.commit()
    db.close()
    assert run(["clients", words[0], str(path), *words[1:]]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{path}: 1 row " in said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_older_registry_gets_what_it_lacks(tmp_path, capsys, words):
    path = tmp_path / "registry.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE clients (mac INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'seen')")
    db.execute("INSERT INTO clients VALUES (1, 'registered')")
    db.commit()
    db.close()
    assert run(["clients", words[0], str(path), *words[1:]]) == 0
    assert "00:00:00:00:00:01" in capsys.readouterr().out


@pytest.mark.parametrize(
    "octets", [b"", b"hello" * 1000, b"SQLite format 3\0" + b"\xff" * 5000, os.urandom(4096)]
)
def test_what_is_no_registry_is_told(tmp_path, capsys, octets):
    path = tmp_path / "registry.sqlite"
    path.write_bytes(octets)
    assert run(["clients", "list", str(path)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_a_capture_of_nothing_is_told(tmp_path, capsys):
    (tmp_path / "x.pcap").write_bytes(b"")
    assert run(["observe", str(tmp_path / "x.pcap")]) == 2
    assert f"{tmp_path / 'x.pcap'}:1:1: " in capsys.readouterr().err.replace("\n", "")
