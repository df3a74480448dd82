"""Which subnets of a wire let a client in, in a product that selects a subnet before it leases (Kea)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.leases.handout import fitting, refused
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.leases.plan import LeasePlan, Member, Setting, SubnetPlan
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import MAC_SPACE
from coexist.wire.options import MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetGuards:
    """The refusals of a plan as guards of its subnets."""

    plan: LeasePlan

    def let_in(
        self, subnets: Sequence[SubnetPlan], own: SubnetPlan | None, packet: Packet, near: IPv4Address
    ) -> Sequence[SubnetPlan] | Lease | NoLease:
        """The subnets of one wire that a client may be in, where each is guarded by itself; else what it is
        told. ``own``: the one of the agent's address, or the server's.

        Kea 2.2.0: ``acceptDirectRequest`` drops a broadcast for which no subnet is found, before it looks up
        who is in a list, and without a relay agent only the subnet of the server's own address is looked at
        (``CfgSubnets4::selectSubnet``). With one, any that names it is. Who is in none gets a DHCPNAK, and an
        empty answer to a DHCPINFORM (packets).
        """
        if own is not None and packet.giaddr == UNSPECIFIED:
            guards = self._guards((own,), packet, self._unlisted(packet.mac))
            if guards:
                return refused(guards[id(own)])
        member = self.plan.member(packet.mac)
        if dropped := self._dropped(subnets, packet, member):
            return refused(dropped)
        closed = self._guards(subnets, packet, member)
        if not closed:
            return subnets
        wire = self.plan.wire_of(subnets[0].scope or "")
        stops = id(own) in closed and near not in wire.relays
        let_in = [subnet for subnet in subnets if id(subnet) not in closed and not stops]
        if let_in:
            return let_in
        if packet.message_type is MessageType.INFORM:
            # A subnet that no scope serves refuses nobody.
            empty = (each.network for each in wire.subnets if each.scope is None and near in wire.relays)
            mask = next((network.netmask for network in empty), None)
            return Lease(yiaddr=UNSPECIFIED) if mask is None else Lease(yiaddr=UNSPECIFIED, netmask=mask)
        nak = b"DHCPNAK" if packet.message_type is MessageType.REQUEST else b""
        return replace(refused(next(iter(closed.values()))), nak=nak)

    def _ignoring(self, subnet: SubnetPlan, packet: Packet, member: Member) -> Iterator[Setting]:
        """The settings that refuse a packet; behind one that refuses everyone no other one is written."""
        for setting in fitting(self.plan.scopes[subnet.scope or ""].settings, packet, member):
            if setting.ignore:
                yield setting
                if setting.condition.always:
                    return

    def _dropped(self, subnets: Iterable[SubnetPlan], packet: Packet, member: Member) -> Setting | None:
        """What makes the server drop a packet."""
        found = ((s.scope or "", each) for s in subnets for each in self._ignoring(s, packet, member))
        return next((setting for name, setting in found if not self.plan.is_guard(name, setting)), None)

    def _guards(self, subnets: Iterable[SubnetPlan], packet: Packet, member: Member) -> dict[int, Setting]:
        """The subnets that refuse a packet by a guard, by identity."""
        return {
            id(subnet): setting
            for subnet in subnets
            for setting in self._ignoring(subnet, packet, member)
            if self.plan.is_guard(subnet.scope or "", setting)
        }

    def _unlisted(self, mac: int) -> Member:
        """Tells in which groups a machine is before lists are looked up: who stands on one is as those are
        who stand on none, nearly all addresses."""
        groups = self.plan.groups
        if not any(mac in each.points for each in groups.values()):
            return self.plan.member(mac)
        return lambda group: groups[group].size > MAC_SPACE // 2
