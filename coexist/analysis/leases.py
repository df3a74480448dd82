"""What the scopes of a site lease to its classes of clients: the lease plans, asked with their packets.

The race asks the server models, which evaluate the same plans; the rules ask here, to name the line that a
value comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address

from coexist.analysis.numbers import first_packet
from coexist.analysis.space import RESERVED, ClientClass, Space
from coexist.boot.leases.evaluate import PlanLeases
from coexist.boot.leases.lease import FieldName, Lease, NoLease, Origin
from coexist.boot.leases.pairs import Share
from coexist.boot.leases.plan import SubnetPlan
from coexist.boot.own_files import heard_on, own_config
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival
from coexist.inventory.documents import Path
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import Option, octets_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What a scope gives to a class of clients; each value with the path of the line that says it.

    ``siaddr``: the next server of the header, None where it is 0; ``says_server``: whether a line says it,
    and not the product by itself. ``header_file``: the header's file.
    ``options``: all that is configured, in octets, whether the client asks for it or not.
    """

    scope: str
    ignored: bool = False
    says_server: bool = False
    siaddr: tuple[IPv4Address, Path] | None = None
    header_file: tuple[str, Path] | None = None
    options: Mapping[int, tuple[bytes, Path]] = field(default_factory=dict)

    @property
    def next_server(self) -> tuple[str, Path] | None:
        """The next server as text."""
        return None if self.siaddr is None else (str(self.siaddr[0]), self.siaddr[1])

    @property
    def file(self) -> tuple[str, Path] | None:
        """The boot file as header or option 67 name it."""
        return self.header_file or self.text(Option.BOOTFILE_NAME)

    @property
    def vendor_class(self) -> tuple[str, Path] | None:
        """Option 60, if the server sends it."""
        return self.text(Option.VENDOR_CLASS_IDENTIFIER)

    def text(self, code: int) -> tuple[str, Path] | None:
        """An option as text, without the NULs that end it."""
        said = self.options.get(code)
        return None if said is None else (octets_text(said[0]), said[1])


