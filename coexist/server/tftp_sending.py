"""One TFTP transfer as it is served: its state machine's steps become datagrams.

How these travel depends on the window. One of several blocks leaves in one system call, since the kernel cuts
it into datagrams (UDP_SEGMENT, udp(7), Linux 4.18); where the kernel, the path or the device cannot do that,
block by block. Such a transfer has a connected socket of its own (``OwnSocket``), and so has one whose client
was not heard before. All others, with one block a window, share sockets (``tftp_lock_step``).
"""

from __future__ import annotations

import errno
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol

from coexist.boot.tftp_transfer import Agreed, Step, Transfer
from coexist.server.access import Access
from coexist.server.counters import Counters
from coexist.server.files import PIECE_BLOCKS, ChangedError, Framed, Windows
from coexist.server.loop import Loop
from coexist.server.segments import LARGEST_TOGETHER, MOST_SEGMENTS, NO_SEGMENTS, UDP_SEGMENT
from coexist.wire.tftp import DEFAULT_BLKSIZE

_LARGEST_REPLY = 476  # an ERROR's text may be cut; CPython's own allocator has no pieces above 512
_MOST_AT_ONCE = 32
_SEND = Step.SEND
_WAIT = Step.WAIT
CHANGED = "the file was changed, try again"
# Full queues and firewalls: the client's timeout and ours repair it.
_PASSING = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.EPERM, errno.ENOMEM, errno.ENETDOWN})


class Service(Protocol):
    """Who has begun the transfer and is told its end."""

    counters: Counters
    loop: Loop

    def end(self, running: Running, how: str, tell: str | None = None) -> None:
        """Finish with a transfer, and ``tell`` the client why."""

    def answered(self, running: Running) -> None:
        """The client has answered for the first time."""


class Granted(NamedTuple):
    """What a client is sent: where it is, the file as it named it, what the whitelist said of it, the file's
    blocks, and the options agreed on."""

    peer: tuple[str, int]
    name: str
    who: Access
    framed: Framed
    agreed: Agreed


class Running(ABC):
    """One transfer, whatever its datagrams travel by. ``proves``: nobody else was told of the port it has, so
    that an answer shows the client to be where its request said."""

    proves: ClassVar[bool] = False

    __slots__ = (
        "answered",
        "begun",
        "counted",
        "framed",
        "name",
        "peer",
        "segments",
        "send",
        "service",
        "touched",
        "transfer",
        "who",
    )

    def __init__(
        self,
        service: Service,
        send: Callable[[bytes | memoryview], object],
        granted: Granted,
    ) -> None:
        self.service = service
        self.send = send
        self.peer = granted.peer
        self.name = granted.name
        self.who = granted.who
        self.framed = granted.framed
        self.counted = 0
        self.answered = False
        self.transfer = Transfer(granted.framed.content.size, granted.agreed)
        self.segments = 1
        self.begun = self.touched = time.monotonic()

    @abstractmethod
    def close(self) -> None:
        """Free what its datagrams travel by."""

    @abstractmethod
    def look(self) -> None:
        """Take what may have come unnoticed."""

    @abstractmethod
    def settle(self) -> None:
        """Tell the state machine of the ACKs that were taken without it."""

    @abstractmethod
    def _send_next(self) -> None:
        """Send the window that an ACK has called for, and have those behind it at hand."""

    def consider(self, octets: bytes) -> None:
        """A datagram from the client that is not the awaited ACK, or the first of a chunk."""
        if not self.answered:
            self.answered = True
            self.service.answered(self)
        self.settle()
        step = self.transfer.receive(octets)
        if step is _SEND:
            self._send_next()
        elif step is not _WAIT:
            self.do(step)

    def do(self, step: Step) -> None:
        """Carry out a step."""
        transfer = self.transfer
        match step:
            case Step.SEND:
                self.send_blocks()
            case Step.SEND_OPTIONS:
                self._send_one(transfer.option_acknowledgement())
            case Step.FINISHED:
                self.service.end(self, "finished")
            case Step.REFUSED:
                self.service.end(self, "refused by the client")
            case Step.GIVEN_UP:
                self.service.end(self, "given up")
            case Step.WAIT:
                pass

    def send_blocks(self) -> None:
        """Send the blocks the transfer names."""
        transfer = self.transfer
        count = transfer.count
        try:
            if count <= self.segments:
                for frames in self.framed.frames(transfer.first, count):
                    self.send(frames)
            else:
                self._send_in_parts(transfer.first, count)
        except ChangedError:
            self.service.end(self, "changed", tell=CHANGED)
            return
        except OSError as error:
            self.send_failed(error)
            return

    def _send_in_parts(self, first: int, count: int) -> None:
        step = self.segments
        for start in range(first, first + count, step):
            for frames in self.framed.frames(start, min(step, first + count - start)):
                self.send(frames)

    def _send_one(self, octets: bytes) -> None:
        try:
            self.send(octets)
        except OSError as error:
            self.send_failed(error)

    def send_failed(self, error: OSError) -> None:
        """A datagram could not be sent."""
        service = self.service
        number = error.errno or 0
        service.counters.send_errors[errno.errorcode.get(number, "?")] += 1
        if number == errno.ECONNREFUSED:
            service.end(self, "vanished")
        elif number not in _PASSING:
            service.end(self, f"failed: {error.strerror}")


