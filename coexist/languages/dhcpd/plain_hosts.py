"""Host declarations by regular expression: a file may have a hundred thousand of them.

Only what cannot be read in two ways is matched: lower-case keywords, no comment, no escape, no
braces. Everything else is left to the grammar.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

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
_ANY = re.compile(rf'{_HEAD}((?:[^{{}}"#\\]++|"[^"\\{{}}#]*+")*+)\}}')
_OWN = re.compile(
    rf"(?:hardware{_S}+ethernet{_S}+{_MAC}|fixed-address{_S}+{_ADDRESS}"
    rf'|option{_S}+host-name{_S}+"([A-Za-z0-9_.-]+)"){_S}*;{_S}*'
)
_OTHER = re.compile(rf'[^";]++(?:"[^"]*+"[^";]*+)*+;{_S}*+')


PlainHost: TypeAlias = tuple[tuple[str, str, str, str, int], str, int]
"""A host: (name, MAC, address, host name, offset), what else it says as text, and its end."""


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
