"""One TFTP read transfer as a state machine without input or output.

RFC 1350 (lock step), RFC 1123 section 4.2.3.1 (a duplicate acknowledgement is never answered: the
sorcerer's apprentice), RFC 2347 to 2349 (options), RFC 7440 (windowsize). Block numbers are counted
without end in here and written modulo 65536, so that files of any size roll over to block 0.

Whoever owns the sockets calls ``begin``, then ``receive`` with each datagram and ``expire`` when
``patience`` seconds passed without progress, and does what the returned ``Step`` says.
"""

from __future__ import annotations

import struct
from dataclasses import field
from enum import Enum, auto

from coexist.records import dataclass
from coexist.wire.tftp import DEFAULT_BLKSIZE, Ack, Error, ErrorCode, OptionAck, ReadRequest, decode, encode

DEFAULT_PATIENCE = 1.0
"""Seconds until something is sent again, doubled each time up to ``LONGEST_PATIENCE``."""
LONGEST_PATIENCE = 8.0
MOST_ATTEMPTS = 6
"""How often the same window is sent without any answer before the client is given up."""

_acknowledgement = struct.Struct("!HH").pack
_ACK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server agrees to at most."""

    blksize: int = 1468
    windowsize: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The terms of a transfer. ``timeout`` in seconds, None if the client did not ask for one.

    ``options`` is what the OACK says; without any the transfer begins with block 1 (RFC 2347).
    """

    blksize: int = DEFAULT_BLKSIZE
    windowsize: int = 1
    timeout: float | None = None
    options: dict[str, str] = field(default_factory=dict, hash=False)


def negotiate(request: ReadRequest, size: int, limits: Limits) -> Agreed | Error:
    """The terms for a file of ``size`` octets; unknown and senseless options are left out (RFC 2347)."""
    if request.mode != "octet":
        return Error(
            code=ErrorCode.ILLEGAL_OPERATION, message=f"mode {request.mode} is not served: use octet"
        )
    options: dict[str, str] = {}
    blksize, windowsize, timeout = DEFAULT_BLKSIZE, 1, None
    for name, text in request.options.items():
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
        if number is None:
            continue
        if name == "blksize" and number >= 8:
            blksize = min(number, limits.blksize)
            options[name] = str(blksize)
        elif name == "windowsize" and 1 <= number <= 65535:
            windowsize = min(number, limits.windowsize)
            options[name] = str(windowsize)
        elif name == "timeout" and 1 <= number <= 255:
            timeout = float(number)
            options[name] = str(number)
        elif name == "tsize":
            options[name] = str(size)
    return Agreed(blksize=blksize, windowsize=windowsize, timeout=timeout, options=options)


class Step(Enum):
    """What to do next."""

    WAIT = auto()
    """Nothing: a duplicate, or not for this transfer."""
    SEND_OPTIONS = auto()
    """Send the OACK."""
    SEND = auto()
    """Send ``count`` blocks from number ``first`` on."""
    FINISHED = auto()
    """The client has everything."""
    REFUSED = auto()
    """The client sent an ERROR."""
    GIVEN_UP = auto()
    """The client is silent for too long."""


_SEND = Step.SEND


class Transfer:
    """The server's side of one transfer. ``first`` and ``count`` say which blocks a ``SEND`` means."""

    __slots__ = (
        "_awaited",
        "_oack_waits",
        "_repeated",
        "acked",
        "agreed",
        "attempts",
        "blksize",
        "count",
        "first",
        "last",
        "refusal",
        "sent",
        "size",
        "window",
    )

    def __init__(self, size: int, agreed: Agreed) -> None:
        self.size = size
        self.agreed = agreed
        self.blksize = agreed.blksize
        self.window = agreed.windowsize
        # A file whose size is a multiple of blksize ends with an empty block (RFC 1350 section 6).
        self.last = size // agreed.blksize + 1
        self.acked = 0
        self.sent = 0
        self.first = 1
        self.count = 0
        self.attempts = 0
        self.refusal: Error | None = None
        self._oack_waits = bool(agreed.options)
        self._repeated = False
        self._awaited = b""

    @property
    def patience(self) -> float:
        """Seconds to wait for the next acknowledgement before ``expire``."""
        # A client may ask for 255 seconds (RFC 2349), and for six of them it would hold its place.
        if self.agreed.timeout is not None:
            return min(self.agreed.timeout, LONGEST_PATIENCE)
        return min(DEFAULT_PATIENCE * (1 << self.attempts), LONGEST_PATIENCE)

    def begin(self) -> Step:
        """The first step: the OACK if the client asked for options, else the first block."""
        if self._oack_waits:
            self._awaited = _acknowledgement(_ACK, 0)
            return Step.SEND_OPTIONS
        return self._advance(0)

    def option_acknowledgement(self) -> bytes:
        """The OACK's octets."""
        return encode(OptionAck(options=self.agreed.options))

    def receive(self, octets: bytes) -> Step:
        """One datagram from the client."""
        if octets != self._awaited:
            return self._receive_other(octets)
        # The same as ``_advance``, written out: this is asked once for every window of every transfer.
        acked = self.acked = self.sent
        sent = acked + self.window
        if sent > self.last:
            if acked == self.last:
                return Step.FINISHED
            sent = self.last
        self.first = acked + 1
        self.count = sent - acked
        self.sent = sent
        self._awaited = _acknowledgement(_ACK, sent & 0xFFFF)
        if self.attempts or self._repeated or self._oack_waits:
            self.attempts = 0
            self._repeated = self._oack_waits = False
        return _SEND

    def passed(self, acked: int) -> None:
        """Whoever sends may take awaited ACKs by itself: every window up to block ``acked`` was acknowledged
        and the next one sent. To be told before anything else is asked."""
        if acked > self.acked:
            self._advance(acked)

    def expire(self) -> Step:
        """``patience`` seconds passed: send the window again, or give up."""
        self.attempts += 1
        if self.attempts > MOST_ATTEMPTS:
            return Step.GIVEN_UP
        self._repeated = False
        if self._oack_waits:
            return Step.SEND_OPTIONS
        return self._resend()

    def _advance(self, acked: int) -> Step:
        self.acked = acked
        sent = acked + self.window
        if sent > self.last:
            sent = self.last
        self.first = acked + 1
        self.count = sent - acked
        self.sent = sent
        self.attempts = 0
        self._repeated = False
        self._awaited = _acknowledgement(_ACK, sent & 0xFFFF)
        return Step.SEND

    def _resend(self) -> Step:
        self.first = self.acked + 1
        self.count = self.sent - self.acked
        return Step.SEND

    def _receive_other(self, octets: bytes) -> Step:
        message = decode(octets)
        if isinstance(message, Error):
            self.refusal = message
            return Step.REFUSED
        if not isinstance(message, Ack) or self._oack_waits:
            return Step.WAIT
        ahead = (message.block - self.acked) & 0xFFFF
        if 0 < ahead < self.sent - self.acked:
            # RFC 7440 section 4: the client acknowledges what came in order; go on behind that.
            return self._advance(self.acked + ahead)
        # The first block of a window was lost. Once is enough: its further blocks cause the same complaint.
        if ahead == 0 and self.window > 1 and self.acked and not self._repeated:
            self._repeated = True
            return self._resend()
        return Step.WAIT
