"""Work that a process of its own does on another core, while this one goes on.

The process is forked, so it knows everything that this one knows, and only its result has to be carried back.
A result is octets; what makes and reads them stands beside the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from coexist.apart import Wait


def begun_apart(work: Callable[[], bytes]) -> Wait:
    """Begin some work in another process, and return what waits for its result.

    Only for a program that has one thread and ends after its command: a fork knows no other threads, and who
    never waits leaves the other process to the end of this one.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _be_the_other(work, writing)
    os.close(writing)

    def wait() -> bytes | None:
        with os.fdopen(reading, "rb") as pipe:
            result = pipe.read()
        _, status = os.waitpid(pid, 0)
        return result if status == 0 else None

    return wait


def _be_the_other(work: Callable[[], bytes], writing: int) -> None:
    """Do the work, write its result and end. What goes wrong is told where it is done again."""
    failed = 1
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(work())
        failed = 0
    finally:
        os._exit(failed)


def has_second_core() -> bool:
    """Whether this process may use two cores at least; elsewhere than on Linux it forks nothing."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1
