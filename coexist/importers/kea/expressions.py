"""The test expressions of Kea's client classes as conditions.

Source: Kea ARM, "Using Expressions in Classification".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    Condition,
    Inexpressible,
    Member,
    Test,
    all_of,
    any_of,
    negate,
    test,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'[^']*')|(?P<hex>0[xX][0-9A-Fa-f]*)|(?P<sign>==|!=|[()\[\],.+*-])"
    r"|(?P<number>[0-9]+(?:\.[0-9]+){0,3}(?![A-Za-z]))|(?P<word>[A-Za-z][A-Za-z0-9_-]*))"
)
_ALL = -1
_DEEPEST = 50
"""How deep conditions may stand in one another."""


@dataclass(frozen=True, slots=True)
class _Value:
    """Octets that are fixed, or ``length`` octets (_ALL: the rest) of an option or the MAC from ``at`` on."""

    fixed: bytes | None = None
    option: int | None = None
    suboption: int | None = None
    at: int = 0
    length: int = _ALL
    separator: str | None = None


_MAC = _Value()


class ExpressionReader:
    """Reads one expression. ``member`` gives the condition of a class, ``code`` the number of an option."""

    def __init__(
        self,
        text: str,
        member: Callable[[str], Condition],
        code: Callable[[str], int | None],
        mac_group: Callable[[bytes], str],
    ) -> None:
        self.tokens = self._cut(text)
        self.at = 0
        self.depth = 0
        self.member = member
        self.code = code
        self.mac_group = mac_group

    def _cut(self, text: str) -> list[tuple[str, str]]:
        result: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise Inexpressible(f"the expression is not understood at {text[at : at + 20]!r}")
            result.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        return result

    def condition(self) -> Condition:
        """The whole expression. Raises Inexpressible."""
        result = self._any()
        if self.at < len(self.tokens):
            raise Inexpressible(f"the expression is not understood at {self.tokens[self.at][1]!r}")
        return result

    # -- words -----------------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place][1] if place < len(self.tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise Inexpressible("the expression ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _sign(self, wanted: str) -> None:
        kind, text = self._next()
        if text != wanted or kind == "string":
            raise Inexpressible(f"the expression has {text!r} where {wanted!r} is expected")

    def _take(self, wanted: str) -> bool:
        if self._peek() == wanted and self.tokens[self.at][0] != "string":
            self.at += 1
            return True
        return False

    # -- conditions ------------------------------------------------------------------------------

    def _any(self) -> Condition:
        result = [self._all()]
        while self._take("or"):
            result.append(self._all())
        return any_of(result)

    def _all(self) -> Condition:
        result = [self._not()]
        while self._take("and"):
            result.append(self._not())
        return all_of(result)

    def _not(self) -> Condition:
        if self._take("not"):
            with self._within():
                return negate(self._not())
        if self._peek() == "(":
            # A parenthesis begins a condition; values have none around them.
            self.at += 1
            with self._within():
                inner = self._any()
            self._sign(")")
            return inner
        if self._take("member"):
            self._sign("(")
            name = self._string()
            self._sign(")")
            return self.member(name)
        return self._comparison()

    @contextmanager
    def _within(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Inexpressible("the expression is nested too deeply")
        yield
        self.depth -= 1

    def _comparison(self) -> Condition:
        start = self.at
        option = self._option()
        if option is not None and self._take("exists"):
            return test(Test(option[0], "exists", suboption=option[1]))
        self.at = start
        left = self._value()
        kind, operator = self._next()
        if operator not in ("==", "!=") or kind != "sign":
            raise Inexpressible("the expression compares nothing")
        right = self._value()
        equal = self._equal(left, right)
        return equal if operator == "==" else negate(equal)

    def _string(self) -> str:
        kind, text = self._next()
        if kind != "string":
            raise Inexpressible(f"the expression has {text!r} where a text is expected")
        return text[1:-1]

    def _option(self) -> tuple[int, int | None] | None:
        """``option[N].`` or ``option[N].option[M].``; the word behind the dot is left."""
        relay = self._peek() == "relay4"
        if self._peek() not in ("option", "relay4"):
            return None
        self.at += 1
        first = 82 if relay else self._bracket()
        second = self._bracket() if relay else None
        self._sign(".")
        if self._peek() == "option":
            self.at += 1
            second = self._bracket()
            self._sign(".")
        return first, second

    def _bracket(self) -> int:
        self._sign("[")
        _, text = self._next()
        self._sign("]")
        code = self.code(text)
        if code is None or not 0 < code < 255:
            raise Inexpressible(f"the option {text} is not known")
        return code

    # -- values ----------------------------------------------------------------------------------

    def _value(self) -> _Value:
        result = self._single()
        while self._take("+"):
            other = self._single()
            if result.fixed is None or other.fixed is None:
                raise Inexpressible("a text put together from the client's packet")
            result = _Value(fixed=result.fixed + other.fixed)
        return result

    def _single(self) -> _Value:
        option = self._option()
        if option is not None:
            _, form = self._next()
            if form not in ("hex", "text"):
                raise Inexpressible(f"the expression has {form!r} behind an option")
            return _Value(option=option[0], suboption=option[1])
        kind, text = self._next()
        if kind == "string":
            return _Value(fixed=text[1:-1].encode("utf-8", "surrogateescape"))
        if kind == "hex":
            digits = text[2:]
            return _Value(fixed=bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits))
        functions = {"substring": self._substring, "hexstring": self._hexstring, "concat": self._concat}
        if text in functions:
            return functions[text]()
        if text == "pkt4":
            self._sign(".")
            _, word = self._next()
            if word == "mac":
                return _MAC
        raise Inexpressible(f"the expression looks at {text}, which is not in the client's boot request")

    def _substring(self) -> _Value:
        self._sign("(")
        inner = self._value()
        self._sign(",")
        start = self._integer()
        self._sign(",")
        length = _ALL if self._take("all") else self._integer()
        self._sign(")")
        if start < 0 or length < _ALL or inner.separator is not None:
            raise Inexpressible("a substring counted from the end")
        if inner.fixed is not None:
            end = None if length == _ALL else start + length
            return _Value(fixed=inner.fixed[start:end])
        if inner.length != _ALL:
            length = inner.length - start if length == _ALL else min(length, inner.length - start)
        return _Value(option=inner.option, suboption=inner.suboption, at=inner.at + start, length=length)

    def _integer(self) -> int:
        negative = self._take("-")
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            raise Inexpressible("the expression wants a number")
        return -int(text) if negative else int(text)

    def _hexstring(self) -> _Value:
        self._sign("(")
        inner = self._value()
        self._sign(",")
        separator = self._string()
        self._sign(")")
        if inner.fixed is not None:
            return _Value(fixed=separator.join(f"{octet:02x}" for octet in inner.fixed).encode())
        return _Value(inner.fixed, inner.option, inner.suboption, inner.at, inner.length, separator)

    def _concat(self) -> _Value:
        self._sign("(")
        left = self._value()
        self._sign(",")
        right = self._value()
        self._sign(")")
        if left.fixed is None or right.fixed is None:
            raise Inexpressible("a text put together from the client's packet")
        return _Value(fixed=left.fixed + right.fixed)

    def _equal(self, left: _Value, right: _Value) -> Condition:
        if left.fixed is not None and right.fixed is not None:
            return ALWAYS if left.fixed == right.fixed else NEVER
        value, fixed = (left, right.fixed) if right.fixed is not None else (right, left.fixed)
        if fixed is None:
            raise Inexpressible("neither side of the comparison is fixed")
        if value.separator is not None:
            fixed = _from_hexstring(fixed, value.separator)
        if value.option is None:
            return self._mac(value, fixed)
        if not fixed:
            # An option that is not there is an empty text to Kea.
            if value.at or value.length != _ALL:
                raise Inexpressible("a comparison with nothing")
            return negate(test(Test(value.option, "exists", suboption=value.suboption)))
        if value.length != _ALL and len(fixed) > value.length:
            return NEVER
        if value.length == len(fixed):
            return test(Test(value.option, "starts_with", fixed, value.at, value.suboption))
        if value.at:
            raise Inexpressible("a comparison with everything behind the beginning of an option")
        return test(Test(value.option, "equals", fixed, 0, value.suboption))

    def _mac(self, value: _Value, fixed: bytes) -> Condition:
        if value.at or not fixed or len(fixed) > 6:
            raise Inexpressible("a comparison with the middle of the MAC address")
        if len(fixed) != (6 if value.length == _ALL else min(value.length, 6)):
            return NEVER
        return test(Member(self.mac_group(fixed)))


def _from_hexstring(text: bytes, separator: str) -> bytes:
    try:
        parts = text.decode().split(separator) if separator else re.findall("..", text.decode())
        return bytes(int(part, 16) for part in parts)
    except ValueError:
        raise Inexpressible("a comparison with a text hexstring does not make") from None
