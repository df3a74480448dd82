from __future__ import annotations

import io
import json
import sqlite3
import time
from typing import Any

import pytest

from coexist.boot.policy import NOBODY_REGISTERED, Registered, Standing
from coexist.cli import run
from coexist.cli.clients import _LISTED, table_of
from coexist.errors import Problem
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.recorder import Recorder
from coexist.server.registry import ClientRow, Note, Registry
from coexist.server.seen import MOST_CHANGED, ClientsSeen
from tests.unit.server.conftest import config


def found(registry: Registry, mac: int) -> ClientRow:
    row = registry.find(mac)
    assert row is not None
    return row


def note(mac: int, at: float = 100.0, requests: int = 1, asks: bool = False, address: str = "") -> Note:
    return (mac, address, "office", 7, "PXEClient", "answered", "thin", "", at, at, requests, asks)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "registry.sqlite"


@pytest.fixture
def registry(path):
    opened = Registry(path)
    yield opened
    opened.close()


def test_notes_add_up(registry):
    registry.note([note(1, 100.0, 2, address="10.0.0.1")])
    registry.note([note(1, 50.0, 3), note(2)])
    row = found(registry, 1)
    assert (row.first_seen, row.last_seen, row.requests, row.address) == (50.0, 100.0, 5, "10.0.0.1")
    assert [row.mac for row in registry.rows()] == [1, 2]


def test_decisions_are_the_policys_part(registry):
    registry.note([note(1), note(2)])
    before = registry.generation
    registry.decide(1, "registered", name="desk", group="thin")
    registry.decide(2, "ignored")
    registry.decide(3, "registered")
    registered = registry.registered()
    assert registry.generation > before
    assert (1 in registered.everyone, 3 in registered.everyone, 2 in registered.ignored) == (True, True, True)
    assert 1 in registered.groups["thin"]
    registry.note([note(1)])
    assert found(registry, 1).state == "registered"
    assert found(registry, 1).name == "desk"


def test_asking_in_a_menu_is_noted_but_decides_nothing(registry):
    registry.note([note(1, asks=True), note(2)])
    registry.decide(2, "ignored")
    registry.note([note(2, asks=True)])
    assert found(registry, 1).state == "asking"
    assert found(registry, 2).state == "ignored"
    assert 1 not in registry.registered().everyone


def test_old_strangers_are_dropped_and_decisions_never(registry):
    registry.note([note(mac, float(mac)) for mac in range(1, 101)])
    registry.decide(1, "registered")
    assert registry.trim(most=10) == 89
    assert {row.mac for row in registry.rows()} == {1, *range(91, 101)}


def recorder_of(path, clients, log=None):
    decided: list[Registered] = []
    made = Recorder(
        path, clients, counters=Counters(), log=log or Log("text", io.StringIO()), decided=decided.append
    )
    return made, decided


def test_registration_reaches_the_policy(path):
    clients = ClientsSeen()
    recorder, decided = recorder_of(path, clients)
    assert recorder.load() is not NOBODY_REGISTERED
    decided.clear()
    assert run(["clients", "register", str(path), "52:54:00:00:00:01", "--group", "thin"]) == 0
    assert recorder.work()
    assert 0x525400000001 in decided[-1].groups["thin"]
    decided.clear()
    assert recorder.work()
    assert decided == []
    recorder.close()


def test_a_removed_registry_is_begun_again_with_all_decisions(path):
    clients = ClientsSeen()
    clients.keeps = True
    recorder, decided = recorder_of(path, clients)
    recorder.load()
    assert run(["clients", "register", str(path), "52:54:00:00:00:01", "--name", "desk"]) == 0
    recorder.work()
    for file in path.parent.iterdir():
        file.unlink()
    clients.note(5, 0.0, 100.0)
    assert recorder.work()
    assert 0x525400000001 in decided[-1].everyone
    fresh = Registry(path)
    assert found(fresh, 0x525400000001).name == "desk"
    assert found(fresh, 5).requests == 1
    fresh.close()


def test_a_locked_registry_loses_nothing_and_blocks_nobody(path):
    clients = ClientsSeen()
    clients.keeps = True
    recorder, _ = recorder_of(path, clients)
    recorder.load()
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    clients.note(1, 0.0, 100.0)
    assert not recorder.work()
    assert not recorder.work()
    assert recorder.counters.registry_errors == 2
    lock.execute("ROLLBACK")
    lock.close()
    assert recorder.work()
    fresh = Registry(path)
    assert found(fresh, 1).requests == 1
    fresh.close()


def test_a_file_that_is_no_database_costs_a_line(path):
    path.write_bytes(b"this is not a database" * 100)
    clients = ClientsSeen()
    clients.keeps = True
    stream = io.StringIO()
    log = Log("text", stream)
    recorder, _ = recorder_of(path, clients, log)
    assert recorder.load() == NOBODY_REGISTERED
    clients.note(1, 0.0, 100.0)
    assert not recorder.work()
    log.close()
    assert "registry not written" in stream.getvalue()


def test_a_full_disk_drops_old_news_only(path):
    clients = ClientsSeen(most=200_000)
    clients.keeps = True
    clients.standing = lambda _: Standing.REGISTERED
    recorder, _ = recorder_of(path.parent / "none" / "\0", clients)
    for mac in range(60_000):
        clients.note(mac, 0.0, 100.0)
    recorder._failed(sqlite3.OperationalError("database or disk is full"))
    assert len(clients.changed) == 50_000
    assert recorder.counters.registry_dropped == 10_000
    # A client whose news was dropped is news again when it is seen again.
    clients.note(0, 1.0, 101.0)
    assert len(clients.changed) == 50_001


