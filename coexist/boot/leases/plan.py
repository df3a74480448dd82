"""A lease plan: what a DHCP server is told, as data, in no product's words.

Models evaluate it, renderers print it, rules read where each value comes from, and the cache of races is
keyed on the part of it that a class of clients can meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.lease import FieldName
from coexist.boot.leases.pairs import Share
from coexist.boot.request import is_ipxe
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import Path
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest, Server
from coexist.records import dataclass
from coexist.wire.architecture import Architecture
from coexist.wire.bootp import Packet
from coexist.wire.options import Option

_LABEL = re.compile("[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

Member = Callable[[str], bool]
"""Whether one client is in a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The members of any of some groups; with ``outside`` everyone who is in none of them."""

    groups: frozenset[str]
    outside: bool = False

    def holds(self, member: Member) -> bool:
        """Whether a client is one of them."""
        return any(member(group) for group in self.groups) != self.outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Which packets a setting is about; all parts hold together, None means any.

    ``architectures``: codes of option 93 (its first one); a PXEClient that sends none is a BIOS (RFC 4578
    section 2.1), and what sends neither, a phone, has no architecture. ``ipxe``: clients that already run
    iPXE. ``user_class`` is the whole of option 77, with or without its length before it (RFC 3004).
    ``unless``: none of these holds.
    """

    clients: Clients | None = None
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

    def fits(self, packet: Packet, member: Member) -> bool:
        """Whether a client of these groups meets it with this packet."""
        return (self.clients is None or self.clients.holds(member)) and self.says(packet, member)

    def says(self, packet: Packet, member: Member) -> bool:
        """Whether it holds, apart from who the client is."""
        options = packet.options
        if self.architectures is not None and told_architecture(options) not in self.architectures:
            return False
        if self.ipxe and not is_ipxe(packet):
            return False
        if self.vendor_class is not None and not options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(
            self.vendor_class
        ):
            return False
        if self.user_class is not None and options.get(Option.USER_CLASS) not in spellings(self.user_class):
            return False
        return all(test.holds(options) for test in self.tests) and not any(
            other.fits(packet, member) for other in self.unless
        )


ALWAYS = Condition()


def spellings(user_class: bytes) -> tuple[bytes, bytes]:
    """The two ways a user class goes on the wire: iPXE leaves out the length of RFC 3004."""
    return user_class, bytes((len(user_class) & 255,)) + user_class


