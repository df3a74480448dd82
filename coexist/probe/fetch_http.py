"""Fetch a boot file over HTTP as a client would: RFC 9110, without following redirects, as EDK2 does not."""

from __future__ import annotations

import hashlib
import http.client
import time
from urllib.parse import urlsplit

from coexist.probe.fetch import PATIENCE, SLOWEST, Fetched, NotFetched
from coexist.wire.tftp import ErrorCode

_PIECE = 65_536
_AS_TFTP = {404: ErrorCode.FILE_NOT_FOUND, 410: ErrorCode.FILE_NOT_FOUND, 403: ErrorCode.ACCESS_VIOLATION}


def fetch_http(url: str, *, largest: int = 64 * 2**20) -> Fetched | NotFetched:
    """Read what an http:// URL names and forget it but for its digest.

    ``largest``: octets after which it is given up. Codes of `NotFetched` are TFTP's for the same.
    """
    place = urlsplit(url)
    try:
        connection = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=PATIENCE)
        connection.request("GET", place.path + (f"?{place.query}" if place.query else ""))
        answer = connection.getresponse()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return NotFetched(why=f"no answer: {error}")
    try:
        if answer.status != http.client.OK:
            return NotFetched(why=f"HTTP {answer.status} {answer.reason}", code=_AS_TFTP.get(answer.status))
        return _read(answer, largest)
    except (OSError, http.client.HTTPException) as error:
        return NotFetched(why=f"broken off: {error}")
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, largest: int) -> Fetched | NotFetched:
    digest, size, begun = hashlib.sha256(), 0, time.monotonic()
    while piece := answer.read(_PIECE):
        digest.update(piece)
        size += len(piece)
        if size > largest:
            return NotFetched(why=f"larger than {largest} octets")
        if time.monotonic() - begun > PATIENCE + size / SLOWEST:
            return NotFetched(why="it is too slow")
    return Fetched(size=size, sha256=digest.hexdigest())
