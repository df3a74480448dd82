"""The lines of a dnsmasq configuration with the files it includes, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Protocol

from coexist.errors import InputError, Position, Problem
from coexist.languages.dnsmasq.lexer import split_keyword
from coexist.languages.source_files import Surroundings, files_of, not_included, read_configuration
from coexist.records import dataclass

_HOST_FILES = ("dhcp-hostsfile", "dhcp-hostsdir")
_OPTION_FILES = ("dhcp-optsfile", "dhcp-optsdir")

INCLUDES = frozenset({"conf-file", "conf-dir", *_HOST_FILES, *_OPTION_FILES})
"""The keywords whose files are read as a part of the configuration."""

LONGEST_LINE = 1024
"""Octets the daemon reads at once (MAXDNAME, fgets in read_file of src/option.c): the rest of a longer line
is a line of its own."""


@dataclass(slots=True)
class Lines:
    """Lines as one text, and where each came from: ``places[n]`` for line n + 1.

    ``listed``: the numbers of the lines of a hosts file or options file, of which the daemon skips bad ones.
    """

    texts: list[str] = field(default_factory=list)
    places: list[Position] = field(default_factory=list)
    listed: set[int] = field(default_factory=set)

    def add(self, text: str, place: Position) -> None:
        """One more line."""
        self.texts.append(text)
        self.places.append(place)


class Source(Protocol):
    """The files of a machine by the names its configuration has for them. Raises OSError."""

    def octets(self, name: str) -> bytes:
        """A file."""

    def entries(self, name: str) -> list[str] | None:
        """The files of a folder, by name and in order; None for what is no folder."""

    def called(self, name: str) -> str:
        """How a file is called in positions."""

    def identity(self, name: str) -> object:
        """What tells a file from all others, whatever its name."""


@dataclass(frozen=True, slots=True)
class _Around:
    """The files around a configuration that lies on this machine."""

    around: Surroundings

    def octets(self, name: str) -> bytes:
        return self.around.octets(self.around.find(name))

    def entries(self, name: str) -> list[str] | None:
        path = self.around.find(name)
        return [self._name(file) for file in files_of(path)] if path.is_dir() else None

    def _name(self, file: Path) -> str:
        """By which a file is found again: below the folder, or else by its whole path."""
        inside = file.is_relative_to(self.around.folder)
        return str(file.relative_to(self.around.folder) if inside else file.absolute())

    def called(self, name: str) -> str:
        return str(self.around.find(name))

    def identity(self, name: str) -> object:
        found = self.around.find(name).stat()
        return found.st_dev, found.st_ino


def read_lines(path: Path, *, as_hosts: bool = False, around: Surroundings | None = None) -> Lines:
    """A dnsmasq.conf with its conf-file, conf-dir, dhcp-hostsfile and dhcp-optsfile.

    ``as_hosts``: the file is a hosts file, a ``dhcp-host`` without its keyword on each line. A file of
    another machine is looked for ``around`` it, by default beside ``path``. Raises InputError for one that is
    missing.
    """
    reader = _Reader(_Around(around or Surroundings(path.parent)))
    octets = read_configuration(path)
    if as_hosts:
        reader.listed(octets, str(path), "dhcp-host")
        return reader.result
    found = path.stat()
    return reader.whole(octets, str(path), (found.st_dev, found.st_ino))


def read_source(octets: bytes, main: str, source: Source) -> Lines:
    """The same of a main file, called ``main``, whose other files lie in ``source``."""
    return _Reader(source).whole(octets, main, main)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.result = Lines()
        self._files: set[object] = set()
        self._lists: list[tuple[str, str]] = []

    def whole(self, octets: bytes, file: str, identity: object) -> Lines:
        """Everything that a main file says."""
        self._files.add(identity)
        self.configuration(octets, file)
        self.lists()
        return self.result

    def _is_new(self, name: str) -> bool:
        """Whether a file of the configuration is read: the daemon skips one it has seen (one_file)."""
        identity = self.source.identity(name)
        known = identity in self._files
        self._files.add(identity)
        return not known

    def configuration(self, octets: bytes, file: str) -> None:
        """The lines of a file, and of those it includes behind the line that names them."""
        for text, place in _cut(octets, file):
            if text.lstrip()[:1] in ("", "#"):
                continue
            self.result.add(text, place)
            keyword, value = split_keyword(text)
            if keyword in INCLUDES and value:
                self._include(keyword, value.replace('"', ""), place)

    def listed(self, octets: bytes, file: str, keyword: str) -> None:
        """The lines of a hosts file or options file: values of ``keyword``."""
        for text, place in _cut(octets, file):
            plain = text.strip()
            self.result.add(f"{keyword}={plain}" if plain and not plain.startswith("#") else "", place)
            self.result.listed.add(len(self.result.texts))

    def lists(self) -> None:
        """The hosts files and options files, which the daemon reads after all lines (reread_dhcp)."""
        for keyword, name in self._lists:
            self.listed(self.source.octets(name), self.source.called(name), keyword)

    def _include(self, keyword: str, value: str, place: Position) -> None:
        endings: list[str] = []
        if keyword == "conf-dir":
            value, *endings = value.split(",")
        try:
            entries = self.source.entries(value)
            if keyword == "conf-file" and entries is not None:
                what = f"{value} is a directory: dnsmasq reads nothing of it"
                raise InputError([Problem(place, what, f"write conf-dir={value}, or remove the line")])
            for name in [value] if entries is None else entries:
                if keyword != "conf-dir" or _wanted(name.rpartition("/")[2], endings):
                    self._file(keyword, name)
        except OSError as error:
            raise not_included(error, place, value) from None

    def _file(self, keyword: str, name: str) -> None:
        if keyword in _HOST_FILES:
            self._lists.append(("dhcp-host", name))
        elif keyword in _OPTION_FILES:
            self._lists.append(("dhcp-option", name))
        elif self._is_new(name):
            self.configuration(self.source.octets(name), self.source.called(name))


def _cut(octets: bytes, file: str) -> Iterator[tuple[str, Position]]:
    """The lines as the daemon reads them: only a line feed ends one, and text behind a NUL is not seen."""
    for number, line in enumerate(octets.split(b"\n"), start=1):
        for start in range(0, len(line) or 1, LONGEST_LINE):
            part = line[start : start + LONGEST_LINE].partition(b"\0")[0]
            yield part.decode("utf-8", "surrogateescape"), Position(file, number, start + 1)


def _wanted(name: str, endings: list[str]) -> bool:
    """Which files of a folder are read: ``.bak`` leaves an ending out, ``*.conf`` takes only it."""
    if name.endswith("~") or name.startswith(".") or (name.startswith("#") and name.endswith("#")):
        return False
    take = [ending[1:] for ending in endings if ending.startswith("*")]
    leave = [ending for ending in endings if ending and not ending.startswith("*")]
    if any(name.endswith(ending) and name != ending for ending in leave):
        return False
    return not take or any(name.endswith(ending) for ending in take)
