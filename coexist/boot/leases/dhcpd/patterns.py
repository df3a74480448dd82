"""The regular expressions of ``~=`` and ``~~``: POSIX extended ones (regcomp, regexec), by Python's."""

from __future__ import annotations

import re

_CLASSES = {
    b"alpha": b"A-Za-z", b"digit": b"0-9", b"alnum": b"A-Za-z0-9", b"upper": b"A-Z", b"lower": b"a-z",
    b"space": rb" \t\n\r\f\v", b"blank": rb" \t", b"xdigit": b"0-9A-Fa-f",
    b"punct": rb"!-/:-@\[-`{-~", b"print": b" -~", b"graph": b"!-~", b"cntrl": rb"\x00-\x1f\x7f",
}  # fmt: skip


def matches(text: bytes | None, pattern: bytes | None, *, ignore_case: bool) -> bool | None:
    """Whether a pattern is found in a text, as ``~=`` and ``~~`` ask; None where either is missing."""
    if text is None or pattern is None:
        return None
    # A NUL ends a C string.
    compiled = _regex(pattern.partition(b"\0")[0], ignore_case)
    return compiled is not None and compiled.search(text.partition(b"\0")[0]) is not None


def _regex(pattern: bytes, ignore_case: bool) -> re.Pattern[bytes] | None:
    """A POSIX extended expression (regcomp); None if it is none."""
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    try:
        return re.compile(_translated(pattern), flags | re.DOTALL)
    except re.error:
        return None


def _translated(pattern: bytes) -> bytes:
    """POSIX to Python: a backslash in brackets is itself, else it only quotes, ``$`` is the end."""
    result = bytearray()
    at = 0
    while at < len(pattern):
        sign = pattern[at : at + 1]
        if sign == b"[":
            piece, at = _bracket(pattern, at)
            result += piece
            continue
        if sign == b"\\" and at + 1 < len(pattern):
            result += re.escape(pattern[at + 1 : at + 2])
            at += 2
            continue
        result += rb"\Z" if sign == b"$" else sign
        at += 1
    return bytes(result)


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int]:
    result = bytearray(b"[")
    at += 1
    if pattern[at : at + 1] == b"^":
        result += b"^"
        at += 1
    first = True
    while at < len(pattern):
        sign = pattern[at : at + 1]
        if sign == b"]" and not first:
            return bytes(result + b"]"), at + 1
        end = pattern.find(b":]", at + 2) if pattern[at : at + 2] == b"[:" else -1
        if end >= 0:
            result += _CLASSES.get(pattern[at + 2 : end], b"")
            at = end + 2
        else:
            result += b"\\" + sign if sign in b"[]\\&~|" else sign
            at += 1
        first = False
    return bytes(result), at
