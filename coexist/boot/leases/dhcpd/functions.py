"""The functions and operators of dhcpd.conf on octets and numbers (``common/tree.c``); None is a failure."""

from __future__ import annotations

WORD = 0xFFFF_FFFF_FFFF_FFFF
"""The bits of a number: what is larger is cut."""
# What C's tolower and toupper do in the C locale.
_LOWER = bytes(range(256)).lower()
_UPPER = bytes(range(256)).upper()


def piece(function: str, octets: bytes, numbers: list[int | None]) -> bytes | None:
    """``substring``, ``suffix``, ``lcase`` or ``ucase`` of some octets; ``numbers``: the other arguments."""
    match function, numbers:
        case "substring", [int(start), int(length)]:
            return octets[start : start + length]
        case "suffix", [int(length)]:
            return octets[len(octets) - length :] if len(octets) > length else octets
        case "lcase", _:
            return octets.translate(_LOWER)
        case "ucase", _:
            return octets.translate(_UPPER)
    return None


def encoded(number: int, bits: int) -> bytes:
    """``encode-int``: the lowest ``bits`` of a number, in network order."""
    return (number & (1 << bits) - 1).to_bytes(bits // 8, "big")


def in_reverse(width: int, octets: bytes) -> bytes | None:
    """``reverse``: the pieces of ``width`` octets, the last one first."""
    if not width or len(octets) % width:
        return None
    return b"".join(octets[at : at + width] for at in range(len(octets) - width, -1, -width))


def in_ascii(base: int, bits: int | None, separator: bytes, octets: bytes) -> bytes | None:
    """``binary-to-ascii``: each word of ``bits`` as a number of a base."""
    if bits not in (8, 16, 32) or len(octets) % (bits // 8) or not 2 <= base <= 36:
        return None
    width = bits // 8
    words = (int.from_bytes(octets[at : at + width], "big") for at in range(0, len(octets), width))
    return separator.join(_digits(word, base) for word in words)


def _digits(word: int, base: int) -> bytes:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while word or not text:
        word, digit = divmod(word, base)
        text = digits[digit] + text
    return text.encode()


def arithmetic(operator: str, left: int | None, right: int | None) -> int | None:
    """Two numbers by ``+ * / % & | ^``; of a division by zero there is no result."""
    if left is None or right is None or (operator in ("/", "%") and not right):
        return None
    match operator:
        case "+":
            return left + right & WORD
        case "*":
            return left * right & WORD
        case "/":
            return left // right
        case "%":
            return left % right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
    return None
