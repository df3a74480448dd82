"""From a directory (or one file) to an ``Inventory``, with every mistake named in one run.

A directory holds ``site.yaml``; sections may stand in further files: every ``*.yaml`` beside it and
in ``inventory.d/`` is read too. Sections that are mappings are joined, lists are appended in the
order of the file names; the same name in two files is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from coexist.errors import InputError, Position, Problem, unreadable
from coexist.inventory.broken import EVERY_NAME
from coexist.inventory.clients import ClientTable
from coexist.inventory.clients_ahead import Ahead, taken
from coexist.inventory.documents import Path as TreePath
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.files import MAIN_FILE, read_named, shown
from coexist.inventory.groups import GroupResolver
from coexist.inventory.macset import MacSet
from coexist.inventory.models import Site
from coexist.inventory.references import check_references
from coexist.inventory.twins import twins_of, with_twins
from coexist.inventory.validation import validate
from coexist.records import dataclass
from coexist.text.octets import UTF_16_MARKS, bounded_octets

T = TypeVar("T")


@dataclass(frozen=True)
class Inventory:
    """A valid inventory: what was declared, the registered clients, and where each thing was written.

    ``root`` is the directory file names in it are relative to.
    """

    root: Path
    site: Site
    clients: ClientTable
    sources: SourceMap
    resolver: GroupResolver
    read: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was read of servers' own files, by server: see ``boot.own_files``."""

    @cached_property
    def _made(self) -> dict[tuple[str, str], Any]:
        return {}

    def made_once(self, what: str, name: str, make: Callable[[], T]) -> T:
        """What another room makes of this inventory and asks for again, by what it is and the server."""
        key = (what, name)
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found

    @cached_property
    def twins(self) -> Mapping[str, str]:
        """The twin of each server that has one."""
        return twins_of(self.site)

    def where(self, *path: str | int, value: bool = False) -> Position:
        """The place of a declaration: ``inventory.where("servers", "otc", "delay")``."""
        return self.sources.at(path, value=value)

    def group(self, name: str) -> MacSet:
        """The MACs of a group; ``everyone``, ``known`` and ``unknown`` always exist."""
        return self.resolver.macs(name)

    def group_uuids(self, name: str) -> tuple[UUID, ...]:
        """The machines that a group names by their UUID, whatever card they use."""
        return self.resolver.uuids(name)

    def members(self, names: tuple[str, ...], unless: tuple[str, ...] = ()) -> MacSet:
        """The union of some groups minus others."""
        return self.resolver.union(names) - self.resolver.union(unless)

    @cached_property
    def known(self) -> MacSet:
        """Every registered client."""
        return self.resolver.macs("known")


def load_inventory(path: Path | str, ahead: Ahead | None = None) -> Inventory:
    """Read and check an inventory. ``ahead``: files of clients that are being read already.

    Raises ``InputError`` with every problem found: unreadable files, YAML, values, references.
    """
    problems: list[Problem] = []
    main, files = _find_files(Path(path))
    sources = SourceMap(Position(shown(main)))
    tree: dict[str, Any] = {}
    whole = [_merge(tree, file, sources, problems) for file in files]
    return _assemble(tree, main.parent, sources, problems, ahead or {}, whole=all(whole))


def inventory_from_tree(tree: dict[str, Any], root: Path | str = ".") -> Inventory:
    """An inventory from a tree that was made, not read: plain dicts, lists, strings and numbers.

    Raises ``InputError``; its places then name no line.
    """
    return _assemble(tree, Path(root), SourceMap(Position("<inventory>")), [], {})


def _assemble(
    tree: dict[str, Any],
    root: Path,
    sources: SourceMap,
    problems: list[Problem],
    ahead: Ahead,
    *,
    whole: bool = True,
) -> Inventory:
    """``whole``: every file could be read; else what is not declared may stand in another one."""
    # A section with everything in it commented out is as good as not written.
    tree = {name: part for name, part in tree.items() if part is not None or name not in Site.model_fields}
    if not whole:
        tree.setdefault("site", "unnamed")
    _split_clients(tree, sources)
    site, broken = validate(tree, sources, problems)
    if site is None:
        raise InputError(problems)
    known = len(problems)
    table = _read_clients(site, root, sources, problems, ahead)
    if len(problems) > known:
        broken.setdefault("clients", set()).add(EVERY_NAME)
    resolver = GroupResolver(site, table, root, sources)
    if whole:
        problems += check_references(site, table, resolver, sources, broken)
    if problems:
        raise InputError(problems)
    return Inventory(root, with_twins(site), table, sources, resolver)


def _find_files(path: Path) -> tuple[Path, list[Path]]:
    main = path / MAIN_FILE if path.is_dir() else path
    if not main.exists():
        what = "this directory has no site.yaml" if path.is_dir() else "there is no such file"
        raise InputError(
            [Problem(Position(shown(main)), what, "name an inventory, or begin one with `coexist init DIR`")]
        )
    if not path.is_dir():
        return main, [main]
    others = sorted(
        {
            *path.glob("*.yaml"),
            *path.glob("*.yml"),
            *path.glob("inventory.d/*.yaml"),
            *path.glob("inventory.d/*.yml"),
        }
    )
    return main, [main, *(file for file in others if file != main)]


