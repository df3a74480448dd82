"""One line a decision, by a thread of its own: neither a slow terminal nor a flood may hold up an answer.

A client may cause ``LINES_PER_CLIENT`` lines a minute and all clients ``LINES_PER_SECOND`` a second; what
is left out is counted and said.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import deque
from typing import IO, Any, Literal

from coexist.server.seen import Client
from coexist.wire.architecture import architecture_name
from coexist.wire.mac import format_mac

LINES_PER_CLIENT = 12
LINES_PER_SECOND = 500
_WINDOW = 60.0
_MOST_WAITING = 10_000

Fields = dict[str, Any]


class Log:
    """Takes events from any thread and writes them in order. ``dropped`` counts what could not be kept."""

    def __init__(self, form: Literal["text", "json"] = "text", stream: IO[str] | None = None) -> None:
        self.form = form
        self.stream = stream if stream is not None else sys.stderr
        self.dropped = 0
        self._events: deque[tuple[float, Fields]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._journal = "JOURNAL_STREAM" in os.environ  # it has the time of each line itself
        self._budget = LINES_PER_SECOND
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def event(self, event: str, **fields: Any) -> None:
        """An event of the server itself: never left out."""
        self._put({"event": event, **fields})

    def full(self, client: Client | None, now: float) -> bool:
        """Whether a line about this client is to be left out; asked first, so that it is not even made."""
        if self._budget <= 0:
            self._left_out += 1
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
        self._budget -= 1
        if client is not None:
            client.lines += 1
            if client.lines == LINES_PER_CLIENT:
                fields["note"] = "further lines about this client are left out for a minute"
            if client.muted:
                fields["left_out"], client.muted = client.muted, 0
        self._put(fields)

    def every_second(self) -> None:
        """Renew the budget; called by the loop."""
        self._budget = LINES_PER_SECOND
        if self._left_out:
            self.event("left out", lines=self._left_out)
            self._left_out = 0

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
                lines.append(self._line(*self._events.popleft()))
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

    def _line(self, at: float, fields: Fields) -> str:
        if self.form == "json":
            return json.dumps({"time": round(at, 6), **_spelled(fields)}, separators=(",", ":")) + "\n"
        words = [] if self._journal else [time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))]
        words.append(str(fields.get("event", "")))
        words += [
            f"{name}={_quoted(value)}"
            for name, value in _spelled(fields).items()
            if name != "event" and value not in (None, "")
        ]
        return " ".join(words) + "\n"


def _spelled(fields: Fields) -> Fields:
    spelled = dict(fields)
    if isinstance(spelled.get("mac"), int):
        spelled["mac"] = format_mac(spelled["mac"])
    if isinstance(spelled.get("architecture"), int):
        spelled["architecture"] = architecture_name(spelled["architecture"])
    return spelled


def _quoted(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text) if not text.isprintable() or any(c in text for c in ' "=') else text
