"""Subnets of servers that run on their own files, as scopes that the rules can look at.

Such a scope names its server, its VLAN and its addresses; what it hands out is asked of the file's evaluation
(`LeaseReader`). Its place, and those of its pools, are lines of the file.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from coexist.boot.own_files import OwnSubnet, own_config
from coexist.errors import Position
from coexist.inventory import Inventory
from coexist.inventory.documents import Path, SourceMap
from coexist.inventory.models import Failover, Pool, Scope


def with_own_scopes(inventory: Inventory) -> Inventory:
    """The inventory with a scope for each subnet of a server's own files that lies on a VLAN."""
    scopes: dict[str, Scope] = {}
    places: dict[Path, Position] = {}
    for name, server in inventory.site.servers.items():
        config = own_config(inventory, name) if "dhcp" in server.effective_roles else None
        for subnet in () if config is None else config.subnets:
            vlan = _vlan_of(inventory, subnet.network)
            if vlan is None:
                continue
            first = _pair_of(inventory, name, subnet)
            pair = None if first is None else scopes.get(f"{first} {subnet.network}")
            if pair is not None:
                key = f"{first} {subnet.network}"
                both = {"servers": (*pair.servers, name), "failover": Failover()}
                scopes[key] = pair.model_copy(update=both)
                continue
            key = f"{name} {subnet.network}"
            scopes[key] = _scope(name, vlan, subnet)
            places["scopes", key] = subnet.at
            for number, (_, _, at) in enumerate(subnet.ranges):
                places["scopes", key, "pools", number] = at
    if not scopes:
        return inventory
    sources = inventory.sources
    # What is learned later of single values is added to these places.
    own = SourceMap(sources.root, {**sources.keys, **places}, {**sources.values, **places})
    site = inventory.site.model_copy(update={"scopes": {**inventory.site.scopes, **scopes}})
    return replace(inventory, site=site, sources=own)


def _pair_of(inventory: Inventory, name: str, subnet: OwnSubnet) -> str | None:
    """The server that shares a subnet's addresses as a failover pair."""
    for other, server in inventory.site.servers.items():
        if other != name and subnet.partner is not None and subnet.partner in server.stands_on.values():
            return other
    return None


def _vlan_of(inventory: Inventory, network: IPv4Network) -> str | None:
    for name, vlan in inventory.site.vlans.items():
        if any(network.overlaps(declared) for declared in vlan.subnet):
            return name
    return None


def _scope(server: str, vlan: str, subnet: OwnSubnet) -> Scope:
    pools = tuple(Pool.model_validate(f"{first}-{last}") for first, last, _ in subnet.ranges)
    return Scope.model_validate(
        {"server": server, "vlan": vlan, "subnet": str(subnet.network), "pools": pools, "reservations": False}
    )
