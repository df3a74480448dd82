"""From the configuration file to what the server runs by, with every mistake at its line.

The files a configuration names are found relative to the configuration's own directory.
"""

from __future__ import annotations

import glob
import sys
from array import array
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from coexist.boot.configuration import BootServerConfig
from coexist.boot.policy import NOBODY_REGISTERED, BootPolicy, Registered, Selecting, compile_policy
from coexist.errors import InputError, Position, Problem, unreadable
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.macset import NOBODY, MacSet
from coexist.inventory.validation import problem_of
from coexist.records import dataclass
from coexist.registry.opening import Database, Where, where_is
from coexist.server.checks import cautions, mistakes, selectors
from coexist.server.templates import ClientFile, compile_templates
from coexist.text.octets import bounded_octets
from coexist.wire.mac import parse_mac

_PIECE = 1 << 20
_LINE = len("52:54:00:12:34:56\n")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A valid configuration and what belongs to it.

    ``lists`` are the MACs of each list file, ``stamps`` what each file read looked like (None: absent).
    ``cautions`` are what looks wrong in it and may be meant.
    """

    path: Path
    config: BootServerConfig
    policy: BootPolicy
    known: MacSet
    clients: ClientTable
    lists: dict[str, MacSet]
    stamps: dict[Path, Stamp | None]
    client_files: tuple[ClientFile, ...]
    cautions: tuple[Problem, ...] = ()

    @property
    def root(self) -> Path:
        """The directory relative file names begin at."""
        return self.path.parent

    def file(self, name: str) -> Path:
        """A file the configuration names."""
        return self.root / name

    def changed(self) -> bool:
        """Whether any of the files was changed since it was read."""
        return any(stamp_of(path) != stamp for path, stamp in self.stamps.items())

    def with_registered(self, registered: Registered) -> Loaded:
        """The same configuration with other registrations; list files are not read again."""
        return replace(self, policy=compile_policy(self.config, self.lists.__getitem__, registered))


def load_config(path: Path, registered: Registered = NOBODY_REGISTERED) -> Loaded:
    """Read and check a configuration and its list files. Raises ``InputError`` with every problem."""
    problems: list[Problem] = []
    stamps = {path: stamp_of(path)}
    sources = SourceMap(Position(str(path)))
    config = _read_config(path, sources, problems)
    if config is None:
        raise InputError(problems)
    lists: dict[str, MacSet] = {}
    for name, position in sorted(_list_files(config, sources).items()):
        stamps[path.parent / name] = stamp_of(path.parent / name)
        lists[name] = _read_list(path.parent / name, position, problems)
    clients = ClientTable()
    for number, name in enumerate(config.clients):
        stamps[path.parent / name] = stamp_of(path.parent / name)
        data = _octets(path.parent / name, sources.at(("clients", number), value=True), problems)
        clients.add_csv(data, str(path.parent / name), problems)
    problems += mistakes(config, sources)
    for name in config.tftp.templates.values():
        stamps[path.parent / name] = stamp_of(path.parent / name)
    client_files = _templates(config, path.parent, sources, problems)
    if problems:
        raise InputError(problems)
    selecting = Selecting(config.groups, lists.__getitem__, registered)
    return Loaded(
        path=path,
        config=config,
        policy=compile_policy(config, lists.__getitem__, registered),
        known=selecting.select(config.known) if config.known is not None else NOBODY,
        clients=clients,
        lists=lists,
        stamps=stamps,
        client_files=client_files,
        cautions=tuple(sorted(set(cautions(config, sources, path.parent)))),
    )


def read_config(path: Path) -> BootServerConfig:
    """The configuration alone, without the files that it names. Raises ``InputError``."""
    problems: list[Problem] = []
    config = _read_config(path, SourceMap(Position(str(path))), problems)
    if config is None:
        raise InputError(problems)
    return config


def registry_of(path: Path, config: BootServerConfig, state_directory: str | None) -> Where:
    """Where the registry of a configuration is: a database, or a file whose name begins at systemd's state
    directory (``STATE_DIRECTORY``) if there is one, else beside the configuration."""
    where = where_is(config.registry or "registry.sqlite")
    return where if isinstance(where, Database) else _state_folder(path, state_directory) / where


def spool_of(
    path: Path, config: BootServerConfig, state_directory: str | None, worker: int = 0
) -> Path | None:
    """The file a server keeps beside a registry that it shares; a registry that is a file needs none."""
    where = registry_of(path, config, state_directory)
    if not isinstance(where, Database):
        return None
    ending = f"-w{worker}.spool" if worker else ".spool"
    return _state_folder(path, state_directory) / f"registry-{config.name}-{where.mark}{ending}"


def journal_of(path: Path, config: BootServerConfig, state_directory: str | None) -> Path | None:
    """Where decisions wait that are made while the database is away; one file for all workers."""
    spool = spool_of(path, config, state_directory)
    return spool.with_suffix(".decisions") if spool is not None else None


def spools_left(
    path: Path, config: BootServerConfig, state_directory: str | None, workers: int
) -> tuple[Path, ...]:
    """The files of workers that a server had, and that are more than it has now."""
    first = spool_of(path, config, state_directory)
    if first is None:
        return ()
    found = first.parent.glob(f"{glob.escape(first.stem)}-w*{first.suffix}")
    return tuple(sorted(each for each in found if _worker_of(each) >= workers))


def _worker_of(spool: Path) -> int:
    number = spool.stem.rpartition("-w")[2]
    return int(number) if number.isdecimal() else 0


def _state_folder(path: Path, state_directory: str | None) -> Path:
    return Path(state_directory) if state_directory else path.parent


def stamp_of(path: Path) -> Stamp | None:
    """What tells one state of a file from another; None if it cannot be seen."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _read_config(path: Path, sources: SourceMap, problems: list[Problem]) -> BootServerConfig | None:
    data = _octets(path, Position(str(path)), problems)
    if problems:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(Position(str(path), line), "this is not UTF-8 text", "save it as UTF-8"))
        return None
    tree = read_yaml(text, str(path), sources, problems)
    if problems:
        return None
    if not isinstance(tree, dict):
        problems.append(
            Problem(
                Position(str(path)), "a boot server's configuration is a mapping", "begin with `name: ...`"
            )
        )
        return None
    try:
        return BootServerConfig.model_validate(tree)
    except ValidationError as error:
        seen: set[Position] = set()
        for item in error.errors(include_url=False):
            problem = problem_of(item, tree, sources, BootServerConfig)
            if problem.position not in seen:  # a union reports once for each of its branches
                seen.add(problem.position)
                problems.append(problem)
        return None


