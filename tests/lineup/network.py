"""Where the servers of a line-up stand: on the client's network, or behind relay agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.analysis.relays import RelayAgent
from coexist.analysis.world import Listener, Segment
from coexist.boot.responder import ServerModel

NETWORK = IPv4Network("10.77.0.0/24")
JITTER = 0.02
"""Seconds: how far apart servers of equal delay were seen to arrive in either order (0.018 at most)."""


def segment_of(servers: Sequence[Mapping[str, Any]], models: Mapping[str, ServerModel]) -> Segment:
    """The client's network, with every server it reaches by a broadcast."""
    here = [server for server in servers if not server.get("seg") and server["name"] in models]
    relays = [server for server in servers if server["type"] == "relay"]
    listeners = [Listener(model=models[s["name"]], address=IPv4Address(s["ip"])) for s in here]
    listeners += [
        Listener(
            model=models[s["name"]],
            address=IPv4Address(s["ip"]),
            relay=_agent(relay),
            relayed="broadcast" if s.get("ignore_giaddr") else None,
        )
        for relay in relays
        for s in servers
        if s["ip"] in relay["targets"] and s["name"] in models and _has_way_back(s, relay)
    ]
    return Segment(
        name="lab",
        listeners=tuple(listeners),
        jitter=JITTER,
        subnets=(NETWORK,),
        routers=frozenset(IPv4Address(relay["ip"]) for relay in relays),
        routed=bool(relays),
    )


def _agent(relay: Mapping[str, Any]) -> RelayAgent:
    return RelayAgent(
        address=IPv4Address(relay["ip"]),
        min_secs=relay.get("min_secs", 0),
        option_82=bool(relay.get("option82")),
        first_only=relay.get("passes") == "first",
        replaces_server_id=bool(relay.get("replaces_server_id")),
    )


def _has_way_back(server: Mapping[str, Any], relay: Mapping[str, Any]) -> bool:
    """Whether its answers reach the agent: by its default gateway, or by a route of its own."""
    if server.get("gw") == relay["up"]:
        return True
    return any(target == relay["ip"] for target, _ in server.get("routes", ()))
