"""The registry: every client seen, and what administrators decided on it. A SQLite file.

The commands ``coexist clients ...`` and the server use the same file at the same time. Administrators'
decisions bump the generation, which the server looks at every second; so they take effect at once.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from coexist.boot.policy import Registered
from coexist.errors import CoexistError
from coexist.inventory.macset import MacSet

State = Literal["seen", "asking", "registered", "ignored"]
STATES: tuple[State, ...] = ("seen", "asking", "registered", "ignored")
"""``seen``: it asked to boot. ``asking``: it chose registration in a boot menu. The rest is decided."""

MOST_SEEN = 100_000
"""Clients nobody decided on that are kept; beyond it those seen longest ago are dropped."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (
    mac INTEGER PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'seen',
    name TEXT NOT NULL DEFAULT '',
    location TEXT NOT NULL DEFAULT '',
    hardware TEXT NOT NULL DEFAULT '',
    client_group TEXT NOT NULL DEFAULT '',
    address TEXT NOT NULL DEFAULT '',
    vlan TEXT NOT NULL DEFAULT '',
    architecture INTEGER,
    vendor_class TEXT NOT NULL DEFAULT '',
    decision TEXT NOT NULL DEFAULT '',
    rule TEXT NOT NULL DEFAULT '',
    answered_by TEXT NOT NULL DEFAULT '',
    first_seen REAL,
    last_seen REAL,
    requests INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS clients_last_seen ON clients (state, last_seen);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('generation', 0);
"""
_COLUMNS = (
    "mac", "state", "name", "location", "hardware", "client_group", "address", "vlan", "architecture",
    "vendor_class", "decision", "rule", "answered_by", "first_seen", "last_seen", "requests",
)  # fmt: skip
_TEXTS = (
    "state", "name", "location", "hardware", "client_group", "address", "vlan", "vendor_class", "decision",
    "rule", "answered_by",
)  # fmt: skip
_LATEST = 253_402_300_799
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
_NOTE = """
INSERT INTO clients (mac, state, address, vlan, architecture, vendor_class, decision, rule, answered_by,
                     first_seen, last_seen, requests)
