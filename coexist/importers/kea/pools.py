"""Kea's pools: their ranges, the class each is for, and what is said to the clients of one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    POOL_FOR_NOBODY,
    Condition,
    Inexpressible,
    all_of,
    any_of,
    pool_conditions,
)
from coexist.importers.groups import GroupBook
from coexist.importers.kea.classes import Memberships
from coexist.importers.kea.kept import Kept
from coexist.importers.kea.left_out import leave
from coexist.importers.kea.levels import LevelReader
from coexist.importers.program import Step, guarded
from coexist.inventory.values import AddressRange
from coexist.languages.kea.json_nodes import Node

_GUARDS = ("client-class", "client-classes")


class PoolReader:
    """Reads the pools of subnets; ``leased`` gathers the ranges that are given out.

    ``open_to``: classes that every client is in one of, of the two servers of a pair. ``kept`` takes what is
    written as it stands, where the pools are written as they are.
    """

    def __init__(
        self,
        levels: LevelReader,
        groups: GroupBook,
        account: Account,
        leased: list[tuple[int, int]],
        *,
        open_to: frozenset[str] = frozenset(),
        kept: Kept | None = None,
    ) -> None:
        self.levels, self.groups, self.account, self.leased = levels, groups, account, leased
        self.open_to, self.kept = open_to, kept

    def of(self, node: Node, network: IPv4Network, members: Memberships, gate: Condition) -> list[Any]:
        """The pools of a subnet as a scope has them; ``gate``: whom the subnet is for.

        A class that cannot be said leaves a pool to nobody.
        """
        result: list[Any] = []
        for pool in node.items("pools"):
            text = pool.plain("pool") or ""
            try:
                span = _pool_range(text)
            except ValueError:
                # kea-dhcp4 refuses it too, and a pool that is lost leases nothing.
                what = f"the pool {text!r} is no range of addresses"
                raise InputError([Problem(pool.at, what, "write it as 10.1.0.10-10.1.0.99")]) from None
            if span.first not in network or span.last not in network:
                # kea-dhcp4 refuses the file: "does not match the prefix of a subnet".
                what = f"the pool {span} is not in its subnet {network}"
                raise InputError([Problem(pool.at, what, "correct the range or the subnet")])
            self.leased.append((int(span.first), int(span.last)))
            result.append(self._pool_for(pool, str(span), members, gate))
        return result

    def _pool_for(self, pool: Node, text: str, members: Memberships, gate: Condition) -> Any:
        names = self._guards(pool)
        if not names and gate == ALWAYS:
            return text
        try:
            condition = all_of([gate, any_of(map(members.selecting, names))]) if names else gate
        except Inexpressible:
            condition = NEVER
        entry = pool_conditions(condition, self.groups.combined) if condition != NEVER else None
        if entry is None:
            if gate != NEVER:
                for key in _GUARDS if names else ("pool",):
                    leave(pool, key, POOL_FOR_NOBODY)
            return {"range": text, "allow": "nobody"}
        return {"range": text, **entry}

    def _guards(self, pool: Node) -> list[str]:
        """The classes of which a client must be in one; none where everybody is in one of them."""
        one = pool.plain("client-class")
        names = [*([one] if one else []), *(str(item.value) for item in pool.items("client-classes"))]
        return [] if self.open_to.intersection(names) else names

    def options(self, node: Node, network: IPv4Network, members: Memberships) -> list[Step]:
        """Options of the pools: of one pool that all clients lease from they are the scope's own.

        Of one of several they are written as they stand.
        """
        pools = node.items("pools")
        result: list[Step] = []
        for pool in pools:
            steps = self.levels.options(pool)
            names = self._guards(pool)
            try:
                condition = any_of(map(members.selecting, names)) if names else ALWAYS
                if len(pools) > 1 and condition == ALWAYS and steps:
                    raise Inexpressible("its clients may as well get an address of another pool")
                result += guarded(condition, steps) if condition else []
            except Inexpressible as reason:
                if steps and self.kept is not None:
                    self.kept.pool_options(str(network), pool)
                for step in steps:
                    why = f"holds for the clients of a pool: {reason}"
                    why = why if self.kept is None else Harmless(f"{why}; it is written as it stands")
                    self.account.left_out(step.at, step.text, why)
        return result


def _pool_range(text: str) -> AddressRange:
    if "/" in text:
        network = IPv4Network(text.strip())
        return AddressRange(first=network.network_address, last=network.broadcast_address)
    first, _, last = text.partition("-")
    return AddressRange(first=IPv4Address(first.strip()), last=IPv4Address(last.strip()))
