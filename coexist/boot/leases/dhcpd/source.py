"""A dhcpd.conf as the source of its server's leases.

The steps are those of ``dhcpdiscover``, ``dhcprequest``, ``dhcpinform``, ``find_lease``, ``allocate_lease``
and ``ack_lease`` (``server/dhcp.c``) for a server that has leased nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from ipaddress import IPv4Address

from coexist.boot.leases.dhcpd.distinctions import distinctions_of
from coexist.boot.leases.dhcpd.evaluation import EndlessError, Evaluation, Held, Resolve
from coexist.boot.leases.dhcpd.failover import share_of
from coexist.boot.leases.dhcpd.free_leases import LeaseTable, is_one_pool
from coexist.boot.leases.dhcpd.hosts import Host, Hosts
from coexist.boot.leases.dhcpd.opens import assigned_variables, open_conditions, open_wires, told_by
from coexist.boot.leases.dhcpd.options import AGENT, DHCP, SERVER, ClientOptions, OptionState
from coexist.boot.leases.dhcpd.reply import SITE_OPTION_SPACE, lease_time_of, made
from coexist.boot.leases.dhcpd.variables import Scope
from coexist.boot.leases.lease import Distinctions, Lease, NoLease, OpenCondition
from coexist.boot.leases.pairs import Share
from coexist.boot.responder import Arrival
from coexist.errors import Position
from coexist.languages.dhcpd.levels import ClassPart, Level, Outline, PoolPart, SubnetPart, Wire, outline
from coexist.languages.dhcpd.syntax import Configuration, FailoverPeer, Permit, Range
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

_LINK_SELECTION = 5
"""Of the relay agent's suboptions (RFC 3527)."""
_MOST_CLASSES = 5
"""PACKET_MAX_CLASSES (includes/dhcpd.h): further ones are not joined."""
_BOOT_UNKNOWN_CLIENTS, _ALLOW_BOOTING, _MIN_SECS = 6, 9, 14


def no_names(name: str) -> tuple[IPv4Address, ...]:  # noqa: ARG001
    """No host name has an address that is known."""
    return ()


@dataclass(frozen=True, slots=True)
class Member:
    """A class, or one of its subclasses, that a client belongs to."""

    part: ClassPart
    level: Level


class _RefusedError(Exception):
    """The client is leased nothing."""

    def __init__(self, why: str, origin: Position | None = None, *, nak: bytes = b"") -> None:
        super().__init__(why)
        self.no_lease = NoLease(why=why, origin=origin, nak=nak)


