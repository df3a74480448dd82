"""Answers that wait for their time: one for each client, and no more than there is room for."""

from __future__ import annotations

from coexist.boot.compiled import Area, Prepared
from coexist.records import dataclass
from coexist.server.counters import Counters
from coexist.server.endpoints import Endpoint
from coexist.server.loop import Timer
from coexist.server.seen import Client

MOST_WAITING = 20_000
MOST_WAITING_OCTETS = 16 << 20
"""Of the requests whose answers wait."""


@dataclass(slots=True)
class Waiting:
    """An answer that waits for its time."""

    xid: bytes
    due: float
    data: bytes
    source: tuple[str, int]
    endpoint: Endpoint
    prepared: tuple[Prepared, Area] | None
    timer: Timer | None = None


class AnswersWaiting:
    """Those of one port; all ports together have ``MOST_WAITING``."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._octets = 0

    def add(self, client: Client, waiting: Waiting) -> bool:
        """Have an answer wait; whether there is room. It takes the place of the client's older one."""
        if client.waiting is not None:
            client.waiting.timer.cancel()
            self.remove(client)
        if self._counters.waiting >= MOST_WAITING or self._octets + len(waiting.data) > MOST_WAITING_OCTETS:
            return False
        client.waiting = waiting
        self._counters.waiting += 1
        self._octets += len(waiting.data)
        return True

    def remove(self, client: Client) -> None:
        """The client's answer waits no more."""
        waiting = client.waiting
        client.waiting = waiting.timer = None
        self._counters.waiting -= 1
        self._octets -= len(waiting.data)
