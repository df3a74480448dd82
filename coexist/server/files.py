"""The files a boot server hands out: found inside one directory only, read in pieces that transfers share.

A hundred clients that load the same kernel at once read the same prepared DATA packets. Files are read
with ``pread``, never mapped: a mapped file that is truncated while it is served ends the process (SIGBUS).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections import OrderedDict
from typing import ClassVar, Protocol, TypeVar

from coexist.records import dataclass
from coexist.server.mmsg import NOWHERE, Prepared

CHUNK_BLOCKS = 64
PIECE_BLOCKS = 256
"""Of what stands ready to leave; the state machine is asked only where a piece ends, which costs as much as
ten blocks."""
CACHE_OCTETS = 128 << 20
# What CPython needs beside the octets: for each window two texts and a tuple; for each block that leaves by
# itself a tuple, a text, two numbers and what the kernel is told.
_WINDOW_COSTS = 160
_BLOCK_COSTS = 240
_ENTRY_COSTS = 512
_WHOLE, _READY = 0, -1  # a chunk as it is; its blocks, ready to leave in one call
_READ_AHEAD = 1 << 20
_ACK = struct.pack("!H", 4)
_HEADERS = [struct.pack("!HH", 3, block) for block in range(1 << 16)]
_T = TypeVar("_T")
Windows = list[tuple[bytes, bytes | None]]
"""The DATA packets of a piece, window by window, each window with the ACK that calls for the next one; None
behind the last."""


Following = tuple[bytes | None, bytes, "Following | None", int]
"""What follows a block that was sent: the ACK that calls for the next one, its place (``Prepared``), what
follows that one, and the number of the block that was sent, from 1 without end. The last one has no ACK."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The blocks of a piece of a content, for many clients in one call: what follows each of them. Whoever
    goes by that holds the octets: they are in ``held``."""

    first: int
    step: int
    following: list[Following]
    held: Prepared

    def block(self, number: int) -> memoryview:
        """The octets of one block."""
        at = (number - self.first) * self.step
        return memoryview(self.held.octets)[at : at + self.step]


class NotServedError(Exception):
    """A file that is not handed out; ``missing`` tells "there is none" from "not allowed"."""

    def __init__(self, why: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.missing = missing


class ChangedError(Exception):
    """A file became another one while it was served."""


class Content(Protocol):
    """What can be served: a file, or a text made for one client."""

    key: tuple[object, ...]
    size: int

    def read(self, start: int, length: int) -> bytes:
        """Exactly these octets; raises ``ChangedError`` or ``OSError`` if they are not there any more."""

    def close(self) -> None:
        """Free it."""


class FileContent:
    """An open file, in the state it had when it was opened."""

    def __init__(self, fd: int, state: os.stat_result, path: str) -> None:
        self.fd = fd
        self.path = path
        self.size = state.st_size
        self.key = _identity(state)
        # When it was written to last: nanoseconds since the epoch.
        self.written = state.st_mtime_ns

    def read(self, start: int, length: int) -> bytes:
        """A piece of the file; raises ``ChangedError`` if it was written to since it was opened."""
        data = os.pread(self.fd, length, start)
        self.check()
        if len(data) != length:
            raise ChangedError(self.path)
        os.posix_fadvise(self.fd, start + length, _READ_AHEAD, os.POSIX_FADV_WILLNEED)
        return data

    def check(self) -> None:
        """Raises ``ChangedError`` if it was written to since it was opened."""
        state = os.fstat(self.fd)
        if state.st_mtime_ns != self.written or state.st_size != self.size:
            raise ChangedError(self.path)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


class MadeContent:
    """A text rendered for one client."""

    _made: ClassVar[int] = 0

    def __init__(self, data: bytes) -> None:
        MadeContent._made += 1
        self.data = data
        self.size = len(data)
        self.key: tuple[object, ...] = ("made", MadeContent._made)

    def read(self, start: int, length: int) -> bytes:
        """A piece of the text."""
        return self.data[start : start + length]

    def close(self) -> None:
        """Nothing to free."""


def _identity(state: os.stat_result) -> tuple[object, ...]:
    return state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size


def resolve(root: str, name: str) -> str:
    """The real path of a requested name inside ``root`` (itself real). Raises ``NotServedError``.

    Backslashes are separators (WDS clients write them), a leading one means the root, ``.`` and doubled
    separators mean nothing; ``..`` is refused wherever it stands, and so is a symbolic link that leaves.
    """
    if "\0" in name or len(name) > 1024:
        raise NotServedError("the file name is not usable")
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise NotServedError("the path leaves the served directory")
    if not parts:
        raise NotServedError("no file is named", missing=True)
    try:
        path = os.path.realpath(os.path.join(root, *parts), strict=True)  # noqa: PTH118 hot, and text suffices
    except UnicodeEncodeError:
        raise NotServedError("the file name is not usable") from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise NotServedError("there is no such file", missing=True) from None
        raise NotServedError(f"the file cannot be reached: {error.strerror}") from None
    if not inside(root, path):
        raise NotServedError("a symbolic link leaves the served directory")
    return path


def inside(root: str, path: str) -> bool:
    """Whether a real path is below a real directory."""
    return path.startswith(root if root.endswith("/") else root + "/")


# Names that are paths as they stand, without a link: they need not be resolved again. Whatever becomes of
# their directories, what is opened is looked at.
_plain: dict[tuple[str, str], str] = {}
_MOST_PLAIN = 1024
# Not blocking: opening a FIFO would wait for its writer.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_file(root: str, name: str) -> FileContent:
    """Open a requested file for serving. Raises ``NotServedError``."""
    path = _plain.get((root, name))
    fd = -1
    if path is not None:
        try:
            fd = os.open(path, _OPEN)
        except OSError:  # it is gone, or a link by now: looked for anew
            path = None
    if path is None:
        path = resolve(root, name)
        try:
            fd = os.open(path, _OPEN)
        except OSError as error:
            missing = error.errno == errno.ENOENT
            raise NotServedError(f"the file cannot be read: {error.strerror}", missing=missing) from None
        if path == f"{root}/{name.lstrip('/')}":
            if len(_plain) >= _MOST_PLAIN:
                _plain.clear()
            _plain[root, name] = path
    state = os.fstat(fd)
    try:
        if not stat.S_ISREG(state.st_mode):
            raise NotServedError("this is not a file", missing=True)
        # A directory of the path may have become a link since it was resolved.
        if not inside(root, os.readlink(f"/proc/self/fd/{fd}")):  # noqa: PTH115
            raise NotServedError("a symbolic link leaves the served directory")
    except BaseException:
        os.close(fd)
        raise
    return FileContent(fd, state, path)


class Framed:
    """A content cut into DATA packets of one blksize, chunk by chunk, shared by all transfers of it."""

    def __init__(self, content: Content, blksize: int, cache: FrameCache) -> None:
        self.content = content
        self.blksize = blksize
        self.last = content.size // blksize + 1
        self.users = 0
        self.chunks: dict[int, memoryview] = {}
        self.ready: dict[int, Blocks] = {}
        self.prepared: dict[tuple[int, int], Windows] = {}
        self._step = 4 + blksize
        self._cache = cache

    def frames(self, first: int, count: int) -> list[memoryview]:
        """The octets of ``count`` DATA packets from block ``first`` (from 1, without end), one behind the
        other, in one piece or in two where a chunk ends."""
        index, within = divmod(first - 1, CHUNK_BLOCKS)
        chunk = self.chunks.get(index)
        if chunk is None:
            chunk = self.chunks[index] = self._frame(index)
            self._cache.keep(self, _WHOLE, index, len(chunk))
        step = self._step
        if within + count <= CHUNK_BLOCKS:
            return [chunk[within * step : (within + count) * step]]
        here = CHUNK_BLOCKS - within
        return [chunk[within * step :], *self.frames(first + here, count - here)]

    def windows(self, first: int, window: int) -> Windows:
        """The windows of the piece that block ``first`` is in; ``window``, in blocks, divides a piece."""
        index = (first - 1) // PIECE_BLOCKS
        windows = self.prepared.get((window, index))
        if windows is None:
            chunk = self._frame(index, PIECE_BLOCKS)
            size = window * self._step
            pieces = [bytes(chunk[at : at + size]) for at in range(0, len(chunk), size)]
            windows = self.prepared[window, index] = self._windows(chunk, window, pieces)
            self._cache.keep(self, window, index, _costs(chunk, windows))
        return windows

    def blocks(self, first: int) -> Blocks:
        """The blocks of the piece that block ``first`` is in, each by itself."""
        index = (first - 1) // PIECE_BLOCKS
        blocks = self.ready.get(index)
        if blocks is None:
            chunk = self._frame(index, PIECE_BLOCKS)
            held = Prepared(bytes(chunk), self._step)
            first = index * PIECE_BLOCKS + 1
            calls = [ack for _, ack in self._windows(chunk, 1, held.places)]
            blocks = Blocks(first=first, step=self._step, following=_chain(calls, held, first), held=held)
            self.ready[index] = blocks
            self._cache.keep(self, _READY, index, len(chunk) + len(calls) * _BLOCK_COSTS)
        return blocks

    def _windows(self, chunk: memoryview, window: int, pieces: list[_T]) -> list[tuple[_T, bytes | None]]:
        """Each piece, which stands for a window, with the ACK that calls for the next one."""
        size = window * self._step
        ends = range(size - self._step + 2, len(chunk), size)  # where the last blocks' numbers stand
        calls = [_ACK + bytes(chunk[end : end + 2]) for end in ends[: len(pieces) - 1]]
        return list(zip(pieces, [*calls, None], strict=True))

    def _frame(self, index: int, together: int = CHUNK_BLOCKS) -> memoryview:
        blksize = self.blksize
        first = index * together
        blocks = min(together, self.last - first)
        length = min(blocks * blksize, self.content.size - first * blksize)
        data = memoryview(self.content.read(first * blksize, length) if length else b"")
        pieces: list[bytes | memoryview] = [b""] * (2 * blocks)
        at = (first + 1) & 0xFFFF
        pieces[::2] = (
            _HEADERS[at : at + blocks]
            if at + blocks <= 1 << 16
            else _HEADERS[at:] + _HEADERS[: at + blocks - (1 << 16)]
        )
        pieces[1::2] = [data[start : start + blksize] for start in range(0, blocks * blksize, blksize)]
        return memoryview(b"".join(pieces))


class FrameCache:
    """All framed contents in use, and as many chunks of them as fit into ``most`` octets."""

    def __init__(self, most: int = CACHE_OCTETS) -> None:
        self.most = most
        self.octets = 0
        self._framed: dict[tuple[object, ...], Framed] = {}
        # By the framed content, the blocks of a window (or what else is kept) and the chunk's number.
        self._order: OrderedDict[tuple[int, int, int], tuple[Framed, int]] = OrderedDict()

    def take(self, content: Content, blksize: int) -> Framed:
        """The frames of a content; one that is in use already is shared and the new one closed."""
        key = (content.key, blksize)
        framed = self._framed.get(key)
        if framed is None:
            framed = self._framed[key] = Framed(content, blksize, self)
        else:
            content.close()
        framed.users += 1
        return framed

    def release(self, framed: Framed) -> None:
        """A transfer has ended; after its last one a content is closed."""
        framed.users -= 1
        if framed.users == 0:
            del self._framed[framed.content.key, framed.blksize]
            kept = [(_WHOLE, index) for index in framed.chunks] + [(_READY, index) for index in framed.ready]
            for window, index in [*kept, *framed.prepared]:
                self._drop((id(framed), window, index))
            framed.content.close()

    def keep(self, framed: Framed, window: int, index: int, size: int) -> None:
        """Remember what a content has of a chunk, and forget what is old."""
        size += _ENTRY_COSTS
        self._order[id(framed), window, index] = (framed, size)
        self.octets += size
        while self.octets > self.most and len(self._order) > 1:
            self._drop(next(iter(self._order)))

    def _drop(self, key: tuple[int, int, int]) -> None:
        framed, size = self._order.pop(key)
        self.octets -= size
        _, window, index = key
        if window == _WHOLE:
            del framed.chunks[index]
        elif window == _READY:
            del framed.ready[index]
        else:
            del framed.prepared[window, index]


def _chain(calls: list[bytes | None], held: Prepared, first: int) -> list[Following]:
    """What follows each block of a piece."""
    following: list[Following] = [(None, NOWHERE, None, first + len(calls) - 1)]
    for number in range(len(calls) - 2, -1, -1):
        following.append((calls[number], held.places[number + 1], following[-1], first + number))
    following.reverse()
    return following


def _costs(chunk: memoryview, windows: Windows) -> int:
    return len(chunk) + len(windows) * _WINDOW_COSTS