VALUES (?1, CASE WHEN ?12 THEN 'asking' ELSE 'seen' END, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (mac) DO UPDATE SET
    state = CASE WHEN ?12 AND state = 'seen' THEN 'asking' ELSE state END,
    address = CASE WHEN excluded.address = '' THEN address ELSE excluded.address END,
    vlan = excluded.vlan, architecture = excluded.architecture, vendor_class = excluded.vendor_class,
    decision = excluded.decision, rule = excluded.rule,
    answered_by = CASE WHEN excluded.answered_by = '' THEN answered_by ELSE excluded.answered_by END,
    first_seen = min(coalesce(first_seen, excluded.first_seen), excluded.first_seen),
    last_seen = CASE WHEN last_seen > excluded.last_seen + 86400.0 THEN excluded.last_seen
                ELSE max(coalesce(last_seen, excluded.last_seen), excluded.last_seen) END,
    requests = requests + excluded.requests
"""
Note = tuple[int, str, str, int | None, str, str, str, str, float, float, int, bool]
"""mac, address, vlan, architecture, vendor class, decision, rule, answered by, first seen, last seen (both
seconds since the epoch), requests since the last note, whether it asks to be registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """One client as the registry has it. Times in seconds since the epoch."""

    mac: int
    state: str
    name: str = ""
    location: str = ""
    hardware: str = ""
    client_group: str = ""
    address: str = ""
    vlan: str = ""
    architecture: int | None = None
    vendor_class: str = ""
    decision: str = ""
    rule: str = ""
    answered_by: str = ""
    first_seen: float | None = None
    last_seen: float | None = None
    requests: int = 0


class Registry:
    """An open registry, used by one thread at a time. ``sqlite3.Error`` comes through as it is."""

    def __init__(self, path: Path, *, patience: float = 2.0, create: bool = True) -> None:
        """``patience``: seconds to wait for another process's lock."""
        self.path = path
        if not create and not path.exists():
            raise FileNotFoundError(2, "there is no registry; start the server first", str(path))
        # Opened at the start by one thread and used by another from then on, never by two at once.
        self._db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        self._db.text_factory = lambda octets: octets.decode("utf-8", "replace")
        try:
            # A reader never blocks the writer, and the other way round; a lost power plug loses seconds.
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._add_columns()
            self._db.executescript(_SCHEMA)
        except UnicodeDecodeError:  # of SQLite's own words about a damaged file
            self._db.close()
            raise sqlite3.DatabaseError("the file is damaged") from None
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _add_columns(self) -> None:
        """An older registry lacks what was added since."""
        there = {row[1] for row in self._db.execute("PRAGMA table_info(clients)")}
        if there:
            for line in _SCHEMA.partition("(\n")[2].partition("\n)")[0].splitlines():
                name, _, kind = line.strip().rstrip(",").partition(" ")
                if name not in there and name != "mac":
                    self._db.execute(f"ALTER TABLE clients ADD COLUMN {name} {kind}")

    @property
    def damaged(self) -> int:
        """How many rows hold what no server writes; nothing else tells of them.

        Raises ``sqlite3.DatabaseError`` for a file that is damaged itself.
        """
        with closing(self._db.execute("PRAGMA integrity_check(1)")) as cursor:
            said = str(cursor.fetchone()[0])
        if said != "ok":
            raise sqlite3.DatabaseError(f"the file is damaged: {said.splitlines()[0]}")
        with closing(self._db.execute(f"SELECT count(*) FROM clients WHERE NOT ({_SOUND})")) as cursor:
            return int(cursor.fetchone()[0])

    @property
    def generation(self) -> int:
        """A number that grows with every decision of an administrator."""
        row = self._db.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
        return int(row[0]) if row else 0

    def note(self, notes: Iterable[Note]) -> None:
        """Keep what was seen, all in one transaction."""
        with _transaction(self._db):
            self._db.executemany(_NOTE, notes)

    def trim(self, most: int = MOST_SEEN) -> int:
        """Drop the clients seen longest ago that nobody decided on; returns how many.

        A sight in the future, of a clock that was wrong, is the oldest. Of those that ask for registration,
        which anybody can, a tenth of ``most`` is kept.
        """
        return self._trim("seen", most) + self._trim("asking", most // 10)

    def _trim(self, state: State, most: int) -> int:
        query = "SELECT count(*) FROM clients WHERE state = ?"
        with closing(self._db.execute(query, (state,))) as cursor:
            surplus = int(cursor.fetchone()[0]) - most
        if surplus <= 0:
            return 0
        with _transaction(self._db):
            self._db.execute(
                "DELETE FROM clients WHERE mac IN (SELECT mac FROM clients WHERE state = ?1"
                " ORDER BY last_seen <= ?2, last_seen LIMIT ?3)",
                (state, time.time() + 86400.0, surplus),
            )
        return surplus

    def registered(self) -> Registered:
        """What administrators decided, as the policy wants it."""
        everyone: set[int] = set()
        ignored: set[int] = set()
        groups: defaultdict[str, set[int]] = defaultdict(set)
        query = (
            "SELECT mac, state, client_group FROM clients"
            f" WHERE state IN ('registered', 'ignored') AND {_SOUND}"
        )
        for mac, state, group in self._db.execute(query):
            if state == "ignored":
                ignored.add(mac)
                continue
            everyone.add(mac)
            if group:
                groups[group].add(mac)
        return Registered(
            everyone=MacSet.of(everyone),
            ignored=MacSet.of(ignored),
            groups={name: MacSet.of(macs) for name, macs in sorted(groups.items())},
        )

    def decided(self) -> list[ClientRow]:
        """The rows of registered and ignored clients."""
        return self.rows(states=("registered", "ignored"))

    def find(self, mac: int) -> ClientRow | None:
        """One client."""
        found = self._rows("AND mac = ?", (mac,))
        return found[0] if found else None

    def rows(self, *, states: tuple[str, ...] = STATES) -> list[ClientRow]:
        """The clients in some states, those seen last first."""
        marks = ", ".join("?" * len(states))
        return self._rows(
            f"AND state IN ({marks}) ORDER BY last_seen DESC, mac",
            states,
        )

    def decide(
        self,
        mac: int,
        state: State,
        *,
        name: str | None = None,
        location: str | None = None,
        hardware: str | None = None,
        group: str | None = None,
    ) -> None:
        """Register or ignore a client, seen or not; what is None stays as it was."""
        with _transaction(self._db):
            self._db.execute("INSERT OR IGNORE INTO clients (mac) VALUES (?)", (mac,))
            self._db.execute(
                "UPDATE clients SET state = ?, name = coalesce(?, name), location = coalesce(?, location),"
                " hardware = coalesce(?, hardware), client_group = coalesce(?, client_group) WHERE mac = ?",
                (state, name, location, hardware, group, mac),
            )
            self._bump()

    def forget(self, mac: int) -> bool:
        """Remove a client; whether there was one."""
        with _transaction(self._db):
            gone = self._db.execute("DELETE FROM clients WHERE mac = ?", (mac,)).rowcount > 0
            if gone:
                self._bump()
        return gone

    def restore(self, rows: Iterable[ClientRow]) -> None:
        """Write whole rows back, as after the file was removed."""
        marks = ", ".join("?" * len(_COLUMNS))
        with _transaction(self._db):
            self._db.executemany(
                f"INSERT OR IGNORE INTO clients ({', '.join(_COLUMNS)}) VALUES ({marks})",
                [tuple(getattr(row, column) for column in _COLUMNS) for row in rows],
            )

    def _bump(self) -> None:
        self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'generation'")

    def _rows(self, where: str, values: tuple[Any, ...]) -> list[ClientRow]:
        cursor = self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM clients WHERE {_SOUND} {where}", values)
        return [ClientRow(**dict(zip(_COLUMNS, row, strict=True))) for row in cursor]


class _transaction:  # noqa: N801 reads as a statement
    """All or nothing, begun as a writer, so that nobody else's write comes between."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.db.execute("COMMIT")
        elif self.db.in_transaction:
            self.db.execute("ROLLBACK")


def open_registry(path: Path) -> Registry:
    """The registry for a command. Raises ``CoexistError`` with what to do."""
    try:
        opened = Registry(path, patience=10.0, create=False)
        try:
            damaged = opened.damaged
        except BaseException:
            opened.close()
            raise
    except FileNotFoundError:
        raise CoexistError(
            f"{path}: there is no registry; name the one of a running server, or start the server"
        ) from None
    except sqlite3.Error as error:
        remedy = "; run this as root or as the server's user" if "readonly" in str(error) else ""
        raise CoexistError(f"{path}: this registry cannot be opened: {error}{remedy}") from None
    if damaged:
        opened.close()
        raise CoexistError(
            f"{path}: {damaged} {'row' if damaged == 1 else 'rows'} of this registry cannot be read; take a"
            " new copy, or put it back from a backup"
        )
    return opened


def iso_time(seconds: float | None) -> str:
    """A time for people and CSV: UTC, to the second."""
    return "" if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
