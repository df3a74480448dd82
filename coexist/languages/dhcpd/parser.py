"""Declarations of dhcpd.conf and the whole file: server/confpars.c of ISC DHCP 4.4.

What the daemon refuses is refused, at the line the daemon names first.
"""

from __future__ import annotations

from collections.abc import Callable

from coexist.errors import InputError, Problem
from coexist.languages.dhcpd.bodies import CLASS, GROUP, HOST, ROOT, SHARED, SUBNET, BodyParser
from coexist.languages.dhcpd.class_declarations import parse_class, parse_old_class, parse_subclass
from coexist.languages.dhcpd.definitions import parse_option_or_definition, parse_space, semicolon
from coexist.languages.dhcpd.failover import parse_failover
from coexist.languages.dhcpd.host_declarations import (
    parse_fixed_address,
    parse_fixed_address6,
    parse_fixed_prefix6,
    parse_hardware,
    parse_host,
    parse_plain_hosts,
)
from coexist.languages.dhcpd.lexer import END, NUMBER, STRING, Lexer
from coexist.languages.dhcpd.numbers import (
    parse_address,
    parse_host_name,
    parse_octets,
)
from coexist.languages.dhcpd.pool_declarations import parse_pool, parse_range
from coexist.languages.dhcpd.statements import Names
from coexist.languages.dhcpd.syntax import (
    Authoritative,
    Configuration,
    Group,
    Include,
    Network,
    OptionDefinition,
    OptionSpace,
    Other,
    SharedNetwork,
    Statement,
    Subnet,
)
from coexist.languages.source_files import ReadFile, not_included

_ONLY_6 = frozenset({"subnet6", "range6", "prefix6", "pool6"})
_DEEPEST = 200


def parse_dhcpd(
    text: str, file: str, read_include: ReadFile | None = None, called: Callable[[str], str] = str
) -> Configuration:
    """The tree of a dhcpd.conf.

    ``file`` is how the file is called in positions, ``called`` how an included one is. Raises InputError at
    the place where dhcpd would stop to believe in the file, and for an include that cannot be read.
    """
    names = Names()
    parser = DeclarationParser(Lexer(text, file), names, read_include or _no_includes, called, depth=0)
    try:
        body = parser.file(ROOT)
    except RecursionError:
        place = parser.lexer.position(parser.lexer.at)
        what = "the statements are nested too deeply"
        raise InputError([Problem(place, what, "take braces and parentheses away")]) from None
    problems = [
        Problem(place, f"Failover peer {peer} has no referring pools.", "refer to each peer in a pool")
        for peer, place in names.peers.items()
        if peer not in names.referred_peers
    ]
    if problems:
        raise InputError(problems)
    return Configuration(file, body, names.spaces.widths, frozenset(names.spaces.used), names.spaces.by_code)


def _no_includes(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)


class DeclarationParser(BodyParser):
    """Reads one file, and by itself again the files it includes."""

    def __init__(
        self, lexer: Lexer, names: Names, read_include: ReadFile, called: Callable[[str], str], depth: int
    ) -> None:
        super().__init__(lexer, names)
        self.read_include = read_include
        self.called = called
        self.depth = depth

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
        if token.kind == "host" and level not in (HOST, CLASS) and parse_plain_hosts(self, body):
            return
        of_host = _OF_A_HOST.get(token.kind)
        if of_host is not None:
            lexer.next()
            body.append(of_host(self, token.start, in_host))
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
        if level == ROOT and isinstance(statement, Other) and statement.kind == "add":
            # It is executed once without a packet: dhcpd 4.4.3-P1 dies of SIGSEGV, with -t too.
            what = "there is no client to add: dhcpd does not start"
            raise InputError([Problem(statement.at, what, "put it into the scope or condition it is about")])
        body.append(statement)

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
            raise not_included(error, lexer.position(token.start), name) from None
        inner = DeclarationParser(
            Lexer(text, self.called(name)), self.names, self.read_include, self.called, self.depth + 1
        )
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
        body = self.body(GROUP, self.markers)
        if name:
            self.names.groups.add(name)
        return Group(lexer.position(start), text, name, body)

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

    def _server_duid(self, start: int, level: str) -> Statement:
        """What a DHCPv6 server calls itself: read, and without a meaning here (parse_server_duid_conf)."""
        lexer = self.lexer
        self.need(level == ROOT, "expecting a parameter or declaration")
        kind = lexer.next().kind
        if kind in ("ll", "llt"):
            if lexer.peek().kind != ";":
                if lexer.next().kind not in ("ethernet", "token-ring", "fddi"):
                    lexer.fail("hardware type expected")
                if kind == "llt" and lexer.next().kind != NUMBER:
                    lexer.fail("timestamp expected")
                parse_octets(lexer)
        elif kind in ("en", NUMBER):
            if kind == "en" and lexer.next().kind != NUMBER:
                lexer.fail("enterprise number expected")
            if lexer.next().kind != STRING:
                lexer.fail("identifier expected")
        else:
            lexer.fail("DUID type of LLT, EN, or LL expected")
        semicolon(lexer)
        return self.other(start, "server-duid")

    def _lease_id_format(self, start: int, level: str) -> Statement:
        """How identifiers stand in the lease file (parse_lease_id_format)."""
        if self.lexer.next().kind not in ("hex", "octal"):
            self.lexer.fail("lease-id-format is invalid:  it must be octal or hex.")
        semicolon(self.lexer)
        return self.other(start, "lease-id-format")

    def _failover(self, start: int, level: str) -> Statement:
        self.need(level in (ROOT, SHARED), "failover peers may only be defined in shared-network")
        return parse_failover(self, start, in_shared=level == SHARED)


_OF_A_HOST: dict[str, Callable[[BodyParser, int, bool], Statement]] = {
    "hardware": parse_hardware,
    "fixed-address": parse_fixed_address,
    "fixed-address6": parse_fixed_address6,
    "fixed-prefix6": parse_fixed_prefix6,
}
_DECLARATIONS: dict[str, Callable[[DeclarationParser, int, str], Statement]] = {
    "include": DeclarationParser._include,
    "host": parse_host,
    "group": DeclarationParser._group,
    "shared-network": DeclarationParser._shared_network,
    "subnet": DeclarationParser._subnet,
    "vendor-class": parse_old_class,
    "user-class": parse_old_class,
    "class": parse_class,
    "subclass": parse_subclass,
    "pool": parse_pool,
    "range": parse_range,
    "not": DeclarationParser._not_authoritative,
    "authoritative": DeclarationParser._authoritative,
    "server-identifier": DeclarationParser._server_identifier,
    "option": DeclarationParser._option,
    "failover": DeclarationParser._failover,
    "server-duid": DeclarationParser._server_duid,
    "lease-id-format": DeclarationParser._lease_id_format,
}
