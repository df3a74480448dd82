from __future__ import annotations

import json
import time
from typing import Any

import pytest

from coexist.cli import run
from coexist.errors import Problem
from coexist.registry.records import FORGOTTEN, ClientRow, Note, new_order
from coexist.registry.registry import Registry
from coexist.registry.sqlite import sqlite_registry
from coexist.report.clients import LISTED, table_of
from coexist.server.recorder import registered_of
from tests.unit.server.conftest import config


def found(registry: Registry, mac: int) -> ClientRow:
    row = registry.find(mac)
    assert row is not None
    return row


def note(mac: int, at: float = 100.0, requests: int = 1, asks: bool = False, address: str = "") -> Note:
    return Note(mac, address, "office", 7, "PXEClient", "answered", "thin", "", at, at, requests, asks)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "registry.sqlite"


@pytest.fixture
def registry(path):
    opened = sqlite_registry(path)
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
    before = registry.known.generation
    registry.decide(1, "registered", name="desk", group="thin")
    registry.decide(2, "ignored")
    registry.decide(3, "registered")
    registered = registered_of(registry.decisions())
    assert registry.known.generation > before
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
    assert [row.mac for row in registry.decided()] == [2]


def test_old_strangers_are_dropped_and_decisions_never(registry):
    registry.note([note(mac, float(mac)) for mac in range(1, 101)])
    registry.decide(1, "registered")
    assert registry.trim(most=10) == 89
    assert {row.mac for row in registry.rows()} == {1, *range(91, 101)}


def test_a_clock_of_the_future_is_not_kept(path):
    registry = sqlite_registry(path)
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
    registry = sqlite_registry(path)
    registry.note([note(mac, float(mac), asks=True) for mac in range(1, 101)])
    assert registry.trim(100) == 90
    assert registry.find(100) is not None
    assert registry.find(90) is None
    registry.close()


def test_commands(path, capsys):
    registry = sqlite_registry(path)
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
    assert "52:54:00:00:00:02" in capsys.readouterr().err


def test_the_export_is_read_by_the_inventory(path, tmp_path, capsys):
    from coexist.inventory.clients import ClientTable

    registry = sqlite_registry(path)
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
    assert f"{tmp_path / 'none'}: " in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_strangers_are_those_the_configuration_does_not_know(tmp_path, capsys):
    config = tmp_path / "coexist.yaml"
    config.write_text(
        "name: otc\nlisten: [{address: 10.0.0.6}]\nknown: {macs: [52:54:00:00:00:01]}\nregistry: r.sqlite\n"
    )
    registry = sqlite_registry(tmp_path / "r.sqlite")
    registry.note([note(0x525400000001), note(0x525400000002)])
    registry.close()
    assert run(["clients", "list", str(config), "--strangers"]) == 0
    listed = capsys.readouterr().out
    assert ("52:54:00:00:00:01" in listed, "52:54:00:00:00:02" in listed) == (False, True)
    assert run(["clients", "list", str(tmp_path / "r.sqlite"), "--strangers"]) == 2


def test_a_registration_that_changes_nothing_says_so(tmp_path, capsys):
    """A rendered configuration serves its lists: whoever registers a machine there waits in vain."""
    path = tmp_path / "coexist.yaml"
    sqlite_registry(tmp_path / "registry.sqlite").close()
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
    told = said({"groups": ["lab"], "registered": True}, group="lad")
    assert "'lad'" in told
    assert "lab" in told.replace("'lad'", "")
    assert "`registered: true`" not in told
    assert "`registered: true`" in said({"groups": ["lab"]}, group="lad")


def test_the_list_fits_a_terminal(path):
    row = dict.fromkeys(LISTED, "ten octets") | {
        "mac": "52:54:00:00:00:01",
        "decision": "no rule is about this client",
    }
    wide, nothing = table_of([row], None)
    assert (nothing, len(wide[1]) > 80) == ([], True)
    lines, left_out = table_of([row], 80)
    assert max(map(len, lines)) <= 80
    assert left_out == ["requests", "address", "vlan", "architecture", "name"]
    assert {"mac", "decision"} <= set(table_of([row], 10)[0][0].split())
    # What is too wide makes no room: a name that fits stays.
    wide_time = row | {"last_seen": "2026-01-15T07:01:13Z", "name": "desk-7", "state": "seen"}
    lines, left_out = table_of([wide_time], 70)
    assert max(map(len, lines)) <= 70
    assert "last_seen" in left_out
    assert "name" not in left_out


def test_what_was_decided_while_it_was_away_is_carried_over_once(registry):
    """By time: the later decision stands, whichever comes first; the audit names both."""
    early = new_order(1, "registered", name="desk", who="ann", via="command")
    registry.decide(2, "ignored", who="bob", via="console")
    late = new_order(2, "registered", who="ann", via="command")
    lost = late._replace(id="lost", at=early.at - 100)
    assert registry.carry_over(early) is None
    overtaken = registry.carry_over(lost)
    assert overtaken is not None
    assert (overtaken.mac, overtaken.state) == (2, "ignored")
    assert found(registry, 2).state == "ignored"
    assert registry.carry_over(late) is None
    # A confirmation that was lost: it comes again under the same name, after somebody decided anew.
    registry.decide(1, "ignored", who="bob", via="console")
    assert registry.carry_over(early) is None
    assert (found(registry, 1).state, found(registry, 1).name, found(registry, 2).state) == (
        "ignored",
        "desk",
        "registered",
    )
    assert sorted((act.mac, act.who, act.via) for act in registry.acts() if act.who == "ann") == [
        (1, "ann", "command, carried over"),
        (2, "ann", "command, carried over"),
        (2, "ann", "command, overtaken"),
    ]


@pytest.mark.parametrize("last", ["registered", FORGOTTEN])
def test_a_clock_that_is_put_back_makes_no_decision_an_earlier_one(registry, last):
    """What was decided between the two waits elsewhere, and is overtaken by the second."""
    now = time.time()
    waits = new_order(1, "ignored", who="ann")._replace(at=now - 50)
    registry.carry_out(new_order(1, "ignored")._replace(at=now))
    registry.carry_out(new_order(1, last, who="bob")._replace(at=now - 100))
    assert registry.carry_over(waits) is not None
    assert registry.find(1) is None if last == FORGOTTEN else found(registry, 1).state == last


def test_a_client_is_forgotten_late_and_what_was_seen_since_stays(registry):
    order = new_order(1, FORGOTTEN, who="ann", via="command")
    registry.note([note(1, order.at - 10)], server="old")
    registry.note([note(1, order.at + 10)], server="new")
    registry.decide(3, "registered")
    registry.carry_over(order)
    assert [server for server, _ in registry.sights()] == ["new"]
    # A clock of the future decides nothing for ever.
    registry.carry_over(new_order(3, "ignored")._replace(at=order.at + 1e6))
    registry.decide(3, "registered")
    assert registry.carry_over(new_order(3, "ignored")) is None
    assert found(registry, 3).state == "ignored"
