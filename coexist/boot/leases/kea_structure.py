"""What Kea has against a configuration as a whole: what stands twice, lies outside or contradicts itself.

Source: ``cfg_subnets4.cc``, ``shared_network_parser.cc``, ``cfg_hosts.cc`` and ``subnet.cc`` of Kea;
each was tried with ``kea-dhcp4 -t`` 2.2.0.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from coexist.boot.leases.lease_times import KEA_LIFETIME
from coexist.errors import Position, Problem

if TYPE_CHECKING:
    from coexist.boot.leases.kea_config import HostDef, KeaConfig, SubnetDef

_FLAGS = ("reservations-global", "reservations-in-subnet", "reservations-out-of-pool")
_BUILT_IN = ("ALL", "KNOWN", "UNKNOWN", "BOOTP")

_Keyed: TypeAlias = Iterable[tuple[Hashable, Position, str]]


def contradictions(config: KeaConfig) -> Iterator[Problem]:
    """Each of them at its place."""
    subnets = config.subnets
    networks = {id(s.shared): s.shared for s in subnets if s.shared is not None}.values()
    yield from _twice((s.id, s.level.at, f"subnet id {s.id}") for s in subnets)
    yield from _twice((s.level.value("subnet"), s.level.at, f"subnet {s.network}") for s in subnets)
    yield from _twice((n.name, n.level.at, f"shared network {n.name!r}") for n in networks)
    unique = config.level.value("ip-reservations-unique", bool) is not False
    yield from _hosts(config.hosts, unique=unique)
    for level in (config.level, *(n.level for n in networks), *(s.level for s in subnets)):
        flags = [key for key in _FLAGS if key in level.values]
        if flags and "reservation-mode" in level.values:
            what = f"{flags[0]} and reservation-mode stand beside one another"
            yield Problem(level.places["reservation-mode"], what, "remove reservation-mode")
    for part in config.classes.values():
        if part.name in _BUILT_IN and part.is_evaluated:
            yield Problem(part.level.at, f"the built-in class {part.name!r} has a test", "remove its test")
    for subnet in subnets:
        yield from _hosts(subnet.hosts, unique=unique)
        yield from _outside(subnet)
        yield from _overlapping(subnet)
        yield from _times(subnet)
        yield from _of_its_network(subnet, [s for s in subnets if s.shared is subnet.shared])


def _twice(found: _Keyed) -> Iterator[Problem]:
    seen: set[Hashable] = set()
    for key, at, what in found:
        if key in seen:
            yield Problem(at, f"{what} stands twice", "remove one of the two, or give it another")
        seen.add(key)


def _hosts(hosts: Iterable[HostDef], *, unique: bool) -> Iterator[Problem]:
    listed = list(hosts)
    for host in listed:
        if len(host.identifiers) != 1:
            what = f"a reservation has one identifier, not {len(host.identifiers)}"
            yield Problem(host.level.at, what, "write hw-address, client-id, duid, circuit-id or flex-id")
    keys = ((item, host.level.at) for host in listed for item in host.identifiers.items())
    yield from _twice((item, at, f"the reservation of {item[0]} {item[1].hex(':')}") for item, at in keys)
    if unique:
        addressed = ((host.address, host.level.at) for host in listed if host.address is not None)
        yield from _twice((address, at, f"the reservation of {address}") for address, at in addressed)


def _outside(subnet: SubnetDef) -> Iterator[Problem]:
    for pool in subnet.pools:
        if pool.first not in subnet.network or pool.last not in subnet.network:
            what = f"the pool {pool.first}-{pool.last} does not lie in its subnet {subnet.network}"
            yield Problem(pool.level.at, what, "correct the pool, or put it into another subnet")
    for host in subnet.hosts:
        if host.address is not None and host.address not in subnet.network:
            what = f"the reserved address {host.address} does not lie in its subnet {subnet.network}"
            yield Problem(host.level.at, what, "correct the address, or reserve it globally")


def _overlapping(subnet: SubnetDef) -> Iterator[Problem]:
    ordered = sorted(subnet.pools, key=lambda pool: (pool.first, pool.last))
    for one, other in pairwise(ordered):
        if other.first <= one.last:
            at = max(one.level.at, other.level.at, key=lambda place: (place.line, place.column))
            what = f"the pools {one.first}-{one.last} and {other.first}-{other.last} overlap"
            yield Problem(at, what, "make them one pool, or shorten one")


def _times(subnet: SubnetDef) -> Iterator[Problem]:
    pairs = (
        ("renew-timer", "rebind-timer"),
        ("min-valid-lifetime", "valid-lifetime"),
        ("valid-lifetime", "max-valid-lifetime"),
    )
    for small, large in pairs:
        less, more = (subnet.value(key, int) for key in (small, large))
        if small == "valid-lifetime" and less is None:
            less = KEA_LIFETIME
        if large == "valid-lifetime" and more is None:
            more = KEA_LIFETIME
        if less is not None and more is not None and less > more:
            what = f"{small} {less} is greater than {large} {more}"
            yield Problem(subnet.place(small), what, f"write a smaller {small}")


def _of_its_network(subnet: SubnetDef, beside: Iterable[SubnetDef]) -> Iterator[Problem]:
    """A subnet of a shared network is authoritative as that is, and stands on the same network card."""
    network = subnet.shared
    if network is None:
        return
    # What the whole server says does not count here.
    ours = network.level.value("authoritative", bool) is True
    own = subnet.level.value("authoritative", bool)
    if own is not None and own is not ours:
        what = f"subnet {subnet.network} is not authoritative as its shared network {network.name!r} is"
        yield Problem(subnet.place("authoritative"), what, "write one value for the network alone")
    first = next(filter(None, (network.interface, *(each.interface for each in beside))), "")
    if subnet.interface and subnet.interface != first:
        what = f"another part of the shared network {network.name!r} stands on {first}"
        yield Problem(subnet.place("interface"), what, "name it for the network alone")
