"""What stands between braces in dhcpd.conf, and where a parser is while it reads it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from coexist.languages.dhcpd.definitions import semicolon
from coexist.languages.dhcpd.lexer import END, Lexer
from coexist.languages.dhcpd.statements import Names, StatementParser
from coexist.languages.dhcpd.syntax import Network, Statement

ROOT, GROUP, SHARED, SUBNET, POOL, CLASS, HOST = (
    "root",
    "group",
    "shared-network",
    "subnet",
    "pool",
    "class",
    "host",
)
"""The kinds of bodies: a declaration may stand in some of them only."""


class BodyParser(StatementParser):
    """Reads bodies of one file; what a statement may be says `statement`."""

    def __init__(self, lexer: Lexer, names: Names) -> None:
        super().__init__(lexer, names)
        # The subnets a range may lie in: those of the shared network being read.
        self.network: Network | None = None
        self.shared: list[Network] | None = None

    @abstractmethod
    def statement(self, level: str, body: list[Statement], *, in_host: bool = False) -> None:
        """One statement or declaration, added to ``body``."""

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

    def markers(self, kind: str, body: list[Statement]) -> bool:
        """The words dhcpd writes into its leases file, in a body; says whether one stood here."""
        if kind not in ("deleted", "dynamic", "static"):
            return False
        start = self.lexer.next().start
        semicolon(self.lexer)
        body.append(self.other(start, "marker"))
        return True
