"""A registry in a real PostgreSQL: the same as one in a file, shared, and away at the worst moments."""

from __future__ import annotations

import io
import json
import random
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
from tests.harness.processes import Process, wait_until
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

    def __init__(self, address: str, folder: Path, name: str = "otc", carries: bool = True) -> None:
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
            journal=folder / f"{name}.decisions",
            trims=carries,
        )
        self.recorder.load()

    def _decided(self, registered: Registered) -> None:
        self.registered = registered

    def sees(self, mac: int, at: float) -> None:
        self.clients.note(mac, at, at)

    def dies(self) -> None:
        """As a killed process: nothing is written any more."""
        self.recorder._close_all()
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


GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "many-servers.md"
FILE, ADDRESS = "/var/lib/coexist/registry.sqlite", "postgresql://coexist@db.example/registry"
RULES = [{"name": "thin", "clients": {"registered": True}, "programs": {"bios": "lpxelinux.0"}}]
PLACES = {"otc": str(OTC), "otc-new": "10.10.0.8", "spare": "10.10.0.9"}
MOVED, BETWEEN = "52:54:00:00:00:11", "52:54:00:00:00:12"
TYPED = "52:54:00:12:34:56"
"""The machine that the guide registers."""


def commands(section: str) -> list[list[str]]:
    """What the guide has to be typed in one of its sections, of coexist."""
    text = GUIDE.read_text(encoding="utf-8").split(f"## {section}", 1)[1].split("\n## ", 1)[0]
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("coexist ")]


class Campus:
    """The guide's site, on a network."""

    def __init__(self, network: Network) -> None:
        self.asked: Counter[str] = Counter()
        self.site = Site(network)
        self.hosts = {"otc": self.site.otc} | {
            name: network.host(name, {"office": PLACES[name]}) for name in ("otc-new", "spare")
        }
        self.database = network.host("db", {"office": "10.10.0.20"})

    def serve(self, name: str, **changes: Any) -> Process:
        listen = [{"address": PLACES[name], "vlan": "office"}]
        return self.site.serve(
            host=self.hosts[name], name=name, listen=listen, rules=RULES, services=["proxydhcp"], **changes
        )

    def run(self, name: str, *words: str) -> str:
        return self.hosts[name].run([sys.executable, "-m", "coexist", *words])

    def register(self, name: str, mac: str) -> None:
        self.run(name, "clients", "register", str(self.hosts[name].directory / "coexist.yaml"), mac)

    def follow(self, section: str, name: str, address: str) -> None:
        """Type what the guide says, with this site's names; the console does not end by itself."""
        file = str(self.hosts[name].directory / "registry.sqlite")
        for words in commands(section):
            if words[0] == "console":
                continue
            self.run(name, *(word.replace(FILE, file).replace(ADDRESS, address) for word in words))

    def answering(self, mac: str) -> set[str]:
        """The servers that answer its DISCOVER."""
        self.asked[mac] += 1
        with self.site.client(self.site.desk, mac) as client:
            client.discover()
            return {str(heard.source[0]) for heard in client.replies(timeout=0.3)}


def test_a_site_goes_from_one_server_to_three_as_the_guide_says() -> None:
    with Network() as network:
        campus = Campus(network)
        everybody = set(PLACES.values())
        with Postgres(campus.database) as postgres:
            address = postgres.database()
            # Before: a server with a file, and another one with a file of its own.
            servers = {name: campus.serve(name) for name in ("otc", "otc-new")}
            campus.register("otc", THIN)
            campus.register("otc-new", MOVED)
            wait_until(lambda: campus.answering(THIN) == {PLACES["otc"]}, "one server knows it")
            campus.follow("2.", "otc", address)
            campus.register("otc", BETWEEN)
            servers["otc"].stop()
            servers["otc"] = campus.serve("otc", registry=address)
            campus.follow("3.", "otc", address)
            servers["otc-new"].stop()
            campus.follow("4.", "otc-new", address)
            for name in ("otc-new", "spare"):
                servers[name] = campus.serve(name, registry=address)
            for mac in (THIN, BETWEEN, MOVED):
                wait_until(lambda mac=mac: campus.answering(mac) == everybody, "all servers know all of them")  # type: ignore[misc]
            # Split away, all go on from what they last knew.
            link = campus.database.interfaces["office"]
            campus.database.run(["ip", "link", "set", link, "down"])
            assert campus.answering(STRANGER) == set()
            assert campus.answering(THIN) == everybody
            campus.database.run(["ip", "link", "set", link, "up"])
            campus.register("spare", STRANGER)
            wait_until(lambda: campus.answering(STRANGER) == everybody, "all caught up")
            campus.follow("5.", "spare", address)
            wait_until(lambda: campus.answering(TYPED) == everybody, "what was typed holds on all")
            for server in servers.values():
                server.stop()
            shown = campus.run("spare", "registry", "show", address)
            assert {f"server {name} saw" in shown for name in PLACES} == {True}
            campus.follow("Back to a file", "otc", address)
        campus.serve("otc")  # the database is gone for good
        for mac in (THIN, BETWEEN, MOVED, STRANGER, TYPED):
            assert campus.answering(mac) == {PLACES["otc"]}


