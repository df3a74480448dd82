"""Declarations of dhcpd.conf and the whole file: server/confpars.c of ISC DHCP 4.4.

What the daemon refuses is refused, at the line the daemon names first.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from ipaddress import IPv4Address

from coexist.errors import InputError, Position, Problem
from coexist.importers.dhcpd.definitions import parse_option_or_definition, parse_space, semicolon
from coexist.importers.dhcpd.failover import parse_failover
from coexist.importers.dhcpd.lexer import END, NUMBER, STRING, Lexer, skip
from coexist.importers.dhcpd.numbers import (
    is_hexadecimal,
    parse_address,
    parse_aggregate,
    parse_host_name,
    parse_octets,
)
from coexist.importers.dhcpd.option_values import address_or_name, parse_value
from coexist.importers.dhcpd.plain_hosts import plain_host
from coexist.importers.dhcpd.statements import Names, StatementParser
from coexist.importers.dhcpd.syntax import (
    Assign,
    Authoritative,
    ClassDeclaration,
    ClientIdentifier,
    Configuration,
    Data,
    FixedAddress,
    Group,
    Hardware,
    Host,
    HostIdentifier,
    HostLookup,
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

ReadInclude = Callable[[str], str]
"""From the name in an ``include`` to the text of that file; raises OSError."""

ROOT, GROUP, SHARED, SUBNET, POOL, CLASS, HOST = (
    "root",
    "group",
    "shared-network",
    "subnet",
    "pool",
    "class",
    "host",
)

_HARDWARE = {"ethernet": 1, "token-ring": 6, "fddi": 8, "infiniband": 32}
_ONLY_6 = frozenset({"subnet6", "range6", "prefix6", "pool6"})
_DEEPEST = 200


def parse_dhcpd(text: str, file: str, read_include: ReadInclude | None = None) -> Configuration:
    """The tree of a dhcpd.conf.

    ``file`` is how the file is called in positions. Raises InputError at the place where dhcpd
    would stop to believe in the file, and for an include that cannot be read.
    """
    names = Names()
    parser = DeclarationParser(Lexer(text, file), names, read_include or _no_includes, depth=0)
    try:
        body = parser.file(ROOT)
    except RecursionError:
        raise InputError([Problem(Position(file), "the statements are nested too deeply")]) from None
    for peer in sorted(names.peers - names.referred_peers):
        raise InputError(
            [
                Problem(
                    Position(file),
                    f"Failover peer {peer} has no referring pools.",
                    "refer to each peer in at least one pool",
                )
            ]
        )
    return Configuration(file, body, names.spaces.widths, frozenset(names.spaces.used))


def _no_includes(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)


class DeclarationParser(StatementParser):
    """Reads one file, and by itself again the files it includes."""

    def __init__(self, lexer: Lexer, names: Names, read_include: ReadInclude, depth: int) -> None:
        super().__init__(lexer, names)
        self.read_include = read_include
        self.depth = depth
        # The subnets a range may lie in: those of the shared network being read.
        self.network: Network | None = None
        self.shared: list[Network] | None = None

    def file(self, level: str) -> tuple[Statement, ...]:
        """Every statement up to the end of the file."""
        body: list[Statement] = []
        while self.lexer.peek().kind != END:
            self.statement(level, body)
        return tuple(body)

    def statement(self, level: str, body: list[Statement], *, in_host: bool = False) -> None:
        """One statement or declaration, added to ``body``."""
        lexer = self.lexer
        token = lexer.peek()
        if token.kind == "host" and level not in (HOST, CLASS) and self._plain_hosts(body):
            return
        if token.kind in ("hardware", "fixed-address"):
            lexer.next()
            reader = self._hardware if token.kind == "hardware" else self._fixed_address
            body.append(reader(token.start, in_host))
            return
        declaration = _DECLARATIONS.get(token.kind)
        if declaration is not None:
            lexer.next()
            body.append(declaration(self, token.start, level))
            return
        if token.kind in _ONLY_6:
            lexer.next()
            lexer.fail(f"{token.kind} statement is only supported in DHCPv6 mode.")
        statement = self.executable()
        if statement is None:
            lexer.fail("expecting a parameter or declaration")
        body.append(statement)

    def body(
        self,
        level: str,
        extra: Callable[[str, list[Statement]], bool] | None = None,
        *,
        in_host: bool = False,
    ) -> tuple[Statement, ...]:
        """Statements between braces; ``extra`` reads what stands only here and says whether it did."""
        lexer = self.lexer
        result: list[Statement] = []
        while True:
            kind = lexer.peek().kind
            if kind == "}":
                lexer.next()
                return tuple(result)
            if kind == END:
                lexer.next()
                lexer.fail("unexpected end of file", "close the brace")
            if extra is None or not extra(kind, result):
                self.statement(level, result, in_host=in_host)

    def left_brace(self) -> None:
        """The beginning of a body."""
        if self.lexer.next().kind != "{":
            self.lexer.fail("expecting left brace.")

    def need(self, allowed: bool, message: str) -> None:
        """Refuse a declaration in the wrong place."""
        if not allowed:
            self.lexer.fail(message)

    # -- files and options -----------------------------------------------------------------------

    def _include(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        token = lexer.next()
        if token.kind != STRING:
            lexer.fail("filename string expected.")
        name = token.value.encode("latin-1").decode("utf-8", "surrogateescape")
        if self.depth > _DEEPEST:
            lexer.fail(f"{name}: the files include each other")
        try:
            text = self.read_include(name)
        except OSError as error:
            lexer.fail(f"Can't open {name}: {error.strerror}", "give the file, or remove the line")
        inner = DeclarationParser(Lexer(text, name), self.names, self.read_include, self.depth + 1)
        inner.network, inner.shared = self.network, self.shared
        included = inner.file(level)
        semicolon(lexer)
        return Include(lexer.position(start), self.shown(start), name, included)

    def _option(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        if lexer.peek().kind == "space":
            self.need(level == ROOT, "option space definitions may not be scoped.")
            name = parse_space(lexer, self.names.spaces)
            return OptionSpace(lexer.position(start), self.shown(start), name)
        option, defined = parse_option_or_definition(
            self.expressions, self.names.spaces, at_root=level == ROOT
        )
        if defined:
            return OptionDefinition(lexer.position(start), self.shown(start), option)
        return self.assignment(start, "supersede", option)

    def _server_identifier(self, start: int, level: str) -> Statement:
        option = self.names.spaces.find("dhcp", "dhcp-server-identifier")
        assert option is not None
        return self.assignment(start, "supersede", option)

    def _not_authoritative(self, start: int, level: str) -> Statement:
        if self.lexer.next().kind != "authoritative":
            self.lexer.fail("expecting assertion")
        return self._authoritative(start, level, value=False)

    def _authoritative(self, start: int, level: str, *, value: bool = True) -> Statement:
        self.need(level != HOST, "authority makes no sense here.")
        semicolon(self.lexer)
        return Authoritative(self.lexer.position(start), self.shown(start), value)

    # -- networks --------------------------------------------------------------------------------

    def _group(self, start: int, level: str) -> Statement:
        self.need(level not in (HOST, CLASS), "group declarations not allowed here.")
        lexer = self.lexer
        name = ""
        if lexer.peek().is_identifier or lexer.peek().kind == STRING:
            name = lexer.next().value
        self.left_brace()
        text = self.shown(start)
        body = self.body(GROUP, self._markers)
        if name:
            self.names.groups.add(name)
        return Group(lexer.position(start), text, name, body)

    def _markers(self, kind: str, body: list[Statement]) -> bool:
        if kind not in ("deleted", "dynamic", "static"):
            return False
        start = self.lexer.next().start
        semicolon(self.lexer)
        body.append(self.other(start, "marker"))
        return True

    def _shared_network(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        self.need(level not in (SHARED, HOST, SUBNET, CLASS), "shared-network parameters not allowed here.")
        if lexer.peek().kind == STRING:
            name = lexer.next().value
            self.need(bool(name), "zero-length shared network name")
        else:
            name = parse_host_name(lexer)
            self.need(bool(name), "expecting a name for shared-network")
        self.left_brace()
        text = self.shown(start)
        outer = self.shared
        self.shared = []
        body = self.body(SHARED, self._interface)
        self.need(bool(self.shared), "empty shared-network decl")
        self.shared = outer
        return SharedNetwork(lexer.position(start), text, name, body)

    def _interface(self, kind: str, body: list[Statement]) -> bool:
        if kind != "interface":
            return False
        start = self.lexer.next().start
        self.lexer.next()
        semicolon(self.lexer)
        body.append(self.other(start, "interface"))
        return True

    def _subnet(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        self.need(level not in (HOST, SUBNET, CLASS), "subnet declarations not allowed here.")
        address = parse_address(lexer)
        if lexer.next().kind != "netmask":
            lexer.fail("Expecting netmask")
        mask = parse_address(lexer)
        if int(address) & ~int(mask) & 0xFFFFFFFF:
            lexer.fail(f"subnet {address} netmask {mask}: bad subnet number/mask combination.")
        network = Network(address, mask)
        self.left_brace()
        text = self.shown(start)
        outer = self.network
        self.network = network
        body = self.body(SUBNET, self._interface)
        self.network = outer
        if self.shared is not None:
            self.shared.append(network)
        return Subnet(lexer.position(start), text, network, body)

    def _pool(self, start: int, level: str) -> Statement:
        self.need(level in (SUBNET, SHARED), "pool declared outside of network")
        self.left_brace()
        text = self.shown(start)
        body = self.body(POOL, self._pool_statement)
        self.need(_has_range(body), "Pool declaration with no address range.")
        return Pool(self.lexer.position(start), text, body)

    def _pool_statement(self, kind: str, body: list[Statement]) -> bool:
        lexer = self.lexer
        start = lexer.peek().start
        if kind == "no":
            lexer.next()
            if lexer.next().kind != "failover" or lexer.next().kind != "peer":
                lexer.fail('expecting "failover peer".')
            body.append(self.other(start, "failover"))
            # The daemon wants no semicolon here; if one follows it is a statement of its own.
            return True
        if kind == "failover":
            lexer.next()
            if lexer.next().kind != "peer":
                lexer.fail("expecting 'peer'.")
            token = lexer.next()
            if token.kind != STRING:
                lexer.fail("expecting string.")
            if token.value not in self.names.peers:
                lexer.fail(f"failover peer {token.value}: not found")
            self.names.referred_peers.add(token.value)
            semicolon(lexer)
            body.append(self.other(start, "failover"))
            return True
        if kind == "range":
            lexer.next()
            body.append(self._address_range(start))
            return True
        if kind in ("allow", "deny"):
            lexer.next()
            body.append(self._permit(start, kind == "allow"))
            return True
        return False

    def _range(self, start: int, level: str) -> Statement:
        self.need(level == SUBNET, "range declaration not allowed here.")
        return self._address_range(start)

    def _address_range(self, start: int) -> Statement:
        lexer = self.lexer
        bootp = lexer.peek().kind == "dynamic-bootp"
        if bootp:
            lexer.next()
        first = parse_address(lexer)
        last = first if lexer.peek().kind == ";" else parse_address(lexer)
        semicolon(lexer)
        if self.network is None:
            if not any(first in network for network in self.shared or ()):
                lexer.fail("address range not on network", "place the pool after its subnet")
            network = next(n for n in self.shared or () if first in n)
        else:
            network = self.network
        for address in (first, last):
            if address not in network:
                lexer.fail_at(
                    start,
                    f"bad range, address {address} not in subnet {network}",
                    "correct the range or the subnet",
                )
        self._claim(min(first, last), max(first, last))
        return Range(lexer.position(start), self.shown(start), min(first, last), max(first, last), bootp)

    def _claim(self, first: IPv4Address, last: IPv4Address) -> None:
        ranges = self.names.ranges
        low, high = int(first), int(last)
        at = bisect(ranges, (low, high))
        before = ranges[at - 1] if at else None
        after = ranges[at] if at < len(ranges) else None
        twice = low if before and before[1] >= low else after[0] if after and after[0] <= high else None
        if twice is not None:
            self.lexer.fail(f"lease {IPv4Address(twice)} is declared twice!", "make the ranges disjoint")
        ranges.insert(at, (low, high))

    def _permit(self, start: int, allowed: bool) -> Statement:
        lexer = self.lexer
        token = lexer.next()
        kind = token.kind
        class_name = ""
        if kind in ("known-clients", "unknown-clients"):
            who = kind.removesuffix("-clients")
        elif kind in ("known", "unknown", "all", "authenticated", "unauthenticated", "dynamic"):
            who = kind
            if kind == "dynamic":
                if lexer.next().kind != "bootp":
                    lexer.fail('expecting "bootp"')
                who = "dynamic bootp"
            if lexer.next().kind != "clients":
                lexer.fail('expecting "clients"')
        elif kind == "members":
            who = "class"
            if lexer.next().kind != "of":
                lexer.fail('expecting "of"')
            name = lexer.next()
            if name.kind != STRING:
                lexer.fail("expecting class name.")
            if name.value not in self.names.classes:
                lexer.fail(f"no such class: {name.value}", "declare the class before the pool")
            class_name = name.value
        elif kind == "after":
            who = "after"
            self._date()
        else:
            lexer.fail("expecting permit type.")
        semicolon(lexer)
        return Permit(lexer.position(start), self.shown(start), allowed, who, class_name)

    def _date(self) -> None:
        """A day of week, date and time; or never; or seconds since 1970."""
        lexer = self.lexer
        if lexer.peek().kind in ("never", "epoch"):
            if lexer.next().kind == "epoch" and lexer.next().kind != NUMBER:
                lexer.fail("Seconds since epoch expected.")
            return
        for sign in ("", "", "/", "/", "", ":", ":"):
            if sign:
                if lexer.peek().kind != sign:
                    lexer.next()
                    lexer.fail(f"expected {sign} in the date.")
                lexer.next()
            if lexer.peek().kind != NUMBER:
                if lexer.peek().kind != ";":
                    lexer.next()
                lexer.fail("numeric date and time expected.")
            lexer.next()
        if lexer.peek().kind == NUMBER:
            lexer.next()

    def _failover(self, start: int, level: str) -> Statement:
        self.need(level in (ROOT, SHARED), "failover peers may only be defined in shared-network")
        return parse_failover(self, start, in_shared=level == SHARED)

    # -- hosts -----------------------------------------------------------------------------------

    def _plain_hosts(self, body: list[Statement]) -> bool:
        """Read as many hosts as follow each other that say nothing new; False if the next one does."""
        lexer = self.lexer
        first = at = lexer.peek().start
        known, bodies = self.names.hosts, self.names.host_bodies
        runs: dict[str, list[tuple[str, str, str, str, int]]] = {}
        end = first
        while (found := plain_host(lexer.text, at)) is not None and found.rest in bodies:
            name = found.row[0]
            if name in known:
                lexer.jump(found.end, found.end - 1)
                lexer.fail(f"host {name}: already exists", "give each host its own name")
            known.add(name)
            runs.setdefault(found.rest, []).append(found.row)
            end = found.end
            at = skip(lexer.text, end)
        if not runs:
            return False
        lexer.jump(end, end - 1)
        for rest, rows in runs.items():
            place = lexer.position(rows[0][4])
            body.append(PlainHosts(place, f"host {rows[0][0]}", tuple(rows), lexer.position, bodies[rest]))
        return True

    def _remember_body(self, start: int, host: Host) -> None:
        """Let the next host that says the same be a plain one."""
        found = plain_host(self.lexer.text, start)
        if found is None or not all(isinstance(s, (Hardware, FixedAddress, Assign)) for s in host.body):
            return
        said = tuple(s for s in host.body if isinstance(s, Assign))
        if found.row[3]:
            said = tuple(s for s in said if s.option.name != "host-name")
        self.names.host_bodies.setdefault(found.rest, said)

    def _host(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        self.need(level not in (HOST, CLASS), "host declarations not allowed here.")
        name = parse_host_name(lexer)
        self.need(bool(name), "expecting a name for host declaration.")
        self.left_brace()
        text = self.shown(start)
        seen: set[str] = set()

        def extra(kind: str, result: list[Statement]) -> bool:
            return self._host_statement(kind, result, seen)

        body = self.body(HOST, extra, in_host=True)
        if name in self.names.hosts:
            lexer.fail(f"host {name}: already exists", "give each host its own name")
        self.names.hosts.add(name)
        addresses = [s for s in body if isinstance(s, FixedAddress)]
        self.need(len(addresses) < 2, "Only one fixed address declaration per host.")
        host = Host(lexer.position(start), text, name, body)
        self._remember_body(start, host)
        return host

    def _host_statement(self, kind: str, body: list[Statement], seen: set[str]) -> bool:
        lexer = self.lexer
        start = lexer.peek().start
        if kind in ("dynamic", "deleted"):
            return self._markers(kind, body)
        if kind == "group":
            lexer.next()
            token = lexer.next()
            if token.kind != STRING and not token.is_identifier:
                lexer.fail("expecting string or identifier.")
            if token.value not in self.names.groups:
                lexer.fail(f"unknown group {token.value}")
            semicolon(lexer)
            body.append(JoinGroup(lexer.position(start), self.shown(start), token.value))
            return True
        if kind == "uid":
            lexer.next()
            if lexer.peek().kind == STRING:
                octets = lexer.next().value.encode("latin-1")
            else:
                octets = bytes(parse_aggregate(lexer, 0, ":", 16))
            semicolon(lexer)
            body.append(ClientIdentifier(lexer.position(start), self.shown(start), octets))
            return True
        if kind == "host-identifier":
            if kind in seen:
                lexer.fail("only one host-identifier allowed per host")
            seen.add(kind)
            lexer.next()
            if lexer.next().kind != "option":
                lexer.fail("host-identifier must be an option")
            space, name = self.expressions.option_words()
            option = self.names.spaces.find(space, name)
            if option is None:
                lexer.fail(f"unknown option {space}.{name}")
            value = parse_value(lexer, option.format)
            semicolon(lexer)
            body.append(HostIdentifier(lexer.position(start), self.shown(start), option, value))
            return True
        return False

    def _hardware(self, start: int, in_host: bool) -> Statement:
        lexer = self.lexer
        token = lexer.next()
        kind = _HARDWARE.get(token.kind)
        if kind is None:
            if not token.kind.startswith("unknown"):
                lexer.fail("expecting a network hardware type")
            kind = 255
        octets = bytes(parse_aggregate(lexer, 0, ":", 16))
        if len(octets) > 20:
            lexer.fail("hardware address too long")
        if lexer.next().kind != ";":
            lexer.fail("expecting semicolon.")
        self.need(in_host, "hardware address parameter not allowed here.")
        return Hardware(lexer.position(start), self.shown(start), kind, octets)

    def _fixed_address(self, start: int, in_host: bool) -> Statement:
        lexer = self.lexer
        addresses: list[IPv4Address] = []
        names: list[str] = []
        while True:
            value = address_or_name(lexer)
            if isinstance(value, Data):
                addresses.append(IPv4Address(value.octets))
            elif isinstance(value, HostLookup):
                names.append(value.name)
            if lexer.peek().kind != ",":
                break
            lexer.next()
        semicolon(lexer)
        self.need(in_host, "fixed-address parameter not allowed here.")
        return FixedAddress(lexer.position(start), self.shown(start), tuple(addresses), tuple(names))

    # -- classes ---------------------------------------------------------------------------------

    def _class(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        self.need(level != CLASS, "class declarations not allowed here.")
        name = self._class_name()
        self.left_brace()
        text = self.shown(start)
        body = self._class_body(subclass=False)
        self.names.classes.add(name)
        return ClassDeclaration(lexer.position(start), text, name, body)

    def _class_name(self) -> str:
        token = self.lexer.next()
        if token.kind != STRING:
            self.lexer.fail("Expecting class name")
        return token.value

    def _subclass(self, start: int, level: str) -> Statement:
        lexer = self.lexer
        self.need(level != CLASS, "class declarations not allowed here.")
        name = self._class_name()
        if name not in self.names.classes:
            lexer.fail(f"no class named {name}", "declare the class before its subclasses")
        token = lexer.peek()
        if token.kind == STRING:
            data = lexer.next().value.encode("latin-1")
        elif is_hexadecimal(token):
            data = parse_octets(lexer)
        else:
            lexer.fail("Expecting string or hex list.")
        if lexer.peek().kind == ";":
            lexer.next()
            return Subclass(lexer.position(start), self.shown(start), name, data, None)
        self.left_brace()
        text = self.shown(start)
        body = self._class_body(subclass=True)
        return Subclass(lexer.position(start), text, name, data, body)

    def _old_class(self, start: int, level: str) -> Statement:
        """``vendor-class`` and ``user-class``, which need a class of that name."""
        self.need(level != CLASS, "class declarations not allowed here.")
        name = self._class_name()
        if name not in self.names.classes:
            self.lexer.fail(f"no class named {name}", "declare a class with `match if`")
        self.left_brace()
        text = self.shown(start)
        return Other(self.lexer.position(start), text, "old class", self._class_body(subclass=True))

    def _class_body(self, *, subclass: bool) -> tuple[Statement, ...]:
        seen: set[str] = set()

        def extra(kind: str, result: list[Statement]) -> bool:
            return self._class_statement(kind, result, seen, subclass)

        return self.body(CLASS, extra)

    def _class_statement(self, kind: str, body: list[Statement], seen: set[str], subclass: bool) -> bool:
        lexer = self.lexer
        start = lexer.peek().start
        if kind in ("dynamic", "deleted"):
            return self._markers(kind, body)
        if kind in ("match", "spawn"):
            if subclass and kind == "match":
                lexer.fail("invalid match in subclass.")
            lexer.next()
            self.need(not subclass, "invalid spawn in subclass.")
            body.append(self._match(start, kind == "spawn", seen))
            return True
        if kind == "lease":
            lexer.next()
            if lexer.next().kind != "limit":
                lexer.fail('expecting "limit"')
            if lexer.next().kind != NUMBER:
                lexer.fail("expecting a number")
            semicolon(lexer)
            body.append(self.other(start, "lease limit"))
            return True
        return False

    def _match(self, start: int, spawn: bool, seen: set[str]) -> Statement:
        lexer = self.lexer
        if spawn and lexer.next().kind != "with":
            lexer.fail("expecting with after spawn")
        what = "if" if not spawn and lexer.peek().kind == "if" else "value"
        if what == "if":
            lexer.next()
        if what in seen:
            lexer.fail(
                "A class may only have one 'match if' clause."
                if what == "if"
                else "can't override existing submatch/spawn."
            )
        seen.add(what)
        if what == "if":
            condition = self.expressions.boolean("expecting boolean expr.")
            semicolon(lexer)
            return MatchIf(lexer.position(start), self.shown(start), condition)
        value = self.expressions.data("expecting data expr.")
        semicolon(lexer)
        return Match(lexer.position(start), self.shown(start), value, spawn)


def _has_range(body: tuple[Statement, ...]) -> bool:
    return any(isinstance(s, Range) or (isinstance(s, Include) and _has_range(s.body)) for s in body)


_DECLARATIONS: dict[str, Callable[[DeclarationParser, int, str], Statement]] = {
    "include": DeclarationParser._include,
    "host": DeclarationParser._host,
    "group": DeclarationParser._group,
    "shared-network": DeclarationParser._shared_network,
    "subnet": DeclarationParser._subnet,
    "vendor-class": DeclarationParser._old_class,
    "user-class": DeclarationParser._old_class,
    "class": DeclarationParser._class,
    "subclass": DeclarationParser._subclass,
    "pool": DeclarationParser._pool,
    "range": DeclarationParser._range,
    "not": DeclarationParser._not_authoritative,
    "authoritative": DeclarationParser._authoritative,
    "server-identifier": DeclarationParser._server_identifier,
    "option": DeclarationParser._option,
    "failover": DeclarationParser._failover,
}
