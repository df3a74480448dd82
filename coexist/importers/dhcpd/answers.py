"""What a dhcpd.conf leases to one client: its statements executed for one packet.

``server/dhcp.c`` ack_lease, ``common/execute.c`` and ``common/tree.c`` of ISC DHCP 4.4: scopes are
executed from the outermost inwards (file, shared network, subnet, pool, classes, host), and what comes
later replaces what was set before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.languages.dhcpd.syntax import (
    Assign,
    Atom,
    Binary,
    Call,
    Case,
    ClassDeclaration,
    Configuration,
    Data,
    Exists,
    Expression,
    FixedAddress,
    Group,
    Hardware,
    Host,
    Include,
    Match,
    MatchIf,
    Not,
    Number,
    OptionDefinition,
    OptionOf,
    Permit,
    PlainHosts,
    Pool,
    Range,
    SetVariable,
    SharedNetwork,
    Statement,
    Subclass,
    Subnet,
    Switch,
    Variable,
)
from coexist.languages.dhcpd.syntax import If as Conditional
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import Option


class _NoAnswerError(Exception):
    """The statements say that this client gets none; the text is why."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """A host declaration with the scopes around it."""

    macs: tuple[bytes, ...]
    addresses: tuple[IPv4Address, ...]
    scopes: tuple[tuple[Statement, ...], ...]


@dataclass(frozen=True, slots=True)
class _Network:
    """A subnet with the scopes around it, and the pools inside."""

    network: IPv4Network
    scopes: tuple[tuple[Statement, ...], ...]
    ranges: tuple[IPv4Address, ...]
    pools: tuple[Pool, ...]


@dataclass(slots=True)
class _Class:
    """A class with all its declarations; subclasses by the value they match."""

    conditions: list[Expression] = field(default_factory=list)
    matches: list[Expression] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)
    subclasses: list[tuple[bytes, tuple[Statement, ...]]] = field(default_factory=list)


@dataclass(slots=True)
class _Values:
    """What has been set so far: (space, code) to octets, and variables."""

    options: dict[tuple[str, int], bytes] = field(default_factory=dict)
    variables: dict[str, bytes] = field(default_factory=dict)


class DhcpdAnswers:
    """The leases of a configuration file."""

    def __init__(self, configuration: Configuration) -> None:
        self.machines: list[_Machine] = []
        self.networks: list[_Network] = []
        self.classes: dict[str, _Class] = {}
        self.encapsulations: dict[int, str] = {}
        self._outline(configuration.body, ())

    # -- the outline -----------------------------------------------------------------------------

    def _outline(self, body: tuple[Statement, ...], around: tuple[tuple[Statement, ...], ...]) -> None:
        scopes = (*around, body)
        for statement in body:
            match statement:
                case Include(body=inner):
                    self._outline(inner, scopes)
                case Group(body=inner) | SharedNetwork(body=inner):
                    self._outline(inner, scopes)
                case Subnet(network=network, body=inner):
                    self._subnet(IPv4Network((int(network.address), str(network.mask))), inner, scopes)
                case Host(body=inner):
                    self._host(inner, scopes)
                case PlainHosts(rows=rows, body=said):
                    for _, mac, address, _, _ in rows:
                        addresses = (IPv4Address(address),) if address else ()
                        octets = mac_bytes(parse_mac(":".join(f"{int(x, 16):02x}" for x in mac.split(":"))))
                        self.machines.append(_Machine((octets,), addresses, (*scopes, said)))
                case ClassDeclaration(name=name, body=inner):
                    self._class(name, inner)
                case Subclass(parent=name, data=data, body=own):
                    self.classes.setdefault(name, _Class()).subclasses.append((data, own or ()))
                case OptionDefinition(option=option):
                    inside = re.fullmatch(r"E(.+)\.", option.format)
                    if option.space == "dhcp" and inside:
                        self.encapsulations[option.code] = inside.group(1)

    def _subnet(
        self, network: IPv4Network, body: tuple[Statement, ...], around: tuple[tuple[Statement, ...], ...]
    ) -> None:
        scopes = (*around, body)
        ranges = tuple(s.first for s in body if isinstance(s, Range))
        pools = tuple(s for s in body if isinstance(s, Pool))
        self.networks.append(_Network(network, scopes, ranges, pools))
        self._outline(tuple(s for s in body if isinstance(s, (Group, Host, PlainHosts))), scopes)

    def _host(self, body: tuple[Statement, ...], around: tuple[tuple[Statement, ...], ...]) -> None:
        macs = tuple(s.address for s in body if isinstance(s, Hardware))
        addresses = tuple(a for s in body if isinstance(s, FixedAddress) for a in s.addresses)
        self.machines.append(_Machine(macs, addresses, (*around, body)))

    def _class(self, name: str, body: tuple[Statement, ...]) -> None:
        found = self.classes.setdefault(name, _Class())
        found.conditions += [s.condition for s in body if isinstance(s, MatchIf)]
        found.matches += [s.value for s in body if isinstance(s, Match)]
        found.body += body

    # -- one packet ------------------------------------------------------------------------------

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease for a packet, or why there is none."""
        packet = arrival.packet
        near = packet.giaddr if packet.giaddr != UNSPECIFIED else arrival.address
        network = next((n for n in self.networks if near in n.network), None)
        if network is None:
            return NoLease(why="it declares no subnet there")
        mac = packet.chaddr[: packet.hlen]
        machines = [m for m in self.machines if mac in m.macs]
        evaluation = _Evaluation(packet, bool(machines), self.classes)
        try:
            return self._lease(network, machines, evaluation)
        except _NoAnswerError as reason:
            return NoLease(why=str(reason))

    def _lease(self, network: _Network, machines: list[_Machine], evaluation: _Evaluation) -> Lease:
        members = evaluation.members()
        address, pool = self._address(network, machines, members, known=bool(machines))
        values = evaluation.values
        for scope in network.scopes:
            evaluation.execute(scope)
        if pool is not None:
            evaluation.execute(pool.body)
        for name in reversed(members):
            for statements in evaluation.class_bodies(name):
                evaluation.execute(statements)
        # Of a host's scopes only those that are not the network's own (execute_statements_in_scope).
        if machines:
            for scope in machines[0].scopes:
                if scope not in network.scopes:
                    evaluation.execute(scope)
        return self._made(network, machines, address, values)

    def _address(
        self, network: _Network, machines: list[_Machine], members: list[str], *, known: bool
    ) -> tuple[IPv4Address, Pool | None]:
        for machine in machines:
            for address in machine.addresses:
                if address in network.network:
                    return address, None
        if network.ranges:
            return network.ranges[0], None
        for pool in network.pools:
            if _permits(pool, members, known=known):
                first = next((s.first for s in pool.body if isinstance(s, Range)), None)
                if first is not None:
                    return first, pool
        raise _NoAnswerError("no free leases: no pool is for this client")

    def _made(
        self,
        network: _Network,
        machines: list[_Machine],
        address: IPv4Address,
        values: _Values,
    ) -> Lease:
        server = {code: octets for (space, code), octets in values.options.items() if space == "server"}
        _refuse(server, known=bool(machines))
        options = {code: octets for (space, code), octets in values.options.items() if space == "dhcp"}
        # A configured list replaces the client's (4.4.3-P1, packets).
        requested = options.pop(Option.PARAMETER_REQUEST_LIST, None)
        self._encapsulate(options, values, server)
        lease_time = int.from_bytes(server.get(1, b"\0\0\xa8\xc0"), "big")
        return Lease(
            yiaddr=address,
            netmask=network.network.netmask,
            siaddr=_address_of(server.get(17)),
            file=server.get(15, b"").rstrip(b"\0"),
            sname=server.get(16, b"").rstrip(b"\0"),
            options=options,
            requested=None if requested is None else tuple(requested),
            lease_time=lease_time,
            reserved=any(address in machine.addresses for machine in machines),
            min_secs=int.from_bytes(server.get(14, b""), "big"),
            always_broadcast=server.get(22, b"\0") == b"\1",
            ping=_flag(server.get(_PING_CHECK)),
            server_id=_identifier(options),
        )

    def _encapsulate(self, options: dict[int, bytes], values: _Values, server: dict[int, bytes]) -> None:
        spaces: dict[str, bytes] = {}
        for (space, code), octets in values.options.items():
            if space not in ("dhcp", "server"):
                spaces[space] = spaces.get(space, b"") + bytes((code, len(octets))) + octets
        for code, space in self.encapsulations.items():
            if space in spaces:
                options[code] = options.get(code, b"") + spaces[space]
        chosen = server.get(_VENDOR_OPTION_SPACE)
        if chosen is not None and Option.VENDOR_SPECIFIC_INFORMATION not in options:
            name = chosen.decode("latin-1").lower()
            if name in spaces:
                options[Option.VENDOR_SPECIFIC_INFORMATION] = spaces[name]


