"""Kea's hook for high availability: the relation a server is in, and which of two answers whom.

Source: ``src/hooks/dhcp/high_availability`` of Kea 2.2 to 3.0 (``ha_config_parser.cc``,
``query_filter.cc``, ``communication_state.cc``, ``ha_service.cc``). While both servers hear each other,
``secs`` changes nothing. A server that has heard nothing of its partner for ``max-response-delay`` still
leaves it its clients, and counts those whose ``secs`` are more than ``max-ack-delay``; the packet that is
counted is dropped as well. After more than ``max-unacked-clients`` of them it changes to PARTNER-DOWN, with
its next heartbeat, and answers everyone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address

from coexist.boot.leases.pairs import EVERYONE, NOBODY, Detection, Share, every_second, identity_of
from coexist.errors import InputError, Position, Problem
from coexist.languages.kea.json_nodes import Node
from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.options import MessageType

HOOK = "libdhcp_ha.so"
LOAD_BALANCING, HOT_STANDBY, PASSIVE_BACKUP = "load-balancing", "hot-standby", "passive-backup"
_ROLES = ("primary", "secondary", "standby", "backup")
SECOND = {LOAD_BALANCING: "secondary", HOT_STANDBY: "standby"}
_URL_HOST = re.compile(r"https?://\[?([^/:\]]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A server of the relation. ``address``: of its control channel, None where its URL has a name."""

    name: str
    role: str
    address: IPv4Address | None
    takes_over: bool
    at: Position


@dataclass(frozen=True, kw_only=True)
class HighAvailability:
    """A relation as one of its servers has it. ``peers``: the primary first, those that hold backups last."""

    mode: str
    this: Peer
    peers: tuple[Peer, ...]
    at: Position
    detection: Detection = Detection()

    @property
    def active(self) -> tuple[Peer, ...]:
        """The servers that may answer clients."""
        return tuple(peer for peer in self.peers if peer.role != "backup")

    @property
    def partner(self) -> Peer | None:
        """The other server that may answer clients; None for a relation with backups alone."""
        return next((peer for peer in self.active if peer is not self.this), None)

    @cached_property
    def share(self) -> Share:
        """Which clients this server answers."""
        other = next((peer for peer in self.active if peer is not self.this), self.peers[0])
        is_first = self.this.role == "primary"
        share = shared(self.mode, other.name, is_first=is_first, holds_copy=self.this.role == "backup")
        takes_over = share.takes_over and self.this.takes_over
        return replace(share, takes_over=takes_over, detection=self.detection)

    def class_of(self, packet: Packet) -> str:
        """The client class that a packet is put into: whose client it is."""
        first = self.peers[0]
        second = self.partner if self.this is first else self.this
        shared = packet.message_type in (MessageType.DISCOVER, MessageType.REQUEST)
        if self.mode == LOAD_BALANCING and shared and second is not None:
            own = Share(partner="", mine=every_second(0))
            return f"HA_{first.name if own.has(identity_of(packet)) else second.name}"
        return f"HA_{first.name}"


def shared(mode: str, partner: str, *, is_first: bool, holds_copy: bool) -> Share:
    """What a server of a relation answers: every second bucket, or all that the primary answers.

    ``holds_copy``: it only keeps a copy of the leases, and never takes over.
    """
    if holds_copy:
        mine = NOBODY
    elif mode == LOAD_BALANCING:
        mine = every_second(0 if is_first else 1)
    else:
        mine = EVERYONE if is_first else NOBODY
    return Share(
        partner=f"its partner {partner}", mine=mine, requests=True, reserved=True, takes_over=not holds_copy
    )


def read_high_availability(hook: Node) -> HighAvailability | None:
    """The relation that the hook's parameters describe; None where there are none, or several (hub and
    spoke). Raises InputError for what Kea refuses."""
    parameters = hook.get("parameters")
    relations = [] if parameters is None else parameters.items("high-availability")
    if len(relations) != 1:
        return None
    relation = relations[0]
    mode = str(relation.plain("mode") or "")
    if mode not in (LOAD_BALANCING, HOT_STANDBY, PASSIVE_BACKUP):
        ways = f"write {LOAD_BALANCING}, {HOT_STANDBY} or {PASSIVE_BACKUP}"
        raise _refused(relation, "mode", f"{mode!r} is no mode of high availability", ways)
    peers = [_peer(node) for node in relation.items("peers")]
    peers.sort(key=lambda peer: _ROLES.index(peer.role))
    name = str(relation.plain("this-server-name") or "")
    this = next((peer for peer in peers if peer.name == name), None)
    if this is None:
        what = f"no peer has the name of this server, {name!r}"
        raise _refused(relation, "this-server-name", what, "write the name of one of the peers")
    roles = [peer.role for peer in peers if peer.role != "backup"]
    wanted = ["primary", SECOND[mode]] if mode in SECOND else ["primary"]
    if roles != wanted:
        what = f"{mode} has the roles {' and '.join(wanted)}, here are {' and '.join(roles) or 'none'}"
        raise _refused(relation, "peers", what, "correct the roles of the peers")
    return HighAvailability(
        mode=mode, this=this, peers=tuple(peers), at=relation.at, detection=_detection(relation)
    )


def _detection(relation: Node) -> Detection:
    """By max-response-delay and max-ack-delay, in milliseconds, and max-unacked-clients."""
    usual = Detection()
    silence, waited = relation.plain("max-response-delay", int), relation.plain("max-ack-delay", int)
    clients = relation.plain("max-unacked-clients", int)
    return Detection(
        silence=usual.silence if silence is None else silence / 1000,
        waited=usual.waited if waited is None else waited / 1000,
        clients=usual.clients if clients is None else clients,
    )


def _peer(node: Node) -> Peer:
    role = str(node.plain("role") or "")
    if role not in _ROLES:
        raise _refused(node, "role", f"{role!r} is no role of a peer", f"write {', '.join(_ROLES)}")
    return Peer(
        name=str(node.plain("name") or ""),
        role=role,
        address=_address(str(node.plain("url") or "")),
        takes_over=node.plain("auto-failover", bool) is not False,
        at=node.at,
    )


def _address(url: str) -> IPv4Address | None:
    found = _URL_HOST.match(url)
    try:
        return IPv4Address(found[1]) if found is not None else None
    except AddressValueError:
        return None


def _refused(node: Node, key: str, what: str, remedy: str) -> InputError:
    return InputError([Problem((node.get(key) or node).at, what, remedy)])
