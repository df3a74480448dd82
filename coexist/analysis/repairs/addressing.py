"""Repairs of networks, scopes and pools (CX2xx)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from ipaddress import IPv4Address
from operator import or_
from typing import Any

from coexist.analysis.edits import Edit, append, drop, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.reaching import without_new_errors
from coexist.analysis.repairs.registry import Repair, repairs
from coexist.analysis.repairs.separation import keep_all_off, only_its_own, unintended
from coexist.analysis.repairs.subject import cases_of
from coexist.analysis.site import AnalysedSite
from coexist.boot.request import BOOT_SERVER_PORT
from coexist.inventory.models import Pool
from coexist.wire.option_codes import Option
from coexist.wire.tftp import TFTP_PORT


@repairs("CX202", "CX203", "CX207")
def _hear_the_vlan(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "scopes":
        scope = site.site.scopes[str(finding.path[1])]
        relayed = tuple(append("vlans", scope.vlan, "relay_to", value=name) for name in scope.servers)
        return _reaching(
            site, Repair(edits=relayed, text=finding.repair), dict.fromkeys(scope.servers, (scope.vlan,))
        )
    vlans = dict.fromkeys(client.vlan for client in finding.classes)
    if finding.path[0] == "servers":
        name = str(finding.path[1])
        relayed = tuple(append("vlans", vlan, "relay_to", value=name) for vlan in vlans)
        return _reaching(site, Repair(edits=relayed, text=finding.repair), {name: vlans})
    vlan = str(finding.path[1])
    deaf = {
        name: None
        for case in cases_of(site, finding)
        for name in case.intended.servers
        if name in site.boot_services and name not in site.topology.hearing[vlan]
    }
    relayed = tuple(append("vlans", vlan, "relay_to", value=name) for name in deaf)
    return _reaching(site, Repair(edits=relayed, text=finding.repair), dict.fromkeys(deaf, (vlan,)))


def _reaching(site: AnalysedSite, repair: Repair, reached: Mapping[str, Collection[str]]) -> Repair:
    """A repair by which servers reach VLANs, and change nothing there for whom they are not meant."""
    return without_new_errors(site, only_its_own(site, repair, reached), reached)


@repairs("CX204")
def _hear_it_once(site: AnalysedSite, finding: Finding) -> Repair:
    vlan = str(finding.path[1])
    twice = [h.server for h in site.topology.hearing[vlan].values() if h.local and h.relayed]
    targets = [t for t in site.site.vlans[vlan].relay_to if site.topology.owner(t) in twice]
    return Repair(
        edits=tuple(drop("vlans", vlan, "relay_to", value=target) for target in targets),
        text="take it from the relay's targets: it hears the VLAN by itself",
    )


@repairs("CX205")
def _no_such_target(_site: AnalysedSite, finding: Finding) -> Repair | None:
    return Repair(edits=(remove(*finding.path),)) if isinstance(finding.path[-1], int) else None


@repairs("CX206")
def _trust(site: AnalysedSite, finding: Finding) -> Repair:
    vlan = str(finding.path[1])
    needed = {
        name: None
        for case in cases_of(site, finding)
        for name in (*case.intended.servers, *_leasing(site, vlan))
        if (how := site.topology.hearing[vlan].get(name)) and not how.heard
    }
    repair = Repair(
        edits=tuple(append("vlans", vlan, "snooping", "trusted", value=name) for name in needed),
        text="trust its port on the switch, and declare that",
    )
    return _reaching(site, repair, dict.fromkeys(needed, (vlan,)))


def _leasing(site: AnalysedSite, vlan: str) -> Iterator[str]:
    for scope in site.scopes_by_vlan[vlan]:
        yield from site.site.scopes[scope].servers


@repairs("CX208", "CX210", "CX211")
def _cut_the_pool(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[:1] != ("scopes",) or finding.path[2:3] != ("pools",):
        return None
    scope, number = str(finding.path[1]), int(finding.path[3])
    pools = site.site.scopes[scope].pools
    whole = pools[number].range
    pieces = cut_pieces(site, int(whole.first), int(whole.last), besides=(scope, number))
    if len(pieces) > _MOST_PIECES:
        return None
    if not pieces:
        return Repair(edits=(remove(*finding.path[:4]),))
    first, *rest = (_pool(pools[number], *piece) for piece in pieces)
    return Repair(
        edits=(
            put(*finding.path[:4], value=first),
            *(append("scopes", scope, "pools", value=p) for p in rest),
        )
    )


@repairs("CX223")
def _one_scope(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The pools go into the first scope; what else the two say must be the same, or people decide."""
    name = str(finding.path[1])
    scope = site.site.scopes[name]
    for other, declared in site.site.scopes.items():
        if other == name:
            return None
        said = [each.model_dump(exclude={"pools"}) for each in (scope, declared)]
        if said[0] == said[1]:
            pools = [_pool(pool, int(pool.range.first), int(pool.range.last)) for pool in scope.pools]
            added = (append("scopes", other, "pools", value=pool) for pool in pools)
            return Repair(edits=(*added, remove("scopes", name)))
    return None