def _list_files(config: BootServerConfig, sources: SourceMap) -> dict[str, Position]:
    """The list files any selector names, each with the place where it is named first."""
    return {
        name: sources.at((*path, "files", number), value=True)
        for path, selector in reversed(selectors(config).items())
        for number, name in enumerate(selector.files)
    }


def _templates(
    config: BootServerConfig, root: Path, sources: SourceMap, problems: list[Problem]
) -> tuple[ClientFile, ...]:
    made: list[ClientFile] = []
    for pattern, file in config.tftp.templates.items():
        try:
            made += compile_templates({pattern: file}, root)
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            problems.append(Problem(sources.at(("tftp", "templates", pattern)), message, remedy))
    return tuple(made)


def _octets(path: Path, position: Position, problems: list[Problem]) -> bytes:
    try:
        return bounded_octets(path)
    except OSError as error:
        problems.append(unreadable(error, position, str(path)))
        return b""


def _read_list(path: Path, position: Position, problems: list[Problem]) -> MacSet:
    """A list file: one MAC a line in any spelling, the rest of the line and lines after ``#`` are comments.

    It is read in pieces, because a million lines at once would hold up the thread that answers.
    """
    macs: set[int] = set()
    line = 1
    try:
        with path.open("rb") as file:
            while lines := file.readlines(_PIECE):
                piece = b"".join(lines)
                if line == 1:
                    piece = piece.removeprefix(b"\xef\xbb\xbf")
                plain = _plain_macs(piece, len(lines))
                if plain is not None:
                    macs.update(plain)
                else:
                    _read_lines(piece, path, line, macs, problems)
                line += len(lines)
    except OSError as error:
        problems.append(unreadable(error, position, f"the list {path}"))
    return MacSet.of(macs)


def _plain_macs(piece: bytes, lines: int) -> array[int] | None:
    """The MACs of lines that are all like ``52:54:00:12:34:56``, a million a second; None for other lines."""
    if len(piece) != lines * _LINE or piece[_LINE - 1 :: _LINE] != b"\n" * lines:
        return None
    if any(piece[at::_LINE] != b":" * lines for at in (2, 5, 8, 11, 14)):
        return None
    digits = "0000" + piece.replace(b":", b"").replace(b"\n", b"0000").decode("latin-1")
    try:
        octets = bytes.fromhex(digits[:-4])
    except ValueError:
        return None
    if len(octets) != 8 * lines:  # ``fromhex`` passes over blanks
        return None
    macs = array("Q", octets)
    if sys.byteorder == "little":
        macs.byteswap()
    return macs


def _read_lines(piece: bytes, path: Path, line: int, macs: set[int], problems: list[Problem]) -> None:
    for number, octets in enumerate(piece.splitlines(), start=line):
        words = octets.decode("utf-8", "replace").partition("#")[0].split()
        if not words:
            continue
        try:
            macs.add(parse_mac(words[0]))
        except ValueError as error:
            if len(problems) < 100:
                message, _, remedy = str(error).partition(": ")
                problems.append(Problem(Position(str(path), number), message, remedy))
