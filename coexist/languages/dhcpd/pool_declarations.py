"""Pools of dhcpd.conf: their ranges of addresses, and the clients they are for."""

from __future__ import annotations

from bisect import bisect
from functools import partial
from ipaddress import IPv4Address

from coexist.languages.dhcpd.bodies import POOL, SHARED, SUBNET, BodyParser
from coexist.languages.dhcpd.definitions import semicolon
from coexist.languages.dhcpd.lexer import NUMBER, STRING
from coexist.languages.dhcpd.numbers import parse_address
from coexist.languages.dhcpd.syntax import Include, Permit, Pool, Range, Statement


def parse_pool(parser: BodyParser, start: int, level: str) -> Statement:
    """A pool with its ranges and whom it is for."""
    parser.need(level in (SUBNET, SHARED), "pool declared outside of network")
    parser.left_brace()
    text = parser.shown(start)
    body = parser.body(POOL, partial(_pool_statement, parser))
    parser.need(_has_range(body), "Pool declaration with no address range.")
    return Pool(parser.lexer.position(start), text, body)


def _pool_statement(parser: BodyParser, kind: str, body: list[Statement]) -> bool:
    lexer = parser.lexer
    start = lexer.peek().start
    if kind == "no":
        lexer.next()
        if lexer.next().kind != "failover" or lexer.next().kind != "peer":
            lexer.fail('expecting "failover peer".')
        body.append(parser.other(start, "failover"))
        # The daemon wants no semicolon here; if one follows it is a statement of its own.
        return True
    if kind == "failover":
        lexer.next()
        if lexer.next().kind != "peer":
            lexer.fail("expecting 'peer'.")
        token = lexer.next()
        if token.kind != STRING:
            lexer.fail("expecting string.")
        if token.value not in parser.names.peers:
            lexer.fail(f"failover peer {token.value}: not found")
        parser.names.referred_peers.add(token.value)
        semicolon(lexer)
        body.append(parser.other(start, "failover", names=(token.value,)))
        return True
    if kind == "range":
        lexer.next()
        body.append(_address_range(parser, start))
        return True
    if kind in ("allow", "deny"):
        lexer.next()
        body.append(_permit(parser, start, kind == "allow"))
        return True
    return False


def parse_range(parser: BodyParser, start: int, level: str) -> Statement:
    """A ``range`` that stands in a subnet, outside any pool."""
    parser.need(level == SUBNET, "range declaration not allowed here.")
    return _address_range(parser, start)


def _address_range(parser: BodyParser, start: int) -> Statement:
    lexer = parser.lexer
    bootp = lexer.peek().kind == "dynamic-bootp"
    if bootp:
        lexer.next()
    first = parse_address(lexer)
    last = first if lexer.peek().kind == ";" else parse_address(lexer)
    semicolon(lexer)
    if parser.network is None:
        if not any(first in network for network in parser.shared or ()):
            lexer.fail("address range not on network", "place the pool after its subnet")
        network = next(n for n in parser.shared or () if first in n)
    else:
        network = parser.network
    for address in (first, last):
        if address not in network:
            lexer.fail_at(
                start,
                f"bad range, address {address} not in subnet {network}",
                "correct the range or the subnet",
            )
    _claim(parser, min(first, last), max(first, last))
    return Range(lexer.position(start), parser.shown(start), min(first, last), max(first, last), bootp)


def _claim(parser: BodyParser, first: IPv4Address, last: IPv4Address) -> None:
    ranges = parser.names.ranges
    low, high = int(first), int(last)
    at = bisect(ranges, (low, high))
    before = ranges[at - 1] if at else None
    after = ranges[at] if at < len(ranges) else None
    twice = low if before and before[1] >= low else after[0] if after and after[0] <= high else None
    if twice is not None:
        parser.lexer.fail(f"lease {IPv4Address(twice)} is declared twice!", "make the ranges disjoint")
    ranges.insert(at, (low, high))


def _permit(parser: BodyParser, start: int, allowed: bool) -> Statement:
    lexer = parser.lexer
    token = lexer.next()
    kind = token.kind
    class_name = ""
    if kind in ("known-clients", "unknown-clients"):
        who = kind.removesuffix("-clients")
    elif kind in ("known", "unknown", "all", "authenticated", "unauthenticated", "dynamic"):
        who = kind
        if kind == "dynamic":
            if lexer.next().kind != "bootp":
                lexer.fail('expecting "bootp"')
            who = "dynamic bootp"
        if lexer.next().kind != "clients":
            lexer.fail('expecting "clients"')
    elif kind == "members":
        who = "class"
        if lexer.next().kind != "of":
            lexer.fail('expecting "of"')
        name = lexer.next()
        if name.kind != STRING:
            lexer.fail("expecting class name.")
        if name.value not in parser.names.classes:
            lexer.fail(f"no such class: {name.value}", "declare the class before the pool")
        class_name = name.value
    elif kind == "after":
        who = "after"
        _date(parser)
    else:
        lexer.fail("expecting permit type.")
    semicolon(lexer)
    return Permit(lexer.position(start), parser.shown(start), allowed, who, class_name)


def _date(parser: BodyParser) -> None:
    """A day of week, date and time; or never; or seconds since 1970."""
    lexer = parser.lexer
    if lexer.peek().kind in ("never", "epoch"):
        if lexer.next().kind == "epoch" and lexer.next().kind != NUMBER:
            lexer.fail("Seconds since epoch expected.")
        return
    for sign in ("", "", "/", "/", "", ":", ":"):
        if sign:
            if lexer.peek().kind != sign:
                lexer.next()
                lexer.fail(f"expected {sign} in the date.")
            lexer.next()
        if lexer.peek().kind != NUMBER:
            if lexer.peek().kind != ";":
                lexer.next()
            lexer.fail("numeric date and time expected.")
        lexer.next()
    if lexer.peek().kind == NUMBER:
        lexer.next()


def _has_range(body: tuple[Statement, ...]) -> bool:
    return any(isinstance(s, Range) or (isinstance(s, Include) and _has_range(s.body)) for s in body)
