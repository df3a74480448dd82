"""CX2xx: who leases which address, and with which router."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv4Network, collapse_addresses

from coexist.analysis.findings import ERROR, WARNING, Finding
from coexist.analysis.rules import report, rule, unwell
from coexist.analysis.rules.hearing import wants_service
from coexist.analysis.rules.pairs import pair_disagrees, told, told_differently
from coexist.analysis.site import AnalysedSite, Case
from coexist.analysis.space import ClientClass
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.own_files import OwnConfig, own_config
from coexist.inventory.documents import Path
from coexist.inventory.named_servers import server_address
from coexist.wire.options import Option


@rule("CX208", "pools-overlap", ERROR, "Two scopes lease the same addresses")
def pools_overlap(site: AnalysedSite) -> Iterable[Finding]:
    """Pools of different scopes (or twice in one) that share addresses."""
    pools = [
        (pool.range.first, pool.range.last, name, number)
        for name, scope in site.site.scopes.items()
        for number, pool in enumerate(scope.pools)
    ]
    # Of all the pools that begin before one, the one that reaches farthest.
    reached, owner = IPv4Address(0), ""
    for first, last, name, number in sorted(pools):
        if owner and first <= reached:
            yield report(site, "CX208", ("scopes", name, "pools", number), f"the pools of {owner} and {name} both lease {first} to {min(reached, last)}",
                         "split the range; two servers that share one pool belong into one scope", count=0)  # fmt: skip
        if not owner or last > reached:
            reached, owner = last, name


@rule("CX223", "two-scopes-of-one-subnet", ERROR, "A server has two scopes for one subnet")
def two_scopes_of_one_subnet(site: AnalysedSite) -> Iterable[Finding]:
    """A daemon declares a subnet once; of two scopes nothing says which one a client gets."""
    first: dict[tuple[str, IPv4Network], str] = {}
    told: set[str] = set()
    for name, scope in site.site.scopes.items():
        networks = (scope.subnet,) if scope.subnet is not None else site.site.vlans[scope.vlan].subnet
        for server in scope.servers:
            for network in () if site.site.servers[server].config else networks:
                other = first.setdefault((server, network), name)
                if other != name and name not in told:
                    told.add(name)
                    yield report(site, "CX223", ("scopes", name), f"{server} has the scopes {other} and {name} for {network}",
                                 f"put the pools of {name} into {other}; what differs for some clients belongs into its `rules`", count=0)  # fmt: skip


@rule(
    "CX209",
    "dhcp-servers-disagree",
    ERROR,
    "Two DHCP servers of a VLAN hand out different boot information",
    explains=True,
)
def dhcp_servers_disagree(site: AnalysedSite) -> Iterable[Finding]:
    """Two scopes of one VLAN that send a class to different places."""
    found: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in site.cases:
        scopes = site.heard_scopes(case.client.vlan)
        for name in scopes:
            if pair_disagrees(site, name, case.client):
                found[name, name].append(case)
        if len(scopes) < 2:
            continue
        seen: dict[object, str] = {}
        for name in scopes:
            if not site.scopes.leases(name, case.client):
                continue
            handed = site.scopes.handed(name, case.client)
            seen.setdefault(told(handed), name)
        if len(seen) > 1:
            first, second, *_ = seen.values()
            found[first, second].append(case)
    for (first, second), cases in found.items():
        clients, severity = unwell(cases, partial(_ends_one_way, site))
        if first == second:
            yield report(site, "CX209", ("scopes", first), told_differently(site, first, [case.client for case in cases]),
                         "give both servers the same next server, file and options", clients=clients, severity=severity)  # fmt: skip
        elif set(site.site.scopes[first].servers) != set(site.site.scopes[second].servers):
            yield report(site, "CX209", ("scopes", second), f"{first} and {second} lease on one VLAN and hand out different boot information",
                         "give both scopes the same next server, file and options", clients=clients, severity=severity)  # fmt: skip


def _ends_one_way(site: AnalysedSite, case: Case) -> bool:
    """Whether a class boots as intended whichever server it hears, and by one file. Phones read their lease."""
    if site.is_phone(case.client) or not site.is_well(case):
        return False
    stages = site.races.of(case.client), site.races.second(case.client)
    return all(len({(finish.winner, finish.file) for finish in finishes}) < 2 for finishes in stages)


@rule("CX210", "pool-holds-server", ERROR, "A pool leases the address of a server or gateway")
def pool_holds_server(site: AnalysedSite) -> Iterable[Finding]:
    """Pools with the address of a server or gateway inside."""
    taken = {int(a): name for name, s in site.site.servers.items() for a in s.stands_on.values()}
    for name, vlan in site.site.vlans.items():
        if vlan.gateway:
            taken.setdefault(int(vlan.gateway), f"the gateway of VLAN {name}")
    addresses = sorted(taken)
    for name, scope in site.site.scopes.items():
        for number, pool in enumerate(scope.pools):
            for address in _inside(addresses, pool.range.first, pool.range.last):
                shown = IPv4Address(address)
                yield report(site, "CX210", ("scopes", name, "pools", number), f"the pool {pool.range} leases {shown}, the address of {taken[address]}",
                             f"leave {shown} out of the pool", count=0)  # fmt: skip


def _inside(numbers: Sequence[int], first: IPv4Address, last: IPv4Address) -> Sequence[int]:
    """Those of some sorted addresses that lie in a range."""
    return numbers[bisect_left(numbers, int(first)) : bisect_right(numbers, int(last))]


@rule("CX211", "reservation-in-pool", WARNING, "A reserved address lies in a pool that leases to others")
def reservation_in_pool(site: AnalysedSite) -> Iterable[Finding]:
    """Reserved addresses that dhcpd would also lease dynamically."""
    clients = site.inventory.clients
    for name, scope in site.site.scopes.items():
        if not any(site.site.servers[s].product.leases_reserved for s in scope.servers):
            continue  # Kea, dnsmasq and Windows keep a reserved address out of the pool themselves
        for number, pool in enumerate(scope.pools):
            inside = clients.by_address(int(pool.range.first), int(pool.range.last))
            if inside:
                first = clients.addresses[inside[0]]
                yield report(site, "CX211", ("scopes", name, "pools", number), f"the pool {pool.range} holds {IPv4Address(first)}, which is reserved for one client and leased to others",
                             "leave reserved addresses out of the pool", count=len(inside),
                             position=clients.position(clients.addresses.index(first), "address"))  # fmt: skip


@rule("CX221", "reservation-in-no-scope", WARNING, "A reserved address lies in no scope that would lease it")
def reservation_in_no_scope(site: AnalysedSite) -> Iterable[Finding]:
    """Reserved addresses that no scope would hand out."""
    clients = site.inventory.clients
    covered = {
        net
        for scope in site.site.scopes.values()
        if scope.reservations
        for net in ((scope.subnet,) if scope.subnet else site.site.vlans[scope.vlan].subnet)
    }
    merged = sorted(collapse_addresses(covered))
    ends = ((int(network.network_address), int(network.broadcast_address)) for network in merged)
    if sum(len(clients.by_address(first, last)) for first, last in ends) == clients.reserved_rows:
        return
    own = [
        (subnet.network, config)
        for name, server in site.site.servers.items()
        if "dhcp" in server.effective_roles and (config := own_config(site.inventory, name)) is not None
        for subnet in config.subnets
    ]
    starts = [int(n.network_address) for n in merged]
    lost = [
        (number, row)
        for row, number in enumerate(clients.addresses)
        if number
        and not _holds(merged, starts, number)
        and not _is_offered(own, clients.macs[row], IPv4Address(number))
    ]
    if lost:
        number, row = min(lost)
        yield report(site, "CX221", ("clients",), f"{IPv4Address(number)} is reserved, and no scope hands out reservations there",
                     "add a scope for its subnet, or remove the address", count=len(lost),
                     position=clients.position(row, "address"))  # fmt: skip


def _holds(networks: Sequence[IPv4Network], starts: Sequence[int], number: int) -> bool:
    """Whether an address lies in one of the networks, which are apart and in order."""
    before = bisect_right(starts, number)
    return before > 0 and IPv4Address(number) in networks[before - 1]


def _is_offered(own: Sequence[tuple[IPv4Network, OwnConfig]], mac: int, address: IPv4Address) -> bool:
    """Whether a server's own file has the address for the machine."""
    for network, config in own:
        if address in network:
            lease = config.offered(network, mac)
            if lease is not None and lease.reserved and lease.yiaddr == address:
                return True
    return False


