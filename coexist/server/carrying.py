"""What was decided on this host while the database was away: in effect here at once, carried over later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coexist.registry.journal import Journal, overlaid
from coexist.registry.records import Decision, Order, RegistryError, iso_time
from coexist.registry.registry import Registry
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.wire.mac import format_mac


class Carrying:
    """The decisions of one journal, as a process of the server knows them."""

    def __init__(self, path: Path | None, *, carries: bool, counters: Counters, log: Log) -> None:
        """``path``: the journal, None for a registry that is a file; ``carries``: whether this process takes
        them to the database."""
        self.path = path
        self.orders: dict[str, Order] = {}
        self._carries = carries
        self._counters = counters
        self._log = log
        self._journal: Journal | None = None
        self._there: frozenset[str] = frozenset()
        self._failing = False

    def take(self) -> bool:
        """Read what waits in the journal; whether there is something new. It is the journal's state before
        the database is asked."""
        try:
            journal = self._open()
            waiting = journal.orders() if journal is not None else []
        except (RegistryError, OSError) as error:
            self.close()
            if not self._failing:
                self._failing = True
                self._log.event("journal not read", file=str(self.path), why=str(error))
            return False
        self._failing = False
        self._there = frozenset(order.id for order in waiting)
        fresh = {order.id: order for order in waiting if order.id not in self.orders}
        self.orders.update(fresh)
        self._count()
        return bool(fresh)

    def overlaid(self, decisions: Mapping[int, Decision]) -> dict[int, Decision]:
        """The decisions of the database with those that wait."""
        return overlaid(decisions, self._in_time())

    def carry(self, registry: Registry) -> None:
        """Give the database what waits; it takes each once. Raises `RegistryError`."""
        if not self._carries:
            return
        stands = [(order, registry.carry_over(order)) for order in self._in_time()]
        overtaken = [(order, later) for order, later in stands if later is not None]
        self._log.event(
            "decisions carried over",
            registry=registry.where,
            carried=len(stands) - len(overtaken),
            overtaken=len(overtaken),
        )
        for order, later in overtaken:
            self._log.event(
                "decision overtaken",
                mac=format_mac(order.mac),
                decided=order.state,
                who=order.who,
                at=iso_time(order.at),
                stands=later.state,
                since=iso_time(later.decided_at),
            )

    def settle(self) -> bool:
        """Let go of what the database has, after it was read; whether there was any. What another process
        carries over was in the database before it was gone from the journal. Raises `RegistryError`."""
        if self._carries:
            gone = set(self.orders)
            if self._journal is not None:
                self._journal.carried(list(gone))
            self._there = frozenset()
        else:
            gone = self.orders.keys() - self._there
        for each in gone:
            del self.orders[each]
        self._count()
        return bool(gone)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _in_time(self) -> list[Order]:
        return sorted(self.orders.values(), key=lambda order: (order.at, order.id))

    def _open(self) -> Journal | None:
        if self._journal is not None and not self._journal.usable:
            self.close()
        if self._journal is None and self.path is not None:
            self._journal = Journal(self.path)
        return self._journal

    def _count(self) -> None:
        if self._carries:
            self._counters.registry_decisions_waiting = len(self.orders)
