"""DHCP options in a dnsmasq.conf: the octets the daemon makes of a value.

``parse_dhcp_opt`` of ``src/option.c`` (2.90) guesses a type from the characters of a value where the option
has none (`option_table`).
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum, auto
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from coexist.languages.dnsmasq.lexer import octets_of, parts_of, plain_line, reveal, split
from coexist.languages.dnsmasq.option_table import TYPES, UNTYPED, OptionType, by_name
from coexist.records import dataclass


class RefusedError(ValueError):
    """The daemon does not start with such a line; the text is what it says of it."""


class Kind(Enum):
    """How a value was read: it decides how a match compares and what the daemon still changes in it."""

    EMPTY = auto()
    TEXT = auto()
    """Ended with a NUL for a client whose own texts are."""
    ADDRESSES = auto()
    """0.0.0.0 stands for the server's own address."""
    HEX = auto()
    """Compared at the beginning only, with wildcards."""
    OCTETS = auto()


_DOMAIN_SEARCH, _SIP_SERVERS = 119, 120
_LONGEST, _LONGEST_INSIDE, _LONGEST_OF_ENTERPRISE = 255, 253, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLine:
    """``dhcp-option`` and ``dhcp-match``.

    ``vendor``: a sub-option of 43 for clients whose option 60 holds that text; ``encapsulated``: one of that
    option; ``enterprise``: one of option 125 (124 in a match). ``mask``: octets of a match that may be any, a
    bit each, the last octet the lowest bit.
    """

    code: int
    value: bytes = b""
    kind: Kind = Kind.OCTETS
    tags: tuple[str, ...] = ()
    force: bool = False
    vendor: str | None = None
    encapsulated: int | None = None
    enterprise: int | None = None
    mask: int = 0
    line: int = 0

    @property
    def is_inside(self) -> bool:
        """Whether it stands inside another option."""
        return self.vendor is not None or self.encapsulated is not None or self.enterprise is not None

    def matches(self, value: bytes) -> bool:
        """match_bytes: texts are looked for anywhere, other values at multiples of their length."""
        wanted = self.value
        if len(wanted) > len(value):
            return False
        if not wanted:
            return True
        if self.kind is Kind.HEX:
            last = len(wanted) - 1
            return all(self.mask >> (last - i) & 1 or wanted[i] == value[i] for i in range(len(wanted)))
        step = 1 if self.kind is Kind.TEXT else len(wanted)
        return any(value[i : i + len(wanted)] == wanted for i in range(0, len(value) - len(wanted) + 1, step))


TEXT_ONLY = frozenset({12, 15, 17, 18, 40, 64, 66, 67, 100, 101})
"""The options whose value is a text however it is written: tried on 2.90 for every code."""


@lru_cache(maxsize=1 << 12)
def as_text(code: int, octets: bytes) -> str:
    """The quoted text of which the daemon makes these octets as a text (`Kind.TEXT`); empty if none is."""
    if not octets.isascii() or not octets.decode().isprintable() or set(octets) & set(b'"\\'):
        return ""
    quoted = f'"{octets.decode()}"'
    try:
        read = read_option(plain_line(f"{code},{quoted}") or "")
    except RefusedError:
        return ""
    return quoted if (read.kind, read.value) == (Kind.TEXT, octets) else ""


def read_option(text: str, *, line: int = 0, force: bool = False, match: bool = False) -> OptionLine:
    """The value of a ``dhcp-option`` or ``dhcp-match``. Raises RefusedError."""
    head = _Head(match=match)
    rest: str | None = text
    while rest is not None and head.code is None:
        word, rest = split(rest)
        head.read(word)
    if head.code is None:
        raise RefusedError("bad dhcp-option")
    inside = head.vendor is not None or head.encapsulated is not None or head.enterprise is not None
    known = head.known or (UNTYPED if inside else TYPES.get(head.code, UNTYPED))
    reader = _ValueReader(code=head.code, known=known, inside=inside, match=match)
    value, kind = (b"", Kind.EMPTY) if rest is None else reader.read(rest)
    longest = _LONGEST_INSIDE if inside else _LONGEST
    if len(value) > (_LONGEST_OF_ENTERPRISE if head.enterprise is not None else longest):
        raise RefusedError("dhcp-option too long")
    if match and len(head.tags) != 1:
        raise RefusedError("illegal dhcp-match")
    return OptionLine(
        code=head.code,
        value=value,
        kind=kind,
        tags=tuple(head.tags),
        force=force,
        vendor=head.vendor,
        encapsulated=head.encapsulated,
        enterprise=head.enterprise,
        mask=reader.mask,
        line=line,
    )