Ways = dict[str, tuple[Callable[[], object], Callable[[], object]]]
AWAY = ("killed", "paused", "cut off", "slow", "full")
CONTESTED = "52:54:00:00:00:13"


def ways(campus: Campus, postgres: Postgres, line: Process) -> Ways:
    """How the database goes away, and how it is back."""
    link = ["ip", "link", "set", campus.database.interfaces["office"]]
    return {
        "killed": (postgres.kill, postgres.start),
        "paused": (lambda: postgres.signal(signal.SIGSTOP), lambda: postgres.signal(signal.SIGCONT)),
        "cut off": (lambda: campus.database.run([*link, "down"]), lambda: campus.database.run([*link, "up"])),
        "slow": (lambda: line.send_signal(signal.SIGUSR1), lambda: line.send_signal(signal.SIGUSR2)),
        "full": (postgres.fill_disk, postgres.free_disk),
    }


@pytest.mark.parametrize("how", AWAY)
def test_what_is_decided_while_the_database_is_away_holds_here_and_everywhere_later(how: str) -> None:
    """However it is away, every boot goes on, a server starts, and nothing is lost or done twice."""
    with Network() as network:
        campus = Campus(network)
        with Postgres(campus.database, megabytes=160) as postgres:
            line = postgres.slow_line()
            away, back = ways(campus, postgres, line)[how]
            address = postgres.database(slowly=True)
            servers = {name: campus.serve(name, registry=address) for name in ("otc", "otc-new")}
            both = {PLACES[name] for name in servers}
            campus.register("otc", THIN)
            wait_until(lambda: campus.answering(THIN) == both, "both know it")
            away()
            # In effect where it was made, and on a server that is started meanwhile.
            campus.register("otc", MOVED)
            servers["otc-new"].stop(patience=15)
            campus.register("otc-new", BETWEEN)
            campus.register("otc", CONTESTED)
            campus.run(
                "otc-new",
                "clients",
                "ignore",
                str(campus.hosts["otc-new"].directory / "coexist.yaml"),
                CONTESTED,
            )
            servers["otc-new"] = campus.serve("otc-new", registry=address)
            wait_until(lambda: campus.answering(MOVED) == {PLACES["otc"]}, "the server here knows it")
            wait_until(
                lambda: campus.answering(CONTESTED) == {PLACES["otc"]}, "each does what is decided on it"
            )
            assert campus.answering(BETWEEN) == {PLACES["otc-new"]}
            assert campus.answering(THIN) == both
            back()
            for mac, wanted in ((MOVED, both), (BETWEEN, both), (CONTESTED, set())):
                wait_until(lambda mac=mac, wanted=wanted: campus.answering(mac) == wanted, "caught up")  # type: ignore[misc]
            for server in servers.values():
                server.stop(patience=15)
            words = [sys.executable, "-c", TOLD, address, str(GUIDE.parents[2])]
            said = campus.hosts["otc"].run(words)
            acts, requests = json.loads(said)
            assert acts == {THIN: 1, MOVED: 1, BETWEEN: 1, CONTESTED: 2}
            assert requests == {mac: campus.asked[mac] for mac in requests}
            assert set(requests) == set(campus.asked)


TOLD = """
import sys
sys.path.insert(0, sys.argv[2])
from tests.wire.server.test_shared_registry import told
told(sys.argv[1])
"""


def told(address: str) -> None:
    """How many acts a registry has on each client, and how many requests of it one server saw."""
    registry = open_registry(address)
    acts = Counter(format_mac(act.mac) for act in registry.acts())
    requests = {format_mac(seen.mac): seen.requests for server, seen in registry.sights("otc")}
    registry.close()
    sys.stdout.write(json.dumps([acts, requests]))
