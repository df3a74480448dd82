"""What a Windows DHCP server leases by its export, each value with its line.

A value of an option comes from the reservation, else a policy of the scope, else a policy of the server, else
the scope, else the server; of several policies from the first in processing order ("Introduction to DHCP
Policies", Policy processing). For a server that has leased nothing yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from ipaddress import IPv4Address

from coexist.boot.leases.lease import Distinctions, FieldName, Lease, NoLease, OpenCondition, Origin
from coexist.boot.leases.pairs import Share
from coexist.boot.leases.windows.pairs import holds_a_reserve, is_alone, share_of
from coexist.boot.leases.windows.policies import Matching, client_id, mac_set
from coexist.boot.leases.windows.pools import Pools
from coexist.boot.leases.windows.reply import windows_lease
from coexist.boot.responder import Arrival
from coexist.errors import Position
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest
from coexist.languages.windows.export import Export, OptionValue, Policy, Relation, Reservation, Scope
from coexist.languages.windows.values import octets_of
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

_LEASE_TIME = 691200
"""Eight days, where nothing says another (Add-DhcpServerv4Scope, -LeaseDuration)."""
PING = 1.0
"""Seconds that a ping waits for an answer (assumed: ``DHCP_ASSUMPTIONS``)."""
_OWN = frozenset(
    {
        Option.PAD,
        Option.REQUESTED_IP_ADDRESS,
        Option.IP_ADDRESS_LEASE_TIME,
        Option.DHCP_MESSAGE_TYPE,
        Option.SERVER_IDENTIFIER,
        Option.PARAMETER_REQUEST_LIST,
    }
)
"""Options that the server answers by itself."""


@dataclass(frozen=True, kw_only=True)
class WindowsLeases:
    """``decided``: open conditions that are true or false; one that is not there counts as false."""

    export: Export
    decided: Mapping[OpenCondition, bool] = field(default_factory=dict)

    @cached_property
    def _matching(self) -> Matching:
        return Matching(self.export)

    @cached_property
    def _pools(self) -> dict[IPv4Address, Pools]:
        return {
            scope.network.network_address: Pools(scope, self._of_scope(scope)) for scope in self.export.scopes
        }

    # -- LeaseSource -----------------------------------------------------------------------------

    @cached_property
    def opens(self) -> tuple[OpenCondition, ...]:
        """What the export leaves to the server."""
        export = self.export
        found = [
            OpenCondition(origin=entry.at, what=f"an element that is not read, {entry.name}")
            for entry in export.unread
            if not entry.is_note
        ]
        if self._whole_server is not None:
            found.append(self._whole_server)
        for policy in self._policies():
            found += self._matching.opens(policy)
        if export.relations is None:
            what = (
                "a failover partner, of which only failover.xml beside the export could tell (own-files.md)"
            )
            found.append(OpenCondition(origin=export.at, what=what))
        for relation in export.relations or ():
            if is_alone(relation):
                what = f"the state of {relation.name}: it was {relation.state}, and this server answered all"
                found.append(OpenCondition(origin=relation.at, what=what))
            if holds_a_reserve(relation):
                until = "" if relation.switch is None else f", until {relation.switch} s have passed so"
                what = (
                    f"how much is left of its reserve in {relation.name}, {relation.reserve} % of the free"
                    f" addresses: without contact to its partner it leases new machines no others{until}"
                )
                found.append(OpenCondition(origin=relation.at, what=what))
        return tuple(dict.fromkeys(found))

    def closed(self, decided: Mapping[OpenCondition, bool]) -> WindowsLeases:
        """The same export with some of its open conditions decided."""
        return replace(self, decided={**self.decided, **decided})

    @cached_property
    def distinctions(self) -> Distinctions:
        """Policies tell by MAC, classes and relay agents; filters and reservations by MAC."""
        export, matching = self.export, self._matching
        clients: list[tuple[MacSet, Origin]] = []
        tests: dict[OptionTest, None] = {}
        for policy in self._policies():
            clients += matching.clients(policy)
            tests.update(dict.fromkeys(matching.tests(policy)))
        for patterns in (export.filters.denied, export.filters.allowed):
            clients += [(mac_set(patterns), patterns[0].at)] if patterns else []
        for value in self.values():
            tests.update(dict.fromkeys(self._tests_of(value)))
        reserved: set[int] = set()
        alike: dict[object, list[tuple[int, Origin]]] = defaultdict(list)
        for scope in export.scopes:
            for own in scope.reservations:
                if len(own.client_id) == 6:
                    mac = int.from_bytes(own.client_id, "big")
                    reserved.add(mac)
                    if own.options:
                        says = tuple((v.code, v.values, v.vendor, v.user) for v in own.options)
                        alike[says].append((mac, own.at))
                else:
                    text = f"hex:{own.client_id.hex(':')}"
                    tests[OptionTest(option=Option.CLIENT_IDENTIFIER, equals=text)] = None
        clients += [(MacSet.of(mac for mac, _ in found), found[0][1]) for found in alike.values()]
        return Distinctions(clients=tuple(clients), tests=tuple(tests), reserved=MacSet.of(reserved))

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """Its parts in failover relations."""
        return tuple(map(share_of, self.export.relations or ()))

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease for a DISCOVER or REQUEST; for a DHCPINFORM the options alone, with yiaddr 0.0.0.0."""
        packet = arrival.packet
        refused = self._filtered(packet)
        if refused is not None:
            return refused
        near = packet.giaddr if packet.giaddr != UNSPECIFIED else arrival.address
        wire = self._near(near)
        if packet.message_type is MessageType.INFORM:
            wire = wire[:1]
        reason = NoLease(why="no scope of its export is for this subnet")
        for scope in wire:
            found = self._lease(scope, packet)
            if isinstance(found, Lease):
                return windows_lease(found, arrival)
            reason = found
        return reason

    # -- who is answered -------------------------------------------------------------------------

    def _filtered(self, packet: Packet) -> NoLease | None:
        """The deny list comes before the allow list (Microsoft, "MAC address based filtering")."""
        filters = self.export.filters
        if filters.denies:
            for pattern in filters.denied:
                if pattern.first <= packet.mac <= pattern.last:
                    return NoLease(why="it is on the deny list", origin=pattern.at)
        if filters.allows and not any(p.first <= packet.mac <= p.last for p in filters.allowed):
            at = filters.allowed[0].at if filters.allowed else self.export.at
            return NoLease(why="it is not on the allow list", origin=at)
        return None

    def _near(self, address: IPv4Address) -> list[Scope]:
        """The scope of an address, and then those of its superscope."""
        scopes = self.export.scopes
        first = next((scope for scope in scopes if address in scope.network), None)
        if first is None:
            return []
        others = [
            scope
            for scope in scopes
            if scope is not first and first.superscope and scope.superscope == first.superscope
        ]
        return [first, *others]

    def _lease(self, scope: Scope, packet: Packet) -> Lease | NoLease:
        if not scope.active:
            return NoLease(why="the scope is switched off", origin=scope.at)
        if scope.kind.lower() == "bootp":
            return NoLease(why="the scope is for BOOTP clients", origin=scope.at)
        policies = self._met(scope, packet)
        own = self._reserved(scope, packet)
        informed = packet.message_type is MessageType.INFORM
        pools = self._pools[scope.network.network_address]
        address = (UNSPECIFIED, scope.at) if informed else pools.address(own, policies)
        if isinstance(address, NoLease):
            return address
        lease = self._told(scope, packet, policies, own)
        yiaddr, at = address
        found = replace(
            lease,
            yiaddr=yiaddr,
            netmask=scope.network.netmask,
            reserved=own is not None,
            origins={**lease.origins, "yiaddr": at},
        )
        relation = self._relations.get(scope.network.network_address)
        return found if relation is None or informed else _of_pair(found, share_of(relation), packet)

    def _reserved(self, scope: Scope, packet: Packet) -> Reservation | None:
        found = self._own[scope.network.network_address].get(client_id(packet))
        return found if found is None or found.kind.lower() != "bootp" else None

    @cached_property
    def _own(self) -> dict[IPv4Address, dict[bytes, Reservation]]:
        return {
            scope.network.network_address: {own.client_id: own for own in scope.reservations}
            for scope in self.export.scopes
        }

    @cached_property
    def _relations(self) -> dict[IPv4Address, Relation]:
        return {scope: relation for relation in self.export.relations or () for scope in relation.scopes}

    # -- policies --------------------------------------------------------------------------------

    @cached_property
    def _whole_server(self) -> OpenCondition | None:
        """DhcpServerSetting says that its switch is for the entire server, MS-DHCPM (3.2.4.108) that the
        server's and each subnet's are set apart."""
        off = self.export.policies_off
        if off is None or not any(
            scope.policies and scope.policies_off is None for scope in self.export.scopes
        ):
            return None
        return OpenCondition(origin=off, what="whether this switches off the policies of scopes too")

    def _of_scope(self, scope: Scope) -> tuple[Policy, ...]:
        """The policies of a scope that are in force."""
        whole = self._whole_server is not None and self.decided.get(self._whole_server, False)
        if scope.policies_off is not None or whole:
            return ()
        return tuple(policy for policy in scope.policies if policy.enabled)

    def _of_server(self) -> tuple[Policy, ...]:
        if self.export.policies_off is not None:
            return ()
        return tuple(policy for policy in self.export.policies if policy.enabled)

    def _policies(self) -> Iterator[Policy]:
        """Every policy that may be in force."""
        yield from self._of_server()
        for scope in self.export.scopes:
            yield from self._of_scope(scope)

    def _met(self, scope: Scope, packet: Packet) -> list[Policy]:
        """The policies a packet meets, in the order in which they are processed."""
        return [
            policy
            for policy in (*self._of_scope(scope), *self._of_server())
            if self._matching.meets(policy, packet, lambda condition: self.decided.get(condition, False))
        ]

    # -- what is told ----------------------------------------------------------------------------

    def _told(
        self, scope: Scope, packet: Packet, policies: Sequence[Policy], own: Reservation | None
    ) -> Lease:
        """Options, lease time and waiting time, with yiaddr 0.0.0.0."""
        levels = [own.options] if own is not None else []
        levels += [policy.options for policy in policies]
        levels += [scope.options, self.export.options]
        options: dict[int, bytes] = {}
        origins: dict[int | FieldName, Origin] = {}
        encapsulated: dict[int, bytes] = {}
        for level in levels:
            for value in sorted(level, key=lambda v: not (v.vendor or v.user)):
                if value.code in _OWN or not self._is_for(value, packet):
                    continue
                octets = self._octets[value.at]
                if value.vendor:
                    encapsulated.setdefault(value.code, octets)
                    origins.setdefault(Option.VENDOR_SPECIFIC_INFORMATION, value.at)
                elif value.code not in options:
                    options[value.code] = octets
                    origins[value.code] = value.at
        if encapsulated:
            inner = b"".join(bytes((c, len(v))) + v for c, v in sorted(encapsulated.items()))
            options[Option.VENDOR_SPECIFIC_INFORMATION] = inner
        seconds, at = self._lease_time(scope, packet, policies, own)
        named = next((p.name for p in policies for v in p.options if v.code == Option.BOOTFILE_NAME), "")
        waits = 0.0
        if scope.delay is not None:
            waits += scope.delay[0]
        if self.export.attempts is not None:
            waits += self.export.attempts[0] * PING
        return Lease(
            yiaddr=UNSPECIFIED,
            options=options,
            lease_time=seconds,
            waits=waits,
            rule=named,
            origins={**origins, "lease_time": at},
        )

    def _lease_time(
        self, scope: Scope, packet: Packet, policies: Sequence[Policy], own: Reservation | None
    ) -> tuple[int, Origin]:
        """By LeaseDuration or option 51 of the same levels."""
        levels: list[tuple[tuple[OptionValue, ...], tuple[int, Position] | None]] = []
        levels += [(own.options, None)] if own is not None else []
        levels += [(policy.options, policy.lease_time) for policy in policies]
        levels += [(scope.options, scope.lease_time), (self.export.options, None)]
        for options, duration in levels:
            if duration is not None:
                return duration
            for value in options:
                if value.code == Option.IP_ADDRESS_LEASE_TIME and self._is_for(value, packet):
                    return int.from_bytes(self._octets[value.at], "big"), value.at
        return _LEASE_TIME, scope.at

    def _is_for(self, value: OptionValue, packet: Packet) -> bool:
        """Whether a packet says the classes of a value."""
        sent = packet.options
        classes = self.export.classes
        wanted = (
            ("Vendor", value.vendor, Option.VENDOR_CLASS_IDENTIFIER),
            ("User", value.user, Option.USER_CLASS),
        )
        return all(
            not name or ((kind, name) in classes and sent.get(code) == classes[kind, name].data)
            for kind, name, code in wanted
        )

    def _tests_of(self, value: OptionValue) -> Iterator[OptionTest]:
        for kind, name, code in (("Vendor", value.vendor, 60), ("User", value.user, 77)):
            known = self.export.classes.get((kind, name)) if name else None
            if known is not None and known.data:
                yield OptionTest(option=code, equals=f"hex:{known.data.hex(':')}")

    @cached_property
    def _octets(self) -> dict[Position, bytes]:
        return {value.at: octets_of(value, self.export.definitions) for value in self.values()}

    def values(self) -> Iterator[OptionValue]:
        """Every value of an option."""
        export = self.export
        yield from export.options
        for policy in export.policies:
            yield from policy.options
        for scope in export.scopes:
            yield from scope.options
            for policy in scope.policies:
                yield from policy.options
            for own in scope.reservations:
                yield from own.options


def _of_pair(lease: Lease, share: Share, packet: Packet) -> Lease:
    time = lease.lease_time if share.longest is None else min(lease.lease_time, share.longest)
    left_to = share.left_to(packet, reserved=lease.reserved)
    return replace(lease, lease_time=time, left_to=left_to, paired=True)
