"""A lease plan asked by a packet: the lease, each value with its origin, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from ipaddress import IPv4Address
from typing import Protocol, TypeAlias

from coexist.boot.leases.handout import Handout, fitting, hand_out, refused
from coexist.boot.leases.lease import (
    NETMASK,
    Distinctions,
    Lease,
    LeaseSource,
    NoLease,
    OpenCondition,
)
from coexist.boot.leases.lease_times import TimesOf, one_time
from coexist.boot.leases.pairs import Share
from coexist.boot.leases.plan import (
    LeasePlan,
    Member,
    PoolPlan,
    Reservation,
    ScopePlan,
    Setting,
    SubnetPlan,
)
from coexist.boot.leases.plan_distinctions import distinctions_of
from coexist.boot.leases.subnet_guards import SubnetGuards
from coexist.boot.responder import Arrival
from coexist.inventory.documents import Path
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

OF_A_MACHINE: Path = ("clients",)
"""The origin of what is registered for one machine."""

AsProduct: TypeAlias = Callable[[Lease, Arrival], Lease]
"""What a product makes of what it is told, before it puts it into a packet."""


def as_told(lease: Lease, arrival: Arrival) -> Lease:  # noqa: ARG001 most products add nothing
    """Nothing but what is told."""
    return lease


class FreeAddresses(Protocol):
    """Which address of a pool is leased first."""

    def first(self, pool: int) -> IPv4Address:
        """Of a pool by its number."""


TableOrder: TypeAlias = Callable[[Iterable[tuple[int, IPv4Address, IPv4Address]]], FreeAddresses]
"""Of the ranges of all pools, in the order of the file: number of the pool, first and last address."""


class PlanLeases:
    """The leases of a compiled plan; all of its conditions are known."""

    def __init__(
        self,
        plan: LeasePlan,
        product: AsProduct = as_told,
        times: TimesOf = one_time,
        table_order: TableOrder | None = None,
    ) -> None:
        """``table_order``: of a product that goes from pool to pool in the order of its file, holds those for
        the same clients for one, and has an order of its own in it. Others go from subnet to subnet and
        from pool to pool."""
        self.plan = plan
        self.product = product
        self.times = times
        self.table_order = table_order
        self._free: dict[IPv4Address, IPv4Address | None] = {}
        self._near: dict[IPv4Address, tuple[SubnetPlan, ...]] = {}
        self._guards = SubnetGuards(plan=plan)

    @property
    def opens(self) -> tuple[OpenCondition, ...]:
        """An inventory leaves nothing open."""
        return ()

    def closed(self, decided: Mapping[OpenCondition, bool]) -> LeaseSource:
        """The same leases."""
        return self

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease in the first subnet of the client's wire that has an address for it."""
        packet = arrival.packet
        near = packet.giaddr if packet.giaddr != UNSPECIFIED else arrival.address
        subnets: Sequence[SubnetPlan] = self.near(near)
        if not subnets:
            return NoLease(why="it has no scope for this subnet")
        own = next((subnet for subnet in subnets if near in subnet.network), None)
        if self.plan.server.product.selects_subnet:
            let_in = self._guards.let_in(subnets, own, packet, near)
            if isinstance(let_in, NoLease | Lease):
                return let_in
            wire = self.plan.wire_of(subnets[0].scope or "")
            if near in wire.relays:
                # Its agent is of the whole wire: the first subnet that lets it in speaks to it.
                own = next(each for each in wire.subnets if each.scope is None or each in let_in)
            subnets = let_in
        if packet.message_type is MessageType.INFORM:
            # It has an address, and its own subnet's scope is the one that speaks to it.
            return self._informed(own, arrival)
        lease = self._leased(subnets, packet, self.plan.member(packet.mac))
        return lease if isinstance(lease, NoLease) else self.product(self._timed(lease, packet), arrival)

    def _informed(self, subnet: SubnetPlan | None, arrival: Arrival) -> Lease | NoLease:
        if subnet is None:
            return NoLease(why="no scope is for the subnet of the client's address")
        server = self.plan.server
        if server.product.informs_if_authoritative and not server.authoritative:
            return NoLease(why="it is not authoritative", origin=("servers", self.plan.name, "authoritative"))
        if subnet.scope is None:
            return Lease(yiaddr=UNSPECIFIED, netmask=subnet.network.netmask)
        own = self.plan.reserved(subnet, arrival.packet.mac) if server.product.informs_names else None
        return self._handed(str(subnet.scope), arrival, subnet.network.netmask, own)

    def near(self, address: IPv4Address) -> tuple[SubnetPlan, ...]:
        """The subnets with a scope on the wire of an address, in the order in which they are leased from."""
        found = self._near.get(address)
        if found is None:
            wires = (self.plan.vlans[number] for number in self._vlans_of(address))
            served = [subnet for vlan in wires for subnet in vlan.subnets if subnet.scope is not None]
            if self.plan.server.product.own_subnet_first:
                served.sort(key=lambda subnet: address not in subnet.network)
            found = self._near[address] = tuple(served)
        return found

    def _vlans_of(self, address: IPv4Address) -> list[int]:
        """The VLANs from which packets come by an address (a relay's, or the server's own), by their places.

        Each mask that a plan has is looked up once: a campus has hundreds of VLANs and a few masks.
        """
        relays, masks = self._places
        number = int(address)
        found = {*relays.get(address, ())}
        for mask, networks in masks.items():
            found.update(networks.get(number & mask, ()))
        return sorted(found)

    @cached_property
    def _places(self) -> tuple[dict[IPv4Address, list[int]], dict[int, dict[int, list[int]]]]:
        """The places of the VLANs by their relays, and by mask and network."""
        relays: dict[IPv4Address, list[int]] = {}
        masks: dict[int, dict[int, list[int]]] = {}
        for place, vlan in enumerate(self.plan.vlans):
            for relay in vlan.relays:
                relays.setdefault(relay, []).append(place)
            for subnet in vlan.subnets:
                networks = masks.setdefault(int(subnet.network.netmask), {})
                networks.setdefault(int(subnet.network.network_address), []).append(place)
        return relays, masks

    def _leased(self, subnets: Sequence[SubnetPlan], packet: Packet, member: Member) -> Lease | NoLease:
        """What the subnets of one wire lease to a packet: its own address in any of them, else a free one."""
        handed: dict[int, Handout] = {}
        if self.table_order is None:
            # A subnet that refuses the client is none to it, and the next one may serve it.
            handed = {id(subnet): self._given(subnet, packet, member) for subnet in subnets}
            closed = {key: each.ignored for key, each in handed.items() if each.ignored is not None}
            if not self.plan.server.product.leaves_own_address:
                open_to_some = (each for each in subnets if not self._refuses_all(each))
                owned = [each for each in open_to_some if self.plan.reserved(each, packet.mac) is not None]
                if owned and id(owned[0]) in closed:
                    return refused(closed[id(owned[0])])
            subnets = [subnet for subnet in subnets if id(subnet) not in closed]
            if not subnets:
                return refused(next(iter(closed.values())))
        reserved = ((subnet, self.plan.reserved(subnet, packet.mac)) for subnet in subnets)
        subnet, own = next(((s, found) for s, found in reserved if found is not None), (subnets[0], None))
        if own is not None:
            address = own.address
        else:
            free = self._free_address(subnets, packet, member)
            if free is None:
                path = self.plan.scopes[subnets[-1].scope or ""].path
                return NoLease(why="no pool of its scope is for this client", origin=(*path, "pools"))
            subnet, address = free
        scope = self.plan.scopes[subnet.scope or ""]
        given = handed.get(id(subnet)) or self._given(subnet, packet, member)
        if given.ignored is not None:
            return refused(given.ignored)
        lease = _lease_of(
            given,
            own,
            scope,
            yiaddr=address,
            netmask=subnet.network.netmask,
            reserved=own is not None,
        )
        return lease if scope.share is None else _of_pair(lease, scope.share, packet)

    def _refuses_all(self, subnet: SubnetPlan) -> bool:
        """Whether nobody is served in a subnet: then it is not written, and no address is of it."""
        settings = self.plan.scopes[subnet.scope or ""].settings
        return any(setting.ignore and setting.condition.always for setting in settings)

    def _given(self, subnet: SubnetPlan, packet: Packet, member: Member) -> Handout:
        return hand_out(fitting(self.plan.scopes[subnet.scope or ""].settings, packet, member))

    def _free_address(
        self, subnets: Sequence[SubnetPlan], packet: Packet, member: Member
    ) -> tuple[SubnetPlan, IPv4Address] | None:
        """A free address that the client is leased, and its subnet: the one that it asks for, if that is of a
        pool for it."""
        wanted = _wanted(packet)
        if wanted is not None:
            for subnet in subnets:
                pools = (pool for pool in subnet.pools if pool.first <= wanted <= pool.last)
                if any(pool.fits(packet, member) for pool in pools) and self.plan.owner(wanted) is None:
                    return subnet, wanted
        found = (
            (subnet, pool)
            for subnet in subnets
            for pool in subnet.pools
            if pool.fits(packet, member) and self._first(pool) is not None
        )
        first = next(found, None)
        if first is None:
            return None
        address = self._first(first[1])
        if self.table_order is not None and any(self._is_one_pool(first, each) for each in found):
            address = self._free_of_all.first(self._numbers[first[1].first])
        assert address is not None  # it has one, which is asked above
        return next(subnet for subnet in subnets if address in subnet.network), address

    @cached_property
    def _numbers(self) -> Mapping[IPv4Address, int]:
        """The numbers of all pools by their first addresses; pools that are one have one."""
        numbers: dict[IPv4Address, int] = {}
        for vlan in self.plan.vlans:
            pools = [(subnet, pool) for subnet in vlan.subnets for pool in subnet.pools]
            for each in pools:
                one = next((other for other in pools if self._is_one_pool(other, each)), each)
                numbers[each[1].first] = numbers.get(one[1].first, len(numbers))
        return numbers

    @cached_property
    def _free_of_all(self) -> FreeAddresses:
        """The free addresses of all pools."""
        assert self.table_order is not None  # who has none does not ask
        return self.table_order(
            (number, first, last)
            for vlan in self.plan.vlans
            for subnet in vlan.subnets
            for pool in subnet.pools
            for number in (self._numbers[pool.first],)
            for first, last in self.plan.free(pool)
        )

    def _is_one_pool(self, one: tuple[SubnetPlan, PoolPlan], other: tuple[SubnetPlan, PoolPlan]) -> bool:
        """Whether two pools of a wire are for the same clients of the same pair of servers."""
        if not one[1].condition.always or one[1].condition != other[1].condition:
            return False
        scopes = [self.plan.scopes[subnet.scope or ""] for subnet, _ in (one, other)]
        return one[1].clients == other[1].clients and scopes[0].share == scopes[1].share

    def _timed(self, lease: Lease, packet: Packet) -> Lease:
        """A lease with the time that the product grants the client."""
        limits = self.times(lease.lease_time, lease.min_lease_time, lease.max_lease_time)
        return replace(lease, lease_time=limits.granted_to(packet))

    def _first(self, pool: PoolPlan) -> IPv4Address | None:
        """The first address of a pool that is nobody's own."""
        if pool.first not in self._free:
            ranges = [(0, first, last) for first, last in self.plan.free(pool)]
            order = self.table_order
            first = ranges[0][1] if ranges else None
            self._free[pool.first] = order(ranges).first(0) if order is not None and ranges else first
        return self._free[pool.first]

    def fitting(self, name: str, packet: Packet, mac: int) -> tuple[Setting, ...]:
        """The settings of a scope that are about a machine with this packet: what it hands out follows from
        them and from what the product adds."""
        return fitting(self.plan.scopes[name].settings, packet, self.plan.member(mac))

    def handed(self, name: str, arrival: Arrival) -> Lease | NoLease:
        """What a scope hands to a packet, whichever address it leases."""
        return self._handed(name, arrival, NETMASK, None)

    def _handed(
        self, name: str, arrival: Arrival, netmask: IPv4Address, own: Reservation | None
    ) -> Lease | NoLease:
        scope = self.plan.scopes[name]
        given = hand_out(self.fitting(name, arrival.packet, arrival.packet.mac))
        if given.ignored is not None:
            return refused(given.ignored)
        return self.product(
            _lease_of(given, own, scope, yiaddr=UNSPECIFIED, netmask=netmask, reserved=False), arrival
        )

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """Its part of the clients of each scope that two servers share."""
        return tuple(scope.share for scope in self.plan.scopes.values() if scope.share is not None)

    @cached_property
    def distinctions(self) -> Distinctions:
        """The groups, tests and reservations of the plan."""
        return distinctions_of(self.plan)


