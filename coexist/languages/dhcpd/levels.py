"""The scopes of a dhcpd.conf: which statements stand in which, and which scope lies in which.

dhcpd calls them groups: the file, every ``group``, shared network, subnet, pool, class and host is one
with a link to the one around it (clone_group). A subnet outside a shared network is its own network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from coexist.errors import Position
from coexist.languages.dhcpd.syntax import (
    Authoritative,
    ClassDeclaration,
    ClientIdentifier,
    Configuration,
    FailoverPeer,
    FixedAddress,
    Group,
    Hardware,
    Host,
    HostIdentifier,
    If,
    Include,
    JoinGroup,
    Match,
    MatchIf,
    Network,
    OptionDefinition,
    OptionSpace,
    Other,
    Permit,
    PlainHosts,
    Pool,
    Range,
    SharedNetwork,
    Statement,
    Subclass,
    Subnet,
)
from coexist.records import dataclass


@dataclass(slots=True, eq=False)
class Level:
    """Statements to execute and the scope around them. ``authoritative`` is taken over from the scope
    around it as that stands where this one begins."""

    parent: Level | None
    statements: list[Statement] = field(default_factory=list)
    authoritative: bool = False

    def __post_init__(self) -> None:
        if self.parent is not None:
            self.authoritative = self.parent.authoritative

    def outwards(self) -> Iterator[Level]:
        """This scope and those around it."""
        level: Level | None = self
        while level is not None:
            yield level
            level = level.parent


@dataclass(slots=True, eq=False)
class PoolPart:
    """A pool: its ranges and permissions. ``peer``: the failover relation it belongs to, if any;
    ``is_implied``: made of ranges that stand outside any pool."""

    level: Level
    at: Position
    text: str
    peer: str = ""
    is_implied: bool = False
    ranges: list[Range] = field(default_factory=list)
    permits: list[Permit] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class SubnetPart:
    """A subnet of a wire."""

    level: Level
    network: Network
    wire: Wire
    at: Position
    text: str
    authoritative: bool | None = None


@dataclass(slots=True, eq=False)
class Wire:
    """A shared network, or a subnet that stands alone. ``peer``: of the pools that follow."""

    name: str
    level: Level
    peer: str = ""
    subnets: list[SubnetPart] = field(default_factory=list)
    pools: list[PoolPart] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ClassPart:
    """A class. ``subclasses``: level (None for one without statements of its own) by value."""

    name: str
    level: Level
    declarations: list[ClassDeclaration] = field(default_factory=list)
    match_if: list[MatchIf] = field(default_factory=list)
    match: Match | None = None
    subclasses: dict[bytes, tuple[Level | None, Subclass]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class HostPart:
    """A host declaration with something to say."""

    name: str
    level: Level
    at: Position
    text: str
    hardware: Hardware | None = None
    fixed: FixedAddress | None = None
    identifiers: list[ClientIdentifier | HostIdentifier] = field(default_factory=list)
    body: tuple[Statement, ...] = ()

    @property
    def mac(self) -> bytes | None:
        """Its Ethernet address; None if it is known by something else."""
        hardware = self.hardware
        is_ethernet = hardware is not None and hardware.kind == 1 and len(hardware.address) == 6
        return hardware.address if hardware is not None and is_ethernet else None


@dataclass(slots=True)
class Outline:
    """A configuration by its scopes. ``machines``: all hosts in the order in which they are read."""

    configuration: Configuration
    root: Level = field(default_factory=lambda: Level(None))
    wires: list[Wire] = field(default_factory=list)
    classes: dict[str, ClassPart] = field(default_factory=dict)
    hosts: list[HostPart] = field(default_factory=list)
    plain: list[tuple[Level, PlainHosts]] = field(default_factory=list)
    machines: list[HostPart | tuple[Level, PlainHosts]] = field(default_factory=list)
    named_groups: dict[str, Level] = field(default_factory=dict)
    definitions: list[OptionDefinition] = field(default_factory=list)
    authoritative: list[tuple[Level, Authoritative]] = field(default_factory=list)
    peers: list[FailoverPeer] = field(default_factory=list)


def outline(configuration: Configuration) -> Outline:
    """The scopes of a configuration."""
    result = Outline(configuration)
    _Walk(result).body(configuration.body, result.root, None, None)
    return result


def every_statement(body: tuple[Statement, ...]) -> Iterator[tuple[Position, str]]:
    """Every statement of a configuration, the ones inside others too, with its text."""
    for statement in body:
        yield statement.at, statement.text
        if isinstance(statement, If):
            yield from every_statement(statement.then)
            yield from every_statement(statement.otherwise)
        elif not isinstance(statement, Other):
            yield from every_statement(getattr(statement, "body", None) or ())


class _Walk:
    def __init__(self, result: Outline) -> None:
        self.result = result

    def body(
        self, statements: tuple[Statement, ...], level: Level, wire: Wire | None, pool: PoolPart | None
    ) -> None:
        for statement in statements:
            if not self.declaration(statement, level, wire, pool):
                level.statements.append(statement)

    def declaration(
        self, statement: Statement, level: Level, wire: Wire | None, pool: PoolPart | None
    ) -> bool:
        """Take a declaration; False for a statement that is executed."""
        match statement:
            case Include() | Group() | SharedNetwork() | Pool():
                self.nested(statement, level, wire, pool)
            case Subnet():
                self.subnet(statement, level, wire)
            case Range():
                self.range(statement, wire, pool)
            case Permit() if pool is not None:
                pool.permits.append(statement)
            case PlainHosts():
                self.result.plain.append((level, statement))
                self.result.machines.append((level, statement))
            case Host():
                self.host(statement, level)
            case ClassDeclaration() | Subclass():
                self.classes(statement, level)
            case Other(kind="failover", names=names) if wire is not None:
                (pool or wire).peer = "".join(names)
                return False
            case _:
                return self.definition(statement, level)
        return True

    def nested(
        self,
        statement: Include | Group | SharedNetwork | Pool,
        level: Level,
        wire: Wire | None,
        pool: PoolPart | None,
    ) -> None:
        if isinstance(statement, Pool):
            if wire is not None:
                part = PoolPart(Level(wire.level), statement.at, statement.text, wire.peer)
                wire.pools.append(part)
                self.body(statement.body, part.level, wire, part)
            return
        if isinstance(statement, SharedNetwork):
            shared = Wire(statement.name, Level(level))
            self.result.wires.append(shared)
            self.body(statement.body, shared.level, shared, None)
        elif isinstance(statement, Group):
            inner = Level(level)
            if statement.name:
                self.result.named_groups[statement.name] = inner
            self.body(statement.body, inner, wire, pool)
        else:
            self.body(statement.body, level, wire, pool)

    def definition(self, statement: Statement, level: Level) -> bool:
        match statement:
            case OptionDefinition():
                self.result.definitions.append(statement)
            case OptionSpace():
                pass
            case Authoritative():
                level.authoritative = statement.value
                self.result.authoritative.append((level, statement))
            case FailoverPeer():
                self.result.peers.append(statement)
            case _:
                return False
        return True

    def subnet(self, statement: Subnet, level: Level, wire: Wire | None) -> None:
        if wire is None:
            # The subnet and its network share one scope (SHARED_IMPLICIT in server/confpars.c).
            inner = Level(level)
            wire = Wire("", inner)
            self.result.wires.append(wire)
        else:
            inner = Level(wire.level)
        wire.subnets.append(SubnetPart(inner, statement.network, wire, statement.at, statement.text))
        self.body(statement.body, inner, wire, None)

    def range(self, statement: Range, wire: Wire | None, pool: PoolPart | None) -> None:
        if pool is None and wire is not None:
            # Ranges outside pools make one pool of their own without statements, those for BOOTP another.
            pool = next(
                (p for p in wire.pools if p.is_implied and p.ranges[0].bootp == statement.bootp), None
            )
        if pool is None and wire is not None:
            pool = PoolPart(Level(wire.level), statement.at, statement.text, is_implied=True)
            wire.pools.append(pool)
        if pool is not None:
            pool.ranges.append(statement)

    def host(self, statement: Host, level: Level) -> None:
        part = HostPart(statement.name, Level(level), statement.at, statement.text, body=statement.body)
        for inner in statement.body:
            match inner:
                case Hardware():
                    part.hardware = inner
                case FixedAddress():
                    part.fixed = inner
                case ClientIdentifier() | HostIdentifier():
                    part.identifiers.append(inner)
                case JoinGroup():
                    part.level.parent = self.result.named_groups[inner.name]
                case Other(kind="marker"):
                    pass
                case _:
                    self.body((inner,), part.level, None, None)
        self.result.hosts.append(part)
        self.result.machines.append(part)

    def classes(self, statement: ClassDeclaration | Subclass, level: Level) -> None:
        if isinstance(statement, ClassDeclaration):
            part = self.result.classes.get(statement.name)
            if part is None:
                part = ClassPart(statement.name, Level(level))
                self.result.classes[statement.name] = part
            part.declarations.append(statement)
            self.class_body(statement.body, part, part.level)
            return
        parent = self.result.classes.get(statement.parent)
        if parent is None:
            return
        if statement.body is None:
            parent.subclasses.setdefault(statement.data, (None, statement))
            return
        inner = Level(parent.level)
        parent.subclasses[statement.data] = (inner, statement)
        self.class_body(statement.body, parent, inner)

    def class_body(self, body: tuple[Statement, ...], part: ClassPart, level: Level) -> None:
        for statement in body:
            match statement:
                case MatchIf():
                    part.match_if = [statement]
                case Match():
                    part.match = statement
                case _:
                    self.body((statement,), level, None, None)
