"""What the inventory's scopes and their rules lease to a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.policy import architecture_codes
from coexist.boot.request import is_ipxe
from coexist.boot.responder import Arrival
from coexist.boot.servers.generic import architecture_of
from coexist.inventory import Inventory
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.models import OptionTest, Pool, Scope, ScopeRule
from coexist.inventory.references import server_address
from coexist.inventory.values import option_bytes
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A scope rule with its conditions resolved."""

    clients: MacSet | None
    architectures: frozenset[int] | None
    vendor_class: bytes | None
    user_class: bytes | None
    tests: tuple[OptionTest, ...]
    siaddr: IPv4Address | None
    file: bytes | None
    programs: Mapping[int, tuple[bytes, IPv4Address | None]]
    ipxe: tuple[bytes, IPv4Address | None] | None
    options: Mapping[int, bytes]
    ignore: bool
    name: str

    def fits(self, packet: Packet) -> bool:
        """Whether all conditions hold."""
        options = packet.options
        if self.clients is not None and packet.mac not in self.clients:
            return False
        if self.architectures is not None and told_architecture(packet) not in self.architectures:
            return False
        if self.vendor_class is not None and not options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(
            self.vendor_class
        ):
            return False
        if self.user_class is not None and not _is_user_class(options, self.user_class):
            return False
        return all(test.holds(options) for test in self.tests)

    def program(self, packet: Packet) -> tuple[bytes, IPv4Address | None] | None:
        """The file it names for this client, and the server that has it."""
        if self.ipxe is not None and is_ipxe(packet):
            return self.ipxe
        told = told_architecture(packet)
        found = None if told is None else self.programs.get(told)
        return found if found is not None or self.file is None else (self.file, None)


def told_architecture(packet: Packet) -> int | None:
    """The architecture a scope's rules go by: a client that says neither 93 nor PXEClient, a phone, has
    none."""
    if Option.CLIENT_SYSTEM_ARCHITECTURE in packet.options:
        return architecture_of(packet)
    is_pxe = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(b"PXEClient")
    return architecture_of(packet) if is_pxe else None


def _is_user_class(options: Mapping[int, bytes], wanted: bytes) -> bool:
    # RFC 3004 has the length before the text, iPXE has not.
    return options.get(Option.USER_CLASS) in (wanted, bytes((len(wanted) & 255,)) + wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledScope:
    """A scope with names resolved. ``reserved`` maps a MAC to its address; ``wire`` are all subnets of its
    VLAN."""

    name: str
    subnet: IPv4Network
    wire: tuple[IPv4Network, ...]
    pools: tuple[tuple[IPv4Address, MacSet], ...]
    rules: tuple[CompiledRule, ...]
    reserved: Callable[[int], IPv4Address | None]
    lease_time: int
    min_secs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The scopes one server serves."""

    scopes: tuple[CompiledScope, ...]

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease in the first scope of the client's wire that has an address for it; its own subnet
        first."""
        packet = arrival.packet
        near = packet.giaddr if packet.giaddr != UNSPECIFIED else arrival.address
        reason = NoLease(why="it has no scope for this subnet")
        for scope in sorted(self.scopes, key=lambda scope: near not in scope.subnet):
            if not any(near in subnet for subnet in scope.wire):
                continue
            lease = _lease(scope, packet)
            if isinstance(lease, Lease):
                return lease
            reason = lease
        return reason


def _lease(scope: CompiledScope, packet: Packet) -> Lease | NoLease:
    own = scope.reserved(packet.mac)
    address = own
    if address is None:
        address = next((first for first, clients in scope.pools if packet.mac in clients), None)
        if address is None:
            return NoLease(why="no pool of its scope is for this client")
    siaddr: IPv4Address | None = None
    file: bytes | None = None
    options: dict[int, bytes] = {}
    names: list[str] = []
    for rule in scope.rules:
        if not rule.fits(packet):
            continue
        if rule.ignore:
            named = f" ({rule.name})" if rule.name else ""
            return NoLease(why=f"a rule of the scope ignores it{named}")
        program = rule.program(packet)
        if program is not None and file is None:
            file = program[0]
            if siaddr is None:
                siaddr = program[1]
            names.append(rule.name)
        if siaddr is None:
            siaddr = rule.siaddr
        for code, value in rule.options.items():
            options.setdefault(code, value)
    return Lease(
        yiaddr=address,
        netmask=scope.subnet.netmask,
        siaddr=siaddr or UNSPECIFIED,
        file=file or b"",
        options=options,
        lease_time=scope.lease_time,
        reserved=own is not None,
        min_secs=scope.min_secs,
        rule=", ".join(name for name in names if name),
    )


def scopes_of(inventory: Inventory, server: str) -> Scopes:
    """The scopes of one server of the inventory."""
    return Scopes(
        scopes=tuple(
            _compile(inventory, name, scope)
            for name, scope in inventory.site.scopes.items()
            if server in scope.servers
        )
    )


def _compile(inventory: Inventory, name: str, scope: Scope) -> CompiledScope:
    site = inventory.site
    subnet = scope.subnet or site.vlans[scope.vlan].subnet[0]
    base = ScopeRule(
        next_server=scope.next_server, filename=scope.filename, programs=scope.programs, options=scope.options
    )
    return CompiledScope(
        name=name,
        subnet=subnet,
        wire=site.vlans[scope.vlan].subnet,
        pools=tuple((pool.range.first, _pool_clients(inventory, pool)) for pool in scope.pools),
        rules=tuple(_compile_rule(inventory, rule, scope.vlan) for rule in (*scope.rules, base)),
        reserved=_reservations(inventory, subnet) if scope.reservations else _no_reservation,
        lease_time=scope.lease_time,
        min_secs=scope.min_secs,
    )


def _pool_clients(inventory: Inventory, pool: Pool) -> MacSet:
    allowed = inventory.members(pool.allow) if pool.allow else EVERYONE
    return allowed - inventory.members(pool.deny)


def _no_reservation(mac: int) -> IPv4Address | None:  # noqa: ARG001
    return None


def _reservations(inventory: Inventory, subnet: IPv4Network) -> Callable[[int], IPv4Address | None]:
    clients = inventory.clients
    column = clients.columns["address"]

    def reserved(mac: int) -> IPv4Address | None:
        row = clients.index.get(mac)
        if row is None or not column[row]:
            return None
        address = IPv4Address(column[row])
        return address if address in subnet else None

    return reserved


def _compile_rule(inventory: Inventory, rule: ScopeRule, vlan: str) -> CompiledRule:
    site = inventory.site

    def address(text: str | None) -> IPv4Address | None:
        return server_address(site, text, vlan) if text else None

    ipxe = rule.programs.get("ipxe")
    return CompiledRule(
        clients=None if rule.clients is None else inventory.members(rule.clients),
        architectures=architecture_codes(rule.architectures),
        vendor_class=None if rule.vendor_class is None else rule.vendor_class.encode(),
        user_class=None if rule.user_class is None else rule.user_class.encode(),
        tests=rule.when,
        siaddr=address(rule.next_server),
        file=None if rule.filename is None else rule.filename.encode(),
        programs={
            code: (program.file.encode(), address(program.server))
            for key, program in rule.programs.items()
            if key in ARCHITECTURE_NAMES
            for code in ARCHITECTURE_NAMES[key]
        },
        ipxe=None if ipxe is None else (ipxe.file.encode(), address(ipxe.server)),
        options={code: option_bytes(code, value) for code, value in rule.options.items()},
        ignore=rule.ignore,
        name=rule.name or "",
    )
