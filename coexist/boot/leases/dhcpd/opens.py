"""What of a dhcpd.conf only the running daemon can decide."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.boot.leases.dhcpd.evaluation import Resolve
from coexist.boot.leases.lease import BOOT_OPTIONS, OpenCondition
from coexist.errors import Position
from coexist.languages.dhcpd.levels import Level, Outline, PoolPart, Wire
from coexist.languages.dhcpd.syntax import (
    Assign,
    Atom,
    Binary,
    Call,
    Expression,
    FixedAddress,
    Function,
    HostLookup,
    If,
    Not,
    OptionName,
    Other,
    SetVariable,
    Statement,
    Switch,
    Variable,
)

_STATES = {
    "leased-address": "the address that the client is leased",
    "lease-time": "how long the client holds its lease already",
    "gethostname": "the host name of the server",
}
_GET_LEASE_HOSTNAMES = 11
_BOOT_PARAMETERS = frozenset({15, 16, 17, 19})
"""filename, server-name, next-server and vendor-option-space (server/stables.c)."""


def open_conditions(outline: Outline, resolve: Resolve) -> dict[Position, OpenCondition]:
    """The open conditions of a file by their places."""
    finder = _Finder(outline, resolve)
    finder.read()
    return dict(sorted(finder.found.items()))


def open_wires(outline: Outline) -> dict[int, OpenCondition]:
    """By the `id` of a wire whose pools tell the same machine different things when it boots: which of them
    it is leased from. A server that has leased nothing yet has an order; one that runs takes the address that
    has been free for longest."""
    found: dict[int, OpenCondition] = {}
    for wire in outline.wires:
        told: dict[frozenset[tuple[bool, str, str]], set[object]] = {}
        for pool in (pool for pool in wire.pools if pool.ranges):
            permits = frozenset((p.allowed, p.who, p.class_name) for p in pool.permits)
            told.setdefault(permits, set()).add(told_by(wire, pool))
        if any(len(different) > 1 for different in told.values()):
            name = f" of {wire.name}" if wire.name else ""
            what = f"which pool{name} has the address that has been free for longest"
            found[id(wire)] = OpenCondition(origin=wire.pools[0].at, what=what)
    return found


def told_by(wire: Wire, pool: PoolPart) -> object:
    """What a pool, and the subnet that its first address is of, tell a machine that boots."""
    subnets = (subnet for subnet in wire.subnets if pool.ranges[0].first in subnet.network)
    levels = [pool.level, *(subnet.level for subnet in subnets)]
    found: list[object] = []
    for level in levels:
        for statement in all_statements(level.statements):
            match statement:
                case If(condition=condition):
                    found.append(condition)
                case Assign(option=option, value=value) if _is_for_booting(option):
                    found.append((option, value))
    return tuple(found)


def _is_for_booting(option: OptionName) -> bool:
    codes = {"dhcp": BOOT_OPTIONS, "server": _BOOT_PARAMETERS}.get(option.space)
    return codes is None or option.code in codes


def assigned_variables(outline: Outline) -> frozenset[str]:
    """The variables that a condition, a class, a host or a commit sets: a lease may keep them from before.

    What the file sets on its top level has its value before anyone reads it.
    """
    plain = {s.name for s in outline.root.statements if isinstance(s, SetVariable)}
    everywhere = {
        s.name
        for level in all_levels(outline)
        for s in all_statements(level.statements)
        if isinstance(s, SetVariable)
    }
    return frozenset(everywhere - plain)


def all_levels(outline: Outline) -> Iterator[Level]:
    """Every scope of a file, each once."""
    seen: set[int] = set()
    starts = [outline.root, *outline.named_groups.values()]
    starts += [s.level for wire in outline.wires for s in wire.subnets]
    starts += [p.level for wire in outline.wires for p in wire.pools]
    starts += [c.level for c in outline.classes.values()]
    starts += [lv for c in outline.classes.values() for lv, _ in c.subclasses.values() if lv is not None]
    starts += [h.level for h in outline.hosts]
    starts += [level for level, _ in outline.plain]
    for start in starts:
        for level in start.outwards():
            if id(level) not in seen:
                seen.add(id(level))
                yield level


def all_statements(body: tuple[Statement, ...] | list[Statement]) -> Iterator[Statement]:
    """Statements with those inside them."""
    for statement in body:
        yield statement
        match statement:
            case If(then=then, otherwise=otherwise):
                yield from all_statements(then)
                yield from all_statements(otherwise)
            case Switch(body=inner) | Other(body=inner):
                yield from all_statements(inner)
            case SetVariable(value=Function(body=inner)):
                yield from all_statements(inner)


class _Finder:
    def __init__(self, outline: Outline, resolve: Resolve) -> None:
        self.outline = outline
        self.resolve = resolve
        self.found: dict[Position, OpenCondition] = {}
        self.remembered = assigned_variables(outline)

    def read(self) -> None:
        for level in all_levels(self.outline):
            for statement in all_statements(level.statements):
                self._statement(statement)
        for part in self.outline.classes.values():
            for statement in part.match_if:
                self._expression(statement.at, statement.condition)
        for host in self.outline.hosts:
            if host.fixed is not None:
                self._fixed(host.fixed)
        for wire in self.outline.wires:
            for pool in wire.pools:
                for permit in pool.permits:
                    if permit.who == "after":
                        self._add(permit.at, "the date")

    def _add(self, at: Position, what: str) -> None:
        self.found.setdefault(at, OpenCondition(origin=at, what=what))

    def _statement(self, statement: Statement) -> None:
        match statement:
            case If(condition=condition):
                self._expression(statement.at, condition)
            case Switch(value=value):
                self._expression(statement.at, value)
            case Assign(option=option, value=value) if value is not None:
                if option.space == "server" and option.code == _GET_LEASE_HOSTNAMES:
                    self._add(statement.at, "the name that DNS has for the leased address")
                self._expression(statement.at, value, value_only=True)
            case Other(kind="execute"):
                self._add(statement.at, "a program that the server runs")
            case Other(kind="lease limit"):
                self._add(statement.at, "how many leases of the class are in use")

    def _fixed(self, fixed: FixedAddress) -> None:
        for name in fixed.names:
            if not self.resolve(name):
                self._add(fixed.at, f"the address that DNS has for {name}")

    def _expression(self, at: Position, expression: Expression, *, value_only: bool = False) -> None:
        for part in parts_of(expression):
            match part:
                case HostLookup(name=name) if not self.resolve(name):
                    self._add(at, f"the address that DNS has for {name}")
                case Atom(word=word) if word in _STATES and not (value_only and word == "leased-address"):
                    self._add(at, _STATES[word])
                case Variable(name=name) if name in self.remembered and not value_only:
                    self._add(at, f"what the lease remembers as {name}")


def parts_of(expression: Expression) -> Iterator[Expression]:
    """An expression and those inside it."""
    yield expression
    match expression:
        case Not(operand=operand):
            yield from parts_of(operand)
        case Binary(left=left, right=right):
            yield from parts_of(left)
            yield from parts_of(right)
        case Call(arguments=arguments):
            for argument in arguments:
                yield from parts_of(argument)
