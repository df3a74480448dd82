"""A Kea configuration file as a `LeaseSource` (``dhcp4_srv.cc``, ``alloc_engine.cc``, ``cfg_subnets4.cc``).

For a server that has leased nothing yet. An address of a pool stands for its pool: which of them a client is
offered depends on those that asked before. Of the subnets of a shared network that are for the same classes
Kea goes on with the one it leased from last, whoever asks (``SharedNetwork4::getPreferredSubnet``; packets of
2.2.0): the first of them in the file stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from ipaddress import IPv4Address

from coexist.boot.leases.kea_client import Classes, Client
from coexist.boot.leases.kea_config import HostDef, KeaConfig, PoolDef, SubnetDef
from coexist.boot.leases.kea_distinctions import distinctions_of
from coexist.boot.leases.kea_files import told_to_boot
from coexist.boot.leases.kea_reply import Replies
from coexist.boot.leases.kea_tests import Tests
from coexist.boot.leases.lease import Distinctions, Lease, NoLease, OpenCondition
from coexist.boot.leases.pairs import Share
from coexist.boot.responder import Arrival
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option, decode_options

_LINK_SELECTION, _CIRCUIT_ID = 5, 1
_SUBNET_SELECTION = 118
_DUID_TYPE = 255


@dataclass(frozen=True, kw_only=True)
class KeaLeases:
    """``version``: of the server, (2, 2) to (3, 0). ``interface``: the network card packets arrive on.
    ``decided``: the networks that are leased from at their other end (`opens`)."""

    config: KeaConfig
    version: tuple[int, int] = (2, 2)
    interface: str = "eth0"
    decided: Mapping[OpenCondition, bool] = field(default_factory=dict)

    @cached_property
    def _classes(self) -> Classes:
        tests = Tests(self.config.types, self.interface)
        return Classes(config=self.config, tests=tests, version=self.version)

    @cached_property
    def _replies(self) -> Replies:
        return Replies(config=self.config, tests=self._classes.tests, classes=self._classes)

    # -- LeaseSource -----------------------------------------------------------------------------

    @cached_property
    def opens(self) -> tuple[OpenCondition, ...]:
        """Host databases and hooks; and of a network whose subnets tell a booting machine different things,
        from which of them it leases."""
        found = [OpenCondition(origin=at, what=what) for at, what in self.config.open_places]
        return (*found, *self._open_networks.values())

    @cached_property
    def _open_networks(self) -> Mapping[str, OpenCondition]:
        """By the networks' names."""
        found: dict[str, OpenCondition] = {}
        for subnet in self.config.subnets:
            network = subnet.shared
            if network is None or network.name in found:
                continue
            same = [s for s in self.config.siblings(subnet) if set(s.classes) == set(subnet.classes)]
            if len({told_to_boot(s) for s in same if s.pools}) > 1:
                what = (
                    f"in which subnet of {network.name} a client has a lease, or the server gave its last one"
                )
                found[network.name] = OpenCondition(origin=network.level.at, what=what)
        return found

    def closed(self, decided: Mapping[OpenCondition, bool]) -> KeaLeases:
        """The source that leases from a network's last subnet where that is decided. What a database or a
        hook would say is in no file."""
        return replace(self, decided=decided)

    @cached_property
    def distinctions(self) -> Distinctions:
        """Reservations tell by MAC, the tests of classes by options and by parts of the MAC."""
        return distinctions_of(self.config)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Its part in the pair of its hook for high availability."""
        return () if self.config.pair is None else (self.config.pair.share,)

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease for a DISCOVER or REQUEST; for a DHCPINFORM the options alone, with yiaddr 0.0.0.0."""
        client = Client(arrival=arrival)
        self._classes.classify(client)
        if client.is_in("DROP"):
            return self._dropped("DROP")
        subnet = self._select(client)
        self._reserve(client, subnet)
        if client.is_in("DROP"):
            return self._dropped("DROP")
        if arrival.packet.message_type is MessageType.INFORM:
            if subnet is not None:
                return self._replies.informed(client, subnet, self._host_in(client, subnet))
            if client.packet.giaddr == UNSPECIFIED:
                # acceptDirectRequest lets no broadcast in that no subnet is for.
                return NoLease(why="no subnet is for this packet")
            return self._replies.without_subnet(client)
        is_request = arrival.packet.message_type is MessageType.REQUEST
        nak = b"DHCPNAK" if is_request else b""
        if subnet is None:
            return NoLease(why="no subnet is for this packet", nak=nak)
        if is_request and self._is_rebooting(client.packet):
            if subnet.value("authoritative", bool) is not True:
                return NoLease(why="it knows of no lease of this client")
            return NoLease(why="it knows of no lease of this client", nak=nak)
        found = self._address(client, subnet)
        if isinstance(found, NoLease):
            return found
        subnet, address, pool, host = found
        return self._replies.lease(client, subnet, address, pool, host)

    def _dropped(self, name: str) -> NoLease:
        part = self.config.classes.get(name)
        return NoLease(why="the class DROP", origin=part.level.at if part is not None else None)

    @staticmethod
    def _is_rebooting(packet: Packet) -> bool:
        """A REQUEST with an address and without a server (INIT-REBOOT)."""
        options = packet.options
        return Option.REQUESTED_IP_ADDRESS in options and Option.SERVER_IDENTIFIER not in options

    def _reserve(self, client: Client, subnet: SubnetDef | None) -> None:
        """The reservations of the client, their classes, and the classes that ask for KNOWN."""
        if subnet is not None:
            self._find_hosts(client, subnet)
        everywhere = client.everywhere
        current = self._host_in(client, subnet)
        early = everywhere is not None and bool(everywhere.classes)
        if early or (
            subnet is not None and subnet.shared is None and current is not None and current.classes
        ):
            for part in self.config.classes.values():
                if part.is_evaluated:
                    client.classes.pop(part.name, None)
            client.classes.update(dict.fromkeys(current.classes if current is not None else ()))
            self._classes.evaluate(client, knowing=False)
        client.classes["KNOWN" if client.hosts or everywhere is not None else "UNKNOWN"] = None
        self._classes.evaluate(client, knowing=True)

    # -- reservations ----------------------------------------------------------------------------

    @cached_property
    def _by_identifier(self) -> Mapping[tuple[int | None, str, bytes], HostDef]:
        """The reservations by subnet (None: global), kind and identifier; the first of two counts."""
        found: dict[tuple[int | None, str, bytes], HostDef] = {}
        places: list[tuple[int | None, tuple[HostDef, ...]]] = [(None, self.config.hosts)]
        places += [(subnet.number, subnet.hosts) for subnet in self.config.subnets]
        for place, hosts in places:
            for host in hosts:
                for kind, octets in host.identifiers.items():
                    found.setdefault((place, kind, octets), host)
        return found

    @staticmethod
    def _is_outside_alone(subnet: SubnetDef) -> bool:
        """Whether the subnet's reservations are said to lie in none of its pools."""
        outside = subnet.value("reservations-out-of-pool", bool)
        keys = ("reservations-global", "reservations-in-subnet")
        if outside is None and all(subnet.value(key, bool) is None for key in keys):
            return bool(subnet.value("reservation-mode") == "out-of-pool")
        return bool(outside)

    @cached_property
    def _looking(self) -> tuple[tuple[bool, bool], ...]:
        """What `_looks` says of each subnet, by its number."""
        return tuple(map(self._looks, self.config.subnets))

    @staticmethod
    def _looks(subnet: SubnetDef) -> tuple[bool, bool]:
        """Whether a subnet looks for global reservations, and for its own."""
        mode = subnet.value("reservation-mode")
        everywhere = subnet.value("reservations-global", bool)
        own = subnet.value("reservations-in-subnet", bool)
        if everywhere is None and own is None and mode is not None:
            return mode == "global", mode in ("all", "out-of-pool")
        return bool(everywhere), own is not False

    def _find_hosts(self, client: Client, subnet: SubnetDef) -> None:
        everywhere, own = self._looking[subnet.number]
        if not (everywhere or own):
            # Of the other subnets of its network none is asked either (``Dhcpv4Exchange``).
            return
        client.identifiers = tuple(self._identifiers(client.packet))
        identifiers = list(client.identifiers)
        if everywhere:
            client.everywhere = self._host(None, identifiers)
        siblings = self.config.siblings(subnet)
        # One query for a whole network with more subnets than identifiers, of which the last one counts.
        is_one_query = len(siblings) > len(identifiers)
        ordered = identifiers[::-1] if is_one_query and subnet.shared is not None else identifiers
        for sibling in siblings:
            if self._looking[sibling.number][1] and client.supported(sibling.classes):
                host = self._host(sibling.number, ordered)
                if host is not None:
                    client.hosts[sibling.number] = host

    def _own_address(self, client: Client, subnet: SubnetDef) -> IPv4Address | None:
        """HasAddressReservation of one subnet: the global address, or its own one.

        The global one counts in every subnet that looks for it, whatever it is of (2.2.0, packets).

        Where the client has both, the global one is found and the subnet's own one given (``currentHost``):
        0.0.0.0 where that has no address, which is offered to nobody.
        """
        everywhere = client.everywhere.address if client.everywhere is not None else None
        if everywhere is not None and self._looking[subnet.number][0]:
            current = self._host_in(client, subnet)
            return UNSPECIFIED if current is None or current.address is None else current.address
        host = client.hosts.get(subnet.number)
        address = None if host is None else host.address
        return address if address is not None and self._is_kept(subnet, address) else None

    def _is_kept(self, subnet: SubnetDef, address: IPv4Address) -> bool:
        """Whether the subnet heeds a reservation of an address: with ``reservations-out-of-pool`` of none in
        its pools."""
        own, outside = self._heeding[subnet.number]
        return own and not (outside and any(p.holds(address) for p in subnet.pools))

    @cached_property
    def _heeding(self) -> tuple[tuple[bool, bool], ...]:
        """Whether a subnet looks for its own reservations, and whether only for those outside its pools, by
        its number."""
        return tuple(
            (self._looking[subnet.number][1], self._is_outside_alone(subnet))
            for subnet in self.config.subnets
        )

    @cached_property
    def _reserved(self) -> tuple[Mapping[IPv4Address, list[HostDef]], ...]:
        """The reservations of each subnet that it heeds, by address."""
        result = []
        for subnet in self.config.subnets:
            found: dict[IPv4Address, list[HostDef]] = {}
            for host in subnet.hosts:
                if host.address is not None and self._is_kept(subnet, host.address):
                    found.setdefault(host.address, []).append(host)
            result.append(found)
        return tuple(result)

    def _is_of_another(self, client: Client, subnet: SubnetDef, address: IPv4Address) -> bool:
        """Whether an address of a subnet is reserved, and by nothing that the client is known by
        (``addressReserved``)."""
        hosts = self._reserved[subnet.number].get(address)
        if hosts is None:
            return False
        known = client.identifiers
        return not any(host.identifiers.get(kind) == octets for host in hosts for kind, octets in known)

    def _host(self, place: int | None, identifiers: list[tuple[str, bytes]]) -> HostDef | None:
        found = (self._by_identifier.get((place, kind, octets)) for kind, octets in identifiers)
        return next((host for host in found if host is not None), None)

    def _identifiers(self, packet: Packet) -> Iterator[tuple[str, bytes]]:
        """SetHostIdentifiers."""
        client_id = packet.options.get(Option.CLIENT_IDENTIFIER, b"")
        for kind in self.config.identifiers:
            if kind == "hw-address":
                yield kind, packet.chaddr[: packet.hlen]
            elif kind == "client-id" and client_id:
                yield kind, client_id
            elif kind == "duid" and len(client_id) > 5 and client_id[0] == _DUID_TYPE:
                yield kind, client_id[5:]
            elif kind == "circuit-id" and (circuit := _agent_part(packet, _CIRCUIT_ID)):
                yield kind, circuit

    def _host_in(self, client: Client, subnet: SubnetDef | None) -> HostDef | None:
        """currentHost: the subnet's own, or else the global one where the subnet looks for such."""
        if subnet is None:
            return None
        own = client.hosts.get(subnet.number)
        return client.everywhere if own is None and self._looking[subnet.number][0] else own

    # -- subnets ---------------------------------------------------------------------------------

    def _select(self, client: Client) -> SubnetDef | None:
        """CfgSubnets4::selectSubnet: by what a relay selects, by the relay, by the address that is renewed,
        or by the network card."""
        packet = client.packet
        link = _agent_part(packet, _LINK_SELECTION) or packet.options.get(_SUBNET_SELECTION, b"")
        if len(link) == 4:
            return self._subnet_of(client, IPv4Address(link))
        if packet.giaddr != UNSPECIFIED:
            for subnet in self._open_to(client):
                relays = subnet.relays or (subnet.shared.relays if subnet.shared is not None else frozenset())
                if packet.giaddr in relays:
                    return subnet
            return self._subnet_of(client, packet.giaddr)
        if packet.ciaddr != UNSPECIFIED and packet.message_type is MessageType.REQUEST:
            return self._subnet_of(client, packet.ciaddr)
        card = self._card(client.arrival.address)
        for subnet in self._open_to(client):
            if card and _card_of(subnet) == card:
                return subnet
        return self._subnet_of(client, client.arrival.address)

    def _card(self, address: IPv4Address) -> str:
        """The network card that has an address: a file names it where it names one for that subnet."""
        named = (_card_of(subnet) for subnet in self.config.subnets if address in subnet.network)
        return next(filter(None, named), self.interface)

    @cached_property
    def _by_id(self) -> tuple[SubnetDef, ...]:
        """All subnets as Kea goes through them: by their ids, whatever their order in the file."""
        return tuple(sorted(self.config.subnets, key=lambda subnet: subnet.id))

    def _open_to(self, client: Client) -> Iterator[SubnetDef]:
        for subnet in self._by_id:
            shared = subnet.shared.classes if subnet.shared is not None else ()
            if client.supported(subnet.classes) and client.supported(shared):
                yield subnet

    def _subnet_of(self, client: Client, address: IPv4Address) -> SubnetDef | None:
        return next((subnet for subnet in self._open_to(client) if address in subnet.network), None)

    def _preferred(self, client: Client, siblings: list[SubnetDef]) -> list[SubnetDef]:
        """The subnets of a network in the order in which a pool is looked for: from the one that is leased
        from (``getPreferredSubnet``) round to the one before it."""
        first = siblings[0] if siblings else None
        if first is None or first.shared is None:
            return siblings
        classes = set(first.classes)
        same = {s.number for s in siblings if set(s.classes) == classes}
        entered = min((s for s in siblings if s.number in same), key=lambda subnet: subnet.id)
        pools = [s for s in self.config.siblings(entered) if s.number in same and s.pools]
        # Most clients are in no class that a pool is for.
        to_all = [s for s in pools if any(not pool.classes for pool in s.pools)]
        chosen = next(iter((*to_all, *pools, first)))
        condition = self._open_networks.get(first.shared.name)
        if condition is not None and self.decided.get(condition):
            chosen = next(s for s in reversed(pools) if told_to_boot(s) != told_to_boot(chosen))
        return [s for s in self.config.siblings(chosen) if client.supported(s.classes)]

    # -- addresses -------------------------------------------------------------------------------

    def _address(
        self, client: Client, subnet: SubnetDef
    ) -> tuple[SubnetDef, IPv4Address, PoolDef | None, HostDef | None] | NoLease:
        """A reserved address, or one of a pool: of the subnet, then of those beside it in its network."""
        siblings = [s for s in self.config.siblings(subnet) if client.supported(s.classes)]
        wanted = client.packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
        hint = IPv4Address(wanted[:4]) if len(wanted) >= 4 else client.packet.ciaddr
        is_request = client.packet.message_type is MessageType.REQUEST
        if is_request and self._is_of_another(client, subnet, hint):
            return NoLease(why="the address is reserved for another machine", nak=b"DHCPNAK")
        own = ((sibling, self._own_address(client, sibling)) for sibling in siblings)
        sibling, address = next((found for found in own if found[1] is not None), (subnet, None))
        if address is not None:
            if address == UNSPECIFIED:
                why = "its reservation here has no address, and a global one has"
                return NoLease(why=why, origin=sibling.level.at)
            if is_request and hint not in (UNSPECIFIED, address):
                return NoLease(why="another address is reserved for it", nak=b"DHCPNAK")
            pool = next((pool for pool in sibling.pools if pool.holds(address)), None)
            return sibling, address, pool, self._host_in(client, sibling)
        if hint != UNSPECIFIED:
            for sibling, pool in _open_pools(client, siblings):
                if pool.holds(hint) and not self._is_of_another(client, sibling, hint):
                    return sibling, hint, pool, self._host_in(client, sibling)
            if is_request:
                known = any(pool.holds(hint) for s in self.config.siblings(subnet) for pool in s.pools)
                why = "the address is not for this client" if known else "it knows nothing of the address"
                return NoLease(why=why, nak=b"DHCPNAK" if known else b"")
        for sibling, pool in _open_pools(client, self._preferred(client, siblings)):
            for number in range(int(pool.first), int(pool.last) + 1):
                if not self._is_of_another(client, sibling, IPv4Address(number)):
                    return sibling, IPv4Address(number), pool, self._host_in(client, sibling)
        why = "no pool of its subnet is for this client"
        return NoLease(why=why, origin=subnet.level.at, nak=b"DHCPNAK" if is_request else b"")


def _open_pools(client: Client, subnets: Iterable[SubnetDef]) -> Iterator[tuple[SubnetDef, PoolDef]]:
    return ((s, pool) for s in subnets for pool in s.pools if client.supported(pool.classes))


def _card_of(subnet: SubnetDef) -> str:
    return subnet.interface or (subnet.shared.interface if subnet.shared is not None else "")


def _agent_part(packet: Packet, code: int) -> bytes:
    value = packet.options.get(Option.RELAY_AGENT_INFORMATION)
    inner = decode_options(value) if value else None
    return inner[0].get(code, b"") if isinstance(inner, tuple) else b""
