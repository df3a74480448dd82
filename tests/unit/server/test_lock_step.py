"""Transfers in lock step share ports of the server: each gets its own blocks, and none disturbs another."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coexist.server.mmsg import MOST, NOWHERE
from coexist.server.tftp_lock_step import LARGEST_BLKSIZE, MOST_BEGUN, LockStep
from coexist.wire.tftp import Ack, Data, Error, ErrorCode, OptionAck, ReadRequest
from coexist.wire.tftp import decode as decode_tftp
from coexist.wire.tftp import encode as encode_tftp
from tests.unit.server.conftest import PATIENCE, Running, config, queued
from tests.unit.server.test_serving import fetch

SIZE = 150_000  # more blocks of 512 than stand ready at a time


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
def running(start: Any, tmp_path: Any, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Running:
    for patience in (
        "DEFAULT_PATIENCE",
        "LONGEST_PATIENCE",
    ):  # nothing is repeated while a test takes its time
        monkeypatch.setattr(f"coexist.boot.tftp_transfer.{patience}", 10 * PATIENCE)
    (tmp_path / "root" / "file").write_bytes(content)
    made: Running = start(config(tftp={"root": "root", "whitelist": False, "largest_blksize": 4000}))
    assert fetch(made, "file")[0] == content  # from now on this address is known to answer
    return made


class Client:
    """A client on one port, which may begin again and again."""

    def __init__(self, running: Running, address: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(PATIENCE)
        self.sock.bind((address, 0))
        running.clients.append(self.sock)
        self.server = ("127.0.0.1", running.port(69))
        self.peer = self.server
        self.received = b""

    def ask(self, **options: str) -> None:
        self.received = b""
        self.sock.sendto(encode_tftp(ReadRequest(filename="file", options=options)), self.server)

    def begin(self, **options: str) -> int:
        """Ask for the file; the server's port. With options an OACK comes, else the first block."""
        self.ask(**options)
        self.take()
        return self.peer[1]

    def take(self) -> Data | OptionAck | Error:
        octets, self.peer = self.sock.recvfrom(5000)
        message = decode_tftp(octets)
        assert isinstance(message, Data | OptionAck | Error)
        if isinstance(message, Data):
            assert message.block == len(self.received) // 512 + 1
            self.received += message.payload
        return message

    def acknowledge(self, block: int) -> None:
        self.sock.sendto(encode_tftp(Ack(block=block)), self.peer)


def service(running: Running) -> Any:
    return next(iter(running.server.services.tftp.values()))


def ports(running: Running) -> set[Any]:
    return {each.port for each in service(running).running.values() if isinstance(each, LockStep)}


class Hold:
    """The loop stands still meanwhile, so that what is sent gathers."""

    def __init__(self, running: Running) -> None:
        self.loop = running.server.loop
        self.held, self.go_on = threading.Event(), threading.Event()

    def _wait(self) -> None:
        self.held.set()
        self.go_on.wait(PATIENCE)

    def __enter__(self) -> None:
        self.loop.post(self._wait)
        assert self.held.wait(PATIENCE)

    def __exit__(self, *_: object) -> None:
        self.go_on.set()


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        os.sched_yield()


def arrived(sock: socket.socket, sends: Callable[[], object]) -> None:
    """Send, and wait until it stands in the queue of ``sock``."""
    before = queued(sock)
    sends()
    until(lambda: queued(sock) > before)


def test_a_crowd_is_answered_at_once_each_with_its_own_blocks(running, content):
    serving = service(running)
    filled: list[int] = []
    answer = serving.mailbox.answer

    def noting(places: list[bytes]) -> None:
        filled.append(len(places) - places.count(NOWHERE))
        answer(places)

    serving.mailbox.answer = noting
    crowd = [Client(running) for _ in range(40)]
    assert len({client.begin() for client in crowd}) == 1
    (port,) = ports(running)
    for last, client in enumerate(crowd, start=1):  # each at a place of its own
        for block in range(1, last + 1):
            client.acknowledge(block)
            client.take()
    with Hold(running):
        for last, client in enumerate(crowd, start=2):
            arrived(port.sock, partial(client.acknowledge, last))
        filled.clear()
    for last, client in enumerate(crowd, start=2):
        client.take()
        assert client.received == content[: 512 * (last + 1)]
    assert filled == [40]
    assert not running.server.counters.send_errors


def test_who_calls_for_nothing_gets_nothing_beside_those_who_do(running, content):
    """Each block once (RFC 1123 section 4.2.3.1), and none before the one ahead of it was acknowledged."""
    twice, ahead, late, going = crowd = [Client(running) for _ in range(4)]
    for client in crowd:
        client.begin()
        client.acknowledge(1)
        client.take()
    (port,) = ports(running)
    with Hold(running):
        for client, block in ((twice, 2), (ahead, 3), (late, 1), (twice, 2), (going, 2), (ahead, 4)):
            arrived(port.sock, partial(client.acknowledge, block))
    for client in (twice, going):
        client.take()
    for client, block in ((twice, 3), (ahead, 2), (late, 2), (going, 3)):
        client.acknowledge(block)
        client.take()  # had it been sent anything else, that would come first
        assert client.received == content[: 512 * (block + 1)]


