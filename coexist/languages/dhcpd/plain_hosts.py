"""Host declarations by regular expression: a file may have a hundred thousand of them.

Only what cannot be read in two ways is matched: lower-case keywords, no comment, no escape, no
braces. Everything else is left to the grammar.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from coexist.languages.dhcpd.lexer import SKIPPED

_OCTET = "[0-9A-Fa-f]{1,2}"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_MAC = rf"((?:{_OCTET}:){{5}}{_OCTET})"
_ADDRESS = rf"({_BYTE}(?:\.{_BYTE}){{3}})"
_S = r"[ \t\r\n]"
_HEAD = rf"host{_S}+([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*){_S}*\{{{_S}*"

# Possessive quantifiers: what does not match fails at once instead of in all possible ways.
# As most write a host: its MAC, its address, statements that many share, its name for the client.
_USUAL = re.compile(
    rf"{_HEAD}hardware{_S}+ethernet{_S}+{_MAC}{_S}*;{_S}*(?:fixed-address{_S}+{_ADDRESS}{_S}*;{_S}*)?"
    rf'((?:(?!option{_S}+host-name)[^{{}}"#\\;]++(?:"[^"\\{{}}#]*+"[^{{}}"#\\;]*+)*+;{_S}*+)*+)'
    rf'(?:option{_S}+host-name{_S}+"([A-Za-z0-9_.-]+)"{_S}*;{_S}*)?\}}'
)
# Usual hosts behind each other, each with what stands behind it, and all that follows the last of them.
_RUN = re.compile(rf"({_USUAL.pattern}{SKIPPED})|[\s\S]++")
_ANY = re.compile(rf'{_HEAD}((?:[^{{}}"#\\]++|"[^"\\{{}}#]*+")*+)\}}')
_OWN = re.compile(
    rf"(?:hardware{_S}+ethernet{_S}+{_MAC}|fixed-address{_S}+{_ADDRESS}"
    rf'|option{_S}+host-name{_S}+"([A-Za-z0-9_.-]+)"){_S}*;{_S}*'
)
_OTHER = re.compile(rf'[^";]++(?:"[^"]*+"[^";]*+)*+;{_S}*+')


Row: TypeAlias = tuple[str, str, str, str, int]
"""What a host says by itself: (name, MAC, address, host name, offset)."""

PlainHost: TypeAlias = tuple[Row, str, int]
"""A host: its row, what else it says as text, and its end."""


class UsualHosts(NamedTuple):
    """Hosts that follow each other. ``rests``: what else each says as text; None where it is not a plain one.
    ``ends``: the offset behind each and the blanks and comments of its piece that follow it."""

    rows: list[Row]
    rests: list[str | None]
    ends: list[int]


def usual_hosts(text: str, at: int, size: int) -> UsualHosts:
    """The hosts that begin at an offset, as most write them: those in the whole lines of some characters.

    A hundred thousand are read at once, in pieces: one call for each host takes twice as long.
    """
    # A comment is read to the end of its line, so a piece ends with a line.
    end = text.rfind("\n", at, at + size) + 1 if at + size < len(text) else len(text)
    found = _RUN.findall(text, at, end) if end > at else []
    if found and not found[-1][0]:
        found.pop()
    if not found:
        return UsualHosts([], [], [])
    texts, names, macs, addresses, shared, host_names = zip(*found, strict=True)
    begins = list(accumulate(map(len, texts), initial=at))
    said = {statements: _said(statements) for statements in set(shared)}
    rows = list(zip(names, macs, addresses, host_names, begins, strict=False))
    return UsualHosts(rows, list(map(said.__getitem__, shared)), begins[1:])


def host_end(text: str, at: int) -> int:
    """Where a plain host ends that begins at an offset."""
    found = plain_host(text, at)
    assert found is not None
    return found[2]


def plain_host(text: str, at: int) -> PlainHost | None:
    """The host declaration that begins at an offset, if it is a plain one."""
    found = _USUAL.match(text, at)
    if found is not None:
        name, mac, address, shared, host_name = found.groups("")
        rest = _said(shared) if shared else ""
        if rest is not None:
            return (name, mac, address, host_name, at), rest, found.end()
    found = _ANY.match(text, at)
    return None if found is None else _split(found[1], found[2], at, found.end())


@lru_cache(maxsize=4096)
def _said(statements: str) -> str | None:
    """What hosts say that say the same, one statement a line; None if a MAC, address or name is among it."""
    split = _statements(statements)
    return None if split is None or any(split[0]) else split[1]


def _split(name: str, body: str, at: int, end: int) -> PlainHost | None:
    """A host with its statements in any order."""
    split = _statements(body)
    if split is None or not split[0][0]:
        return None
    (mac, address, host_name), rest = split
    return (name, mac, address, host_name, at), rest, end


def _statements(body: str) -> tuple[list[str], str] | None:
    """The MAC, address and host name of a body, and what else it says; None where one is said twice."""
    own = ["", "", ""]
    rest: list[str] = []
    place = 0
    while place < len(body):
        found = _OWN.match(body, place)
        if found is not None:
            which = (found.lastindex or 1) - 1
            if own[which]:
                return None
            own[which] = found[which + 1]
        else:
            found = _OTHER.match(body, place)
            if found is None:
                return None
            rest.append(" ".join(found.group().split()))
        place = found.end()
    return own, "\n".join(rest)
