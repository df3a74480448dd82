"""A registry in PostgreSQL, which any number of boot servers and consoles share (psycopg 3).

Whatever the database does, nobody waits for it longer than a few seconds: connecting has its limit, the
database has one for statements and locks, and a connection on which nothing comes back is closed from here.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from coexist.registry.engine import Values
from coexist.registry.records import RegistryError
from coexist.registry.registry import Registry
from coexist.registry.schema import VERSION, upgrade

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

CHANNEL = "coexist_registry"
PATIENCE = 4.0
"""Seconds an operation may take before its connection is given up."""
_CONNECT_SECONDS = 3
_UPGRADES = 0x636F6578
"""The number of the lock that one program takes while it upgrades the tables ("coex")."""
_SETTINGS = "SELECT " + ", ".join(
    f"set_config('{name}', '{milliseconds}', false)"
    for name, milliseconds in (
        ("statement_timeout", int(PATIENCE * 1000)),
        ("lock_timeout", int(PATIENCE * 1000)),
        ("idle_in_transaction_session_timeout", 10_000),
    )
)
_CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "coexist",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": int(PATIENCE * 1000),
}
_NAMED = re.compile(r"(?<![:\w]):(\w+)")


class PostgresEngine:
    """One connection to PostgreSQL; ``pool``: where it goes when it is closed."""

    shared = True
    sound = "TRUE"

    def __init__(
        self, where: str, connection: psycopg.Connection[Any], pool: ConnectionPool[Any] | None = None
    ) -> None:
        self.where = where
        self._connection = connection
        self._pool = pool
        self._guarded = False
        self._cut = False

    def run(self, statement: str, values: Values | None = None) -> int:
        """Run one statement; how many rows it changed."""
        with self._guard():
            return self._connection.execute(_text(statement), _plain(values or {})).rowcount

    def run_many(self, statement: str, values: Iterable[Values]) -> int:
        """Run one statement for each of some values; how many rows that changed."""
        with self._guard(), self._connection.cursor() as cursor:
            cursor.executemany(_text(statement), [_plain(each) for each in values])
            return max(cursor.rowcount, 0)

    def fetch(self, query: str, values: Values | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._guard():
            return self._connection.execute(_text(query), _plain(values or {})).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Decisions lock the row of their generation first, so that they come in order."""
        with self._guard(), self._connection.transaction():
            yield

    def migrate(self) -> None:
        """Bring the tables to the version of this program."""
        there = self.fetch("SELECT to_regclass('meta') IS NOT NULL")[0][0]
        version = self.fetch("SELECT value FROM meta WHERE name = 'schema'") if there else []
        if version and version[0][0] == VERSION:
            return
        with self.transaction():
            self.run("SELECT pg_advisory_xact_lock(:number)", {"number": _UPGRADES})
            upgrade(self)

    def announce(self) -> None:
        """Wake every server and console that listens, once the transaction is done."""
        self.run(f"NOTIFY {CHANNEL}")

    def listen(self) -> int | None:
        """Begin to listen; the descriptor that can be read once somebody announced."""
        self.run(f"LISTEN {CHANNEL}")
        return self._connection.fileno()

    def heard(self) -> None:
        """Take in what was announced."""
        with self._guard():
            for _ in self._connection.notifies(timeout=0):
                pass

    def usable(self) -> bool:
        """Whether the connection was not given up."""
        return not self._connection.closed and not self._cut

    def close(self) -> None:
        """Give the connection back, or close it."""
        if self._pool is not None:
            self._pool.putconn(self._connection)
        else:
            self._connection.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Tell of errors as ours, and cut the line if nothing comes back: a paused database, or a router
        that drops everything, would hold the thread for ever."""
        if self._guarded:  # the outermost guards all
            yield
            return
        cut = threading.Timer(PATIENCE + 1.0, self._give_up)
        cut.daemon = True
        self._guarded = True
        cut.start()
        try:
            with _told(self.where):
                yield
        finally:
            cut.cancel()
            self._guarded = False

    def _give_up(self) -> None:
        self._cut = True
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


class Pools:
    """Connections that are kept between uses, for a program that asks again and again."""

    def __init__(self) -> None:
        self._pools: dict[str, ConnectionPool[Any]] = {}
        self._lock = threading.Lock()

    def open(self, url: str, where: str) -> Registry:
        """A registry on a kept connection; closing it keeps the connection. Raises `RegistryError`."""
        from psycopg_pool import ConnectionPool

        with self._lock:
            pool = self._pools.get(url)
            if pool is None:
                postgres_registry(url, where).close()  # says what is wrong, which a pool does not
                pool = ConnectionPool(
                    url,
                    kwargs=_CONNECTION,
                    min_size=0,
                    max_size=4,
                    timeout=PATIENCE,
                    configure=_configure,
                    check=ConnectionPool.check_connection,
                    open=True,
                )
                self._pools[url] = pool
        with _told(where):
            connection = pool.getconn()
        return Registry(PostgresEngine(where, connection, pool))

    def close(self) -> None:
        """Close all that are kept."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()


def postgres_registry(url: str, where: str) -> Registry:
    """The registry of a database, on a connection of its own. Raises `RegistryError`."""
    import psycopg

    with _told(where):
        connection: psycopg.Connection[Any] = psycopg.connect(url, **_CONNECTION)
    engine = PostgresEngine(where, connection)
    try:
        engine.fetch(_SETTINGS)
        engine.migrate()
    except BaseException:
        engine.close()
        raise
    return Registry(engine)


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.execute(_SETTINGS)


def _text(statement: str) -> str:
    return _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))


def _plain(values: Values) -> dict[str, Any]:
    """PostgreSQL has no NUL in a text, and clients send what they like."""
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
        for name, value in values.items()
    }


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Psycopg's complaints as ours."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RegistryError(f"{where}: {said}") from None