@dataclass(frozen=True)
class DhcpdLeases:
    """The leases of a configuration file.

    ``resolve``: the addresses of a host name that the file takes from DNS. ``decided``: how open conditions
    are decided, those that are not count as false. ``partners``: by the name of a failover relation what the
    other server's file says of it, where that is known.
    """

    configuration: Configuration
    resolve: Resolve = no_names
    partners: Mapping[str, FailoverPeer] = field(default_factory=dict)
    decided: Mapping[OpenCondition, bool] = field(default_factory=dict)

    @property
    def opens(self) -> tuple[OpenCondition, ...]:
        """The conditions that are not decided yet."""
        found = (*self._opens.values(), *self._open_wires.values())
        return tuple(each for each in found if each not in self.decided)

    def closed(self, decided: Mapping[OpenCondition, bool]) -> DhcpdLeases:
        """The same file with some of its open conditions decided."""
        source = replace(self, decided={**self.decided, **decided})
        # What was worked out of the tree stands in the instance: it is the same for both.
        shared = {key: value for key, value in self.__dict__.items() if key != "decided"}
        source.__dict__.update(shared)
        return source

    @cached_property
    def distinctions(self) -> Distinctions:
        """By what the file tells packets apart."""
        return distinctions_of(self.outline)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Its part in each failover relation."""
        return tuple(self._relations.values())

    @cached_property
    def outline(self) -> Outline:
        """The file by its scopes."""
        return outline(self.configuration)

    @cached_property
    def _opens(self) -> dict[Position, OpenCondition]:
        return open_conditions(self.outline, self.resolve)

    @cached_property
    def _open_wires(self) -> Mapping[int, OpenCondition]:
        return open_wires(self.outline)

    @cached_property
    def _hosts(self) -> Hosts:
        return Hosts(self.outline, self.configuration.options[DHCP][Option.HOST_NAME])

    @cached_property
    def _relations(self) -> Mapping[str, Share]:
        return {peer.name: share_of(peer, self.partners.get(peer.name)) for peer in self.outline.peers}

    @cached_property
    def _globals(self) -> Scope:
        """What the statements of the whole file leave behind at the start, without a packet."""
        scope = Scope()
        start = self._evaluation(None, OptionState(), scope)
        start.execute(self.outline.root.statements)
        return scope

    # -- one packet --------------------------------------------------------------------------------

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease for a packet, or why there is none."""
        packet = arrival.packet
        client = ClientOptions(packet, self.configuration.options, self.configuration.widths)
        try:
            if packet.message_type is MessageType.INFORM:
                return self._inform(client, arrival)
            return self._lease(client, arrival)
        except _RefusedError as refused:
            return refused.no_lease
        except EndlessError as endless:
            return NoLease(why="dhcpd dies of it: an option is computed from itself", origin=endless.origin)

    def _lease(self, client: ClientOptions, arrival: Arrival) -> Lease:
        wire = self._wire(client, arrival)
        members = self._members(client)
        found = self._found(client)
        static = self._static(found, wire)
        if static is not None:
            host, subnet, address = static
            wanted = _wanted(client.packet)
            if client.packet.message_type is MessageType.REQUEST and wanted != address:
                nak = b"requested address is incorrect"
                raise _RefusedError(f"its address is {address}", host.address_at, nak=nak)
            pool: PoolPart | None = None
            held = Held(address, is_static=True, host_name=host.name)
        else:
            pool, address = self._pool(client.packet, wire, members, known=found is not None)
            subnet = _subnet_of(wire, address)
            held = Held(address)
        share = None if pool is None else self._relations.get(pool.peer)
        evaluation = self._evaluation(client, OptionState(), Scope())
        evaluation.known, evaluation.held = found is not None, held
        evaluation.classify = lambda name: self._join(members, name)
        if static is None:
            evaluation.remembered = self._remembered
        inner = pool.level if pool is not None else subnet.level
        evaluation.execute_level(subnet.level)
        if pool is not None:
            evaluation.execute_level(pool.level, pool.level.parent.outwards() if pool.level.parent else ())
        for member in reversed(members):
            evaluation.execute_level(member.level, inner.outwards())
        min_secs = _first_octet(evaluation, _MIN_SECS)
        host_part = static[0] if static is not None else self._host_without_address(client)
        if host_part is not None:
            evaluation.execute_level(host_part.level, inner.outwards())
        _refuse(evaluation, known=host_part is not None)
        self._refuse_unknown_space(evaluation)
        lease_time = lease_time_of(evaluation, client)
        if share is not None and share.longest is not None:
            lease_time = min(lease_time, share.longest)
        lease = made(
            evaluation,
            self._globals,
            arrival,
            address=address,
            netmask=subnet.network.mask,
            mask_origin=subnet.at,
            address_origin=_address_origin(static[0] if static is not None else None, pool, address),
            lease_time=lease_time,
            min_secs=min_secs,
            host_name=None if host_part is None else host_part.name,
        )
        if share is not None:
            lease = replace(lease, left_to=share.left_to(client.packet), paired=True)
        return lease

    def _inform(self, client: ClientOptions, arrival: Arrival) -> Lease:
        """dhcpinform: no lease, so nothing of its time, and only an authoritative server answers."""
        packet = client.packet
        ours = packet.ciaddr if packet.ciaddr != UNSPECIFIED else arrival.source[0]
        place = ours
        if packet.giaddr != UNSPECIFIED and packet.ciaddr == UNSPECIFIED:
            place = packet.giaddr
        chosen = self._chosen_link(client)
        place = chosen or place
        subnet = next((s for w in self.outline.wires for s in w.subnets if place in s.network), None)
        if ours == UNSPECIFIED or subnet is None:
            raise _RefusedError(f"it declares no subnet with {place}")
        if not subnet.level.authoritative:
            raise _RefusedError("it is not authoritative there", subnet.at)
        members = self._members(client)
        evaluation = self._evaluation(client, OptionState(), Scope(dict(self._globals.values)))
        evaluation.classify = lambda name: self._join(members, name)
        evaluation.execute_level(subnet.level)
        if packet.ciaddr != UNSPECIFIED:
            pool = next((p for p in subnet.wire.pools if _holds(p, packet.ciaddr)), None)
            if pool is not None and pool.level.parent is not None:
                evaluation.execute_level(pool.level, pool.level.parent.outwards())
        for member in reversed(members):
            evaluation.execute_level(member.level, subnet.level.outwards())
        host = self._informed_host(client, ours)
        if host is not None:
            evaluation.execute_level(host.level, subnet.level.outwards())
        self._refuse_unknown_space(evaluation)
        return made(
            evaluation,
            evaluation.scope,
            arrival,
            address=UNSPECIFIED,
            netmask=subnet.network.mask,
            mask_origin=subnet.at,
            address_origin=None,
            lease_time=None,
            min_secs=0,
        )

    def _refuse_unknown_space(self, evaluation: Evaluation) -> None:
        """A site-option-space that nothing defines: nobody is answered ("unknown option space")."""
        setting = None if evaluation.state is None else evaluation.state.find(SERVER, SITE_OPTION_SPACE)
        name = None if setting is None else evaluation.computed(setting)
        if setting is None or not name or name.decode("latin-1").lower() in self.configuration.options:
            return
        origin = setting.origin if isinstance(setting.origin, Position) else None
        raise _RefusedError(f"unknown option space {name.decode('latin-1')}", origin)

    def _evaluation(
        self, client: ClientOptions | None, state: OptionState | None, scope: Scope
    ) -> Evaluation:
        return Evaluation(client=client, state=state, scope=scope, resolve=self.resolve, decide=self._decide)

    def _decide(self, at: Position) -> bool:
        condition = self._opens.get(at)
        return condition is not None and self.decided.get(condition, False)

    # -- where, who --------------------------------------------------------------------------------

    def _chosen_link(self, client: ClientOptions) -> IPv4Address | None:
        octets = client.get(AGENT, _LINK_SELECTION)
        if octets is None:
            octets = client.get(DHCP, Option.SUBNET_SELECTION)
        return IPv4Address(octets) if octets is not None and len(octets) == 4 else None

    def _wire(self, client: ClientOptions, arrival: Arrival) -> Wire:
        """locate_network: the wire of the link the relay names, of the relay, or of the interface."""
        near = self._chosen_link(client) or client.packet.giaddr
        if near == UNSPECIFIED:
            near = arrival.address
        subnets = [s for wire in self.outline.wires for s in wire.subnets if near in s.network]
        if not subnets:
            raise _RefusedError(f"it declares no subnet with {near}")
        return max(subnets, key=lambda s: int(s.network.mask)).wire

    @cached_property
    def _remembered(self) -> frozenset[str]:
        return assigned_variables(self.outline)

    def _members(self, client: ClientOptions) -> list[Member]:
        """check_collection: every class in the order of the file, before anyone looks for a host."""
        evaluation = self._evaluation(client, None, Scope(dict(self._globals.values)))
        found: list[Member] = []
        for part in self.outline.classes.values():
            self._check(part, evaluation, found)
        return found

    def _check(self, part: ClassPart, evaluation: Evaluation, found: list[Member]) -> None:
        if part.match_if:
            statement = part.match_if[-1]
            if not evaluation.holds(statement.condition, statement.at):
                return
            if part.match is None:
                self._joined(found, Member(part, part.level))
        if part.match is None:
            return
        value = evaluation.data(part.match.value)
        if not value:
            return
        if value in part.subclasses:
            self._joined(found, Member(part, part.subclasses[value][0] or part.level))
        elif part.match.spawn:
            self._joined(found, Member(part, part.level))

    def _join(self, found: list[Member], name: str) -> None:
        self._joined(found, Member(self.outline.classes[name], self.outline.classes[name].level))

    @staticmethod
    def _joined(found: list[Member], member: Member) -> None:
        if len(found) < _MOST_CLASSES:
            found.append(member)

    def _identifiers(self, client: ClientOptions) -> Iterator[Callable[[], int | None]]:
        packet = client.packet
        identifier = client.get(DHCP, Option.CLIENT_IDENTIFIER)
        hosts = self._hosts
        yield lambda: hosts.by_identifier(identifier)
        yield lambda: hosts.by_hardware(packet.htype, packet.chaddr[: packet.hlen])
        yield lambda: hosts.by_option(client)

    def _found(self, client: ClientOptions) -> int | None:
        """The first host declaration that knows the client."""
        return next((index for find in self._identifiers(client) if (index := find()) is not None), None)

    def _static(self, found: int | None, wire: Wire) -> tuple[Host, SubnetPart, IPv4Address] | None:
        """find_host_for_network: the first of its hosts with an address on this wire."""
        for host in self._hosts.chain(found):
            for address in host.all_addresses(self.resolve) if host.has_address else ():
                subnet = next((s for s in wire.subnets if address in s.network), None)
                if subnet is not None:
                    return host, subnet, address
        return None

    def _host_without_address(self, client: ClientOptions) -> Host | None:
        for find in self._identifiers(client):
            host = next((h for h in self._hosts.chain(find()) if not h.has_address), None)
            if host is not None:
                return host
        return None

    def _informed_host(self, client: ClientOptions, ours: IPv4Address) -> Host | None:
        by_identifier, by_hardware, _ = self._identifiers(client)
        plain: Host | None = None
        for find in (by_identifier, by_hardware):
            hosts = list(self._hosts.chain(find()))
            own = next((h for h in hosts if ours in set(h.all_addresses(self.resolve))), None)
            if own is not None:
                return own
            plain = plain or next((h for h in hosts if not h.has_address), None)
        return plain

    # -- pools -------------------------------------------------------------------------------------

    def _pool(
        self, packet: Packet, wire: Wire, members: list[Member], *, known: bool
    ) -> tuple[PoolPart, IPv4Address]:
        wanted = _wanted(packet)
        permitted = [pool for pool in wire.pools if self._permits(pool, members, known=known)]
        asked = next((p for p in permitted if wanted is not None and _holds(p, wanted)), None)
        if asked is not None and wanted is not None:
            return asked, wanted
        if packet.message_type is MessageType.REQUEST and wanted is not None:
            other = next((pool for pool in wire.pools if _holds(pool, wanted)), None)
            nak = b"" if other is None else b"requested address not available"
            origin = None if other is None else other.at
            raise _RefusedError(f"{wanted} is not for this client", origin, nak=nak)
        free = self._free(wire, permitted)
        if free is not None:
            return free
        at = wire.pools[0].at if wire.pools else wire.subnets[0].at
        raise _RefusedError("no free leases: no pool of its network is for this client", at)

    def _free(self, wire: Wire, permitted: list[PoolPart]) -> tuple[PoolPart, IPv4Address] | None:
        """A free address of the first pool, with those that are one with it. Where it is open from which pool
        a client is leased, the other way is that of the last one that tells it something else."""
        with_ranges = [pool for pool in permitted if pool.ranges]
        if not with_ranges:
            return None
        chosen = self._first_free(wire, with_ranges)
        condition = self._open_wires.get(id(wire))
        if condition is None or not self.decided.get(condition):
            return chosen
        told = told_by(wire, chosen[0])
        others = [pool for pool in with_ranges if told_by(wire, pool) != told]
        return self._first_free(wire, others[-1:]) if others else chosen

    def _first_free(self, wire: Wire, pools: list[PoolPart]) -> tuple[PoolPart, IPv4Address]:
        table, numbers = self._table
        address = table.first(numbers[id(pools[0])])
        return next(pool for pool in wire.pools if _holds(pool, address)), address

    @cached_property
    def _table(self) -> tuple[LeaseTable, Mapping[int, int]]:
        """The addresses of all pools, and the number of each pool there; pools that are one have one."""
        numbers: dict[int, int] = {}
        for wire in self.outline.wires:
            for pool in wire.pools:
                one = next((each for each in wire.pools if is_one_pool(pool, each)), pool)
                numbers[id(pool)] = numbers.get(id(one), len(numbers))
        ranges = (
            (numbers[id(pool)], each.first, each.last)
            for wire in self.outline.wires
            for pool in wire.pools
            for each in pool.ranges
        )
        return LeaseTable(ranges), numbers

    def _permits(self, pool: PoolPart, members: list[Member], *, known: bool) -> bool:
        """allocate_lease: nothing of what is denied fits, and if anything is allowed, something of it."""
        allows = [p for p in pool.permits if p.allowed]
        denies = [p for p in pool.permits if not p.allowed]
        if any(self._fits(p, members, known=known) for p in denies):
            return False
        return not allows or any(self._fits(p, members, known=known) for p in allows)

    def _fits(self, permit: Permit, members: list[Member], *, known: bool) -> bool:
        match permit.who:
            case "known":
                return known
            case "unknown":
                return not known
            case "class":
                return any(member.part.name == permit.class_name for member in members)
            case "all" | "unauthenticated":
                return True
            case "after":
                return self._decide(permit.at)
        return False


