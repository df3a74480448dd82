"""The ranges of a dnsmasq.conf: ``dhcp-range``, and the addresses that a ``domain`` is for."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

from coexist.languages.dnsmasq.config import Range, Tags
from coexist.languages.dnsmasq.lexer import parts_of, reveal, split
from coexist.languages.dnsmasq.options import NotForIPv4Error, RefusedError, leading_number
from coexist.languages.dnsmasq.values import SHORTEST_LEASE, UNITS, address_of, negated
from coexist.wire.option_codes import INFINITE_LEASE


def read_range(value: str, line: int) -> Range:
    """A ``dhcp-range``. Raises RefusedError, NotForIPv4Error for one of IPv6."""
    tag, tags, rest = _range_tags(value)
    parts = parts_of(rest)
    if len(parts) < 2:
        raise RefusedError("bad dhcp-range")
    start = address_of(parts[0])
    if start is None:
        if ":" in parts[0]:
            raise NotForIPv4Error
        raise RefusedError("bad dhcp-range")
    mode = parts[1] if parts[1] in ("static", "proxy") else "dynamic"
    end = address_of(parts[1]) if mode == "dynamic" else None
    if mode == "dynamic" and end is None:
        raise RefusedError("bad dhcp-range")
    rest_of = parts[2:]
    netmask = address_of(rest_of[0]) if rest_of and "." in rest_of[0] else None
    broadcast = None
    if netmask is not None:
        rest_of = rest_of[1:]
        if end is not None and not _same_net(start, end, netmask):
            raise RefusedError("inconsistent DHCP range")
        broadcast = address_of(rest_of[0]) if rest_of and "." in rest_of[0] else None
        rest_of = rest_of[1:] if broadcast is not None else rest_of
    if end is not None and end < start:
        start, end = end, start
    return Range(
        start=start,
        end=end,
        netmask=netmask,
        broadcast=broadcast,
        mode=mode,
        tag=tag,
        filter=tags,
        lease_time=_range_lease(rest_of),
        line=line,
    )


def domain_range(text: str) -> tuple[IPv4Address, IPv4Address] | None:
    """The addresses a domain is for: a network, or a first and a last one; None: those of a network card."""
    first, rest = split(text)
    network, length = split(first, "/")
    if ":" in network:
        raise NotForIPv4Error
    start = address_of(network)
    if length is not None:
        if start is None or not re.fullmatch("[0-9]+", length) or int(length) > 32:
            raise RefusedError("bad prefix length")
        whole = IPv4Network((int(start), int(length)), strict=False)
        return whole.network_address, whole.broadcast_address
    if start is None:
        return None
    end = start if rest is None else address_of(split(rest)[0])
    if end is None:
        raise RefusedError("bad domain")
    return start, end


def _range_tags(value: str) -> tuple[str | None, Tags, str]:
    """The tag a range sets, those it asks for, and the rest: what could begin an address ends them."""
    tag: str | None = None
    tags: list[str] = []
    rest = value
    while True:
        odd = re.match("[ .:a-fA-F0-9]*", rest)
        at = odd.end() if odd else 0
        word, behind = split(rest)
        if rest[at : at + 1] == "," or behind is None:
            return tag, tuple(tags), rest
        if word.startswith(("tag:", "net:")):
            if word[4:]:
                tags.append(negated(reveal(word[4:])))
        elif tag is not None:
            raise RefusedError("only one tag allowed")
        else:
            tag = reveal(word.removeprefix("set:"))
        rest = behind


def _range_lease(parts: list[str]) -> int:
    if not parts:
        return 3600
    if len(parts) > 1:
        raise RefusedError("bad dhcp-range")
    text = parts[0]
    if text == "infinite":
        return INFINITE_LEASE
    if text == "deprecated":
        return 3600
    unit = UNITS.get(text[-1:].lower())
    digits = text[:-1] if unit else text
    if not re.fullmatch("[0-9]*", digits):
        raise RefusedError("bad dhcp-range")
    return max(leading_number(digits) * (unit or 1), SHORTEST_LEASE)


def _same_net(a: IPv4Address, b: IPv4Address, netmask: IPv4Address) -> bool:
    return int(a) & int(netmask) == int(b) & int(netmask)
