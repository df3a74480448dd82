"""The test expressions of Kea's client classes, as trees (Kea ARM, "Using Expressions in Classification")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import NoReturn, TypeAlias

from coexist.records import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'[^']*')|(?P<hex>0[xX][0-9A-Fa-f]*)|(?P<sign>==|[()\[\],.+*-])"
    r"|(?P<address>[0-9]+(?:\.[0-9]+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)"
    r"|(?P<number>[0-9]+(?![A-Za-z0-9]))|(?P<word>[A-Za-z][A-Za-z0-9_-]*))"
)
_FUNCTIONS = frozenset({"concat", "hexstring", "ifelse", "lcase", "ucase", "split", "substring", "addrtotext",
                        "int8totext", "int16totext", "int32totext", "uint8totext", "uint16totext",
                        "uint32totext"})  # fmt: skip

_SINCE = {"lcase": (2, 4), "ucase": (2, 4)}
"""Functions by the first release that knows them (2.2.0 refuses them: ``kea-dhcp4 -t``)."""
_FIELDS = frozenset({"mac", "hlen", "htype", "ciaddr", "giaddr", "yiaddr", "siaddr", "msgtype", "transid",
                     "iface", "src", "dst", "len"})  # fmt: skip
_NUMBERS = {"substring": (1, 2), "split": (2,)}
"""Which arguments of a function are numbers; elsewhere a number stands for four octets."""
_MOST_CODE = 255

_DEEPEST = 100
"""How deep conditions may stand in one another: far deeper than anybody writes, and than long lists nest."""


_DIGITS = 10


class BadExpressionError(ValueError):
    """An expression that is not understood."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the packet. ``names``: code or name, outermost first; ``form``: hex, text or exists."""

    names: tuple[str, ...]
    form: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the packet, as ``pkt4.mac`` or ``pkt.iface``."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of values; numbers among them as they are."""

    name: str
    arguments: tuple[Value | Truth | int | None, ...]


@dataclass(frozen=True, slots=True)
class Equal:
    """Whether two values are the same octets."""

    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Member:
    """Whether the packet is in a class."""

    name: str


@dataclass(frozen=True, slots=True)
class Logic:
    """``and``, ``or``, ``not``."""

    name: str
    parts: tuple[Truth, ...]


Value: TypeAlias = Fixed | Option | Field | Call
Truth: TypeAlias = Equal | Member | Logic | Option


def parse_expression(text: str) -> Truth:
    """The tree of a test. Raises BadExpressionError."""
    return _Parser(text).whole()


def parse_value(text: str) -> Value:
    """The tree of an expression that yields octets. Raises BadExpressionError."""
    return _Parser(text).whole_value()


def parts_of(tree: Truth | Value) -> Iterator[Truth | Value]:
    """An expression and all that stands inside it."""
    yield tree
    match tree:
        case Logic(_, parts):
            inside: tuple[Truth | Value | int | None, ...] = parts
        case Equal(left, right):
            inside = (left, right)
        case Call(_, arguments):
            inside = arguments
        case _:
            return
    for part in inside:
        if part is not None and not isinstance(part, int):
            yield from parts_of(part)


def members_of(tree: Truth | Value) -> frozenset[str]:
    """The classes an expression asks for, those in the condition of an ``ifelse`` among them."""
    return frozenset(part.name for part in parts_of(tree) if isinstance(part, Member))


