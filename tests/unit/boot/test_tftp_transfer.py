"""The transfer state machine, against a client model over a line that loses, doubles and reorders."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.tftp_transfer import (
    DEFAULT_PATIENCE,
    MOST_ATTEMPTS,
    Agreed,
    Limits,
    Step,
    Transfer,
    negotiate,
)
from coexist.wire.tftp import Error, ErrorCode, OptionAck, ReadRequest, decode, encode


def ack(block: int) -> bytes:
    return struct.pack("!HH", 4, block & 0xFFFF)


def agreed(**options: str) -> Agreed:
    result = negotiate(ReadRequest(filename="a", options=options), 5000, Limits())
    assert isinstance(result, Agreed)
    return result


def test_without_options_the_first_block_comes_at_once():
    transfer = Transfer(700, Agreed())
    assert transfer.begin() is Step.SEND
    assert (transfer.first, transfer.count, transfer.last) == (1, 1, 2)
    assert transfer.receive(ack(1)) is Step.SEND
    assert (transfer.first, transfer.count) == (2, 1)
    assert transfer.receive(ack(2)) is Step.FINISHED


def test_a_file_of_whole_blocks_ends_with_an_empty_one():
    assert Transfer(1024, Agreed()).last == 3
    assert Transfer(0, Agreed()).last == 1


def test_options_are_acknowledged_first():
    transfer = Transfer(5000, agreed(blksize="1468", tsize="0", windowsize="4"))
    assert transfer.begin() is Step.SEND_OPTIONS
    assert decode(transfer.option_acknowledgement()) == OptionAck(
        options={"blksize": "1468", "tsize": "5000", "windowsize": "4"}
    )
    assert transfer.receive(ack(0)) is Step.SEND
    assert (transfer.first, transfer.count) == (1, 4)
    assert transfer.receive(ack(4)) is Step.FINISHED


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"blksize": "65464"}, {"blksize": "1468"}),
        ({"blksize": "7"}, {}),
        ({"blksize": "big"}, {}),
        ({"blksize": "-1"}, {}),
        ({"windowsize": "0"}, {}),
        ({"windowsize": "65535"}, {"windowsize": "64"}),
        ({"windowsize": "65536"}, {}),
        ({"timeout": "0"}, {}),
        ({"timeout": "256"}, {}),
        ({"timeout": "3"}, {"timeout": "3"}),
        ({"multicast": ""}, {}),
        ({"blksize": "٣٣"}, {}),
        ({"blksize": "9" * 400}, {}),
    ],
)
def test_senseless_options_are_left_out(options, expected):
    assert agreed(**options).options == expected


@pytest.mark.parametrize("mode", ["netascii", "mail", ""])
def test_only_octet_mode_is_served(mode):
    refused = negotiate(ReadRequest(filename="a", mode=mode), 10, Limits())
    assert isinstance(refused, Error)
    assert refused.code == ErrorCode.ILLEGAL_OPERATION


def test_a_duplicate_acknowledgement_is_not_answered():
    """The sorcerer's apprentice: RFC 1123 section 4.2.3.1."""
    transfer = Transfer(5000, Agreed())
    transfer.begin()
    assert transfer.receive(ack(1)) is Step.SEND
    assert transfer.receive(ack(1)) is Step.WAIT
    assert transfer.receive(ack(1)) is Step.WAIT
    assert transfer.receive(ack(2)) is Step.SEND


def test_a_gap_in_a_window_is_filled_from_where_it_begins():
    transfer = Transfer(100 * 512, Agreed(windowsize=8))
    transfer.begin()
    transfer.receive(ack(8))
    assert (transfer.first, transfer.count) == (9, 8)
    assert transfer.receive(ack(11)) is Step.SEND
    assert (transfer.first, transfer.count) == (12, 8)


def test_a_window_whose_first_block_was_lost_is_repeated_once():
    transfer = Transfer(100 * 512, Agreed(windowsize=4))
    transfer.begin()
    transfer.receive(ack(4))
    assert transfer.receive(ack(4)) is Step.SEND
    assert (transfer.first, transfer.count) == (5, 4)
    assert transfer.receive(ack(4)) is Step.WAIT


def test_old_and_future_acknowledgements_mean_nothing():
    transfer = Transfer(100 * 512, Agreed(windowsize=4))
    transfer.begin()
    transfer.receive(ack(4))
    assert transfer.receive(ack(2)) is Step.WAIT
    assert transfer.receive(ack(50)) is Step.WAIT


def test_silence_ends_a_transfer_after_some_attempts():
    transfer = Transfer(5000, agreed(blksize="1468"))
    steps = [transfer.begin()] + [transfer.expire() for _ in range(MOST_ATTEMPTS + 1)]
    assert steps == [Step.SEND_OPTIONS] * (MOST_ATTEMPTS + 1) + [Step.GIVEN_UP]


def test_patience_grows_unless_the_client_set_it():
    transfer = Transfer(5000, Agreed())
    transfer.begin()
    waits = [transfer.patience]
    for _ in range(4):
        transfer.expire()
        waits.append(transfer.patience)
    assert waits == [1, 2, 4, 8, 8]
    assert Transfer(5000, Agreed(timeout=3.0)).patience == 3.0


