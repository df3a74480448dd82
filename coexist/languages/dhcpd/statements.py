"""Executable statements of dhcpd.conf: what may stand inside a condition (dhcp-eval(5))."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from coexist.errors import Position
from coexist.languages.dhcpd.definitions import parse_key, parse_zone, semicolon
from coexist.languages.dhcpd.expressions import ExpressionParser, kind_of
from coexist.languages.dhcpd.lexer import NAME, NUMBER_OR_NAME, STRING, Lexer
from coexist.languages.dhcpd.option_values import parse_value
from coexist.languages.dhcpd.options import OptionSpaces
from coexist.languages.dhcpd.syntax import (
    Assign,
    Case,
    Data,
    Expression,
    Function,
    If,
    OptionName,
    Other,
    SetVariable,
    Statement,
    Switch,
)
from coexist.records import dataclass

_ASSIGNMENTS = {
    "option": "supersede",
    "supersede": "supersede",
    "send": "send",
    "append": "append",
    "prepend": "prepend",
}
_PERMISSIONS = {
    "bootp": "allow-bootp",
    "booting": "allow-booting",
    "dynamic-bootp": "dynamic-bootp",
    "unknown-clients": "boot-unknown-clients",
    "duplicates": "duplicates",
    "declines": "declines",
    "client-updates": "client-updates",
    "leasequery": "leasequery",
}
_FLAGS = {"allow": 1, "deny": 0, "ignore": 2}
_LOG_PRIORITIES = frozenset({"fatal", "error", "debug", "info"})
_EVENTS = frozenset({"expiry", "commit", "release", "transmission"})
# Of the text a statement is shown with.
_SHOWN = 160


@dataclass(slots=True)
class Names:
    """What a file has declared so far, shared with the files it includes."""

    spaces: OptionSpaces = field(default_factory=OptionSpaces)
    classes: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    peers: dict[str, Position] = field(default_factory=dict)
    referred_peers: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    host_bodies: dict[str, tuple[Statement, ...]] = field(default_factory=lambda: {"": ()})


class StatementParser:
    """Reads executable statements of one file."""

    def __init__(self, lexer: Lexer, names: Names) -> None:
        self.lexer = lexer
        self.names = names
        self.expressions = ExpressionParser(lexer, names.spaces)

    def shown(self, start: int) -> str:
        """The text from an offset to the last word, on one line."""
        text = self.lexer.text[start : min(self.lexer.at, start + _SHOWN)]
        return " ".join(text.split())

    def block(self, context: str = "any") -> tuple[Statement, ...]:
        """Statements up to the right brace, which is consumed."""
        body: list[Statement] = []
        while (statement := self.executable(context)) is not None:
            body.append(statement)
        if self.lexer.next().kind != "}":
            self.lexer.fail("right brace expected.")
        return tuple(body)

    def executable(self, context: str = "any") -> Statement | None:
        """One statement, or None if there is none here. ``context`` is data or numeric inside a switch."""
        lexer = self.lexer
        token = lexer.peek()
        start = token.start
        kind = token.kind
        if kind in _ASSIGNMENTS:
            lexer.next()
            return self.assignment(start, _ASSIGNMENTS[kind], self.expressions.option_name())
        if kind in _FLAGS:
            lexer.next()
            return self._permission(start, _FLAGS[kind])
        if kind == "default":
            lexer.next()
            if lexer.peek().kind == ":":
                return self._case(start, context, None)
            return self.assignment(start, "default", self.expressions.option_name())
        reader = _READERS.get(kind)
        if reader is not None:
            lexer.next()
            return reader(self, start)
        if kind == "case":
            lexer.next()
            return self._case(start, context, context)
        if token.is_identifier:
            parameter = self.names.spaces.parameter(token.value)
            if parameter is not None:
                lexer.next()
                return self.assignment(start, "supersede", parameter)
        if kind in (NAME, NUMBER_OR_NAME):
            return self._evaluation(start, "eval", "expecting function call.")
        return None

    # -- assignments -----------------------------------------------------------------------------

    def assignment(self, start: int, how: str, option: OptionName) -> Statement:
        """A value for an option whose name was just read."""
        lexer = self.lexer
        value: Expression | None = None
        kind = lexer.peek().kind
        if kind == ";" and option.format[:1] != "Z":
            # The daemon eats this semicolon and then wants another.
            lexer.next()
        elif kind == "=":
            lexer.next()
            value = self.expressions.data("expecting a data expression.")
        else:
            value = parse_value(lexer, option.format)
        semicolon(lexer)
        self._check_value(start, option, value)
        return Assign(lexer.position(start), self.shown(start), how, option, value)

    def _check_value(self, start: int, option: OptionName, value: Expression | None) -> None:
        if option.name == "ddns-update-style" and value == Data(b"ad-hoc"):
            self.lexer.fail_at(
                start, "ddns-update-style ad_hoc no longer supported", "write standard or none"
            )
        if option.name == "omapi-key" and isinstance(value, Data):
            name = value.octets.decode("latin-1")
            if name.lower() not in self.names.keys:
                self.lexer.fail_at(start, f"OMAPI key {name}: not found", "define the key first")

    def _permission(self, start: int, flag: int) -> Statement:
        token = self.lexer.next()
        name = _PERMISSIONS.get(token.kind)
        if name is None:
            self.lexer.fail("expecting allow/deny key")
        option = self.names.spaces.parameter(name)
        assert option is not None
        semicolon(self.lexer)
        return Assign(self.lexer.position(start), self.shown(start), "supersede", option, Data(bytes([flag])))

    # -- control ---------------------------------------------------------------------------------

    def _if(self, start: int) -> Statement:
        lexer = self.lexer
        parenthesis = lexer.peek().kind == "("
        if parenthesis:
            lexer.next()
        condition = self.expressions.boolean("boolean expression expected.")
        if parenthesis and lexer.next().kind != ")":
            lexer.fail(
                "expecting right paren.",
                "put the whole condition in parentheses, or no part of its beginning",
            )
        if lexer.next().kind != "{":
            lexer.fail("left brace expected.")
        text = self.shown(start)
        then = self.block()
        return If(lexer.position(start), text, condition, then, self._otherwise())

    def _otherwise(self) -> tuple[Statement, ...]:
        lexer = self.lexer
        token = lexer.peek()
        if token.kind == "elsif":
            lexer.next()
            return (self._if(token.start),)
        if token.kind != "else":
            return ()
        lexer.next()
        if lexer.peek().kind == "if":
            lexer.next()
            return (self._if(token.start),)
        if lexer.peek().kind != "{":
            lexer.fail("left brace or if expected.")
        lexer.next()
        return self.block()

    def _switch(self, start: int) -> Statement:
        lexer = self.lexer
        if lexer.next().kind != "(":
            lexer.fail("expecting left brace.")
        value = self.expressions.expression("data-or-numeric")
        if value is None:
            lexer.fail("expecting data or numeric expression.")
        if lexer.next().kind != ")":
            lexer.fail("right paren expected.")
        if lexer.next().kind != "{":
            lexer.fail("left brace expected.")
        text = self.shown(start)
        body = self.block("data" if kind_of(value) == "data" else "numeric")
        return Switch(lexer.position(start), text, value, body)

    def _case(self, start: int, context: str, expected: str | None) -> Statement:
        lexer = self.lexer
        if context == "any":
            lexer.fail(
                "case statement in inappropriate scope."
                if expected
                else "switch default statement in inappropriate scope."
            )
        value = None
        if expected is not None:
            value = self.expressions.expression(expected)
            if value is None:
                lexer.fail(f"expecting {expected} expression.")
        if lexer.next().kind != ":":
            lexer.fail("colon expected.")
        return Case(lexer.position(start), self.shown(start), value)

    def _on(self, start: int) -> Statement:
        lexer = self.lexer
        events: list[str] = []
        while True:
            event = lexer.next().kind
            if event not in _EVENTS:
                lexer.fail("expecting a lease event type")
            events.append(event)
            token = lexer.next()
            if token.kind != "or":
                break
        if token.kind == ";":
            return self.other(start, "on", names=tuple(events))
        if token.kind != "{":
            lexer.fail("left brace expected.")
        text = self.shown(start)
        return Other(lexer.position(start), text, "on", self.block(), names=tuple(events))

    # -- variables and effects -------------------------------------------------------------------

    def other(
        self, start: int, kind: str, *, value: Expression | None = None, names: tuple[str, ...] = ()
    ) -> Statement:
        """A statement known by its kind, just read."""
        return Other(self.lexer.position(start), self.shown(start), kind, value=value, names=names)

    def variable_name(self) -> str:
        """The name of a variable."""
        token = self.lexer.next()
        if token.kind not in (NAME, NUMBER_OR_NAME):
            self.lexer.fail(f"{token.value} can't be a variable name")
        return token.value

    def _set(self, start: int) -> Statement:
        lexer = self.lexer
        name = self.variable_name()
        token = lexer.next()
        if token.kind == "(":
            function = self._function()
            return SetVariable(lexer.position(start), self.shown(start), name, function)
        if token.kind != "=":
            lexer.fail("expecting '=' in set statement.")
        value = self.expressions.expression("any")
        if value is None:
            lexer.fail("expecting expression.")
        semicolon(lexer)
        return SetVariable(lexer.position(start), self.shown(start), name, value)

    def _function(self) -> Function:
        lexer = self.lexer
        parameters: list[str] = []
        while True:
            token = lexer.next()
            if token.kind == ")":
                break
            if token.kind not in (NAME, NUMBER_OR_NAME):
                lexer.fail("expecting argument name")
            parameters.append(token.value)
            token = lexer.next()
            if token.kind != ",":
                break
        if token.kind != ")":
            lexer.fail("expecting right paren.")
        if lexer.next().kind != "{":
            lexer.fail("expecting left brace.")
        return Function(tuple(parameters), self.block())

    def _unset(self, start: int) -> Statement:
        name = self.variable_name()
        semicolon(self.lexer)
        return self.other(start, "unset", names=(name,))

    def _evaluation(self, start: int, kind: str, otherwise: str = "expecting data expression.") -> Statement:
        value = self.expressions.expression("data")
        if value is None:
            self.lexer.fail(otherwise)
        semicolon(self.lexer)
        return self.other(start, kind, value=value)

    def _execute(self, start: int) -> Statement:
        lexer = self.lexer
        if lexer.next().kind != "(":
            lexer.fail("left parenthesis expected.")
        if lexer.next().kind != STRING:
            lexer.fail("Expecting a quoted string.")
        while (token := lexer.next()).kind == ",":
            self.expressions.data("expecting expression.")
        if token.kind != ")":
            lexer.fail("right parenthesis expected.")
        semicolon(lexer)
        return self.other(start, "execute")

    def _log(self, start: int) -> Statement:
        lexer = self.lexer
        if lexer.next().kind != "(":
            lexer.fail("left parenthesis expected.")
        if lexer.peek().kind in _LOG_PRIORITIES:
            lexer.next()
            if lexer.next().kind != ",":
                lexer.fail("comma expected.")
        self.expressions.data()
        if lexer.next().kind != ")":
            lexer.fail("right parenthesis expected.")
        semicolon(lexer)
        return self.other(start, "log")

    def _add(self, start: int) -> Statement:
        token = self.lexer.next()
        if token.kind != STRING:
            self.lexer.fail("expecting class name.")
        if token.value not in self.names.classes:
            self.lexer.fail(f"class {token.value}: not found")
        semicolon(self.lexer)
        return self.other(start, "add", names=(token.value,))

    def _zone(self, start: int) -> Statement:
        parse_zone(self.lexer, self.names.keys)
        return self.other(start, "zone")

    def _key(self, start: int) -> Statement:
        self.names.keys.add(parse_key(self.lexer).lower())
        place = self.lexer.position(start)
        # Only its name: the secret goes nowhere.
        return Other(place, " ".join(self.lexer.text[start:].partition("{")[0].split()), "key")

    def _db_time_format(self, start: int) -> Statement:
        if self.lexer.next().kind not in ("default", "local"):
            self.lexer.fail("Expecting 'local' or 'default'.")
        if self.lexer.next().kind != ";":
            self.lexer.fail("Expecting a semicolon.")
        return self.other(start, "db-time-format")

    def _bare(self, start: int, kind: str) -> Statement:
        semicolon(self.lexer)
        return self.other(start, kind)


_READERS: dict[str, Callable[[StatementParser, int], Statement]] = {
    "if": StatementParser._if,
    "switch": StatementParser._switch,
    "on": StatementParser._on,
    "set": StatementParser._set,
    "define": StatementParser._set,
    "unset": StatementParser._unset,
    "eval": lambda self, start: self._evaluation(start, "eval"),
    "return": lambda self, start: self._evaluation(start, "return"),
    "execute": StatementParser._execute,
    "log": StatementParser._log,
    "add": StatementParser._add,
    "break": lambda self, start: self._bare(start, "break"),
    "parse-vendor-option": lambda self, start: self._bare(start, "parse-vendor-option"),
    "zone": StatementParser._zone,
    "key": StatementParser._key,
    "db-time-format": StatementParser._db_time_format,
}