def told_architecture(options: Mapping[int, bytes]) -> int | None:
    """The architecture that a packet's options tell a DHCP server, None if they tell none."""
    told = options.get(Option.CLIENT_SYSTEM_ARCHITECTURE)
    if told is not None:
        return int.from_bytes(told[:2], "big") if len(told) >= 2 else None
    is_pxe = options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(b"PXEClient")
    return Architecture.X86_BIOS if is_pxe else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Values for the packets of a condition. Options are octets as they go on the wire.

    ``file_server``: the next server has this very file, and is none where another setting gives the file.
    ``derived``: options that follow from the next server and the file. ``origins``: where each value is
    declared; a derived one stands where what it follows from does.
    """

    name: str
    path: Path
    condition: Condition = ALWAYS
    next_server: IPv4Address | None = None
    file: str | None = None
    options: Mapping[int, bytes] = field(default_factory=dict)
    ignore: bool = False
    file_server: bool = False
    derived: frozenset[int] = field(default=frozenset(), compare=False)
    origins: Mapping[int | FieldName, Path] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """Addresses to lease, to the clients that all of ``clients`` hold for and that send what ``condition``
    says."""

    path: Path
    first: IPv4Address
    last: IPv4Address
    clients: tuple[Clients, ...] = ()
    condition: Condition = ALWAYS

    def holds(self, member: Member) -> bool:
        """Whether it is for a client of these groups, whatever it sends."""
        return all(clients.holds(member) for clients in self.clients)

    def fits(self, packet: Packet, member: Member) -> bool:
        """Whether a client of these groups is leased its addresses after this packet."""
        return self.holds(member) and self.condition.says(packet, member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An address that belongs to one MAC; ``name`` as the machine is registered, ``host_name`` what it is
    told as option 12."""

    mac: int
    address: IPv4Address
    name: str
    host_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetPlan:
    """A subnet as one scope serves it; without a scope nothing is leased there.

    ``reserves``: registered machines have their own addresses here; ``names``: and are told their names, with
    ``full_names`` those of several labels too.
    """

    network: IPv4Network
    scope: str | None
    pools: tuple[PoolPlan, ...] = ()
    reserves: bool = False
    names: bool = False
    full_names: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopePlan:
    """What a scope hands out: each value comes from the first of ``settings`` that fits and sets it.

    ``forced``: options that go to clients too that do not ask for them. ``lease_time`` is in seconds, and so
    are the shortest and the longest time that a client may ask for; None: the product has its own limit.
    ``min_secs`` compares with the header's ``secs``. ``share``: the server's part of the clients, where two
    servers share the scope. ``order``: the options that stand first in a reply, where the product keeps an
    order.
    """

    name: str
    path: Path
    vlan: str
    settings: tuple[Setting, ...]
    forced: frozenset[int]
    lease_time: int
    min_secs: int
    min_lease_time: int | None = None
    max_lease_time: int | None = None
    share: Share | None = None
    order: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VlanPlan:
    """The subnets that share a wire, in the order in which they are leased from.

    ``local`` is the server's own address there, None behind a relay agent; ``relays`` are the addresses that
    relay agents write into giaddr.
    """

    name: str
    subnets: tuple[SubnetPlan, ...]
    local: IPv4Address | None
    relays: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasePlan:
    """Everything one DHCP server is told. ``groups``: the clients of each group that it speaks of."""

    name: str
    server: Server
    vlans: tuple[VlanPlan, ...]
    scopes: Mapping[str, ScopePlan]
    groups: Mapping[str, MacSet]
    table: ClientTable

    def member(self, mac: int) -> Member:
        """Tells in which groups a machine is."""
        groups = self.groups
        return lambda group: mac in groups[group]

    def wire_of(self, scope: str) -> VlanPlan:
        """The subnets on the wire of a scope."""
        return next(vlan for vlan in self.vlans if any(subnet.scope == scope for subnet in vlan.subnets))

    def is_told_apart(self, scope: str) -> bool:
        """Whether a packet shows that it comes from the wire of a scope, and no other scope has that wire: by
        the relay agent, or because only one wire has none."""
        wire = self.wire_of(scope)
        if {subnet.scope for subnet in wire.subnets} - {None} != {scope}:
            return False
        return wire.local is None or sum(vlan.local is not None for vlan in self.vlans) == 1

    def is_guard(self, scope: str, setting: Setting) -> bool:
        """Whether a refusal of a scope is a guard of its subnet in a product that else drops packets (Kea's
        class DROP): where packets are not told apart, and where everyone is refused."""
        if setting.condition.always:
            return True
        return setting.path[:1] != ("servers",) and not self.is_told_apart(scope)

    def reservations(self, subnet: SubnetPlan) -> Iterator[Reservation]:
        """The machines with an address of their own in a subnet."""
        if not subnet.reserves:
            return
        table, network = self.table, subnet.network
        numbers, names = table.addresses, table.columns["name"]
        for row in table.reserved(int(network.network_address), int(network.broadcast_address)):
            yield _reservation(subnet, table.macs[row], numbers[row], names[row])

    def free(self, pool: PoolPlan) -> Iterator[tuple[IPv4Address, IPv4Address]]:
        """The addresses of a pool that belong to no registered machine, as first and last."""
        start = int(pool.first)
        for row in sorted(self.table.reserved(start, int(pool.last)), key=self.table.addresses.__getitem__):
            taken = self.table.addresses[row]
            if taken > start:
                yield IPv4Address(start), IPv4Address(taken - 1)
            start = taken + 1
        if start <= int(pool.last):
            yield IPv4Address(start), pool.last

    def owner(self, address: IPv4Address) -> int | None:
        """The MAC of the registered machine that an address belongs to."""
        rows = self.table.reserved(int(address), int(address))
        return self.table.macs[rows[0]] if rows else None

    def reserved(self, subnet: SubnetPlan, mac: int) -> Reservation | None:
        """The address of its own that a machine has in a subnet."""
        if not subnet.reserves:
            return None
        row = self.table.row(mac)
        number = 0 if row is None else self.table.addresses[row]
        if row is None or not number or IPv4Address(number) not in subnet.network:
            return None
        return _reservation(subnet, mac, number, self.table.name(row))


def is_host_name(name: str) -> bool:
    """Whether a machine can be told this name: one label of RFC 1123 section 2.1."""
    return _LABEL.fullmatch(name) is not None


def _reservation(subnet: SubnetPlan, mac: int, address: int, name: str) -> Reservation:
    labels = name.removesuffix(".").split(".") if subnet.full_names else [name]
    told = name if subnet.names and all(map(is_host_name, labels)) else ""
    return Reservation(mac=mac, address=IPv4Address(address), name=name, host_name=told)
