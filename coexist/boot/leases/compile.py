"""From the scopes of an inventory to the lease plan of one of its DHCP servers.

A scope becomes an ordered list of settings. The first one whose condition holds and that sets a value (next
server, file, each option) gives it: what ``inventory.models.ScopeRule`` promises. The order is that of
authority: whom the server refuses, the scope's rules, the scope, the server; below all that is declared stand
the options 66 and 67 that follow from a next server and a file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from ipaddress import IPv4Address, IPv4Network
from operator import or_

from coexist.boot.answered import answered
from coexist.boot.leases.lease import FieldName
from coexist.boot.leases.pairs import Share
from coexist.boot.leases.plan import (
    ALWAYS,
    Clients,
    Condition,
    LeasePlan,
    PoolPlan,
    ScopePlan,
    Setting,
    SubnetPlan,
    VlanPlan,
)
from coexist.boot.policy import architecture_codes
from coexist.inventory import EVERYONE, Inventory, MacSet
from coexist.inventory.documents import Path
from coexist.inventory.models import Pool, Program, Scope, ScopeRule, Server, Site
from coexist.inventory.named_servers import server_address
from coexist.inventory.products import part
from coexist.inventory.values import OptionValue, option_bytes
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.option_codes import Option

INTENDED = "intended"
"""The group of the clients that the intent gives to the server itself."""
ALWAYS_SENT = frozenset({int(Option.VENDOR_CLASS_IDENTIFIER)})
"""Firmware that does not ask for option 60 must find it all the same."""
NOBODY = Clients(groups=frozenset())


def compile_plan(inventory: Inventory, name: str, *, literal: bool = False) -> LeasePlan:
    """The lease plan of the DHCP server ``name``.

    With ``literal``, and in scopes that are so declared, it has nothing but what is declared.
    """
    site = inventory.site
    server = site.servers[name]
    scopes = {key: scope for key, scope in site.scopes.items() if name in scope.servers}
    groups = _groups(inventory, name, scopes)
    plans = {key: _scope_plan(site, name, key, scope, groups) for key, scope in scopes.items()}
    plans = {
        key: _literal(plan, scopes[key]) if literal or scopes[key].literal else plan
        for key, plan in plans.items()
    }
    return LeasePlan(
        name=name,
        server=server,
        vlans=tuple(_vlan_plans(site, server, scopes)),
        scopes=plans,
        groups=groups,
        table=inventory.clients,
    )


OWN_RULES = "drop-in"
"""The scope that stands for the rules of a drop-in."""


def compile_rules(inventory: Inventory, name: str) -> LeasePlan:
    """The rules of the drop-in of the server ``name``: a plan without a subnet, and a scope of settings."""
    site = inventory.site
    server = site.servers[name]
    rules = () if server.dropin is None else server.dropin.rules
    path: Path = ("servers", name, "dropin")
    members = {group for rule in rules for group in rule.clients or ()} - {"everyone", "nobody"}
    groups = {group: inventory.group(group) for group in sorted(members)}
    values = _Values(site=site, vlan=next(iter(server.stands_on)))
    settings = [
        _for_everyone(setting, groups)
        for number, rule in enumerate(rules)
        for setting in _rule_settings(values, rule, None, (*path, "rules", number))
    ]
    scope = ScopePlan(
        name=OWN_RULES,
        path=path,
        vlan=values.vlan,
        forced=ALWAYS_SENT,
        settings=tuple(_declared_first(_beside_their_file(settings))),
        lease_time=0,
        min_secs=0,
    )
    return LeasePlan(
        name=name,
        server=server,
        vlans=(),
        scopes={OWN_RULES: scope},
        groups=groups,
        table=inventory.clients,
    )


def _literal(plan: ScopePlan, scope: Scope) -> ScopePlan:
    """A plan without what follows from a next server and a file, and nothing sent that is not asked for."""
    settings = tuple(
        replace(
            setting,
            options={code: octets for code, octets in setting.options.items() if code not in setting.derived},
            derived=frozenset(),
        )
        for setting in plan.settings
    )
    return replace(plan, settings=settings, forced=frozenset(scope.always_send))


# -- groups ------------------------------------------------------------------------------------


def named(groups: tuple[str, ...] | None) -> Clients | None:
    """The clients of some groups; None for everyone."""
    if groups is None or "everyone" in groups:
        return None
    return Clients(groups=frozenset(groups) - {"nobody"})


def answered_clients(server: Server) -> Clients | None:
    """Whom a server answers by its lists; None for everyone."""
    answers = server.answers
    match answers.who:
        case "everyone":
            return None
        case "nobody":
            return NOBODY
        case "only":
            return named(answers.groups)
        case "all_except":
            return _all_but(named(answers.groups))
        case "intended":
            return Clients(groups=frozenset({INTENDED}))
        case who:
            return Clients(groups=frozenset({who}))


def _all_but(clients: Clients | None) -> Clients:
    return NOBODY if clients is None else replace(clients, outside=not clients.outside)


def answer_groups(inventory: Inventory, name: str) -> dict[str, MacSet]:
    """The groups that decide whom a server answers and how late, each with its clients."""
    server = inventory.site.servers[name]
    names = {*server.answers.groups, *server.delay_for}
    if server.answers.who in ("known", "unknown"):
        names.add(server.answers.who)
    sets = {group: inventory.group(group) for group in sorted(names - {"everyone", "nobody"})}
    if server.answers.who == "intended":
        sets[INTENDED] = answered(inventory, name)
    return sets


def _groups(inventory: Inventory, server: str, scopes: Mapping[str, Scope]) -> dict[str, MacSet]:
    names: set[str] = set()
    for scope in scopes.values():
        for rule in scope.rules:
            names.update(rule.clients or ())
        for pool in scope.pools:
            names.update(pool.allow, pool.deny)
    sets = answer_groups(inventory, server)
    sets.update((name, inventory.group(name)) for name in sorted(names - {"everyone", "nobody"}))
    return dict(sorted(sets.items()))


# -- settings ----------------------------------------------------------------------------------


def _scope_plan(
    site: Site, server_name: str, key: str, scope: Scope, groups: Mapping[str, MacSet]
) -> ScopePlan:
    server = site.servers[server_name]
    path: Path = ("scopes", key)
    own_files = _own_files(site, server, scope.vlan)
    values = _Values(site=site, vlan=scope.vlan)
    default = values.address(scope.next_server) or own_files
    settings = [*_refusals(server, server_name)]
    for number, rule in enumerate(scope.rules):
        settings += _rule_settings(values, rule, default, (*path, "rules", number))
    settings += values.settings(scope, ALWAYS, f"scope {key}", path, default)
    settings += _server_settings(values, server, server_name, own_files, settings)
    settings = [_for_everyone(setting, groups) for setting in settings]
    return ScopePlan(
        name=key,
        path=path,
        vlan=scope.vlan,
        forced=frozenset(scope.always_send) | ALWAYS_SENT,
        settings=tuple(_declared_first(_beside_their_file(settings))),
        lease_time=scope.lease_time,
        min_lease_time=scope.min_lease_time,
        max_lease_time=scope.max_lease_time,
        min_secs=max(scope.min_secs, server.delay.secs_at_least),
        share=_share(server, server_name, scope),
        order=scope.option_order,
    )


def _share(server: Server, name: str, scope: Scope) -> Share | None:
    """The server's part of the clients of a scope with failover, as its product shares them."""
    shared = None if scope.failover is None else part(server.product, "pair")
    if shared is None:
        return None
    partner = next(other for other in scope.servers if other != name)
    found: Share = shared(scope.failover, scope.servers[0] == name, partner)
    return found


