"""A registry in a SQLite file: the default, with no set-up. Commands and the server use it at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from coexist.registry.engine import Values
from coexist.registry.records import RegistryError
from coexist.registry.registry import Registry
from coexist.registry.schema import VERSION, upgrade

_LATEST = 253_402_300_799
_TEXTS = (
    "server", "state", "name", "location", "hardware", "client_group", "address", "vlan", "vendor_class",
    "decision", "rule", "answered_by", "uuid",
)  # fmt: skip
_SOUND = " AND ".join(
    (
        f"mac BETWEEN 0 AND {(1 << 48) - 1}",
        *(f"typeof({name}) = 'text'" for name in _TEXTS),
        "typeof(requests) = 'integer'",
        "(architecture IS NULL OR (typeof(architecture) = 'integer' AND architecture BETWEEN 0 AND 65535))",
        *(
            f"({name} IS NULL OR typeof({name}) IN ('real', 'integer') AND {name} BETWEEN 0 AND {_LATEST})"
            for name in ("first_seen", "last_seen")
        ),
    )
)
"""What is so of every row a server writes. SQLite keeps anything in any column, and copies get damaged."""

_FIRST_COLUMNS = (
    ("state", "TEXT NOT NULL DEFAULT 'seen'"), ("name", "TEXT NOT NULL DEFAULT ''"),
    ("location", "TEXT NOT NULL DEFAULT ''"), ("hardware", "TEXT NOT NULL DEFAULT ''"),
    ("client_group", "TEXT NOT NULL DEFAULT ''"), ("address", "TEXT NOT NULL DEFAULT ''"),
    ("vlan", "TEXT NOT NULL DEFAULT ''"), ("architecture", "INTEGER"),
    ("vendor_class", "TEXT NOT NULL DEFAULT ''"), ("decision", "TEXT NOT NULL DEFAULT ''"),
    ("rule", "TEXT NOT NULL DEFAULT ''"), ("answered_by", "TEXT NOT NULL DEFAULT ''"), ("first_seen", "REAL"),
    ("last_seen", "REAL"), ("requests", "INTEGER NOT NULL DEFAULT 0"),
)  # fmt: skip
"""The table ``clients`` of version 1, to which columns were added over the time."""
_SIGHTS_OF_FIRST = (
    "INSERT INTO sightings (server, mac, address, vlan, architecture, vendor_class, decision, rule,"
    " answered_by, first_seen, last_seen, requests, asks) SELECT '', mac, address, vlan, architecture,"
    " vendor_class, decision, rule, answered_by, coalesce(first_seen, last_seen), last_seen, requests,"
    " state = 'asking' FROM first_clients WHERE last_seen IS NOT NULL"
)
_DECISIONS_OF_FIRST = (
    "INSERT INTO decisions (mac, state, name, location, hardware, client_group, decided_at, generation)"
    " SELECT mac, state, name, location, hardware, client_group, :now, 1"
    " FROM first_clients WHERE state NOT IN ('seen', 'asking') OR last_seen IS NULL OR name <> ''"
    " OR location <> '' OR hardware <> '' OR client_group <> ''"
)


class SqliteEngine:
    """A SQLite file."""

    shared = False
    sound = _SOUND

    def __init__(self, path: Path, *, patience: float = 2.0, create: bool = True) -> None:
        """``patience``: seconds to wait for another process's lock. Raises `RegistryError`."""
        self.path = path
        self.where = str(path)
        if not create and not path.exists():
            raise RegistryError(
                f"{path}: there is no registry; name the one of a running server, or start the server"
            )
        with _told(self.where):
            # Opened at the start by one thread and used by another from then on, never by two at once.
            self._db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        self._db.text_factory = lambda octets: octets.decode("utf-8", "replace")
        try:
            # A reader never blocks the writer, and the other way round; a lost power plug loses seconds.
            self.run("PRAGMA journal_mode=WAL")
            self.run("PRAGMA synchronous=NORMAL")
            self._inode = path.stat().st_ino
        except OSError as error:
            self._db.close()
            raise RegistryError(f"{path}: {error.strerror}") from None
        except BaseException:
            self._db.close()
            raise

    def run(self, statement: str, values: Values | None = None) -> int:
        """Run one statement; how many rows it changed."""
        with _told(self.where), closing(self._db.execute(statement, values or {})) as cursor:
            return cursor.rowcount

    def run_many(self, statement: str, values: Iterable[Values]) -> int:
        """Run one statement for each of some values; how many rows that changed."""
        with _told(self.where), closing(self._db.executemany(statement, values)) as cursor:
            return max(cursor.rowcount, 0)

    def fetch(self, query: str, values: Values | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with _told(self.where), closing(self._db.execute(query, values or {})) as cursor:
            return cursor.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, begun as a writer, so that nobody else's write comes between."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                with _told(self.where):
                    self._db.execute("ROLLBACK")
            raise

    def migrate(self) -> None:
        """Bring the tables to the version of this program."""
        version = self._version()
        if version == VERSION:
            return
        if version:
            with self.transaction():
                upgrade(self)
            return
        with self.transaction():
            first = self.fetch("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'clients'")
            if first:
                there = {row[1] for row in self.fetch("PRAGMA table_info(clients)")}
                for name, kind in _FIRST_COLUMNS:
                    if name not in there:
                        self.run(f"ALTER TABLE clients ADD COLUMN {name} {kind}")
                self.run("DROP INDEX IF EXISTS clients_last_seen")
                self.run("ALTER TABLE clients RENAME TO first_clients")
                self.run("DROP TABLE IF EXISTS meta")
            upgrade(self)
            if first:
                self.run(_SIGHTS_OF_FIRST)
                self.run("UPDATE meta SET value = 1 WHERE name = 'generation'")
                self.run(_DECISIONS_OF_FIRST, {"now": time.time()})
                self.run("DROP TABLE first_clients")

    def _version(self) -> int:
        if not self.fetch("SELECT 1 FROM sqlite_master WHERE name = 'meta'"):
            return 0
        found = self.fetch("SELECT value FROM meta WHERE name = 'schema'")
        return int(found[0][0]) if found else 0

    def check(self) -> None:
        """Raises `RegistryError` for a file that is damaged."""
        said = str(self.fetch("PRAGMA integrity_check(1)")[0][0])
        if said != "ok":
            raise RegistryError(f"{self.where}: the file is damaged: {said.splitlines()[0]}")

    def announce(self) -> None:
        """Nobody can be woken by a file; it is asked every second."""

    def listen(self) -> int | None:
        """Nothing to listen to."""
        return None

    def heard(self) -> None:
        """Nothing was."""

    def usable(self) -> bool:
        """Whether the file is still the one that was opened."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def sqlite_registry(path: Path, *, patience: float = 2.0, create: bool = True) -> Registry:
    """The registry in a file. Raises `RegistryError`."""
    engine = SqliteEngine(path, patience=patience, create=create)
    try:
        engine.migrate()
    except BaseException:
        engine.close()
        raise
    return Registry(engine)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """SQLite's complaints as ours. A file that is locked or full is so for a while only."""
    try:
        yield
    except sqlite3.Error as error:
        lasting = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        raise RegistryError(f"{where}: {error}", reopen=lasting) from None
    except UnicodeDecodeError:  # of SQLite's own words about a damaged file
        raise RegistryError(f"{where}: the file is damaged") from None
