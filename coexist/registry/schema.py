"""The tables of a registry, the same in both engines, and how an older version becomes the present one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from coexist.registry.records import RegistryError

if TYPE_CHECKING:
    from coexist.registry.engine import Engine

VERSION = 4
"""Version 1 was the SQLite file with the single table ``clients``: `coexist.registry.sqlite` reads it."""

SIGHT_COLUMNS = (
    "mac", "address", "vlan", "architecture", "vendor_class", "decision", "rule", "answered_by",
    "first_seen", "last_seen", "requests", "asks", "uuid",
)  # fmt: skip
DECISION_COLUMNS = (
    "mac", "state", "name", "location", "hardware", "client_group", "decided_at", "generation",
)  # fmt: skip
AUDIT_COLUMNS = ("id", "at", "who", "via", "mac", "action", "name")
CLIENT_COLUMNS = (
    "server", "mac", "state", "name", "location", "hardware", "client_group", "address", "vlan",
    "architecture", "vendor_class", "decision", "rule", "answered_by", "first_seen", "last_seen", "requests",
    "uuid",
)  # fmt: skip

_SIGHTINGS = """
CREATE TABLE sightings (
    server TEXT NOT NULL,
    mac BIGINT NOT NULL,
    address TEXT NOT NULL DEFAULT '',
    vlan TEXT NOT NULL DEFAULT '',
    architecture INTEGER,
    vendor_class TEXT NOT NULL DEFAULT '',
    decision TEXT NOT NULL DEFAULT '',
    rule TEXT NOT NULL DEFAULT '',
    answered_by TEXT NOT NULL DEFAULT '',
    first_seen DOUBLE PRECISION NOT NULL,
    last_seen DOUBLE PRECISION NOT NULL,
    requests BIGINT NOT NULL DEFAULT 0,
    asks BOOLEAN NOT NULL,
    PRIMARY KEY (server, mac)
)
"""
_DECISIONS = """
CREATE TABLE decisions (
    mac BIGINT PRIMARY KEY,
    state TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    location TEXT NOT NULL DEFAULT '',
    hardware TEXT NOT NULL DEFAULT '',
    client_group TEXT NOT NULL DEFAULT '',
    decided_at DOUBLE PRECISION NOT NULL,
    generation BIGINT NOT NULL
)
"""


def _clients(sight: str = "", decided: str = "") -> str:
    """The view of clients; ``sight`` and ``decided``: more columns, of what was seen and without it."""
    return f"""
CREATE VIEW clients AS
SELECT s.server, s.mac,
       CASE WHEN d.state IN ('registered', 'ignored') THEN d.state WHEN s.asks THEN 'asking'
            ELSE 'seen' END AS state,
       coalesce(d.name, '') AS name, coalesce(d.location, '') AS location,
       coalesce(d.hardware, '') AS hardware, coalesce(d.client_group, '') AS client_group,
       s.address, s.vlan, s.architecture, s.vendor_class, s.decision, s.rule, s.answered_by,
       s.first_seen, s.last_seen, s.requests{sight}
FROM sightings s LEFT JOIN decisions d ON d.mac = s.mac
UNION ALL
SELECT '' AS server, d.mac, d.state, d.name, d.location, d.hardware, d.client_group,
       '' AS address, '' AS vlan, NULL AS architecture, '' AS vendor_class, '' AS decision, '' AS rule,
       '' AS answered_by, NULL AS first_seen, NULL AS last_seen, 0 AS requests{decided}
FROM decisions d
WHERE d.state <> 'forgotten' AND NOT EXISTS (SELECT 1 FROM sightings s WHERE s.mac = d.mac)
"""


def _second(engine: Engine) -> None:
    """Sights per server and MAC, decisions per MAC."""
    engine.run(_SIGHTINGS)
    engine.run("CREATE INDEX sightings_mac ON sightings (mac)")
    engine.run(_DECISIONS)
    engine.run("CREATE INDEX decisions_generation ON decisions (generation)")
    engine.run("INSERT INTO meta (name, value) VALUES ('generation', 0)")
    engine.run(_clients())


def _third(engine: Engine) -> None:
    """An audit, batches that are never taken twice, and a time line that tells a restored copy."""
    engine.run(
        "CREATE TABLE audit (id TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL,"
        " via TEXT NOT NULL, mac BIGINT NOT NULL, action TEXT NOT NULL, name TEXT NOT NULL)"
    )
    engine.run("CREATE INDEX audit_at ON audit (at)")
    engine.run(
        "CREATE TABLE writers (writer TEXT PRIMARY KEY, batch BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL)"
    )
    engine.run("INSERT INTO meta (name, value) VALUES ('timeline', :it)", {"it": new_timeline()})


def _fourth(engine: Engine) -> None:
    """The machine's UUID in each sight."""
    engine.run("ALTER TABLE sightings ADD COLUMN uuid TEXT NOT NULL DEFAULT ''")
    engine.run("DROP VIEW clients")
    engine.run(_clients(", s.uuid", ", '' AS uuid"))


STEPS: dict[int, Callable[[Engine], None]] = {2: _second, 3: _third, 4: _fourth}
"""How each version comes out of the one before it."""


def new_timeline() -> int:
    """A number no other time line has."""
    return secrets.randbits(53)


def upgrade(engine: Engine, *, to: int = VERSION) -> None:
    """Take every step that lacks; inside a transaction that nobody else upgrades in. Raises `RegistryError`
    for a registry of a newer coexist."""
    engine.run("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BIGINT NOT NULL)")
    found = engine.fetch("SELECT value FROM meta WHERE name = 'schema'")
    version = int(found[0][0]) if found else 1
    if version > to:
        raise RegistryError(
            f"{engine.where}: this registry has version {version}, and this coexist knows versions up to"
            f" {to}; install the newer coexist"
        )
    for number in range(version + 1, to + 1):
        STEPS[number](engine)
    if version != to:
        engine.run("DELETE FROM meta WHERE name = 'schema'")
        engine.run("INSERT INTO meta (name, value) VALUES ('schema', :version)", {"version": to})