class OwnSocket(Running):
    """A transfer on a connected socket of its own."""

    __slots__ = ("at", "awaited", "base", "prepares", "receive", "sock", "windows")
    proves = True

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        granted: Granted,
    ) -> None:
        super().__init__(service, sock.send, granted)
        self.sock = sock
        self.receive = sock.recv
        # A piece's windows, the block before it, the place of the window sent last, the ACK that calls for
        # the next one. No windows: the state machine is asked about every ACK.
        self.windows: Windows = []
        self.base = 0
        self.at = -1
        self.awaited: bytes | None = None
        agreed = granted.agreed
        # The kernel would cut an OACK or ERROR too, if it is longer than a tiny block.
        if agreed.windowsize > 1 and agreed.blksize >= DEFAULT_BLKSIZE:
            self._ask_for_segments(4 + agreed.blksize)
        # A window of more segments than the kernel takes at once leaves in parts.
        self.prepares = agreed.windowsize <= self.segments and PIECE_BLOCKS % agreed.windowsize == 0
        # One ACK comes for each window that was sent, so arrivals are enough.
        service.loop.register(sock.fileno(), self.readable, arrivals=True)

    def close(self) -> None:
        """See ``Running``."""
        self.service.loop.unregister(self.sock.fileno())
        self.sock.close()

    def _ask_for_segments(self, size: int) -> None:
        try:
            self.sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, size)
            self.segments = min(MOST_SEGMENTS, LARGEST_TOGETHER // size)
        except OSError:
            self.segments = 1

    def send_failed(self, error: OSError) -> None:
        """See ``Running``: block by block where the kernel will not cut windows any more."""
        if self.segments == 1 or error.errno not in NO_SEGMENTS:
            super().send_failed(error)
            return
        self.service.counters.send_errors[errno.errorcode[error.errno]] += 1
        self.segments = 1
        self.sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 0)
        self._drop_windows()
        self.prepares = False
        self.send_blocks()

    def readable(self) -> None:
        """A datagram from the client has come."""
        # Bound to names first: calling a slot's content directly is slower (CPython 3.11 LOAD_METHOD).
        receive = self.receive
        try:
            octets = receive(_LARGEST_REPLY)
        except BlockingIOError:
            return
        except OSError:
            self.service.end(self, "vanished")  # ICMP says that nobody listens there any more
            return
        if octets == self.awaited:
            # The most frequent of all: the next window, which stands ready.
            at = self.at = self.at + 1
            packets, self.awaited = self.windows[at]
            send = self.send
            try:
                send(packets)
            except OSError as error:
                self.send_failed(error)
        else:
            self.consider(octets)
            self._consider_rest()

    def look(self) -> None:
        """See ``Running``: what came close behind an awaited ACK is still unread."""
        self.readable()

    def _consider_rest(self) -> None:
        """Read on: only arrivals call ``readable``, nothing may stay behind a duplicate."""
        for _ in range(_MOST_AT_ONCE):
            try:
                octets = self.receive(_LARGEST_REPLY)
            except BlockingIOError:
                return
            except OSError:
                self.service.end(self, "vanished")  # nothing happens if it has ended already
                return
            self.consider(octets)

    def settle(self) -> None:
        """See ``Running``."""
        if self.windows:
            self.transfer.passed(self.base + self.at * self.transfer.window)

    def _drop_windows(self) -> None:
        """Ask the state machine about every ACK from now on."""
        self.settle()
        self.windows = []
        self.awaited = None

    def _send_next(self) -> None:
        """See ``Running``: a window that begins elsewhere since a block was lost, and all that follow it, are
        put together as they are needed."""
        transfer = self.transfer
        window = transfer.window
        first = transfer.first
        within = (first - 1) % PIECE_BLOCKS
        if not self.prepares:
            self.send_blocks()
            return
        if within % window:
            self._drop_windows()
            self.send_blocks()
            return
        try:
            self.windows = self.framed.windows(first, window)
            self.at = within // window
            self.base = first - 1 - within
            packets, self.awaited = self.windows[self.at]
            self.send(packets)
        except ChangedError:
            self.service.end(self, "changed", tell=CHANGED)
        except OSError as error:
            self.send_failed(error)
