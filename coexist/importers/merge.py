"""A further import beside an inventory that exists: what collides is told apart and reported.

The loader joins the sections of several files, so a further import is a file of its own. Names that
are taken are changed, a VLAN that is there is used, and what cannot stand beside the existing
(overlapping subnets, a MAC that is registered already) is left out with a `Conflict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.importers.groups import Names
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.site_builder import as_list, stand_on, stands_on
from coexist.inventory import Inventory
from coexist.inventory.models import Scope
from coexist.inventory.software import Software
from coexist.records import dataclass
from coexist.text.foreign import markdown
from coexist.text.redaction import redacted
from coexist.wire.mac import format_mac, parse_mac


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """Something two sources both speak of: what, where it stands already, what was done."""

    what: str
    first: str
    second: str
    done: str


# `literal` is not among them: it follows from the rest.
_SAID = (
    "options", "always_send", "next_server", "filename", "programs", "rules", "lease_time", "min_lease_time",
    "max_lease_time", "min_secs",
)  # fmt: skip
"""What two servers of a pair should say alike."""


@dataclass(slots=True)
class _Merger:
    existing: Inventory
    imported: Imported
    conflicts: list[Conflict] = field(default_factory=list)
    vlans: dict[str, str] = field(default_factory=dict)
    dropped_subnets: set[str] = field(default_factory=set)
    servers: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def run(self) -> Imported:
        tree = self.imported.tree
        result: dict[str, Any] = {}
        result["vlans"] = self._vlans(tree.get("vlans", {}))
        result["servers"] = self._servers(tree.get("servers", {}), result["vlans"])
        clients = self._clients()
        result["groups"] = self._groups(tree.get("groups", {}))
        result["scopes"] = self._scopes(tree.get("scopes", {}))
        for section, content in tree.items():
            if section not in ("site", "clients", *result):
                result[section] = content
        if clients:
            result["clients"] = tree["clients"]
        kept = {section: content for section, content in result.items() if content}
        return replace(self.imported, tree=kept, clients=clients)

    def report(self, what: str, first: object, second: object, done: str) -> None:
        self.conflicts.append(Conflict(what, str(first), str(second), done))

    @property
    def source(self) -> str:
        return ", ".join(self.imported.sources)

    # -- VLANs -----------------------------------------------------------------------------------

    def _vlans(self, vlans: dict[str, Any]) -> dict[str, Any]:
        site = self.existing.site
        names = Names({*site.vlans})
        ids = {vlan.id for vlan in site.vlans.values()}
        result: dict[str, Any] = {}
        for name, vlan in vlans.items():
            free: list[str] = []
            for text in as_list(vlan["subnet"]):
                home = self._home(text)
                if home is None:
                    free.append(text)
                elif home:
                    self.vlans.setdefault(name, home)
            if not free:
                continue
            if name in self.vlans:
                self.report(
                    f"VLAN {name}", self.existing.where("vlans", self.vlans[name]), self.source,
                    f"{', '.join(free)} left out: its other subnets are in VLAN {self.vlans[name]}",
                )  # fmt: skip
                self.dropped_subnets.update(free)
                continue
            new = names.new(name)
            self.vlans[name] = new
            number = next(n for n in range(1, 4095) if n not in ids)
            ids.add(number)
            result[new] = {**vlan, "id": number, "subnet": free[0] if len(free) == 1 else free}
        return result

    def _home(self, text: str) -> str | None:
        """The existing VLAN that holds a subnet; empty if it overlaps one, and is dropped; None if new."""
        network = IPv4Network(text)
        for name, vlan in self.existing.site.vlans.items():
            for other in vlan.subnet:
                if network.subnet_of(other):
                    return name
                if network.overlaps(other):
                    self.report(
                        f"subnet {text}", self.existing.where("vlans", name, "subnet"), self.source,
                        f"left out: it overlaps {other} of VLAN {name}",
                    )  # fmt: skip
                    self.dropped_subnets.add(text)
                    return ""
        return None

    # -- servers ---------------------------------------------------------------------------------

    def _place(self, home: str, text: str, vlans: dict[str, Any]) -> str:
        """The VLAN a server's address stands on: its own, or the one it is in, or one for it alone."""
        if home in self.vlans:
            return self.vlans[home]
        address = IPv4Address(text)
        for name, vlan in self.existing.site.vlans.items():
            if any(address in subnet for subnet in vlan.subnet):
                return name
        for name, declared in vlans.items():
            if any(address in IPv4Network(subnet) for subnet in as_list(declared["subnet"])):
                return name
        number = 1 + max((v.id for v in self.existing.site.vlans.values()), default=0)
        number = max(number, 1 + max((v["id"] for v in vlans.values()), default=0))
        own = Names({*self.existing.site.vlans, *vlans}).new("servers")
        vlans[own] = {"id": number, "subnet": f"{address}/32"}
        return own

    def _servers(self, servers: dict[str, Any], result_vlans: dict[str, Any]) -> dict[str, Any]:
        site = self.existing.site
        names = Names({*site.servers, "nobody"})
        addresses = {a: n for n, s in site.servers.items() for a in s.stands_on.values()}
        result: dict[str, Any] = {}
        paired = self._paired(addresses)
        for name, declared in servers.items():
            server = dict(declared)
            stands = stands_on(server)
            home, text = next(iter(stands.items()))
            address = IPv4Address(text)
            other = addresses.get(address)
            if name in paired and other is not None:
                # The partner's import has declared it.
                self.servers[name] = other
                continue
            if other is not None and _has_files_alone(server):
                # Another import, or this one's, has the machine with the files already.
                self.servers[name] = other
                continue
            if other is not None and name in self.imported.assumed:
                address = _next_free(address, {*addresses, *map(IPv4Address, _all_addresses(servers))})
                stand_on(server, {**stands, home: str(address)})
            elif other is not None:
                server["host"] = site.servers[other].host or other if other in site.servers else other
                self.report(
                    f"address {address}", self.existing.where("servers", other), self.source,
                    f"{name} and {other} are declared as services of one host",
                )  # fmt: skip
            new = names.new(name)
            self.servers[name] = new
            addresses.setdefault(address, new)
            result[new] = server
        for server in result.values():
            placed = {self._place(v, a, result_vlans): a for v, a in stands_on(server).items()}
            stand_on(server, placed)
            if server.get("host") in self.servers:
                server["host"] = self.servers[server["host"]]
            self._mapped(server, ("boot_server",), self.servers)
        return result

    def _paired(self, addresses: dict[IPv4Address, str]) -> set[str]:
        """The servers of this import's failover pairs that share a scope of the inventory already."""
        servers = self.imported.tree.get("servers", {})
        there = [frozenset(s.servers) for s in self.existing.site.scopes.values() if s.failover is not None]
        found: set[str] = set()
        for scope in self.imported.tree.get("scopes", {}).values():
            both = as_list(scope["server"])
            known = {addresses.get(IPv4Address(next(iter(stands_on(servers[n]).values())))) for n in both}
            if "failover" in scope and known in there:
                found.update(both)
        return found

    # -- clients and groups ----------------------------------------------------------------------

    def _clients(self) -> list[ClientRow]:
        index = self.existing.clients.index
        kept: list[ClientRow] = []
        lost: dict[str, list[str]] = {}
        for row in self.imported.clients:
            mac = parse_mac(row.mac)
            known = index.get(mac)
            if known is None:
                kept.append(row)
                continue
            record = self.existing.clients.record(known)
            differs = [
                f"{column} {getattr(row, column)!r} here, {there!r} there"
                for column, there in (("name", record.name), ("address", str(record.address or "")))
                if getattr(row, column) and getattr(row, column) != there
            ]
            done = "registered once; " + ("; ".join(differs) if differs else "both say the same")
            self.report(f"MAC {format_mac(mac)}", record.position, self.source, done)
            for tag in (*row.tags.split(), *([f"source:{row.source}"] if row.source else ())):
                lost.setdefault(tag, []).append(row.mac)
        self._keep_members(lost, {row.source for row in kept})
        return kept

    def _keep_members(self, lost: dict[str, list[str]], sources: set[str]) -> None:
        """Machines that are registered elsewhere stay members of this import's groups, one by one."""
        for group in self.imported.tree.get("groups", {}).values():
            where = group.get("where", {})
            for tag in [
                *as_list(where.get("tags", [])),
                *(f"source:{s}" for s in as_list(where.get("source", []))),
            ]:
                if tag in lost:
                    group["macs"] = sorted({*group.get("macs", ()), *lost[tag]})
            if not sources.issuperset(as_list(where.get("source", []))):
                # No client of this source is left in a list, so no list has the column.
                group.pop("where")

    def _groups(self, groups: dict[str, Any]) -> dict[str, Any]:
        names = Names({*self.existing.site.groups} | Names().taken)
        for name in groups:
            self.groups[name] = names.new(name)
        result = {}
        for name, declared in groups.items():
            group = dict(declared)
            self._mapped(group, ("groups", "except"), self.groups)
            result[self.groups[name]] = group
        return result

    def _scopes(self, scopes: dict[str, Any]) -> dict[str, Any]:
        names = Names({*self.existing.site.scopes})
        result: dict[str, Any] = {}
        for name, declared in scopes.items():
            scope = dict(declared)
            vlan = self.imported.tree["vlans"][scope["vlan"]]
            subnets = as_list(scope.get("subnet", vlan["subnet"]))
            if scope["vlan"] not in self.vlans or any(s in self.dropped_subnets for s in subnets):
                continue
            home = self.vlans[scope["vlan"]]
            if home in self.existing.site.vlans:
                scope.setdefault("subnet", subnets[0])
            scope["vlan"] = home
            self._mapped(scope, ("server", "next_server"), self.servers)
            scope["rules"] = [self._rule(rule) for rule in scope.get("rules", ())]
            scope["pools"] = [self._pool(pool) for pool in scope.get("pools", ())]
            if self._is_of_a_pair(name, scope, subnets):
                continue
            if home in self.existing.site.vlans:
                self._shared_subnet(subnets, home)
            result[names.new(name)] = {key: value for key, value in scope.items() if value != []}
        return result

    def _is_of_a_pair(self, name: str, scope: dict[str, Any], subnets: Iterable[str]) -> bool:
        """Whether a scope stands in the inventory already, as the partner's import has it."""
        mine = Scope.model_validate({key: value for key, value in scope.items() if value != []})
        wanted = [IPv4Network(text) for text in subnets]
        for key, other in self.existing.site.scopes.items():
            nets = (other.subnet,) if other.subnet else self.existing.site.vlans[other.vlan].subnet
            if (
                mine.failover is None
                or other.failover is None
                or set(mine.servers) != set(other.servers)
                or not any(net.overlaps(one) for net in nets for one in wanted)
            ):
                continue
            differs = [word for word in _SAID if getattr(mine, word) != getattr(other, word)]
            if "split" in mine.failover.model_fields_set and mine.failover.buckets != other.failover.buckets:
                differs.append("failover")
            said = f"; this file says otherwise: {', '.join(differs)}" if differs else "; both say the same"
            self.report(
                f"scope {name}",
                self.existing.where("scopes", key),
                self.source,
                f"one scope of a failover pair{said}",
            )
            return True
        return False

    def _shared_subnet(self, subnets: Iterable[str], home: str) -> None:
        wanted = [IPv4Network(text) for text in subnets]
        for name, other in self.existing.site.scopes.items():
            if other.vlan != home:
                continue
            nets = (other.subnet,) if other.subnet is not None else self.existing.site.vlans[home].subnet
            if any(mine.overlaps(net) for mine in wanted for net in nets):
                place = self.existing.where("scopes", name)
                done = f"both stand in the inventory; {', '.join(other.servers)} answers there too"
                self.report(f"two DHCP servers on {', '.join(map(str, wanted))}", place, self.source, done)

    def _rule(self, rule: dict[str, Any]) -> dict[str, Any]:
        rule = dict(rule)
        self._mapped(rule, ("clients",), self.groups)
        self._mapped(rule, ("next_server",), self.servers)
        return rule

    def _pool(self, pool: Any) -> Any:
        if isinstance(pool, dict):
            pool = dict(pool)
            self._mapped(pool, ("allow", "deny"), self.groups)
        return pool

    def _mapped(self, holder: dict[str, Any], keys: Iterable[str], names: dict[str, str]) -> None:
        for key in keys:
            value = holder.get(key)
            if isinstance(value, str):
                holder[key] = names.get(value, value)
            elif isinstance(value, list):
                holder[key] = [names.get(item, item) for item in value]