def unknown_part(
    tree: Truth | Value, is_defined: Callable[[str], bool], version: tuple[int, int] | None
) -> str:
    """What of an expression the server does not know; empty if nothing (``lexer.ll``, ``eval_context.cc``).

    ``is_defined``: whether the file, or Kea, has an option of a name; ``version``: None where none is
    declared.
    """
    for part in parts_of(tree):
        if isinstance(part, Call):
            since = _SINCE.get(part.name)
            if since is not None and version is not None and version < since:
                return (
                    f"Kea {version[0]}.{version[1]} has no function {part.name!r}, {since[0]}.{since[1]} has"
                )
        elif isinstance(part, Field) and part.name not in _FIELDS:
            return f"the packet has no field {part.name!r}"
        elif isinstance(part, Option):
            for depth, name in enumerate(part.names):
                if name.isascii() and name.isdigit():
                    if len(name) > _DIGITS or int(name) > _MOST_CODE:
                        return f"{name} is no code of an option: one is 0 to {_MOST_CODE}"
                elif depth or not is_defined(name):
                    return f"option {name!r} is not defined"
    return ""


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.depth = 0
        text = text.rstrip()
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise BadExpressionError(f"the expression is not understood at {text[at : at + 20]!r}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def whole(self) -> Truth:
        result = self._or()
        if self.at < len(self.tokens):
            self._fail()
        return result

    def whole_value(self) -> Value:
        result = self._value()
        if self.at < len(self.tokens):
            self._fail()
        return result

    # -- words -----------------------------------------------------------------------------------

    def _peek(self) -> str:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        return "" if kind == "string" else text

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise BadExpressionError("the expression ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _take(self, wanted: str) -> bool:
        if self._peek() != wanted:
            return False
        self.at += 1
        return True

    def _sign(self, wanted: str) -> None:
        if not self._take(wanted):
            self._fail()

    def _fail(self) -> NoReturn:
        found = self.tokens[self.at][1] if self.at < len(self.tokens) else "its end"
        raise BadExpressionError(f"the expression is not understood at {found!r}")

    def _string(self) -> str:
        kind, text = self._next()
        if kind != "string":
            self.at -= 1
            self._fail()
        return text[1:-1]

    # -- truths ----------------------------------------------------------------------------------

    def _or(self) -> Truth:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Logic("or", tuple(parts))

    def _and(self) -> Truth:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def _not(self) -> Truth:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise BadExpressionError("the expression is nested too deeply")
        try:
            return self._single_truth()
        finally:
            self.depth -= 1

    def _single_truth(self) -> Truth:
        if self._take("not"):
            return Logic("not", (self._not(),))
        if self._take("("):
            inner = self._or()
            self._sign(")")
            return inner
        if self._take("member"):
            self._sign("(")
            name = self._string()
            self._sign(")")
            return Member(name)
        left = self._value(truths=True)
        if isinstance(left, Option) and left.form == "exists":
            return left
        self._sign("==")
        return Equal(left, self._value())

    # -- values ----------------------------------------------------------------------------------

    def _value(self, *, truths: bool = False) -> Value:
        result = self._single(truths=truths)
        while self._take("+"):
            result = Call("concat", (result, self._single()))
        return result

    def _single(self, *, truths: bool = False) -> Value:
        kind, text = self._next()
        if kind == "string":
            return Fixed(text[1:-1].encode("utf-8", "surrogateescape"))
        if kind == "hex":
            digits = text[2:]
            return Fixed(bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits))
        if kind == "number":
            if len(text) > _DIGITS or int(text) > 0xFFFFFFFF:
                raise BadExpressionError(f"{text[:20]} is more than four octets hold")
            return Fixed(int(text).to_bytes(4, "big"))
        if kind == "address":
            return Fixed((IPv6Address if ":" in text else IPv4Address)(text).packed)
        if text in ("option", "relay4"):
            return self._option(text, truths=truths)
        if text in ("pkt", "pkt4"):
            self._sign(".")
            return Field(self._next()[1])
        if text not in _FUNCTIONS:
            self.at -= 1
            self._fail()
        return self._call(text)

    def _option(self, word: str, *, truths: bool) -> Option:
        names = ["82"] if word == "relay4" else []
        names.append(self._bracket())
        self._sign(".")
        while self._take("option"):
            names.append(self._bracket())
            self._sign(".")
        form = self._next()[1]
        if form not in ("hex", "text") and not (form == "exists" and truths):
            self.at -= 1
            self._fail()
        return Option(tuple(names), form)

    def _bracket(self) -> str:
        self._sign("[")
        _, text = self._next()
        self._sign("]")
        return text

    def _call(self, name: str) -> Call:
        self._sign("(")
        arguments: list[Value | Truth | int | None] = []
        while True:
            first = name == "ifelse" and not arguments
            number = len(arguments) in _NUMBERS.get(name, ())
            arguments.append(self._or() if first else self._number() if number else self._value())
            if not self._take(","):
                break
        self._sign(")")
        return Call(name, tuple(arguments))

    def _number(self) -> int | None:
        """Where a part begins, how long it is or which it is; None: all of it."""
        if self._take("all"):
            return None
        negative = self._take("-")
        kind, text = self._next()
        if kind != "number" or len(text) > _DIGITS:
            self.at -= 1
            self._fail()
        return -int(text) if negative else int(text)
