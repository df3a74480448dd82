"""A registry in a real PostgreSQL: the same as one in a file, shared, and away at the worst moments."""

from __future__ import annotations

import io
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coexist.boot.policy import Registered
from coexist.cli import run
from coexist.registry.copying import copy_registry
from coexist.registry.opening import connect, kept_connections, open_registry, state_of, where_is
from coexist.registry.records import Note, RegistryError
from coexist.registry.registry import Registry
from coexist.registry.schema import VERSION, upgrade
from coexist.registry.sqlite import sqlite_registry
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.recorder import Recorder
from coexist.server.seen import ClientsSeen
from coexist.wire.mac import format_mac
from tests.harness.network import Network
from tests.harness.postgresql import FOLDER, Postgres
from tests.harness.processes import wait_until
from tests.wire.server.conftest import OTC, STRANGER, THIN, Site

pytestmark = pytest.mark.needs(str(FOLDER), "setpriv")

REGISTERED, IGNORED, LATE = 0x525400000001, 0x525400000002, 0x525400000003


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


def note(mac: int, at: float, requests: int = 1, asks: bool = False) -> Note:
    return Note(mac, "", "office", 7, "PXEClient\0", "answered", "thin", "", at, at, requests, asks)


def a_morning(registry: Registry, seed: int) -> None:
    """The same things happen in every registry it is given with one seed."""
    chance = random.Random(seed)
    for step in range(60):
        mac = chance.randrange(12)
        match chance.randrange(5):
            case 0:
                registry.decide(mac, chance.choice(["registered", "ignored", "seen"]), name=f"desk-{step}")
            case 1:
                registry.decide(mac, "registered", group=chance.choice(["lab", None]))
            case 2:
                registry.forget(mac)
            case _:
                seen = note(
                    mac + chance.randrange(0, 200, 100),
                    1000.0 + chance.randrange(100),
                    chance.randrange(5),
                    chance.random() < 0.2,
                )
                seen = seen._replace(vendor_class="PXEClient", address=chance.choice(["", "10.0.0.9"]))
                registry.note([seen], server=chance.choice(["otc", "new"]))


def content(registry: Registry) -> object:
    decided = [each._replace(decided_at=0.0) for each in sorted(registry.decisions())]
    acts = sorted((act.mac, act.action, act.name) for act in registry.acts())
    return registry.rows(), registry.sights(), decided, acts


def test_both_engines_keep_the_same_and_copies_go_both_ways(postgres: Postgres, tmp_path: Path) -> None:
    for seed in range(3):
        database, file = connect(where_is(postgres.database())), sqlite_registry(tmp_path / f"{seed}.sqlite")
        for registry in (database, file):
            a_morning(registry, seed)
        assert content(database) == content(file)
        assert [row.state for row in database.rows(server="new")] == [
            row.state for row in file.rows(server="new")
        ]
        # From one engine into the other and back; a second copy changes nothing.
        there, back = (
            connect(where_is(postgres.database())),
            sqlite_registry(tmp_path / f"{seed}-back.sqlite"),
        )
        for source, target in ((file, there), (file, there), (there, back), (there, back)):
            copy_registry(source, target)
        assert (back.rows(), back.sights(), back.acts()) == (file.rows(), file.sights(), file.acts())
        assert database.trim(0) == file.trim(0) > 0
        assert sorted(database.sights()) == sorted(file.sights())
        for registry in (database, file, there, back):
            registry.close()


def test_versions_go_forward_by_themselves_and_never_back(postgres: Postgres) -> None:
    address = postgres.database()
    old = connect(where_is(address))
    with old.engine.transaction():
        for table in ("sightings", "decisions", "audit", "writers", "meta"):
            old.engine.run(f"DROP TABLE {table} CASCADE")
        upgrade(old.engine, to=2)
    old.engine.run("INSERT INTO decisions VALUES (1, 'registered', 'desk', '', '', '', 1.0, 1)")
    old.close()
    new = connect(where_is(address))
    assert [row.name for row in new.decided()] == ["desk"]
    assert new.note([note(1, 5.0)], server="otc", batch=("otc", 1))
    assert not new.note([note(1, 5.0)], server="otc", batch=("otc", 1))
    assert new.rows()[0].requests == 1
    new.engine.run("UPDATE meta SET value = :it WHERE name = 'schema'", {"it": VERSION + 1})
    new.close()
    with pytest.raises(RegistryError, match="newer coexist"):
        connect(where_is(address))


def test_commands_and_the_console_use_a_database(postgres: Postgres, tmp_path: Path, capsys) -> None:
    address = postgres.database()
    file = tmp_path / "old.sqlite"
    registry = sqlite_registry(file)
    registry.note([note(LATE, 100.0)], server="")
    registry.close()
    assert run(["registry", "copy", str(file), address]) == 2
    assert "--server" in capsys.readouterr().err
    assert run(["registry", "copy", str(file), address, "--server", "otc"]) == 0
    assert run(["clients", "register", address, format_mac(REGISTERED), "--name", "desk"]) == 0
    assert run(["clients", "history", address]) == 0
    assert "registered" in capsys.readouterr().out
    assert run(["registry", "show", address]) == 0
    assert "server otc saw" in capsys.readouterr().out
    with kept_connections():
        where = where_is(address)
        before = state_of(where)
        for _ in range(8):  # more than a pool has
            opened = open_registry(where)
            assert [row.name for row in opened.decided()] == ["desk"]
            opened.close()
        assert state_of(where) == before
        opened = open_registry(where)
        opened.note([note(LATE, 200.0)], server="otc")
        opened.close()
        assert state_of(where) != before
    missing = address.replace("/registry", "/nothing-like-it", 1)
    assert run(["clients", "list", missing]) == 2
    assert "Traceback" not in capsys.readouterr().err