_MOST_PIECES = 16


def cut_pieces(
    site: AnalysedSite, first: int, last: int, besides: tuple[str, int] | None = None
) -> list[tuple[int, int]]:
    """What of a range nobody has: no server, gateway, reservation or pool (``besides``: but this one)."""
    taken = {int(a) for s in site.site.servers.values() for a in s.stands_on.values()}
    taken |= {int(vlan.gateway) for vlan in site.site.vlans.values() if vlan.gateway}
    holes = [(address, address) for address in (*taken, *site.reserved)]
    holes += [
        (int(pool.range.first), int(pool.range.last))
        for name, other in site.site.scopes.items()
        for index, pool in enumerate(other.pools)
        if (name, index) != besides
    ]
    return _without(first, last, holes)


def _without(first: int, last: int, holes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """A range without some others, in ascending pieces."""
    pieces, at = [], first
    for begin, end in sorted(holes):
        if end < at or begin > last:
            continue
        if begin > at:
            pieces.append((at, begin - 1))
        at = max(at, end + 1)
    return [*pieces, (at, last)] if at <= last else pieces


def _pool(pool: Pool, first: int, last: int) -> Any:
    text = f"{IPv4Address(first)}-{IPv4Address(last)}"
    conditions = pool.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"range"})
    return {"range": text, **conditions} if conditions else text


@repairs("CX212", "CX213")
def _router(site: AnalysedSite, finding: Finding) -> Repair | None:
    name = str(finding.path[1])
    gateway = site.site.vlans[site.site.scopes[name].vlan].gateway
    if gateway is None:
        return None
    return Repair(edits=(put("scopes", name, "options", int(Option.ROUTER), value=str(gateway)),))


@repairs("CX216")
def _open_the_port(site: AnalysedSite, finding: Finding) -> Repair | None:
    vlan = str(finding.path[1])
    needed = {TFTP_PORT, BOOT_SERVER_PORT} & set(site.site.vlans[vlan].blocked_ports)
    ports = [port for port in site.site.vlans[vlan].blocked_ports if port not in needed]
    edit = (
        put("vlans", vlan, "blocked_ports", value=ports) if ports else remove("vlans", vlan, "blocked_ports")
    )
    return Repair(edits=(edit,), text="open the port in the firewall, and declare that")