def _for_everyone(setting: Setting, groups: Mapping[str, MacSet]) -> Setting:
    """The setting; without a condition on clients if everyone fulfils it."""
    clients = setting.condition.clients
    if clients is None or clients.outside or not any(groups[name].bounds for name in clients.groups):
        return setting
    members = reduce(or_, (groups[name] for name in clients.groups))
    if members != EVERYONE:
        return setting
    return replace(setting, condition=replace(setting.condition, clients=None))


def _refusals(server: Server, name: str) -> Iterator[Setting]:
    """Whom the server does not answer at all."""
    path: Path = ("servers", name, "answers")
    wanted = answered_clients(server)
    if wanted is not None:
        condition = Condition(clients=_all_but(wanted))
        yield Setting(name="not answered", path=path, condition=condition, ignore=True)
    if server.answers.architectures is not None:
        codes = architecture_codes(server.answers.architectures) or frozenset()
        every = frozenset(code for codes in ARCHITECTURE_NAMES.values() for code in codes)
        yield Setting(
            name="architectures not answered",
            path=path,
            condition=Condition(architectures=every - codes),
            ignore=True,
        )


def _rule_settings(
    values: _Values, rule: ScopeRule, default: IPv4Address | None, path: Path
) -> Iterator[Setting]:
    condition = replace(_said(rule), clients=named(rule.clients))
    number = int(path[-1]) + 1
    name = rule.name or f"rule {number}" + (f": {', '.join(rule.clients)}" if rule.clients else "")
    if condition.clients == NOBODY:
        return
    if rule.ignore:
        yield Setting(name=name, path=path, condition=condition, ignore=True)
    else:
        yield from values.settings(rule, condition, name, path, default)


