"""The files of a source: read as they are, found where they are, or said to be unreadable."""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path

from coexist.errors import InputError, Position, Problem, unreadable
from coexist.records import dataclass
from coexist.text.octets import MOST_OCTETS, UTF_16_MARKS, bounded_octets

ReadFile = Callable[[str], str]
"""From the name of a file that a source includes to its text; raises OSError."""

NOTHING = Path("/dev/null")
"""An empty file of every machine: what a source includes of it is no other machine's."""

_UTF_16 = ("this is UTF-16 text", "save it as UTF-8")
_PACKED = {
    **dict.fromkeys(UTF_16_MARKS, _UTF_16),
    b"\x1f\x8b": ("this file is packed", "unpack it with gunzip"),
    b"\x28\xb5\x2f\xfd": ("this file is packed", "unpack it with unzstd"),
    b"\xfd7zXZ": ("this file is packed", "unpack it with unxz"),
    b"PK\x03\x04": ("this file is packed", "unpack it with unzip"),
}
"""What no daemon reads, by its first octets, and what to do."""
_END_OF_LINE = re.compile(r"\r\n|\n|\r")


def read_octets(path: Path | str) -> bytes:
    """A file as it is. Raises InputError."""
    path = Path(path)
    try:
        return bounded_octets(path)
    except OSError as error:
        if error.errno == errno.EFBIG:
            what = f"this file is larger than {MOST_OCTETS >> 20} MiB"
            raise InputError([Problem(Position(str(path)), what, "import a part of it at a time")]) from None
        raise InputError([unreadable(error, Position(str(path)))]) from None


def read_configuration(path: Path | str) -> bytes:
    """A configuration file as it is. Raises InputError, also for one that no daemon reads as it is."""
    octets = read_octets(path)
    told = packed(octets)
    if told is not None:
        raise InputError([Problem(Position(str(path)), *told)])
    return octets


def read_text(path: Path | str) -> str:
    """A configuration file; octets that are no UTF-8 are kept. Raises InputError."""
    return read_configuration(path).decode("utf-8", "surrogateescape")


def packed(octets: bytes) -> tuple[str, str] | None:
    """What is wrong with a file that must be unpacked before anybody reads it, and what to do."""
    return next((told for magic, told in _PACKED.items() if octets.startswith(magic)), None)


def read_export(path: Path | str) -> str:
    """A list a program of any system wrote: UTF-8, or UTF-16 as its first sign says. Raises InputError."""
    octets = read_octets(path)
    if octets.startswith(UTF_16_MARKS):
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


class ElsewhereError(OSError):
    """A file of another machine cannot be read."""


def not_included(error: OSError, place: Position, name: str) -> InputError:
    """A file that the line at ``place`` names cannot be read."""
    remedy = "put it beside the file, allow its folder with --include-root, or remove the line"
    if isinstance(error, ElsewhereError):
        remedy = "put it there on the server, read it by `sudo -n` (--sudo), or remove the line"
    return InputError([unreadable(error, place, name, remedy)])


@dataclass(slots=True)
class Surroundings:
    """The files that a source in ``folder`` may name: those inside its folder, and inside ``roots``.

    A source comes from another machine or another person: what it names is looked for beside it, and
    nothing else of this machine is read for it. ``read`` are the files that were.
    """

    folder: Path
    roots: tuple[Path, ...] = ()
    read: list[Path] = field(default_factory=list)

    def find(self, name: str) -> Path:
        """A file or folder, as the source's own machine may have called it. Raises OSError.

        At its own path if that is inside the folder, under the folder as under that machine's root, in the
        folder, then the same in each of the roots.
        """
        if name == str(NOTHING):
            return NOTHING
        failure = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        refused: OSError | None = None
        for candidate in self._candidates(name):
            try:
                self._allow(candidate)
                candidate.stat()
            except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
                continue
            except OSError as error:
                refused = refused or error
                continue
            return candidate
        raise refused or failure

    def octets(self, path: Path) -> bytes:
        """A file that was found: a device or a pipe might never end. Raises OSError."""
        self._allow(path)
        if path.resolve() == NOTHING:
            return b""
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a device or a pipe")
        if path.stat().st_size > MOST_OCTETS:
            raise OSError(errno.EFBIG, f"it is larger than {MOST_OCTETS >> 20} MiB")
        self.read.append(path)
        return path.read_bytes()

    def text(self, name: str) -> str:
        """The text of an included file (``ReadFile``). Raises OSError."""
        return self.octets(self.find(name)).decode("utf-8", "surrogateescape")

    def _candidates(self, name: str) -> Iterator[Path]:
        if not name:
            return
        path = Path(name)
        tops = (self.folder, *self.roots)
        if path.is_absolute():
            yield from (path for top in tops if path.is_relative_to(top.absolute()))
        for top in tops:
            yield top / name.lstrip("/")
            yield top / path.name

    def _allow(self, path: Path) -> None:
        real = path.resolve()
        if real != NOTHING and not any(
            real.is_relative_to(top.resolve()) for top in (self.folder, *self.roots)
        ):
            raise PermissionError(errno.EACCES, "it is outside the folder of the file that names it")


def beside(path: Path, roots: tuple[Path, ...] = ()) -> ReadFile:
    """Reads the files that the source at ``path`` includes."""
    return Surroundings(path.parent, roots).text
