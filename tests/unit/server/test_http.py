"""What HTTP sends is what was checked, and nobody's connections are in another's way."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from coexist.server import http as server_http
from coexist.server import http_line
from coexist.server.connections import MOST_PER_ADDRESS, Connections, Held
from tests.unit.server.conftest import PATIENCE, Running, config
from tests.unit.server.test_serving import fetch

OPEN = {"http": {"port": 0, "whitelist": False}, "services": ["proxydhcp", "tftp", "http"]}
LARGE = 32 << 20


def connect(running: Running, source: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    sock.settimeout(PATIENCE)
    sock.bind((source, 0))
    running.clients.append(sock)
    sock.connect(("127.0.0.1", running.server.services.http.port))
    return sock


def begin(running: Running, name: str) -> socket.socket:
    """A request for a large file whose first octets have come."""
    sock = connect(running)
    sock.sendall(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert sock.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
    return sock


def rest(sock: socket.socket) -> bytes:
    """All that still comes; a reset is an end like any other."""
    pieces = []
    try:
        while piece := sock.recv(1 << 20):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def request(running: Running, text: str, source: str = "127.0.0.1") -> http.client.HTTPResponse:
    sock = connect(running, source)
    sock.sendall(text.encode("latin-1"))
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response


@pytest.fixture
def running(start: Any, tmp_path: Any) -> Running:
    (tmp_path / "root" / "file").write_bytes(b"boot" * 1000)
    with (tmp_path / "root" / "large").open("wb") as file:
        file.write(b"old!" * (LARGE // 4))
    return start(config(**OPEN))


def test_a_file_written_to_is_broken_off(running, tmp_path):
    sock = begin(running, "large")
    with (tmp_path / "root" / "large").open("r+b") as file:
        file.write(b"new!" * (LARGE // 4))
    got = rest(sock)
    assert len(got) < LARGE
    assert b"new!" not in got
    running.said.wait_for("http changed file=/large")


def test_a_truncated_file_is_broken_off(running, tmp_path):
    sock = begin(running, "large")
    os.truncate(tmp_path / "root" / "large", 10)
    assert len(rest(sock)) < LARGE
    running.said.wait_for("http changed file=/large")


def test_a_file_that_is_replaced_is_sent_as_it_was_checked(running, tmp_path):
    (tmp_path / "secret").write_bytes(b"new!" * (LARGE // 4))
    sock = begin(running, "large")
    (tmp_path / "root" / "large").unlink()
    (tmp_path / "root" / "large").symlink_to(tmp_path / "secret")
    got = b""
    while b"\r\n\r\n" not in got:
        got += sock.recv(100)
    body = got.partition(b"\r\n\r\n")[2]
    while len(body) < LARGE:
        body += sock.recv(1 << 20)
    assert body == b"old!" * (LARGE // 4)


def test_a_compressed_file_beside_it_is_another_file(running, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "file.gz").symlink_to(tmp_path / "secret")
    response = request(running, "GET /file HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
    assert response.read() == b"boot" * 1000


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("HELP\r\n\r\n", 400),
        ("GET /" + "a" * 20_000 + " HTTP/1.1\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\n" + "a: b\r\n" * 200 + "\r\n", 431),
        ("POST /file HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 405),
        ("HEAD /file HTTP/1.1\r\n\r\n", 200),
        ("GET /file HTTP/1.1\r\nRange: bytes=9999-\r\n\r\n", 416),
        ("GET /file HTTP/1.1\r\nIf-None-Match: *\r\n\r\n", 304),
        ('GET /file HTTP/1.1\r\nIf-Match: "x"\r\n\r\n', 412),
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
    ],
)
def test_each_request_has_its_status_and_no_trace_in_the_log(running, text, status):
    response = request(running, text)
    assert response.status == status
    running.said.wait_for(f"http {status}")
    assert "Traceback" not in running.said.getvalue()


def test_a_connection_is_used_again(running):
    sock = connect(running)
    for _ in range(3):
        sock.sendall(b"GET /file HTTP/1.1\r\n\r\n")
        response = http.client.HTTPResponse(sock)
        response.begin()
        assert response.read() == b"boot" * 1000


def test_the_same_words_get_the_file_as_it_is_now(running, tmp_path):
    sock = connect(running)

    def ask() -> tuple[str, str, bytes]:
        sock.sendall(b"GET /file HTTP/1.1\r\n\r\n")
        response = http.client.HTTPResponse(sock)
        response.begin()
        return response.headers["ETag"], response.headers["Content-Length"], response.read()

    before = ask()
    assert ask() == before
    assert before[1:] == ("4000", b"boot" * 1000)
    (tmp_path / "root" / "file").write_bytes(b"menu" * 500)
    assert ask()[1:] == ("2000", b"menu" * 500)
    state = (tmp_path / "root" / "file").stat()
    (tmp_path / "root" / "file").write_bytes(b"last" * 500)
    os.utime(tmp_path / "root" / "file", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    tags = {before[0], *(ask()[0] for _ in range(2))}
    assert len(tags) == 2
    assert ask()[2] == b"last" * 500


def test_the_same_words_ask_for_each_file_by_its_own_state(running, tmp_path):
    tag = request(running, "HEAD /file HTTP/1.1\r\n\r\n").headers["ETag"]
    words = f"GET /file HTTP/1.1\r\nIf-None-Match: {tag}\r\n\r\n"
    assert [request(running, words).status for _ in range(2)] == [304, 304]
    (tmp_path / "root" / "file").write_bytes(b"menu" * 7)
    changed = request(running, words)
    assert (changed.status, changed.read()) == (200, b"menu" * 7)


def test_requests_that_came_at_once_do_not_keep_others_waiting(running):
    held = threading.Event()
    service = running.server.services.http
    service._loop.call_soon_threadsafe(held.wait, PATIENCE)
    many = connect(running)
    many.sendall(b"GET /file HTTP/1.1\r\n\r\n" * 50)
    other = connect(running, "127.0.0.2")
    other.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    held.set()
    assert other.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
    got = b""
    while got.count(b"boot") < 50 * 1000 and (piece := many.recv(1 << 16)):
        got += piece
    with running.said.changed:
        assert running.said.changed.wait_for(lambda: running.said.getvalue().count("/file ") == 50, PATIENCE)
    running.said.wait_for("file=/large")
    before, _, _ = running.said.getvalue().partition("file=/large")
    assert before.count("file=/file") < 5


def test_who_may_not_boot_is_told_before_the_body(start, tmp_path):
    running = start(config(http={"port": 0}, services=["tftp", "http"]))
    response = request(running, "GET /file HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")
    assert response.status == 403


def test_idle_connections_of_one_address_are_its_own_trouble(running):
    held = []
    for _ in range(4 * MOST_PER_ADDRESS):
        with suppress(ConnectionResetError):
            held.append(connect(running))
    response = request(running, "GET /file HTTP/1.1\r\n\r\n", source="127.0.0.2")
    assert response.read() == b"boot" * 1000
    assert fetch(running, "file")[0] == b"boot" * 1000
    assert all(rest(sock) == b"" for sock in held[MOST_PER_ADDRESS:])
    assert running.server.services.http.connections.refused["address"] == 3 * MOST_PER_ADDRESS
    assert len(running.server.services.http.connections.held) <= MOST_PER_ADDRESS + 1


@pytest.mark.parametrize("begun", [b"", b"GET /file HTTP/1.1\r\nA: b"])
def test_a_request_that_never_comes_ends_the_connection(running, monkeypatch, begun):
    monkeypatch.setattr(server_http, "HEAD_SECONDS", 0.1)
    sock = connect(running)
    sock.sendall(begun)
    assert rest(sock) == b""


def test_a_client_that_takes_nothing_is_given_up(running, monkeypatch):
    monkeypatch.setattr(http_line, "STALL_SECONDS", 0.1)
    sock = begin(running, "large")
    while running.server.services.http.connections.held:
        os.sched_yield()
    assert len(rest(sock)) < LARGE


def test_the_one_that_waits_longest_makes_room():
    dropped: list[str] = []
    connections = Connections(most=2, most_per_address=2)
    first, second = (Held(name, partial(dropped.append, name)) for name in ("a", "b"))
    for held in (first, second):
        assert connections.admits(held.address)
        connections.add(held)
    connections.busy(first)
    assert connections.admits("c")
    assert dropped == ["b"]
    connections.add(third := Held("c", dropped.clear))
    connections.busy(third)
    assert not connections.admits("d")
    connections.remove(third)
    connections.remove(third)
    assert connections.held == {first}
