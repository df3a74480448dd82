from __future__ import annotations

import os
import threading
import time

import pytest

from coexist.server.loop import Loop


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.close()


def test_calls_come_in_the_order_of_their_times(loop):
    called: list[int] = []
    for at in (3, 1, 2):
        loop.call_at(float(at), lambda at=at: called.append(at))
    loop.call_at(2.5, lambda: called.append(99)).cancel()
    loop.call_at(4.0, loop.stop)
    loop.run()
    assert called == [1, 2, 3]


def test_other_threads_may_post(loop):
    called: list[str] = []
    thread = threading.Thread(target=lambda: (loop.post(lambda: called.append("posted")), loop.stop()))
    thread.start()
    loop.run()
    thread.join()
    assert called == ["posted"]


def test_sockets_get_their_turn_between_timers_that_are_always_due(loop):
    reading, writing = os.pipe()

    def readable() -> None:
        os.read(reading, 1)
        loop.stop()

    loop.register(reading, readable)
    loop.call_at(0.0, lambda: os.write(writing, b"x"))
    loop.every(0.0, lambda: None)
    loop.run()
    loop.unregister(reading)
    os.close(reading)
    os.close(writing)


def test_one_trouble_is_not_everyones():
    seen: list[str] = []
    loop = Loop(lambda: seen.append("defect"))
    loop.call_at(1.0, lambda: 1 // 0)
    loop.call_at(2.0, loop.stop)
    loop.run()
    loop.close()
    assert seen == ["defect"]


def test_what_is_posted_behind_a_trouble_is_called_all_the_same():
    troubles: list[int] = []
    loop = Loop(lambda: troubles.append(1))
    loop.post(lambda: 1 // 0)
    loop.stop()
    loop.run()
    assert troubles == [1]
    loop.close()


def test_without_anyone_to_tell_it_ends(loop):
    loop.call_at(1.0, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        loop.run()


def test_what_comes_during_a_pause_is_read_behind_it_and_others_go_on(loop):
    called: list[tuple[str, float]] = []
    pipes = {name: os.pipe() for name in ("paused", "other")}

    def readable(name: str) -> None:
        os.read(pipes[name][0], 1)
        called.append((name, time.monotonic()))
        if name == "paused":
            loop.stop()

    for name, (reading, writing) in pipes.items():
        loop.register(reading, lambda name=name: readable(name))
        os.write(writing, b"x")
    until = time.monotonic() + 0.05
    loop.pause(pipes["paused"][0], until)
    loop.run()
    assert [name for name, _ in called] == ["other", "paused"]
    assert called[1][1] >= until
    for reading, writing in pipes.values():
        loop.unregister(reading)
        os.close(reading)
        os.close(writing)


def test_a_descriptor_may_go_while_it_is_paused(loop):
    reading, writing = os.pipe()
    loop.register(reading, lambda: pytest.fail("nobody reads this any more"))
    os.write(writing, b"x")
    loop.pause(reading, 0.0)
    loop.unregister(reading)
    loop.call_at(0.0, loop.stop)
    loop.run()
    os.close(reading)
    os.close(writing)


def test_what_comes_for_what_is_not_watched_is_heard_of_behind_it(loop):
    reading, writing = os.pipe()
    called: list[str] = []

    def readable() -> None:
        os.read(reading, 1)
        called.append("read")
        if len(called) == 1:
            with loop.unwatched(reading):
                with pytest.raises(FileNotFoundError):
                    loop._epoll.modify(reading, 0)
                os.write(writing, b"x")
        else:
            loop.stop()

    loop.register(reading, readable)
    os.write(writing, b"x")
    loop.run()
    assert called == ["read", "read"]
    loop.unregister(reading)
    os.close(reading)
    os.close(writing)


def test_what_is_not_watched_may_be_closed_and_its_number_be_another_ones(loop):
    reading, writing = os.pipe()
    other, filling = os.pipe()
    called: list[str] = []

    def next_one() -> None:
        os.read(reading, 1)
        called.append("next")
        loop.stop()

    def readable() -> None:
        with loop.unwatched(reading):
            loop.unregister(reading)
            os.dup2(other, reading)
            loop.register(reading, next_one)
            os.write(filling, b"x")

    loop.register(reading, readable)
    os.write(writing, b"x")
    loop.run()
    assert called == ["next"]
    loop.unregister(reading)
    for fd in (reading, writing, other, filling):
        os.close(fd)


def test_timers_that_were_cancelled_do_not_pile_up(loop):
    called: list[int] = []
    loop.call_at(1.0, lambda: called.append(1))
    for _ in range(50_000):
        loop.call_at(1e9, lambda: called.append(2)).cancel()
    assert len(loop._timers) < 5_000
    loop.call_at(2.0, loop.stop)
    loop.run()
    assert called == [1]
