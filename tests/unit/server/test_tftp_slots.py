"""Who holds slots of TFTP without taking anything loses them; who was never heard is not sent much."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

import pytest

from coexist.server.tftp import MOST_PER_ADDRESS, MOST_UNPROVEN_REPEATS
from coexist.wire.tftp import Ack, Data, OptionAck, ReadRequest
from coexist.wire.tftp import decode as decode_tftp
from coexist.wire.tftp import encode as encode_tftp
from tests.unit.server.conftest import PATIENCE, Running, config
from tests.unit.server.test_serving import fetch


@pytest.fixture
def running(start: Any, tmp_path: Any) -> Running:
    (tmp_path / "root" / "file").write_bytes(b"boot" * 1000)
    return start(config())


def client(running: Running, address: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    sock.bind((address, 0))
    running.clients.append(sock)
    return sock


def ask(running: Running, sock: socket.socket, **options: str) -> None:
    request = ReadRequest(filename="file", options=options)
    sock.sendto(encode_tftp(request), ("127.0.0.1", running.port(69)))


def service(running: Running) -> Any:
    return next(iter(running.server.services.tftp.values()))


def test_unanswered_transfers_make_room(running):
    service(running).most = 20
    for number in range(40):
        sock = client(running, f"127.0.1.{number + 1}")
        ask(running, sock, blksize="1468")
        assert isinstance(decode_tftp(sock.recv(600)), OptionAck)
    assert running.server.counters.transfers_running == 20
    assert running.server.counters.transfers["given up for others"] == 20
    assert fetch(running, "file", blksize="1468")[0] == b"boot" * 1000


def test_transfers_that_go_on_are_not_given_up_for_others(running):
    service(running).most = 4
    going = []
    for number in range(4):
        sock = client(running, f"127.0.1.{number + 1}")
        ask(running, sock)
        _, peer = sock.recvfrom(600)
        sock.sendto(encode_tftp(Ack(block=1)), peer)
        assert isinstance(decode_tftp(sock.recv(600)), Data)
        going.append((sock, peer))
    ask(running, client(running, "127.0.1.99"))
    while not running.server.counters.transfers["too many"]:
        os.sched_yield()
    for sock, peer in going:
        sock.sendto(encode_tftp(Ack(block=2)), peer)
        message = decode_tftp(sock.recv(600))
        assert isinstance(message, Data)
        assert message.block == 3


def test_one_address_does_not_take_all_slots(running):
    service(running).most = 2 * MOST_PER_ADDRESS
    for _ in range(MOST_PER_ADDRESS + 10):
        sock = client(running)
        ask(running, sock, blksize="1468")
    while running.server.counters.transfers["too many"] < 10:
        os.sched_yield()
    assert running.server.counters.transfers_running == MOST_PER_ADDRESS
    sock = client(running, "127.0.1.1")
    ask(running, sock, blksize="1468")
    assert isinstance(decode_tftp(sock.recv(600)), OptionAck)


def test_a_spoofed_address_is_sent_little(running):
    """Many short requests from one address that never answers, and all that comes to it."""
    request = encode_tftp(ReadRequest(filename="file"))
    victims = [client(running) for _ in range(2000)]
    for victim in victims:
        victim.sendto(request, ("127.0.0.1", running.port(69)))
    counters = running.server.counters
    while counters.transfers_running + counters.transfers["unanswered before"] < len(victims):
        os.sched_yield()
    received = 0
    for victim in victims:
        victim.setblocking(False)
        with suppress(BlockingIOError):
            received += len(victim.recv(600))
    assert received <= 4 * len(request) * len(victims)


def test_the_first_packet_is_repeated_twice_and_no_more(running, monkeypatch):
    monkeypatch.setattr("coexist.boot.tftp_transfer.DEFAULT_PATIENCE", 0.05)
    sock = client(running)
    ask(running, sock)
    running.said.wait_for("tftp given up")
    assert running.server.counters.tftp_blocks == 1
    assert running.server.counters.tftp_retransmits == MOST_UNPROVEN_REPEATS


def test_a_long_timeout_holds_no_slot(running, monkeypatch):
    monkeypatch.setattr("coexist.boot.tftp_transfer.LONGEST_PATIENCE", 0.05)
    sock = client(running)
    ask(running, sock, timeout="255")
    message = decode_tftp(sock.recv(600))
    assert isinstance(message, OptionAck)
    assert message.options["timeout"] == "255"
    running.said.wait_for("tftp given up")
