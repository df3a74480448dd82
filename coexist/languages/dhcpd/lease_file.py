"""dhcpd.leases: what ISC dhcpd remembers of its leases (dhcpd.leases(5) of ISC DHCP 4.4).

The file is a log: of several entries for one address the last one counts. Its times are UTC, or seconds since
1970 with ``db-time-format local``.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterator
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address

from coexist.errors import Position, Problem
from coexist.records import dataclass

NEVER = -1
"""An end that never comes."""
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|\n|[{};]|[^\s{};"#]+|"')
_STATES = frozenset({"active", "free", "abandoned", "backup", "expired", "released", "reset", "bootp"})
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEntry:
    """One entry. Times in seconds since 1970, None where the entry says none."""

    address: IPv4Address
    at: Position
    state: str = "active"
    starts: int | None = None
    ends: int | None = None
    last_seen: int | None = None
    mac: bytes = b""
    client_id: bytes = b""
    host_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFile:
    """The last entry of each address, in the order of addresses, and what could not be read."""

    leases: tuple[LeaseEntry, ...]
    problems: tuple[Problem, ...]


_Statement = tuple[list[str], int, str]
"""Words, line, and what ends it: ``;``, ``{`` or ``}``."""


def read_lease_file(text: str, file: str) -> LeaseFile:
    """Read a whole file; an entry that cannot be read is a problem and the others count."""
    found: dict[IPv4Address, LeaseEntry] = {}
    problems: list[Problem] = []
    statements = _statements(text)
    for words, line, end in statements:
        if end == "{" and words[:1] == ["lease"]:
            entry = _entry(words, line, list(_body(statements)), file, problems)
            if entry is not None:
                found[entry.address] = entry
        elif end == "{":
            for _ in _body(statements):
                pass
        elif end == "":
            problems.append(
                Problem(Position(file, line), f"{' '.join(words)!r} does not end", "mend the line")
            )
    leases = tuple(found[address] for address in sorted(found))
    return LeaseFile(leases=leases, problems=tuple(problems))


def _statements(text: str) -> Iterator[_Statement]:
    line, first = 1, 1
    words: list[str] = []
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign == "\n":
            line += 1
        elif sign in ("{", "}", ";"):
            yield words, first if words else line, sign
            words = []
        elif not sign.startswith("#"):
            if not words:
                first = line
            words.append(sign)
    if words:
        yield words, first, ""


def _body(statements: Iterator[_Statement]) -> Iterator[_Statement]:
    """What stands up to the closing brace; what stands in further braces is left out."""
    depth = 0
    for words, line, end in statements:
        if end == "}":
            if depth == 0:
                return
            depth -= 1
        elif end == "{":
            depth += 1
        elif depth == 0:
            yield words, line, end
    yield [], 0, ""


def _entry(
    words: list[str], line: int, body: list[_Statement], file: str, problems: list[Problem]
) -> LeaseEntry | None:
    at = Position(file, line)
    said: dict[str, object] = {}
    try:
        if body and body[-1][2] == "":
            raise ValueError(line, "the lease does not end")
        if len(words) != 2:
            raise ValueError(line, "a lease has one address")
        try:
            address = IPv4Address(words[1])
        except AddressValueError:
            raise ValueError(line, f"{words[1]!r} is no address") from None
        for inner, number, _ in body:
            try:
                said.update(_said(inner))
            except (ValueError, IndexError) as error:
                raise ValueError(number, str(error)) from None
    except ValueError as error:
        number, why = error.args
        problems.append(
            Problem(Position(file, number), f"{why}; the lease of line {line} is left out", "mend the line")
        )
        return None
    return LeaseEntry(address=address, at=at, **said)  # type: ignore[arg-type]


def _said(words: list[str]) -> dict[str, object]:
    match words:
        case ["starts", *rest]:
            return {"starts": _time(rest)}
        case ["ends", *rest]:
            return {"ends": _time(rest)}
        case ["cltt", *rest]:
            return {"last_seen": _time(rest)}
        case ["binding", "state", state]:
            if state not in _STATES:
                raise ValueError(f"{state!r} is no binding state")
            return {"state": state}
        case ["abandoned"]:
            return {"state": "abandoned"}
        case ["hardware", "ethernet", mac]:
            octets = _octets(mac)
            if len(octets) != 6:
                raise ValueError(f"{mac!r} is no Ethernet address")
            return {"mac": octets}
        case ["uid", value]:
            return {"client_id": _unquoted(value) if value.startswith('"') else _octets(value)}
        case ["client-hostname", value]:
            return {"host_name": _unquoted(value).decode("utf-8", "replace")}
        case ["uid" | "client-hostname" | "binding", *_]:
            raise ValueError(f"{' '.join(words)!r} is not understood")
    return {}


def _time(words: list[str]) -> int:
    """``never``, ``epoch SECONDS``, or weekday, date and time."""
    try:
        if words == ["never"]:
            return NEVER
        if words[0] == "epoch":
            return int(words[1])
        day = datetime.strptime(f"{words[1]} {words[2]}", "%Y/%m/%d %H:%M:%S")  # noqa: DTZ007 it is UTC
        return timegm(day.timetuple())
    except (ValueError, IndexError):
        raise ValueError(f"{' '.join(words)!r} is no time") from None


def _octets(text: str) -> bytes:
    try:
        return bytes(int(part, 16) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"{text!r} is no list of octets") from None


def _unquoted(text: str) -> bytes:
    if len(text) < 2 or not text.endswith('"'):
        raise ValueError(f"{text!r} does not end")

    def octet(found: re.Match[bytes]) -> bytes:
        sign = found[1]
        return (
            bytes((int(sign, 8) & 255,))
            if sign.isdigit()
            else {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(sign, sign)
        )

    return _ESCAPE.sub(octet, text[1:-1].encode("utf-8", "surrogateescape"))
