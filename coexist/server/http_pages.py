"""Pieces of files as they were when they were checked, in memory of our own: the kernel sends them without a
copy, and whoever writes to the file meanwhile changes nothing of what leaves.

A hundred clients that load the same image share them.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from coexist.records import dataclass
from coexist.server.files import ChangedError, FileContent

PIECE_OCTETS = 4 << 20
CACHE_OCTETS = 128 << 20

_Key = tuple[tuple[object, ...], int]


@dataclass(slots=True, eq=False)
class _Page:
    fd: int
    length: int
    users: int = 0


class Pages:
    """A bounded store of pieces, used by one thread."""

    def __init__(self, most: int = CACHE_OCTETS) -> None:
        self.most = most
        self.octets = 0
        self._pages: OrderedDict[_Key, _Page] = OrderedDict()

    @contextmanager
    def piece(self, content: FileContent, number: int) -> Iterator[tuple[int, int]]:
        """The descriptor and the length of a piece, which does not change while it is used.

        Raises ``ChangedError`` if the file was written to since it was opened.
        """
        key = (content.key, number)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = self._read(content, number)
            self.octets += page.length
        else:
            content.check()
            self._pages.move_to_end(key)
        page.users += 1
        try:
            self._make_room()
            yield page.fd, page.length
        finally:
            page.users -= 1

    def close(self) -> None:
        """Free all of them."""
        for page in self._pages.values():
            os.close(page.fd)
        self._pages.clear()
        self.octets = 0

    def _read(self, content: FileContent, number: int) -> _Page:
        start = number * PIECE_OCTETS
        length = min(PIECE_OCTETS, content.size - start)
        fd = os.memfd_create("coexist-http", os.MFD_CLOEXEC)
        try:
            copied = 0
            while copied < length:
                done = os.sendfile(fd, content.fd, start + copied, length - copied)
                if not done:
                    raise ChangedError(content.path)
                copied += done
            content.check()
        except BaseException:
            os.close(fd)
            raise
        following = start + length
        os.posix_fadvise(content.fd, following, PIECE_OCTETS, os.POSIX_FADV_WILLNEED)
        return _Page(fd, length)

    def _make_room(self) -> None:
        """Forget those that were used longest ago and are not being sent."""
        if self.octets <= self.most:
            return
        for key in [key for key, page in self._pages.items() if not page.users]:
            page = self._pages.pop(key)
            os.close(page.fd)
            self.octets -= page.length
            if self.octets <= self.most:
                return
