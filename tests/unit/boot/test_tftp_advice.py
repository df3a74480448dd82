"""Which transfers could have been faster, and by what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.tftp_advice import WORTH_ROUND_TRIPS, WORTH_TIMES, advice
from coexist.boot.tftp_transfer import Agreed, Limits, Step, Transfer, negotiate
from coexist.wire.tftp import Ack, ReadRequest, encode

LIMITS = Limits(blksize=1468, windowsize=64)
MIB = 1 << 20


def agreed(size: int, limits: Limits = LIMITS, **options: str) -> Agreed:
    found = negotiate(ReadRequest(filename="file", options=options), size, limits)
    assert isinstance(found, Agreed)
    return found


def round_trips(size: int, terms: Agreed) -> int:
    """How often the server sends in a transfer without losses, as its state machine does it."""
    transfer = Transfer(size, terms)
    step = transfer.begin()
    if step is Step.SEND_OPTIONS:
        step = transfer.receive(encode(Ack(block=0)))
    sends = 0
    while step is Step.SEND:
        sends += 1
        step = transfer.receive(encode(Ack(block=transfer.sent & 0xFFFF)))
    assert step is Step.FINISHED
    return sends


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {"blksize": 1468, "windowsize": 64}),
        ({"tsize": "0"}, {"blksize": 1468, "windowsize": 64}),
        ({"blksize": "1468"}, {"windowsize": 64}),
        ({"blksize": "1432"}, {"windowsize": 64}),
        ({"windowsize": "4"}, {"blksize": 1468}),
    ],
)
def test_a_client_is_told_what_it_did_not_ask_for(asked, told):
    terms = agreed(3 * MIB, **asked)
    found = advice(terms, 3 * MIB, LIMITS)
    assert found is not None
    assert found.options == told
    assert str(found) == " ".join(f"{name}={value}" for name, value in told.items())


@pytest.mark.parametrize(
    ("size", "asked"),
    [
        (3 * MIB, {"blksize": "1468", "windowsize": "4"}),
        (3 * MIB, {"blksize": "1468", "windowsize": "64"}),
        (60_000, {}),
        (0, {}),
    ],
)
def test_nothing_is_said_of_a_client_that_chose_or_of_a_small_file(size, asked):
    assert advice(agreed(size, **asked), size, LIMITS) is None


def test_a_server_without_windows_advises_none():
    limits = Limits(blksize=1468, windowsize=1)
    assert advice(agreed(8 * MIB, limits, blksize="1468"), 8 * MIB, limits) is None
    found = advice(agreed(8 * MIB, limits), 8 * MIB, limits)
    assert found is not None
    assert found.options == {"blksize": 1468}


@given(
    size=st.integers(0, 400_000),
    blksize=st.integers(8, 1468),
    windowsize=st.none() | st.integers(1, 8),
    limits=st.builds(Limits, blksize=st.integers(512, 1468), windowsize=st.integers(1, 64)),
)
def test_what_is_said_comes_true(size, blksize, windowsize, limits):
    """Both numbers are what the state machine does on the terms that are advised."""
    asked = {"blksize": str(blksize)} | ({} if windowsize is None else {"windowsize": str(windowsize)})
    terms = agreed(size, limits, **asked)
    found = advice(terms, size, limits)
    took = round_trips(size, terms)
    if found is None:
        return
    assert found.round_trips == took >= WORTH_ROUND_TRIPS
    better = agreed(size, limits, **asked | {name: str(value) for name, value in found.options.items()})
    assert found.could_be == round_trips(size, better)
    assert took >= WORTH_TIMES * found.could_be
