"""The head of an HTTP request and what it asks of one file: RFC 9112 (the octets), RFC 9110 (their meaning).

Only GET and HEAD without a body are served, so only they are understood; anything else is a ``BadRequest``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes, urlsplit

from coexist.records import dataclass

MOST_HEAD_OCTETS = 16_384
_MOST_FIELDS = 100
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. ``path`` is decoded, octets that are no UTF-8 as ``os.fsdecode`` has them; ``fields`` by
    their names in small letters."""

    method: str
    path: str
    minor: int = 1
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def stays(self) -> bool:
        """Whether the connection is to be used again (RFC 9112 section 9.3)."""
        words = {word.strip().lower() for word in self.fields.get("connection", "").split(",")}
        return "close" not in words and (self.minor == 1 or "keep-alive" in words)

    @property
    def has_body(self) -> bool:
        """Whether octets follow the head (RFC 9112 section 6.3)."""
        return "transfer-encoding" in self.fields or self.fields.get("content-length", "0").strip("0") != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRequest:
    """Why octets are no request that is served, and the status that says so."""

    status: int
    why: str


def decode_request(octets: bytes) -> Request | BadRequest:
    """A request's head, with or without the empty line behind it."""
    first, *lines = octets.strip(b"\r\n").split(b"\r\n")
    found = _LINE.fullmatch(first)
    if found is None:
        return BadRequest(status=400, why="this is no HTTP/1.1 request line")
    if len(lines) > _MOST_FIELDS:
        return BadRequest(status=431, why="there are too many header fields")
    fields: dict[str, str] = {}
    for line in lines:
        parts = _FIELD.fullmatch(line)
        if parts is None or any(octet < 32 and octet != 9 for octet in line):
            return BadRequest(status=400, why="a line is no header field")
        name, value = parts[1].decode("ascii").lower(), parts[2].decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    method = found[1].decode("ascii")
    if method not in ("GET", "HEAD"):
        return BadRequest(status=405, why="only GET and HEAD are served")
    try:
        path = _path(found[2].decode("ascii"))
    except ValueError:
        return BadRequest(status=400, why="the address is not readable")
    return Request(method=method, path=path, minor=int(found[3]), fields=fields)


def _path(target: str) -> str:
    """The path of a target in its origin or absolute form (RFC 9112 section 3.2). Raises ValueError."""
    path = target.partition("?")[0].partition("#")[0] if target.startswith("/") else urlsplit(target).path
    if not path.startswith("/"):
        raise ValueError(target)
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")


def is_current(request: Request, etag: str, modified: int) -> bool:
    """Whether the client has this state already (RFC 9110 section 13.1); times in seconds since the epoch."""
    known = request.fields.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or etag in _tags(known)
    since = _seconds(request.fields.get("if-modified-since"))
    return since is not None and modified <= since


def is_wanted(request: Request, etag: str, modified: int) -> bool:
    """Whether the client's preconditions hold: If-Match and If-Unmodified-Since."""
    wanted = request.fields.get("if-match")
    if wanted is not None:
        return wanted.strip() == "*" or etag in _tags(wanted)
    since = _seconds(request.fields.get("if-unmodified-since"))
    return since is None or modified <= since


def byte_range(request: Request, size: int, etag: str, modified: int) -> tuple[int, int] | BadRequest | None:
    """The first octet and the one behind the last that are asked for; None: all of them.

    Several ranges and other units may be ignored (RFC 9110 section 14.2), and are.
    """
    found = _RANGE.fullmatch(request.fields.get("range", ""))
    if found is None or found[1] == found[2] == "":
        return None
    condition = request.fields.get("if-range", "").strip()
    if condition and condition != etag and _seconds(condition) != modified:
        return None
    if found[1] == "":
        first, end = max(size - int(found[2]), 0), size
    else:
        first, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < first:
            return None
    if first >= end:
        return BadRequest(status=416, why="the file has no such octets")
    return first, end


def _tags(text: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in text.split(",")}


def _seconds(text: str | None) -> int | None:
    if not text or len(text) > 64:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
