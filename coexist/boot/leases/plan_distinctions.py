"""By what a lease plan tells clients apart: the groups, tests and reservations that its conditions name."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.boot.leases.lease import Distinctions, Origin
from coexist.boot.leases.plan import Condition, LeasePlan, spellings
from coexist.inventory.documents import Path
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest
from coexist.wire.options import Option


def distinctions_of(plan: LeasePlan) -> Distinctions:
    """The distinctions of a plan."""
    clients: dict[str, Origin] = {}
    tests: dict[OptionTest, None] = {}
    for condition, path in _conditions(plan):
        for group in condition.clients.groups if condition.clients is not None else ():
            clients.setdefault(group, path)
        tests.update(dict.fromkeys(_tests(condition)))
    table = plan.table
    reserved = None
    if any(subnet.reserves for vlan in plan.vlans for subnet in vlan.subnets):
        rows = zip(table.macs, table.addresses, strict=True)
        reserved = MacSet.of(mac for mac, address in rows if address)
    return Distinctions(
        clients=tuple((plan.groups[group], path) for group, path in clients.items()),
        tests=tuple(tests),
        reserved=reserved,
    )


def _conditions(plan: LeasePlan) -> Iterator[tuple[Condition, Path]]:
    """Every condition of a plan, and what a pool is for, each with where it stands."""
    for scope in plan.scopes.values():
        for setting in scope.settings:
            yield setting.condition, setting.path
            for other in setting.condition.unless:
                yield other, setting.path
    for vlan in plan.vlans:
        for subnet in vlan.subnets:
            for pool in subnet.pools:
                for clients in pool.clients:
                    yield Condition(clients=clients), pool.path
                yield pool.condition, pool.path


def _tests(condition: Condition) -> Iterator[OptionTest]:
    """What a condition compares, as tests on options."""
    for code in sorted(condition.architectures or ()):
        yield _test(Option.CLIENT_SYSTEM_ARCHITECTURE, "starts_with", code.to_bytes(2, "big"))
        if code == 0:
            yield OptionTest(option=Option.CLIENT_SYSTEM_ARCHITECTURE, exists=True)
            yield _test(Option.VENDOR_CLASS_IDENTIFIER, "starts_with", b"PXEClient")
    if condition.ipxe:
        yield from (_test(Option.USER_CLASS, "equals", text) for text in spellings(b"iPXE"))
        yield OptionTest(option=Option.IPXE_ENCAPSULATED, exists=True)
    if condition.vendor_class is not None:
        yield _test(Option.VENDOR_CLASS_IDENTIFIER, "starts_with", condition.vendor_class)
    if condition.user_class is not None:
        yield from (_test(Option.USER_CLASS, "equals", text) for text in spellings(condition.user_class))
    yield from condition.tests


def _test(option: int, comparison: str, octets: bytes) -> OptionTest:
    return OptionTest.model_validate({"option": option, comparison: f"hex:{octets.hex(':')}"})
