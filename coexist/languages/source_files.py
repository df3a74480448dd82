"""The files of a source: read as they are, found where they are, or said to be unreadable."""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from coexist.errors import InputError, Position, unreadable

ReadFile = Callable[[str], str]
"""From the name of a file that a source includes to its text; raises OSError."""

_END_OF_LINE = re.compile(r"\r\n|\n|\r")


def read_octets(path: Path | str) -> bytes:
    """A file as it is. Raises InputError."""
    path = Path(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError([unreadable(error, Position(str(path)))]) from None


def read_text(path: Path | str) -> str:
    """A configuration file; octets that are no UTF-8 are kept. Raises InputError."""
    return read_octets(path).decode("utf-8", "surrogateescape")


def read_export(path: Path | str) -> str:
    """A list a program of any system wrote: UTF-8, or UTF-16 as its first sign says. Raises InputError."""
    octets = read_octets(path)
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return octets.decode("utf-16", "replace")
    return octets.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def text_lines(text: str) -> list[str]:
    """The lines of a text of any system. Unlike `str.splitlines`, no other sign ends one."""
    lines = _END_OF_LINE.split(text)
    return lines if lines[-1] else lines[:-1]


def files_of(path: Path) -> list[Path]:
    """The files of a folder in the order of their names, or the one file. Raises InputError."""
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return [path]
        return sorted(file for file in path.iterdir() if file.is_file())
    except OSError as error:
        raise InputError([unreadable(error, Position(str(path)))]) from None


def not_included(error: OSError, place: Position, name: str) -> InputError:
    """A file that the line at ``place`` names cannot be read."""
    return InputError([unreadable(error, place, name, "put it beside the file, or remove the line")])


def find_named(name: str, folder: Path) -> Path:
    """A file or folder that a source in ``folder`` names, as another machine may have called it.

    At its own path, under ``folder`` as under that machine's root, or in ``folder``. Raises OSError.
    """
    failure = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    refused: OSError | None = None
    for candidate in _candidates(name, folder):
        try:
            candidate.stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
            continue
        except OSError as error:
            refused = refused or error
            continue
        return candidate
    raise refused or failure


def _candidates(name: str, folder: Path) -> Iterator[Path]:
    if Path(name).is_absolute():
        yield Path(name)
    if name:
        yield folder / name.lstrip("/")
        yield folder / Path(name).name
        yield Path(name)


def read_named(path: Path) -> bytes:
    """A file that a source names: a device or a pipe might never end. Raises OSError."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe")
    return path.read_bytes()


def beside(path: Path) -> ReadFile:
    """Reads the files that the source at ``path`` includes."""

    def read(name: str) -> str:
        return read_named(find_named(name, path.parent)).decode("utf-8", "surrogateescape")

    return read
