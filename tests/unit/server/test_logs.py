from __future__ import annotations

import io
import json
import threading

from coexist.server.logs import LINES_PER_CLIENT, LINES_PER_SECOND, Log
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


def test_a_storm_of_many_clients_is_counted():
    stream = io.StringIO()
    log = Log("text", stream)
    for mac in range(2 * LINES_PER_SECOND):
        say(log, Client(mac, 0.0))
    log.every_second()
    say(log, Client(1, 0.0))
    found = lines(log, stream)
    assert len(found) == LINES_PER_SECOND + 2
    assert any(f"left out lines={LINES_PER_SECOND}" in line for line in found)


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
    for _ in range(30_000):
        log.event("x")
    assert log.dropped > 15_000
    stream.go.set()
    log.close()
