"""What a DHCP server is told, as data: conditions, settings, scopes and subnets, in no product's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from coexist.inventory.documents import Path
from coexist.inventory.models import OptionTest, Server
from coexist.render.cells import Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Which packets a setting is about; all parts hold together, None means any.

    ``cells``: names of cells. ``architectures``: codes of option 93 (its first one); a PXEClient that sends
    none is a BIOS (RFC 4578 section 2.1). ``ipxe``: clients that already run iPXE. ``unless``: none of
    these holds.
    """

    cells: frozenset[str] | None = None
    architectures: frozenset[int] | None = None
    ipxe: bool = False
    vendor_class: bytes | None = None
    user_class: bytes | None = None
    tests: tuple[OptionTest, ...] = ()
    unless: tuple[Condition, ...] = ()

    @property
    def always(self) -> bool:
        """Whether it holds for every packet."""
        return self == ALWAYS

    def excludes(self, other: Condition) -> bool:
        """Whether no packet can fulfil both, as far as groups and architectures tell."""
        cells = self.cells is not None and other.cells is not None and not self.cells & other.cells
        codes = (self.architectures, other.architectures)
        return cells or (codes[0] is not None and codes[1] is not None and not codes[0] & codes[1])


ALWAYS = Condition()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Values for the packets of a condition. Options are octets as they go on the wire.

    ``file_server``: the next server has this very file, and is none where another setting gives the file.
    """

    name: str
    path: Path
    condition: Condition = ALWAYS
    next_server: IPv4Address | None = None
    file: str | None = None
    options: Mapping[int, bytes] = field(default_factory=dict)
    ignore: bool = False
    file_server: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """Addresses to lease; ``cells`` None means to everyone."""

    first: IPv4Address
    last: IPv4Address
    cells: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An address that belongs to one MAC. ``cell`` is the cell the MAC is in."""

    mac: int
    address: IPv4Address
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetPlan:
    """A subnet as one scope serves it. Without a scope nothing is leased there."""

    network: IPv4Network
    scope: str | None
    pools: tuple[PoolPlan, ...] = ()
    reservations: tuple[Reservation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopePlan:
    """What a scope hands out. The first of ``special`` that fits and sets a value gives it, else
    ``defaults``.

    ``lease_time`` is in seconds; ``min_secs`` compares with the header's ``secs``.
    """

    name: str
    path: Path
    vlan: str
    special: tuple[Setting, ...]
    defaults: Setting
    lease_time: int
    min_secs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VlanPlan:
    """The subnets that share a wire. ``local`` is the server's own address there, None behind a relay;
    ``relays`` are the addresses relay agents write into giaddr."""

    name: str
    subnets: tuple[SubnetPlan, ...]
    local: IPv4Address | None
    relays: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpPlan:
    """Everything one DHCP server is told."""

    name: str
    server: Server
    vlans: tuple[VlanPlan, ...]
    scopes: tuple[ScopePlan, ...]
    cells: Cells
