from __future__ import annotations

import io
import sqlite3

import pytest

from coexist.boot.policy import NOBODY_REGISTERED, Registered, Standing
from coexist.cli import run
from coexist.registry.opening import where_is
from coexist.registry.records import Decision, Known, RegistryError
from coexist.registry.spool import MOST_A_BATCH, Spool
from coexist.registry.sqlite import sqlite_registry
from coexist.server.config import journal_of, load_config, spool_of
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.recorder import Recorder
from coexist.server.seen import MOST_CHANGED, ClientsSeen
from tests.unit.registry.test_registry import found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "registry.sqlite"


def recorder_of(path, clients, log=None, workers=1):
    decided: list[Registered] = []
    made = Recorder(
        path,
        clients,
        server="otc",
        counters=Counters(),
        log=log or Log("text", io.StringIO()),
        decided=decided.append,
        workers=workers,
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
    fresh = sqlite_registry(path)
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
    fresh = sqlite_registry(path)
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


def test_workers_share_a_round_and_the_end_is_written_whole(path):
    clients = ClientsSeen()
    clients.keeps = True
    recorder, _ = recorder_of(path, clients, workers=MOST_A_BATCH // 3)
    recorder.load()
    for mac in range(8):
        clients.note(mac, 0.0, 100.0)
    for left in (5, 2):
        assert recorder.work()
        assert len(clients.changed) == left
    for mac in range(8, 20):
        clients.note(mac, 0.0, 100.0)
    recorder.start()
    recorder.close()
    assert not clients.changed
    fresh = sqlite_registry(path)
    assert [found(fresh, mac).requests for mac in range(20)] == [1] * 20
    fresh.close()


def test_a_full_disk_drops_old_news_only(path):
    clients = ClientsSeen(most=200_000)
    clients.keeps = True
    clients.standing = lambda _: Standing.REGISTERED
    recorder, _ = recorder_of(path.parent / "none" / "\0", clients)
    for mac in range(60_000):
        clients.note(mac, 0.0, 100.0)
    recorder._failed(RegistryError("database or disk is full", reopen=False))
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


def test_what_is_seen_without_the_database_waits_on_disk(tmp_path):
    """Nobody listens on port 1: the snapshot is what was decided, and sights are kept for later."""
    away = where_is("postgresql://registry@127.0.0.1:1/registry")
    spool = Spool(tmp_path / "spool")
    desk = Decision(7, "registered", "desk", "", "", "lab", 1.0, 4)
    spool.keep_decisions([desk], Known(timeline=5, generation=4), whole=True)
    spool.close()
    clients = ClientsSeen()
    clients.keeps = True
    stream = io.StringIO()
    recorder = Recorder(
        away,
        clients,
        server="otc",
        counters=Counters(),
        log=Log("text", stream),
        decided=lambda _: None,
        spool=tmp_path / "spool",
    )
    registered = recorder.load()
    assert (7 in registered.everyone, 7 in registered.groups["lab"]) == (True, True)
    for at in (1.0, 2.0):
        for mac in range(20, 30):
            clients.note(mac, at, at)
        assert not recorder.work()
    recorder.log.close()
    assert (recorder.counters.registry_waiting, len(clients.changed)) == (10, 0)
    assert stream.getvalue().count("registry not written") == 1
    recorder.close()
    spool = Spool(tmp_path / "spool")
    (batch,) = spool.batches("later", 1)
    assert {each.mac: each.requests for each in batch.notes} == dict.fromkeys(range(20, 30), 2)
    spool.close()


def test_a_registration_made_while_the_database_is_away_is_in_effect_at_once(tmp_path, capsys):
    """Nobody listens on port 1. The command keeps it for the server that runs beside its configuration."""
    config = tmp_path / "coexist.yaml"
    address = "postgresql://registry@127.0.0.1:1/registry"
    config.write_text(
        "name: otc\nlisten: [{address: 10.0.0.1}]\nservices: [proxydhcp]\nrules:\n"
        "- {name: r, clients: {groups: [thin]}, programs: {bios: x}}\n"
        f"registry: {address}\n"
    )
    register = ["clients", "register", str(config), "52:54:00:00:00:01", "--group", "thin"]
    assert run(register) == 2  # no server has run here: nobody would carry it over
    assert run(["clients", "register", address, "52:54:00:00:00:01"]) == 2
    read = load_config(config).config
    clients = ClientsSeen()

    def recorder(carries=True):
        decided: list[Registered] = []
        made = Recorder(
            where_is(address),
            clients,
            server="otc",
            counters=Counters(),
            log=Log("text", io.StringIO()),
            decided=decided.append,
            spool=spool_of(config, read, None),
            journal=journal_of(config, read, None),
            trims=carries,
        )
        made.load()
        return made, decided

    running, decided = recorder()
    worker, decided_there = recorder(carries=False)
    assert not running.work()
    capsys.readouterr()
    assert run(register) == 0
    assert run(["clients", "ignore", str(config), "52:54:00:00:00:02"]) == 0
    for each, heard in ((running, decided), (worker, decided_there)):
        assert not each.work()
        assert 0x525400000001 in heard[-1].groups["thin"]
        assert 0x525400000002 in heard[-1].ignored
    assert (running.counters.registry_decisions_waiting, worker.counters.registry_decisions_waiting) == (2, 0)
    running.close()
    # A server that is started while the database is away knows them.
    again, decided = recorder()
    assert 0x525400000001 in decided[-1].groups["thin"]
    assert run(["clients", "forget", str(config), "52:54:00:00:00:01"]) == 0
    assert not again.work()
    assert 0x525400000001 not in decided[-1].everyone
    for each in (again, worker):
        each.close()


def test_a_decision_that_the_disk_refused_is_in_the_next_snapshot(path, tmp_path):
    clients = ClientsSeen()
    clients.keeps = True
    stream = io.StringIO()

    def recorder():
        return Recorder(
            path,
            clients,
            server="otc",
            counters=Counters(),
            log=Log("text", stream),
            decided=lambda _: None,
            spool=tmp_path / "spool",
        )

    running = recorder()
    running.load()
    assert running.work()
    lock = sqlite3.connect(tmp_path / "spool", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    assert run(["clients", "register", str(path), "52:54:00:00:00:01", "--group", "thin"]) == 0
    clients.note(9, 0.0, 100.0)
    assert running.work()  # the registry itself is there, and is written
    assert 0x525400000001 in running.registered.groups["thin"]
    lock.execute("ROLLBACK")
    lock.close()
    assert run(["clients", "register", str(path), "52:54:00:00:00:02"]) == 0
    assert running.work()
    running.close()
    spool = Spool(tmp_path / "spool")
    assert {each.mac for each in spool.decisions()} == {0x525400000001, 0x525400000002}
    spool.close()
    fresh = sqlite_registry(path)
    assert found(fresh, 9).requests == 1
    fresh.close()
    # A server that starts from it misses nothing, whatever it reads afterwards.
    again = recorder()
    assert {0x525400000001, 0x525400000002} <= set(again.load().everyone.points)
    again.close()
    running.log.close()
    again.log.close()
    assert stream.getvalue().count("snapshot not written") == 1


def test_a_damaged_snapshot_is_told_and_written_again(path, tmp_path):
    for name in ("spool", "spool-w1"):
        (tmp_path / name).write_bytes(b"SQLite format 3\0" + b"\0" * 5000)
    stream = io.StringIO()
    recorder = Recorder(
        path,
        ClientsSeen(),
        server="otc",
        counters=Counters(),
        log=Log("text", stream),
        decided=lambda _: None,
        spool=tmp_path / "spool",
        left=(tmp_path / "spool-w1",),
    )
    recorder.load()
    assert run(["clients", "register", str(path), "52:54:00:00:00:01"]) == 0
    assert recorder.work()
    recorder.close()
    recorder.log.close()
    assert "snapshot begun anew" in stream.getvalue()
    assert "sights of a worker not taken over" in stream.getvalue()
    spool = Spool(tmp_path / "spool")
    assert [each.mac for each in spool.decisions()] == [0x525400000001]
    spool.close()
