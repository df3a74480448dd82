"""Pairs of DHCP servers that share their clients: who is asked for whom, and the site with one of them down.

A hash divides the clients of a class between the two servers, so a class is raced for a member of each side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from coexist.analysis.space import ClientClass, MacClass
from coexist.boot.leases.pairs import Share
from coexist.inventory.models import Site
from coexist.records import dataclass
from coexist.wire.mac import mac_bytes

if TYPE_CHECKING:
    from coexist.analysis.world import Segment, World
    from coexist.boot.responder import ServerModel
    from coexist.inventory import Inventory

_ETHERNET = b"\1"
"""Before the MAC in the client identifier of firmware that sends one (RFC 2132 section 9.14)."""
_TRIED = 4096
"""Members of a class among which one of each side is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two servers that share scopes by failover, the primary first."""

    first: str
    second: str
    scopes: tuple[str, ...]

    @property
    def both(self) -> tuple[str, str]:
        """The two servers."""
        return self.first, self.second

    def other(self, server: str) -> str:
        """The partner of one of them."""
        return self.second if server == self.first else self.first


def pairs_of(site: Site) -> tuple[Pair, ...]:
    """The pairs of a site, in the order of its scopes."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, scope in site.scopes.items():
        if scope.failover is not None:
            first, second = scope.servers
            found.setdefault((first, second), []).append(name)
    return tuple(Pair(first=a, second=b, scopes=tuple(scopes)) for (a, b), scopes in found.items())


def shares_of(model: ServerModel) -> tuple[Share, ...]:
    """A server's parts in pairs; none for one that shares nothing."""
    leases = _lease_shares(model)
    boots: Share | None = getattr(getattr(model, "policy", None), "share", None)
    return leases if boots is None else (*leases, boots)


def _lease_shares(model: ServerModel) -> tuple[Share, ...]:
    shares: tuple[Share, ...] = getattr(getattr(model, "leases", None), "shares", ())
    return shares


def sides(segment: Segment, macs: MacClass) -> Mapping[tuple[bool, ...], int]:
    """A member of the class for each way in which the pairs of a segment divide it, its witness first.

    A key says of each share whether it has the client, by its MAC and by its client identifier.
    """
    shares = tuple(dict.fromkeys(s for listener in segment.listeners for s in shares_of(listener.model)))
    found: dict[tuple[bool, ...], int] = {}
    if not shares:
        return {(): macs.witness}
    for mac in islice(_members(macs), _TRIED):
        found.setdefault(_side(shares, mac), mac)
    return found


def side_of(share: Share, macs: MacClass, *, mine: bool) -> int | None:
    """A member of the class that a server answers first (``mine``), or leaves to its partner."""
    members = islice(_members(macs), _TRIED)
    return next((mac for mac in members if share.has(mac_bytes(mac)) is mine), None)


def member(client: ClientClass, mac: int) -> ClientClass:
    """The class, with another of its members to stand for it."""
    return replace(client, macs=replace(client.macs, witness=mac))


def alone(world: World, server: str) -> World:
    """The world in which a server's partner is down: it answers everyone, if it takes over at all."""
    from coexist.analysis.world import with_models

    model: Any = world.models[server]
    shares = _lease_shares(model)
    if not shares or not all(share.takes_over for share in shares):
        return world
    # A model that has shares has a field for this too.
    return with_models(world, {server: replace(model, alone=True)})


def without(world: World, inventory: Inventory, down: Iterable[str]) -> World:
    """The world in which some servers are down and their partners know it; the race is told who is silent."""
    from coexist.analysis.own_scopes import with_own_scopes

    silent = frozenset(down)
    for pair in pairs_of(with_own_scopes(inventory).site) if silent else ():
        for server in pair.both:
            if server not in silent and pair.other(server) in silent:
                world = alone(world, server)
    return world


def unnoticed(world: World, inventory: Inventory, down: Iterable[str]) -> World:
    """The world in which some servers are down and their partners have lost contact, but do not yet hold them
    for down: each still leaves its partner's clients to it, and counts those that wait."""
    from coexist.analysis.own_scopes import with_own_scopes
    from coexist.analysis.world import with_models

    silent = frozenset(down)
    for pair in pairs_of(with_own_scopes(inventory).site) if silent else ():
        for server in pair.both:
            model: Any = world.models[server]
            if pair.other(server) in silent and any(share.detection for share in shares_of(model)):
                world = with_models(world, {server: replace(model, lost=True)})
    return world


def _side(shares: tuple[Share, ...], mac: int) -> tuple[bool, ...]:
    octets = mac_bytes(mac)
    return tuple(share.has(identity) for share in shares for identity in (octets, _ETHERNET + octets))


def _members(macs: MacClass) -> Iterator[int]:
    """Its addresses, the witness first."""
    yield macs.witness
    if not macs.bounds:
        yield from macs.points
        return
    holes = frozenset(macs.points)
    yield from (
        mac
        for first, end in zip(macs.bounds[::2], macs.bounds[1::2], strict=True)
        if first <= macs.witness < end
        for mac in range(macs.witness + 1, end)
        if mac not in holes
    )
    yield from (
        mac
        for first, end in zip(macs.bounds[::2], macs.bounds[1::2], strict=True)
        for mac in range(first, end)
        if mac not in holes
    )
