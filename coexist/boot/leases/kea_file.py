"""A Kea configuration file as a `LeaseSource` (``dhcp4_srv.cc``, ``alloc_engine.cc``, ``cfg_subnets4.cc``).

For a server that has leased nothing yet. An address of a pool stands for its pool: which of them a client is
offered depends on those that asked before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from ipaddress import IPv4Address

from coexist.boot.leases.kea_config import ClassDef, HostDef, KeaConfig, PoolDef, SubnetDef
from coexist.boot.leases.kea_distinctions import distinctions_of
from coexist.boot.leases.kea_levels import Level
from coexist.boot.leases.kea_names import FQDN, NameRules, fqdn_of, hostname_of
from coexist.boot.leases.kea_tests import Tests
from coexist.boot.leases.lease import Distinctions, FieldName, Lease, NoLease, OpenCondition, Origin
from coexist.boot.leases.pairs import Share
from coexist.boot.responder import Arrival
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option, decode_options

_LINK_SELECTION, _CIRCUIT_ID = 5, 1
_SUBNET_SELECTION = 118
_VENDOR_CLASS, _ENTERPRISE = 124, 125
_FOREVER = 0xFFFFFFFF
_LIFETIME = 7200
"""Seconds, where nothing says another (``SimpleParser4::GLOBAL4_DEFAULTS``)."""
_BASIC = (Option.ROUTER, Option.DOMAIN_NAME_SERVER, Option.DOMAIN_NAME, Option.SERVER_IDENTIFIER)
_DUID_TYPE = 255


@dataclass(slots=True, kw_only=True)
class _Client:
    """What is known of a packet while it is answered. ``classes``: in the order it was put into them."""

    arrival: Arrival
    classes: dict[str, None] = field(default_factory=dict)
    hosts: dict[int, HostDef] = field(default_factory=dict)
    everywhere: HostDef | None = None

    @property
    def packet(self) -> Packet:
        return self.arrival.packet

    def is_in(self, name: str) -> bool:
        return name in self.classes

    def supported(self, guards: tuple[str, ...]) -> bool:
        """Whether a level with these guards is for the client."""
        return not guards or any(name in self.classes for name in guards)


@dataclass(frozen=True, kw_only=True)
class KeaLeases:
    """``version``: of the server, (2, 2) to (3, 0). ``interface``: the network card packets arrive on."""

    config: KeaConfig
    version: tuple[int, int] = (2, 2)
    interface: str = "eth0"
    decided: Mapping[OpenCondition, bool] = field(default_factory=dict)

    @cached_property
    def _tests(self) -> Tests:
        return Tests(self.config.types, self.interface)

    # -- LeaseSource -----------------------------------------------------------------------------

    @cached_property
    def opens(self) -> tuple[OpenCondition, ...]:
        """Host databases and hooks."""
        return tuple(OpenCondition(origin=at, what=what) for at, what in self.config.open_places)

    def closed(self, decided: Mapping[OpenCondition, bool]) -> KeaLeases:
        """What a database or a hook would say is in no file: it is the same source."""
        return self

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
        client = _Client(arrival=arrival)
        self._classify(client)
        if client.is_in("DROP"):
            return self._dropped("DROP")
        subnet = self._select(client)
        self._reserve(client, subnet)
        if client.is_in("DROP"):
            return self._dropped("DROP")
        if arrival.packet.message_type is MessageType.INFORM:
            return self._informed(client, subnet)
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
        return self._lease(client, subnet, address, pool, host)

    def _dropped(self, name: str) -> NoLease:
        part = self.config.classes.get(name)
        return NoLease(why="the class DROP", origin=part.level.at if part is not None else None)

    @staticmethod
    def _is_rebooting(packet: Packet) -> bool:
        """A REQUEST with an address and without a server (INIT-REBOOT)."""
        options = packet.options
        return Option.REQUESTED_IP_ADDRESS in options and Option.SERVER_IDENTIFIER not in options

    # -- classes ---------------------------------------------------------------------------------

    def _classify(self, client: _Client) -> None:
        """classifyPacket: built-in classes, then those whose test does not ask who is known."""
        client.classes["ALL"] = None
        if self.config.pair is not None:
            client.classes[self.config.pair.class_of(client.packet)] = None
        vendor = client.packet.options.get(Option.VENDOR_CLASS_IDENTIFIER)
        if vendor is not None:
            client.classes["VENDOR_CLASS_" + vendor.rstrip(b"\0").decode("utf-8", "surrogateescape")] = None
        self._evaluate(client, knowing=False)

    def _evaluate(self, client: _Client, *, knowing: bool) -> None:
        """EvaluateClasses."""
        for part in self.config.classes.values():
            if part.test is not None and not part.listed and part.knowing is knowing:
                self._test(client, part)

    def _test(self, client: _Client, part: ClassDef) -> None:
        if part.test is not None and self._tests.holds(part.test, client.arrival, client.is_in):
            client.classes[part.name] = None

    def _reserve(self, client: _Client, subnet: SubnetDef | None) -> None:
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
                if part.test is not None:
                    client.classes.pop(part.name, None)
            client.classes.update(dict.fromkeys(current.classes if current is not None else ()))
            self._evaluate(client, knowing=False)
        client.classes["KNOWN" if client.hosts or everywhere is not None else "UNKNOWN"] = None
        self._evaluate(client, knowing=True)

    def _asked_classes(self, client: _Client, subnet: SubnetDef, pool: PoolDef | None) -> None:
        """requiredClassify: the classes that the levels ask for; since 2.7 the pool's first."""
        asks = [
            subnet.shared.asks if subnet.shared is not None else (),
            subnet.asks,
            pool.asks if pool is not None else (),
        ]
        for names in asks if self.version < (2, 7) else reversed(asks):
            for name in names:
                part = self.config.classes.get(name)
                if part is None:
                    continue
                if part.test is None and self.version >= (2, 7):
                    client.classes[name] = None
                else:
                    self._test(client, part)

    # -- reservations ----------------------------------------------------------------------------

    @cached_property
    def _by_identifier(self) -> Mapping[tuple[int | None, str, bytes], HostDef]:
        """The reservations by subnet (None: global), kind and identifier; the first of two counts."""
        found: dict[tuple[int | None, str, bytes], HostDef] = {}
        places: list[tuple[int | None, tuple[HostDef, ...]]] = [(None, self.config.hosts)]
        places += [(number, subnet.hosts) for number, subnet in enumerate(self.config.subnets)]
        for place, hosts in places:
            for host in hosts:
                for kind, octets in host.identifiers.items():
                    found.setdefault((place, kind, octets), host)
        return found

    @cached_property
    def _numbers(self) -> Mapping[int, int]:
        return {id(subnet): number for number, subnet in enumerate(self.config.subnets)}

    @staticmethod
    def _looks(subnet: SubnetDef) -> tuple[bool, bool]:
        """Whether a subnet looks for global reservations, and for its own."""
        mode = subnet.value("reservation-mode")
        everywhere = subnet.value("reservations-global", bool)
        own = subnet.value("reservations-in-subnet", bool)
        if everywhere is None and own is None and mode is not None:
            return mode == "global", mode in ("all", "out-of-pool")
        return bool(everywhere), own is not False

    def _find_hosts(self, client: _Client, subnet: SubnetDef) -> None:
        everywhere, _ = self._looks(subnet)
        identifiers = list(self._identifiers(client.packet))
        if everywhere:
            client.everywhere = self._host(None, identifiers)
        for sibling in self.config.siblings(subnet):
            if self._looks(sibling)[1] and client.supported(sibling.classes):
                number = self._numbers[id(sibling)]
                host = self._host(number, identifiers)
                if host is not None:
                    client.hosts[number] = host

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

    def _host_in(self, client: _Client, subnet: SubnetDef | None) -> HostDef | None:
        """currentHost: the subnet's own, or else the global one."""
        if subnet is None:
            return None
        return client.hosts.get(self._numbers[id(subnet)]) or client.everywhere

    # -- subnets ---------------------------------------------------------------------------------

    def _select(self, client: _Client) -> SubnetDef | None:
        """CfgSubnets4::selectSubnet: by what a relay selects, by the relay, or by the network card."""
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
        for subnet in self._open_to(client):
            named = subnet.interface or (subnet.shared.interface if subnet.shared is not None else "")
            if named and named == self.interface:
                return subnet
        return self._subnet_of(client, client.arrival.address)

    def _open_to(self, client: _Client) -> Iterator[SubnetDef]:
        for subnet in self.config.subnets:
            shared = subnet.shared.classes if subnet.shared is not None else ()
            if client.supported(subnet.classes) and client.supported(shared):
                yield subnet

    def _subnet_of(self, client: _Client, address: IPv4Address) -> SubnetDef | None:
        return next((subnet for subnet in self._open_to(client) if address in subnet.network), None)

    # -- addresses -------------------------------------------------------------------------------

    def _address(
        self, client: _Client, subnet: SubnetDef
    ) -> tuple[SubnetDef, IPv4Address, PoolDef | None, HostDef | None] | NoLease:
        """A reserved address, or one of a pool: of the subnet, then of those beside it in its network."""
        siblings = [s for s in self.config.siblings(subnet) if client.supported(s.classes)]
        wanted = client.packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
        hint = IPv4Address(wanted[:4]) if len(wanted) >= 4 else client.packet.ciaddr
        is_request = client.packet.message_type is MessageType.REQUEST
        for sibling in siblings:
            host = self._host_in(client, sibling)
            if host is not None and host.address is not None and host.address in sibling.network:
                if is_request and hint not in (UNSPECIFIED, host.address):
                    return NoLease(why="another address is reserved for it", nak=b"DHCPNAK")
                pool = next((pool for pool in sibling.pools if pool.holds(host.address)), None)
                return sibling, host.address, pool, host
        reserved = {h.address for s in siblings for h in s.hosts if h.address is not None}
        open_pools = [(s, p) for s in siblings for p in s.pools if client.supported(p.classes)]
        if hint != UNSPECIFIED:
            for sibling, pool in open_pools:
                if pool.holds(hint) and hint not in reserved:
                    return sibling, hint, pool, self._host_in(client, sibling)
            if is_request:
                known = any(pool.holds(hint) for s in self.config.siblings(subnet) for pool in s.pools)
                why = "the address is not for this client" if known else "it knows nothing of the address"
                return NoLease(why=why, nak=b"DHCPNAK" if known else b"")
        for sibling, pool in open_pools:
            for number in range(int(pool.first), int(pool.last) + 1):
                if IPv4Address(number) not in reserved:
                    return sibling, IPv4Address(number), pool, self._host_in(client, sibling)
        why = "no pool of its subnet is for this client"
        return NoLease(why=why, origin=subnet.level.at, nak=b"DHCPNAK" if is_request else b"")

    # -- what is told ----------------------------------------------------------------------------

    def _lease(
        self,
        client: _Client,
        subnet: SubnetDef,
        address: IPv4Address,
        pool: PoolDef | None,
        host: HostDef | None,
    ) -> Lease:
        # The address is chosen with its time before the classes that its subnet asks for (processDiscover).
        time, time_at = self._lease_time(client, subnet)
        self._late_classes(client, subnet, pool, host)
        told = self._told(client, subnet, pool, host)
        pair = self.config.pair
        own = host.address if host is not None and host.address == address else None
        origins = told.origins
        origins["yiaddr"] = host.level.at if own is not None and host is not None else subnet.level.at
        if own is None and pool is not None:
            origins["yiaddr"] = pool.level.at
        origins["lease_time"] = time_at
        for code, seconds in self._tee_times(subnet, time):
            told.options[code] = seconds.to_bytes(4, "big")
            told.forced.add(code)
        for code, octets in self._names(client, subnet, host, address):
            told.options[code] = octets
            told.forced.add(code)
        self._flex(client, told)
        return Lease(
            yiaddr=address,
            netmask=subnet.network.netmask,
            siaddr=told.siaddr,
            file=told.file,
            sname=told.sname,
            options=told.options,
            forced=frozenset(told.forced),
            lease_time=time,
            reserved=own is not None,
            server_id=told.server_id,
            left_to=pair.share.left_to(client.packet) if pair is not None else "",
            paired=pair is not None,
            rule=", ".join(name for name in client.classes if name in self.config.classes),
            origins=origins,
        )

    def _informed(self, client: _Client, subnet: SubnetDef | None) -> Lease:
        """What a client with an address of its own is told."""
        if subnet is None:
            return Lease(yiaddr=UNSPECIFIED)
        host = self._host_in(client, subnet)
        self._late_classes(client, subnet, None, host)
        told = self._told(client, subnet, None, host)
        self._flex(client, told)
        return Lease(
            yiaddr=UNSPECIFIED,
            netmask=subnet.network.netmask,
            siaddr=told.siaddr,
            file=told.file,
            sname=told.sname,
            options=told.options,
            forced=frozenset(told.forced),
            server_id=told.server_id,
            origins=told.origins,
        )

    def _flex(self, client: _Client, told: _Told) -> None:
        """What the hook flex_option makes of the reply when it is sent, whatever the client asked for."""
        asked = client.packet.options.get(Option.PARAMETER_REQUEST_LIST, b"")
        for entry in self.config.flexed:
            if entry.test is not None:
                if self._tests.holds(entry.test, client.arrival, client.is_in):
                    told.options.pop(entry.code, None)
                continue
            assert entry.value is not None  # it adds or replaces
            octets = self._tests.value(entry.value, client.arrival, client.is_in)
            is_there = entry.code in told.options and (entry.code in asked or entry.code in told.forced)
            if octets and not (is_there and entry.action == "add"):
                told.options[entry.code], told.origins[entry.code] = octets, entry.at
                told.forced.add(entry.code)

    def _late_classes(
        self, client: _Client, subnet: SubnetDef, pool: PoolDef | None, host: HostDef | None
    ) -> None:
        if subnet.shared is not None and host is not None and host is not client.everywhere:
            client.classes.update(dict.fromkeys(host.classes))
        self._asked_classes(client, subnet, pool)

    def _class_levels(self, client: _Client) -> list[Level]:
        named = (self.config.classes.get(name) for name in client.classes)
        return [part.level for part in named if part is not None]

    def _told(self, client: _Client, subnet: SubnetDef, pool: PoolDef | None, host: HostDef | None) -> _Told:
        """BuildCfgOptionList and what takes from it: host, pool, subnet, network, classes, global."""
        classes = self._class_levels(client)
        levels = [host.level] if host is not None else []
        levels += [pool.level] if pool is not None else []
        levels += [subnet.level, *([subnet.shared.level] if subnet.shared is not None else [])]
        levels += [*classes, self.config.level]
        told = _Told()
        never = {datum.code for level in levels for datum in level.options.values() if datum.never}
        for level in levels:
            for code, datum in level.options.items():
                if datum.always and code not in never:
                    told.forced.add(code)
                if code not in told.options and code not in never:
                    told.options[code] = datum.octets
                    told.origins[code] = datum.at
                elif code in _BASIC and code in never and code not in told.options:
                    told.options[code], told.origins[code] = datum.octets, datum.at
        told.forced |= {code for code in _BASIC if code in told.options}
        server_id = told.options.pop(Option.SERVER_IDENTIFIER, None)
        if server_id is not None and len(server_id) == 4:
            told.server_id = IPv4Address(server_id)
        self._enterprises(client.packet, levels, told)
        self._fields(subnet, classes, host, told)
        return told

    @staticmethod
    def _enterprises(packet: Packet, levels: list[Level], told: _Told) -> None:
        """appendRequestedVendorOptions: what is always sent to clients of an enterprise, in option 125."""
        sent = [packet.options.get(code, b"") for code in (_ENTERPRISE, _VENDOR_CLASS)]
        numbers = [int.from_bytes(value[:4], "big") for value in sent if len(value) >= 4]
        configured = told.options.pop(_ENTERPRISE, None)
        asked = packet.options.get(Option.PARAMETER_REQUEST_LIST, b"")
        if configured is not None and (_ENTERPRISE in asked or _ENTERPRISE in told.forced):
            numbers.insert(0, int.from_bytes(configured[:4], "big"))
        result = b""
        for number in dict.fromkeys(numbers):
            inner: dict[int, bytes] = {}
            for level in levels:
                for datum in level.enterprises.get(number, ()):
                    if datum.always:
                        inner.setdefault(datum.code, datum.octets)
            is_told = configured is not None and number == numbers[0]
            if inner or is_told:
                body = b"".join(bytes((c, len(v))) + v for c, v in sorted(inner.items()))
                result += number.to_bytes(4, "big") + bytes((len(body),)) + body
        if result:
            told.options[_ENTERPRISE] = result
            told.forced.add(_ENTERPRISE)

    @staticmethod
    def _fields(subnet: SubnetDef, classes: Iterable[Level], host: HostDef | None, told: _Told) -> None:
        """setFixedFields: the reservation's, or the first class that says one, or the subnet's."""
        above = [*([host.level] if host is not None else []), *classes, *subnet.levels]
        keys: tuple[tuple[str, FieldName], ...] = (
            ("next-server", "siaddr"),
            ("server-hostname", "sname"),
            ("boot-file-name", "file"),
        )
        for key, name in keys:
            for level in above:
                text = level.value(key)
                if not text or text == "0.0.0.0":
                    continue
                told.origins[name] = level.places[key]
                if name == "siaddr":
                    told.siaddr = IPv4Address(text)
                elif name == "sname":
                    told.sname = text.encode("utf-8", "surrogateescape")
                else:
                    told.file = text.encode("utf-8", "surrogateescape")
                break

    def _lease_time(self, client: _Client, subnet: SubnetDef) -> tuple[int, Origin]:
        """getValidLft: the first class that says one, or the subnet's; bounded if the client asks for one."""
        key = "valid-lifetime"
        wanted = client.packet.options.get(Option.IP_ADDRESS_LEASE_TIME, b"")
        for level in self._class_levels(client):
            if level.value(key, int) is not None:
                chosen = level.value(key, int)
                least = level.value(f"min-{key}", int)
                most = level.value(f"max-{key}", int)
                at: Origin = level.places[key]
                break
        else:
            chosen = subnet.value(key, int)
            chosen = _LIFETIME if chosen is None else chosen
            least, most = subnet.value(f"min-{key}", int), subnet.value(f"max-{key}", int)
            at = subnet.place(key)
        least, most = chosen if least is None else least, chosen if most is None else most
        if len(wanted) == 4 and any(wanted):
            return max(least, min(int.from_bytes(wanted, "big"), most)), at
        return chosen, at

    @staticmethod
    def _tee_times(subnet: SubnetDef, time: int) -> Iterator[tuple[int, int]]:
        """setTeeTimes: rebinding and renewal, if they are shorter than what comes after them."""
        calculated = subnet.value("calculate-tee-times", bool) is True
        ceiling = time
        keys = ((59, "rebind-timer", "t2-percent", 0.875), (58, "renew-timer", "t1-percent", 0.5))
        for code, key, percent, usual in keys:
            seconds = subnet.value(key, int)
            if seconds is None:
                part = subnet.value(percent, float)
                seconds = int((usual if part is None else part) * time + 0.5) if calculated else 0
            if 0 < seconds < ceiling:
                yield code, seconds
                ceiling = seconds

    @staticmethod
    def _names(
        client: _Client, subnet: SubnetDef, host: HostDef | None, address: IPv4Address
    ) -> Iterator[tuple[int, bytes]]:
        """processClientName: option 81 for a client that sent it, else option 12."""
        rules = NameRules.of(subnet)
        reserved = host.hostname if host is not None else ""
        sent = client.packet.options.get(FQDN)
        if sent is not None and len(sent) >= 3:
            yield FQDN, fqdn_of(sent, reserved, rules, address)
            return
        name = hostname_of(client.packet.options.get(Option.HOST_NAME), reserved, rules, address)
        if name:
            yield Option.HOST_NAME, name.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Told:
    siaddr: IPv4Address = UNSPECIFIED
    file: bytes = b""
    sname: bytes = b""
    server_id: IPv4Address | None = None
    options: dict[int, bytes] = field(default_factory=dict)
    forced: set[int] = field(default_factory=set)
    origins: dict[int | FieldName, Origin] = field(default_factory=dict)


def _agent_part(packet: Packet, code: int) -> bytes:
    value = packet.options.get(Option.RELAY_AGENT_INFORMATION)
    inner = decode_options(value) if value else None
    return inner[0].get(code, b"") if isinstance(inner, tuple) else b""
