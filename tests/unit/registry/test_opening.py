from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from coexist.boot.configuration import BootServerConfig
from coexist.cli import run
from coexist.registry.opening import Database, connect, is_database, state_of, where_is
from coexist.registry.records import Note, RegistryError
from coexist.registry.schema import VERSION, upgrade
from coexist.registry.sqlite import SqliteEngine, sqlite_registry
from coexist.server.config import registry_of, spool_of, spools_left

SECRET = "postgresql://coexist:hunter2@db.example:5433/registry?sslmode=require&password=hunter3"


def test_an_address_is_told_without_its_password() -> None:
    where = where_is(SECRET)
    assert isinstance(where, Database)
    assert str(where) == "postgresql://coexist@db.example:5433/registry?sslmode=require"
    assert where.mark != Database(url="postgresql://coexist@db.example/other").mark


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("postgres://h/n", True), ("registry.sqlite", False), ("/postgresql/x", False), ("mysql://h/n", False)],
)
def test_what_is_a_database(text: str, is_one: bool) -> None:
    assert is_database(text) is is_one


def test_a_server_keeps_a_spool_beside_a_database_only(tmp_path: Path) -> None:
    listen = [{"address": "10.0.0.6"}]
    shared = BootServerConfig.model_validate({"name": "otc", "listen": listen, "registry": SECRET})
    alone = BootServerConfig.model_validate({"name": "otc", "listen": listen})
    path = tmp_path / "coexist.yaml"
    spool = spool_of(path, shared, "/var/lib/coexist")
    assert spool is not None
    assert (spool.parent, "hunter" in spool.name) == (Path("/var/lib/coexist"), False)
    assert registry_of(path, alone, None) == tmp_path / "registry.sqlite"
    assert spool_of(path, alone, None) is None
    # Of a server that had three workers and has two, one file is left.
    files = [spool_of(path, shared, str(tmp_path), worker) for worker in range(3)]
    for file in files:
        assert file is not None
        file.touch()
    assert [*spools_left(path, shared, str(tmp_path), 2)] == files[2:]


def test_a_database_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    missing = "postgresql://coexist:hunter2@127.0.0.1:1/registry"
    assert state_of(where_is(missing)) == (0, 0)
    assert run(["clients", "list", missing]) == 2
    told = capsys.readouterr().err
    assert ("127.0.0.1" in told, "hunter2" in told, "Traceback" in told) == (True, False, False)


def test_a_file_of_the_first_version_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    db = sqlite3.connect(path)
    db.execute(
        "CREATE TABLE clients (mac INTEGER PRIMARY KEY, state TEXT, name TEXT, first_seen REAL,"
        " last_seen REAL, requests INTEGER) WITHOUT ROWID"
    )
    db.executemany(
        "INSERT INTO clients VALUES (?, ?, ?, ?, ?, ?)",
        [
            (1, "registered", "desk", 1.0, 2.0, 3),
            (2, "asking", "", 1.0, 5.0, 1),
            (3, "ignored", "", None, None, 0),
            (4, "seen", "", 1.0, 4.0, 7),
        ],
    )
    db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
    db.execute("INSERT INTO meta VALUES ('generation', 9)")
    db.commit()
    db.close()
    registry = sqlite_registry(path)
    assert [(row.mac, row.state, row.name, row.requests) for row in registry.rows()] == [
        (2, "asking", "", 1),
        (4, "seen", "", 7),
        (1, "registered", "desk", 3),
        (3, "ignored", "", 0),
    ]
    registry.adopt("otc")
    registry.note([Note(4, "", "", 0, "", "answered", "", "", 4.0, 6.0, 1, False)], server="otc")
    assert (registry.servers(), registry.find(4).requests) == ({"otc"}, 8)  # type: ignore[union-attr]
    registry.close()
    again = sqlite_registry(path)
    assert len(again.decisions()) == 2
    again.engine.run("UPDATE meta SET value = :it WHERE name = 'schema'", {"it": VERSION + 1})
    again.close()
    with pytest.raises(RegistryError, match="newer coexist"):
        connect(path)


def test_a_file_of_the_third_version_gains_the_uuid(tmp_path: Path) -> None:
    path, uuid = tmp_path / "registry.sqlite", "4c4c4544-0042-3510-8052-b4c04f4e4a32"
    old = SqliteEngine(path)
    with old.transaction():
        upgrade(old, to=3)
    old.run(
        "INSERT INTO sightings (server, mac, first_seen, last_seen, requests, asks)"
        " VALUES ('otc', 7, 1, 2, 3, 1)"
    )
    old.run("INSERT INTO decisions VALUES (8, 'registered', 'desk', '', '', '', 1.0, 1)")
    old.close()
    registry = sqlite_registry(path)
    assert [(row.mac, row.state, row.uuid, row.requests) for row in registry.rows()] == [
        (7, "asking", "", 3),
        (8, "registered", "", 0),
    ]
    registry.note([Note(7, "", "", 0, "", "answered", "", "", 4.0, 6.0, 1, False, uuid)], server="otc")
    registry.note([Note(7, "", "", 0, "", "answered", "", "", 7.0, 7.0, 1, False)], server="otc")
    ((_, sight),) = registry.sights()
    assert (sight.uuid, sight.asks, registry.find(7).uuid) == (uuid, True, uuid)  # type: ignore[union-attr]
    registry.close()
