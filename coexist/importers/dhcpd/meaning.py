"""What an expression of dhcpd.conf says about a client's packet, as a condition or as octets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TypeAlias

from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    Comparison,
    Condition,
    Inexpressible,
    Member,
    Test,
    all_of,
    any_of,
    negate,
    test,
)
from coexist.languages.dhcpd.syntax import (
    Atom,
    Binary,
    Call,
    Data,
    Exists,
    Expression,
    HostLookup,
    Not,
    Number,
    OptionName,
    OptionOf,
    Variable,
)
from coexist.records import dataclass

# htype of Ethernet, the first octet of `hardware`.
_ETHERNET = 1
_CLIENT_IDENTIFIER = 61
_REGEX_SPECIAL = frozenset("[]{}()*+?^$|\\")

MacGroup: TypeAlias = Callable[[bytes], str]
"""The name of the group of the machines whose MAC begins with some octets."""


@dataclass(slots=True)
class Facts:
    """What an expression may refer to.

    ``known``: names the group of the hosts declared. ``parents``: for a space, the option that encapsulates
    it. ``variables``: what was set before, None if it is not one expression; ``read`` collects those that
    count. ``caveats`` collects what is said with a small difference.
    """

    known: Callable[[], str]
    mac_group: MacGroup
    parents: Mapping[str, int] = field(default_factory=dict)
    variables: dict[str, Expression | None] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    caveats: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Octets from ``at`` on (at most ``length``) of an option or of the hardware address, or the last
    ``length`` of them; ``number`` if they are read as one of so many bits."""

    option: OptionName | None
    at: int = 0
    length: int | None = None
    from_end: bool = False
    number: int = 0
    ascii_base: int = 0
    separator: bytes = b""


def condition_of(expression: Expression, facts: Facts) -> Condition:
    """The clients a boolean expression holds for. Raises Inexpressible."""
    match expression:
        case Not(operand):
            return negate(condition_of(operand, facts))
        case Binary("and", left, right):
            return all_of([condition_of(left, facts), condition_of(right, facts)])
        case Binary("or", left, right):
            return any_of([condition_of(left, facts), condition_of(right, facts)])
        case Binary(operator, left, right) if operator in ("=", "!="):
            equal = _equal(left, right, facts)
            return equal if operator == "=" else negate(equal)
        case Binary(operator, left, right) if operator in ("~=", "~~"):
            return _matches(left, right, facts, fold=operator == "~~")
        case Exists(option):
            return test(_test(option, "exists", b"", 0, facts))
        case Atom("known"):
            return test(Member(facts.known()))
        case Variable(name, defined):
            return _variable(name, defined, facts)
    raise Inexpressible("the condition looks at something that is not in the client's packet")


def _variable(name: str, defined: bool, facts: Facts) -> Condition:
    facts.read.add(name)
    value = facts.variables.get(name)
    if name not in facts.variables:
        return NEVER
    if value is None:
        raise Inexpressible(f"the variable {name} is not one expression")
    if not defined:
        return condition_of(value, facts)
    if constant(value, facts) is not None:
        return ALWAYS
    if isinstance(value, OptionOf) and not value.configured:
        return condition_of(Exists(value.option), facts)
    raise Inexpressible(f"whether the variable {name} is set depends on the lease")


def _equal(left: Expression, right: Expression, facts: Facts) -> Condition:
    for one, other in ((left, right), (right, left)):
        fixed = constant(other, facts)
        if fixed is None:
            continue
        own = constant(one, facts)
        if own is not None:
            return ALWAYS if own == fixed else NEVER
        if isinstance(one, Call) and one.function in ("lcase", "ucase"):
            raise Inexpressible("a comparison without regard to capital letters")
        return _compare(_piece(one, facts), fixed, facts)
    raise Inexpressible("neither side of the comparison is a constant")


def _compare(piece: _Piece, fixed: bytes | int, facts: Facts) -> Condition:
    if isinstance(fixed, int):
        return _compare_number(piece, fixed, facts)
    if piece.number:
        raise Inexpressible("a comparison of a number with octets")
    octets = _from_ascii(piece, fixed) if piece.ascii_base else fixed
    if piece.option is None:
        return _hardware(piece, octets, facts)
    if piece.length is not None and len(octets) > piece.length:
        return NEVER
    whole = piece.length is None or len(octets) < piece.length
    if piece.from_end:
        return test(_test(piece.option, "equals" if whole else "ends_with", octets, 0, facts))
    if not whole and octets:
        return _begins(piece, octets, facts)
    if piece.at:
        raise Inexpressible("a comparison with everything behind the beginning of an option")
    return test(_test(piece.option, "equals", octets, 0, facts))


