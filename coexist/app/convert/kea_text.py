"""dhcpd's expressions in Kea's words.

Kea's values are octets: an option that was not sent is an empty text, a comparison never fails. Sources:
dhcp-eval(5) of ISC dhcpd 4.4, and the Kea ARM, "Using Expressions in Classification".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from coexist.languages.dhcpd.encapsulated import place_of
from coexist.languages.dhcpd.syntax import (
    Atom,
    Binary,
    Call,
    Data,
    Exists,
    Expression,
    Not,
    Number,
    OptionName,
    OptionOf,
)
from coexist.records import dataclass
from coexist.render.quoting import kea_octets

_MAC = "pkt4.mac"
_LITERAL = re.compile(rb"(\^?)((?:[^][\\.*+?(){}|^$]|\\.)*)(\$?)")
_ETHERNET = 1


class NoEqualError(ValueError):
    """What Kea cannot say; the text is the reason."""


@dataclass(frozen=True, slots=True)
class KeaWords:
    """Expressions of one file. ``holders``: the option that holds each space of options."""

    holders: Mapping[str, int]

    def test_of(self, expression: Expression) -> str:
        """A condition as the test of a class. Raises `NoEqualError`."""
        match expression:
            case Not(operand=operand):
                return f"not ({self.test_of(operand)})"
            case Exists(option=option):
                return f"{self._option(option)}.exists"
            case Atom(word="known"):
                return "member('KNOWN')"
            case Binary(operator="and" | "or" as operator, left=left, right=right):
                return f"({self.test_of(left)}) {operator} ({self.test_of(right)})"
            case Binary(operator="=", left=left, right=right):
                return self._equal(left, right)
            case Binary(operator="!=", left=left, right=right):
                return f"not ({self._equal(left, right)})"
            case Binary(operator="~=" | "~~" as operator, left=left, right=Data(octets=pattern)):
                return self._matches(left, pattern, ignore_case=operator == "~~")
        raise NoEqualError("the condition looks at something that Kea's classes cannot look at")

    def subclass_test(self, value: Expression, octets: bytes) -> str:
        """Whether what a class is matched by has the value of a subclass."""
        return self._equal(value, Data(octets))

    def _equal(self, left: Expression, right: Expression) -> str:
        if isinstance(left, (Data, Number)) and not isinstance(right, (Data, Number)):
            left, right = right, left
        if isinstance(right, Number):
            return self._number_is(left, right.value)
        if isinstance(right, Data):
            spelled = self._spelled(left, right.octets)
            if spelled is not None:
                return spelled
            if right.octets and left == Atom("hardware"):
                return _hardware(right.octets)
        return f"{self.value_of(left)} == {self.value_of(right)}"

    def _number_is(self, left: Expression, number: int) -> str:
        match left:
            case Call(function="extract-int", arguments=(inner, Number(value=bits))):
                octets = (number % (1 << bits)).to_bytes(bits // 8, "big")
                return f"substring({self.value_of(inner)}, 0, {len(octets)}) == {kea_octets(octets)}"
        raise NoEqualError("Kea compares octets, not numbers")

    def _spelled(self, left: Expression, text: bytes) -> str | None:
        """A comparison with octets that are spelled out, as a comparison of the octets themselves."""
        match left:
            case Call(
                function="substring", arguments=(Call(function="binary-to-ascii") as inner, Number(0), _)
            ):
                return self._spelled(inner, text)
            case Call(
                function="binary-to-ascii", arguments=(Number(value=base), Number(8), Data(separator), inner)
            ):
                octets = _octets_of(text, base, separator)
                if octets is None:
                    raise NoEqualError("the text is no list of octets")
                return self._equal(inner, Data(octets))
        return None

    def _matches(self, left: Expression, pattern: bytes, *, ignore_case: bool) -> str:
        """A regular expression that is a text with or without its ends."""
        found = _LITERAL.fullmatch(pattern)
        if found is None or not (found[1] or found[3]):
            raise NoEqualError("Kea's classes know no regular expressions")
        text = re.sub(rb"\\(.)", rb"\1", found[2])
        value = self.value_of(left)
        if ignore_case:
            value, text = f"lcase({value})", text.lower()
        if not text:
            raise NoEqualError("Kea's classes know no regular expressions")
        if found[1] and found[3]:
            return f"{value} == {kea_octets(text)}"
        if found[1]:
            return f"substring({value}, 0, {len(text)}) == {kea_octets(text)}"
        return f"substring({value}, -{len(text)}, all) == {kea_octets(text)}"

    def value_of(self, expression: Expression) -> str:
        """Octets in Kea's words. Raises `NoEqualError`."""
        match expression:
            case Data(octets=octets):
                return kea_octets(octets)
            case OptionOf(option=option, configured=False):
                return f"{self._option(option)}.hex"
            case Atom(word="hardware"):
                return f"concat(0x01, {_MAC})"
            case Call(
                function="substring", arguments=(Atom(word="hardware"), Number(start), Number(length))
            ) if start > 0:
                return f"substring({_MAC}, {start - 1}, {length})"
            case Call(function="substring", arguments=(inner, Number(start), Number(length))):
                return f"substring({self.value_of(inner)}, {start}, {length})"
            case Call(function="suffix", arguments=(inner, Number(length))):
                return f"substring({self.value_of(inner)}, -{length}, all)"
            case Call(function="lcase" | "ucase" as name, arguments=(inner,)):
                return f"{name}({self.value_of(inner)})"
            case Call(function="concat", arguments=arguments) if arguments:
                text = self.value_of(arguments[0])
                for part in arguments[1:]:
                    text = f"concat({text}, {self.value_of(part)})"
                return text
            case Call(function="pick-first-value", arguments=arguments) if arguments:
                return self._first(arguments)
        raise NoEqualError("the value is computed in a way that Kea does not know")

    def _first(self, arguments: tuple[Expression, ...]) -> str:
        *before, last = arguments
        text = self.value_of(last)
        for part in reversed(before):
            if not (isinstance(part, OptionOf) and not part.configured):
                raise NoEqualError("the value is computed in a way that Kea does not know")
            text = f"ifelse({self._option(part.option)}.exists, {self.value_of(part)}, {text})"
        return text

    def _option(self, option: OptionName) -> str:
        place = place_of(option, self.holders)
        if place is None:
            raise NoEqualError(f"nothing that a client sends holds the options of {option.space}")
        code, inner = place
        if inner is None:
            return f"option[{code}]"
        return f"relay4[{inner}]" if option.space == "agent" else f"option[{code}].option[{inner}]"


def _hardware(octets: bytes) -> str:
    if octets[0] != _ETHERNET:
        raise NoEqualError("Kea's classes look at addresses of Ethernet")
    return f"{_MAC} == {kea_octets(octets[1:])}"


def _octets_of(text: bytes, base: int, separator: bytes) -> bytes | None:
    try:
        words = text.split(separator) if separator else re.findall(b"..", text)
        return bytes(int(word, base) for word in words if word)
    except ValueError:
        return None
