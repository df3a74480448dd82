"""The test expressions of Kea's client classes as conditions; ``languages.kea`` reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

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
from coexist.languages.kea import expressions as kea
from coexist.records import dataclass

_ALL = -1


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


@dataclass(slots=True)
class ExpressionReader:
    """Reads one expression. ``member`` gives the condition of a class, ``code`` the number of an option."""

    text: str
    member: Callable[[str], Condition]
    code: Callable[[str], int | None]
    mac_group: Callable[[bytes], str]

    def condition(self) -> Condition:
        """The whole expression. Raises Inexpressible."""
        try:
            return self._condition(kea.parse_expression(self.text))
        except kea.BadExpressionError as error:
            raise Inexpressible(str(error)) from None

    def _condition(self, truth: kea.Truth) -> Condition:
        match truth:
            case kea.Member(name):
                return self.member(name)
            case kea.Logic("not", (part,)):
                return negate(self._condition(part))
            case kea.Logic("and", parts):
                return all_of(self._condition(part) for part in parts)
            case kea.Logic(_, parts):
                return any_of(self._condition(part) for part in parts)
            case kea.Equal(left, right):
                return self._equal(self._value(left), self._value(right))
            case _:
                option, suboption = self._codes(truth)
                return test(Test(option, "exists", suboption=suboption))

    # -- values ----------------------------------------------------------------------------------

    def _codes(self, option: kea.Option) -> tuple[int, int | None]:
        if len(option.names) > 2:
            raise Inexpressible("an option inside an option inside another")
        codes = [self._code(name) for name in option.names]
        return codes[0], codes[1] if len(codes) > 1 else None

    def _code(self, name: str) -> int:
        code = self.code(name)
        if code is None or not 0 < code < 255:
            raise Inexpressible(f"the option {name} is not known")
        return code

    def _value(self, value: kea.Value) -> _Value:
        match value:
            case kea.Fixed(octets):
                return _Value(fixed=octets)
            case kea.Option():
                option, suboption = self._codes(value)
                return _Value(option=option, suboption=suboption)
            case kea.Field("mac"):
                return _MAC
            case kea.Call("substring", (inner, int(start), length)) if length is None or isinstance(
                length, int
            ):
                return _substring(self._inner(inner), start, _ALL if length is None else length)
            case kea.Call("hexstring", (inner, kea.Fixed(separator))):
                return _hexstring(self._inner(inner), separator.decode("utf-8", "surrogateescape"))
            case kea.Call("concat", (left, right)):
                parts = [self._inner(left).fixed, self._inner(right).fixed]
                if None in parts:
                    raise Inexpressible("a text put together from the client's packet")
                return _Value(fixed=b"".join(part for part in parts if part is not None))
        what = f"pkt4.{value.name}" if isinstance(value, kea.Field) else value.name
        raise Inexpressible(f"the expression looks at {what}, which is not in the client's boot request")

    def _inner(self, part: object) -> _Value:
        if not isinstance(part, kea.Fixed | kea.Option | kea.Field | kea.Call):
            raise Inexpressible("the expression has a number where a value is expected")
        return self._value(part)

    def _equal(self, left: _Value, right: _Value) -> Condition:
        if left.fixed is not None and right.fixed is not None:
            return ALWAYS if left.fixed == right.fixed else NEVER
        value, fixed = (left, right.fixed) if right.fixed is not None else (right, left.fixed)
        if fixed is None:
            raise Inexpressible("neither side of the comparison is fixed")
        if value.separator is not None:
            if fixed != fixed.lower():
                # TokenHexString writes small letters.
                return NEVER
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


def _substring(inner: _Value, start: int, length: int) -> _Value:
    if start < 0 or length < _ALL:
        raise Inexpressible("a substring counted from the end")
    if inner.separator is not None:
        start, length = _in_octets(start, length, len(inner.separator))
    if inner.fixed is not None:
        return _Value(fixed=inner.fixed[start : None if length == _ALL else start + length])
    if inner.length != _ALL:
        length = inner.length - start if length == _ALL else min(length, inner.length - start)
    return replace(inner, at=inner.at + start, length=length)


def _in_octets(start: int, length: int, between: int) -> tuple[int, int]:
    """A part of a hexstring in octets: two digits each, and ``between`` signs between them."""
    unit = 2 + between
    if start % unit or (length != _ALL and (length + between) % unit):
        raise Inexpressible("a part of a hexstring that begins or ends inside an octet")
    return start // unit, length if length == _ALL else (length + between) // unit


def _hexstring(inner: _Value, separator: str) -> _Value:
    if inner.fixed is not None:
        return _Value(fixed=separator.join(f"{octet:02x}" for octet in inner.fixed).encode())
    return replace(inner, separator=separator)
