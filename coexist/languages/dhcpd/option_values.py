"""The value of an option, read by the option's format (parse_option_data, common/parse.c)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import AddressValueError, IPv6Address

from coexist.languages.dhcpd.lexer import END, NUMBER, NUMBER_OR_NAME, STRING, Lexer
from coexist.languages.dhcpd.numbers import (
    convert_number,
    is_hexadecimal,
    parse_address,
    parse_host_name,
    parse_octets,
)
from coexist.languages.dhcpd.options import ENUMERATIONS
from coexist.languages.dhcpd.syntax import Call, Data, Expression, HostLookup
from coexist.wire.domain_names import packed_names

_BITS = {"l": 32, "L": 32, "s": 16, "S": 16, "b": 8, "B": 8}


def parse_value(lexer: Lexer, shape: str) -> Expression:
    """One option's value, up to its semicolon."""
    pieces: list[Expression] = []
    letters = _letters(shape)
    repeat = letters[-1] if letters and letters[-1] in ("A", "a") else ""
    fields = letters[:-1] if repeat else letters
    first_repeated = 0 if repeat == "A" else len(fields) - 1
    start = 0
    while True:
        for number in range(start, len(fields)):
            letter = fields[number]
            if letter == "o" or (
                number + 1 < len(fields) and fields[number + 1] == "o" and lexer.peek().kind == ";"
            ):
                continue
            if letter in ("a", "A"):
                _repeat_inside(lexer, fields[number - 1], pieces)
                continue
            pieces.append(_field(lexer, letter))
        if not repeat or lexer.peek().kind != ",":
            return _joined(pieces)
        lexer.next()
        start = first_repeated


def _repeat_inside(lexer: Lexer, letter: str, pieces: list[Expression]) -> None:
    while lexer.peek().kind == ",":
        lexer.next()
        pieces.append(_field(lexer, letter))


def _letters(shape: str) -> list[str]:
    """The fields of a format; E and N keep the name behind them, D its compression flag."""
    result: list[str] = []
    at = 0
    while at < len(shape):
        if shape[at] in "EN":
            end = shape.index(".", at) + 1
            result.append(shape[at:end])
            at = end
        elif shape[at : at + 2] == "Dc":
            result.append("Dc")
            at += 2
        else:
            result.append(shape[at])
            at += 1
    return result


def _joined(pieces: list[Expression]) -> Expression:
    if all(isinstance(piece, Data) for piece in pieces):
        return Data(b"".join(piece.octets for piece in pieces if isinstance(piece, Data)))
    return pieces[0] if len(pieces) == 1 else Call("concat", tuple(pieces))


def _field(lexer: Lexer, letter: str) -> Expression:
    if letter == "I":
        return address_or_name(lexer)
    reader = _READERS.get(letter[0])
    if reader is None:
        lexer.fail(f"Bad format '{letter}' in parse_option_token.")
    return Data(reader(lexer, letter))


def address_or_name(lexer: Lexer) -> Expression:
    """An address, or a host's name that the daemon resolves."""
    token = lexer.peek()
    # A host's name may begin with a number, a domain may not.
    is_address = token.kind == NUMBER and lexer.looking_at(NUMBER, ".", NUMBER)
    if token.is_identifier or (token.kind == NUMBER and not is_address):
        return HostLookup(parse_host_name(lexer))
    if is_address:
        return Data(parse_address(lexer).packed)
    if token.kind not in ("{", "}"):
        lexer.next()
    return lexer.fail(f"{token.value}: expecting IP address or hostname")


def _octets_or_text(lexer: Lexer, _letter: str) -> bytes:
    if is_hexadecimal(lexer.peek()):
        return parse_octets(lexer)
    token = lexer.next()
    if token.kind != STRING:
        lexer.fail("expecting string or hexadecimal data.")
    return token.value.encode("latin-1")


def _text(lexer: Lexer, _letter: str) -> bytes:
    token = lexer.next()
    if token.kind != STRING and not token.is_identifier:
        lexer.fail("expecting string.")
    return token.value.encode("latin-1", "replace")


def _space_name(lexer: Lexer, _letter: str) -> bytes:
    token = lexer.next()
    if not token.is_identifier:
        lexer.fail("expecting identifier.")
    return token.value.encode()


def _number(lexer: Lexer, letter: str) -> bytes:
    token = lexer.next()
    if token.kind not in (NUMBER, NUMBER_OR_NAME):
        lexer.fail("expecting number.")
    bits = _BITS[letter]
    return convert_number(lexer, token.value, 0, bits).to_bytes(bits // 8, "big")


def _interval(lexer: Lexer, _letter: str) -> bytes:
    if lexer.peek().kind == "infinite":
        lexer.next()
        return b"\xff\xff\xff\xff"
    return _number(lexer, "L")


def _flag(lexer: Lexer, _letter: str) -> bytes:
    token = lexer.next()
    if not token.is_identifier:
        lexer.fail("expecting identifier.")
    meaning = {"true": 1, "on": 1, "false": 0, "off": 0, "ignore": 2}.get(token.value.lower())
    if meaning is None:
        lexer.fail("expecting boolean.", "write on or off")
    return bytes([meaning])


def _enumeration(lexer: Lexer, letter: str) -> bytes:
    token = lexer.next()
    if not token.is_identifier:
        lexer.fail("identifier expected")
    if token.value.lower() not in ENUMERATIONS.get(letter[1:-1], ()):
        lexer.fail("unknown value")
    return token.value.lower().encode()


def _domain_name(lexer: Lexer, _letter: str) -> bytes:
    name = parse_host_name(lexer)
    if not name:
        lexer.fail("not a valid domain name.")
    return name.encode("latin-1", "replace")


def _domain_list(lexer: Lexer, letter: str) -> bytes:
    """Names as RFC 1035 has them, with pointers where the format says ``Dc``."""
    names: list[bytes] = []
    while True:
        token = lexer.next()
        if token.kind != STRING:
            lexer.fail("Expecting a domain string.")
        name = token.value.rstrip(".").encode("latin-1")
        if any(not 0 < len(label) < 64 for label in name.split(b".")):
            lexer.fail("Error assembling domain list: a label has 1 to 63 octets")
        names.append(name)
        if lexer.peek().kind != ",":
            return packed_names(names, compressed=letter == "Dc")
        lexer.next()


def _nothing(lexer: Lexer, _letter: str) -> bytes:
    if lexer.peek().kind != ";":
        lexer.fail("semicolon expected.")
    return b""


def _address6(lexer: Lexer, _letter: str) -> bytes:
    return address6(lexer)


def address6(lexer: Lexer) -> bytes:
    """An IPv6 address."""
    words = []
    while lexer.peek().kind in (":", ".", NUMBER, NUMBER_OR_NAME) or lexer.peek().is_identifier:
        words.append(lexer.next().value)
    if lexer.peek().kind == END:
        lexer.fail("Invalid IPv6 address.")
    try:
        return IPv6Address("".join(words)).packed
    except AddressValueError:
        return lexer.fail("Invalid IPv6 address.")


_READERS: dict[str, Callable[[Lexer, str], bytes]] = {
    "E": _octets_or_text,
    "X": _octets_or_text,
    "t": _text,
    "U": _space_name,
    "T": _interval,
    "f": _flag,
    "N": _enumeration,
    "d": _domain_name,
    "D": _domain_list,
    "Z": _nothing,
    "6": _address6,
    **dict.fromkeys(_BITS, _number),
}
