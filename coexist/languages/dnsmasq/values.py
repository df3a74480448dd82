"""Pieces that several lines of a dnsmasq.conf have: tags, addresses, times (``src/option.c``, 2.90)."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from coexist.languages.dnsmasq.config import Tags
from coexist.languages.dnsmasq.lexer import reveal, split
from coexist.languages.dnsmasq.options import RefusedError

SHORTEST_LEASE = 120
"""Seconds."""
UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
"""Seconds of each unit of a lease time."""


def negated(tag: str) -> str:
    """A tag with the old sign for "not" as the new one."""
    return "!" + tag[1:] if tag.startswith("#") else tag


def leading_tags(value: str) -> tuple[Tags, str]:
    """The tags before a value (dhcp_tags), and the value. Raises RefusedError without one."""
    tags: list[str] = []
    rest: str | None = value
    while rest is not None and rest.startswith(("tag:", "net:")):
        word, rest = split(rest)
        tags.append(negated(reveal(word[4:])))
    if rest is None:
        raise RefusedError("nothing follows its tags")
    return tuple(tags), rest


def set_tag(value: str) -> tuple[str, str]:
    """A tag that is set, with or without ``set:``, and what follows. Raises RefusedError without that."""
    word, rest = split(value)
    if rest is None:
        raise RefusedError("nothing follows its tag")
    return reveal(word.removeprefix("set:")), rest


def address_of(text: str) -> IPv4Address | None:
    """The address that a text is, None for any other text."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
