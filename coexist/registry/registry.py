"""The registry as everybody uses it, whatever engine keeps it.

Administrators' decisions bump the generation. A server asks for what was decided since the generation that it
knows; so decisions take effect at once, and a server that was away misses none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from coexist.registry.engine import Engine
from coexist.registry.records import (
    FORGOTTEN,
    INSTANT,
    STATES,
    Act,
    ClientRow,
    Decision,
    Known,
    Note,
    Order,
    State,
    merged,
    new_order,
)
from coexist.registry.schema import (
    AUDIT_COLUMNS,
    CLIENT_COLUMNS,
    DECISION_COLUMNS,
    SIGHT_COLUMNS,
    new_timeline,
)

MOST_SEEN = 100_000
"""Clients nobody decided on that are kept; beyond it those seen longest ago are dropped."""
MOST_ACTS = 100_000
"""Lines of the audit that are kept."""
CARRIED_OVER, OVERTAKEN = "carried over", "overtaken"
"""What the audit says, behind the program, of a decision that was made while the registry was away."""
_DAY = 86400.0
_EVER = 1e12
_WRITERS_KEPT = 90 * _DAY
_ROWS_AT_A_TIME = 5_000


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


_SIGHT = _insert("sightings", ("server", *SIGHT_COLUMNS)) + " ON CONFLICT (server, mac) DO UPDATE SET "
_NOTE = (
    _SIGHT
    + """
    address = CASE WHEN excluded.address = '' THEN sightings.address ELSE excluded.address END,
    vlan = excluded.vlan, architecture = excluded.architecture, vendor_class = excluded.vendor_class,
    decision = excluded.decision, rule = excluded.rule,
    answered_by = CASE WHEN excluded.answered_by = '' THEN sightings.answered_by
                  ELSE excluded.answered_by END,
    first_seen = CASE WHEN excluded.first_seen < sightings.first_seen THEN excluded.first_seen
                 ELSE sightings.first_seen END,
    last_seen = CASE WHEN sightings.last_seen > excluded.last_seen + 86400.0
                       OR sightings.last_seen < excluded.last_seen THEN excluded.last_seen
                ELSE sightings.last_seen END,
    requests = sightings.requests + excluded.requests,
    asks = sightings.asks OR excluded.asks,
    uuid = CASE WHEN excluded.uuid = '' THEN sightings.uuid ELSE excluded.uuid END
"""
)
_COPY_SIGHT = (
    _SIGHT
    + ", ".join(f"{column} = excluded.{column}" for column in SIGHT_COLUMNS if column != "mac")
    + " WHERE excluded.last_seen > sightings.last_seen"
)
# Never before the decision that it changes, whatever the clock says.
_AFTER = f"""CASE WHEN CAST(:at AS DOUBLE PRECISION) > decisions.decided_at
    THEN CAST(:at AS DOUBLE PRECISION) ELSE decisions.decided_at + {INSTANT} END"""
_DECIDE = f"""
INSERT INTO decisions (mac, state, name, location, hardware, client_group, decided_at, generation)
VALUES (:mac, :state, coalesce(CAST(:name AS TEXT), ''), coalesce(CAST(:location AS TEXT), ''),
        coalesce(CAST(:hardware AS TEXT), ''), coalesce(CAST(:client_group AS TEXT), ''), :at, :generation)
ON CONFLICT (mac) DO UPDATE SET
    state = excluded.state, decided_at = {_AFTER}, generation = excluded.generation,
    name = coalesce(CAST(:name AS TEXT), decisions.name),
    location = coalesce(CAST(:location AS TEXT), decisions.location),
    hardware = coalesce(CAST(:hardware AS TEXT), decisions.hardware),
    client_group = coalesce(CAST(:client_group AS TEXT), decisions.client_group)
"""
_FORGET = f"""
UPDATE decisions SET state = :state, name = '', location = '', hardware = '', client_group = '',
    decided_at = {_AFTER}, generation = :generation
