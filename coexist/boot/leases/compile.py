"""From the scopes of an inventory to the lease plan of one of its DHCP servers.

A scope becomes an ordered list of settings. The first one whose condition holds and that sets a value (next
server, file, each option) gives it: what ``inventory.models.ScopeRule`` promises. The order is that of
authority: whom the server refuses, the scope's rules, the scope, the server; below all that is declared stand
the options 66 and 67 that follow from a next server and a file (``plan_order``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from ipaddress import IPv4Address
from operator import or_

from coexist.boot.leases.lease import FieldName
from coexist.boot.leases.pairs import Share
from coexist.boot.leases.plan import ALWAYS, Condition, LeasePlan, ScopePlan, Setting
from coexist.boot.leases.plan_clients import NOBODY, all_but, answered_clients, groups_of, named, said
from coexist.boot.leases.plan_order import derived_below
from coexist.boot.leases.plan_settings import Values, wire_options
from coexist.boot.leases.plan_subnets import vlan_plans
from coexist.boot.policy import architecture_codes
from coexist.inventory import EVERYONE, Inventory, MacSet
from coexist.inventory.documents import Path
from coexist.inventory.models import Scope, ScopeRule, Server, Site
from coexist.inventory.named_servers import server_address
from coexist.inventory.products import part
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.option_codes import Option

ALWAYS_SENT = frozenset({int(Option.VENDOR_CLASS_IDENTIFIER)})
"""Firmware that does not ask for option 60 must find it all the same."""
OWN_RULES = "drop-in"
"""The scope that stands for the rules of a drop-in."""


def compile_plan(inventory: Inventory, name: str, *, literal: bool = False) -> LeasePlan:
    """The lease plan of the DHCP server ``name``.

    With ``literal``, and in scopes that are so declared, it has nothing but what is declared. It is made
    once for an inventory.
    """
    what = "literal lease plan" if literal else "lease plan"
    return inventory.made_once(what, name, lambda: _compiled(inventory, name, literal=literal))


def _compiled(inventory: Inventory, name: str, *, literal: bool) -> LeasePlan:
    site = inventory.site
    server = site.servers[name]
    scopes = {key: scope for key, scope in site.scopes.items() if name in scope.servers}
    groups = groups_of(inventory, name, scopes)
    plans = {key: _scope_plan(site, name, key, scope, groups) for key, scope in scopes.items()}
    plans = {
        key: _literal(plan, scopes[key]) if literal or scopes[key].literal else plan
        for key, plan in plans.items()
    }
    return LeasePlan(
        name=name,
        server=server,
        vlans=tuple(vlan_plans(site, server, scopes)),
        scopes=plans,
        groups=groups,
        table=inventory.clients,
    )


def compile_rules(inventory: Inventory, name: str) -> LeasePlan:
    """The rules of the drop-in of the server ``name``: a plan without a subnet, and a scope of settings."""
    site = inventory.site
    server = site.servers[name]
    rules = () if server.dropin is None else server.dropin.rules
    path: Path = ("servers", name, "dropin")
    members = {group for rule in rules for group in rule.clients or ()} - {"everyone", "nobody"}
    groups = {group: inventory.group(group) for group in sorted(members)}
    values = Values(site=site, vlan=next(iter(server.stands_on)))
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
        settings=derived_below(settings),
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


def _scope_plan(
    site: Site, server_name: str, key: str, scope: Scope, groups: Mapping[str, MacSet]
) -> ScopePlan:
    server = site.servers[server_name]
    path: Path = ("scopes", key)
    own_files = _own_files(site, server, scope.vlan)
    values = Values(site=site, vlan=scope.vlan)
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
        settings=derived_below(settings),
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
    if clients is None:
        return setting
    sets = [groups[name] for name in clients.groups]
    if clients.outside:
        if any(sets):
            return setting
    elif not any(each.bounds for each in sets) or reduce(or_, sets) != EVERYONE:
        return setting
    return replace(setting, condition=replace(setting.condition, clients=None))


def _refusals(server: Server, name: str) -> Iterator[Setting]:
    """Whom the server does not answer at all."""
    path: Path = ("servers", name, "answers")
    wanted = answered_clients(server)
    if wanted is not None:
        condition = Condition(clients=all_but(wanted))
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
    values: Values, rule: ScopeRule, default: IPv4Address | None, path: Path
) -> Iterator[Setting]:
    condition = replace(said(rule), clients=named(rule.clients))
    number = int(path[-1]) + 1
    name = rule.name or f"rule {number}" + (f": {', '.join(rule.clients)}" if rule.clients else "")
    if condition.clients == NOBODY:
        return
    if rule.ignore:
        yield Setting(name=name, path=path, condition=condition, ignore=True)
    else:
        yield from values.settings(rule, condition, name, path, default)


def _server_settings(
    values: Values, server: Server, name: str, own_files: IPv4Address | None, settings: list[Setting]
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
