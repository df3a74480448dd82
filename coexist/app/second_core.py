"""Work that a process of its own does on another core, while this one goes on.

The process is forked, so it knows everything that this one knows, and only its result has to be carried back.
A result is octets; what makes and reads them stands beside the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from mmap import ACCESS_READ, mmap

from coexist.apart import Wait


def begun_apart(work: Callable[[], bytes]) -> Wait:
    """Begin some work in another process, and return what waits for its result.

    Only for a program that has one thread and ends after its command: a fork knows no other threads, and who
    never waits leaves the other process to the end of this one.
    """
    # Memory that both have: through a pipe, the other process could only end while this one reads.
    shared = os.memfd_create("coexist")
    pid = os.fork()
    if not pid:
        _be_the_other(work, shared)

    def wait() -> memoryview | None:
        _, status = os.waitpid(pid, 0)
        with os.fdopen(shared, "rb"):
            size = os.fstat(shared).st_size
            whole = mmap(shared, size, access=ACCESS_READ) if size else b""
        return memoryview(whole) if status == 0 else None

    return wait


def _be_the_other(work: Callable[[], bytes], shared: int) -> None:
    """Do the work, leave its result and end. What goes wrong is told where it is done again."""
    failed = 1
    try:
        with os.fdopen(shared, "wb") as result:
            result.write(work())
        failed = 0
    finally:
        os._exit(failed)


def has_second_core() -> bool:
    """Whether this process may use two cores at least; elsewhere than on Linux it forks nothing."""
    return sys.platform == "linux" and hasattr(os, "memfd_create") and len(os.sched_getaffinity(0)) > 1