def _merge(tree: dict[str, Any], file: Path, sources: SourceMap, problems: list[Problem]) -> bool:
    """Add one file's sections to the tree, and their places to ``sources``; False if it cannot be read."""
    name, known = shown(file), len(problems)
    text = _text_of(file, name, problems)
    own = SourceMap(Position(name))
    document = None if text is None else read_yaml(text, name, own, problems)
    if document is None:
        return len(problems) == known
    if not isinstance(document, dict):
        problems.append(
            Problem(Position(name), "an inventory is a mapping of sections", "begin with `site: name`")
        )
        return False
    offsets = {
        section: _join(tree, section, value, own, sources, problems) for section, value in document.items()
    }
    _copy_places(own, sources, offsets)
    return True


def _text_of(file: Path, name: str, problems: list[Problem]) -> str | None:
    try:
        # A pipe that lies among the files would be waited for; one a shell made (/dev/fd/63) is read.
        if file.suffix and file.is_fifo():
            problems.append(Problem(Position(name), "this is a pipe, not a file", "remove or rename it"))
            return None
        data = bounded_octets(file)
    except OSError as error:
        problems.append(unreadable(error, Position(name)))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = "this is UTF-16 text" if data[:2] in UTF_16_MARKS else "this is not UTF-8 text"
        problems.append(Problem(Position(name, line), what, "save the file as UTF-8"))
        return None


def _join(
    tree: dict[str, Any],
    section: str,
    value: Any,
    own: SourceMap,
    sources: SourceMap,
    problems: list[Problem],
) -> int:
    """Put one section of a file into the tree; returns by how much its list indices move."""
    if section == "clients" and isinstance(value, str):
        value = [value]
    present = tree.get(section)
    if present is None:
        tree[section] = value
        return 0
    if isinstance(present, list) and isinstance(value, list):
        present.extend(value)
        return len(present) - len(value)
    if isinstance(present, dict) and isinstance(value, dict):
        for name, item in value.items():
            if name in present:
                first = sources.at((section, name))
                problems.append(
                    Problem(
                        own.at((section, name)),
                        f"{section}.{name} is declared twice, first at {first}",
                        "keep one of them",
                    )
                )
            else:
                present[name] = item
        return 0
    if value is not None:
        first = sources.at((section,))
        problems.append(
            Problem(
                own.at((section,)), f"{section!r} is declared twice, first at {first}", "keep one of them"
            )
        )
    return 0


def _copy_places(own: SourceMap, sources: SourceMap, offsets: dict[str, int]) -> None:
    """Add the places of one file; ``offsets``: by how much the list indices of each section move."""
    if not sources.values and not any(offsets.values()):
        sources.keys.update(own.keys)
        sources.values.update(own.values)
        sources.values.pop((), None)
        return

    def moved(path: TreePath) -> TreePath:
        offset = offsets.get(str(path[0]), 0)
        if offset and len(path) > 1 and isinstance(path[1], int):
            return (path[0], path[1] + offset, *path[2:])
        return path

    for into, places in ((sources.keys, own.keys), (sources.values, own.values)):
        for path, position in places.items():
            if path:
                into.setdefault(moved(path), position)


def _split_clients(tree: dict[str, Any], sources: SourceMap) -> None:
    """Bring the short forms of ``clients`` (a file, or a list of files and machines) into the long one."""
    value = tree.get("clients")
    if isinstance(value, str):
        tree["clients"] = {"files": [value]}
    elif isinstance(value, list):
        long: dict[str, list[Any]] = {"files": [], "listed": []}
        moved: dict[int, tuple[str, int]] = {}
        for number, item in enumerate(value):
            kind = "files" if isinstance(item, str) else "listed"
            moved[number] = (kind, len(long[kind]))
            long[kind].append(item)
        tree["clients"] = long
        for places in (sources.keys, sources.values):
            for path in [path for path in places if path[:1] == ("clients",) and len(path) > 1]:
                index = path[1]
                assert isinstance(index, int)
                places[("clients", *moved[index], *path[2:])] = places[path]


def _read_clients(
    site: Site, root: Path, sources: SourceMap, problems: list[Problem], ahead: Ahead
) -> ClientTable:
    table = ClientTable()
    for number, name in enumerate(site.clients.files):
        place = sources.at(("clients", "files", number), value=True)
        found = taken(ahead, root / name)
        if found is not None:
            table.extend(shown(root / name), found)
            continue
        data = read_named(root, name, place, problems)
        if data is not None:
            table.add_csv(data, shown(root / name), problems, (root / name).read_bytes)
    table.add_listed(site.clients.listed, _listed_place(sources))
    return table


def _listed_place(sources: SourceMap) -> Callable[[int], Position]:
    def place(number: int) -> Position:
        return sources.at(("clients", "listed", number), value=True)

    return place
