"""Numbers and lists of numbers as dhcpd reads them (convert_num, parse_numeric_aggregate, parse_cshl)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from coexist.languages.dhcpd.lexer import END, NUMBER, NUMBER_OR_NAME, Lexer, Token

_INTEGER = re.compile(r"-?[0-9]+")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def c_integer(text: str) -> int:
    """What C's atoi makes of a word: its leading digits, or 0."""
    found = _INTEGER.match(text)
    return int(found.group()) if found else 0


def convert_number(lexer: Lexer, text: str, base: int, bits: int) -> int:
    """A number of at most ``bits`` bits; base 0 is decimal, ``0x`` or a leading zero's octal.

    Negative numbers are the two's complement of that many bits.
    """
    negative = text.startswith("-")
    digits = text[1:] if negative else text
    if not base:
        if digits[:2] == "0x":
            base, digits = 16, digits[2:]
        elif digits[:1] == "0" and digits[1:2].isdigit():
            base, digits = 8, digits[1:]
        else:
            base = 10
    value = 0
    for digit in digits.lower():
        number = _DIGITS.find(digit)
        if number < 0:
            lexer.fail(f"Bogus number: {text}.")
        if number >= base:
            lexer.fail(f"Bogus number {text}: digit {number} not in base {base}")
        value = (value * base + number) & 0xFFFFFFFF
    if not digits:
        lexer.fail(f"Bogus number: {text}.")
    largest = 1 << (bits - 1) if negative else (1 << bits) - 1
    if value > largest:
        shown = format(value, {8: "o", 16: "x"}.get(base, "d"))
        lexer.fail(f"{'-' if negative else ''}{shown} exceeds max ({largest}) for precision.")
    return (-value if negative else value) & ((1 << bits) - 1)


def parse_address(lexer: Lexer) -> IPv4Address:
    """Four numbers with dots between them."""
    return IPv4Address(bytes(parse_aggregate(lexer, 4, ".", 10)))


def parse_aggregate(lexer: Lexer, count: int, separator: str, base: int) -> list[int]:
    """``count`` octets with a separator between them; any number of them if ``count`` is 0."""
    numbers: list[str] = []
    values: list[int] = []
    while True:
        if numbers:
            if lexer.peek().kind != separator:
                if not count:
                    break
                if lexer.peek().kind not in ("{", "}"):
                    lexer.next()
                lexer.fail("too few numbers.")
            lexer.next()
        token = lexer.next()
        if token.kind == END:
            lexer.fail("unexpected end of file")
        if token.kind != NUMBER and not (base == 16 and token.kind == NUMBER_OR_NAME):
            lexer.fail("expecting numeric value.")
        numbers.append(token.value)
        if count:
            values.append(convert_number(lexer, token.value, base, 8))
            if len(numbers) == count:
                return values
    return [convert_number(lexer, text, base, 8) for text in numbers]


def parse_octets(lexer: Lexer) -> bytes:
    """Hexadecimal numbers with colons between them."""
    octets = bytearray()
    while True:
        token = lexer.next()
        if not is_hexadecimal(token):
            lexer.fail("expecting hexadecimal number.")
        octets.append(convert_number(lexer, token.value, 16, 8))
        if lexer.peek().kind != ":":
            return bytes(octets)
        lexer.next()


def is_hexadecimal(token: Token) -> bool:
    """Whether a word may begin octets."""
    return token.kind in (NUMBER, NUMBER_OR_NAME)


def parse_host_name(lexer: Lexer) -> str:
    """Words with dots between them, perhaps one at the end; empty if there is none."""
    parts: list[str] = []
    while True:
        token = lexer.peek()
        if not token.is_identifier and token.kind != NUMBER:
            if parts:
                parts.append("")
            break
        parts.append(lexer.next().value)
        if lexer.peek().kind != ".":
            break
        lexer.next()
    return ".".join(parts)
