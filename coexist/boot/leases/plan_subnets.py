"""The VLANs that a DHCP server leases on, their subnets and the pools of these."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.plan import PoolPlan, SubnetPlan, VlanPlan
from coexist.boot.leases.plan_clients import all_but, named, said
from coexist.inventory.documents import Path
from coexist.inventory.models import Pool, Scope, Server, Site


def vlan_plans(site: Site, server: Server, scopes: Mapping[str, Scope]) -> Iterator[VlanPlan]:
    """The VLANs that a server stands on or leases for, in their declared order."""
    stands = server.stands_on
    of_vlan: dict[str, list[tuple[str, Scope]]] = defaultdict(list)
    for key, scope in scopes.items():
        of_vlan[scope.vlan].append((key, scope))
    for name, vlan in site.vlans.items():
        if name not in of_vlan and name not in stands:
            continue
        served = [
            (network, key, scope) for key, scope in of_vlan[name] for network in _networks(scope, vlan.subnet)
        ]
        full = server.product.tells_full_names
        subnets = [_subnet_plan(key, scope, network, full_names=full) for network, key, scope in served]
        # The VLAN's other subnets share the wire; the ones a scope cuts out of them are their own.
        subnets += [
            SubnetPlan(network=network, scope=None)
            for network in vlan.subnet
            if not any(network.overlaps(other) for other, _, _ in served)
        ]
        local = stands.get(name)
        relays = () if local is not None else tuple(dict.fromkeys(vlan.giaddrs))
        begin = () if server.product.selects_subnet else relays
        yield VlanPlan(
            name=name,
            subnets=_in_order(subnets, (local,) if local is not None else begin),
            local=local,
            relays=relays,
        )


def _in_order(subnets: list[SubnetPlan], begin: Iterable[IPv4Address]) -> tuple[SubnetPlan, ...]:
    """The subnets of a wire: from the one that holds the first of some addresses, round to its last."""
    ring = sorted(subnets, key=lambda subnet: subnet.network)
    inside = (n for address in begin for n, subnet in enumerate(ring) if address in subnet.network)
    start = next(inside, 0)
    return (*ring[start:], *ring[:start])


def _networks(scope: Scope, of_vlan: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    return (scope.subnet,) if scope.subnet else of_vlan


def _subnet_plan(key: str, scope: Scope, network: IPv4Network, *, full_names: bool) -> SubnetPlan:
    return SubnetPlan(
        network=network,
        scope=key,
        pools=tuple(
            _pool_plan(pool, ("scopes", key, "pools", number))
            for number, pool in enumerate(scope.pools)
            if pool.range.first in network
        ),
        reserves=scope.reservations,
        names=scope.host_names,
        full_names=full_names,
    )


def _pool_plan(pool: Pool, path: Path) -> PoolPlan:
    allowed = named(pool.allow) if pool.allow else None
    kept = [allowed] if allowed is not None else []
    if pool.deny:
        kept.append(all_but(named(pool.deny)))
    condition = said(pool)
    return PoolPlan(
        path=path, first=pool.range.first, last=pool.range.last, clients=tuple(kept), condition=condition
    )
