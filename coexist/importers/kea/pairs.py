"""Kea's high availability as an inventory declares it: two servers of every scope."""

from __future__ import annotations

import re
from typing import Any

from coexist.boot.leases.kea_pairs import HOOK, HighAvailability, Peer, read_high_availability
from coexist.importers.site_builder import SiteBuilder
from coexist.languages.kea.json_nodes import Node

_URL_PORT = re.compile(r"https?://[^/]*:(\d+)")
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")
_SECONDS = {"max-response-delay": "max_response_delay", "max-ack-delay": "max_ack_delay"}
"""Times that Kea has in milliseconds."""


class Relation:
    """The pair that a file's hook for high availability describes, if it describes one.

    ``classes``: those that only tell the two servers' clients apart. A partner whose URL has a host name is
    not taken over.
    """

    def __init__(self, dhcp4: Node, server: str) -> None:
        self.server = server
        self.said: dict[str, Any] = {}
        self.classes: frozenset[str] = frozenset()
        self.partner: tuple[str, str] | None = None
        hooks = dict(dhcp4.members()).get("hooks-libraries")
        for hook in hooks.elements() if hooks is not None else ():
            library = dict(hook.members()).get("library")
            if library is not None and str(library.value).endswith(HOOK):
                self._read(hook)

    def _read(self, hook: Node) -> None:
        pair = read_high_availability(hook)
        if pair is None:
            return
        other = _other(pair)
        if other is None or other.address is None:
            return
        name = other.name if _NAME.fullmatch(other.name) and other.name != self.server else "partner"
        self.partner = (name, str(other.address))
        both = (self.server, name) if pair.this.role == "primary" else (name, self.server)
        self.said = {"server": list(both), "failover": _declared(pair, _relation_of(hook))}
        self.classes = frozenset(f"HA_{peer.name}" for peer in pair.peers)

    def servers(self, own: dict[str, Any], build: SiteBuilder) -> dict[str, dict[str, Any]]:
        """The partner, as the server itself but for its address."""
        if self.partner is None:
            return {}
        name, address = self.partner
        return {name: {**own, "address": address, "vlan": build.vlan_for(address)}}


def _other(pair: HighAvailability) -> Peer | None:
    return pair.partner or next((peer for peer in pair.peers if peer is not pair.this), None)


def _relation_of(hook: Node) -> Node:
    parameters = hook.get("parameters")
    assert parameters is not None  # a relation was read of it
    return parameters.items("high-availability")[0]


def _declared(pair: HighAvailability, relation: Node) -> dict[str, Any]:
    said: dict[str, Any] = {"mode": pair.mode}
    for key, word in _SECONDS.items():
        milliseconds = relation.plain(key, int)
        if milliseconds is not None and milliseconds >= 1000:
            said[word] = milliseconds // 1000
    waiting = relation.plain("max-unacked-clients", int)
    if waiting is not None:
        said["max_unacked_clients"] = waiting
    ports = {_URL_PORT.match(str(peer.plain("url") or "")) for peer in relation.items("peers")}
    found = {int(port[1]) for port in ports if port is not None}
    if len(found) == 1:
        said["port"] = found.pop()
    if pair.mode == "passive-backup":
        return {key: value for key, value in said.items() if key in ("mode", "port")}
    return said
