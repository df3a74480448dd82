from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coexist.server.unproven import ALLOWANCE, FACTOR, FORGIVEN, MOST_ADDRESSES, PROVEN_SECONDS, Unproven


@given(st.lists(st.tuples(st.integers(9, 60), st.integers(20, 516)), min_size=1, max_size=500))
def test_who_never_answers_is_sent_three_octets_for_each_and_an_allowance(exchanges):
    unproven = Unproven()
    received = sent = 0
    for request, answer in exchanges:
        received += request
        if unproven.asked("10.0.0.1", request, 0.0):
            unproven.sent("10.0.0.1", answer, 0.0)
            sent += answer
    assert sent <= FACTOR * received + ALLOWANCE + 516


def test_an_answer_settles_it_and_time_forgives():
    unproven = Unproven()
    unproven.sent("10.0.0.1", 2 * ALLOWANCE, 0.0)
    assert not unproven.asked("10.0.0.1", 20, 0.0)
    assert not unproven.may_repeat("10.0.0.1", 0.0)
    assert unproven.asked("10.0.0.2", 20, 0.0)
    assert unproven.asked("10.0.0.1", 20, ALLOWANCE / FORGIVEN + 1.0)
    unproven.sent("10.0.0.1", 2 * ALLOWANCE, 100.0)
    unproven.proved("10.0.0.1", 100.0)
    assert unproven.asked("10.0.0.1", 20, 100.0)


def test_who_answered_is_believed_for_a_while():
    unproven = Unproven()
    assert not unproven.believes("10.0.0.1", 0.0)
    unproven.proved("10.0.0.1", 0.0)
    unproven.proved("10.0.0.2", 60.0)
    assert unproven.believes("10.0.0.1", PROVEN_SECONDS - 1.0)
    assert not unproven.believes("10.0.0.1", PROVEN_SECONDS)
    assert unproven.believes("10.0.0.2", PROVEN_SECONDS)
    assert not unproven.believes("10.0.0.3", 60.0)


def test_the_table_is_bounded():
    unproven = Unproven()
    for number in range(2 * MOST_ADDRESSES):
        unproven.sent(str(number), 500, 0.0)
        unproven.proved(f"10.{number}", 0.0)
    assert len(unproven._owed) == MOST_ADDRESSES
    assert len(unproven._proven) == MOST_ADDRESSES
