"""What Kea tells a client: options, header fields, times and names (``dhcp4_srv.cc``, buildCfgOptionList,
setFixedFields, processClientName; ``alloc_engine.cc``, getValidLft)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from ipaddress import IPv4Address

from coexist.boot.leases.kea_client import Classes, Client
from coexist.boot.leases.kea_config import HostDef, KeaConfig, PoolDef, SubnetDef
from coexist.boot.leases.kea_flex import FlexOption
from coexist.boot.leases.kea_levels import Level
from coexist.boot.leases.kea_names import NameRules, told_names
from coexist.boot.leases.kea_tests import Tests, UnevaluatedError
from coexist.boot.leases.lease import NETMASK, FieldName, Lease, NoLease, Origin
from coexist.boot.leases.lease_times import KEA_LIFETIME, kea_times
from coexist.records import dataclass
from coexist.wire.bootp import FILE_OCTETS, SNAME_OCTETS, UNSPECIFIED, Packet
from coexist.wire.options import Option

_VENDOR_CLASS, _ENTERPRISE = 124, 125
_BASIC = (Option.ROUTER, Option.DOMAIN_NAME_SERVER, Option.DOMAIN_NAME, Option.SERVER_IDENTIFIER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """The replies of one configuration."""

    config: KeaConfig
    tests: Tests
    classes: Classes

    def lease(
        self,
        client: Client,
        subnet: SubnetDef,
        address: IPv4Address,
        pool: PoolDef | None,
        host: HostDef | None,
    ) -> Lease | NoLease:
        """What a client is told with an address. ``pool``: that holds it; ``host``: its reservation there."""
        if (unsent := _unsent(subnet)) is not None:
            return unsent
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
        reserved = host.hostname if host is not None else ""
        for code, octets in told_names(client.packet, reserved, NameRules.of(subnet), address):
            told.options[code] = octets
            told.forced.add(code)
        self._flex(client, told)
        return replace(
            told.lease(subnet),
            yiaddr=address,
            lease_time=time,
            reserved=own is not None,
            left_to=pair.share.left_to(client.packet) if pair is not None else "",
            paired=pair is not None,
            rule=", ".join(name for name in client.classes if name in self.config.classes),
        )

    def informed(self, client: Client, subnet: SubnetDef, host: HostDef | None) -> Lease | NoLease:
        """What a client with an address of its own is told."""
        if (unsent := _unsent(subnet)) is not None:
            return unsent
        self._late_classes(client, subnet, None, host)
        told = self._told(client, subnet, None, host)
        self._flex(client, told)
        return told.lease(subnet)

    def without_subnet(self, client: Client) -> Lease:
        """What a client with an address of its own is told that a relay agent brings and no subnet is for:
        the header fields of its classes, and no option (packets of 2.2.0)."""
        told = _Told()
        self._fields((), self._class_levels(client), None, told)
        return told.lease(None)

    def _flex(self, client: Client, told: _Told) -> None:
        """What the hook flex_option makes of the reply when it is sent, whatever the client asked for."""
        asked = client.packet.options.get(Option.PARAMETER_REQUEST_LIST, b"")
        for entry in self.config.flexed:
            try:
                self._flex_one(entry, asked, client, told)
            except UnevaluatedError:
                continue

    def _flex_one(self, entry: FlexOption, asked: bytes, client: Client, told: _Told) -> None:
        if entry.test is not None:
            if self.tests.holds(entry.test, client.arrival, client.is_in):
                told.options.pop(entry.code, None)
            return
        assert entry.value is not None  # it adds or replaces
        octets = self.tests.value(entry.value, client.arrival, client.is_in)
        is_there = entry.code in told.options and (entry.code in asked or entry.code in told.forced)
        if octets and not (is_there and entry.action == "add"):
            told.options[entry.code], told.origins[entry.code] = octets, entry.at
            told.forced.add(entry.code)

    def _late_classes(
        self, client: Client, subnet: SubnetDef, pool: PoolDef | None, host: HostDef | None
    ) -> None:
        if subnet.shared is not None and host is not None and host is not client.everywhere:
            client.classes.update(dict.fromkeys(host.classes))
        self.classes.asked(client, subnet, pool)

    def _class_levels(self, client: Client) -> list[Level]:
        named = (self.config.classes.get(name) for name in client.classes)
        return [part.level for part in named if part is not None]

    def _told(self, client: Client, subnet: SubnetDef, pool: PoolDef | None, host: HostDef | None) -> _Told:
        """BuildCfgOptionList and what takes from it: host, pool, subnet, network, classes, global."""
        classes = self._class_levels(client)
        levels = [host.level] if host is not None else []
        levels += [pool.level] if pool is not None else []
        levels += [subnet.level, *([subnet.shared.level] if subnet.shared is not None else [])]
        levels += [*classes, self.config.level]
        told = _Told()
        said = [level.told(client.is_in) for level in levels]
        never = {datum.code for options in said for datum in options.values() if datum.never}
        for options in said:
            for code, datum in options.items():
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
        self._fields(subnet.levels, classes, host, told)
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
    def _fields(
        subnet: tuple[Level, ...], classes: Iterable[Level], host: HostDef | None, told: _Told
    ) -> None:
        """setFixedFields: the reservation's, or the first class that says one, or the subnet's."""
        above = [*([host.level] if host is not None else []), *classes, *subnet]
        keys: tuple[tuple[str, FieldName], ...] = (
            ("next-server", "siaddr"),
            ("server-hostname", "sname"),
            ("boot-file-name", "file"),
        )
        for key, name in keys:
            for level in above:
                text = level.value(key)
                if text == "0.0.0.0" and any(level is inherited for inherited in subnet):
                    # A network or subnet that says so inherits none.
                    break
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

    def _lease_time(self, client: Client, subnet: SubnetDef) -> tuple[int, Origin]:
        """getValidLft: the first class that says one, or the subnet's; bounded if the client asks for one."""
        key = "valid-lifetime"
        for level in self._class_levels(client):
            if level.value(key, int) is not None:
                chosen = level.value(key, int)
                least = level.value(f"min-{key}", int)
                most = level.value(f"max-{key}", int)
                at: Origin = level.places[key]
                break
        else:
            chosen = subnet.value(key, int)
            chosen = KEA_LIFETIME if chosen is None else chosen
            least, most = subnet.value(f"min-{key}", int), subnet.value(f"max-{key}", int)
            at = subnet.place(key)
        return kea_times(chosen, least, most).granted_to(client.packet), at

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