def _wanted(packet: Packet) -> IPv4Address | None:
    """The address a client asks for, in ciaddr or option 50."""
    if packet.ciaddr != UNSPECIFIED:
        return packet.ciaddr
    octets = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
    return IPv4Address(octets[:4]) if len(octets) >= 4 else None


def _holds(pool: PoolPart, address: IPv4Address) -> bool:
    return any(found.first <= address <= found.last for found in pool.ranges)


def _subnet_of(wire: Wire, address: IPv4Address) -> SubnetPart:
    return next(s for s in wire.subnets if address in s.network)


def _address_origin(host: Host | None, pool: PoolPart | None, address: IPv4Address) -> Position | None:
    if host is not None:
        return host.address_at or host.at
    if pool is None:
        return None
    found: Range | None = next((r for r in pool.ranges if r.first <= address <= r.last), None)
    return pool.at if found is None else found.at


def _first_octet(evaluation: Evaluation, code: int) -> int:
    setting = None if evaluation.state is None else evaluation.state.find(SERVER, code)
    octets = None if setting is None else evaluation.computed(setting)
    return octets[0] if octets else 0


def _refuse(evaluation: Evaluation, *, known: bool) -> None:
    """The flags of allow, deny and ignore, as ack_lease looks at them."""
    for code, why in ((_BOOT_UNKNOWN_CLIENTS, "unknown client"), (_ALLOW_BOOTING, "booting disallowed")):
        if code == _BOOT_UNKNOWN_CLIENTS and known:
            continue
        setting = None if evaluation.state is None else evaluation.state.find(SERVER, code)
        if setting is not None and (evaluation.computed(setting) or b"\0")[:1] != b"\1":
            origin = setting.origin
            raise _RefusedError(why, origin if isinstance(origin, Position) else None)