@dataclass(slots=True, kw_only=True)
class _Head:
    """What stands before the value: tags, what it is inside of, and the option, by which it ends."""

    match: bool
    tags: list[str] = field(default_factory=list)
    vendor: str | None = None
    encapsulated: int | None = None
    enterprise: int | None = None
    code: int | None = None
    known: OptionType | None = None

    def read(self, word: str) -> None:
        """One word of it. Raises RefusedError, and NotForIPv4Error."""
        if re.fullmatch("[0-9]*", word):
            self.code = int(word[:9] or 0)  # more is no code either
        elif word.startswith("option:"):
            self._named(word[7:])
        elif word.startswith("option6:"):
            raise NotForIPv4Error(word)
        elif word.startswith(("vendor:", "encap:")):
            self._inside(word)
        elif word.startswith("vi-encap:"):
            self.enterprise = leading_number(word[9:])
            if self.match:
                self.code = 0
        else:
            tag = reveal(word[4:] if word.startswith(("tag:", "net:", "set:")) else word)
            self.tags.append("!" + tag[1:] if tag.startswith("#") else tag)

    def _named(self, name: str) -> None:
        found = by_name(name)
        if found is None or (found[1].internal and not self.match):
            raise RefusedError("bad dhcp-option")
        self.code, self.known = found

    def _inside(self, word: str) -> None:
        kind, _, what = word.partition(":")
        if self.match or (self.encapsulated if kind == "vendor" else self.vendor) is not None:
            raise RefusedError(f"inappropriate {kind}:")
        if kind == "vendor":
            self.vendor = reveal(what)
        else:
            self.encapsulated = leading_number(what)


class NotForIPv4Error(Exception):
    """A line about DHCPv6."""


def leading_number(text: str) -> int:
    """The number a text begins with, as C reads it: 0 without one."""
    found = re.match(r"\s*([-+]?[0-9]+)", text)
    return int(found[1]) if found else 0


class _Looks(NamedTuple):
    """What a value's characters allow it to be; ``octets``: how many of hexadecimal it would be."""

    address: bool
    hexadecimal: bool
    number: bool
    octets: int
    dots: int
    suffix: str
    digit: bool


def _looks(text: str, *, match: bool) -> _Looks:
    address = hexadecimal = number = True
    octets, dots, suffix, digit = 1, 0, "", False
    for at, char in enumerate(text):
        if char in "0123456789":
            digit = True
        elif char == ",":
            number = hexadecimal = False
        elif char == ":":
            octets += 1
            number = address = False
        elif char == "/":
            number = hexadecimal = False
            address = address and at > 0
        elif char == ".":
            number = hexadecimal = False
            dots += 1
        elif char == "-":
            hexadecimal = address = False
        elif char == " ":
            number = hexadecimal = False
        else:
            address = False
            if at == len(text) - 1 and number and char in "bsi":
                suffix = char
            else:
                number = False
            if char not in "abcdefABCDEF" and not (char == "*" and match):
                hexadecimal = False
    return _Looks(address and digit, hexadecimal, number and digit, octets, dots, suffix, digit)