def _said(holder: ScopeRule | Pool) -> Condition:
    """What a rule or a pool asks of a client's packets."""
    return Condition(
        architectures=architecture_codes(holder.architectures),
        vendor_class=None if holder.vendor_class is None else holder.vendor_class.encode(),
        user_class=None if holder.user_class is None else holder.user_class.encode(),
        tests=holder.when,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """Turns what a scope, a rule or a server says into settings, on one VLAN."""

    site: Site
    vlan: str

    def address(self, text: str | None) -> IPv4Address | None:
        """The address a next server means here."""
        return server_address(self.site, text, self.vlan) if text else None

    def settings(
        self,
        holder: Scope | ScopeRule,
        condition: Condition,
        name: str,
        path: Path,
        default: IPv4Address | None,
    ) -> Iterator[Setting]:
        """A program by architecture is a setting of its own, before the rest; ``default`` is the server that
        has the file where the holder names none."""
        next_server = self.address(holder.next_server)
        explicit = frozenset(holder.options)
        yield from self.programs(holder.programs, condition, name, path, explicit, next_server or default)
        origins: dict[int | FieldName, Path] = {code: (*path, "options", str(code)) for code in explicit}
        if next_server is not None:
            origins["siaddr"] = (*path, "next_server")
        if holder.filename is not None:
            origins["file"] = (*path, "filename")
        setting = Setting(
            name=name,
            path=path,
            condition=condition,
            next_server=next_server,
            file=holder.filename,
            options=wire_options(holder.options),
            origins=origins,
        )
        # A phone reads option 66 as its provisioning server: it stands beside a file, or where a rule of its
        # own says next server and nothing else.
        alone = isinstance(holder, ScopeRule) and next_server is not None and not holder.programs
        server = next_server or default if holder.filename or alone else None
        yield with_options(setting, explicit, server)

    def programs(
        self,
        programs: Mapping[str, Program],
        condition: Condition,
        name: str,
        path: Path,
        explicit: frozenset[int],
        default: IPv4Address | None,
    ) -> Iterator[Setting]:
        """A setting for each boot program, iPXE's first: it ends the reload loop. The ones that the
        condition's own architectures exclude are left out."""
        for key in sorted(programs, key=lambda key: (key != "ipxe", key)):
            program = programs[key]
            if key == "ipxe":
                narrowed = replace(condition, ipxe=True)
            else:
                codes = frozenset(ARCHITECTURE_NAMES[key])
                if condition.architectures is not None:
                    codes &= condition.architectures
                if not codes:
                    continue
                narrowed = replace(condition, architectures=codes)
            own = self.address(program.server)
            place: Path = (*path, "programs", key)
            options = _echo(key, explicit)
            origins: dict[int | FieldName, Path] = {"file": place, **dict.fromkeys(options, place)}
            if own is not None:
                origins["siaddr"] = place
            setting = Setting(
                name=f"{name}, {key}",
                path=place,
                condition=narrowed,
                next_server=own,
                file=program.file,
                options=options,
                file_server=own is not None,
                origins=origins,
            )
            yield with_options(setting, explicit, own or default)


def _echo(architecture: str, explicit: frozenset[int]) -> dict[int, bytes]:
    # EDK2's HTTP boot takes offers of HTTPClient only (UEFI 2.10 section 24.7.3).
    code = Option.VENDOR_CLASS_IDENTIFIER
    return {code: b"HTTPClient"} if architecture.startswith("http-") and code not in explicit else {}


def with_options(setting: Setting, explicit: frozenset[int], server: IPv4Address | None) -> Setting:
    """The setting with options 66 (``server``) and 67 beside the header fields, unless they are declared as
    such.

    Firmware reads siaddr and ``file``; EDK2 takes 67 before ``file`` and needs its NUL.
    """
    derived: dict[int, bytes] = {}
    origins = dict(setting.origins)
    if setting.file and Option.BOOTFILE_NAME not in explicit:
        derived[Option.BOOTFILE_NAME] = setting.file.encode() + b"\0"
        origins[Option.BOOTFILE_NAME] = origins["file"]
    if server is not None and Option.TFTP_SERVER_NAME not in explicit:
        derived[Option.TFTP_SERVER_NAME] = str(server).encode()
        origins[Option.TFTP_SERVER_NAME] = origins.get("siaddr", setting.path)
    options = dict(sorted({**setting.options, **derived}.items()))
    return replace(setting, options=options, derived=frozenset(derived), origins=origins)


def _declared_first(settings: Iterable[Setting]) -> Iterator[Setting]:
    """The settings; a derived option that a setting of less authority declares stands below that one."""
    listed = list(settings)
    last: dict[int, int] = {}
    for number, setting in enumerate(listed):
        last.update((code, number) for code in setting.options if code not in setting.derived)
    below: list[Setting] = []
    for number, setting in enumerate(listed):
        moved = frozenset(code for code in setting.derived if number < last.get(code, -1))
        if not moved:
            yield setting
            continue
        kept, apart = _parted(setting, moved)
        yield kept
        below.append(apart)
    yield from below


def _beside_their_file(settings: Iterable[Setting]) -> Iterator[Setting]:
    """The settings; where one above says that there is no file, what follows from a file does not hold."""
    empty: list[Condition] = []
    for setting in settings:
        if setting.file == "":
            empty.append(setting.condition)
        if not setting.file or not empty or not setting.derived:
            yield setting
            continue
        kept, apart = _parted(setting, setting.derived)
        yield kept
        if not any(condition.always for condition in empty):
            yield replace(apart, condition=replace(apart.condition, unless=tuple(empty)))


def _parted(setting: Setting, codes: frozenset[int]) -> tuple[Setting, Setting]:
    """A setting without some of its derived options, and one of these alone."""
    kept = {code: octets for code, octets in setting.options.items() if code not in codes}
    return replace(setting, options=kept, derived=setting.derived - codes), replace(
        setting,
        name=f"{setting.name}, as options",
        next_server=None,
        file=None,
        file_server=False,
        options={code: setting.options[code] for code in sorted(codes)},
        derived=codes,
    )


def wire_options(declared: Mapping[int, OptionValue]) -> dict[int, bytes]:
    """Declared options as octets, ascending."""
    return {code: option_bytes(code, value) for code, value in sorted(declared.items())}


def _server_settings(
    values: _Values, server: Server, name: str, own_files: IPv4Address | None, settings: list[Setting]
) -> Iterator[Setting]:
    """What the server says to all its scopes, below everything a scope says."""
    path: Path = ("servers", name)
    programs: list[Setting] = []
    if not server.effective_roles & {"proxydhcp", "boot-server"}:
        programs = list(values.programs(server.programs, ALWAYS, name, path, frozenset(), own_files))
    yield from programs
    options = wire_options(server.options)
    if options:
        origins: dict[int | FieldName, Path] = {code: (*path, "options", str(code)) for code in options}
        yield Setting(name=name, path=(*path, "options"), options=options, origins=origins)
    if own_files is not None:
        place: Path = (*path, "boot_server") if server.boot_server else path
        for setting in [*settings, *programs]:
            if setting.file:
                yield Setting(
                    name=f"{setting.name}, from {name}",
                    path=path,
                    condition=setting.condition,
                    next_server=own_files,
                    origins={"siaddr": place},
                )


def _own_files(site: Site, server: Server, vlan: str) -> IPv4Address | None:
    """The server that has the files where a scope names none: the declared one, or itself if it serves
    TFTP."""
    if server.boot_server:
        return server_address(site, server.boot_server, vlan)
    if "tftp" in server.effective_roles:
        stands = server.stands_on
        return stands.get(vlan, next(iter(stands.values()), None))
    return None


# -- subnets -----------------------------------------------------------------------------------


def _vlan_plans(site: Site, server: Server, scopes: Mapping[str, Scope]) -> Iterator[VlanPlan]:
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
        subnets = [_subnet_plan(key, scope, network) for network, key, scope in served]
        # The VLAN's other subnets share the wire; the ones a scope cuts out of them are their own.
        subnets += [
            SubnetPlan(network=network, scope=None)
            for network in vlan.subnet
            if not any(network.overlaps(other) for other, _, _ in served)
        ]
        subnets.sort(key=lambda subnet: subnet.network)
        yield VlanPlan(
            name=name,
            subnets=tuple(subnets),
            local=stands.get(name),
            relays=() if name in stands else tuple(dict.fromkeys(vlan.giaddrs)),
        )


def _networks(scope: Scope, of_vlan: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    return (scope.subnet,) if scope.subnet else of_vlan


def _subnet_plan(key: str, scope: Scope, network: IPv4Network) -> SubnetPlan:
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
    )


def _pool_plan(pool: Pool, path: Path) -> PoolPlan:
    allowed = named(pool.allow) if pool.allow else None
    kept = [allowed] if allowed is not None else []
    if pool.deny:
        kept.append(_all_but(named(pool.deny)))
    condition = _said(pool)
    return PoolPlan(
        path=path, first=pool.range.first, last=pool.range.last, clients=tuple(kept), condition=condition
    )
