"""The network one race runs on: who stands where, who hears whom, what each server and firmware is.

A world is prepared once for an inventory; a race then only follows one client through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TypeVar

from coexist.boot.firmware import firmware_models
from coexist.boot.firmware.machine import Firmware
from coexist.boot.responder import ServerModel
from coexist.boot.servers import model_for
from coexist.inventory import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A server as one VLAN reaches it: by its address there, or (``relay``) by the relay agent's giaddr."""

    model: ServerModel
    address: IPv4Address
    relay: IPv4Address | None = None
    trusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One broadcast domain. Times in seconds.

    ``listeners`` hear every broadcast; ``relay_min_secs`` is the relay agent's threshold.
    ``forwarding_delay``: packets before that are lost. ``jitter``: arrivals closer together than this may
    come in either order. ``blocked_ports``: UDP ports a firewall drops towards other subnets.
    """

    name: str
    listeners: tuple[Listener, ...]
    jitter: float = 0.005
    forwarding_delay: float = 0.0
    relay_min_secs: int = 0
    relay_option_82: bool = False
    blocked_ports: frozenset[int] = frozenset()
    routed: bool = True
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a race needs. ``owners``: which server has an address; ``homes``: on which VLAN it is."""

    segments: Mapping[str, Segment]
    models: Mapping[str, ServerModel]
    firmwares: Mapping[str, Firmware]
    owners: Mapping[IPv4Address, str]
    homes: Mapping[IPv4Address, str] = field(default_factory=dict)
    uuid: bytes = bytes(16)


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
    homes: dict[IPv4Address, str] = {}
    # Of two services on one address, the boot service is the one that is asked for files and on port 4011.
    for name, server in sorted(site.servers.items(), key=lambda item: item[1].effective_roles <= {"dhcp"}):
        for vlan, address in server.stands_on.items():
            owners.setdefault(address, name)
            homes.setdefault(address, vlan)
    return World(
        segments=OnDemand(site.vlans, lambda vlan: _segment(inventory, vlan, models)),
        models=models,
        firmwares=firmware_models(site.firmwares),
        owners=owners,
        homes=homes,
    )


def _segment(inventory: Inventory, name: str, models: Mapping[str, ServerModel]) -> Segment:
    site = inventory.site
    vlan = site.vlans[name]
    trusted = vlan.snooping.trusted if vlan.snooping else None
    listeners = [
        Listener(
            model=models[server],
            address=declared.stands_on[name],
            trusted=trusted is None or server in trusted,
        )
        for server, declared in site.servers.items()
        if name in declared.stands_on
    ]
    giaddr = vlan.relay.address or vlan.gateway or vlan.subnet[0].network_address + 1
    listeners += [
        Listener(
            model=models[server],
            # Relays send to one address: the first one it has off this VLAN, else the one here.
            address=next(
                (a for v, a in site.servers[server].stands_on.items() if v != name),
                next(iter(site.servers[server].stands_on.values())),
            ),
            relay=giaddr,
            trusted=trusted is None or server in trusted,
        )
        for server in vlan.relay_to
        if server in models
    ]
    notes = ("DHCP snooping drops replies from port 67 of servers that are not trusted",) if trusted else ()
    return Segment(
        name=name,
        listeners=tuple(listeners),
        jitter=site.jitter if vlan.jitter is None else vlan.jitter,
        forwarding_delay=vlan.forwarding_delay,
        relay_min_secs=vlan.relay.min_secs,
        relay_option_82=vlan.relay.option_82,
        blocked_ports=frozenset(vlan.blocked_ports),
        routed=vlan.gateway is not None or bool(vlan.relay_to),
        assumptions=notes,
    )
