"""Whether the names an inventory uses exist and its addresses fit where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from coexist.errors import Problem
from coexist.inventory.broken import EVERY_NAME, Broken
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import Path, SourceMap
from coexist.inventory.groups import BUILT_IN, GroupResolver
from coexist.inventory.migrations import Migration
from coexist.inventory.models import FIRMWARES, Scope, ScopeRule, Server, Site
from coexist.inventory.registrations import check_registrations, inside
from coexist.inventory.values import closest
from coexist.wire.mac import parse_mac


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
    checker = _Checker(site, clients, resolver, sources, broken)
    checker.vlans()
    checker.servers()
    checker.scopes()
    checker.groups()
    checker.intent()
    checker.firmware_names()
    checker.migrations()
    return checker.problems + resolver.problems + check_registrations(site, clients, resolver.kinds, broken)


def server_address(site: Site, text: str, vlan: str | None = None) -> IPv4Address | None:
    """The address a ``next_server`` or ``boot_server`` means: an address, or a server's name.

    A server with several addresses is taken on ``vlan`` if it stands there, else by its first one.
    None if it is neither.
    """
    server = site.servers.get(text)
    if server is not None:
        stands = server.stands_on
        return stands.get(vlan or "", next(iter(stands.values()), None))
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def relay_targets(site: Site, target: str, vlan: str) -> tuple[tuple[str, IPv4Address], ...]:
    """The servers that a relay agent of ``vlan`` reaches by one of its targets, with the address it sends to.

    A server's name means its first address off the VLAN, else the one there; an address means every server
    that stands on it. Empty for a stranger.
    """
    server = site.servers.get(target)
    if server is not None:
        stands = server.stands_on
        return ((target, next((a for v, a in stands.items() if v != vlan), next(iter(stands.values())))),)
    address = server_address(site, target)
    return tuple(
        (name, address) for name, s in site.servers.items() if address in s.stands_on.values() and address
    )


class _Checker:
    def __init__(
        self,
        site: Site,
        clients: ClientTable,
        resolver: GroupResolver,
        sources: SourceMap,
        broken: Broken,
    ) -> None:
        self.broken = broken
        self.site = site
        self.table = clients
        self.resolver = resolver
        self.sources = sources
        self.problems: list[Problem] = []

    def complain(self, path: Path, message: str, remedy: str, *, key: bool = False) -> None:
        self.problems.append(Problem(self.sources.at(path, value=not key), message, remedy))

    def is_broken(self, section: str, name: str) -> bool:
        """Whether a declaration of this name was left out because it is wrong itself."""
        names = self.broken.get(section, set())
        return name in names or EVERY_NAME in names

    def declared(self, section: str) -> set[str]:
        """The names of a section, those of wrong declarations too."""
        return {*getattr(self.site, section), *self.broken.get(section, ())} - {EVERY_NAME}

    # -- names ---------------------------------------------------------------------------------

    def _each(self, path: Path, names: Iterable[str]) -> Iterator[tuple[Path, str]]:
        """Each name of a one-or-more field with its place."""
        for number, name in enumerate(names):
            single = (*path, number)
            yield (single if single in self.sources.values else path), name

    def need_groups(self, path: Path, names: Iterable[str]) -> None:
        for place, name in self._each(path, names):
            if name not in BUILT_IN and name not in self.site.groups and not self.is_broken("groups", name):
                self.complain(
                    place, f"there is no group {name!r}", closest(name, [*BUILT_IN, *self.declared("groups")])
                )

    def need_vlans(self, path: Path, names: Iterable[str]) -> None:
        for place, name in self._each(path, names):
            if name not in self.site.vlans and not self.is_broken("vlans", name):
                self.complain(place, f"there is no VLAN {name!r}", closest(name, self.declared("vlans")))

    def need_servers(self, path: Path, names: Iterable[str], *, address_too: bool = False) -> None:
        for place, name in self._each(path, names):
            if name in self.site.servers or self.is_broken("servers", name):
                continue
            if not (address_too and server_address(self.site, name)):
                what = "server or address" if address_too else "server"
                self.complain(place, f"there is no {what} {name!r}", closest(name, self.declared("servers")))

    # -- sections ------------------------------------------------------------------------------

    def vlans(self) -> None:
        taken: list[tuple[int, int, IPv4Network, str]] = []
        numbers: dict[int, str] = {}
        for name, vlan in self.site.vlans.items():
            path = ("vlans", name)
            if vlan.id in numbers:
                self.complain(
                    (*path, "id"),
                    f"VLAN id {vlan.id} is also {numbers[vlan.id]}'s",
                    "each VLAN has its own id",
                )
            numbers.setdefault(vlan.id, name)
            for subnet in vlan.subnet:
                low, high = int(subnet.network_address), int(subnet.broadcast_address)
                for first, last, other, owner in taken:
                    if low <= last and first <= high:
                        self.complain(
                            (*path, "subnet"),
                            f"{subnet} overlaps {other} of VLAN {owner}",
                            "make the subnets disjoint",
                        )
                taken.append((low, high, subnet, name))
            if vlan.gateway and not inside(vlan.gateway, vlan.subnet):
                self.complain(
                    (*path, "gateway"),
                    f"the gateway {vlan.gateway} is outside {_list(vlan.subnet)}",
                    "correct one of them",
                )
            self.need_servers((*path, "relay_to"), vlan.relay_to, address_too=True)
            for number, relay in enumerate(vlan.relay):
                own = (
                    (*path, "relay", number, "relay_to")
                    if len(vlan.relay) > 1
                    else (*path, "relay", "relay_to")
                )
                self.need_servers(own, relay.relay_to, address_too=True)
            if vlan.targets and not (vlan.gateway or all(relay.address for relay in vlan.relay)):
                self.complain(
                    path,
                    "a relay needs an address",
                    "write `gateway: ...`, the address it puts into giaddr",
                    key=True,
                )
            if vlan.snooping:
                self.need_servers((*path, "snooping", "trusted"), vlan.snooping.trusted)

    def servers(self) -> None:
        owners: dict[IPv4Address, str] = {}
        called: dict[str, str] = {}
        for name, server in self.site.servers.items():
            path: Path = ("servers", name)
            for place, text in self._each((*path, "names"), server.names):
                other = called.setdefault(text, name)
                if other != name:
                    message = f"{text} is also a name of {other}"
                    self.complain(place, message, "a host name means one server; correct one of them")
            for vlan_name, address in server.stands_on.items():
                self._server_address(name, server, vlan_name, address)
                other = owners.setdefault(address, name)
                if other != name and self._host(other) != self._host(name):
                    self.complain(
                        path,
                        f"{address} is also the address of {other}",
                        "correct one of them, or write the same `host:` in both if they share a machine",
                        key=True,
                    )
            self.need_groups(
                (*path, "answers", "only"), server.answers.groups if server.answers.who == "only" else ()
            )
            self.need_groups(
                (*path, "answers", "except"),
                server.answers.groups if server.answers.who == "all_except" else (),
            )
            self._empty_whitelist(path, server)
            for group in server.delay_for:
                self.need_groups((*path, "delay_for", group), [group])
            for group in server.programs_for:
                self.need_groups((*path, "programs_for", group), [group])
                if not server.product.capabilities.programs_for_groups:
                    message = f"{server.software.product} cannot give some of its clients other programs"
                    self.complain((*path, "programs_for"), message, "remove the line", key=True)
            if server.discovery_group is not None and server.product.language:
                message = f"coexist writes the configuration of {name}, which joins no multicast group"
                self.complain((*path, "discovery_group"), message, "remove the line", key=True)
            self._programs((*path, "programs"), server)
            if server.boot_server:
                self.need_servers((*path, "boot_server"), [server.boot_server], address_too=True)
            self._pair((*path, "pair"), name, server)
            if server.dropin:
                self._rules((*path, "dropin"), server.dropin.rules)

    def _pair(self, path: Path, name: str, server: Server) -> None:
        """Two boot servers of coexist, and each of them in one pair."""
        if server.pair is None:
            return
        other = server.pair.server
        self.need_servers(path, [other])
        servers = self.site.servers
        paired = [
            {each, declared.pair.server} for each, declared in servers.items() if declared.pair is not None
        ]
        if other == name:
            self.complain(path, f"{name} cannot be a pair with itself", "name the other of the two servers")
        elif not all(servers[each].product.is_ours for each in (name, other) if each in servers):
            what = f"{name} and {other} cannot be a pair: only two servers of the product coexist can"
            self.complain(path, what, "remove the line; two DHCP servers share a scope by `failover`")
        elif sum(not both.isdisjoint({name, other}) for both in paired) > 1:
            self.complain(path, f"{name} or {other} is in another pair already", "keep one of the pairs")

    def _host(self, name: str) -> str:
        return self.site.servers[name].host or name

    def _server_address(self, name: str, server: Server, vlan_name: str, address: IPv4Address) -> None:
        path: Path = (
            ("servers", name, "addresses", vlan_name) if server.addresses else ("servers", name, "vlan")
        )
        vlan = self.site.vlans.get(vlan_name)
        if vlan is None and self.is_broken("vlans", vlan_name):
            return
        if vlan is None:
            self.complain(
                path,
                f"there is no VLAN {vlan_name!r}",
                closest(vlan_name, self.declared("vlans")),
                key=bool(server.addresses),
            )
        elif not inside(address, vlan.subnet):
            place = path if server.addresses else ("servers", name, "address")
            self.complain(
                place,
                f"{address} is outside {_list(vlan.subnet)} of VLAN {vlan_name}",
                "correct the address or the VLAN",
            )

    def _empty_whitelist(self, path: Path, server: Server) -> None:
        if server.answers.who != "only":
            return
        groups = [g for g in server.answers.groups if g in self.site.groups or g in BUILT_IN]
        if groups and not self.resolver.union(tuple(groups)):
            self.complain(
                (*path, "answers"),
                f"the whitelist is empty: {', '.join(groups)} has no client",
                "add clients to the group, or write `answers: nobody`",
            )

    def _programs(self, path: Path, holder: Server | Scope | ScopeRule) -> None:
        for key, program in holder.programs.items():
            if program.server:
                self.need_servers((*path, key, "server"), [program.server], address_too=True)

    def scopes(self) -> None:
        for name, scope in self.site.scopes.items():
            path: Path = ("scopes", name)
            servers = "servers" if (*path, "servers") in self.sources.keys else "server"
            self.need_servers((*path, servers), scope.servers)
            for server_name in scope.servers:
                server = self.site.servers.get(server_name)
                if server and "dhcp" not in server.effective_roles:
                    self.complain(
                        (*path, servers),
                        f"{server_name} is not a DHCP server",
                        "name one with the role dhcp, or add the role",
                    )
                if server and server.config:
                    self.complain(
                        path,
                        f"{server_name} runs on its own files, which say what it leases",
                        "remove the scope, or remove `config` of the server",
                    )
            self.need_vlans((*path, "vlan"), [scope.vlan])
            self._scope_addresses(path, scope)
            self._boot_values(path, scope.next_server)
            self._programs((*path, "programs"), scope)
            self._rules(path, scope.rules)

    def _rules(self, path: Path, rules: Iterable[ScopeRule]) -> None:
        for number, rule in enumerate(rules):
            place: Path = (*path, "rules", number)
            self.need_groups((*place, "clients"), rule.clients or ())
            self._boot_values(place, rule.next_server)
            self._programs((*place, "programs"), rule)

    def _boot_values(self, path: Path, next_server: str | None) -> None:
        if next_server is not None:
            self.need_servers((*path, "next_server"), [next_server], address_too=True)

    def _scope_addresses(self, path: Path, scope: Scope) -> None:
        vlan = self.site.vlans.get(scope.vlan)
        if vlan is None:
            return
        if scope.subnet and not any(scope.subnet.subnet_of(s) for s in vlan.subnet):
            self.complain(
                (*path, "subnet"),
                f"{scope.subnet} is outside {_list(vlan.subnet)} of VLAN {scope.vlan}",
                "correct one of them",
            )
        nets = (scope.subnet,) if scope.subnet else vlan.subnet
        for number, pool in enumerate(scope.pools):
            place: Path = (*path, "pools", number)
            if not (inside(pool.range.first, nets) and inside(pool.range.last, nets)):
                self.complain(place, f"the pool {pool.range} is outside {_list(nets)}", "correct the range")
            self.need_groups((*place, "allow"), pool.allow)
            self.need_groups((*place, "deny"), pool.deny)

    def groups(self) -> None:
        for name, group in self.site.groups.items():
            path: Path = ("groups", name)
            if name in BUILT_IN:
                self.complain(
                    path, f"{name!r} always exists and cannot be declared", "choose another name", key=True
                )
            for column in group.where:
                if column not in self.table.columns:
                    self.complain(
                        (*path, "where", column),
                        f"no client has a column {column!r}",
                        closest(column, self.table.columns),
                        key=True,
                    )
            self.need_groups((*path, "groups"), group.groups)
            self.need_groups((*path, "except"), group.excluded)
            self.need_vlans((*path, "vlan"), group.vlan or ())
            self.need_firmware((*path, "firmware"), group.firmware or ())
            self.resolver.macs(name)

    def intent(self) -> None:
        for number, rule in enumerate(self.site.intent):
            path: Path = ("intent", number)
            self.need_groups((*path, "clients"), rule.clients)
            self.need_groups((*path, "unless"), rule.unless)
            self.need_vlans((*path, "vlan"), rule.vlan or ())
            if rule.boot_from and rule.boot_from != "nobody":
                self.need_servers((*path, "boot_from"), [rule.boot_from])
            self.need_servers((*path, "fallback"), rule.fallback)

    def need_firmware(self, path: Path, names: Iterable[str]) -> None:
        for place, name in self._each(path, names):
            known = name in FIRMWARES or name in self.site.firmwares
            if not known and not self.is_broken("firmwares", name):
                self.complain(
                    place, f"there is no firmware {name!r}", closest(name, [*FIRMWARES, *self.site.firmwares])
                )

    def firmware_names(self) -> None:
        for architecture, names in self.site.architectures.items():
            self.need_firmware(("architectures", architecture), names)
        for name, variant in self.site.firmwares.items():
            path: Path = ("firmwares", name)
            if name in FIRMWARES:
                self.complain(
                    path, f"{name!r} is a built-in firmware", "give your variant a name of its own", key=True
                )
            if variant.like not in FIRMWARES:
                self.complain(
                    (*path, "like"),
                    f"there is no firmware {variant.like!r}",
                    closest(variant.like, FIRMWARES),
                )

    def migrations(self) -> None:
        for name, migration in self.site.migrations.items():
            path: Path = ("migrations", name)
            self.need_servers((*path, "from"), [migration.source])
            self.need_servers((*path, "to"), [migration.target])
            self._through(path, migration)
            for key, groups in (
                ("clients", migration.clients),
                ("pilots", migration.pilots),
                ("stays", migration.stays),
            ):
                self.need_groups((*path, key), groups)
            for number, wave in enumerate(migration.waves):
                place: Path = (*path, "waves", number)
                self.need_groups((*place, "clients"), wave.clients)
                self._need_values((*place, "location"), "location", wave.location)
                self._need_machines((*place, "machines"), wave.machines)

    def _through(self, path: Path, migration: Migration) -> None:
        """The server that stands between the two must be one that can tell clients where to load."""
        if migration.through is None:
            return
        self.need_servers((*path, "through"), [migration.through])
        server = self.site.servers.get(migration.through)
        if server is None:
            return
        if migration.during == "front" and not server.product.names_others_files:
            message = f"{migration.through} is {server.software.product}, which cannot name others' files"
            self.complain((*path, "through"), message, "name a server with `software: coexist`")
        if migration.during == "scope" and not any(
            migration.through in scope.servers for scope in self.site.scopes.values()
        ):
            message = f"{migration.through} serves no scope"
            self.complain((*path, "through"), message, "name the DHCP server of the clients")
        for end in (migration.source, migration.target):
            declared = self.site.servers.get(end)
            if declared is not None and not declared.programs:
                message = f"{end} names no programs, so {migration.through} cannot name them for it"
                self.complain(
                    ("servers", end), message, "write `programs: {bios: ..., uefi-x64: ...}`", key=True
                )

    def _need_values(self, path: Path, column: str, names: Iterable[str]) -> None:
        known = set(self.table.columns[column]) if names else set()
        for place, name in self._each(path, names):
            if name not in known:
                self.complain(place, f"no client has the {column} {name!r}", closest(name, known - {""}))

    def _need_machines(self, path: Path, names: Iterable[str]) -> None:
        known = set(self.table.columns["name"]) if names else set()
        for place, name in self._each(path, names):
            if name in known:
                continue
            try:
                registered = parse_mac(name) in self.table.index
            except ValueError:
                registered = False
            if not registered:
                self.complain(place, f"no client has the name or MAC {name!r}", closest(name, known - {""}))


def _list(nets: Iterable[IPv4Network]) -> str:
    return " and ".join(map(str, nets))