def _unsent(subnet: SubnetDef) -> NoLease | None:
    """Why nobody in a subnet gets a reply.

    Kea begins with the subnet's fields, whatever a class or a reservation says, and ``Pkt4::setFile`` and
    ``setSname`` throw at a text that is too long. Of the global parameters alone the server takes such a text
    at its start (2.2.0, packets).
    """
    for key, most in (("boot-file-name", FILE_OCTETS), ("server-hostname", SNAME_OCTETS)):
        level = next((level for level in subnet.levels if level.value(key)), None)
        octets = 0 if level is None else len(level.value(key).encode("utf-8", "surrogateescape"))
        if level is not None and octets > most:
            return NoLease(why=f"{key} has {octets} octets, its field {most}", origin=level.places[key])
    return None


@dataclass(slots=True)
class _Told:
    siaddr: IPv4Address = UNSPECIFIED
    file: bytes = b""
    sname: bytes = b""
    server_id: IPv4Address | None = None
    options: dict[int, bytes] = field(default_factory=dict)
    forced: set[int] = field(default_factory=set)
    origins: dict[int | FieldName, Origin] = field(default_factory=dict)

    def lease(self, subnet: SubnetDef | None) -> Lease:
        """All of it, without an address."""
        return Lease(
            yiaddr=UNSPECIFIED,
            netmask=NETMASK if subnet is None else subnet.network.netmask,
            siaddr=self.siaddr,
            file=self.file,
            sname=self.sname,
            options=self.options,
            forced=frozenset(self.forced),
            server_id=self.server_id,
            origins=self.origins,
        )
