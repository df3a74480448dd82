"""What a request asks and what its answer begins with. Many machines ask for the same file in the same words,
so both are worked out once: for the same octets, and for the same state of a file.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from coexist.records import dataclass
from coexist.server.files import FileContent
from coexist.wire.http import BadRequest, Request, byte_range, decode_request, is_current, is_wanted

_REMEMBERED = 1024
_LONGEST_REMEMBERED = 1024
"""Octets of a head; firmware's have some hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request, whether the connection is to stay, and whether octets follow the head."""

    request: Request
    stays: bool
    has_body: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, the octets of the file that are sent (from ``first`` up to ``end``), and the head, which has
    the date between ``head`` and ``fields``."""

    status: int
    first: int
    end: int
    head: bytes
    fields: bytes

    def begin(self) -> bytes:
        """The head as it is now."""
        return self.head + _date_line(int(time.time())) + self.fields


def heard(octets: bytes) -> Heard | BadRequest:
    """What a head's octets ask."""
    return _remembered(octets) if len(octets) <= _LONGEST_REMEMBERED else _heard(octets)


def _heard(octets: bytes) -> Heard | BadRequest:
    request = decode_request(octets)
    if isinstance(request, BadRequest):
        return request
    has_body = request.has_body
    return Heard(request=request, stays=request.stays and not has_body, has_body=has_body)


_remembered = lru_cache(maxsize=_REMEMBERED)(_heard)


def about_text(size: int, *, stays: bool) -> Answer:
    """The answer that sends a text made for one client."""
    fields = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(size)}
    return _answer(200, (0, size), fields, stays)


def about_file(request: Request, content: FileContent, *, stays: bool) -> Answer:
    """The answer that sends a file, or what of it is asked for, or says why not."""
    return _about_state(request, content.written, content.size, stays)


@lru_cache(maxsize=_REMEMBERED)
def _about_state(request: Request, written: int, size: int, stays: bool) -> Answer:
    """``written``: when the file was written to last, in nanoseconds since the epoch."""
    etag = f'"{written:x}-{size:x}"'
    modified = written // 1_000_000_000
    fields = {
        "Content-Type": "application/octet-stream",
        "ETag": etag,
        "Last-Modified": _date(modified),
        "Accept-Ranges": "bytes",
    }
    status, octets = 200, (0, size)
    asked = byte_range(request, size, etag, modified)
    if not is_wanted(request, etag, modified):
        status, octets = 412, (0, 0)
    elif is_current(request, etag, modified):
        return _answer(304, (0, 0), fields, stays)
    elif isinstance(asked, BadRequest):
        status, octets = asked.status, (0, 0)
        fields["Content-Range"] = f"bytes */{size}"
    elif asked is not None and request.method == "GET":
        status, octets = 206, asked
        fields["Content-Range"] = f"bytes {asked[0]}-{asked[1] - 1}/{size}"
    fields["Content-Length"] = str(octets[1] - octets[0])
    return _answer(status, octets, fields, stays)


def about_refusal(refusal: BadRequest, size: int, *, stays: bool) -> Answer:
    """The answer that sends why there is none."""
    fields = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(size)}
    if refusal.status == 405:
        fields["Allow"] = "GET, HEAD"
    return _answer(refusal.status, (0, size), fields, stays)


def about_nothing(status: int, *, stays: bool) -> Answer:
    """An answer that is a status alone."""
    return _answer(status, (0, 0), {}, stays)


def _answer(status: int, octets: tuple[int, int], fields: dict[str, str], stays: bool) -> Answer:
    lines = [*fields.items(), ("Connection", "keep-alive" if stays else "close")]
    return Answer(
        status=status,
        first=octets[0],
        end=octets[1],
        head=f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode("latin-1"),
        fields="".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1") + b"\r\n",
    )


@lru_cache(maxsize=4)
def _date_line(seconds: int) -> bytes:
    return f"Date: {_date(seconds)}\r\n".encode("latin-1")


def _date(seconds: int) -> str:
    """A time as HTTP writes it."""
    return formatdate(seconds, usegmt=True)
