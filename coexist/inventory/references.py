"""Whether the names an inventory uses exist and its addresses fit where they stand."""

from __future__ import annotations

from ipaddress import IPv4Network

from coexist.errors import Problem
from coexist.inventory.broken import Broken
from coexist.inventory.clients import ClientTable
from coexist.inventory.declarations import Declarations
from coexist.inventory.documents import Path, SourceMap
from coexist.inventory.groups import BUILT_IN, GroupResolver
from coexist.inventory.migration_references import check_migrations
from coexist.inventory.models import FIRMWARES, Site
from coexist.inventory.registrations import check_registrations, inside, listed
from coexist.inventory.server_references import check_scopes, check_servers
from coexist.text.closest import closest


def check_references(
    site: Site,
    clients: ClientTable,
    resolver: GroupResolver,
    sources: SourceMap,
    broken: Broken | None = None,
) -> list[Problem]:
    """Every reference to nothing and every address outside its place, with its position and remedy.

    A reference to a ``broken`` declaration is not reported again.
    """
    broken = broken or {}
    given = Declarations(site, clients, resolver, sources, broken)
    _check_vlans(given)
    check_servers(given)
    check_scopes(given)
    _check_groups(given)
    _check_intent(given)
    _check_firmware_names(given)
    check_migrations(given)
    return given.problems + resolver.problems + check_registrations(site, clients, resolver.kinds, broken)


def _check_vlans(given: Declarations) -> None:
    """VLANs: their ids, subnets, gateways, relays and switches."""
    taken: list[tuple[int, int, IPv4Network, str]] = []
    numbers: dict[int, str] = {}
    for name, vlan in given.site.vlans.items():
        path = ("vlans", name)
        if vlan.id in numbers:
            given.complain(
                (*path, "id"),
                f"VLAN id {vlan.id} is also {numbers[vlan.id]}'s",
                "each VLAN has its own id",
            )
        numbers.setdefault(vlan.id, name)
        for subnet in vlan.subnet:
            low, high = int(subnet.network_address), int(subnet.broadcast_address)
            for first, last, other, owner in taken:
                if low <= last and first <= high:
                    given.complain(
                        (*path, "subnet"),
                        f"{subnet} overlaps {other} of VLAN {owner}",
                        "make the subnets disjoint",
                    )
            taken.append((low, high, subnet, name))
        if vlan.gateway and not inside(vlan.gateway, vlan.subnet):
            given.complain(
                (*path, "gateway"),
                f"the gateway {vlan.gateway} is outside {listed(vlan.subnet)}",
                "correct one of them",
            )
        elif vlan.gateway:
            given.need_host((*path, "gateway"), vlan.gateway, vlan.subnet)
        given.need_servers((*path, "relay_to"), vlan.relay_to, address_too=True)
        for number, relay in enumerate(vlan.relay):
            own = (
                (*path, "relay", number, "relay_to") if len(vlan.relay) > 1 else (*path, "relay", "relay_to")
            )
            given.need_servers(own, relay.relay_to, address_too=True)
        if vlan.targets and not (vlan.gateway or all(relay.address for relay in vlan.relay)):
            given.complain(
                path,
                "a relay needs an address",
                "write `gateway: ...`, the address it puts into giaddr",
                key=True,
            )
        if vlan.snooping:
            given.need_servers((*path, "snooping", "trusted"), vlan.snooping.trusted)


def _check_groups(given: Declarations) -> None:
    """Groups: their names, and what they are made of."""
    for name, group in given.site.groups.items():
        path: Path = ("groups", name)
        if name in BUILT_IN:
            given.complain(
                path, f"{name!r} always exists and cannot be declared", "choose another name", key=True
            )
        for column in group.where:
            if column not in given.table.columns:
                given.complain(
                    (*path, "where", column),
                    f"no client has a column {column!r}",
                    closest(column, given.table.columns),
                    key=True,
                )
        given.need_groups((*path, "groups"), group.groups)
        given.need_groups((*path, "except"), group.excluded)
        given.need_vlans((*path, "vlan"), group.vlan or ())
        given.need_firmware((*path, "firmware"), group.firmware or ())
        given.resolver.examine(name)


def _check_intent(given: Declarations) -> None:
    """The clients, VLANs and servers of the intent."""
    for number, rule in enumerate(given.site.intent):
        path: Path = ("intent", number)
        given.need_groups((*path, "clients"), rule.clients)
        given.need_groups((*path, "unless"), rule.unless)
        given.need_vlans((*path, "vlan"), rule.vlan or ())
        if rule.boot_from and rule.boot_from != "nobody":
            given.need_servers((*path, "boot_from"), [rule.boot_from])
        given.need_servers((*path, "fallback"), rule.fallback)


def _check_firmware_names(given: Declarations) -> None:
    """The firmwares of architectures, and variants of them."""
    for architecture, names in given.site.architectures.items():
        given.need_firmware(("architectures", architecture), names)
    for name, variant in given.site.firmwares.items():
        path: Path = ("firmwares", name)
        if name in FIRMWARES:
            given.complain(
                path, f"{name!r} is a built-in firmware", "give your variant a name of its own", key=True
            )
        like, chain = variant.like, [name]
        while like in given.site.firmwares and like not in chain:
            chain.append(like)
            like = given.site.firmwares[like].like
        if like == name:
            given.complain(
                (*path, "like"),
                f"the firmware is like itself: {' -> '.join([*chain, like])}",
                "name a built-in firmware in one of them",
            )
        elif (
            like == variant.like
            and like not in (*FIRMWARES, *chain)
            and not given.is_broken("firmwares", like)
        ):
            given.complain(
                (*path, "like"),
                f"there is no firmware {like!r}",
                closest(like, [*FIRMWARES, *given.declared("firmwares")]),
            )