def _wanted(packet: Packet) -> IPv4Address | None:
    """The address a client has (ciaddr) or asks for (option 50)."""
    if packet.ciaddr != UNSPECIFIED:
        return packet.ciaddr
    octets = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
    return IPv4Address(octets[:4]) if len(octets) >= 4 else None


def _of_pair(lease: Lease, share: Share, packet: Packet) -> Lease:
    """A lease of a scope that two servers share."""
    if lease.reserved and not share.reserved:
        return lease
    if share.longest is not None:
        lease = replace(
            lease,
            lease_time=min(lease.lease_time, share.longest),
            min_lease_time=_at_most(lease.min_lease_time, share.longest),
            max_lease_time=_at_most(lease.max_lease_time, share.longest),
        )
    return replace(lease, left_to=share.left_to(packet, reserved=lease.reserved), paired=True)


def _at_most(seconds: int | None, longest: int) -> int | None:
    return None if seconds is None else min(seconds, longest)


def _with_own(lease: Lease, own: Reservation, scope: ScopePlan) -> Lease:
    """A lease with what belongs to the machine itself, which has the last word."""
    code = int(Option.HOST_NAME)
    return replace(
        lease,
        options={**lease.options, code: own.host_name.encode()},
        forced=lease.forced | scope.forced & {code},
        name_of_all=lease.options.get(code),
        origins={**lease.origins, code: OF_A_MACHINE},
    )


def _lease_of(
    given: Handout,
    own: Reservation | None,
    scope: ScopePlan,
    *,
    yiaddr: IPv4Address,
    netmask: IPv4Address,
    reserved: bool,
) -> Lease:
    lease = Lease(
        yiaddr=yiaddr,
        netmask=netmask,
        siaddr=given.siaddr or UNSPECIFIED,
        file=given.file or b"",
        options=given.options,
        forced=frozenset(given.options) & scope.forced,
        order=scope.order,
        lease_time=scope.lease_time,
        min_lease_time=scope.min_lease_time,
        max_lease_time=scope.max_lease_time,
        reserved=reserved,
        min_secs=scope.min_secs,
        rule=given.rule,
        origins={"lease_time": scope.path, "min_secs": scope.path, **given.origins},
    )
    return lease if own is None or not own.host_name else _with_own(lease, own, scope)
