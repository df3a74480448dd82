"""Failover as Kea's hook library libdhcp_ha.so is told it."""

from __future__ import annotations

from typing import Any

from coexist.boot.leases.kea_pairs import PASSIVE_BACKUP, SECOND
from coexist.render.failover import Relation

_HA_PORT = 8001
_HEARTBEAT = 10_000
"""Milliseconds between two heartbeats, Kea's default."""
_BEATS = 6
"""Heartbeats that may be lost before the partner is not reachable, as with Kea's defaults."""


def high_availability(relation: Relation) -> dict[str, Any]:
    """The relation as the hook library reads it; its times are milliseconds."""
    failover = relation.failover
    port = failover.port or _HA_PORT
    own, partner = str(relation.own), str(relation.partner)
    addresses = (own, partner) if relation.is_first else (partner, own)
    response = failover.max_response_delay * 1000
    threads = {"enable-multi-threading": True, "http-dedicated-listener": True}
    entry: dict[str, Any] = {
        "this-server-name": relation.first if relation.is_first else relation.second,
        "mode": failover.mode,
        "multi-threading": threads,
    }
    if failover.mode != PASSIVE_BACKUP:
        entry |= {
            "heartbeat-delay": min(_HEARTBEAT, response // _BEATS),
            "max-response-delay": response,
            "max-ack-delay": failover.max_ack_delay * 1000,
            "max-unacked-clients": failover.max_unacked_clients,
        }
    roles = ("primary", SECOND.get(failover.mode, "backup"))
    names = (relation.first, relation.second)
    entry["peers"] = [
        {"name": name, "url": f"http://{address}:{port}/", "role": role}
        for name, address, role in zip(names, addresses, roles, strict=True)
    ]
    return entry
