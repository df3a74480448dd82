"""A server that answers without end, or too slowly, is one failed server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import paramiko
import pytest

from coexist.rollout import ssh_connection
from coexist.rollout.ssh_connection import SshConnection
from coexist.rollout.transport import ConnectionLostError

Behave = Callable[[paramiko.Channel, threading.Event], None]


class Sick(paramiko.ServerInterface):
    """Lets anybody in, and does what it is told to for every command."""

    def __init__(self, behave: Behave, stop: threading.Event) -> None:
        self.behave = behave
        self.stop = stop

    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel,), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel) -> None:
        with contextlib.suppress(OSError, EOFError):
            self.behave(channel, self.stop)


@pytest.fixture
def connect() -> Iterator[Callable[[Behave], SshConnection]]:
    stop = threading.Event()
    opened: list[paramiko.Transport] = []
    sockets: list[socket.socket] = []

    def open_(behave: Behave) -> SshConnection:
        here, there = socket.socketpair()
        sockets.extend((here, there))
        server = paramiko.Transport(there)
        server.add_server_key(paramiko.ECDSAKey.generate())
        server.start_server(threading.Event(), Sick(behave, stop))
        opened.append(server)
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        way = paramiko.Transport(here)
        way.start_client(timeout=20)
        way.auth_none("x")
        client._transport = way  # type: ignore[attr-defined]
        opened.append(way)
        return SshConnection("sick", client)

    yield open_
    stop.set()
    for each in opened:
        each.close()
        each.join(20)
    for sock in sockets:
        sock.close()


def endless(channel: paramiko.Channel, stop: threading.Event) -> None:
    while not stop.is_set():
        channel.sendall(b"x" * 60_000)


def drip(channel: paramiko.Channel, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        channel.sendall(b"x")


@pytest.mark.parametrize("behave", [endless, drip])
def test_an_answer_without_end_ends(connect, monkeypatch, behave):
    monkeypatch.setattr(ssh_connection, "TOTAL_SECONDS", 0.5)
    monkeypatch.setattr(ssh_connection, "MOST_ANSWER", 1 << 20)
    connection = connect(behave)
    with pytest.raises(ConnectionLostError, match="sick: "):
        connection.run("cat", seconds=0.2)
    with pytest.raises(ConnectionLostError, match="sick: "):
        connection.hold("cat")


def test_a_server_that_takes_nothing_is_given_up(connect, monkeypatch):
    monkeypatch.setattr(ssh_connection, "TOTAL_SECONDS", 0.5)
    connection = connect(lambda _, stop: stop.wait())
    with pytest.raises(ConnectionLostError, match="sick: "):
        connection.run("cat", stdin=b"x" * (8 << 20), seconds=0.2)