@repairs("CX218")
def _edge_port(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(
        edits=(remove(*finding.path),), text="switch portfast (edge port) on, and take the delay out"
    )


@repairs("CX201")
def _a_scope(site: AnalysedSite, finding: Finding) -> Repair | None:
    vlan = str(finding.path[1])
    declared = site.site.vlans[vlan]
    hearing = site.topology.hearing[vlan]
    # Option 60 of a server is sent to every VLAN: where it leases, a ProxyDHCP is not heard (CX402).
    leasing = [
        name
        for name, each in site.site.servers.items()
        if "dhcp" in each.effective_roles
        and not each.config
        and int(Option.VENDOR_CLASS_IDENTIFIER) not in each.options
    ]
    server = next((name for name in leasing if name in hearing), None) or (leasing[0] if leasing else None)
    if server is None or site.site.servers[server].fixed:
        return None
    subnet = declared.subnet[0]
    first = int(subnet.network_address) + subnet.num_addresses // 2
    pieces = cut_pieces(site, first, int(subnet.broadcast_address) - 1)
    if not pieces:
        return None
    low, high = max(pieces, key=lambda piece: piece[1] - piece[0])
    scope: dict[str, Any] = {
        "server": server,
        "vlan": vlan,
        "pools": [f"{IPv4Address(low)}-{IPv4Address(high)}"],
    }
    if declared.gateway is not None:
        scope["options"] = {int(Option.ROUTER): str(declared.gateway)}
    edits = [put("scopes", vlan if vlan not in site.site.scopes else f"{vlan}-2", value=scope)]
    if server not in hearing:
        edits.append(append("vlans", vlan, "relay_to", value=server))
    text = "declare a scope for it; the upper half of its subnet is free"
    # Who leases may boot: nobody who is not theirs answers the clients there.
    heard = [case for case in site.cases if case.client.vlan == vlan and case.intended.rule is not None]
    off = keep_all_off(site, unintended(heard))
    for repair in off.values():
        if not repair.edits:
            return Repair(text=f"{repair.text}; then {text}")
        edits += repair.edits
    return Repair(edits=tuple(edits), text="; ".join([text, *(repair.text for repair in off.values())]))


@repairs("CX209")
def _the_same(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The second scope says what the first says."""
    if finding.path[0] != "scopes":
        return None
    second = site.site.scopes[str(finding.path[1])]
    first = next(
        (s for n, s in site.site.scopes.items() if n != finding.path[1] and s.vlan == second.vlan), None
    )
    if first is None or first.rules or second.rules or first.programs or second.programs:
        return None
    edits: list[Edit] = []
    for word in ("next_server", "filename"):
        ours, theirs = getattr(first, word), getattr(second, word)
        if ours is not None and ours != theirs:
            edits.append(put(*finding.path[:2], word, value=str(ours)))
        elif ours is None and theirs is not None:
            edits.append(remove(*finding.path[:2], word))
    for code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME, Option.VENDOR_CLASS_IDENTIFIER):
        ours, theirs = first.options.get(int(code)), second.options.get(int(code))
        if ours is not None and ours != theirs:
            edits.append(put(*finding.path[:2], "options", int(code), value=ours))
        elif ours is None and theirs is not None:
            edits.append(remove(*finding.path[:2], "options", int(code)))
    return Repair(edits=tuple(edits)) if edits else None


@repairs("CX214")
def _open_the_pools(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "scopes":
        return None
    scope = str(finding.path[1])
    edits = [
        put("scopes", scope, "pools", number, value=str(pool.range))
        for number, pool in enumerate(site.site.scopes[scope].pools)
        if pool.allow or pool.deny
    ]
    return Repair(edits=tuple(edits), text="let its pools lease to them") if edits else None


@repairs("CX224")
def _refuse_by_pools(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Pools are told apart once it is known who the client is."""
    name, number = str(finding.path[1]), finding.path[3]
    scope = site.site.scopes[name]
    refusal = scope.rules[int(number)]
    if refusal.model_fields_set - {"clients", "ignore", "name"} or not refusal.clients:
        return None
    refused = reduce(or_, map(site.inventory.group, refusal.clients))
    plan = site.scopes.plan(scope.servers[0]).plan
    subnets = [subnet for subnet in plan.wire_of(name).subnets if subnet.scope == name]
    if any(own.mac in refused for subnet in subnets for own in plan.reservations(subnet)):
        return None
    edits = [
        put("scopes", name, "pools", at, value={"range": str(pool.range), "deny": list(refusal.clients)})
        if pool.model_fields_set == {"range"}
        else put("scopes", name, "pools", at, "deny", value=[*pool.deny, *refusal.clients])
        for at, pool in enumerate(scope.pools)
    ]
    return Repair(edits=(remove(*finding.path), *edits))


@repairs("CX219")
def _port_4011(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The boot service beside a DHCP server has port 4011 alone, and the lease says that it is there."""
    host = site.site.servers[str(finding.path[1])].host
    beside = {name: server for name, server in site.site.servers.items() if server.host == host}
    leasing = [name for name, server in beside.items() if "dhcp" in server.effective_roles]
    proxies = [name for name, server in beside.items() if "proxydhcp" in server.effective_roles]
    scopes = [name for name, scope in site.site.scopes.items() if set(scope.servers) & set(leasing)]
    if len(leasing) != 1 or len(proxies) != 1 or any(server.fixed for server in beside.values()):
        return None
    roles = sorted({*beside[proxies[0]].effective_roles} - {"proxydhcp"} | {"boot-server"})
    class_ = int(Option.VENDOR_CLASS_IDENTIFIER)
    told = [put("scopes", name, "options", class_, value="PXEClient") for name in scopes]
    return Repair(
        edits=(put("servers", proxies[0], "roles", value=roles), *told),
        text=f"let {proxies[0]} listen on port 4011 only, or give it a host of its own",
    )


@repairs("CX220")
def _fewer_answers(site: AnalysedSite, finding: Finding) -> Repair | None:
    vlan = str(finding.path[1])
    wanted = {name for case in site.cases if case.client.vlan == vlan for name in case.intended.servers}
    elsewhere = {name for case in site.cases for name in case.intended.servers}
    edits = [
        put("servers", name, "answers", value="nobody")
        for name, server in site.boot_services.items()
        if name in site.topology.hearing[vlan] and name not in wanted | elsewhere and not server.fixed
    ]
    return (
        Repair(edits=tuple(edits), text="let servers that no intent names answer nobody") if edits else None
    )


@repairs("CX222")
def _failover(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Two servers of one product share their clients half and half; other servers need a decision."""
    servers = site.site.scopes[str(finding.path[1])].servers
    both = [site.site.servers[name] for name in servers]
    products = {server.product.name for server in both}
    if len(both) != 2 or len(products) != 1 or any(server.fixed for server in both):
        return None
    if "load-balancing" not in both[0].can.failover:
        return None
    scopes = [
        name for name, scope in site.site.scopes.items() if scope.servers == servers and not scope.failover
    ]
    return Repair(
        edits=tuple(put("scopes", name, "failover", value={"mode": "load-balancing"}) for name in scopes)
    )
