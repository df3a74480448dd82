"""The form every server model has, so that the race can ask any product the same question.

A model is a pure function over an explicit state: ``receive(state, arrival)`` returns the new state
and the replies with their time. Nothing here knows a clock; times are seconds since the client's
first DISCOVER.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any, Protocol

from coexist.boot.request import DHCP_PORT
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet


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
    """A packet a server sends: when (seconds, earliest and latest), from which port, where to.

    ``to_one``: its frame is for the client alone, also where its address is the broadcast address.
    """

    packet: Packet
    earliest: float
    latest: float
    source_port: int
    address: IPv4Address
    port: int
    why: str
    to_one: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Why a server stayed silent about a packet. ``waits``: it waits for another server's offer."""

    why: str
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What a packet did to a server: its new state and what it sends, or why nothing.

    ``wake``: seconds at which it wants to be called again (`ServerModel.resume`), None for never.
    """

    state: Any
    replies: tuple[Reply, ...] = ()
    unanswered: Unanswered | None = None
    wake: float | None = None


def relay_or(asked: Packet, otherwise: tuple[IPv4Address, int]) -> tuple[IPv4Address, int]:
    """Where a reply goes: to the relay agent that asked (RFC 2131 section 4.1), or as given."""
    return (asked.giaddr, DHCP_PORT) if asked.giaddr != UNSPECIFIED else otherwise


def reply_to(
    asked: Packet,
    *,
    flags: int,
    options: Mapping[int, bytes],
    ciaddr: IPv4Address = UNSPECIFIED,
    yiaddr: IPv4Address = UNSPECIFIED,
    siaddr: IPv4Address = UNSPECIFIED,
    sname: bytes = b"",
    file: bytes = b"",
    overload: int = 0,
) -> Packet:
    """A reply of a server that leaves in place what RFC 2131 table 3 does not name, ``hops`` and ``secs``, as
    those do that write into the packet they received."""
    return Packet(
        op=BOOTREPLY,
        htype=asked.htype,
        hlen=asked.hlen,
        hops=asked.hops,
        xid=asked.xid,
        secs=asked.secs,
        flags=flags,
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=asked.giaddr,
        chaddr=asked.chaddr,
        sname=sname,
        file=file,
        options=options,
        overload=overload,
    )


class ServerModel(Protocol):
    """How one product behaves.

    ``assumptions`` names what its source does not settle. ``overhears``: whether it also hears the offers
    of others on its VLAN. ``phases``: values of what is fixed while a client boots but unknown beforehand,
    such as where in its second the server's clock stands.
    """

    @property
    def name(self) -> str:
        """The server of the inventory."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """One sentence each."""

    @property
    def overhears(self) -> bool:
        """Whether it listens on port 68 too."""

    @property
    def phases(self) -> tuple[float, ...]:
        """The phases to try; one if it has none."""

    def initial(self, phase: float = 0.0) -> Any:
        """The state of a server that has seen nothing yet."""

    def receive(self, state: Any, arrival: Arrival) -> Reaction:
        """What it does with one packet."""

    def resume(self, state: Any, at: float) -> Reaction:
        """What it does when the time it asked for has come."""

    def depends_on_phase(self, state: Any) -> bool:
        """Whether what led to this state would differ with another phase."""


class Stateless:
    """The parts of `ServerModel` of a server that keeps no clock and waits for nothing."""

    __slots__ = ()

    @property
    def overhears(self) -> bool:
        """It hears only what is sent to it."""
        return False

    @property
    def phases(self) -> tuple[float, ...]:
        """It has none."""
        return (0.0,)

    def depends_on_phase(self, state: Any) -> bool:
        """It has one phase."""
        return False

    def resume(self, state: Any, at: float) -> Reaction:
        """It never asks for it."""
        raise AssertionError(f"nothing was due at {at}")
