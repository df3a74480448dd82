"""Failover peers of dhcpd.conf: read to be judged, and for the address the server has in them."""

from __future__ import annotations

from ipaddress import IPv4Address

from coexist.languages.dhcpd.definitions import semicolon
from coexist.languages.dhcpd.lexer import NUMBER, STRING, Lexer
from coexist.languages.dhcpd.numbers import c_integer, parse_aggregate
from coexist.languages.dhcpd.option_values import address_or_name
from coexist.languages.dhcpd.statements import StatementParser
from coexist.languages.dhcpd.syntax import Data, FailoverPeer, Statement

_NUMBERS = frozenset({"port", "max-response-delay", "max-unacked-updates", "mclt", "split",
                      "max-lease-misbalance", "max-lease-ownership", "max-balance", "min-balance",
                      "auto-partner-down"})  # fmt: skip


def parse_failover(parser: StatementParser, start: int, *, in_shared: bool) -> Statement:
    """A peer declaration or a reference to one, the word ``failover`` consumed."""
    lexer = parser.lexer
    if lexer.next().kind != "peer":
        lexer.fail('expecting "peer"')
    token = lexer.next()
    if token.kind != STRING and not token.is_identifier:
        lexer.fail("expecting failover peer name.")
    name = token.value
    token = lexer.next()
    if token.kind == ";":
        if not in_shared:
            lexer.fail("failover peer reference not in shared-network declaration")
        if name not in parser.names.peers:
            lexer.fail(f"reference to unknown failover peer {name}")
        parser.names.referred_peers.add(name)
        return parser.other(start, "failover", names=(name,))
    if token.kind != "{":
        lexer.fail("expecting left brace")
    if name in parser.names.peers:
        lexer.fail(f"redeclaration of failover peer {name}")
    return _Peer(parser, name).parse(start)


class _Peer:
    def __init__(self, parser: StatementParser, name: str) -> None:
        self.parser = parser
        self.lexer: Lexer = parser.lexer
        self.name = name
        self.seen: set[str] = set()
        self.addresses: dict[str, IPv4Address] = {}
        self.numbers: dict[str, int] = {}
        self.hba: bytes | None = None

    def parse(self, start: int) -> Statement:
        lexer = self.lexer
        while (token := lexer.next()).kind != "}":
            whose = ""
            while token.kind == "peer":
                whose = "peer "
                token = lexer.next()
            self._setting(token.kind, whose)
            semicolon(lexer)
            self.seen.add(whose + token.kind)
        self._complete()
        self.parser.names.peers[self.name] = self.lexer.position(start)
        return FailoverPeer(
            lexer.position(start),
            f"failover peer {self.name}",
            self.name,
            self.addresses.get(""),
            "primary" in self.seen,
            self.addresses.get("peer "),
            self.numbers.get("split"),
            self.hba,
            self.numbers.get("load"),
            self.numbers.get("mclt"),
            self.numbers.get("port"),
            self.numbers.get("max-response-delay"),
            self.numbers.get("max-unacked-updates"),
        )

    def _setting(self, kind: str, whose: str) -> None:
        lexer = self.lexer
        if kind in ("primary", "secondary"):
            return
        if kind in ("hba", "split") and "secondary" in self.seen:
            lexer.fail("secondary may not define load balance settings.")
        if kind == "address":
            value = address_or_name(lexer)
            if isinstance(value, Data):
                self.addresses[whose] = IPv4Address(value.octets)
        elif kind == "hba":
            self.hba = bytes(parse_aggregate(lexer, 0, ":", 16))
            if len(self.hba) != 32:
                lexer.fail("HBA must be exactly 32 bytes.")
        elif kind == "load":
            for word, complaint in (("balance", "'balance'"), ("max", "'max'"), ("seconds", "'secs'")):
                if lexer.next().kind != word:
                    lexer.fail(f"expecting {complaint}")
            self.numbers[kind] = self._number()
        elif kind in _NUMBERS:
            self._counted(kind, whose)
        else:
            lexer.fail("invalid statement in peer declaration")

    def _counted(self, kind: str, whose: str) -> None:
        """A number; of a port that stands for both, this server's."""
        number = self._number()
        if not whose or kind not in self.numbers:
            self.numbers[kind] = number
        if kind == "split" and number > 256:
            self.lexer.fail("split must be between 0 and 256, inclusive")

    def _number(self) -> int:
        token = self.lexer.next()
        if token.kind != NUMBER:
            self.lexer.fail("expecting number")
        return c_integer(token.value)

    def _complete(self) -> None:
        if "peer address" not in self.seen:
            self.lexer.fail("peer address may not be omitted")
        if "primary" in self.seen:
            if not self.seen & {"hba", "split"}:
                self.lexer.fail("primary failover server must have hba or split.")
            if "mclt" not in self.seen:
                self.lexer.fail("primary failover server must have mclt.")
