"""Hosts of dhcpd.conf. Thousands may follow each other: those that say nothing new are read at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from ipaddress import IPv4Address

from coexist.errors import InputError, Problem
from coexist.languages.dhcpd.bodies import CLASS, HOST, BodyParser
from coexist.languages.dhcpd.definitions import semicolon
from coexist.languages.dhcpd.lexer import NUMBER, STRING, skip
from coexist.languages.dhcpd.numbers import parse_aggregate, parse_host_name
from coexist.languages.dhcpd.option_values import address_or_name, parse_value
from coexist.languages.dhcpd.plain_hosts import Row, UsualHosts, host_end, plain_host, usual_hosts
from coexist.languages.dhcpd.syntax import (
    Assign,
    ClientIdentifier,
    Data,
    FixedAddress,
    Hardware,
    Host,
    HostIdentifier,
    HostLookup,
    JoinGroup,
    Other,
    PlainHosts,
    Statement,
)

# Characters of a piece of hosts that is read at once: many only where all before were taken.
_SMALL_PIECE, _LARGE_PIECE = 1 << 10, 1 << 18

_HARDWARE = {"ethernet": 1, "token-ring": 6, "fddi": 8, "infiniband": 32}


def parse_plain_hosts(parser: BodyParser, body: list[Statement]) -> bool:
    """Read as many hosts as follow each other that say nothing new; False if the next one does."""
    lexer = parser.lexer
    first = at = lexer.peek().start
    known, bodies = parser.names.hosts, parser.names.host_bodies
    runs: dict[str, list[Row]] = defaultdict(list)
    last, text, size = first, lexer.text, _SMALL_PIECE
    while True:
        usual = usual_hosts(text, at, size)
        taken = _that_say_nothing_new(usual, known, bodies)
        if taken:
            for row, rest in zip(usual.rows[:taken], usual.rests, strict=False):
                runs[rest or ""].append(row)
            known.update([row[0] for row in usual.rows[:taken]])
            last, at = usual.rows[taken - 1][4], skip(text, usual.ends[taken - 1])
            size = min(4 * size, _LARGE_PIECE) if taken == len(usual.rows) else _SMALL_PIECE
            continue
        found = plain_host(text, at)
        if found is None or found[1] not in bodies:
            break
        row, rest, end = found
        name = row[0]
        if name in known:
            lexer.jump(end, end - 1)
            lexer.fail(f"host {name}: already exists", "give each host its own name")
        known.add(name)
        runs[rest].append(row)
        last, at, size = at, skip(text, end), _SMALL_PIECE
    if not runs:
        return False
    end = host_end(text, last)
    lexer.jump(end, end - 1)
    for rest, rows in runs.items():
        place = lexer.position(rows[0][4])
        body.append(PlainHosts(place, f"host {rows[0][0]}", tuple(rows), lexer.position, bodies[rest]))
    return True


def _that_say_nothing_new(usual: UsualHosts, known: set[str], bodies: Container[str]) -> int:
    """How many of some hosts, from the first on, have a name of their own and say what was said before."""
    names = {row[0] for row in usual.rows}
    new = known.isdisjoint(names) and len(names) == len(usual.rows)
    if new and all(rest is not None and rest in bodies for rest in set(usual.rests)):
        return len(usual.rows)
    seen: set[str] = set()
    for number, (row, rest) in enumerate(zip(usual.rows, usual.rests, strict=True)):
        if rest is None or rest not in bodies or row[0] in known or row[0] in seen:
            return number
        seen.add(row[0])
    return len(usual.rows)


def _remember_body(parser: BodyParser, start: int, host: Host) -> None:
    """Let the next host that says the same be a plain one."""
    found = plain_host(parser.lexer.text, start)
    if found is None or not all(isinstance(s, (Hardware, FixedAddress, Assign)) for s in host.body):
        return
    row, rest, _ = found
    if not row[2] and any(isinstance(s, FixedAddress) for s in host.body):
        return  # several addresses, or a name to look up: each host has its own
    said = tuple(s for s in host.body if isinstance(s, Assign))
    if row[3]:
        said = tuple(s for s in said if s.option.name != "host-name")
    parser.names.host_bodies.setdefault(rest, said)


def parse_host(parser: BodyParser, start: int, level: str) -> Statement:
    """A host declaration."""
    lexer = parser.lexer
    parser.need(level not in (HOST, CLASS), "host declarations not allowed here.")
    name = parse_host_name(lexer)
    parser.need(bool(name), "expecting a name for host declaration.")
    parser.left_brace()
    text = parser.shown(start)
    seen: set[str] = set()

    def extra(kind: str, result: list[Statement]) -> bool:
        return _host_statement(parser, kind, result, seen)

    body = parser.body(HOST, extra, in_host=True)
    if name in parser.names.hosts:
        lexer.fail(f"host {name}: already exists", "give each host its own name")
    parser.names.hosts.add(name)
    hardware = [s for s in body if isinstance(s, Hardware)]
    if len(hardware) > 1:
        what = f"Host {name} hardware address already configured."
        raise InputError([Problem(hardware[1].at, what, "give each address a host of its own")])
    addresses = [s for s in body if isinstance(s, FixedAddress)]
    parser.need(len(addresses) < 2, "Only one fixed address declaration per host.")
    host = Host(lexer.position(start), text, name, body)
    _remember_body(parser, start, host)
    return host


def _host_statement(parser: BodyParser, kind: str, body: list[Statement], seen: set[str]) -> bool:
    lexer = parser.lexer
    start = lexer.peek().start
    if kind in ("dynamic", "deleted"):
        return parser.markers(kind, body)
    if kind == "group":
        lexer.next()
        token = lexer.next()
        if token.kind != STRING and not token.is_identifier:
            lexer.fail("expecting string or identifier.")
        if token.value not in parser.names.groups:
            lexer.fail(f"unknown group {token.value}")
        semicolon(lexer)
        body.append(JoinGroup(lexer.position(start), parser.shown(start), token.value))
        return True
    if kind == "uid":
        lexer.next()
        if lexer.peek().kind == STRING:
            octets = lexer.next().value.encode("latin-1")
        else:
            octets = bytes(parse_aggregate(lexer, 0, ":", 16))
        semicolon(lexer)
        body.append(ClientIdentifier(lexer.position(start), parser.shown(start), octets))
        return True
    if kind == "host-identifier":
        if kind in seen:
            lexer.fail("only one host-identifier allowed per host")
        seen.add(kind)
        body.append(_host_identifier(parser, start))
        return True
    return False


def _host_identifier(parser: BodyParser, start: int) -> Statement:
    """``host-identifier``: an option that tells whose the host is."""
    lexer = parser.lexer
    lexer.next()
    word = lexer.next().kind
    if word == "v6relopt":
        if lexer.next().kind != NUMBER:
            lexer.fail("host-identifier v6relopt must have a number")
    elif word != "option":
        lexer.fail("host-identifier must be an option")
    space, name = parser.expressions.option_words()
    option = parser.names.spaces.find(space, name)
    if option is None:
        lexer.fail(f"unknown option {space}.{name}")
    value = parse_value(lexer, option.format)
    semicolon(lexer)
    if word == "v6relopt":
        # Relay agents of DHCPv6 send it: nobody is known by it here.
        return Other(lexer.position(start), parser.shown(start), "v6relopt")
    return HostIdentifier(lexer.position(start), parser.shown(start), option, value)


def parse_hardware(parser: BodyParser, start: int, in_host: bool) -> Statement:
    """``hardware``: the MAC address of a host."""
    lexer = parser.lexer
    token = lexer.next()
    kind = _HARDWARE.get(token.kind)
    if kind is None:
        if not token.kind.startswith("unknown"):
            lexer.fail("expecting a network hardware type")
        kind = 255
    octets = bytes(parse_aggregate(lexer, 0, ":", 16))
    if len(octets) > 20:
        lexer.fail("hardware address too long")
    if lexer.next().kind != ";":
        lexer.fail("expecting semicolon.")
    parser.need(in_host, "hardware address parameter not allowed here.")
    return Hardware(lexer.position(start), parser.shown(start), kind, octets)


def parse_fixed_address6(parser: BodyParser, start: int, in_host: bool) -> Statement:
    """``fixed-address6``: a DHCPv4 server reads it as one address for each four octets."""
    lexer = parser.lexer
    octets = b""
    while True:
        value = parse_value(lexer, "6")
        octets += value.octets if isinstance(value, Data) else b""
        if lexer.peek().kind != ",":
            break
        lexer.next()
    semicolon(lexer)
    parser.need(in_host, "fixed-address parameter not allowed here.")
    addresses = tuple(IPv4Address(octets[at : at + 4]) for at in range(0, len(octets), 4))
    return FixedAddress(lexer.position(start), parser.shown(start), addresses, ())


def parse_fixed_prefix6(parser: BodyParser, start: int, in_host: bool) -> Statement:
    """``fixed-prefix6``: read, and without a meaning for a DHCPv4 server."""
    lexer = parser.lexer
    value = parse_value(lexer, "6")
    if lexer.next().kind != "/":
        lexer.fail("expecting a '/'")
    bits = lexer.next()
    if bits.kind != NUMBER or not 0 <= int(bits.value) <= 128:
        lexer.fail("expecting a network mask")
    number = int.from_bytes(value.octets if isinstance(value, Data) else b"", "big")
    if number & ((1 << (128 - int(bits.value))) - 1):
        lexer.fail("network mask too short")
    semicolon(lexer)
    parser.need(in_host, "fixed-prefix6 declaration not allowed here.")
    return Other(lexer.position(start), parser.shown(start), "fixed-prefix6")


def parse_fixed_address(parser: BodyParser, start: int, in_host: bool) -> Statement:
    """``fixed-address``: addresses, and names the daemon looks up."""
    lexer = parser.lexer
    addresses: list[IPv4Address] = []
    names: list[str] = []
    while True:
        value = address_or_name(lexer)
        if isinstance(value, Data):
            addresses.append(IPv4Address(value.octets))
        elif isinstance(value, HostLookup):
            names.append(value.name)
        if lexer.peek().kind != ",":
            break
        lexer.next()
    semicolon(lexer)
    parser.need(in_host, "fixed-address parameter not allowed here.")
    return FixedAddress(lexer.position(start), parser.shown(start), tuple(addresses), tuple(names))