def boot_addresses(site: AnalysedSite, case: Case) -> list[tuple[str, IPv4Address]]:
    """Where the intended servers of a class are reached from its VLAN."""
    found = []
    for name in case.intended.servers:
        address = server_address(site.site, name, case.client.vlan)
        if address is not None:
            found.append((name, address))
    return found


@rule(
    "CX212",
    "no-router-to-boot-server",
    ERROR,
    "Clients get no router and their boot server is elsewhere",
    explains=True,
)
def no_router_to_boot_server(site: AnalysedSite) -> Iterable[Finding]:
    """Scopes without a router whose clients load from another subnet."""
    found: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for case in site.cases:
        if not case.intended.boots:
            continue
        subnets = site.site.vlans[case.client.vlan].subnet
        outside = [name for name, a in boot_addresses(site, case) if not any(a in net for net in subnets)]
        if not outside:
            continue
        # Whom a scope ignores gets no lease at all (CX214).
        for handed in site.handed_to(case):
            if Option.ROUTER not in handed.options:
                found[handed.scope, outside[0]].append(case.client)
    for (scope, server), clients in found.items():
        yield report(site, "CX212", ("scopes", scope), f"{scope} gives no router (option 3), and {server} is in another subnet",
                     "write `options: {3: <the gateway>}` in the scope", clients=clients)  # fmt: skip


