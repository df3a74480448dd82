"""Classes of dhcpd.conf and their subclasses."""

from __future__ import annotations

from coexist.languages.dhcpd.bodies import CLASS, BodyParser
from coexist.languages.dhcpd.definitions import semicolon
from coexist.languages.dhcpd.lexer import NUMBER, STRING
from coexist.languages.dhcpd.numbers import is_hexadecimal, parse_octets
from coexist.languages.dhcpd.syntax import (
    ClassDeclaration,
    Match,
    MatchIf,
    Other,
    Statement,
    Subclass,
)


def parse_class(parser: BodyParser, start: int, level: str) -> Statement:
    """A class declaration."""
    lexer = parser.lexer
    parser.need(level != CLASS, "class declarations not allowed here.")
    name = _class_name(parser)
    parser.left_brace()
    text = parser.shown(start)
    body = _class_body(parser, subclass=False)
    parser.names.classes.add(name)
    return ClassDeclaration(lexer.position(start), text, name, body)


def parse_subclass(parser: BodyParser, start: int, level: str) -> Statement:
    """A subclass: a value of its class, with or without statements of its own."""
    lexer = parser.lexer
    parser.need(level != CLASS, "class declarations not allowed here.")
    name = _class_name(parser)
    if name not in parser.names.classes:
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
        return Subclass(lexer.position(start), parser.shown(start), name, data, None)
    parser.left_brace()
    text = parser.shown(start)
    body = _class_body(parser, subclass=True)
    return Subclass(lexer.position(start), text, name, data, body)


def parse_old_class(parser: BodyParser, start: int, level: str) -> Statement:
    """``vendor-class`` and ``user-class``, which need a class of that name."""
    parser.need(level != CLASS, "class declarations not allowed here.")
    name = _class_name(parser)
    if name not in parser.names.classes:
        parser.lexer.fail(f"no class named {name}", "declare a class with `match if`")
    parser.left_brace()
    text = parser.shown(start)
    return Other(parser.lexer.position(start), text, "old class", _class_body(parser, subclass=True))


def _class_name(parser: BodyParser) -> str:
    token = parser.lexer.next()
    if token.kind != STRING:
        parser.lexer.fail("Expecting class name")
    return token.value


def _class_body(parser: BodyParser, *, subclass: bool) -> tuple[Statement, ...]:
    seen: set[str] = set()

    def extra(kind: str, result: list[Statement]) -> bool:
        return _class_statement(parser, kind, result, seen, subclass)

    return parser.body(CLASS, extra)


def _class_statement(
    parser: BodyParser, kind: str, body: list[Statement], seen: set[str], subclass: bool
) -> bool:
    lexer = parser.lexer
    start = lexer.peek().start
    if kind in ("dynamic", "deleted"):
        return parser.markers(kind, body)
    if kind in ("match", "spawn"):
        if subclass and kind == "match":
            lexer.fail("invalid match in subclass.")
        lexer.next()
        parser.need(not subclass, "invalid spawn in subclass.")
        body.append(_match(parser, start, kind == "spawn", seen))
        return True
    if kind == "lease":
        lexer.next()
        if lexer.next().kind != "limit":
            lexer.fail('expecting "limit"')
        if lexer.next().kind != NUMBER:
            lexer.fail("expecting a number")
        semicolon(lexer)
        body.append(parser.other(start, "lease limit"))
        return True
    return False


def _match(parser: BodyParser, start: int, spawn: bool, seen: set[str]) -> Statement:
    lexer = parser.lexer
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
        condition = parser.expressions.boolean("expecting boolean expr.")
        semicolon(lexer)
        return MatchIf(lexer.position(start), parser.shown(start), condition)
    value = parser.expressions.data("expecting data expr.")
    semicolon(lexer)
    return Match(lexer.position(start), parser.shown(start), value, spawn)