def merge(existing: Inventory, imported: Imported) -> tuple[Imported, tuple[Conflict, ...]]:
    """The import as it can stand beside an inventory, and what both speak of."""
    merger = _Merger(existing, imported)
    result = merger.run()
    relays = [v for v in result.tree.get("vlans", {}).values() if "relay_to" in v]
    for vlan in relays:
        vlan["relay_to"] = [merger.servers.get(name, name) for name in vlan["relay_to"]]
    for server in result.tree.get("servers", {}).values():
        answers = server.get("answers")
        if isinstance(answers, dict):
            merger._mapped(answers, ("only", "except"), merger.groups)
        if "delay_for" in server:
            groups = merger.groups
            server["delay_for"] = {groups.get(name, name): d for name, d in server["delay_for"].items()}
        for program in server.get("programs", {}).values():
            if isinstance(program, dict):
                merger._mapped(program, ("server",), merger.servers)
    return _by_their_names(result, merger.servers), tuple(sorted(set(merger.conflicts)))


def _by_their_names(imported: Imported, names: Mapping[str, str]) -> Imported:
    """The import with each server's own files below the name that it has now."""
    own_files = dict(imported.own_files)
    for name, new in names.items():
        server = imported.tree.get("servers", {}).get(new, {})
        if name == new or "config" not in server:
            continue
        before, after = f"servers/{name}/", f"servers/{new}/"
        server["config"] = {at: after + place.removeprefix(before) for at, place in server["config"].items()}
        own_files = {
            after + place.removeprefix(before) if place.startswith(before) else place: text
            for place, text in own_files.items()
        }
    return replace(imported, own_files=own_files)


def conflicts_md(conflicts: Iterable[Conflict], title: str) -> str:
    """A section of conflicts.md."""
    lines = [f"## {title}", ""]
    entries = [
        f"- **{markdown(redacted(c.what))}**: " + markdown(redacted(f"{c.first} and {c.second}: {c.done}"))
        for c in conflicts
    ]
    return "\n".join([*lines, *(entries or ["Nothing collides."])]) + "\n"


def _all_addresses(servers: dict[str, Any]) -> Iterable[str]:
    return (address for server in servers.values() for address in stands_on(server).values())


def _has_files_alone(server: Mapping[str, Any]) -> bool:
    """Whether an imported server is nothing but the place of some boot files."""
    product = Software.model_validate(server["software"]).record
    return "roles" not in server and product.usual_roles == {"tftp"}


def _next_free(address: IPv4Address, taken: Iterable[IPv4Address]) -> IPv4Address:
    used = set(taken)
    while address in used:
        address += 1
    return address
