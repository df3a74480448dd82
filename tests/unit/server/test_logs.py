from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import traceback

import pytest

from coexist.boot.policy import Standing
from coexist.server.logs import EVENTS_PER_MINUTE, LINES_PER_CLIENT, LONGEST_VALUE, Log, adopted
from coexist.server.seen import Client


def lines(log: Log, stream: io.StringIO) -> list[str]:
    log.close()
    return stream.getvalue().splitlines()


def say(log: Log, client: Client | None, now: float = 0.0) -> None:
    if not log.full(client, now):
        log.decision(client, {"event": "answered", "mac": 1, "why": "a = b"})


def test_text_and_json():
    stream = io.StringIO()
    log = Log("text", stream)
    say(log, None)
    assert lines(log, stream)[0].endswith('answered mac=00:00:00:00:00:01 why="a = b"')
    stream = io.StringIO()
    log = Log("json", stream)
    say(log, None)
    assert json.loads(lines(log, stream)[0])["why"] == "a = b"


def test_what_clients_write_cannot_forge_lines():
    stream = io.StringIO()
    log = Log("text", stream)
    log.event("tftp refused", file="a\nready server=x \x1b[2J")
    found = lines(log, stream)
    assert len(found) == 1
    assert "\x1b" not in found[0]


def test_a_client_causes_some_lines_a_minute():
    stream = io.StringIO()
    log = Log("text", stream)
    client = Client(1, 0.0)
    for _ in range(100):
        say(log, client, 1000.0)
    say(log, client, 1061.0)
    found = lines(log, stream)
    assert len(found) == LINES_PER_CLIENT + 1
    assert "left_out=88" in found[-1]


def registered(mac: int) -> Client:
    client = Client(mac, 0.0)
    client.standing = Standing.REGISTERED
    return client


def flood(log: Log, minutes: int = 1) -> None:
    """What strangers, clients of the rules and events may cause, all at once, each second."""
    for second in range(60 * minutes):
        for mac in range(300):
            say(log, Client(mac, 0.0), float(second))
            say(log, registered(mac), float(second))
            if not log.full(None, float(second)):
                log.decision(None, {"event": "tftp refused", "file": "\x01" * 2000, "address": "10.0.0.1"})
            log.event("asks to be registered", mac=mac)
            log.event("send failed", why="x" * 5000)
        log.every_second()
        while log._events:
            log._wake.set()
            os.sched_yield()


def test_a_storm_is_counted_and_stays_below_a_megabyte_a_minute():
    stream = io.StringIO()
    log = Log("json", stream)
    flood(log)
    found = lines(log, stream)
    assert len(stream.getvalue()) < 1_000_000
    left_out = [json.loads(line) for line in found if '"left out"' in line]
    assert sum(entry["lines"] for entry in left_out) + len(found) > 60 * 300 * 3


def test_strangers_do_not_take_the_lines_of_served_clients():
    stream = io.StringIO()
    log = Log("text", stream)
    for mac in range(10_000):
        say(log, Client(mac, 0.0))
    assert log.full(Client(1, 0.0), 0.0)
    assert log.full(None, 0.0)
    assert not log.full(registered(7), 0.0)
    log.close()


def test_an_event_that_comes_too_often_is_left_out():
    stream = io.StringIO()
    log = Log("text", stream)
    for _ in range(EVENTS_PER_MINUTE + 5):
        log.event("x")
    log.event("ready")
    log.every_second()
    found = lines(log, stream)
    assert len(found) == EVENTS_PER_MINUTE + 2
    assert "left out lines=5" in found[-1]


def test_a_value_is_cut():
    stream = io.StringIO()
    log = Log("text", stream)
    log.event("x", file="a" * 5000)
    assert len(lines(log, stream)[0]) < LONGEST_VALUE + 100


@pytest.mark.parametrize("form", ["text", "json"])
def test_whatever_writes_to_stderr_writes_in_the_logs_form(form):
    stream = io.StringIO()
    log = Log(form, stream)
    with adopted(log):
        assert logging.lastResort is not None
        logging.lastResort.handle(logging.makeLogRecord({"msg": "log\x1b[2Jged", "levelno": logging.ERROR}))
        try:
            raise ValueError("odd")
        except ValueError:
            traceback.print_exc()
        sys.stderr.write("unfinished")
        sys.stderr.write(" line\n\n")
    found = lines(log, stream)
    for word in ("2Jged", "ValueError: odd", "unfinished line"):
        assert any(word in line for line in found)
    for line in found:
        assert json.loads(line)["event"] == "said" if form == "json" else " said text=" in line
        assert "\x1b" not in line


def test_a_stream_that_does_not_take_lines_holds_nobody_up():
    class Stuck(io.StringIO):
        def __init__(self) -> None:
            super().__init__()
            self.go = threading.Event()

        def write(self, text: str) -> int:
            self.go.wait()
            raise OSError(28, "No space left on device")

    stream = Stuck()
    log = Log("text", stream)
    for number in range(30_000):
        log.event(f"x{number}")
    assert log.dropped > 15_000
    stream.go.set()
    log.close()
