"""The lines of a dnsmasq configuration with the files it includes, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coexist.errors import InputError, Position, Problem

_DEEPEST = 20
_HOST_FILES = ("dhcp-hostsfile", "dhcp-hostsdir")
_OPTION_FILES = ("dhcp-optsfile", "dhcp-optsdir")


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


ListFiles = Callable[[str], list[Path]]
"""The files a name stands for: one file, or those of a folder in the order of their names."""


def read_lines(path: Path, *, as_hosts: bool = False) -> Lines:
    """A dnsmasq.conf with its conf-file, conf-dir, dhcp-hostsfile and dhcp-optsfile.

    ``as_hosts``: the file is a hosts file, a ``dhcp-host`` without its keyword on each line. A file of
    another machine is looked for by its name beside ``path``. Raises InputError for a missing file.
    """
    result = Lines()
    _read(path, "dhcp-host" if as_hosts else "", path.parent, result, 0)
    return result


def _read(path: Path, keyword: str, beside: Path, result: Lines, depth: int) -> None:
    if depth > _DEEPEST:
        raise InputError([Problem(Position(str(path)), "the files include each other", "remove one include")])
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise InputError(
            [Problem(Position(str(path)), f"the file cannot be read: {error.strerror}", "check its name")]
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        place = Position(str(path), number)
        plain = line.strip()
        if keyword:
            written = f"{keyword}={plain}" if plain and not plain.startswith("#") else ""
            result.add(written, place)
            result.listed.add(len(result.texts))
            continue
        result.add(line, place)
        name, equals, value = plain.partition("=")
        if equals:
            _include(name.strip(), value.strip(), place, beside, result, depth)


def _include(name: str, value: str, place: Position, beside: Path, result: Lines, depth: int) -> None:
    if name == "conf-file":
        for file in _files(value, place, beside):
            _read(file, "", beside, result, depth + 1)
    elif name == "conf-dir":
        folder, *endings = value.split(",")
        for file in _files(folder, place, beside, folder=True):
            if _wanted(file.name, endings):
                _read(file, "", beside, result, depth + 1)
    elif name in _HOST_FILES or name in _OPTION_FILES:
        keyword = "dhcp-host" if name in _HOST_FILES else "dhcp-option"
        for file in _files(value, place, beside, folder=name.endswith("dir")):
            _read(file, keyword, beside, result, depth + 1)


def _wanted(name: str, endings: list[str]) -> bool:
    """Which files of a folder are read: ``.bak`` leaves an ending out, ``*.conf`` takes only it."""
    if name.endswith("~") or name.startswith(".") or (name.startswith("#") and name.endswith("#")):
        return False
    take = [ending[1:] for ending in endings if ending.startswith("*")]
    leave = [ending for ending in endings if ending and not ending.startswith("*")]
    if any(name.endswith(ending) for ending in leave):
        return False
    return not take or any(name.endswith(ending) for ending in take)


def _files(value: str, place: Position, beside: Path, *, folder: bool = False) -> list[Path]:
    for candidate in (Path(value), beside / value.lstrip("/"), beside / Path(value).name):
        if candidate.is_dir():
            return sorted(file for file in candidate.iterdir() if file.is_file())
        if candidate.is_file() and not folder:
            return [candidate]
    raise InputError([Problem(place, f"cannot read {value}", "put it beside the file, or remove the line")])
