"""Fetch a boot file as a client would, to compare what is really there: TFTP (RFC 1350, 2347 to 2349)."""

from __future__ import annotations

import hashlib
import select
import socket
import time
from ipaddress import IPv4Address

from coexist.records import dataclass
from coexist.wire.tftp import (
    DEFAULT_BLKSIZE,
    TFTP_PORT,
    Ack,
    Data,
    Error,
    Message,
    OptionAck,
    ReadRequest,
    TftpMalformed,
    decode,
    encode,
)

BLKSIZE = 1428
"""Fits an Ethernet frame behind a tunnel too."""

REPEAT_AFTER = 1.0
"""Seconds until a packet is sent again."""

PATIENCE = 10.0
"""Seconds without progress until the server counts as silent."""

SLOWEST = 16_384
"""Octets a second: a server that sends more slowly is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that was fetched: its size in octets and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFetched:
    """Why a file could not be fetched, in the server's words where it gave any; ``code``: its ERROR's."""

    why: str
    code: int | None = None


def fetch(
    server: IPv4Address, file: str, *, port: int = TFTP_PORT, largest: int = 64 * 2**20, local: str = ""
) -> Fetched | NotFetched:
    """Read a file over TFTP and forget it but for its digest.

    ``largest``: octets after which it is given up. ``local``: the address to ask from.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if local:
            sock.bind((local, 0))
        return _Transfer(sock, (str(server), port), largest).run(file)


class _Transfer:
    def __init__(self, sock: socket.socket, server: tuple[str, int], largest: int) -> None:
        self._socket = sock
        self._peer = server
        self._locked = False
        self._largest = largest
        self._digest = hashlib.sha256()
        self._size = 0
        self._blksize = DEFAULT_BLKSIZE

    def run(self, file: str) -> Fetched | NotFetched:
        request = ReadRequest(filename=file, mode="octet", options={"tsize": "0", "blksize": str(BLKSIZE)})
        message: Message = request
        expected = 1
        begun = progress = time.monotonic()
        while True:
            answer = self._exchange(message)
            now = time.monotonic()
            if now - progress > PATIENCE or now - begun > PATIENCE + self._size / SLOWEST:
                return self._given_up("it repeats itself" if now - progress > PATIENCE else "it is too slow")
            match answer:
                case None:
                    return NotFetched(why="no answer")
                case Error():
                    return NotFetched(why=f"error {answer.code}: {answer.message}", code=answer.code)
                case OptionAck() if expected == 1:
                    blksize = agreed_blksize(answer)
                    if blksize is None:
                        return self._given_up("its OACK says what nobody asked for")
                    self._blksize = blksize
                    message = Ack(block=0)
                case Data() if len(answer.payload) > self._blksize:
                    return self._given_up("a block is longer than was agreed")
                case Data() if answer.block == expected % 65536:
                    progress = now
                    self._digest.update(answer.payload)
                    self._size += len(answer.payload)
                    message = Ack(block=answer.block)
                    expected += 1
                    if len(answer.payload) < self._blksize:
                        self._send(message)
                        return Fetched(size=self._size, sha256=self._digest.hexdigest())
                    if self._size > self._largest:
                        self._send(Error(code=0, message="larger than a boot file"))
                        return NotFetched(why=f"larger than {self._largest} octets")
                case _:
                    pass  # a block seen before: the acknowledgement below is repeated

    def _given_up(self, why: str) -> NotFetched:
        self._send(Error(code=0, message=why))
        return NotFetched(why=why)

    def _exchange(self, message: Message) -> Message | None:
        """Send, and send again, until something comes; None when nothing does."""
        end = time.monotonic() + PATIENCE
        while (now := time.monotonic()) < end:
            self._send(message)
            answer = self._receive(min(end, now + REPEAT_AFTER))
            if answer is not None:
                return answer
        return None

    def _send(self, message: Message) -> None:
        self._socket.sendto(encode(message), self._peer)

    def _receive(self, until: float) -> Message | None:
        while (left := until - time.monotonic()) > 0 and select.select([self._socket], [], [], left)[0]:
            try:
                octets, sender = self._socket.recvfrom(65536)
            except ConnectionRefusedError:
                return Error(code=0, message="the port is closed")
            if sender[0] != self._peer[0] or (self._locked and sender != self._peer):
                continue
            message = decode(octets)
            if isinstance(message, TftpMalformed):
                continue
            # RFC 1350 section 4: the transfer goes on with the port the first answer came from.
            self._peer, self._locked = sender, True
            return message
        return None


def agreed_blksize(answer: OptionAck) -> int | None:
    """What an OACK makes of our request: a server may lower blksize (RFC 2348), and invent nothing."""
    if not answer.options.keys() <= {"blksize", "tsize"}:
        return None
    text = answer.options.get("blksize", str(DEFAULT_BLKSIZE))
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    return int(text) if 8 <= int(text) <= max(BLKSIZE, DEFAULT_BLKSIZE) else None