def test_a_port_is_read_on_without_the_loop_while_many_acks_come(running, content, monkeypatch):
    """More than one read brings stands there: the rest is read while nobody watches the port."""
    monkeypatch.setattr("coexist.server.tftp_lock_step._READS_OF_FEW", 0)
    crowd = [Client(running) for _ in range(MOST // 2 + 8)]
    for client in crowd:
        client.begin()
    (port,) = ports(running)
    with Hold(running):
        for _ in range(2):
            for client in crowd:
                arrived(port.sock, partial(client.acknowledge, 1))
    for client in crowd:
        client.take()
        client.acknowledge(2)
        client.take()  # watched again, and the second ACKs called for nothing
        assert client.received == content[: 3 * 512]
    with Hold(running):
        for number, client in enumerate((*crowd, *crowd)):
            octets = encode_tftp(Error(code=0, message=f"enough {number}"))
            arrived(port.sock, partial(client.sock.sendto, octets, client.peer))
    until(lambda: port.sock.fileno() == -1)
    assert running.server.counters.transfers["refused by the client"] == len(crowd)
    assert fetch(running, "file")[0] == content


def test_whole_files_side_by_side(running, content, monkeypatch):
    monkeypatch.setattr("coexist.server.tftp_lock_step.MOST_BEGUN", 64)
    crowd = [Client(running) for _ in range(70)]
    for client in crowd:
        client.begin()
    assert len(ports(running)) == 2
    for block in range(1, SIZE // 512 + 1):
        for client in crowd:
            client.acknowledge(block)
        for client in crowd:
            client.take()
    for client in crowd:
        assert client.received == content
        client.acknowledge(SIZE // 512 + 1)
    until(lambda: not running.server.counters.transfers_running)
    assert ports(running) == set()
    assert running.server.counters.transfers["finished"] == 71


def test_a_client_that_vanishes_costs_the_others_no_block(running):
    going, gone = [Client(running) for _ in range(5)], [Client(running) for _ in range(5)]
    for client in (*gone, *going):
        client.begin()
    (port,) = ports(running)
    with Hold(running):
        for client in (*gone, *going):
            arrived(port.sock, partial(client.acknowledge, 1))
        for client in gone:
            client.sock.close()
    for client in going:
        client.take()
    until(lambda: running.server.counters.transfers["vanished"] == 5)
    for client in going:
        client.acknowledge(2)
        client.take()
    assert running.server.counters.tftp_retransmits == 0


def test_one_that_begins_again_has_another_port(running):
    """What is late of the first transfer, a client on the same port, is none of the second one's."""
    others, client = Client(running), Client(running)
    shared = others.begin()
    assert client.begin() == shared
    client.acknowledge(1)
    client.take()
    late = client.peer
    assert client.begin() != shared
    now = client.peer
    client.peer = late
    client.acknowledge(1)
    message = client.take()
    assert isinstance(message, Error)
    assert (message.code, client.peer) == (ErrorCode.UNKNOWN_TRANSFER_ID, late)
    client.peer = now
    client.acknowledge(1)
    assert isinstance(client.take(), Data)


def test_who_has_no_transfer_there_is_told_and_disturbs_nobody(running):
    client, stranger = Client(running), Client(running)
    client.begin()
    stranger.peer = client.peer
    for octets in (encode_tftp(Error(code=0, message="no")), b"\0\4\0", b"", b"\0\3\0\1", bytes(2000)):
        stranger.sock.sendto(octets, client.peer)
    stranger.acknowledge(1)
    message = stranger.take()
    assert isinstance(message, Error)
    assert message.code == ErrorCode.UNKNOWN_TRANSFER_ID
    client.acknowledge(1)
    assert isinstance(client.take(), Data)
    assert running.server.counters.transfers["unknown"] == 1


def test_a_port_is_for_so_many_and_closed_behind_the_last(running, monkeypatch):
    monkeypatch.setattr("coexist.server.tftp_lock_step.MOST_BEGUN", 20)
    client = Client(running)
    client.begin()
    (first,) = ports(running)
    for _ in range(20 - 1):
        assert len(fetch(running, "file", blksize="1468")[0]) == SIZE
    assert ports(running) == {first}
    other = Client(running)
    assert other.begin() != client.peer[1]
    client.sock.sendto(encode_tftp(Error(code=0, message="enough")), client.peer)
    until(lambda: first not in ports(running))
    assert first.sock.fileno() == -1


def test_a_port_is_for_as_many_as_have_room_in_its_send_buffer(running, monkeypatch):
    """A block for each may wait there for the network card; one that has no room would be lost."""
    client = Client(running)
    client.begin()
    (port,) = ports(running)
    room = port.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert port.most == min(MOST_BEGUN, room // 2560)
    client.sock.sendto(encode_tftp(Error(code=0, message="enough")), client.peer)
    until(lambda: port.sock.fileno() == -1)
    # One that may not exceed net.core.wmem_max, and larger blocks.
    monkeypatch.setattr("coexist.server.sockets._SO_SNDBUFFORCE", 0x7FFF)
    monkeypatch.setattr("coexist.server.tftp_lock_step._BLOCK_COSTS", 1 << 20)
    first = Client(running).begin()
    (port,) = ports(running)
    room = port.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert port.most == min(MOST_BEGUN, max(1, room >> 20))
    assert {Client(running).begin() for _ in range(port.most - 1)} <= {first}
    assert Client(running).begin() != first


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("127.0.0.2", {}),  # it has not answered yet: its port is a secret that its first ACK proves
        ("127.0.0.1", {"windowsize": "2"}),
        ("127.0.0.1", {"blksize": str(LARGEST_BLKSIZE + 1)}),
    ],
)
def test_who_has_a_port_of_its_own(running, address, options):
    shared = Client(running).begin()
    assert Client(running, address).begin(**options) != shared
    assert len(ports(running)) == 1


def test_acks_on_a_shared_port_prove_nothing(running):
    """Whoever has a transfer there knows the port, and may write another's address on ACKs."""
    client = Client(running)
    client.begin()
    serving = service(running)
    serving.unproven._proven.clear()
    client.acknowledge(1)
    client.take()
    assert not serving.unproven._proven
