"""Boot files over HTTP, from a server of this process on the loopback interface."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from coexist.probe.fetch import Fetched, NotFetched
from coexist.probe.fetch_http import fetch_http
from coexist.wire.tftp import ErrorCode

CONTENT = bytes(range(256)) * 600


class Files(BaseHTTPRequestHandler):
    """``/boot.efi`` is there, ``/secret.efi`` is forbidden, ``/moved.efi`` is elsewhere."""

    def do_GET(self) -> None:
        status = {"/boot.efi?v=1": 200, "/secret.efi": 403, "/moved.efi": 302}.get(self.path, 404)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/boot.efi?v=1")
        self.send_header("Content-Length", str(len(CONTENT) if status == 200 else 0))
        self.end_headers()
        if status == 200:
            self.wfile.write(CONTENT)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()
        thread.join()


def test_a_file_is_read_whole(server: str) -> None:
    found = fetch_http(f"{server}/boot.efi?v=1")
    assert found == Fetched(size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("lost.efi", ErrorCode.FILE_NOT_FOUND),
        ("secret.efi", ErrorCode.ACCESS_VIOLATION),
        ("moved.efi", None),
    ],
)
def test_what_cannot_be_had_says_why(server: str, file: str, code: int | None) -> None:
    found = fetch_http(f"{server}/{file}")
    assert isinstance(found, NotFetched)
    assert found.code == code


def test_a_file_that_is_too_large_is_given_up(server: str) -> None:
    assert isinstance(fetch_http(f"{server}/boot.efi?v=1", largest=1000), NotFetched)


def test_a_port_that_nobody_listens_on(server: str) -> None:
    assert isinstance(fetch_http("http://127.0.0.1:1/boot.efi"), NotFetched)
