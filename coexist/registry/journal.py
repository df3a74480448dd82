"""Decisions that were made on a boot server's host while the shared registry could not be had.

They stand in a file beside the server's other state, which its processes look into every second: there they
are in effect at once. When the database is back, one process carries them over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from coexist.registry.records import INSTANT, Decision, Order, RegistryError
from coexist.registry.sqlite import SqliteEngine

MOST_ORDERS = 10_000
"""Decisions that may wait; beyond it another one is refused, and none is dropped."""
_COLUMNS = Order._fields
_MAY_STAY = ("name", "location", "hardware", "client_group")
_TABLE = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, via TEXT NOT NULL, mac INTEGER NOT NULL,
    state TEXT NOT NULL, name TEXT, location TEXT, hardware TEXT, client_group TEXT)
"""
_KEEP = f"INSERT INTO orders ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"


class Journal:
    """The file. Every method raises `RegistryError`."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._engine = SqliteEngine(path, create=create)
        self._read: tuple[int, list[Order]] | None = None
        try:
            self._engine.run(_TABLE)
        except BaseException:
            self._engine.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._engine.close()

    @property
    def usable(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._engine.usable()

    def keep(self, order: Order) -> None:
        """Write a decision down."""
        with self._engine.transaction():
            if int(self._engine.fetch("SELECT count(*) FROM orders")[0][0]) >= MOST_ORDERS:
                raise RegistryError(
                    f"{self.path}: {MOST_ORDERS} decisions wait for the database already; have it back first",
                    reopen=False,
                )
            before = self._engine.fetch("SELECT max(at) FROM orders WHERE mac = :mac", {"mac": order.mac})
            # Another program may have written the one before, by a clock that has been put back since.
            self._engine.run(_KEEP, order._replace(at=max(order.at, (before[0][0] or 0) + INSTANT))._asdict())
        self._read = None

    def orders(self) -> list[Order]:
        """The decisions that wait, in the order of their time."""
        version = int(self._engine.fetch("PRAGMA data_version")[0][0])  # another one if somebody else wrote
        if self._read is None or self._read[0] != version:
            rows = self._engine.fetch(f"SELECT {', '.join(_COLUMNS)} FROM orders ORDER BY at, id")
            self._read = version, [Order._make(row) for row in rows]
        return self._read[1]

    def carried(self, ids: Iterable[str]) -> None:
        """These are in the registry now."""
        with self._engine.transaction():
            self._engine.run_many("DELETE FROM orders WHERE id = :id", ({"id": each} for each in ids))
        self._read = None


def overlaid(decisions: Mapping[int, Decision], orders: Iterable[Order]) -> dict[int, Decision]:
    """What is decided when these orders, which come in the order of their time, are carried over."""
    found = dict(decisions)
    for order in orders:
        there = found.get(order.mac)
        if there is not None and there.decided_at > order.at:
            continue
        there = there or Decision(order.mac, "seen", "", "", "", "", order.at, 0)
        said = {name: new for name in _MAY_STAY if (new := getattr(order, name)) is not None}
        found[order.mac] = there._replace(state=order.state, decided_at=order.at, **said)
    return found