def _compare_number(piece: _Piece, fixed: int, facts: Facts) -> Condition:
    """extract-int takes the first octets and does not mind what follows them."""
    size = piece.number // 8
    if not size or piece.from_end or (piece.length is not None and piece.length < size):
        raise Inexpressible("a comparison with a number")
    if not 0 <= fixed < 1 << piece.number:
        return NEVER
    return _begins(piece, fixed.to_bytes(size, "big"), facts)


def _begins(piece: _Piece, octets: bytes, facts: Facts) -> Condition:
    if piece.option is None:
        return _hardware(piece, octets, facts)
    return test(_test(piece.option, "starts_with", octets, piece.at, facts))


def _from_ascii(piece: _Piece, text: bytes) -> bytes:
    """The octets of which binary-to-ascii makes ``text``."""
    parts = text.split(piece.separator) if piece.separator else [text]
    try:
        octets = bytes(int(part, piece.ascii_base) for part in parts)
    except ValueError:
        raise Inexpressible("a comparison with a text that binary-to-ascii does not make") from None
    digits = "0123456789abcdef"
    shown = [_in_base(octet, piece.ascii_base, digits) for octet in octets]
    if piece.separator.join(part.encode() for part in shown) != text:
        raise Inexpressible("a comparison with a text that binary-to-ascii does not make")
    return octets


def _in_base(number: int, base: int, digits: str) -> str:
    text = ""
    while number or not text:
        text = digits[number % base] + text
        number //= base
    return text


def _hardware(piece: _Piece, octets: bytes, facts: Facts) -> Condition:
    """A comparison with the hardware address, whose first octet is the type."""
    if piece.from_end:
        if piece.length == 6 and len(octets) == 6:
            return test(Member(facts.mac_group(octets)))
        raise Inexpressible("a comparison with the end of the hardware address")
    at = piece.at
    if at > 1 or (piece.length is None and at):
        raise Inexpressible("a comparison with the middle of the hardware address")
    if at == 0:
        if octets[:1] != bytes([_ETHERNET]):
            return NEVER
        octets = octets[1:]
    length = None if piece.length is None else piece.length - (at == 0)
    whole = len(octets) == 6 and (length is None or length >= 6)
    if not octets and length == 0:
        return ALWAYS
    if len(octets) > 6 or not octets or not (whole or len(octets) == length):
        return NEVER
    return test(Member(facts.mac_group(octets)))


def _matches(left: Expression, right: Expression, facts: Facts, *, fold: bool) -> Condition:
    pattern = constant(right, facts)
    if not isinstance(pattern, bytes):
        raise Inexpressible("a regular expression that is no constant")
    piece = _piece(left, facts)
    if piece.option is None or piece.at or piece.length is not None or piece.from_end or piece.number:
        raise Inexpressible("a regular expression on a piece of an option")
    if fold:
        raise Inexpressible("a comparison without regard to capital letters")
    try:
        text = pattern.decode("latin-1")
        anchored, literal, ended = _literal(text)
    except ValueError:
        raise Inexpressible(f"the regular expression {pattern.decode('latin-1')!r}") from None
    octets = literal.encode("latin-1")
    if re.search(r"(?<!\\)\.(?!\*\Z)", text):
        facts.caveats.append(
            f"a dot of the regular expression {text!r} is taken as a dot, not as any character"
        )
    if not octets:
        comparison: Comparison = "equals" if anchored and ended else "exists"
    elif anchored and ended:
        comparison = "equals"
    else:
        comparison = "starts_with" if anchored else "ends_with" if ended else "contains"
    return test(_test(piece.option, comparison, octets, 0, facts))


def _literal(pattern: str) -> tuple[bool, str, bool]:
    """Whether a POSIX pattern is anchored at the beginning, its text, and whether at the end.

    Raises ValueError for a pattern that means more than a text. A trailing ``.*`` means nothing.
    """
    anchored = pattern.startswith("^")
    whole = pattern[anchored:]
    body = re.sub(r"(?<!\\)\.\*\Z", "", whole)
    ended = body == whole and body.endswith("$") and not body.endswith("\\$")
    if ended:
        body = body[:-1]
    result = []
    at = 0
    while at < len(body):
        character = body[at]
        if character == "\\" and at + 1 < len(body) and not body[at + 1].isalnum():
            at += 1
            character = body[at]
        elif character in _REGEX_SPECIAL:
            raise ValueError(character)
        result.append(character)
        at += 1
    return anchored, "".join(result), ended


def _test(option: OptionName, comparison: Comparison, octets: bytes, at: int, facts: Facts) -> Test:
    if not 0 < option.code < 255:
        raise Inexpressible(f"the option {option.code}, which no packet can carry")
    if option.space == "dhcp":
        return Test(option.code, comparison, octets, at)
    parent = facts.parents.get(option.space)
    if parent is None:
        raise Inexpressible(f"an option of the space {option.space}")
    return Test(parent, comparison, octets, at, option.code)