def test_progress_restores_patience():
    transfer = Transfer(5000, Agreed())
    transfer.begin()
    transfer.expire()
    transfer.receive(ack(1))
    assert transfer.patience == 1.0


def test_the_clients_error_ends_it():
    transfer = Transfer(5000, Agreed())
    transfer.begin()
    error = Error(code=3, message="no space")
    assert transfer.receive(encode(error)) is Step.REFUSED
    assert transfer.refusal == error


def test_block_numbers_roll_over_to_zero():
    transfer = Transfer(70_000 * 8, Agreed(blksize=8, windowsize=5))
    transfer.begin()
    while transfer.sent < transfer.last:
        assert transfer.receive(ack(transfer.sent)) is Step.SEND
    assert transfer.last == 70_001
    assert transfer.receive(ack(70_001)) is Step.FINISHED


@given(st.integers(1, 6), st.integers(3, 14_000), st.booleans())
def test_windows_passed_by_the_sender_are_as_if_acknowledged(window, windows, options):
    size = 90_000 * 8 - 1
    agreed = Agreed(blksize=8, windowsize=window, options={"blksize": "8"} if options else {})
    transfer, asked = Transfer(size, agreed), Transfer(size, agreed)
    for one in (transfer, asked):
        one.begin()
        one.receive(ack(0 if options else window))
        one.expire()
    acked = windows * window
    transfer.passed(acked)
    while asked.acked < acked:
        asked.receive(ack(asked.sent))
    assert (transfer.acked, transfer.sent) == (asked.acked, asked.sent)
    assert transfer.patience == asked.patience == DEFAULT_PATIENCE
    transfer.passed(acked - window)  # said late: nothing goes back
    for datagram in (ack(acked - 1), ack(transfer.sent)):
        assert transfer.receive(datagram) is asked.receive(datagram)
        assert (transfer.first, transfer.count, transfer.sent) == (asked.first, asked.count, asked.sent)
    assert transfer.expire() is asked.expire()


@given(st.binary(max_size=600), st.integers(1, 8), st.booleans())
def test_any_datagram_is_survived(octets, window, options):
    transfer = Transfer(5000, Agreed(windowsize=window, options={"tsize": "5000"} if options else {}))
    transfer.begin()
    before = transfer.acked
    step = transfer.receive(octets)
    assert step in Step
    assert transfer.acked >= before
    assert transfer.sent - transfer.acked <= window


class Client:
    """RFC 7440's: it acknowledges a full window, the last block and anything out of order."""

    def __init__(self, blksize: int, window: int) -> None:
        self.blksize = blksize
        self.window = window
        self.received: list[bytes] = []
        self.in_window = 0
        self.done = False

    def hear(self, block: int, piece: bytes) -> bytes | None:
        """Its answer to a DATA packet, if it has one."""
        if self.done or block & 0xFFFF != (len(self.received) + 1) & 0xFFFF:
            self.in_window = 0
            return ack(len(self.received))
        self.received.append(piece)
        self.in_window += 1
        self.done = len(piece) < self.blksize
        if not self.done and self.in_window < self.window:
            return None
        self.in_window = 0
        return ack(len(self.received))


class Line:
    """Both directions, losing and doubling; what the transfer sends is carried to the client."""

    def __init__(self, content: bytes, transfer: Transfer, client: Client, loss: float, seed: int) -> None:
        self.content = content
        self.transfer = transfer
        self.client = client
        self.loss = loss
        self.chance = random.Random(seed)
        self.answers: list[bytes] = []

    def carry(self, step: Step) -> None:
        if step is Step.SEND_OPTIONS:
            self.keep(ack(0))
        if step is Step.SEND:
            first = self.transfer.first
            for block in range(first, first + self.transfer.count):
                if self.chance.random() >= self.loss:
                    size = self.client.blksize
                    self.keep(self.client.hear(block, self.content[(block - 1) * size : block * size]))

    def keep(self, answer: bytes | None) -> None:
        copies = 2 if self.chance.random() < self.loss else 0 if self.chance.random() < self.loss else 1
        self.answers += [answer] * copies if answer is not None else []

    def run(self) -> Step:
        step = self.transfer.begin()
        while step not in (Step.FINISHED, Step.GIVEN_UP):
            self.carry(step)
            step = self.transfer.receive(self.answers.pop(0)) if self.answers else self.transfer.expire()
        return step


@given(
    size=st.integers(0, 40_000),
    blksize=st.integers(8, 600),
    window=st.integers(1, 12),
    options=st.booleans(),
    seed=st.integers(0, 1 << 32),
    loss=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_a_client_gets_the_whole_file_over_a_bad_line(size, blksize, window, options, seed, loss):
    content = random.Random(seed).randbytes(size)
    terms = Agreed(blksize=blksize, windowsize=window, options={"x": "y"} if options else {})
    client = Client(blksize, window)
    end = Line(content, Transfer(size, terms), client, loss, seed).run()
    received = b"".join(client.received)
    assert content.startswith(received)
    # Given up only where the line lost everything for long.
    assert end is Step.FINISHED or loss
    if end is Step.FINISHED:
        assert received == content
