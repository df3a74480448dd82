"""Pools of dhcpd.conf: whose addresses they are, and what their clients are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    Condition,
    Inexpressible,
    Member,
    all_of,
    any_of,
    disjoint,
    negate,
    pool_conditions,
    test,
)
from coexist.importers.dhcpd.classes import ClassBook
from coexist.importers.dhcpd.execution import Execution, Interpreter
from coexist.importers.dhcpd.hosts import HostBook
from coexist.importers.groups import GroupBook
from coexist.importers.site_builder import one_or_list
from coexist.languages.dhcpd.levels import PoolPart, SubnetPart, Wire
from coexist.languages.dhcpd.syntax import Permit

_ABOUT_NO_CLIENT = frozenset({"dynamic bootp", "authenticated"})
"""Permissions that no DHCP client falls under: BOOTP, and authentication, which dhcpd never sees."""


class PoolBook:
    """The pools of one file; ``leased`` takes the spans of addresses they give away."""

    def __init__(self, classes: ClassBook, hosts: HostBook, leased: list[tuple[int, int]]) -> None:
        self.classes, self.hosts, self.leased = classes, hosts, leased
        self.interpreter: Interpreter = classes.interpreter
        self.outline = classes.outline
        self.groups: GroupBook = classes.groups
        self.account: Account = classes.account

    def pools(self, wire: Wire, subnet: SubnetPart) -> list[Any]:
        """The pools of a scope, as an inventory writes them."""
        pools: list[Any] = []
        for pool in wire.pools:
            said = self._said(pool)
            permits = self._permits(pool) if said is None else ([], said[0])
            for part in pool.ranges:
                if part.first not in subnet.network:
                    continue
                if permits is None:
                    why = "who may have these addresses cannot be said, and without that everyone could"
                    self.account.left_out(part.at, part.text, why)
                    continue
                allow, deny = permits
                self.account.modelled(part.at)
                self.leased.append((int(part.first), int(part.last)))
                if part.bootp:
                    why = Harmless("addresses for BOOTP clients too; the inventory knows DHCP only")
                    self.account.left_out(part.at, part.text, why)
                text = f"{part.first}-{part.last}" if part.first != part.last else str(part.first)
                entry: dict[str, Any] = {"range": text}
                if allow:
                    entry["allow"] = one_or_list(allow)
                if deny:
                    entry["deny"] = one_or_list(deny)
                entry |= {} if said is None else said[1]
                pools.append(entry if len(entry) > 1 else text)
        return pools

    def _said(self, pool: PoolPart) -> tuple[list[str], dict[str, Any]] | None:
        """Of a pool for one class: the groups it is not for and what its clients send; None for others."""
        allowed = [permit for permit in pool.permits if permit.allowed]
        if len(allowed) != 1 or allowed[0].who != "class":
            return None
        condition = self.classes.condition(allowed[0].class_name)
        said = pool_conditions(condition, self.groups.combined) if condition else None
        if not said or "allow" in said:
            return None
        denied = [self._permitted(permit) for permit in pool.permits if not permit.allowed]
        if None in denied:
            return None
        self.account.modelled(allowed[0].at)
        return [group for group in denied if group is not None], said

    def _permits(self, pool: PoolPart) -> tuple[list[str], list[str]] | None:
        """The groups a pool is for and those it is not for; None if what restricts it cannot be said."""
        allow: list[str] = []
        deny: list[str] = []
        for_everyone = not any(permit.allowed for permit in pool.permits)
        for permit in pool.permits:
            group = self._permitted(permit)
            if group is None:
                # An `allow` that is left out makes a pool narrower, a `deny` makes it wider.
                if not permit.allowed and permit.who not in _ABOUT_NO_CLIENT:
                    return None
            elif group == "everyone" and permit.allowed:
                for_everyone = True
            else:
                (allow if permit.allowed else deny).append(group)
        if for_everyone:
            allow = []
        return (allow, deny) if allow or for_everyone else None

    def _permitted(self, permit: Permit) -> str | None:
        if permit.who in ("known", "unknown"):
            self.account.modelled(permit.at)
            return self.groups.known_group() if permit.who == "known" else self.groups.unknown_group()
        if permit.who == "all":
            self.account.modelled(permit.at)
            return "everyone"
        why: str | None = {
            "dynamic bootp": Harmless("about BOOTP clients, which the inventory does not know"),
            "authenticated": Harmless("authentication of DHCP, which dhcpd never sees"),
            "unauthenticated": "authentication of DHCP is not in the inventory",
            "after": "a date is not in the inventory",
        }.get(permit.who)
        if why is None:
            condition = self.classes.condition(permit.class_name)
            if (
                condition is not None
                and len(condition) == 1
                and all(isinstance(t, Member) for t in condition[0])
            ):
                self.account.modelled(permit.at)
                return self.groups.combined(tuple(t for t in condition[0] if isinstance(t, Member)))
            if (
                condition is not None
                and condition
                and all(len(p) == 1 and isinstance(p[0], Member) and not p[0].negated for p in condition)
            ):
                self.account.modelled(permit.at)
                names = [p[0].group for p in condition if isinstance(p[0], Member)]
                return self._union(permit.class_name, names)
            why = "an inventory's pool is for groups of MAC addresses, or for one class by one set of options"
        self.account.left_out(permit.at, permit.text, why)
        return None

    def _union(self, wanted: str, names: list[str]) -> str:
        existing = next((n for n, g in self.groups.groups.items() if g == {"groups": names}), None)
        return existing or self.groups.declare(wanted, {"groups": names})

    def _eligible(self, pool: PoolPart) -> Condition:
        """Who may get an address of a pool. Raises Inexpressible."""
        allowed: list[Condition] = []
        denied: list[Condition] = []
        for permit in pool.permits:
            if permit.who in ("known", "unknown"):
                known = test(Member(self.groups.known_group()))
                condition = known if permit.who == "known" else negate(known)
            elif permit.who == "all":
                condition = ALWAYS
            elif permit.who == "class":
                part = self.outline.classes.get(permit.class_name)
                condition = self.classes.understood(part).condition if part else NEVER
            else:
                continue
            (allowed if permit.allowed else denied).append(condition)
        who = any_of(allowed) if allowed else ALWAYS
        return all_of([who, *(negate(condition) for condition in denied)])

    def said(self, wire: Wire, subnet: SubnetPart, key: str) -> Iterator[tuple[Condition, Execution]]:
        """The statements of the pools, for those who get an address of them."""
        here = [p for p in wire.pools if any(r.first in subnet.network for r in p.ranges)]
        for pool in (pool for pool in here if pool.level.statements):
            part = self.interpreter.level(pool.level)
            try:
                yield self._pool_condition(pool, here, wire, key), part
            except Inexpressible as reason:
                for step in (*part.steps, *part.defaults):
                    why = f"holds for the clients of a pool: {reason}"
                    self.account.left_out(step.at, step.text, why)

    def _pool_condition(self, pool: PoolPart, here: list[PoolPart], wire: Wire, key: str) -> Condition:
        condition = self._eligible(pool)
        for other in wire.pools:
            if other is not pool and not disjoint(condition, self._eligible(other)):
                if other in here and _same(self.interpreter, pool, other):
                    continue
                raise Inexpressible("its clients may as well get an address of another pool")
        reserved = self.hosts.reserved_on(wire)
        if not reserved:
            return condition
        group = self.groups.of_clients(f"reserved-in-{key}", reserved)
        return all_of([condition, test(Member(group, negated=True))])


def _same(interpreter: Interpreter, left: PoolPart, right: PoolPart) -> bool:
    def values(pool: PoolPart) -> list[tuple[object, object, object]]:
        execution = interpreter.level(pool.level)
        return [(s.condition, s.key, s.value) for s in (*execution.steps, *execution.defaults)]

    return values(left) == values(right)
