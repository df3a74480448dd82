"""Whom a lease plan means: the clients of groups and of a server's lists, and what their packets must say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from coexist.boot.answered import answered
from coexist.boot.leases.plan import Clients, Condition
from coexist.boot.policy import architecture_codes
from coexist.inventory import Inventory, MacSet
from coexist.inventory.models import Pool, Scope, ScopeRule, Server

INTENDED = "intended"
"""The group of the clients that the intent gives to the server itself."""
NOBODY = Clients(groups=frozenset())


def named(groups: tuple[str, ...] | None) -> Clients | None:
    """The clients of some groups; None for everyone."""
    if groups is None or "everyone" in groups:
        return None
    return Clients(groups=frozenset(groups) - {"nobody"})


def all_but(clients: Clients | None) -> Clients:
    """Everyone but some clients; None is everyone, and leaves nobody."""
    return NOBODY if clients is None else replace(clients, outside=not clients.outside)


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
            return all_but(named(answers.groups))
        case "intended":
            return Clients(groups=frozenset({INTENDED}))
        case who:
            return Clients(groups=frozenset({who}))


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


def groups_of(inventory: Inventory, server: str, scopes: Mapping[str, Scope]) -> dict[str, MacSet]:
    """The groups that a server's plan speaks of, each with its clients, by name."""
    names: set[str] = set()
    for scope in scopes.values():
        for rule in scope.rules:
            names.update(rule.clients or ())
        for pool in scope.pools:
            names.update(pool.allow, pool.deny)
    sets = answer_groups(inventory, server)
    sets.update((name, inventory.group(name)) for name in sorted(names - {"everyone", "nobody"}))
    return dict(sorted(sets.items()))


def said(holder: ScopeRule | Pool) -> Condition:
    """What a rule or a pool asks of a client's packets."""
    return Condition(
        architectures=architecture_codes(holder.architectures),
        vendor_class=None if holder.vendor_class is None else holder.vendor_class.encode(),
        user_class=None if holder.user_class is None else holder.user_class.encode(),
        tests=holder.when,
    )
