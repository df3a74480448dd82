"""Changes to an inventory's YAML as text edits, so that comments and the order of lines stay.

PyYAML's parser says where each node stands; only the lines of a changed value are touched. A change is
applied to one text at a time, each to the text that the one before left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from coexist.inventory.documents import Path

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/ ]*\Z")
# What YAML takes for a line break, a mark or nothing that can be printed (YAML 1.2 section 5.1).
_SPECIAL = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


class EditError(ValueError):
    """The text is written in a way that these edits do not reach."""


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def flow(value: Any) -> str:
    """A value in flow style, readable by any YAML reader; text is quoted where it must be."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.match(value) and value.lower() not in _RESERVED and not value.endswith(" ")
        return value if plain else _SPECIAL.sub(_escaped, json.dumps(value, ensure_ascii=False))
    return json.dumps(value)


def put(text: str, path: Path, value: Any) -> str:
    """Set the value at a path; mappings on the way are made."""
    parents, node = _walk(text, path)
    if len(parents) == len(path):
        (key, old), _ = parents[-1], node
        return text[: key.end_mark.index] + f": {flow(value)}" + text[_end(old) :]
    here = parents[-1][1] if parents else node
    rest = path[len(parents) :]
    for step in reversed(rest[1:]):
        value = {step: value}
    return _insert(text, here, f"{flow(rest[0])}: {flow(value)}")


def remove(text: str, path: Path) -> str:
    """Take a key out; a mapping that would be left empty goes with it."""
    parents, root = _walk(text, path)
    if len(parents) < len(path):
        raise EditError(f"there is no {'.'.join(map(str, path))}")
    holder = parents[-2][1] if len(parents) > 1 else root
    assert isinstance(holder, yaml.CollectionNode)
    if len(holder.value) == 1 and len(path) > 1:
        return remove(text, path[:-1])
    key, value = parents[-1]
    return _cut(text, holder, key, value)


def append(text: str, path: Path, value: Any) -> str:
    """Add an item to the list at a path; the list is made if it is not there."""
    parents, _ = _walk(text, path)
    if len(parents) < len(path):
        return put(text, path, [value])
    node = parents[-1][1]
    if not isinstance(node, yaml.SequenceNode):
        return put(text, path, [node.value, value])
    if not node.flow_style:
        return _insert(text, node, f"- {flow(value)}")
    return _insert(text, node, flow(value))


def drop(text: str, path: Path, item: str) -> str:
    """Take an item out of the list at a path; a list that would be left empty goes with it."""
    parents, _ = _walk(text, path)
    if len(parents) < len(path):
        raise EditError(f"there is no {'.'.join(map(str, path))}")
    node = parents[-1][1]
    if not isinstance(node, yaml.SequenceNode) or len(node.value) == 1:
        return remove(text, path)
    if not node.flow_style:
        found = next(child for child in node.value if child.value == item)
        start = text.rindex("\n", 0, found.start_mark.index) + 1
        return text[:start] + text[_line_end(text, _end(found)) :]
    return put(text, path, [child.value for child in node.value if child.value != item])


def _walk(text: str, path: Path) -> tuple[list[tuple[yaml.Node, yaml.Node]], yaml.Node]:
    """The (key, value) nodes along a path, as far as it exists, and the root."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise EditError("the file is no mapping")
    node: yaml.Node = root
    found: list[tuple[yaml.Node, yaml.Node]] = []
    for step in path:
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
        if pair is None:
            break
        found.append(pair)
        node = pair[1]
    return found, root


def _end(node: yaml.Node) -> int:
    """Where the text of a node ends: a block's end mark lies behind the comments that follow it."""
    last: yaml.Node = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        child = last.value[-1]
        last = child[1] if isinstance(child, tuple) else child
    end: int = last.end_mark.index
    return end


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _insert(text: str, node: yaml.Node, entry: str) -> str:
    """Add an entry at the end of a mapping or list."""
    if not isinstance(node, yaml.CollectionNode):
        raise EditError("a single value cannot hold more")
    if node.flow_style:
        at = _end(node) - 1
        before = text[:at].rstrip()
        separator = "" if before[-1] in "{[" else " " if before[-1] == "," else ", "
        return before + separator + entry + text[at:]
    first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node.value[0]
    column = first.start_mark.column
    if isinstance(node, yaml.SequenceNode):
        line_start = text.rindex("\n", 0, first.start_mark.index) + 1
        column = text.index("-", line_start) - line_start
    at = _line_end(text, _end(node))
    newline = "" if text[:at].endswith("\n") else "\n"
    return f"{text[:at]}{newline}{' ' * column}{entry}\n{text[at:]}"


def _cut(text: str, holder: yaml.CollectionNode, key: yaml.Node, value: yaml.Node) -> str:
    start, end = key.start_mark.index, _end(value)
    if not holder.flow_style:
        begin = text.rfind("\n", 0, start) + 1
        return text[:begin] + text[_line_end(text, end) :]
    after = re.match(r"\s*,\s*", text[end:])
    if after:
        return text[:start] + text[end + after.end() :]
    before = re.search(r",\s*\Z", text[:start])
    return text[: before.start() if before else start] + text[end:]


def apply(text: str, edits: Sequence[tuple[str, Path, Any]]) -> str:
    """Apply edits one after the other: (``put``, ``append``, ``drop`` or ``remove``, path, value)."""
    for kind, path, value in edits:
        match kind:
            case "put":
                text = put(text, path, value)
            case "append":
                text = append(text, path, value)
            case "drop":
                text = drop(text, path, value)
            case _:
                text = remove(text, path)
    return text
