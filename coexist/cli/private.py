"""Files of a command's making that may hold what is not everybody's."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_file(path: Path, content: bytes, *, private: bool) -> None:
    """Write a file; a ``private`` one is readable by its owner only, from the moment it is there."""
    mode = 0o600 if private else 0o666
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        # It may have been there before. A terminal or /dev/null is somebody else's.
        if private and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, mode)
        file.write(content)
