"""What a dhcpd.conf says, as a tree: one class a kind of statement, one a kind of expression.

Nothing is judged here. Every statement knows where it stands (``at``) and the text it was
written as is cut out of the file by ``at`` when a person has to see it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from ipaddress import IPv4Address
from typing import TypeAlias

from coexist.errors import Position
from coexist.records import dataclass

# --- expressions --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OptionName:
    """A defined option: its space (``dhcp``, ``agent``, ``server`` for dhcpd's own parameters, or one
    the file declares), code, name and format (the letters of common/tables.c)."""

    space: str
    code: int
    name: str
    format: str

    def __str__(self) -> str:
        return self.name if self.space in ("dhcp", "server") else f"{self.space}.{self.name}"


@dataclass(frozen=True, slots=True)
class Data:
    """Constant octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class HostLookup:
    """The addresses of a host name, asked from DNS while the daemon runs."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant number."""

    value: int


@dataclass(frozen=True, slots=True)
class OptionOf:
    """The value of an option: the client's (``option``) or the one set so far (``config-option``)."""

    option: OptionName
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the client sent an option."""

    option: OptionName


@dataclass(frozen=True, slots=True)
class Atom:
    """A word with a meaning of its own: known, static, hardware, leased-address, host-decl-name, ..."""

    word: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, or with ``defined`` whether it was set."""

    name: str
    defined: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the language (substring, concat, ...) or, with ``own``, one the file defines."""

    function: str
    arguments: tuple[Expression, ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """A negation."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and ``=  != ~= ~~ and or + - * / % & | ^`` between them."""

    operator: str
    left: Expression
    right: Expression


Expression: TypeAlias = Data | HostLookup | Number | OptionOf | Exists | Atom | Variable | Call | Not | Binary


@dataclass(frozen=True, slots=True)
class Function:
    """A function the file defines."""

    parameters: tuple[str, ...]
    body: tuple[Statement, ...]


# --- statements ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement:
    """Anything that ends in a semicolon or a brace; ``text`` is how it begins, for people."""

    at: Position
    text: str


@dataclass(frozen=True, slots=True)
class Include(Statement):
    """Another file's statements, in place."""

    file: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Group(Statement):
    """Parameters shared by the declarations inside; a named one can be joined by hosts."""

    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class SharedNetwork(Statement):
    """Several subnets on one wire."""

    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """An address and a mask; the daemon allows masks that are no run of ones."""

    address: IPv4Address
    mask: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return int(address) & int(self.mask) == int(self.address)

    def __str__(self) -> str:
        return f"{self.address} netmask {self.mask}"


@dataclass(frozen=True, slots=True)
class Subnet(Statement):
    """A subnet."""

    network: Network
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Pool(Statement):
    """Addresses with parameters and permissions of their own."""

    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Host(Statement):
    """A machine."""

    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class PlainHosts(Statement):
    """Host declarations that say the same but for MAC, address and host name.

    Rows: (name, MAC as written, address or "", host name or "", offset in the file); ``place`` makes a
    position of an offset. ``body`` is what each of them says besides, as its first one was written.
    """

    rows: tuple[tuple[str, str, str, str, int], ...]
    place: Callable[[int], Position]
    body: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassDeclaration(Statement):
    """A class; declared again it is continued."""

    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Subclass(Statement):
    """One value of a class's ``match`` expression; ``body`` is None if it ends in a semicolon."""

    parent: str
    data: bytes
    body: tuple[Statement, ...] | None


@dataclass(frozen=True, slots=True)
class MatchIf(Statement):
    """When a client belongs to the class."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class Match(Statement):
    """The value by which subclasses are found; ``spawn`` makes one for every value that is seen."""

    value: Expression
    spawn: bool


@dataclass(frozen=True, slots=True)
class OptionDefinition(Statement):
    """``option NAME code N = TYPE``."""

    option: OptionName


@dataclass(frozen=True, slots=True)
class OptionSpace(Statement):
    """``option space NAME``."""

    name: str


@dataclass(frozen=True, slots=True)
class Assign(Statement):
    """A value for an option or a parameter. ``how``: supersede (plain ``option``), send, default,
    append, prepend. ``value`` is None for an option without one."""

    how: str
    option: OptionName
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Range(Statement):
    """Addresses to lease."""

    first: IPv4Address
    last: IPv4Address
    bootp: bool


@dataclass(frozen=True, slots=True)
class Permit(Statement):
    """Who may use a pool. ``who``: known, unknown, all, authenticated, unauthenticated, dynamic bootp,
    class, after."""

    allowed: bool
    who: str
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class Hardware(Statement):
    """A host's address on the wire; ``kind`` is 1 for Ethernet."""

    kind: int
    address: bytes


@dataclass(frozen=True, slots=True)
class FixedAddress(Statement):
    """A host's addresses: literal ones and names to resolve."""

    addresses: tuple[IPv4Address, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientIdentifier(Statement):
    """``uid``: the host is known by its client identifier."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class HostIdentifier(Statement):
    """The host is known by the value of an option."""

    option: OptionName
    value: Expression | None


@dataclass(frozen=True, slots=True)
class JoinGroup(Statement):
    """``group NAME;`` inside a host."""

    name: str


@dataclass(frozen=True, slots=True)
class Authoritative(Statement):
    """Whether the server says no to clients with a wrong address."""

    value: bool


@dataclass(frozen=True, slots=True)
class If(Statement):
    """Statements under a condition. An ``elsif`` is an If that stands alone in ``otherwise``."""

    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Switch(Statement):
    """``switch``; the cases stand in the body."""

    value: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Case(Statement):
    """``case VALUE:``, or ``default:`` without a value."""

    value: Expression | None


@dataclass(frozen=True, slots=True)
class SetVariable(Statement):
    """``set`` and ``define``: a value, or a function."""

    name: str
    value: Expression | Function


@dataclass(frozen=True, slots=True)
class FailoverPeer(Statement):
    """A failover relation: our address in it and the other's, where they are written as addresses.

    ``split``: of 256 buckets the primary's (0 if ``hba`` or nothing says it); ``hba``: a bit a bucket.
    ``max_seconds``: from which ``secs`` on the answer is whose it is not, None if never. Times are seconds.
    """

    name: str
    address: IPv4Address | None
    is_primary: bool
    peer: IPv4Address | None = None
    split: int | None = None
    hba: bytes | None = None
    max_seconds: int | None = None
    mclt: int | None = None
    port: int | None = None
    max_response_delay: int | None = None
    max_unacked_updates: int | None = None


@dataclass(frozen=True, slots=True)
class Other(Statement):
    """A statement that is understood by its kind: key, zone, on, log, execute, eval, return, break, add,
    unset, parse-vendor-option, interface, lease limit, markers, a failover reference, a date.

    ``value``: what eval and return compute. ``names``: the events of on, the class of add, the variable of
    unset, the peer of failover.
    """

    kind: str
    body: tuple[Statement, ...] = ()
    value: Expression | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole file with its includes. ``widths`` are the octets of codes and lengths in its option spaces,
    ``used`` the options that a statement sets or looks at, ``options`` all it knows by space and code, the
    spaces in the daemon's order."""

    file: str
    body: tuple[Statement, ...]
    widths: Mapping[str, tuple[int, int]]
    used: frozenset[OptionName] = frozenset()
    options: Mapping[str, Mapping[int, OptionName]] = field(default_factory=dict)
