"""One thread, one epoll, one clock: everything the boot server does on the wire happens in here.

Times are seconds of ``time.monotonic``, which no administrator and no NTP can step.
"""

from __future__ import annotations

import heapq
import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from itertools import count

from coexist.records import dataclass

_MOST_EVENTS = 32
_LONGEST_SLEEP = 1.0
_MOST_IDLE = 1000


def _nobody() -> None:
    """The handler of a file descriptor nobody reads any more."""


@dataclass(slots=True, order=True)
class Timer:
    """A call at a time; ``cancel`` makes it not happen."""

    at: float
    number: int
    call: Callable[[], object] | None = field(compare=False)
    cancelled: Callable[[], object] = field(compare=False, default=_nobody)

    def cancel(self) -> None:
        """Take the call back."""
        if self.call is not None:
            self.call = None
            self.cancelled()


class Loop:
    """Calls back for readable file descriptors and at times. Only ``post`` may be called by other threads."""

    def __init__(self, defect: Callable[[], object] | None = None) -> None:
        """``defect`` is called for an exception that nobody foresaw; without it that ends ``run``."""
        self._defect = defect
        self.handlers: dict[int, Callable[[], object]] = {}
        self.running = False
        self._epoll = select.epoll()
        self._timers: list[Timer] = []
        self._idle_timers = 0
        self._numbers = count()
        self._posted: deque[Callable[[], object]] = deque()
        self._unwatched = -1
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.register(self._bell, self._answer_bell)

    def register(self, fd: int, handler: Callable[[], object], *, arrivals: bool = False) -> None:
        """Call ``handler`` whenever ``fd`` is readable; with ``arrivals`` only when something new has come
        (EPOLLET, epoll(7)): what the handler leaves unread waits for the next arrival."""
        self.handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLET if arrivals else select.EPOLLIN)

    def pause(self, fd: int, until: float) -> None:
        """Let what comes for ``fd`` gather until a time of ``time.monotonic``; others go on meanwhile."""
        handler = self.handlers[fd]
        self._epoll.modify(fd, 0)

        def resume() -> None:
            if self.handlers[fd] is handler:
                self._epoll.modify(fd, select.EPOLLIN)

        self.call_at(until, resume)

    def unregister(self, fd: int) -> None:
        """Stop it; before ``fd`` is closed."""
        if self.handlers.get(fd, _nobody) is not _nobody:
            self.handlers[fd] = _nobody  # an event of this round may still stand in the list
            if fd == self._unwatched:
                self._unwatched = -1
            else:
                self._epoll.unregister(fd)

    @contextmanager
    def unwatched(self, fd: int) -> Iterator[None]:
        """Meanwhile the handler of ``fd`` reads by itself what comes. The kernel would ask epoll about every
        datagram that arrives and about every one that has left (ep_poll_callback, fs/eventpoll.c)."""
        self._epoll.unregister(fd)
        self._unwatched = fd
        try:
            yield
        finally:
            if self._unwatched == fd:  # it was not closed
                self._unwatched = -1
                self._epoll.register(fd, select.EPOLLIN)

    def call_at(self, at: float, call: Callable[[], object]) -> Timer:
        """Call at a time of ``time.monotonic``."""
        timer = Timer(at, next(self._numbers), call, self._cancelled)
        heapq.heappush(self._timers, timer)
        return timer

    def every(self, seconds: float, call: Callable[[], object]) -> None:
        """Call again and again; a late call delays the next ones, it never piles them up."""

        def again() -> None:
            try:
                call()
            finally:
                self.call_at(time.monotonic() + seconds, again)

        self.call_at(time.monotonic() + seconds, again)

    def post(self, call: Callable[[], object]) -> None:
        """Have the loop's thread call; from any thread."""
        self._posted.append(call)
        os.eventfd_write(self._bell, 1)

    def stop(self) -> None:
        """End ``run`` after what is being done; from any thread."""
        self.post(self._stop)

    def run(self) -> None:
        """Serve until ``stop``."""
        self.running = True
        handlers, poll, timers = self.handlers, self._epoll.poll, self._timers
        clock = time.monotonic
        while self.running:
            sleep = _LONGEST_SLEEP
            if timers:
                sleep = timers[0].at - clock()
                if sleep <= 0.0:
                    self._ring()
                    sleep = 0.0  # look at the sockets between any two rounds of timers
            for fd, _ in poll(sleep, _MOST_EVENTS):
                try:
                    handlers[fd]()
                except Exception:  # noqa: BLE001 one packet's trouble must not be everyone's
                    self._caught()

    def _cancelled(self) -> None:
        """The places of cancelled timers are freed when their time comes, or when they are most of all."""
        self._idle_timers += 1
        if self._idle_timers > _MOST_IDLE and 2 * self._idle_timers > len(self._timers):
            self._timers[:] = [timer for timer in self._timers if timer.call is not None]
            heapq.heapify(self._timers)
            self._idle_timers = 0

    def close(self) -> None:
        """Free the loop's own file descriptors."""
        self._epoll.close()
        os.close(self._bell)

    def _ring(self) -> None:
        timers = self._timers
        now = time.monotonic()
        while timers and timers[0].at <= now:
            call = heapq.heappop(timers).call
            if call is None:
                self._idle_timers = max(self._idle_timers - 1, 0)
            else:
                try:
                    call()
                except Exception:  # noqa: BLE001 as for packets
                    self._caught()

    def _caught(self) -> None:
        if self._defect is None:
            raise  # noqa: PLE0704 called while it is handled
        self._defect()

    def _stop(self) -> None:
        self.running = False

    def _answer_bell(self) -> None:
        os.eventfd_read(self._bell)
        while self._posted:
            try:
                self._posted.popleft()()
            except Exception:  # noqa: BLE001 as for packets: a stop may wait behind it
                self._caught()