_VENDOR_OPTION_SPACE = 19
_PING_CHECK = 42  # server/stables.c SV_PING_CHECKS


def _flag(octets: bytes | None) -> bool | None:
    return None if octets is None else octets == b"\1"


def _refuse(server: dict[int, bytes], *, known: bool) -> None:
    """The flags of allow, deny and ignore: booting (9) and unknown clients (6)."""
    if server.get(9, b"\1")[:1] != b"\1":
        raise _NoAnswerError("booting disallowed")
    if not known and server.get(6, b"\1")[:1] != b"\1":
        raise _NoAnswerError("unknown client")


def _address_of(octets: bytes | None) -> IPv4Address:
    return IPv4Address(octets[:4]) if octets is not None and len(octets) >= 4 else UNSPECIFIED


def _identifier(options: dict[int, bytes]) -> IPv4Address | None:
    octets = options.get(Option.SERVER_IDENTIFIER)
    return IPv4Address(octets) if octets is not None and len(octets) == 4 else None


def _permits(pool: Pool, members: list[str], *, known: bool) -> bool:
    """permitted(): any allow that fits, no deny that fits; without allow everybody."""
    allows = [s for s in pool.body if isinstance(s, Permit) and s.allowed]
    denies = [s for s in pool.body if isinstance(s, Permit) and not s.allowed]

    def fits(permit: Permit) -> bool:
        match permit.who:
            case "known":
                return known
            case "unknown":
                return not known
            case "class":
                return permit.class_name in members
            case "all":
                return True
            case _:
                return False

    if any(fits(permit) for permit in denies):
        return False
    return not allows or any(fits(permit) for permit in allows)