class LeaseReader:
    """Answers for one site what any scope leases to any class."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.site = space.inventory.site
        self._served: dict[str, dict[str | None, list[SubnetPlan]]] = {}
        self._discovers: dict[tuple[str, int], Packet | None] = {}
        self._sent: dict[tuple[int, str, int], Packet | None] = {}
        self._handed: dict[tuple[str, int, int, str, bool], Handed] = {}
        self._by_settings: dict[tuple[object, ...], Handed] = {}

    def plan(self, server: str) -> PlanLeases:
        """The leases of a DHCP server."""
        from coexist.boot.servers.declared import plan_leases

        return plan_leases(self.space.inventory, server)

    def handed(
        self, name: str, client: ClientClass, *, chained: bool = False, number: int | None = None
    ) -> Handed:
        """What the scope gives a client of the class.

        ``chained``: to its second stage, which runs iPXE. ``number``: if it announces this one in option 93,
        and not the usual one of its architecture.
        """
        code = CANONICAL_CODE.get(client.architecture, 0) if number is None else number
        key = (name, client.macs.number, code, client.firmware, chained)
        found = self._handed.get(key)
        if found is None:
            found = self._handed[key] = self._read(
                name, self.site.scopes[name].servers[0], client, code, chained=chained
            )
        return found

    def file_lines(self, name: str, client: ClientClass, *, chained: bool = False) -> tuple[Path, ...]:
        """Every line of a scope that would give a class its boot file if those before it were taken out."""
        server = self.site.scopes[name].servers[0]
        packet = self._packet(client, CANONICAL_CODE.get(client.architecture, 0), chained=chained)
        if packet is None or own_config(self.space.inventory, server) is not None:
            file = self.handed(name, client, chained=chained).file
            return () if file is None else (file[1],)
        plan, found = self.plan(server), dict[Path, None]()
        member = plan.plan.member(packet.mac)
        for setting in plan.plan.scopes[name].settings:
            if not setting.condition.fits(packet, member):
                continue
            if setting.ignore:
                break
            if setting.file:
                found[setting.origins.get("file", setting.path)] = None
            if Option.BOOTFILE_NAME in setting.options:
                found[setting.origins.get(int(Option.BOOTFILE_NAME), setting.path)] = None
        return tuple(found)

    def handed_by(self, name: str, server: str, client: ClientClass) -> Handed:
        """What one server of a scope gives a client, whether it leaves the client to its partner or not."""
        return self._read(name, server, client, CANONICAL_CODE.get(client.architecture, 0), chained=False)

    def shares(self, name: str, server: str) -> tuple[Share, ...]:
        """A server's part of the clients of a scope, if it shares it with another."""
        own = own_config(self.space.inventory, server)
        if own is not None:
            return own.leases.shares
        share = self.plan(server).plan.scopes[name].share
        return () if share is None else (share,)

    def _read(self, name: str, server: str, client: ClientClass, number: int, *, chained: bool) -> Handed:
        firmware = "ipxe" if chained else client.firmware
        discover = self._discover(firmware, number)
        if discover is None:
            return Handed(scope=name, ignored=True)
        if own_config(self.space.inventory, server) is not None:
            return self._by_packet(name, server, client, number, chained=chained)
        # Clients of one firmware are handed the same by the same settings.
        settings = self.plan(server).fitting(name, discover, client.macs.witness)
        key = (name, server, firmware, number, tuple(map(id, settings)))
        found = self._by_settings.get(key)
        if found is None:
            found = self._by_packet(name, server, client, number, chained=chained)
            self._by_settings[key] = found
        return found

    def _by_packet(
        self, name: str, server: str, client: ClientClass, number: int, *, chained: bool
    ) -> Handed:
        """What a server hands to the first packet of the witness of a class."""
        packet = self._packet(client, number, chained=chained)
        assert packet is not None  # it was asked whether the firmware sends any
        own = own_config(self.space.inventory, server)
        if own is not None:
            return self._handed_by(name, own.leases(self._heard(name, server, packet)))
        here = next(iter(self.site.servers[server].stands_on.values()))
        arrival = Arrival(
            packet=packet, at=0.0, port=DHCP_PORT, address=here, source=(UNSPECIFIED, CLIENT_PORT)
        )
        return self._handed_by(name, self.plan(server).handed(name, arrival))

    def tells_apart(self, name: str, client: ClientClass, number: int) -> bool:
        """Whether the lines of a scope can tell a class that announces this number from one that announces
        the usual one of its architecture. Of a server by its own files nothing is known but what it says."""
        server = self.site.scopes[name].servers[0]
        if own_config(self.space.inventory, server) is not None:
            return True
        plan, mac = self.plan(server), client.macs.witness
        usual = self._discover(client.firmware, CANONICAL_CODE.get(client.architecture, 0))
        other = self._discover(client.firmware, number)
        if usual is None or other is None:
            return usual is not other
        return plan.fitting(name, usual, mac) != plan.fitting(name, other, mac)

    def told_by(
        self, name: str, server: str, client: ClientClass, *, chained: bool = False
    ) -> tuple[Packet, Lease | NoLease] | None:
        """What one server of a scope says by its own files, and the packet it says it to.

        None for a class that sends nothing over IPv4.
        """
        own = own_config(self.space.inventory, server)
        assert own is not None  # a scope of a server's own files
        packet = self._packet(client, CANONICAL_CODE.get(client.architecture, 0), chained=chained)
        return None if packet is None else (packet, own.leases(self._heard(name, server, packet)))

    def _heard(self, name: str, server: str, packet: Packet) -> Arrival:
        """A packet as it reaches a server of a scope that runs on its own files."""
        return heard_on(self.space.inventory, server, self.site.scopes[name].vlan, packet)

    def first_packet(self, server: str, client: ClientClass) -> Arrival | None:
        """The first packet of a class as it reaches a server from its VLAN; None where it sends none."""
        packet = self._packet(client, CANONICAL_CODE.get(client.architecture, 0))
        return None if packet is None else heard_on(self.space.inventory, server, client.vlan, packet)

    def leased(self, server: str, client: ClientClass) -> Lease | NoLease | None:
        """What a server leases to the first packet of a class; None for a class that sends none."""
        arrival, own = self.first_packet(server, client), own_config(self.space.inventory, server)
        if arrival is None:
            return None
        return self.plan(server)(arrival) if own is None else own.leases(arrival)

    def _packet(self, client: ClientClass, number: int, *, chained: bool = False) -> Packet | None:
        """The first packet of the witness of a class, or of the iPXE that it loaded (``chained``)."""
        key = (client.macs.number, "ipxe" if chained else client.firmware, number)
        if key not in self._sent:
            packet = self._discover(*key[1:])
            self._sent[key] = packet and replace(packet, chaddr=mac_bytes(client.macs.witness))
        return self._sent[key]

    def _path(self, name: str, origin: Origin) -> Path:
        """An origin as a path of the inventory; a line of a file becomes one below its scope."""
        if isinstance(origin, tuple):
            return origin
        path: Path = ("scopes", name, str(origin))
        self.space.inventory.sources.keys[path] = origin
        self.space.inventory.sources.values[path] = origin
        return path

    def _handed_by(self, name: str, lease: Lease | NoLease) -> Handed:
        if isinstance(lease, NoLease):
            return Handed(scope=name, ignored=True)
        # What the product adds by itself stands at the scope.
        places = {value: self._path(name, origin) for value, origin in lease.origins.items()}
        origins = defaultdict[int | FieldName, Path](lambda: ("scopes", name), places)
        return Handed(
            scope=name,
            says_server="siaddr" in places,
            siaddr=None if lease.siaddr == UNSPECIFIED else (lease.siaddr, origins["siaddr"]),
            header_file=(lease.file.decode("utf-8", "replace"), origins["file"]) if lease.file else None,
            options={code: (octets, origins[code]) for code, octets in lease.options.items()},
        )

    def _discover(self, firmware: str, number: int) -> Packet | None:
        """The first packet of a firmware, from its model; None where it boots over IPv6 only."""
        from coexist.boot.firmware import firmwares_of
        from coexist.boot.firmware.machine import Machine

        key = (firmware, number)
        if key not in self._discovers:
            machine = Machine(mac=0, architecture=number)
            self._discovers[key] = first_packet(firmwares_of(self.space.inventory)[firmware], machine)
        return self._discovers[key]

    def asks(self, client: ClientClass) -> bool:
        """Whether a class asks for an address over IPv4 at all."""
        return self._discover(client.firmware, CANONICAL_CODE.get(client.architecture, 0)) is not None

    def has_addresses(self, name: str) -> bool:
        """Whether a scope has any address to lease: a pool, or one that belongs to a registered machine."""
        scope = self.site.scopes[name]
        own = own_config(self.space.inventory, scope.servers[0])
        if own is not None:
            # Which of its subnets an address of a machine's own is in, is not looked up.
            return own.leases.distinctions.reserved is not None or any(
                subnet.ranges
                for subnet in own.subnets
                if scope.subnet is None or subnet.network.overlaps(scope.subnet)
            )
        plan = self._of(name).plan
        return any(s.pools or next(plan.reservations(s), None) is not None for s in self._subnets(name))

    def leases(self, name: str, client: ClientClass) -> bool:
        """Whether a scope has an address for the class: a pool it may use, or its reservations."""
        packet = self._packet(client, CANONICAL_CODE.get(client.architecture, 0))
        if packet is None:
            return False
        scope = self.site.scopes[name]
        own = own_config(self.space.inventory, scope.servers[0])
        if own is not None:
            lease = own.leases(self._heard(name, scope.servers[0], packet))
            return isinstance(lease, Lease) and (scope.subnet is None or lease.yiaddr in scope.subnet)
        member = self._of(name).plan.member(client.macs.witness)
        return any(
            (subnet.reserves and client.macs.signature & RESERVED)
            or any(pool.fits(packet, member) for pool in subnet.pools)
            for subnet in self._subnets(name)
        )

    def _subnets(self, name: str) -> list[SubnetPlan]:
        """The subnets that a scope serves."""
        server = self.site.scopes[name].servers[0]
        found = self._served.get(server)
        if found is None:
            found = self._served[server] = defaultdict(list)
            for vlan in self.plan(server).plan.vlans:
                for subnet in vlan.subnets:
                    found[subnet.scope].append(subnet)
        return found[name]

    def _of(self, name: str) -> PlanLeases:
        """The leases of a scope's servers: those that share it hand out the same."""
        return self.plan(self.site.scopes[name].servers[0])
