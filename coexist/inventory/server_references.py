"""Whether what servers and scopes name exists, and their addresses fit where they stand."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from coexist.inventory.broken import EVERY_NAME
from coexist.inventory.declarations import Declarations
from coexist.inventory.deployment import check_paths
from coexist.inventory.documents import Path
from coexist.inventory.groups import BUILT_IN
from coexist.inventory.models import Scope, ScopeRule, Server
from coexist.inventory.registrations import inside, listed
from coexist.text.closest import closest


def check_servers(given: Declarations) -> None:
    """Servers: no name and no address of two, and all that they refer to."""
    owners: dict[IPv4Address, str] = {}
    called: dict[str, str] = {}
    for name, server in given.site.servers.items():
        path: Path = ("servers", name)
        _names(given, path, server, called)
        for vlan_name, address in server.stands_on.items():
            _server_address(given, name, server, vlan_name, address)
            other = owners.setdefault(address, name)
            if other != name and _host(given, other) != _host(given, name):
                given.complain(
                    path,
                    f"{address} is also the address of {other}",
                    "correct one of them, or write the same `host:` in both if they share a machine",
                    key=True,
                )
        given.need_groups(
            (*path, "answers", "only"), server.answers.groups if server.answers.who == "only" else ()
        )
        given.need_groups(
            (*path, "answers", "except"),
            server.answers.groups if server.answers.who == "all_except" else (),
        )
        _empty_whitelist(given, path, server)
        for group in server.delay_for:
            given.need_groups((*path, "delay_for", group), [group])
        for group in server.programs_for:
            given.need_groups((*path, "programs_for", group), [group])
            if not server.product.capabilities.programs_for_groups:
                message = f"{server.software.product} cannot give some of its clients other programs"
                given.complain((*path, "programs_for"), message, "remove the line", key=True)
        if server.discovery_group is not None and server.product.language:
            message = f"coexist writes the configuration of {name}, which joins no multicast group"
            given.complain((*path, "discovery_group"), message, "remove the line", key=True)
        _programs(given, (*path, "programs"), server)
        if server.boot_server:
            given.need_servers((*path, "boot_server"), [server.boot_server], address_too=True)
        _pair(given, (*path, "pair"), name, server)
        check_paths(given, (*path, "deploy", "paths"), name, server)
        if server.dropin:
            _rules(given, (*path, "dropin"), server.dropin.rules)


def _names(given: Declarations, path: Path, server: Server, called: dict[str, str]) -> None:
    """What a server is called, here and on the network; ``called`` has the host names of others."""
    name = str(path[-1])
    if name == "nobody":
        message = "`boot_from: nobody` means no server, so none can be called so"
        given.complain(path, message, "choose another name", key=True)
    for place, text in given.each((*path, "names"), server.names):
        other = called.setdefault(text, name)
        if other != name:
            message = f"{text} is also a name of {other}"
            given.complain(place, message, "a host name means one server; correct one of them")


def _pair(given: Declarations, path: Path, name: str, server: Server) -> None:
    """Two boot servers of coexist, and each of them in one pair."""
    if server.pair is None:
        return
    other = server.pair.server
    given.need_servers(path, [other])
    servers = given.site.servers
    paired = [{each, declared.pair.server} for each, declared in servers.items() if declared.pair is not None]
    if other == name:
        given.complain(path, f"{name} cannot be a pair with itself", "name the other of the two servers")
    elif not all(servers[each].product.is_ours for each in (name, other) if each in servers):
        what = f"{name} and {other} cannot be a pair: only two servers of the product coexist can"
        given.complain(path, what, "remove the line; two DHCP servers share a scope by `failover`")
    elif sum(not both.isdisjoint({name, other}) for both in paired) > 1:
        given.complain(path, f"{name} or {other} is in another pair already", "keep one of the pairs")


def _host(given: Declarations, name: str) -> str:
    return given.site.servers[name].host or name


def _server_address(
    given: Declarations, name: str, server: Server, vlan_name: str, address: IPv4Address
) -> None:
    path: Path = ("servers", name, "addresses", vlan_name) if server.addresses else ("servers", name, "vlan")
    vlan = given.site.vlans.get(vlan_name)
    if vlan is None and given.is_broken("vlans", vlan_name):
        return
    if vlan is None:
        given.complain(
            path,
            f"there is no VLAN {vlan_name!r}",
            closest(vlan_name, given.declared("vlans")),
            key=bool(server.addresses),
        )
        return
    place = path if server.addresses else ("servers", name, "address")
    if not inside(address, vlan.subnet):
        given.complain(
            place,
            f"{address} is outside {listed(vlan.subnet)} of VLAN {vlan_name}",
            "correct the address or the VLAN",
        )
    else:
        given.need_host(place, address, vlan.subnet)


def _empty_whitelist(given: Declarations, path: Path, server: Server) -> None:
    # Of clients that could not be read nothing is known.
    if server.answers.who != "only" or given.is_broken("clients", EVERY_NAME):
        return
    groups = [g for g in server.answers.groups if g in given.site.groups or g in BUILT_IN]
    if groups and given.resolver.is_empty(groups):
        given.complain(
            (*path, "answers"),
            f"the whitelist is empty: {', '.join(groups)} has no client",
            "add clients to the group, or write `answers: nobody`",
        )


def _programs(given: Declarations, path: Path, holder: Server | Scope | ScopeRule) -> None:
    for key, program in holder.programs.items():
        if program.server:
            given.need_servers((*path, key, "server"), [program.server], address_too=True)


def check_scopes(given: Declarations) -> None:
    """Scopes: servers that lease, addresses of their VLAN, and all that they refer to."""
    for name, scope in given.site.scopes.items():
        path: Path = ("scopes", name)
        servers = "servers" if (*path, "servers") in given.sources.keys else "server"
        given.need_servers((*path, servers), scope.servers)
        for server_name in scope.servers:
            server = given.site.servers.get(server_name)
            if server and "dhcp" not in server.effective_roles:
                given.complain(
                    (*path, servers),
                    f"{server_name} is not a DHCP server",
                    "name one with the role dhcp, or add the role",
                )
            if server and server.config:
                given.complain(
                    path,
                    f"{server_name} runs on its own files, which say what it leases",
                    "remove the scope, or remove `config` of the server",
                )
        given.need_vlans((*path, "vlan"), [scope.vlan])
        _scope_addresses(given, path, scope)
        _boot_values(given, path, scope.next_server)
        _programs(given, (*path, "programs"), scope)
        _rules(given, path, scope.rules)


def _rules(given: Declarations, path: Path, rules: Iterable[ScopeRule]) -> None:
    for number, rule in enumerate(rules):
        place: Path = (*path, "rules", number)
        given.need_groups((*place, "clients"), rule.clients or ())
        _boot_values(given, place, rule.next_server)
        _programs(given, (*place, "programs"), rule)


def _boot_values(given: Declarations, path: Path, next_server: str | None) -> None:
    if next_server is not None:
        given.need_servers((*path, "next_server"), [next_server], address_too=True)


def _scope_addresses(given: Declarations, path: Path, scope: Scope) -> None:
    vlan = given.site.vlans.get(scope.vlan)
    if vlan is None:
        return
    if scope.subnet and not any(scope.subnet.subnet_of(s) for s in vlan.subnet):
        given.complain(
            (*path, "subnet"),
            f"{scope.subnet} is outside {listed(vlan.subnet)} of VLAN {scope.vlan}",
            "correct one of them",
        )
    nets = (scope.subnet,) if scope.subnet else vlan.subnet
    for number, pool in enumerate(scope.pools):
        place: Path = (*path, "pools", number)
        if not (inside(pool.range.first, nets) and inside(pool.range.last, nets)):
            given.complain(place, f"the pool {pool.range} is outside {listed(nets)}", "correct the range")
        given.need_groups((*place, "allow"), pool.allow)
        given.need_groups((*place, "deny"), pool.deny)