class _Evaluation:
    """Expressions and statements for one packet; None is a value that cannot be computed."""

    def __init__(self, packet: Packet, known: bool, classes: dict[str, _Class]) -> None:
        self.packet = packet
        self.known = known
        self.classes = classes
        self.values = _Values()

    def members(self) -> list[str]:
        """The classes the client belongs to, in the order of their declarations."""
        return [name for name, found in self.classes.items() if self._belongs(found)]

    def _belongs(self, found: _Class) -> bool:
        if any(self.boolean(condition) for condition in found.conditions):
            return True
        return self._subclass(found) is not None

    def _subclass(self, found: _Class) -> tuple[Statement, ...] | None:
        for expression in found.matches:
            value = self.data(expression)
            for data, body in found.subclasses:
                if value is not None and data == value:
                    return body
        return None

    def class_bodies(self, name: str) -> list[tuple[Statement, ...]]:
        """The statements of a class, and of the subclass the client is in."""
        found = self.classes[name]
        return [tuple(found.body), self._subclass(found) or ()]

    # -- statements --------------------------------------------------------------------------------

    def execute(self, statements: tuple[Statement, ...]) -> None:
        """Run the executable statements of one scope."""
        for statement in statements:
            match statement:
                case Assign():
                    self._assign(statement)
                case Conditional(condition=condition, then=then, otherwise=otherwise):
                    self.execute(then if self.boolean(condition) else otherwise)
                case Switch(value=value, body=body):
                    self._switch(value, body)
                case SetVariable(name=name, value=expression) if expression is not None:
                    self.values.variables[name] = self.data(expression) or b""
                case Include(body=body):
                    self.execute(body)

    def _switch(self, value: Expression, body: tuple[Statement, ...]) -> None:
        wanted = self.data(value)
        running = False
        for statement in body:
            if isinstance(statement, Case):
                running = running or statement.value is None or self.data(statement.value) == wanted
            elif running:
                self.execute((statement,))

    def _assign(self, statement: Assign) -> None:
        key = (statement.option.space, statement.option.code)
        options = self.values.options
        if statement.value is None:
            octets: bytes | None = b""
        else:
            octets = self.data(statement.value)
        if octets is None:
            return
        match statement.how:
            case "default":
                options.setdefault(key, octets)
            case "append":
                options[key] = options.get(key, b"") + octets
            case "prepend":
                options[key] = octets + options.get(key, b"")
            case _:
                options.pop(key, None)
                options[key] = octets

    # -- expressions -------------------------------------------------------------------------------

    def boolean(self, expression: Expression) -> bool:
        """A condition; what cannot be computed is false."""
        match expression:
            case Not(operand=operand):
                return not self.boolean(operand)
            case Exists(option=option):
                return self._client(option.space, option.code) is not None
            case Variable(name=name, defined=True):
                return name in self.values.variables
            case Atom(word="known"):
                return self.known
            case Atom(word="static"):
                return False
            case Binary(operator="and", left=left, right=right):
                return self.boolean(left) and self.boolean(right)
            case Binary(operator="or", left=left, right=right):
                return self.boolean(left) or self.boolean(right)
            case Binary(operator=operator, left=left, right=right):
                return self._compare(operator, self.data(left), self.data(right))
        return bool(self.data(expression))

    @staticmethod
    def _compare(operator: str, left: bytes | None, right: bytes | None) -> bool:
        if operator == "!=":
            return left != right
        if left is None or right is None:
            return operator == "=" and left == right
        if operator == "=":
            return left == right
        flags = re.IGNORECASE if operator == "~~" else re.NOFLAG
        return re.search(right.decode("latin-1"), left.decode("latin-1"), flags) is not None

    def data(self, expression: Expression) -> bytes | None:
        """Octets; None if there are none."""
        match expression:
            case Data(octets=octets):
                return octets
            case Number(value=value):
                return (value & 0xFFFFFFFF).to_bytes(4, "big")
            case OptionOf(option=option, configured=configured):
                if configured:
                    return self.values.options.get((option.space, option.code))
                return self._client(option.space, option.code)
            case Variable(name=name, defined=False):
                return self.values.variables.get(name)
            case Atom(word=word):
                return self._atom(word)
            case Call(function=function, arguments=arguments, own=False):
                return self._call(function, arguments)
        return None

    def _client(self, space: str, code: int) -> bytes | None:
        if space == "agent":
            area = self.packet.options.get(Option.RELAY_AGENT_INFORMATION, b"")
            at = 0
            while at + 2 <= len(area):
                if area[at] == code:
                    return area[at + 2 : at + 2 + area[at + 1]]
                at += 2 + area[at + 1]
            return None
        return self.packet.options.get(code) if space == "dhcp" else None

    def _atom(self, word: str) -> bytes | None:
        packet = self.packet
        match word:
            case "hardware":
                return bytes((packet.htype,)) + packet.chaddr[: packet.hlen]
            case "filename":
                return packet.file or None
            case "server-name":
                return packet.sname or None
            case "null":
                return b""
        return None

    def _number(self, expression: Expression) -> int:
        if isinstance(expression, Number):
            return expression.value
        octets = self.data(expression)
        return int.from_bytes(octets or b"", "big")

    def _call(self, function: str, arguments: tuple[Expression, ...]) -> bytes | None:
        if function == "pick-first-value":
            return next((found for a in arguments if (found := self.data(a))), None)
        first = (
            self.data(arguments[0]) if function not in ("packet", "encode-int", "binary-to-ascii") else b""
        )
        match function:
            case "substring" if first is not None:
                offset, length = self._number(arguments[1]), self._number(arguments[2])
                return first[offset : offset + length]
            case "suffix" if first is not None:
                length = self._number(arguments[1])
                return first[-length:] if length else b""
            case "lcase":
                return None if first is None else first.lower()
            case "ucase":
                return None if first is None else first.upper()
            case "concat":
                parts = [self.data(a) for a in arguments]
                return b"".join(part or b"" for part in parts)
            case "encode-int":
                size = self._number(arguments[1]) // 8
                return (self._number(arguments[0]) & (1 << 8 * size) - 1).to_bytes(size, "big")
            case "extract-int" if first is not None:
                return first[: self._number(arguments[1]) // 8].rjust(4, b"\0")
            case "reverse":
                octets = self.data(arguments[1]) or b""
                width = self._number(arguments[0]) or 1
                return b"".join(octets[i : i + width] for i in range(len(octets) - width, -1, -width))
            case "binary-to-ascii":
                return self._ascii(arguments)
        return None

    def _ascii(self, arguments: tuple[Expression, ...]) -> bytes:
        base, width = self._number(arguments[0]), self._number(arguments[1]) // 8
        separator, octets = self.data(arguments[2]) or b"", self.data(arguments[3]) or b""
        words = [int.from_bytes(octets[i : i + width], "big") for i in range(0, len(octets), width or 1)]
        form = {8: "o", 16: "x"}.get(base, "d")
        return separator.join(format(word, form).encode() for word in words)
