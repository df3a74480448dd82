"""The edits of a repair, as an administrator would write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coexist.analysis.edits import Edit
from coexist.inventory.documents import Path
from coexist.planning.yaml_edit import flow

_LISTS = frozenset({"pools", "rules", "intent", "suppress", "relay_to", "relay", "waves"})


def edit_lines(edits: Iterable[Edit]) -> list[str]:
    """What to write into the inventory and what to take out, in lines."""
    return [line for edit in edits for line in _lines(edit)]


def _lines(edit: Edit) -> Iterator[str]:
    match edit.kind:
        case "remove":
            yield f"remove {_named(edit.path)}"
        case "drop":
            yield f"take {flow(edit.value)} out of {_named(edit.path)}"
        case "append":
            yield from _nested(edit.path, _item(edit.value))
        case "put":
            if any(_is_item(edit.path, number) for number in range(len(edit.path))):
                # An item of a list is named, since its place is not its key.
                yield f"write {_named(edit.path)}: {flow(edit.value)}"
            else:
                yield from _nested(edit.path[:-1], _entry(edit.path[-1], edit.value))


def _entry(key: str | int, value: object) -> list[str]:
    """A key with its value; a mapping has a line for each of its keys."""
    if not isinstance(value, dict):
        return [f"{flow(key)}: {flow(value)}"]
    inner = [line for name, item in value.items() for line in _entry(name, item)]
    return [f"{flow(key)}:", *(f"  {line}" for line in inner)]


def _item(value: object) -> list[str]:
    """An item of a list, likewise."""
    if not isinstance(value, dict):
        return [f"- {flow(value)}"]
    first, *rest = (line for name, item in value.items() for line in _entry(name, item))
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _nested(path: Path, last: list[str]) -> Iterator[str]:
    """YAML in block style."""
    for depth, key in enumerate(path):
        yield f"{'  ' * depth}{flow(key)}:"
    for line in last:
        yield f"{'  ' * len(path)}{line}"


def _is_item(path: Path, number: int) -> bool:
    return isinstance(path[number], int) and number > 0 and path[number - 1] in _LISTS


def _named(path: Path) -> str:
    """A path for people: items are counted from 1."""
    words = []
    for number, key in enumerate(path):
        words.append(f"[{int(key) + 1}]" if _is_item(path, number) else f".{key}" if number else str(key))
    return "".join(words)