def _piece(expression: Expression, facts: Facts) -> _Piece:
    """The part of the packet an expression takes. Raises Inexpressible."""
    match expression:
        case OptionOf(option, False):
            return _Piece(option)
        case Atom("hardware"):
            return _Piece(None)
        case Variable(name, False) if facts.variables.get(name) is not None:
            facts.read.add(name)
            value = facts.variables[name]
            assert value is not None
            return _piece(value, facts)
        case Call("substring", (inner, start, count)):
            return _substring(_piece(inner, facts), constant(start, facts), constant(count, facts))
        case Call("suffix", (inner, count)):
            length = constant(count, facts)
            piece = _piece(inner, facts)
            if not isinstance(length, int) or piece != _Piece(piece.option):
                raise Inexpressible("the end of a piece of an option")
            return _Piece(piece.option, length=length, from_end=True)
        case Call("extract-int", (inner, Number(bits))):
            piece = _piece(inner, facts)
            return _Piece(piece.option, piece.at, piece.length, piece.from_end, bits)
        case Call("binary-to-ascii", (base, width, separator, inner)):
            return _ascii(_piece(inner, facts), *(constant(e, facts) for e in (base, width, separator)))
        case Call("pick-first-value", arguments) if _is_identity(arguments):
            # The identifier of a PXE client is its hardware address (iPXE), or it sends none (EDK2).
            return _Piece(None)
    raise Inexpressible("the condition compares something that is not in the client's packet")


def _is_identity(arguments: tuple[Expression, ...]) -> bool:
    return (
        len(arguments) == 2
        and isinstance(arguments[0], OptionOf)
        and arguments[0].option.code == _CLIENT_IDENTIFIER
        and arguments[1] == Atom("hardware")
    )


def _substring(piece: _Piece, start: bytes | int | None, count: bytes | int | None) -> _Piece:
    if not isinstance(start, int) or not isinstance(count, int) or start < 0 or count < 0:
        raise Inexpressible("a substring whose place depends on the client")
    if piece.from_end or piece.ascii_base or piece.number:
        raise Inexpressible("a piece of a piece of an option")
    if piece.length is not None:
        count = max(min(count, piece.length - start), 0)
    return _Piece(piece.option, piece.at + start, count)


def _ascii(
    piece: _Piece, base: bytes | int | None, width: bytes | int | None, separator: bytes | int | None
) -> _Piece:
    if base not in (8, 10, 16) or width != 8 or not isinstance(separator, bytes):
        raise Inexpressible("binary-to-ascii of numbers other than octets")
    assert isinstance(base, int)
    return _Piece(piece.option, piece.at, piece.length, piece.from_end, 0, base, separator)


def constant(expression: Expression | None, facts: Facts) -> bytes | int | None:
    """The octets or number of an expression that does not depend on the client; None if it does."""
    match expression:
        case Data(octets):
            return octets
        case Number(value):
            return value
        case Variable(name, False) if facts.variables.get(name) is not None:
            facts.read.add(name)
            return constant(facts.variables[name], facts)
        case Binary(operator, left, right):
            return _arithmetic(operator, constant(left, facts), constant(right, facts))
        case Call(function, arguments, False):
            return _folded(function, [constant(argument, facts) for argument in arguments])
    return None


def _arithmetic(operator: str, left: bytes | int | None, right: bytes | int | None) -> int | None:
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    if operator in ("/", "%"):
        return None if not right else left // right if operator == "/" else left % right
    simple: dict[str, Callable[[int, int], int]] = {
        "+": int.__add__, "-": int.__sub__, "*": int.__mul__,
        "&": int.__and__, "|": int.__or__, "^": int.__xor__,
    }  # fmt: skip
    return simple[operator](left, right) if operator in simple else None


def _folded(function: str, values: list[bytes | int | None]) -> bytes | int | None:
    match function, values:
        case "concat", parts if all(isinstance(part, bytes) for part in parts):
            return b"".join(part for part in parts if isinstance(part, bytes))
        case "pick-first-value", [bytes(first), *_] if first:
            return first
        case "substring", [bytes(data), int(start), int(count)] if start >= 0 and count >= 0:
            return data[start : start + count]
        case "suffix", [bytes(data), int(count)]:
            return data[-count:] if count else b""
        case "lcase", [bytes(data)]:
            return data.lower()
        case "ucase", [bytes(data)]:
            return data.upper()
        case "encode-int", [int(number), int(bits)]:
            return (number & ((1 << bits) - 1)).to_bytes(bits // 8, "big")
        case "extract-int", [bytes(data), int(bits)] if len(data) >= bits // 8:
            return int.from_bytes(data[: bits // 8], "big")
    return None


def looked_up(expression: Expression | None) -> str | None:
    """The host name a value is taken from by DNS, if it is."""
    match expression:
        case HostLookup(name):
            return name
        case Call(_, arguments):
            return next((name for name in map(looked_up, arguments) if name), None)
    return None
