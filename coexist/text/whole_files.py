"""Writing a file so that it is whole whenever the power fails: the old one, or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Replace a file whole or not at all, through to the disk. Its folder must be there.

    ``mode``: who may read and write it; None: whom the umask lets.
    """
    new = path.with_name(f".{path.name}.new")
    created = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666 if mode is None else 0o600)
    with os.fdopen(created, "wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