WHERE mac = :mac AND state <> :state
"""
_RESTORE = (
    _insert("decisions", DECISION_COLUMNS)
    + " ON CONFLICT (mac) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in DECISION_COLUMNS if column != "mac")
    + " WHERE excluded.decided_at > decisions.decided_at"
)
_BATCH = """
INSERT INTO writers (writer, batch, at) VALUES (:writer, :batch, :at)
ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, at = excluded.at
    WHERE writers.batch < excluded.batch
"""
_NEXT_BATCH = """
INSERT INTO writers (writer, batch, at) VALUES (:writer, 1, :at)
ON CONFLICT (writer) DO UPDATE SET batch = writers.batch + 1, at = excluded.at
"""
_TRIM = """
DELETE FROM sightings WHERE (server, mac) IN (
    SELECT s.server, s.mac FROM sightings s LEFT JOIN decisions d
        ON d.mac = s.mac AND d.state IN ('registered', 'ignored')
    WHERE d.mac IS NULL AND s.asks = :asks
    ORDER BY s.last_seen <= :future, s.last_seen LIMIT :surplus)
"""
_UNDECIDED = """
SELECT count(*) FROM sightings s LEFT JOIN decisions d
    ON d.mac = s.mac AND d.state IN ('registered', 'ignored')
WHERE d.mac IS NULL AND s.asks = :asks
"""


class Registry:
    """An open registry, used by one thread at a time. Every method raises `RegistryError`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.where = engine.where

    def close(self) -> None:
        """Close it."""
        self.engine.close()

    # -- what servers saw ------------------------------------------------------------------------

    def note(self, notes: Iterable[Note], *, server: str = "", batch: tuple[str, int] | None = None) -> bool:
        """Keep what a server saw, all or nothing.

        ``batch``: who writes and the number of these notes, which grows. A batch that was taken already is
        not taken again; then this is False.
        """
        with self.engine.transaction():
            now = time.time()
            if batch is None:
                self.engine.run(_NEXT_BATCH, {"writer": server, "at": now})
            elif not self.engine.run(_BATCH, {"writer": batch[0], "batch": batch[1], "at": now}):
                return False
            self.engine.run_many(_NOTE, ({"server": server, **note._asdict()} for note in notes))
        return True

    def adopt(self, server: str) -> None:
        """Whose sights those of an older registry are, which kept one server's without its name."""
        self.engine.run(
            "UPDATE sightings SET server = :server WHERE server = '' AND NOT EXISTS (SELECT 1 FROM sightings"
            " other WHERE other.server = :server AND other.mac = sightings.mac)",
            {"server": server},
        )

    def trim(self, most: int = MOST_SEEN) -> int:
        """Drop the sights longest ago of clients that nobody decided on; returns how many.

        A sight in the future, of a clock that was wrong, is the oldest. Of those that ask for registration,
        which anybody can, a tenth of ``most`` is kept.
        """
        now = time.time()
        self.engine.run("DELETE FROM writers WHERE at < :old", {"old": now - _WRITERS_KEPT})
        acts = int(self.engine.fetch("SELECT count(*) FROM audit")[0][0]) - MOST_ACTS
        if acts > 0:
            self.engine.run(
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY at LIMIT :acts)", {"acts": acts}
            )
        return self._trim(False, most, now) + self._trim(True, most // 10, now)

    def _trim(self, asks: bool, most: int, now: float) -> int:
        surplus = int(self.engine.fetch(_UNDECIDED, {"asks": asks})[0][0]) - most
        if surplus <= 0:
            return 0
        return self.engine.run(_TRIM, {"asks": asks, "future": now + _DAY, "surplus": surplus})

    # -- what was decided ------------------------------------------------------------------------

    @property
    def known(self) -> Known:
        """How far this registry is."""
        found = dict(self.engine.fetch("SELECT name, value FROM meta"))
        return Known(timeline=int(found.get("timeline", 0)), generation=int(found.get("generation", 0)))

    @property
    def version(self) -> tuple[int, ...]:
        """Equal as long as nobody wrote."""
        known = self.known
        batches = self.engine.fetch("SELECT count(*), coalesce(sum(batch), 0) FROM writers")[0]
        return known.timeline, known.generation, int(batches[0]), int(batches[1])

    def decisions(self, since: int = -1) -> list[Decision]:
        """What was decided after a generation, removals too."""
        query = f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions WHERE generation > :since"
        rows = self.engine.fetch(query, {"since": since})
        return [Decision(*row) for row in rows if _sound(row)]

    def decided(self) -> list[ClientRow]:
        """The rows of registered and ignored clients."""
        return self.rows(states=("registered", "ignored"))

    def decide(
        self,
        mac: int,
        state: State,
        *,
        name: str | None = None,
        location: str | None = None,
        hardware: str | None = None,
        group: str | None = None,
        who: str = "",
        via: str = "",
    ) -> None:
        """Register or ignore a client, seen or not; what is None stays as it was."""
        said = {"name": name, "location": location, "hardware": hardware, "group": group}
        self.carry_out(new_order(mac, state, **said, who=who, via=via))

    def forget(self, mac: int, *, who: str = "", via: str = "") -> bool:
        """Remove a client; whether there was one."""
        return self.carry_out(new_order(mac, FORGOTTEN, who=who, via=via))

    def carry_out(self, order: Order) -> bool:
        """Do what was decided; for `FORGOTTEN`, whether there was such a client."""
        with self.engine.transaction():
            return self._do(order, self._bump(), _EVER)

    def carry_over(self, order: Order) -> Decision | None:
        """Do what was decided while this registry could not be had, once, unless something else was decided
        on the client since: then that is returned, and it stands. The audit has both."""
        order = order._replace(at=min(order.at, time.time()))
        with self.engine.transaction():
            generation = self._bump()
            if self.engine.fetch("SELECT 1 FROM audit WHERE id = :id", {"id": order.id}):
                return None
            later = self.engine.fetch(
                f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions WHERE mac = :mac AND decided_at > :at",
                {"mac": order.mac, "at": order.at},
            )
            if later:
                self._audit(_act(order._replace(via=f"{order.via}, {OVERTAKEN}")))
                return Decision(*later[0])
            self._do(order._replace(via=f"{order.via}, {CARRIED_OVER}"), generation, order.at)
        return None

    def _do(self, order: Order, generation: int, until: float) -> bool:
        """Inside a transaction. ``until``: when those were seen that a forgotten client's sights go with."""
        said = {**order._asdict(), "generation": generation}
        if order.state == FORGOTTEN:
            gone = self.engine.run(
                "DELETE FROM sightings WHERE mac = :mac AND last_seen <= :until",
                {"mac": order.mac, "until": until},
            )
            gone += self.engine.run(_FORGET, said)
        else:
            gone = self.engine.run(_DECIDE, said)
            self.engine.run(
                "UPDATE sightings SET asks = :asks WHERE mac = :mac", {"asks": False, "mac": order.mac}
            )
        if gone:
            self._audit(_act(order))
        return gone > 0

    def restore(self, decisions: Iterable[Decision], *, anew: bool) -> int:
        """Write decisions back that are newer here, as after a backup came back; returns how many.

        ``anew``: begin a time line, so that everybody reads everything again.
        """
        with self.engine.transaction():
            generation = self._bump()
            restored = self.engine.run_many(
                _RESTORE, ({**each._asdict(), "generation": generation} for each in decisions)
            )
            if anew:
                self.engine.run("UPDATE meta SET value = :it WHERE name = 'timeline'", {"it": new_timeline()})
        return restored

    def _bump(self) -> int:
        """First in its transaction: the row is locked until its end, so generations come in their order."""
        self.engine.run("UPDATE meta SET value = value + 1 WHERE name = 'generation'")
        self.engine.announce()
        return int(self.engine.fetch("SELECT value FROM meta WHERE name = 'generation'")[0][0])

    # -- reading ---------------------------------------------------------------------------------

    def find(self, mac: int) -> ClientRow | None:
        """One client."""
        found = merged(self._rows("mac = :mac", {"mac": mac}))
        return found[0] if found else None

    def rows(self, *, states: tuple[str, ...] = STATES, server: str | None = None) -> list[ClientRow]:
        """The clients in some states, those seen last first; ``server``: as it saw them. A file with one
        server's sights is that server's, whatever it calls itself."""
        if server is None or (not self.engine.shared and len(self.servers() - {""}) < 2):
            found = merged(self._rows("TRUE", {}))
        else:
            found = merged(self._rows("server IN ('', :server)", {"server": server}))
        return [row for row in found if row.state in states]

    def servers(self) -> set[str]:
        """The servers that wrote sights; empty is an older registry's server without a name."""
        return {str(row[0]) for row in self.engine.fetch("SELECT DISTINCT server FROM sightings")}

    def acts(self, mac: int | None = None) -> list[Act]:
        """Who decided what, the last first; on one client or all."""
        where = "TRUE" if mac is None else "mac = :mac"
        query = f"SELECT {', '.join(AUDIT_COLUMNS)} FROM audit WHERE {where} ORDER BY at DESC, id"
        return [Act(*row) for row in self.engine.fetch(query, {"mac": mac} if mac is not None else {})]

    @property
    def damaged(self) -> int:
        """How many rows hold what no server writes; nothing else tells of them."""
        query = f"SELECT count(*) FROM clients WHERE NOT ({self.engine.sound})"
        return int(self.engine.fetch(query)[0][0])

    def _rows(self, where: str, values: dict[str, object]) -> Iterator[ClientRow]:
        query = f"SELECT {', '.join(CLIENT_COLUMNS)} FROM clients WHERE {self.engine.sound} AND {where}"
        for row in self.engine.fetch(query, values):
            yield ClientRow(**dict(zip(CLIENT_COLUMNS, row, strict=True)))

    # -- whole copies ----------------------------------------------------------------------------

    def sights(self, server: str | None = None) -> list[tuple[str, Note]]:
        """What each server saw."""
        where = "TRUE" if server is None else "server = :server"
        query = f"SELECT server, {', '.join(SIGHT_COLUMNS)} FROM sightings WHERE {where} ORDER BY server, mac"
        rows = self.engine.fetch(query, {} if server is None else {"server": server})
        notes = ((str(server), Note._make(seen)) for server, *seen in rows)
        return [(server, note._replace(asks=bool(note.asks))) for server, note in notes]

    def take(
        self, sights: Sequence[tuple[str, Note]], decisions: Sequence[Decision], acts: Sequence[Act]
    ) -> None:
        """Take another registry's content. What is newer here stays, and twice is as good as once."""
        for start in range(0, len(sights), _ROWS_AT_A_TIME):
            part = sights[start : start + _ROWS_AT_A_TIME]
            with self.engine.transaction():
                self.engine.run_many(_COPY_SIGHT, ({"server": who, **note._asdict()} for who, note in part))
        with self.engine.transaction():
            self.engine.run(_NEXT_BATCH, {"writer": "copy", "at": time.time()})
            for act in acts:
                self._audit(act)
        self.restore(decisions, anew=False)

    def _audit(self, act: Act) -> None:
        self.engine.run(_insert("audit", AUDIT_COLUMNS) + " ON CONFLICT (id) DO NOTHING", act._asdict())


def _act(order: Order) -> Act:
    return Act(order.id, order.at, order.who, order.via, order.mac, order.state, order.name or "")


def _sound(row: Sequence[object]) -> bool:
    """Whether the row of a decision holds what it should; SQLite keeps anything in any column."""
    return (
        isinstance(row[0], int)
        and 0 <= row[0] < 1 << 48
        and all(isinstance(text, str) for text in row[1:6])
        and isinstance(row[6], int | float)
    )
