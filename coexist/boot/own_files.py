"""Servers by their own configuration files, which their products' evaluators read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Network
from operator import is_not
from pathlib import Path
from typing import Protocol

from coexist.boot.leases.lease import Lease, LeaseSource, OpenCondition
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival
from coexist.errors import InputError, Position, unreadable
from coexist.inventory import Inventory
from coexist.inventory.files import shown
from coexist.inventory.models import Site
from coexist.inventory.named_servers import is_relayed_to
from coexist.inventory.product import Role
from coexist.inventory.products import part
from coexist.languages.source_files import Surroundings, files_of
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

_SEPARATOR = r"[/\\]"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSubnet:
    """A subnet of such a file and where it stands. ``ranges``: the addresses it leases, with their places;
    ``partner``: the server that shares them, of a failover pair."""

    network: IPv4Network
    at: Position
    partner: IPv4Address | None = None
    ranges: tuple[tuple[IPv4Address, IPv4Address, Position], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnConfig:
    """What a server's files say. ``address``: its own, where they say it; ``missing``: the files of our
    drop-in that they do not include. ``programs``: the files of its boot service by architecture, as far as
    nothing else decides; ``tftp_root``: the folder they lie in on the server; ``roles``: what it is, where
    its product can be several things."""

    leases: LeaseSource
    subnets: tuple[OwnSubnet, ...]
    address: IPv4Address | None = None
    missing: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    tftp_root: str = ""
    roles: frozenset[Role] = frozenset()

    def offered(self, network: IPv4Network, mac: int = 0) -> Lease | None:
        """What a machine gets that asks through a relay agent of a network; None for no lease. The agent has
        the first address, which none of the files need know."""
        asks = Packet(
            op=BOOTREQUEST,
            chaddr=mac_bytes(mac),
            giaddr=network.network_address + 1 if network.prefixlen < 31 else network.network_address,
            options={Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,))},
        )
        lease = self.leases(
            Arrival(
                packet=asks, at=0.0, port=DHCP_PORT, address=asks.giaddr, source=(UNSPECIFIED, CLIENT_PORT)
            )
        )
        return lease if isinstance(lease, Lease) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Where a server's packets come from. ``cards``: the subnets of its network cards; ``relayed``: those
    whose relay agents send to it."""

    cards: tuple[IPv4Network, ...] = ()
    relayed: tuple[IPv4Network, ...] = ()


NO_WIRE = Wire()
"""Of a server whose place in the network is not known."""


class Files(Protocol):
    """The files of one server, wherever they are. ``resolve``: the addresses of a host name, as far as they
    are known; ``wire``: where the server stands."""

    @property
    def main(self) -> str:
        """How the main file is called in positions."""

    @property
    def version(self) -> str:
        """The server's, as its declaration has it; empty where it has none."""

    @property
    def resolve(self) -> Callable[[str], tuple[IPv4Address, ...]]:
        """The addresses of a host name."""

    @property
    def wire(self) -> Wire:
        """Where the server stands."""

    def text(self) -> str:
        """The main file. Raises InputError."""

    def include(self, name: str) -> str:
        """A file that another one names, by its path on the server. Raises OSError."""

    def entries(self, name: str) -> list[str] | None:
        """The files of a folder, by their paths on the server; None for what is none. Raises OSError."""

    def commands(self) -> tuple[str, str] | None:
        """Our drop-in, where it is commands that are run: how it is called in positions, and its text."""

    def of_server(self, address: IPv4Address) -> OwnConfig | None:
        """What the files of another server say, None where they are not known."""

    def called(self, name: str) -> str:
        """How such a file is called in positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFiles:
    """The files of one server in an inventory's directory.

    ``files``: by the path they have on the server, the main one first. ``place``: where they are declared.
    ``ours``: the drop-in, by its path there, and how it is called in positions. ``asked``: what was included;
    ``inside``: what was found in folders.
    """

    root: Path
    files: Mapping[str, str]
    place: Position
    version: str
    resolve: Callable[[str], tuple[IPv4Address, ...]]
    of_server: Callable[[IPv4Address], OwnConfig | None]
    wire: Wire = NO_WIRE
    ours: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    inside: dict[str, Path] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """How the main file is called in positions."""
        return shown(self.root / next(iter(self.files.values())))

    def text(self) -> str:
        """The main file. Raises InputError."""
        name = next(iter(self.files.values()))
        try:
            return self._beside.text(name)
        except OSError as error:
            raise InputError([unreadable(error, self.place, name)]) from None

    def include(self, name: str) -> str:
        """A file that another one names, by its path on the server. Raises OSError."""
        self.asked.add(name)
        if name in self.ours:
            return self.ours[name][1]
        return self._beside.octets(self._found(name)).decode("utf-8", "surrogateescape")

    def commands(self) -> tuple[str, str] | None:
        """Our drop-in, where it is commands that are run: how it is called in positions, and its text."""
        self.asked.update(self.ours)
        return next(iter(self.ours.values()), None)

    def called(self, name: str) -> str:
        """How such a file is called in positions."""
        if name in self.ours:
            return self.ours[name][0]
        try:
            return shown(self._found(name))
        except OSError:
            return name

    def entries(self, name: str) -> list[str] | None:
        """The files of a folder, by their paths on the server; None for what is none. Raises OSError."""
        folder = name.rstrip("/")
        known = {path for path in (*self.files, *self.ours) if path.rpartition("/")[0] == folder}
        if name in self.files or name in self.ours:
            return None
        try:
            found = self._found(name)
        except OSError:
            if not known:
                raise
            return sorted(known)
        if not found.is_dir():
            return None
        self.inside.update((f"{folder}/{file.name}", file) for file in files_of(found))
        return sorted(known | {f"{folder}/{file.name}" for file in files_of(found)})

    @property
    def _beside(self) -> Surroundings:
        return Surroundings(self.root)

    def _found(self, name: str) -> Path:
        """As declared (a daemon runs in the root directory), else below or in the folder of the main file."""
        declared = self.files.get(name) or self.files.get(f"/{name}")
        if declared is not None:
            return self._beside.find(declared)
        if name in self.inside:
            return self.inside[name]
        main = self.root / next(iter(self.files.values()))
        return Surroundings(main.parent, (self.root,)).find(name)


def own_config(inventory: Inventory, name: str) -> OwnConfig | None:
    """What a server's own files say with our drop-in, None for a server without any. Raises InputError."""
    server = inventory.site.servers[name]
    if not server.config:
        return None
    found = inventory.read.get(name)
    # Inventories that are changed share what was read; a drop-in depends on its rules and on their groups.
    depends, known = (server.dropin, inventory.resolver), inventory.read.get(f"{name} depends")
    if server.dropin is not None and known is not None and any(map(is_not, known, depends)):
        found = None
    if found is not None and _is_moved(inventory, name):
        found = None
    if found is None:
        written = None if server.dropin is None else part(server.product, "dropin")(inventory, name)
        ours = {} if written is None else written.texts(server.dropin)
        found = inventory.read[name] = _evaluated(inventory, name, ours)
        inventory.read[f"{name} depends"] = depends
        inventory.read[f"{name} stands"] = (inventory.site.vlans, server), wire_of(inventory.site, name)
    config: OwnConfig = found
    return config


