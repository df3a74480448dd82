"""A TFTP server that says anything: the fetch ends, with a file or a reason."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import count

import pytest

from coexist.probe import fetch as fetching
from coexist.probe.fetch import Fetched, NotFetched, fetch
from coexist.wire.tftp import Ack, Data, Error, Message, OptionAck, ReadRequest, TftpMalformed, decode, encode

Answer = Callable[[Message], list[Message]]
HERE = IPv4Address("127.0.0.1")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], int]]:
    monkeypatch.setattr(fetching, "PATIENCE", 0.5)
    monkeypatch.setattr(fetching, "REPEAT_AFTER", 0.1)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((str(HERE), 0))
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def run(answer: Answer) -> None:
        sock.settimeout(0.05)
        while not stop.is_set():
            try:
                octets, peer = sock.recvfrom(2048)
            except TimeoutError:
                continue
            message = decode(octets)
            assert not isinstance(message, TftpMalformed)
            for each in answer(message):
                sock.sendto(encode(each), peer)

    def begin(answer: Answer) -> int:
        threads.append(threading.Thread(target=run, args=(answer,)))
        threads[-1].start()
        return int(sock.getsockname()[1])

    yield begin
    stop.set()
    for thread in threads:
        thread.join(20)
    sock.close()


def in_blocks(content: bytes, blksize: int, options: dict[str, str]) -> Answer:
    def answer(message: Message) -> list[Message]:
        if isinstance(message, ReadRequest) and options:
            return [OptionAck(options=options)]
        block = message.block if isinstance(message, Ack) else 0
        start = block * blksize
        return (
            [Data(block=block + 1, payload=content[start : start + blksize])] if start <= len(content) else []
        )

    return answer


@pytest.mark.parametrize(
    ("blksize", "options"),
    [
        (512, {}),
        (1428, {"blksize": "1428", "tsize": "5000"}),
        (600, {"blksize": "600"}),
        (512, {"tsize": "5000"}),
    ],
)
def test_a_file_is_fetched(serve, blksize, options):
    content = bytes(range(250)) * 20
    got = fetch(HERE, "x", port=serve(in_blocks(content, blksize, options)))
    assert got == Fetched(size=5000, sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "options",
    [
        {"blksize": "abc"},
        {"blksize": "-1"},
        {"blksize": "0"},
        {"blksize": "65464"},
        {"blksize": "9" * 30},
        {"blksize": "\u0662\u0660\u0660"},
        {"windowsize": "64"},
    ],
)
def test_an_oack_that_nobody_asked_for(serve, options):
    got = fetch(HERE, "x", port=serve(lambda _: [OptionAck(options=options)]))
    assert got == NotFetched(why="its OACK says what nobody asked for")


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: [Data(block=1, payload=bytes(512))],
        lambda _: [Data(block=7, payload=b"")],
        lambda _: [OptionAck(options={"blksize": "512"})],
        lambda _: [Ack(block=0)],
        lambda _: [ReadRequest(filename="x")],
        lambda _: [],
    ],
)
def test_a_server_that_does_not_go_on_is_given_up(serve, answer):
    assert isinstance(fetch(HERE, "x", port=serve(answer)), NotFetched)


def test_a_block_longer_than_agreed(serve):
    got = fetch(HERE, "x", port=serve(lambda _: [Data(block=1, payload=bytes(600))]))
    assert got == NotFetched(why="a block is longer than was agreed")


def test_a_file_without_end(serve):
    blocks = count(1)
    got = fetch(
        HERE,
        "x",
        port=serve(lambda _: [Data(block=next(blocks) % 65536, payload=bytes(512))]),
        largest=100_000,
    )
    assert isinstance(got, NotFetched)


def test_an_error_is_told(serve):
    got = fetch(HERE, "x", port=serve(lambda _: [Error(code=1, message="no")]))
    assert got == NotFetched(why="error 1: no", code=1)
