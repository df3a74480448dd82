"""The XML of ``Export-DhcpServer`` as frozen dataclasses, each with its place.

Elements are named as the classes of Microsoft's DHCP Server WMI provider name their members
(DhcpServerv4Scope, DhcpServerv4Policy, DhcpServerv4OptionValue, DhcpServerv4Failover and so on).
Times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from coexist.errors import Position
from coexist.records import dataclass

Field = Literal[
    "VendorClass",
    "UserClass",
    "MacAddress",
    "ClientId",
    "Fqdn",
    "RelayAgent",
    "CircuitId",
    "RemoteId",
    "SubscriberId",
]
"""What a policy may compare (DhcpServerv4Policy)."""

AddressRange = tuple[IPv4Address, IPv4Address, Position]
"""First and last address, and where they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientClass:
    """A vendor or user class: a name for octets of option 60 or 77."""

    name: str
    kind: Literal["Vendor", "User"]
    data: bytes
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionDefinition:
    """How values of an option are written; ``vendor``: the class whose option it is, empty for a standard
    one."""

    code: int
    kind: str
    vendor: str
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionValue:
    """A value as text; ``vendor`` and ``user``: the classes of the clients it is for."""

    code: int
    values: tuple[str, ...]
    vendor: str
    user: str
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class MacPattern:
    """A MAC address, or with a star behind it the beginning of one: its first and last address. ``note``:
    what a filter says for people."""

    text: str
    first: int
    last: int
    at: Position
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A comparison of a policy with any of some values. ``operator``: EQ or NE; of Fqdn also ISP and ISNP."""

    field: Field
    operator: str
    values: tuple[str, ...]
    macs: tuple[MacPattern, ...]
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``any_of``: one of its criteria is enough. ``order``: the smallest is processed first."""

    name: str
    order: int
    enabled: bool
    any_of: bool
    criteria: tuple[Criterion, ...]
    ranges: tuple[AddressRange, ...]
    options: tuple[OptionValue, ...]
    lease_time: tuple[int, Position] | None
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An address of one client; ``client_id`` is its MAC address, or another identifier."""

    address: IPv4Address
    client_id: bytes
    name: str
    kind: str
    options: tuple[OptionValue, ...]
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A subnet. ``delay``: seconds that an offer waits. ``superscope``: the name of the wire it is on with
    others; empty where it is alone. ``policies_off``: the line that switches its policies off."""

    network: IPv4Network
    name: str
    kind: str
    active: bool
    ranges: tuple[AddressRange, ...]
    excluded: tuple[AddressRange, ...]
    lease_time: tuple[int, Position] | None
    delay: tuple[float, Position] | None
    superscope: str
    policies_off: Position | None
    policies: tuple[Policy, ...]
    options: tuple[OptionValue, ...]
    reservations: tuple[Reservation, ...]
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The lists of MAC addresses that are let in and kept out, and whether they are heeded."""

    allows: bool = False
    denies: bool = False
    allowed: tuple[MacPattern, ...] = ()
    denied: tuple[MacPattern, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A failover relation. ``partner``: the other server, by address or name; ``is_first``: this server is
    the primary one, ``is_active``: the active one of a hot standby. ``percent``: of the clients are the
    primary's; ``reserve``: of the free addresses are the standby server's. ``mclt``: the maximum client lead
    time; ``switch``: after so long without contact it holds its partner for down by itself, None: never."""

    name: str
    partner: str
    mode: Literal["LoadBalance", "HotStandby"]
    is_first: bool
    is_active: bool
    percent: int
    reserve: int
    mclt: int
    switch: int | None
    state: str
    scopes: tuple[IPv4Address, ...]
    at: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An element that is not understood, or one that says nothing of what clients are told (``is_note``)."""

    at: Position
    name: str
    text: str
    is_note: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """``relations`` None: the export does not say whether a partner shares its scopes. ``attempts``: pings
    before an offer; None where it does not say. ``policies_off``: the line that switches policies off."""

    at: Position
    classes: Mapping[tuple[str, str], ClientClass]
    definitions: Mapping[tuple[str, int], OptionDefinition]
    options: tuple[OptionValue, ...] = ()
    policies_off: Position | None = None
    policies: tuple[Policy, ...] = ()
    attempts: tuple[int, Position] | None = None
    filters: Filters = Filters()
    scopes: tuple[Scope, ...] = ()
    relations: tuple[Relation, ...] | None = None
    unread: tuple[Unread, ...] = ()
