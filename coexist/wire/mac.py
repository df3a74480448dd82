"""MAC addresses as plain integers, and the four usual ways to write them.

Inside the program a MAC is an ``int`` between 0 and ``MAC_SPACE - 1``, its most
significant octet the first on the wire, so that an OUI or any other prefix is a
range of integers and sets of machines are sets of ranges.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Mac: TypeAlias = int

MAC_SPACE = 1 << 48
_NIBBLES = 12

_SPELLINGS = (
    re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"),
    re.compile(r"[0-9a-f]{2}(?:-[0-9a-f]{2}){5}"),
    re.compile(r"[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"),
    re.compile(r"[0-9a-f]{12}"),
)

_PREFIX_SPELLINGS = (
    re.compile(r"(?:[0-9a-f]{2}:){0,5}[0-9a-f]{1,2}:?"),
    re.compile(r"(?:[0-9a-f]{2}-){0,5}[0-9a-f]{1,2}-?"),
    re.compile(r"(?:[0-9a-f]{4}\.){0,2}[0-9a-f]{1,4}\.?"),
    re.compile(r"[0-9a-f]{1,12}"),
)

_SEPARATORS = str.maketrans("", "", ":-.")

# I/G and U/L bits of the first octet: IEEE 802-2014 section 8.2.
_GROUP_BIT = 0x01 << 40
_LOCAL_BIT = 0x02 << 40


def parse_mac(text: str) -> Mac:
    """Read one MAC address in any of the four usual spellings, in any case.

    Raises ``ValueError`` with a sentence that says what to write.
    """
    spelled = text.strip().lower()
    if not any(spelling.fullmatch(spelled) for spelling in _SPELLINGS):
        raise ValueError(
            f"{text!r} is not a MAC address; write 12 hexadecimal digits as 52:54:00:12:34:56,"
            " 52-54-00-12-34-56, 5254.0012.3456 or 525400123456"
        )
    return int(spelled.translate(_SEPARATORS), 16)


def format_mac(mac: Mac, sep: str = ":") -> str:
    """Write a MAC in lower case: pairs between ``:`` or ``-``, groups of four between ``.``,
    twelve digits in a row for an empty separator."""
    digits = _checked(mac).to_bytes(6, "big").hex()
    group = 4 if sep == "." else 2
    return sep.join(digits[start : start + group] for start in range(0, _NIBBLES, group))


def mac_bytes(mac: Mac) -> bytes:
    """The six octets of a MAC in wire order."""
    return _checked(mac).to_bytes(6, "big")


def mac_from_bytes(octets: bytes) -> Mac:
    """The MAC of exactly six octets in wire order; ``ValueError`` for any other length."""
    if len(octets) != 6:
        raise ValueError(f"a MAC address has 6 octets, not {len(octets)}")
    return int.from_bytes(octets, "big")


def is_multicast(mac: Mac) -> bool:
    """Whether the address names a group (broadcast included): no machine has it as its own."""
    return bool(_checked(mac) & _GROUP_BIT)


def differing_digits(first: Mac, second: Mac) -> tuple[int, ...]:
    """The hexadecimal digits (1 to 12, from the left) in which two addresses differ."""
    difference = first ^ second
    return tuple(digit for digit in range(1, 13) if difference >> 4 * (12 - digit) & 0xF)


def parse_mac_prefix(text: str) -> tuple[Mac, Mac]:
    """Read an OUI or any prefix of 1 to 12 hexadecimal digits.

    Returns the inclusive range ``(lowest, highest)`` of the addresses that begin with it.
    Raises ``ValueError`` with a sentence that says what to write.
    """
    spelled = text.strip().lower()
    if not any(spelling.fullmatch(spelled) for spelling in _PREFIX_SPELLINGS):
        raise ValueError(
            f"{text!r} is not the beginning of a MAC address; write 1 to 12 hexadecimal digits from"
            " the left, as 80:5e:c0, 80-5e-c0, 805e.c0 or 805ec0"
        )
    digits = spelled.translate(_SEPARATORS)
    free_bits = 4 * (_NIBBLES - len(digits))
    lowest = int(digits, 16) << free_bits
    return lowest, lowest | ((1 << free_bits) - 1)


def _checked(mac: Mac) -> Mac:
    if not 0 <= mac < MAC_SPACE:
        raise ValueError(f"{mac} is not a MAC address; it lies outside 0 to 2**48 - 1")
    return mac
