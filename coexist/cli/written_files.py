"""The files that a command writes: all of them, or its folder as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coexist.cli.private import write_file
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """A file as it was: its octets and its permission bits."""

    content: bytes
    mode: int


class WrittenFiles:
    """What was written below one folder, with what was there before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: dict[Path, _Before | None] = {}
        self._made: list[Path] = []

    def put(self, path: Path, content: bytes, *, private: bool) -> None:
        """Write a file and make the folders it lies in; see `write_file`."""
        self.make(path.parent)
        if path not in self.before:
            there = path.is_file()
            self.before[path] = (
                _Before(content=path.read_bytes(), mode=path.stat().st_mode & 0o7777) if there else None
            )
        write_file(path, content, private=private)

    def make(self, folder: Path) -> None:
        """Make a folder, and those that it lies in."""
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._made += reversed(missing)

    def take_back(self) -> None:
        """Leave the folder as it was before the first of them."""
        for path, before in reversed(self.before.items()):
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_file(path, before.content, private=False)
                path.chmod(before.mode)
        for folder in reversed(self._made):
            # Somebody else put a file into it meanwhile: that stays.
            with suppress(OSError):
                folder.rmdir()
        self.before, self._made = {}, []


@contextmanager
def all_or_none(folder: Path) -> Iterator[WrittenFiles]:
    """Files that are taken back unless the block comes to its end, whatever ends it."""
    written = WrittenFiles(folder)
    try:
        yield written
    except BaseException:
        written.take_back()
        raise
