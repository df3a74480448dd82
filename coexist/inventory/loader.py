"""From a directory (or one file) to an ``Inventory``, with every mistake named in one run.

A directory holds ``site.yaml``; sections may stand in further files: every ``*.yaml`` beside it and
in ``inventory.d/`` is read too. Sections that are mappings are joined, lists are appended in the
order of the file names; the same name in two files is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coexist.errors import InputError, Position, Problem
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import Path as TreePath
from coexist.inventory.documents import SourceMap, read_yaml
from coexist.inventory.groups import GroupResolver
from coexist.inventory.macset import MacSet
from coexist.inventory.models import Site
from coexist.inventory.references import Broken, check_references
from coexist.inventory.values import closest

MAIN_FILE = "site.yaml"
# Each round of validation takes out what was wrong in the one before.
_MOST_ROUNDS = 5


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

    def where(self, *path: str | int, value: bool = False) -> Position:
        """The place of a declaration: ``inventory.where("servers", "otc", "delay")``."""
        return self.sources.at(path, value=value)

    def group(self, name: str) -> MacSet:
        """The MACs of a group; ``everyone``, ``known`` and ``unknown`` always exist."""
        return self.resolver.macs(name)

    def members(self, names: tuple[str, ...], unless: tuple[str, ...] = ()) -> MacSet:
        """The union of some groups minus others."""
        return self.resolver.union(names) - self.resolver.union(unless)

    @cached_property
    def known(self) -> MacSet:
        """Every registered client."""
        return self.resolver.macs("known")


def load_inventory(path: Path | str) -> Inventory:
    """Read and check an inventory.

    Raises ``InputError`` with every problem found: unreadable files, YAML, values, references.
    """
    problems: list[Problem] = []
    main, files = _find_files(Path(path))
    sources = SourceMap(Position(_shown(main)))
    tree: dict[str, Any] = {}
    for file in files:
        _merge(tree, file, sources, problems)
    return _assemble(tree, main.parent, sources, problems)


def inventory_from_tree(tree: dict[str, Any], root: Path | str = ".") -> Inventory:
    """An inventory from a tree that was made, not read: plain dicts, lists, strings and numbers.

    Raises ``InputError``; its places then name no line.
    """
    return _assemble(tree, Path(root), SourceMap(Position("<inventory>")), [])


def _assemble(tree: dict[str, Any], root: Path, sources: SourceMap, problems: list[Problem]) -> Inventory:
    _split_clients(tree, sources)
    site, broken = _validate(tree, sources, problems)
    if site is None:
        raise InputError(problems)
    table = _read_clients(site, root, sources, problems)
    resolver = GroupResolver(site, table, root, sources)
    problems += check_references(site, table, resolver, sources, broken)
    if problems:
        raise InputError(problems)
    return Inventory(root, site, table, sources, resolver)


def _shown(path: Path) -> str:
    """The path as the person at the terminal would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _find_files(path: Path) -> tuple[Path, list[Path]]:
    main = path / MAIN_FILE if path.is_dir() else path
    if not main.exists():
        what = "this directory has no site.yaml" if path.is_dir() else "there is no such file"
        raise InputError(
            [Problem(Position(_shown(main)), what, "name an inventory, or begin one with `coexist init DIR`")]
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


def _read_file(file: Path, problems: list[Problem]) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError as error:
        problems.append(
            Problem(
                Position(_shown(file)),
                f"the file cannot be read: {error.strerror}",
                "check its name and permissions",
            )
        )
        return None


def _merge(tree: dict[str, Any], file: Path, sources: SourceMap, problems: list[Problem]) -> None:
    """Add one file's sections to the tree, and their places to ``sources``."""
    shown = _shown(file)
    data = _read_file(file, problems)
    if data is None:
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(Position(shown, line), "this is not UTF-8 text", "save the file as UTF-8"))
        return
    own = SourceMap(Position(shown))
    document = read_yaml(text, shown, own, problems)
    if document is None:
        return
    if not isinstance(document, dict):
        problems.append(
            Problem(Position(shown), "an inventory is a mapping of sections", "begin with `site: name`")
        )
        return
    offsets = {
        section: _join(tree, section, value, own, sources, problems) for section, value in document.items()
    }
    _copy_places(own, sources, offsets)


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


