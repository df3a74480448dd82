"""A lease: what is configured for one client, before its server's product puts it into a packet.

Whoever knows it (an inventory's scopes, a daemon's own file) is a `LeaseSource`. What a product adds, leaves
out, orders and pads is its model's (``boot/servers``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import field
from ipaddress import IPv4Address
from typing import Literal, Protocol, TypeAlias

from coexist.boot.leases.pairs import Share
from coexist.boot.responder import Arrival
from coexist.errors import Position
from coexist.inventory.documents import Path
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED

NETMASK = IPv4Address("255.255.255.0")

BOOT_OPTIONS = frozenset({17, 43, 60, 66, 67, 97, *range(128, 136), 150, 175, *range(208, 212)})
"""The options that a machine reads when it boots."""

Origin: TypeAlias = Path | Position
"""Where a value stands: a path of the inventory, or a place in a file that somebody wrote."""

FieldName: TypeAlias = Literal["yiaddr", "siaddr", "sname", "file", "lease_time", "min_secs"]
"""A header field (RFC 2131 section 2), or what else a lease says beside its options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An address and what comes with it. Lease time in seconds.

    ``options``: everything configured for this client, in the order of configuration, whether the client
    asked for it or not. ``forced``: codes sent even if it did not ask; ``requested``: a list that replaces
    its own. ``name_of_all``: the name (option 12) that all clients are told, where a machine's own is told
    instead. ``reserved``: the address is the client's own (never pinged). ``pinged_always``: not before its
    first offer only. ``min_secs``: the threshold on its ``secs``. ``min_lease_time``, ``max_lease_time``:
    the least and the most a client may ask for, None where the product has a limit of its own. ``waits``: an
    offer waits so many seconds. ``left_to``: who of a pair of servers answers the packet instead while both
    are up; ``paired``: it is a lease of such a pair. ``origins``: where each option (by code) and field (by
    name) comes from.
    """

    yiaddr: IPv4Address
    netmask: IPv4Address = NETMASK
    siaddr: IPv4Address = UNSPECIFIED
    file: bytes = b""
    sname: bytes = b""
    options: Mapping[int, bytes] = field(default_factory=dict)
    forced: frozenset[int] = frozenset()
    order: tuple[int, ...] = ()
    requested: tuple[int, ...] | None = None
    name_of_all: bytes | None = None
    lease_time: int = 43200
    min_lease_time: int | None = None
    max_lease_time: int | None = None
    reserved: bool = False
    min_secs: int = 0
    waits: float = 0.0
    always_broadcast: bool = False
    ping: bool | None = None
    pinged_always: bool = False
    server_id: IPv4Address | None = None
    left_to: str = ""
    paired: bool = False
    rule: str = ""
    origins: Mapping[int | FieldName, Origin] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLease:
    """Why a client is leased nothing, and the line that says so, if a line does. ``nak``: what a DHCPNAK
    tells the client; without one the server is silent."""

    why: str
    origin: Origin | None = None
    nak: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCondition:
    """A condition that only the running daemon can decide: a script, a database, a hook, the state of a
    lease.

    ``what``: what decides it, as a part of a sentence. Both its branches are raced.
    """

    origin: Origin
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinctions:
    """By what a lease source tells packets apart: all clients with equal answers here get equal leases.

    ``clients``: sets of MACs it compares with, each with its origin. ``tests``: comparisons of options
    (60, 77, 93 and any other). ``reserved``: MACs with an address of their own. ``unclear``: comparisons that
    are none of these, so that clients they tell apart are not known.

    ``files``: of a set by its number in ``clients``, what its machines are told beside the name of their boot
    file, and that name, where it stands in such a set alone. ``other_files``: the names in all other lines;
    None where that is not known, since values are computed.
    """

    clients: tuple[tuple[MacSet, Origin], ...] = ()
    tests: tuple[OptionTest, ...] = ()
    reserved: MacSet | None = None
    unclear: tuple[Origin, ...] = ()
    files: Mapping[int, tuple[Hashable, str]] = field(default_factory=dict)
    other_files: frozenset[str] | None = None


Leases: TypeAlias = Callable[[Arrival], Lease | NoLease]
"""What a model asks: the lease for a packet."""


class LeaseSource(Protocol):
    """Delivers the lease of a client, or the reason why it gets none."""

    @property
    def opens(self) -> tuple[OpenCondition, ...]:
        """The conditions only the running daemon can decide; empty where all is known."""

    def closed(self, decided: Mapping[OpenCondition, bool]) -> LeaseSource:
        """The same source with some of its open conditions decided; one that is not counts as false."""

    @property
    def distinctions(self) -> Distinctions:
        """By what it tells packets apart."""

    @property
    def shares(self) -> tuple[Share, ...]:
        """The server's parts in pairs of servers."""

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease for the packet that arrived."""
