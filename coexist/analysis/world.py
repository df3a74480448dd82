"""The network one race runs on: who stands where, who hears whom, what each server and firmware is.

A world is prepared once for an inventory; a race then only follows one client through it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, TypeVar

from coexist.analysis.relays import RelayAgent
from coexist.boot.firmware import firmwares_of
from coexist.boot.firmware.machine import Firmware
from coexist.boot.responder import ServerModel
from coexist.boot.servers import model_for
from coexist.inventory import Inventory
from coexist.inventory.models import Program, Site
from coexist.inventory.named_servers import relay_targets
from coexist.inventory.programs import declared_programs
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A server as one VLAN reaches it: by its address there, or through a relay agent (``relay``).

    ``trusted``: whether DHCP snooping lets its answers pass. ``relayed``: what it does with a relayed packet
    where that is not an answer to giaddr (``broadcast``: it answers on its own VLAN). ``echoes_option_82``:
    whether its answers repeat the relay agent's information. ``group``: the multicast address at which it
    listens too.
    """

    model: ServerModel
    address: IPv4Address
    relay: RelayAgent | None = None
    trusted: bool = True
    relayed: Literal["broadcast", "silent"] | None = None
    echoes_option_82: bool = True
    group: IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One broadcast domain. Times in seconds.

    ``listeners`` hear every broadcast, directly or through a relay agent. ``subnets``: its own.
    ``routers``: the addresses by which packets leave it; without ``routed`` none do.
    ``forwarding_delay``: packets before that are lost. ``jitter``: arrivals closer together than this may
    come in either order. ``blocked_ports``: UDP ports a firewall drops towards other subnets.
    ``mtu``: the largest IP packet that reaches its clients, where that is less than Ethernet's.
    """

    name: str
    listeners: tuple[Listener, ...]
    jitter: float = 0.005
    forwarding_delay: float = 0.0
    subnets: tuple[IPv4Network, ...] = ()
    routers: frozenset[IPv4Address] = frozenset()
    routed: bool = True
    blocked_ports: frozenset[int] = frozenset()
    mtu: int | None = None
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a race needs. ``owners``: which server has an address.

    ``uuids``: who a machine is, by MAC (option 97 in its octets); ``uuid``: all others.
    ``names``: which server has a host name. ``programs``: what is declared of boot programs beside their
    names, by file. ``largest_blocks``: the largest TFTP block that a server agrees to, where it is limited.
    """

    segments: Mapping[str, Segment]
    models: Mapping[str, ServerModel]
    firmwares: Mapping[str, Firmware]
    owners: Mapping[IPv4Address, str]
    names: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, Program] = field(default_factory=dict)
    largest_blocks: Mapping[str, int] = field(default_factory=dict)
    uuid: bytes = bytes(16)
    uuids: Mapping[int, bytes] = field(default_factory=dict)


T = TypeVar("T")


class OnDemand(Mapping[str, T]):
    """Values made when they are first asked for: a race needs few of a large site's."""

    def __init__(self, names: Iterable[str], make: Callable[[str], T]) -> None:
        self._names = dict.fromkeys(names)
        self._make = make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        found = self._made.get(name)
        if found is None:
            if name not in self._names:
                raise KeyError(name)
            found = self._made[name] = self._make(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def build_world(inventory: Inventory) -> World:
    """The world of an inventory."""
    site = inventory.site
    models = OnDemand(site.servers, lambda name: model_for(inventory, name))
    owners: dict[IPv4Address, str] = {}
    # Of two services on one address, the boot service is the one that is asked for files and on port 4011.
    for name, server in sorted(site.servers.items(), key=lambda item: item[1].effective_roles <= {"dhcp"}):
        for address in server.stands_on.values():
            owners.setdefault(address, name)
    standing: dict[str, list[str]] = defaultdict(list)
    for name, server in site.servers.items():
        for vlan in server.stands_on:
            standing[vlan].append(name)
    return World(
        segments=OnDemand(site.vlans, lambda vlan: _segment(inventory, vlan, models, standing[vlan])),
        models=models,
        firmwares=firmwares_of(inventory),
        owners=owners,
        names={text: name for name, server in site.servers.items() for text in server.names},
        programs=_described(site),
        largest_blocks={
            name: server.largest_blksize for name, server in site.servers.items() if server.largest_blksize
        },
    )


def _described(site: Site) -> dict[str, Program]:
    """The programs of which the inventory says more than their file, by file; of several the first."""
    found: dict[str, Program] = {}
    for _, program in declared_programs(site):
        if program.then or program.embedded or program.signed:
            found.setdefault(program.file, program)
    return found


def _segment(
    inventory: Inventory, name: str, models: Mapping[str, ServerModel], standing: Iterable[str]
) -> Segment:
    """A VLAN with all that hears its clients. ``standing``: the servers that have an address there."""
    site = inventory.site
    vlan = site.vlans[name]
    trusted = vlan.snooping.trusted if vlan.snooping else None
    listeners = [
        Listener(
            model=models[server],
            address=site.servers[server].stands_on[name],
            trusted=trusted is None or server in trusted,
            group=site.servers[server].discovery_group,
        )
        for server in standing
    ]
    for relay, giaddr in zip(vlan.relay, vlan.giaddrs, strict=True):
        agent = RelayAgent(
            address=giaddr,
            min_secs=relay.min_secs,
            option_82=relay.option_82,
            requires_option_82=relay.requires_option_82,
            first_only=relay.passes == "first",
            replaces_server_id=relay.replaces_server_id,
        )
        listeners += [
            Listener(
                model=models[server],
                address=address,
                relay=agent,
                trusted=trusted is None or server in trusted,
                relayed=site.servers[server].relayed,
                echoes_option_82=site.servers[server].echoes_option_82,
            )
            for target in vlan.targets_of(relay)
            for server, address in relay_targets(site, target, name)
        ]
    notes = ("DHCP snooping drops replies from port 67 of servers that are not trusted",) if trusted else ()
    return Segment(
        name=name,
        listeners=tuple(listeners),
        jitter=site.jitter if vlan.jitter is None else vlan.jitter,
        forwarding_delay=vlan.forwarding_delay,
        subnets=vlan.subnet,
        routers=vlan.every_router,
        routed=vlan.gateway is not None or bool(vlan.targets),
        blocked_ports=frozenset(vlan.blocked_ports),
        mtu=vlan.mtu,
        assumptions=notes,
    )


def with_models(world: World, models: Mapping[str, ServerModel]) -> World:
    """The same world with other models for some of its servers."""

    def segment(name: str) -> Segment:
        found = world.segments[name]
        listeners = tuple(
            replace(listener, model=models.get(listener.model.name, listener.model))
            for listener in found.listeners
        )
        return replace(found, listeners=listeners)

    return replace(
        world,
        segments=OnDemand(world.segments, segment),
        models=OnDemand(world.models, lambda name: models[name] if name in models else world.models[name]),
    )
