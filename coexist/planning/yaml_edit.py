"""Changes to an inventory's YAML as text edits, so that comments and the order of lines stay.

PyYAML's parser says where each node stands; only the lines of a changed value are touched. A change is
applied to one text at a time, each to the text that the one before left, and what the text says then is
held against what it must say: a text written in an unusual way is refused, never damaged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import yaml

from coexist.inventory.documents import Path
from coexist.records import dataclass

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
    steps, root = _walk(text, path)
    if len(steps) == len(path):
        step = steps[-1]
        if isinstance(step.key, yaml.Node):
            return text[: step.key.end_mark.index] + f": {flow(value)}" + text[_end(step.value) :]
        return text[: step.value.start_mark.index] + flow(value) + text[_end(step.value) :]
    here = steps[-1].value if steps else root
    rest = path[len(steps) :]
    for inner in reversed(rest[1:]):
        value = {inner: value}
    return _insert(text, here, f"{flow(rest[0])}: {flow(value)}")


def remove(text: str, path: Path) -> str:
    """Take a key or an item out; what holds nothing else goes with it, but for an item that others follow."""
    steps, _ = _walk(text, path)
    if len(steps) < len(path):
        raise EditError(f"there is no {'.'.join(map(str, path))}")
    step = steps[-1]
    if len(step.holder.value) > 1 or len(path) == 1:
        return _cut(text, step)
    if isinstance(path[-2], int) and isinstance(step.holder, yaml.MappingNode):
        # The places of the items behind it are named in other edits.
        return put(text, path[:-1], {})
    return remove(text, path[:-1])


def append(text: str, path: Path, value: Any) -> str:
    """Add an item to the list at a path; the list is made if it is not there."""
    steps, _ = _walk(text, path)
    if len(steps) < len(path):
        return put(text, path, [value])
    node = steps[-1].value
    if not isinstance(node, yaml.SequenceNode):
        return put(text, path, [node.value, value])
    if not node.flow_style:
        return _insert(text, node, f"- {flow(value)}")
    return _insert(text, node, flow(value))


def drop(text: str, path: Path, item: str) -> str:
    """Take an item out of the list at a path; a list that would be left empty goes with it."""
    steps, _ = _walk(text, path)
    if len(steps) < len(path):
        raise EditError(f"there is no {'.'.join(map(str, path))}")
    node = steps[-1].value
    if not isinstance(node, yaml.SequenceNode):
        return remove(text, path)
    return remove(text, (*path, _index(node, item)))


def _index(node: yaml.SequenceNode, item: str) -> int:
    found = next((number for number, child in enumerate(node.value) if child.value == item), None)
    if found is None:
        raise EditError(f"there is no {item}")
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """A value on a path, the mapping or list that holds it, and its key there (a node or an index)."""

    holder: yaml.CollectionNode
    key: yaml.Node | int
    value: yaml.Node


def _walk(text: str, path: Path) -> tuple[list[_Step], yaml.Node]:
    """The steps along a path, as far as it exists, and the root."""
    root = _composed(text)
    if not isinstance(root, yaml.MappingNode):
        raise EditError("the file is no mapping")
    node: yaml.Node = root
    found: list[_Step] = []
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                break
            found.append(_Step(node, *pair))
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found.append(_Step(node, step, node.value[step]))
        else:
            break
        node = found[-1].value
    return found, root


def _composed(text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise EditError(str(getattr(error, "problem", error))) from error
    return node


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
    if node.flow_style and not node.value:
        return text[: node.start_mark.index + 1] + entry + text[node.start_mark.index + 1 :]
    if node.flow_style:
        last = node.value[-1]
        at = _end(last[1] if isinstance(last, tuple) else last)
        return f"{text[:at]}, {entry}{text[at:]}"
    first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node.value[0]
    column = first.start_mark.column
    if isinstance(node, yaml.SequenceNode):
        line_start = text.rindex("\n", 0, first.start_mark.index) + 1
        column = text.index("-", line_start) - line_start
    at = _line_end(text, _end(node))
    newline = "" if text[:at].endswith("\n") else "\n"
    return f"{text[:at]}{newline}{' ' * column}{entry}\n{text[at:]}"


def _cut(text: str, step: _Step) -> str:
    """The text without a key and its value, or without an item."""
    start = (step.key if isinstance(step.key, yaml.Node) else step.value).start_mark.index
    end = _end(step.value)
    if not step.holder.flow_style:
        begin = text.rfind("\n", 0, start) + 1
        if isinstance(step.key, yaml.Node) and text[begin:start].strip():
            # The first key of an item stands behind its dash: the next one takes its place.
            follower: int = step.holder.value[1][0].start_mark.index
            return text[:start] + text[follower:]
        return text[:begin] + text[_line_end(text, end) :]
    after = re.match(r"\s*,\s*", text[end:])
    if after:
        return text[:start] + text[end + after.end() :]
    before = re.search(r",\s*\Z", text[:start])
    return text[: before.start() if before else start] + text[end:]


# -- the whole change ----------------------------------------------------------------------------

_EDITS = {"put": put, "append": append, "drop": drop}


def apply(text: str, edits: Sequence[tuple[str, Path, Any]]) -> str:
    """Apply edits one after the other: (``put``, ``append``, ``drop`` or ``remove``, path, value).

    A comment behind a value that changes says what the value was: it may be false of the new one. Line ends
    stay as they are. Raises ``EditError`` where an edit would change anything else too, as it does where a
    value is an alias of another.
    """
    windows = "\r\n" in text and text.count("\r\n") == text.count("\n")
    if windows:
        text = text.replace("\r\n", "\n")
    before = text
    for kind, path, value in edits:
        expected = _tree(_composed(text))
        _EXPECTED[kind](expected, path, value)
        text = remove(text, path) if kind == "remove" else _EDITS[kind](text, path, value)
        if _tree(_composed(text)) != expected:
            raise EditError(f"{'.'.join(map(str, path))} is written in a way that an edit does not reach")
    text = _of_what_was(before, text)
    return text.replace("\n", "\r\n") if windows else text


_COMMENTED = re.compile(r"""((?:[^"'#]|"(?:[^"\\]|\\.)*"|'[^']*'|(?<=\S)#)*?)\s+#\s*(.*\S)\s*\Z""")
_WAS = "was "
_WIDEST = 110


def _of_what_was(before: str, after: str) -> str:
    """The text in which each comment on a changed line says of which value it was written."""
    old, new = before.split("\n"), after.split("\n")
    for kind, first, last, at, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "replace":
            continue
        told = {key: line for line in old[first:last] if (key := _key_and_comment(line))}
        for number in range(at, end):
            key = _key_and_comment(new[number])
            if key in told:
                new[number] = _rewritten(told[key], new[number])
    return "\n".join(new)


def _key_and_comment(line: str) -> tuple[str, str] | None:
    found = _COMMENTED.match(line)
    key, colon, _ = found[1].partition(":") if found else ("", "", "")
    return (key, found[2]) if found and colon else None


def _rewritten(old: str, new: str) -> str:
    was, now = _COMMENTED.match(old), _COMMENTED.match(new)
    if was is None or now is None or now[2].startswith(_WAS):
        return new
    value = was[1].partition(":")[2].strip()
    told = f"{now[1]}  # {_WAS}{value}: {now[2]}"
    return told if len(told) <= _WIDEST else f"{now[1]}  # {_WAS}otherwise: {now[2]}"


def _tree(node: yaml.Node | None) -> Any:
    """What a document says: mappings, lists and the text of each scalar."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _tree(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item) for item in node.value]
    return node.value if node is not None else None


def _put(tree: Any, path: Path, value: Any) -> None:
    inner: Any
    for inner in path[:-1]:
        tree = tree[inner] if isinstance(tree, list) else tree.setdefault(str(inner), {})
    step = path[-1] if isinstance(tree, list) else str(path[-1])
    tree[step] = _tree(_composed(flow(value)))


def _find(tree: Any, path: Path) -> Any:
    for step in path:
        if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            tree = tree.get(str(step)) if isinstance(tree, dict) else None
    return tree


def _append(tree: Any, path: Path, value: Any) -> None:
    there = _find(tree, path)
    item = _tree(_composed(flow(value)))
    if isinstance(there, list):
        there.append(item)
    elif there is None:
        _put(tree, path, [value])
    else:
        _find(tree, path[:-1])[str(path[-1])] = [there, item]


def _remove(tree: Any, path: Path, _: Any = None) -> None:
    holder = _find(tree, path[:-1])
    step: Any = path[-1] if isinstance(holder, list) else str(path[-1])
    if not isinstance(holder, (dict, list)) or (isinstance(holder, dict) and step not in holder):
        raise EditError(f"there is no {'.'.join(map(str, path))}")
    if len(holder) > 1 or len(path) == 1 or (isinstance(path[-2], int) and isinstance(holder, dict)):
        del holder[step]
    else:
        _remove(tree, path[:-1])


def _drop(tree: Any, path: Path, item: str) -> None:
    there = _find(tree, path)
    if isinstance(there, list) and item in there:
        _remove(tree, (*path, there.index(item)))
    else:
        _remove(tree, path)


_EXPECTED = {"put": _put, "append": _append, "drop": _drop, "remove": _remove}


def section_with(text: str, section: str, name: str, value: Mapping[str, Any]) -> str:
    """An inventory's text with one declaration more; a section that is not there is begun in many lines.

    Raises ``EditError``.
    """
    if re.search(rf"^{section}:", text, re.MULTILINE):
        return put(text, (section, name), dict(value))
    rest = "".join(f"    {key}: {flow(part)}\n" for key, part in value.items())
    return f"{text.rstrip()}\n\n{section}:\n  {flow(name)}:\n{rest}"