def _is_moved(inventory: Inventory, name: str) -> bool:
    """Whether a server whose files were read stands elsewhere by now, or other relay agents send to it."""
    known = inventory.read.get(f"{name} stands")
    depends = inventory.site.vlans, inventory.site.servers[name]
    if known is None or not any(map(is_not, known[0], depends)):
        return False
    wire = wire_of(inventory.site, name)
    inventory.read[f"{name} stands"] = depends, wire
    is_moved: bool = wire != known[1]
    return is_moved


def config_without(inventory: Inventory, name: str) -> OwnConfig:
    """What a server's own files say while our drop-in is empty. Raises InputError."""
    key = f"{name} without its drop-in"
    found = inventory.read.get(key)
    if found is None:
        found = inventory.read[key] = _evaluated(inventory, name, {})
    config: OwnConfig = found
    return config


def _evaluated(inventory: Inventory, name: str, ours: Mapping[str, str]) -> OwnConfig:
    files = own_files(inventory, name, ours)
    config: OwnConfig = part(inventory.site.servers[name].product, "own_file")(files)
    return replace(config, missing=tuple(path for path in files.ours if path not in files.asked))


def own_files(inventory: Inventory, name: str, ours: Mapping[str, str] | None = None) -> OwnFiles:
    """The files of a server; ``ours``: the texts of its drop-in by path, empty where they are not given."""
    server = inventory.site.servers[name]
    paths = () if server.dropin is None else server.dropin.paths
    return OwnFiles(
        root=inventory.root,
        files=server.config,
        place=inventory.where("servers", name, "config"),
        version=server.software.version,
        resolve=_names_of(inventory),
        of_server=lambda address: _of_server(inventory, address),
        wire=wire_of(inventory.site, name),
        ours={
            path: (f"{name}/{re.split(_SEPARATOR, path)[-1]}", (ours or {}).get(path, "")) for path in paths
        },
    )


def wire_of(site: Site, name: str) -> Wire:
    """The subnets that a server stands on, and those whose relay agents send to it."""
    stands = site.servers[name].stands_on
    return Wire(
        cards=tuple(network for vlan in stands for network in site.vlans[vlan].subnet),
        relayed=tuple(
            network
            for vlan, declared in site.vlans.items()
            if is_relayed_to(site, name, vlan)
            for network in declared.subnet
        ),
    )


def heard_on(inventory: Inventory, name: str, vlan: str, packet: Packet) -> Arrival:
    """A client's packet as it reaches a server from a VLAN: at its address there, or by a relay agent."""
    stands_on = inventory.site.servers[name].stands_on
    here = stands_on.get(vlan)
    if here is None:
        declared = inventory.site.vlans[vlan]
        otherwise = declared.gateway or declared.subnet[0].network_address
        giaddr = next(iter(declared.giaddrs or declared.routers), otherwise)
        packet = replace(packet, giaddr=giaddr)
        here = next(iter(stands_on.values()))
    return Arrival(packet=packet, at=0.0, port=DHCP_PORT, address=here, source=(UNSPECIFIED, CLIENT_PORT))


def decided(inventory: Inventory, name: str, conditions: Mapping[OpenCondition, bool]) -> Inventory:
    """The same inventory with some open conditions of a server's own files decided."""
    config = own_config(inventory, name)
    assert config is not None  # only own files have open conditions
    closed = replace(config, leases=config.leases.closed(conditions))
    return replace(inventory, read={**inventory.read, name: closed})


def _of_server(inventory: Inventory, address: IPv4Address) -> OwnConfig | None:
    for name, server in inventory.site.servers.items():
        if server.config and address in server.stands_on.values():
            return own_config(inventory, name)
    return None


def _names_of(inventory: Inventory) -> Callable[[str], tuple[IPv4Address, ...]]:
    known = {
        host: tuple(server.stands_on.values())
        for server in inventory.site.servers.values()
        for host in server.names
    }
    return lambda name: known.get(name.rstrip(".").lower(), ())