def _validate(
    tree: dict[str, Any], sources: SourceMap, problems: list[Problem]
) -> tuple[Site | None, Broken]:
    """The site, without the declarations that are wrong in themselves; those are reported and remembered,
    so that reading goes on and one run names every mistake."""
    broken: Broken = {}
    for _ in range(_MOST_ROUNDS):
        try:
            return Site.model_validate(tree), broken
        except ValidationError as error:
            seen: set[Position] = set()
            for item in error.errors(include_url=False):
                problem = problem_of(item, tree, sources)
                # A union reports once for each of its branches; the first one speaks.
                if problem.position not in seen:
                    seen.add(problem.position)
                    problems.append(problem)
            if not _prune(tree, [item["loc"] for item in error.errors(include_url=False)], broken):
                break
    return None, broken


def _prune(tree: dict[str, Any], places: list[tuple[str | int, ...]], broken: Broken) -> bool:
    """Take the declarations at these places out of the tree; False if there is nothing left to take."""
    pruned = False
    for place in places:
        section = str(place[0])
        part = tree.get(section)
        if section == "site":
            tree["site"] = "unnamed"
            pruned = part != "unnamed"
        elif isinstance(part, dict) and section == "clients" and len(place) > 2 and isinstance(place[2], int):
            pruned |= _blank(part.get(str(place[1])), place[2], section)
        elif isinstance(part, dict) and len(place) > 1 and place[1] in part:
            broken.setdefault(section, set()).add(str(place[1]))
            del part[str(place[1])]
            pruned = True
        elif isinstance(part, list) and len(place) > 1 and isinstance(place[1], int):
            pruned |= _blank(part, place[1], section)
        elif section in tree:
            # Not even the shape of the section is right: nothing in it can be known.
            broken.setdefault(section, set()).add("*")
            del tree[section]
            pruned = True
    return pruned


def _blank(items: Any, number: int, section: str) -> bool:
    """Put a declaration without effect in the place of a wrong one, so that the others keep their places."""
    blanks: dict[str, Any] = {
        "intent": {"clients": "nobody", "boot_from": "nobody"},
        "suppress": {"code": "CX101", "reason": "left out while reading"},
        # Locally administered addresses that no CSV would hold.
        "clients": {"mac": f"0e:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"},
    }
    blank = blanks.get(section)
    if not isinstance(items, list) or number >= len(items) or blank is None or items[number] == blank:
        return False
    items[number] = blank
    return True


def problem_of(item: Any, tree: Any, sources: SourceMap) -> Problem:
    """A ``ValidationError.errors()`` item as a problem at its place."""
    path, names = _tree_path(item["loc"], tree)
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(
            sources.at(path),
            f"the key {path[-1]!r} is not known here",
            "check its spelling; see `coexist schema`",
        )
    if kind == "missing":
        missing = item["loc"][-1]
        return Problem(sources.at(path), f"{missing!r} is missing", f"write `{missing}: ...`")
    if kind == "value_error":
        message, _, remedy = str(context["error"]).partition("; ")
        return Problem(sources.at(path, value=names), message, remedy)
    message = str(item["msg"])
    shown = item.get("input")
    what = (
        f"{shown!r} does not fit here"
        if isinstance(shown, (str, int, float, bool, type(None)))
        else "this does not fit here"
    )
    return Problem(sources.at(path, value=names), what, message[0].lower() + message[1:])


def _tree_path(loc: tuple[str | int, ...], tree: Any) -> tuple[TreePath, bool]:
    """The part of a pydantic location that exists in the tree (the rest names union branches and
    the fields of short forms), and whether it ends in a value rather than a key's name."""
    path: list[str | int] = []
    here = tree
    is_value = True
    for step in loc:
        if isinstance(here, dict) and step in here:
            here = here[str(step)]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        elif step == "[key]":
            is_value = False
            continue
        else:
            continue
        path.append(step)
    return tuple(path), is_value


def _read_clients(site: Site, root: Path, sources: SourceMap, problems: list[Problem]) -> ClientTable:
    table = ClientTable()
    for number, name in enumerate(site.clients.files):
        file = root / name
        data = _read_file(file, problems) if file.is_file() else None
        if data is not None:
            table.add_csv(data, _shown(file), problems, file.read_bytes)
        elif not file.is_file():
            place = sources.at(("clients", "files", number), value=True)
            known = sorted(p.name for p in root.glob("*.csv"))
            problems.append(
                Problem(
                    place,
                    f"there is no file {name}",
                    closest(name, known) if known else "write it, or remove the line",
                )
            )
    table.add_listed(site.clients.listed, _listed_place(sources))
    return table


def _listed_place(sources: SourceMap) -> Callable[[int], Position]:
    def place(number: int) -> Position:
        return sources.at(("clients", "listed", number), value=True)

    return place