@rule("CX213", "router-outside-subnet", ERROR, "The router option names an address outside the subnet")
def router_outside_subnet(site: AnalysedSite) -> Iterable[Finding]:
    """Routers that are not in the scope's subnet."""
    for name, scope in site.site.scopes.items():
        value = scope.options.get(int(Option.ROUTER))
        if value is None:
            continue
        nets = (scope.subnet,) if scope.subnet else site.site.vlans[scope.vlan].subnet
        for text in value if isinstance(value, tuple) else (value,):
            try:
                address = IPv4Address(str(text))
            except AddressValueError:
                continue
            if not any(address in net for net in nets):
                yield report(site, "CX213", ("scopes", name, "options", "3"), f"the router {address} is outside {' and '.join(map(str, nets))}",
                             "write the VLAN's gateway",
                             clients=[c for c in site.space.classes if c.vlan == scope.vlan], timeline=())  # fmt: skip


@rule("CX214", "no-address-for-clients", ERROR, "Clients that must boot are leased no address", explains=True)
def no_address_for_clients(site: AnalysedSite) -> Iterable[Finding]:
    """Classes that must be served, and no scope of their VLAN leases to them."""
    found: dict[str, list[ClientClass]] = defaultdict(list)
    for case in site.cases:
        scopes = site.scopes_by_vlan[case.client.vlan]
        if not scopes or not wants_service(case) or not site.scopes.asks(case.client):
            continue
        if not any(
            site.scopes.leases(name, case.client) and not site.scopes.handed(name, case.client).ignored
            for name in scopes
        ):
            found[scopes[0]].append(case.client)
    for scope, clients in found.items():
        yield report(site, "CX214", ("scopes", scope), f"no pool of {scope} leases an address to clients that must be served",
                     "add a pool for them, or change its `allow` and `deny`", clients=clients)  # fmt: skip


@rule("CX224", "refusal-of-other-clients", ERROR, "A rule keeps clients from addresses that another line gives them", explains=True)  # fmt: skip
def refusal_of_other_clients(site: AnalysedSite) -> Iterable[Finding]:
    """Classes that a scope leases to, and its server does not: a refusal of a subnet there comes first."""
    found: dict[tuple[str, Path], list[ClientClass]] = defaultdict(list)
    served: set[tuple[str, Path]] = set()
    for vlan, names in site.scopes_by_vlan.items():
        refusing = {
            server: None
            for name in names
            for server in site.site.scopes[name].servers
            if any(rule.ignore for rule in site.site.scopes[name].rules)
        }
        if not refusing:
            continue
        for client in (client for client in site.space.classes if client.vlan == vlan):
            for server in refusing:
                origin = _refused_at(site, server, names, client)
                if origin is None:
                    continue
                found[server, origin].append(client)
                others = {other for name in names for other in site.site.scopes[name].servers} - {server}
                if any(isinstance(site.scopes.leased(other, client), Lease) for other in others):
                    served.add((server, origin))
    for (server, path), clients in found.items():
        yield report(site, "CX224", path, f"by this refusal {server} leases nothing to clients that one of its scopes serves",
                     "refuse by the pools instead (`deny`), or give the subnet a VLAN of its own", clients=clients,
                     severity=WARNING if (server, path) in served else None)  # fmt: skip


def _refused_at(site: AnalysedSite, server: str, names: Sequence[str], client: ClientClass) -> Path | None:
    """The rule by which a server leases nothing to a class that one of its scopes leases to."""
    is_served = any(
        site.scopes.leases(name, client) and not site.scopes.handed(name, client).ignored
        for name in names
        if server in site.site.scopes[name].servers
    )
    lease = site.scopes.leased(server, client) if is_served else None
    origin = lease.origin if isinstance(lease, NoLease) else None
    return origin if isinstance(origin, tuple) and origin[2:3] == ("rules",) else None
