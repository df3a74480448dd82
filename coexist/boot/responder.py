"""The form every server model has, so that the race can ask any product the same question.

A model is a pure function over an explicit state: ``receive(state, arrival)`` returns the new state
and the replies with their time. Nothing here knows a clock; times are seconds since the client's
first DISCOVER.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Protocol

from coexist.wire.bootp import Packet


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A packet as it reaches a server.

    ``at``: seconds. ``port``: 67, 68 (heard by a server that eavesdrops) or 4011. ``address``: the server's
    own address on the VLAN it came by. ``source``: the sender's address and port.
    """

    packet: Packet
    at: float
    port: int
    address: IPv4Address
    source: tuple[IPv4Address, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A packet a server sends: when (seconds, earliest and latest), from which port, and where to."""

    packet: Packet
    earliest: float
    latest: float
    source_port: int
    address: IPv4Address
    port: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Why a server stayed silent about a packet."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What a packet did to a server: its new state and what it sends, or why nothing."""

    state: Any
    replies: tuple[Reply, ...] = ()
    unanswered: Unanswered | None = None


class ServerModel(Protocol):
    """How one product behaves. ``assumptions`` names what its source does not settle."""

    name: str
    assumptions: tuple[str, ...]

    def initial(self) -> Any:
        """The state of a server that has seen nothing yet."""

    def receive(self, state: Any, arrival: Arrival) -> Reaction:
        """What it does with one packet."""
