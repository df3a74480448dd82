"""One HTTP connection as its octets: a request's head in, an answer and a file out, each wait with its end.

A socket is asked first and waited for only if it has nothing, so that most requests cost no turn of the loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from coexist.server.files import FileContent
from coexist.server.http_pages import PIECE_OCTETS, Pages

STALL_SECONDS = 30.0
"""In which a client must take a piece of its file."""
PIECE = 64 << 10
_HEAD_ENDS = b"\r\n\r\n"


class TooLongError(Exception):
    """A head has more octets than are read."""


class Line:
    """A connected socket. Raises ``OSError`` when the peer is gone, ``TimeoutError`` when it is too slow."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.loop = loop
        self.sock = sock
        self._read = b""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Close it; what was sent still arrives."""
        self.sock.close()

    async def head(self, most: int, seconds: float) -> bytes:
        """A request's head, within so many seconds; shorter if the client ends first."""
        until: float | None = None
        while (end := self._read.find(_HEAD_ENDS)) < 0:
            if len(self._read) > most:
                raise TooLongError
            try:
                octets = self.sock.recv(PIECE)
            except BlockingIOError:
                until = until or self.loop.time() + seconds
                await self._wait(reads=True, until=until)
                continue
            if not octets:
                found, self._read = self._read, b""
                return found
            self._read += octets
        end += len(_HEAD_ENDS)
        if end > most:
            raise TooLongError
        found, self._read = self._read[:end], self._read[end:]
        return found

    async def send(self, octets: bytes, *, more: bool = False) -> None:
        """Send all of it; ``more``: what follows at once goes into the same packets."""
        flags = socket.MSG_MORE if more else 0
        while octets:
            try:
                octets = octets[self.sock.send(octets, flags) :]
            except BlockingIOError:
                await self._wait(reads=False, until=self.loop.time() + STALL_SECONDS)

    async def send_file(self, pages: Pages, content: FileContent, start: int, end: int, until: float) -> None:
        """Send a part of a file without a copy. Raises ``ChangedError`` if it was written to meanwhile."""
        while start < end:
            number, inside = divmod(start, PIECE_OCTETS)
            with pages.piece(content, number) as page:
                count = min(page.length - inside, end - start)
                await self._send_pages(page.fd, inside, count, until)
            start += count
            if start < end:
                await asyncio.sleep(0)  # others have their turn
                content.check()

    async def linger(self, seconds: float) -> None:
        """Let the client read the answer: a reset for what it still sends would take it away again."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            until = self.loop.time() + seconds
            for _ in range(4):
                try:
                    if not self.sock.recv(PIECE):
                        return
                except BlockingIOError:
                    await self._wait(reads=True, until=until)

    async def _send_pages(self, fd: int, start: int, count: int, until: float) -> None:
        end = start + count
        while start < end:
            try:
                start += os.sendfile(self.sock.fileno(), fd, start, end - start)
            except BlockingIOError:
                await self._wait(reads=False, until=min(until, self.loop.time() + STALL_SECONDS))

    async def _wait(self, *, reads: bool, until: float) -> None:
        """Until the socket can be read, or written, or time is up."""
        loop, fd = self.loop, self.sock.fileno()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_reader, loop.remove_reader) if reads else (loop.add_writer, loop.remove_writer)
        )
        add(fd, _wake, ready)
        timer = loop.call_at(until, _late, ready)
        try:
            await ready
        finally:
            timer.cancel()
            remove(fd)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _late(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_exception(TimeoutError())