class Server:
    """What of a boot server has to do with its registry; rounds are taken by hand."""

    def __init__(self, address: str, folder: Path, name: str = "otc") -> None:
        self.clients = ClientsSeen()
        self.clients.keeps = True
        self.counters = Counters()
        self.said = io.StringIO()
        self.registered = Registered()
        self.log = Log("text", self.said)
        self.recorder = Recorder(
            where_is(address),
            self.clients,
            server=name,
            counters=self.counters,
            log=self.log,
            decided=self._decided,
            spool=folder / f"{name}.spool",
        )
        self.recorder.load()

    def _decided(self, registered: Registered) -> None:
        self.registered = registered

    def sees(self, mac: int, at: float) -> None:
        self.clients.note(mac, at, at)

    def dies(self) -> None:
        """As a killed process: nothing is written any more."""
        self.recorder._close()
        if self.recorder._spool is not None:
            self.recorder._spool.close()
        self.log.close()


def test_nothing_is_lost_or_doubled_while_the_database_is_away(postgres: Postgres, tmp_path: Path) -> None:
    address = postgres.database()
    first, second = Server(address, tmp_path), Server(address, tmp_path, "new")
    watching = connect(where_is(address))
    watching.decide(REGISTERED, "registered", name="desk")
    watching.decide(IGNORED, "ignored")
    first.sees(LATE, 1.0)
    assert first.recorder.work()
    assert second.recorder.work()
    assert (REGISTERED in first.registered.everyone, IGNORED in second.registered.ignored) == (True, True)
    watching.close()

    # Killed: sights go to disk, and a server that is started now knows what was decided.
    postgres.kill()
    for at in (2.0, 3.0):
        first.sees(LATE, at)
        assert not first.recorder.work()
    assert (first.counters.registry_waiting, second.recorder.work()) == (1, False)
    first.dies()
    first = Server(address, tmp_path)
    assert (REGISTERED in first.registered.everyone, IGNORED in first.registered.ignored) == (True, True)
    first.sees(LATE, 4.0)
    assert not first.recorder.work()
    postgres.start()
    second.sees(LATE, 5.0)
    assert first.recorder.work()
    assert second.recorder.work()
    watching = connect(where_is(address))
    assert {server: seen.requests for server, seen in watching.sights() if seen.mac == LATE} == {
        "otc": 4,
        "new": 1,
    }
    assert first.counters.registry_waiting == 0

    # Paused while a batch is under way: nobody waits for long, and it arrives once.
    first.sees(LATE, 6.0)
    postgres.signal(signal.SIGSTOP)
    assert not first.recorder.work()
    assert first.counters.registry_waiting == 1
    postgres.signal(signal.SIGCONT)
    assert first.recorder.work()
    watching.decide(LATE, "registered")
    assert first.recorder.work()
    assert LATE in first.registered.everyone
    row = watching.find(LATE)
    assert row is not None
    assert (row.requests, row.state) == (6, "registered")

    # Put back from a backup that knows less: what the servers know is written back.
    watching.engine.run("DELETE FROM decisions WHERE mac = :mac", {"mac": LATE})
    watching.engine.run("UPDATE meta SET value = 1 WHERE name = 'generation'")
    assert second.recorder.work()
    assert first.recorder.work()
    assert second.recorder.work()
    assert {row.mac for row in watching.decided()} == {REGISTERED, IGNORED, LATE}
    assert LATE in second.registered.everyone
    watching.close()
    first.dies()
    second.dies()


def test_two_servers_share_a_registry_over_a_network_that_breaks() -> None:
    with Network() as network:
        site = Site(network)
        twin = network.host("twin", {"office": "10.10.0.8"})
        database = network.host("db", {"office": "10.10.0.20"})
        with Postgres(database) as postgres:
            address = postgres.database()
            rules = [{"name": "thin", "clients": {"registered": True}, "programs": {"bios": "lpxelinux.0"}}]
            site.serve(registry=address, rules=rules, services=["proxydhcp"])
            site.serve(
                registry=address, rules=rules, services=["proxydhcp"], name="twin", host=twin,
                listen=[{"address": "10.10.0.8", "vlan": "office"}],
            )  # fmt: skip

            def answering(mac: str) -> set[str]:
                with site.client(site.desk, mac) as client:
                    client.discover()
                    return {str(heard.source[0]) for heard in client.replies(timeout=0.3)}

            def register(mac: str, host=site.otc) -> None:
                host.run(
                    [
                        sys.executable,
                        "-m",
                        "coexist",
                        "clients",
                        "register",
                        host.directory / "coexist.yaml",
                        mac,
                    ]
                )

            assert answering(THIN) == set()
            register(THIN)
            wait_until(lambda: answering(THIN) == {str(OTC), "10.10.0.8"}, "both servers know it")
            # Split away, both go on from what they last knew.
            database.run(["ip", "link", "set", database.interfaces["office"], "down"])
            assert answering(STRANGER) == set()
            assert answering(THIN) == {str(OTC), "10.10.0.8"}
            database.run(["ip", "link", "set", database.interfaces["office"], "up"])
            register(STRANGER, twin)
            wait_until(lambda: answering(STRANGER) == {str(OTC), "10.10.0.8"}, "both caught up")
