"""Answers that leave in one system call arrive as if each had left by itself."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coexist.server.counters import Counters
from coexist.server.segments import Ancillary, Target, Together
from tests.unit.server.conftest import PATIENCE

SO_NO_CHECK = 11  # linux/socket.h; a socket without checksums cannot be segmented
HERE = "127.0.0.1"
BY_ROUTE: Ancillary = []


class Exchange:
    """A sending socket, two receiving ones, and what was sent one by one."""

    def __init__(self) -> None:
        self.sending, *self.receiving = self.sockets = [
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)
        ]
        for sock in self.receiving:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            sock.settimeout(PATIENCE)
            sock.bind((HERE, 0))
        self.counters = Counters()
        self.singles: list[bytes] = []
        self.errors: list[int | None] = []
        self.together = Together(self.sending, self.single, self.counters)

    def single(self, octets: bytes, ancillary: Ancillary, target: Target) -> None:
        self.singles.append(octets)
        try:
            self.sending.sendmsg((octets,), ancillary, 0, target)
            self.counters.offers += 1
        except OSError as error:
            self.errors.append(error.errno)

    def send(self, answers: list[tuple[int, bytes]]) -> None:
        for number, octets in answers:
            self.together.add(octets, BY_ROUTE, self.receiving[number].getsockname())
        self.together.leave()

    def arrived(self, count: int, number: int = 0) -> list[bytes]:
        return [self.receiving[number].recv(65535) for _ in range(count)]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    for sock in made.sockets:
        sock.close()


def answers(count: int, length: int = 300) -> list[tuple[int, bytes]]:
    return [(0, number.to_bytes(4, "big").ljust(length, b".")) for number in range(count)]


LENGTHS = st.sampled_from((300, 301, 548, 1199, 1400))
ANSWERS = st.lists(st.tuples(st.sampled_from((0, 0, 0, 1)), LENGTHS, st.binary(min_size=4, max_size=4)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANSWERS)
def test_everyone_gets_what_is_theirs_in_order(exchange, drawn):
    sent = [(number, octets.ljust(length, b"\0")) for number, length, octets in drawn]
    before = exchange.counters.offers
    exchange.send(sent)
    for number in (0, 1):
        expected = [octets for to, octets in sent if to == number]
        assert exchange.arrived(len(expected), number) == expected
    assert exchange.counters.offers == before + len(sent)


def test_many_alike_leave_without_a_call_for_each(exchange):
    sent = answers(200)
    exchange.send(sent)
    assert exchange.arrived(200) == [octets for _, octets in sent]
    assert exchange.singles == []
    assert exchange.counters.offers == 200


def test_what_may_need_fragments_leaves_by_itself(exchange):
    sent = answers(3, length=1400)
    exchange.send(sent)
    assert exchange.arrived(3) == exchange.singles == [octets for _, octets in sent]


def test_a_kernel_that_cannot_cut_is_not_asked_again(exchange):
    exchange.sending.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    exchange.send(answers(3))
    assert not exchange.together.possible
    exchange.send(answers(3))
    assert exchange.arrived(6) == exchange.singles == [octets for _, octets in answers(3) * 2]
    assert exchange.counters.offers == 6


def test_an_error_is_told_of_each_and_ends_nothing(exchange):
    for octets in (b"1" * 300, b"2" * 300):
        exchange.together.add(octets, BY_ROUTE, ("255.255.255.255", 9))  # without SO_BROADCAST: EACCES
    exchange.together.leave()
    assert exchange.errors == [errno.EACCES, errno.EACCES]
    assert exchange.together.possible
    assert exchange.counters.offers == 0
    exchange.send(answers(2))
    assert exchange.arrived(2) == [octets for _, octets in answers(2)]