@dataclass(slots=True, kw_only=True)
class _ValueReader:
    """Reads one value; ``mask`` then holds the wildcards of a match."""

    code: int
    known: OptionType
    inside: bool
    match: bool
    mask: int = 0

    def read(self, text: str) -> tuple[bytes, Kind]:
        """The octets, and how they were read. Raises RefusedError."""
        known, looks = self.known, _looks(text, match=self.match)
        if known.addresses and (not looks.address or not looks.dots):
            raise RefusedError("bad IP address")
        if known.time and looks.digit and text:
            return (_seconds(text) & 0xFFFFFFFF).to_bytes(4, "big"), Kind.OCTETS
        if not (known.addresses or known.text or known.names):
            if looks.hexadecimal and looks.octets > 1:
                octets, self.mask, _ = read_hex(text, looks.octets)
                return octets.ljust(looks.octets, b"\0"), Kind.HEX
            if looks.number:
                return self._number(text, looks.suffix), Kind.OCTETS
        if looks.address and not (known.text or known.names):
            return self._addresses(text)
        if self.code in (_DOMAIN_SEARCH, _SIP_SERVERS) and not self.inside:
            return self._names(text), Kind.OCTETS
        return octets_of(text), Kind.TEXT

    def _number(self, text: str, suffix: str) -> bytes:
        value = leading_number(text)
        if suffix:
            size = {"b": 1, "s": 2, "i": 4}[suffix]
        elif self.known.internal:
            # Its flags are taken for a size (2.90).
            raise RefusedError("dhcp-option too long")
        elif self.known.size:
            size = self.known.size
        else:
            size = 4 if value & 0xFFFF0000 else 2 if value & 0xFF00 else 1
        return (value & (1 << 8 * size) - 1).to_bytes(size, "big")

    def _addresses(self, text: str) -> tuple[bytes, Kind]:
        """Addresses, and networks as in option 121: the prefix length, then as many octets as it needs."""
        result, kind = b"", Kind.ADDRESSES
        if self.code == _SIP_SERVERS and not self.inside:
            # RFC 3361: addresses, not names.
            result, kind = b"\1", Kind.OCTETS
        for part in parts_of(text):
            written, length = split(part, "/")
            try:
                address = IPv4Address(written).packed
            except AddressValueError:
                raise RefusedError("bad IPv4 address") from None
            if length is None:
                result += address
            else:
                size = leading_number(length)
                result += bytes((size & 255,)) + address[: min(max((size + 7) // 8, 0), 4)]
                kind = Kind.OCTETS
        return result, kind

    def _names(self, text: str) -> bytes:
        """Domain names as RFC 1035 has them, each ending in the tail of an earlier one (RFC 3397)."""
        names = bytearray()
        for part in parts_of(text):
            if not part:
                break
            start = len(names)
            for label in [] if part == "." else domain_name(part).split("."):
                octets = octets_of(label)
                names += bytes((len(octets),)) + octets
            names.append(0)
            _compress(names, start)
        return (b"\0" if self.code == _SIP_SERVERS else b"") + bytes(names)


def _compress(names: bytearray, start: int) -> None:
    """Point to the earlier names where one of them ends like the name that begins at ``start``."""
    tail = start
    while names[tail]:
        wanted = bytes(names[tail : names.index(0, tail)])
        at = 0
        while at < start:
            end = names.find(0, at)
            if bytes(names[at:end]) == wanted:
                names[tail:] = (at | 0xC000).to_bytes(2, "big")
                return
            at += names[at] + 1
        tail += names[tail] + 1


def domain_name(text: str) -> str:
    """A domain name as the daemon keeps it (canonicalise of ``src/util.c``). Raises RefusedError."""
    name = reveal(text).removesuffix(".")
    labels = name.split(".")
    odd = any(ord(char) < 32 or ord(char) == 127 for char in name)
    if not name or odd or any(len(label) > 63 for label in labels):
        raise RefusedError("bad domain in dhcp-option")
    if name.isascii():
        return name.lower()
    try:
        return name.encode("idna").decode().lower()
    except UnicodeError:
        raise RefusedError("bad domain in dhcp-option") from None


def _seconds(text: str) -> int:
    factors = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    factor = factors.get(text[-1].lower())
    return leading_number(text[:-1]) * factor if factor else leading_number(text)


def read_hex(text: str, most: int, *, typed: bool = False) -> tuple[bytes, int, int]:
    """parse_hex of ``src/util.c``: octets, the mask of those that are ``*``, the hardware type in front.

    Raises RefusedError.
    """
    octets, mask, kind = bytearray(), 0, 0
    for group, sign in re.findall(r"([^:\- ]*)([:\- ]|$)", text):
        if len(octets) >= most:
            break
        if re.search(r"[^0-9a-fA-F*]", group):
            raise RefusedError("bad hex constant")
        if not group:
            continue
        if sign == "-" and not octets and typed:
            kind, typed = int(group.replace("*", "") or "0", 16), False
        elif group == "*":
            octets.append(0)
            mask = mask << 1 | 1
        elif "*" in group:
            raise RefusedError("bad hex constant")
        else:
            for at in range(0, len(group), 2):
                if len(octets) < most:
                    octets.append(int(group[at : at + 2], 16))
                    mask <<= 1
    return bytes(octets), mask, kind
