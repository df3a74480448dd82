"""Pieces of files as they were when they were checked, in memory of our own: the kernel sends them without a
copy, and whoever writes to the file meanwhile changes nothing of what leaves.

A hundred clients that load the same image share them.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Self

from coexist.records import dataclass
from coexist.server.files import ChangedError, FileContent

PIECE_OCTETS = 4 << 20
CACHE_OCTETS = 128 << 20

_Key = tuple[tuple[object, ...], int]


@dataclass(slots=True, eq=False)
class Page:
    """A piece: its descriptor and its length. It does not change, and stays where it is while it is used
    (``with``)."""

    fd: int
    length: int
    users: int = 0

    def __enter__(self) -> Self:
        self.users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.users -= 1


class Pages:
    """A bounded store of pieces, used by one thread."""

    def __init__(self, most: int = CACHE_OCTETS) -> None:
        self.most = most
        self.octets = 0
        self._pages: OrderedDict[_Key, Page] = OrderedDict()

    def piece(self, content: FileContent, number: int) -> Page:
        """A piece as it was when the file was opened, to be used at once.

        Raises ``ChangedError`` if it has to be read and the file was written to since.
        """
        key = (content.key, number)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = self._read(content, number)
            self.octets += page.length
            self._make_room(page)
        else:
            self._pages.move_to_end(key)
        return page

    def close(self) -> None:
        """Free all of them."""
        for page in self._pages.values():
            os.close(page.fd)
        self._pages.clear()
        self.octets = 0

    def _read(self, content: FileContent, number: int) -> Page:
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
        return Page(fd, length)

    def _make_room(self, newest: Page) -> None:
        """Forget those that were used longest ago and are not being sent."""
        if self.octets <= self.most:
            return
        for key in [key for key, page in self._pages.items() if not page.users and page is not newest]:
            page = self._pages.pop(key)
            os.close(page.fd)
            self.octets -= page.length
            if self.octets <= self.most:
                return
