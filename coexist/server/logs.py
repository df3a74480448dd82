"""One line a decision, by a thread of its own: neither a slow terminal nor a flood may hold up an answer.

A client may cause ``LINES_PER_CLIENT`` lines a minute; all that the rules serve, and all strangers, each have
a budget of octets, and each kind of event ``EVENTS_PER_MINUTE``. Together that is less than a megabyte a
minute, whoever sends what. What is left out is counted and said. Whatever else writes to stderr (``adopted``)
comes by here too, in the same form.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal

from coexist.server.seen import Client
from coexist.wire.architecture import architecture_name
from coexist.wire.mac import format_mac

LINES_PER_CLIENT = 12
EVENTS_PER_MINUTE = 60
LONGEST_VALUE = 200
LONGEST_TRACE = 2_000
_WINDOW = 60.0
_ABOUT_A_LINE = 60
_TOLD_EVERY = 10
_MOST_WAITING = 10_000

Fields = dict[str, Any]


class _Budget:
    """Octets that may be written: what is saved up, and what comes each second."""

    __slots__ = ("each_second", "left", "left_out", "most")

    def __init__(self, most: int, each_second: int) -> None:
        self.most = self.left = most
        self.each_second = each_second
        self.left_out = 0

    def refill(self) -> None:
        self.left = min(self.left + self.each_second, self.most)


class Log:
    """Takes events from any thread and writes them in order. ``dropped`` counts what could not be kept."""

    def __init__(
        self, form: Literal["text", "json"] = "text", stream: IO[str] | None = None, *, workers: int = 1
    ) -> None:
        """``workers``: how many processes share what a server may write."""
        self.form = form
        self.stream = stream if stream is not None else sys.stderr
        self.dropped = 0
        self._events: deque[tuple[float, Fields]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._served = _Budget(480_000 // workers, 5_000 // workers)
        self._strangers = _Budget(60_000 // workers, 1_000 // workers)
        self._events_left: dict[str, int] = {}
        self._events_left_out = 0
        self._seconds = 0
        self._told = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def event(self, event: str, **fields: Any) -> None:
        """An event of the server itself; too many of one kind in a minute are left out."""
        left = self._events_left.get(event, EVENTS_PER_MINUTE)
        self._events_left[event] = left - 1
        if left <= 0:
            self._events_left_out += 1
            return
        self._put({"event": event, **fields})

    def full(self, client: Client | None, now: float) -> bool:
        """Whether a line about this client is to be left out; asked first, so that it is not even made."""
        # ``_budget_of`` written out: this is asked once for every packet.
        budget = self._served if client is not None and client.standing else self._strangers
        if budget.left <= 0:
            budget.left_out += 1
            return True
        if client is None:
            return False
        if now - client.lines_since >= _WINDOW:
            client.lines_since, client.lines = now, 0
        if client.lines >= LINES_PER_CLIENT:
            client.muted += 1
            return True
        return False

    def decision(self, client: Client | None, fields: Fields) -> None:
        """A decision on a client, if the log is not ``full`` for it."""
        self._budget_of(client).left -= _cost(fields)
        if client is not None:
            client.lines += 1
            if client.lines == LINES_PER_CLIENT:
                fields["note"] = "further lines about this client are left out for a minute"
            if client.muted:
                fields["left_out"], client.muted = client.muted, 0
        self._put(fields)

    def every_second(self) -> None:
        """Renew the budgets; called by the loop."""
        self._seconds += 1
        self._served.refill()
        self._strangers.refill()
        if self._seconds % _WINDOW == 0:
            self._events_left.clear()
        left_out = self._served.left_out + self._strangers.left_out + self._events_left_out
        if left_out and (self._seconds % _TOLD_EVERY == 0 or not self._told):
            self._told = True
            self._put({"event": "left out", "lines": left_out})
            self._served.left_out = self._strangers.left_out = self._events_left_out = 0
        elif not left_out:
            self._told = False

    def _budget_of(self, client: Client | None) -> _Budget:
        return self._served if client is not None and client.standing else self._strangers

    def close(self) -> None:
        """Write what waits, for at most a second."""
        self._closing = True
        self._wake.set()
        self._thread.join(1.0)

    def _put(self, fields: Fields) -> None:
        if len(self._events) >= _MOST_WAITING:
            self.dropped += 1
            return
        self._events.append((time.time(), fields))
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(1.0)
            self._wake.clear()
            lines: list[str] = []
            while self._events and len(lines) < 1000:
                lines.append(line_of(self.form, *self._events.popleft()))
            if lines:
                self._write(lines)
                self._wake.set()
                # Lines that come together are written together: each switch of threads costs the loop.
                if not self._closing:
                    time.sleep(0.05)
            elif self._closing:
                return

    def _write(self, lines: list[str]) -> None:
        try:
            self.stream.write("".join(lines))
            self.stream.flush()
        except (OSError, ValueError):
            self.dropped += len(lines)


def line_of(form: Literal["text", "json"], at: float, fields: Fields) -> str:
    """An event as a line. The journal has the time of each line itself."""
    if form == "json":
        return json.dumps({"time": round(at, 6), **_spelled(fields)}, separators=(",", ":")) + "\n"
    journal = "JOURNAL_STREAM" in os.environ
    words = [] if journal else [time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))]
    words.append(str(fields.get("event", "")))
    words += [
        f"{name}={_quoted(value)}"
        for name, value in _spelled(fields).items()
        if name != "event" and value not in (None, "")
    ]
    return " ".join(words) + "\n"


class AdoptedStream(io.TextIOBase):
    """What stands for stderr while a log is written to it: each line of others becomes an event."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._begun = ""

    def writable(self) -> bool:
        """It is written to."""
        return True

    def write(self, text: str) -> int:
        """Keep what is no whole line yet, up to a length."""
        *lines, begun = (self._begun + text).split("\n")
        self._begun = begun[:LONGEST_TRACE]
        for line in lines:
            if line.strip():
                self._log.event("said", text=line.rstrip())
        return len(text)


@contextmanager
def adopted(log: Log) -> Iterator[None]:
    """Have warnings, tracebacks of threads and whatever else goes to stderr written by the log."""
    before, sys.stderr = sys.stderr, AdoptedStream(log)
    try:
        yield
    finally:
        sys.stderr = before


def _cost(fields: Fields) -> int:
    """About how many octets the line of these fields has."""
    cost = _ABOUT_A_LINE
    for name, value in fields.items():
        cost += len(name) + 2
        if isinstance(value, str):
            cost += min(len(value), LONGEST_VALUE) * (1 if value.isprintable() else 6)
        elif value is not None:
            cost += 18
    return cost


def _cut(name: str, value: Any) -> Any:
    longest = LONGEST_TRACE if name == "trace" else LONGEST_VALUE
    if not isinstance(value, str) or len(value) <= longest:
        return value
    # The end of a trace says what happened, the beginning of everything else what it is.
    return "..." + value[-longest:] if name == "trace" else value[:longest] + "..."


def _spelled(fields: Fields) -> Fields:
    spelled = {name: _cut(name, value) for name, value in fields.items()}
    if isinstance(spelled.get("mac"), int):
        spelled["mac"] = format_mac(spelled["mac"])
    if isinstance(spelled.get("architecture"), int):
        spelled["architecture"] = architecture_name(spelled["architecture"])
    return spelled


def _quoted(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text) if not text.isprintable() or any(c in text for c in ' "=') else text