def test_strangers_that_wait_for_the_registry_are_bounded(path):
    clients = ClientsSeen(most=200_000)
    clients.keeps = True
    clients.standing = lambda mac: Standing.REGISTERED if mac == 99_999 else Standing.STRANGER
    for mac in range(100_000):
        clients.note(mac, 0.0, 100.0)
    assert (len(clients.changed), clients.unkept) == (MOST_CHANGED + 1, 49_999)
    assert clients.changed[-1].mac == 99_999


def test_a_clock_of_the_future_is_not_kept(path):
    registry = Registry(path)
    future = time.time() + 10 * 365 * 86400
    registry.note([note(1, future), note(2, 1000.0)])
    registry.note([note(1, 2000.0)])
    row = registry.find(1)
    assert row is not None
    assert row.last_seen == 2000.0
    registry.note([note(3, future)])
    assert registry.trim(2) == 1
    assert registry.find(3) is None
    registry.close()


def test_those_that_ask_for_registration_are_bounded(path):
    registry = Registry(path)
    registry.note([note(mac, float(mac), asks=True) for mac in range(1, 101)])
    assert registry.trim(100) == 90
    assert registry.find(100) is not None
    assert registry.find(90) is None
    registry.close()


def test_commands(path, capsys):
    registry = Registry(path)
    registry.note([note(0x525400000001, address="10.0.0.9"), note(0x525400000002)])
    registry.close()
    assert (
        run(["clients", "register", str(path), "52-54-00-00-00-01", "--name", "desk", "--location", "r1"])
        == 0
    )
    assert run(["clients", "ignore", str(path), "5254.0000.0002"]) == 0
    assert run(["clients", "list", str(path)]) == 0
    listed = capsys.readouterr().out
    assert "52:54:00:00:00:01  registered  desk" in listed
    assert "uefi-x64" in listed
    assert run(["clients", "list", str(path), "--state", "ignored", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert run(["clients", "export", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mac,name,location,hardware,architecture,vlan,tags",
        "52:54:00:00:00:01,desk,r1,,uefi-x64,office,",
    ]
    assert run(["clients", "forget", str(path), "52:54:00:00:00:02"]) == 0
    assert run(["clients", "forget", str(path), "52:54:00:00:00:02"]) == 2
    assert "not in the registry" in capsys.readouterr().err


def test_the_export_is_read_by_the_inventory(path, tmp_path, capsys):
    from coexist.inventory.clients import ClientTable

    registry = Registry(path)
    registry.note([note(0x525400000001)])
    registry.decide(0x525400000001, "registered", name='a "b", c', group="thin")
    registry.close()
    capsys.readouterr()
    assert run(["clients", "export", str(path)]) == 0
    table = ClientTable()
    problems: list[Problem] = []
    table.add_csv(capsys.readouterr().out.encode(), "clients.csv", problems)
    assert problems == []
    record = table.find(0x525400000001)
    assert record is not None
    assert (record.name, record.tags) == ('a "b", c', ("thin",))


@pytest.mark.parametrize("words", [["list"], ["register", "52:54:00:00:00:01"]])
def test_without_a_registry_the_commands_say_so(tmp_path, capsys, words):
    assert run(["clients", words[0], str(tmp_path / "none"), *words[1:]]) == 2
    assert "there is no registry" in capsys.readouterr().err


def test_strangers_are_those_the_configuration_does_not_know(tmp_path, capsys):
    config = tmp_path / "coexist.yaml"
    config.write_text(
        "name: otc\nlisten: [{address: 10.0.0.6}]\nknown: {macs: [52:54:00:00:00:01]}\nregistry: r.sqlite\n"
    )
    registry = Registry(tmp_path / "r.sqlite")
    registry.note([note(0x525400000001), note(0x525400000002)])
    registry.close()
    assert run(["clients", "list", str(config), "--strangers"]) == 0
    listed = capsys.readouterr().out
    assert ("52:54:00:00:00:01" in listed, "52:54:00:00:00:02" in listed) == (False, True)
    assert run(["clients", "list", str(tmp_path / "r.sqlite"), "--strangers"]) == 2


def test_a_registration_that_changes_nothing_says_so(tmp_path, capsys):
    """A rendered configuration serves its lists: whoever registers a machine there waits in vain."""
    path = tmp_path / "coexist.yaml"
    Registry(tmp_path / "registry.sqlite").close()
    listed = {"name": "a", "clients": {"macs": ["52:54:00:00:00:01"]}}

    def said(*clients: dict[str, Any], group: str = "") -> str:
        rules = [{"name": str(n), "clients": each} for n, each in enumerate(clients)]
        path.write_text(json.dumps(config(rules=[listed, *rules])))
        words = ["clients", "register", str(path), "52:54:00:00:00:07"]
        assert run([*words, *(["--group", group] if group else [])]) == 0
        return capsys.readouterr().err

    assert "no rule of" in said()
    assert said({"registered": True}) == ""
    assert said({"groups": ["lab"]}, group="lab") == ""
    assert "asks for the group 'lad' (groups: lab)" in said(
        {"groups": ["lab"], "registered": True}, group="lad"
    )
    assert "asks for registered clients" in said({"groups": ["lab"]}, group="lad")


def test_the_list_fits_a_terminal(path):
    row = dict.fromkeys(_LISTED, "ten octets") | {
        "mac": "52:54:00:00:00:01",
        "decision": "no rule is about this client",
    }
    wide, nothing = table_of([row], None)
    assert (nothing, len(wide[1]) > 80) == ([], True)
    lines, left_out = table_of([row], 80)
    assert max(map(len, lines)) <= 80
    assert left_out == ["requests", "address", "vlan", "name", "architecture"]
    assert {"mac", "decision"} <= set(table_of([row], 10)[0][0].split())
