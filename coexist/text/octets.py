"""The octets of a file that somebody named: whatever it is, reading it comes to an end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_OCTETS = 256 << 20
"""A configuration that is larger is none: a million hosts of dhcpd.conf are 100 MB."""
_PIECE = 1 << 20
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""How text begins that was saved as UTF-16."""


def bounded_octets(path: Path) -> bytes:
    """A file, or what is written into a pipe. Raises OSError, also for what is too large or never ends.

    A pipe that nobody has open to write into is not waited for; one that a shell made (/dev/fd/63) is read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(descriptor, True)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if status.st_size > MOST_OCTETS:
            raise _too_large()
        if stat.S_ISREG(status.st_mode):
            return file.read()
        pieces, left = [], MOST_OCTETS
        while left >= 0 and (piece := file.read(_PIECE)):
            pieces.append(piece)
            left -= len(piece)
    if left < 0:
        raise _too_large()
    if not pieces and stat.S_ISFIFO(status.st_mode):
        raise OSError(errno.EPIPE, "nobody writes into this pipe")
    return b"".join(pieces)


def _too_large() -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {MOST_OCTETS >> 20} MiB")
