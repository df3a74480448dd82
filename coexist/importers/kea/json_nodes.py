"""Kea's JSON with positions: comments of three kinds, trailing commas, and an account of what was read.

Source: Kea's ARM, "JSON syntax": ``#`` and ``//`` to the end of the line, ``/* */``, and
``<?include "file"?>``; a comma may stand behind the last element.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from coexist.errors import InputError, Position, Problem

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")
_INCLUDE = re.compile(r'<\?include\s+"([^"]*)"\s*\?>')
_DEEPEST = 200

ReadFile = Callable[[str], str]


@dataclass(slots=True)
class Node:
    """A value and its place. ``value`` is a dict of nodes, a list of nodes, or a plain value.

    ``taken`` says whether somebody understood it.
    """

    value: Any
    at: Position
    text: str = ""
    taken: bool = False
    why: str = ""

    def get(self, key: str) -> Node | None:
        """A member of an object, understood from now on; None without it or for another kind of value."""
        if not isinstance(self.value, dict):
            return None
        found: Node | None = self.value.get(key)
        if found is not None:
            found.taken = True
        return found

    def plain(self, key: str, kind: type | tuple[type, ...] = str) -> Any:
        """The value of a member if it is of a kind, else None."""
        found = self.get(key)
        if found is None:
            return None
        if isinstance(found.value, kind) and (kind is not int or not isinstance(found.value, bool)):
            return found.value
        found.taken = False
        return None

    def items(self, key: str) -> list[Node]:
        """The elements of a list member."""
        found = self.get(key)
        if found is None or not isinstance(found.value, list):
            return []
        for item in found.value:
            item.taken = True
        return list(found.value)

    def leave(self, why: str) -> None:
        """Nothing of this was taken over."""
        self.taken = False
        self.why = why

    def left(self, path: str = "") -> Iterator[tuple[Node, str]]:
        """What nobody understood: the outermost values first, and their names."""
        if not self.taken:
            yield self, path
            return
        if isinstance(self.value, dict):
            for key, item in self.value.items():
                yield from item.left(key)
        elif isinstance(self.value, list):
            for item in self.value:
                yield from item.left(path)


@dataclass(slots=True)
class _Reader:
    text: str
    file: str
    read_file: ReadFile
    at: int = 0
    depth: int = 0
    lines: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def position(self, offset: int) -> Position:
        line = bisect_right(self.lines, offset)
        return Position(self.file, line, offset - self.lines[line - 1] + 1)

    def fail(self, message: str, remedy: str = "") -> NoReturn:
        raise InputError([Problem(self.position(min(self.at, len(self.text))), message, remedy)])

    def skip(self) -> str:
        """The next sign, behind blanks and comments; empty at the end."""
        found = _BLANK.match(self.text, self.at)
        if found:
            self.at = found.end()
        return self.text[self.at : self.at + 1]

    def value(self) -> Node:
        sign = self.skip()
        start = self.at
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail("the values are nested too deeply")
        try:
            if sign == "{":
                node = Node(self.object(), self.position(start))
            elif sign == "[":
                node = Node(self.array(), self.position(start))
            elif sign == "<":
                return self.include()
            else:
                node = Node(self.scalar(), self.position(start))
        finally:
            self.depth -= 1
        node.text = " ".join(self.text[start : min(self.at, start + 120)].split())
        return node

    def include(self) -> Node:
        found = _INCLUDE.match(self.text, self.at)
        if found is None:
            self.fail("this is no value", 'write <?include "file"?>')
        try:
            text = self.read_file(found[1])
        except OSError as error:
            self.fail(f"Can't open include file {found[1]}: {error.strerror}")
        self.at = found.end()
        inner = _Reader(text, found[1], self.read_file, depth=self.depth)
        node = inner.value()
        inner.end()
        return node

    def end(self) -> None:
        if self.skip():
            self.fail("there is something behind the configuration", "remove it")

    def scalar(self) -> Any:
        for pattern in (_STRING, _NUMBER, _WORD):
            found = pattern.match(self.text, self.at)
            if found:
                self.at = found.end()
                try:
                    return json.loads(found.group())
                except ValueError:
                    self.fail("this string is not JSON", "double each backslash")
        return self.fail("a value is missing here" if self.at < len(self.text) else "the file ends too early")

    def object(self) -> dict[str, Node]:
        result: dict[str, Node] = {}
        self.at += 1
        while self.skip() != "}":
            found = _STRING.match(self.text, self.at)
            if found is None:
                self.fail("a name in quotes is missing here")
            start = self.at
            try:
                key = json.loads(found.group())
            except ValueError:
                self.fail("this name is not JSON", "double each backslash")
            self.at = found.end()
            if self.skip() != ":":
                self.fail("a colon is missing here")
            self.at += 1
            node = self.value()
            node.at = self.position(start)
            if key in result:
                raise InputError([Problem(node.at, f"{key!r} stands twice", "keep one of them")])
            result[key] = node
            self.separator("}")
        self.at += 1
        return result

    def array(self) -> list[Node]:
        result: list[Node] = []
        self.at += 1
        while self.skip() != "]":
            result.append(self.value())
            self.separator("]")
        self.at += 1
        return result

    def separator(self, close: str) -> None:
        sign = self.skip()
        if sign == ",":
            self.at += 1
        elif sign != close:
            self.fail(f"a comma or {close} is missing here")


def read_json(text: str, file: str, read_file: ReadFile) -> Node:
    """The tree of a configuration. Raises InputError with the place of what is no JSON."""
    reader = _Reader(text, file, read_file)
    try:
        node = reader.value()
    except RecursionError:
        reader.fail("the values are nested too deeply")
    reader.end()
    return node
