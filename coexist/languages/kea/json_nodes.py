"""Kea's JSON with positions: comments of three kinds, trailing commas, and an account of what was read.

Source: Kea's ARM, "JSON syntax": ``#`` and ``//`` to the end of the line, ``/* */``, and
``<?include "file"?>``, which stands for the words of that file wherever a word may stand; a comma may stand
behind the last element.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any, NoReturn

from coexist.errors import InputError, Position, Problem
from coexist.languages.source_files import ReadFile, not_included
from coexist.records import dataclass

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
# A member as most are: its name, and a string without a backslash, a short number or a word, with the comma.
_BLANKS = r"[ \t\r\n]*+"
_PLAIN = r'"([^"\\\x00-\x1f]*+)"'
_MEMBER = re.compile(
    rf"{_BLANKS}{_PLAIN}{_BLANKS}:{_BLANKS}"
    rf"(?:{_PLAIN}|(-?[0-9]{{1,18}}+)|(true|false|null)){_BLANKS}(?:,|(?=\}}))"
)
_STRING_GROUP, _NUMBER_GROUP = 2, 3
_WORD = re.compile(r"true|false|null")
_LONE = re.compile("[\ud800-\udfff]")
_WORDS = {"true": True, "false": False, "null": None}
_INCLUDE = re.compile(r'<\?\s*include\s*"([^"\n]+)"\s*\?>')
# Parser4Context::includeFile
_MOST_INCLUDES = 11
_DEEPEST = 200
_SHOWN = 120


class Node:
    """A value and its place. ``value`` is a dict of nodes, a list of nodes, or a plain value.

    ``taken`` says whether somebody understood it, ``why`` what is said of one that is left out. Its place and
    its text are worked out when they are asked for: few of a hundred thousand reservations are.
    """

    __slots__ = ("_end", "_file", "_named", "_start", "taken", "value", "why")

    def __init__(self, value: Any, file: _Text, start: int, end: int, named: int | Position) -> None:
        """``start`` to ``end``: the value's characters in its file; ``named``: where its name begins, if it
        has one and in another file as a whole place."""
        self.value = value
        self._file = file
        self._start = start
        self._end = end
        self._named = named
        self.taken = False
        self.why = ""

    @property
    def at(self) -> Position:
        """Where it or its name begins."""
        return self._file.position(self._named) if isinstance(self._named, int) else self._named

    @property
    def value_at(self) -> Position:
        """Where the value begins."""
        return self._file.position(self._start)

    @property
    def text(self) -> str:
        """How it is written, cut to what may be shown."""
        return " ".join(self._file.text[self._start : min(self._end, self._start + _SHOWN)].split())

    def name_begins(self, file: _Text, at: int) -> None:
        """Say where its name begins, which an include may have in another file."""
        self._named = at if file is self._file else file.position(at)

    def members(self) -> list[tuple[str, Node]]:
        """The members of an object, by name; none of another value."""
        return list(self.value.items()) if isinstance(self.value, dict) else []

    def elements(self) -> list[Node]:
        """The elements of a list; none of another value."""
        return list(self.value) if isinstance(self.value, list) else []

    def tree(self) -> Any:
        """The value as `json.loads` has it; nothing of it counts as understood by that."""
        if isinstance(self.value, list):
            return [element.tree() for element in self.value]
        return (
            {key: item.tree() for key, item in self.members()} if isinstance(self.value, dict) else self.value
        )

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
class _Text:
    """One file, and how far it is read."""

    text: str
    file: str
    at: int = 0
    lines: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def position(self, offset: int) -> Position:
        """Line and column of a character."""
        line = bisect_right(self.lines, offset)
        return Position(self.file, line, offset - self.lines[line - 1] + 1)


class _Reader:
    """Reads the words of a file; those of an included file stand where it is included, whatever they are."""

    def __init__(self, text: str, file: str, read_file: ReadFile, called: Callable[[str], str]) -> None:
        self.read_file = read_file
        self.called = called
        self.open = [_Text(text, file)]
        self.depth = 0

    @property
    def here(self) -> _Text:
        """The file being read."""
        return self.open[-1]

    def fail(self, message: str, remedy: str) -> NoReturn:
        here = self.here
        raise InputError([Problem(here.position(min(here.at, len(here.text))), message, remedy)])

    def skip(self) -> str:
        """The next sign, behind blanks and comments; empty at the end."""
        while True:
            here = self.here
            found = _BLANK.match(here.text, here.at)
            here.at = found.end() if found else here.at
            if here.text.startswith("<?", here.at):
                self.include()
            elif here.text.startswith("/*", here.at):
                self.fail("Comment not closed.", "end it with */")
            elif here.at < len(here.text) or len(self.open) == 1:
                return here.text[here.at : here.at + 1]
            else:
                self.open.pop()

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """The text of a pattern, consumed if it stands here."""
        here = self.here
        found = pattern.match(here.text, here.at)
        if found is None:
            return None
        here.at = found.end()
        return found.group()

    def include(self) -> None:
        here = self.here
        found = _INCLUDE.match(here.text, here.at)
        if found is None:
            self.fail("Directive not closed.", 'write <?include "file"?>')
        if len(self.open) > _MOST_INCLUDES:
            self.fail("Too many nested include.", "remove an include: the files include each other")
        try:
            text = self.read_file(found[1])
        except OSError as error:
            raise not_included(error, here.position(here.at), found[1]) from None
        here.at = found.end()
        self.open.append(_Text(text, self.called(found[1])))

    def value(self) -> Node:
        sign = self.skip()
        here, start = self.here, self.here.at
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail("the values are nested too deeply", "remove the innermost ones")
        if sign == "{":
            value: Any = self.object()
        elif sign == "[":
            value = self.array()
        else:
            value = self.scalar()
        self.depth -= 1
        return Node(value, here, start, here.at, start)

    def end(self) -> None:
        if self.skip():
            self.fail("there is something behind the configuration", "remove it")

    def scalar(self) -> Any:
        string = self.match(_STRING)
        if string is not None:
            return self.string(string)
        number = self.match(_NUMBER)
        if number is not None:
            try:
                return int(number) if number.lstrip("-").isdigit() else float(number)
            except ValueError:
                self.fail("this number is too long", "write a shorter one")
        word = self.match(_WORD)
        if word is not None:
            return _WORDS[word]
        if self.here.at < len(self.here.text):
            self.fail("a value is missing here", "write a string in quotes, a number, true, false or null")
        return self.fail("the file ends too early", "close what is open")

    def string(self, quoted: str) -> str:
        try:
            text: str = json.loads(quoted)
        except ValueError:
            self.here.at -= len(quoted)
            self.fail("this string is not JSON", "double each backslash")
        if "\\u" in quoted and _LONE.search(text):
            self.here.at -= len(quoted)
            self.fail("this string has half of a character", "write it in UTF-8")
        return text

    def object(self) -> dict[str, Node]:
        result: dict[str, Node] = {}
        self.here.at += 1
        while self.plain_members(result) != "}":
            here, named = self.here, self.here.at
            quoted = self.match(_STRING)
            if quoted is None:
                self.fail("a name in quotes is missing here", 'write "name": value, or close the brace')
            key = self.string(quoted)
            if self.skip() != ":":
                self.fail("a colon is missing here", f'write "{key}": value')
            self.here.at += 1
            node = self.value()
            node.name_begins(here, named)
            if key in result:
                what = f"{key!r} is written twice, first in {result[key].at}"
                raise InputError([Problem(node.at, what, "keep one of them")])
            result[key] = node
            self.separator("}")
        self.here.at += 1
        return result

    def plain_members(self, result: dict[str, Node]) -> str:
        """Read the members that can be read in one way only; the next sign behind them."""
        here = self.here
        text, at = here.text, here.at
        while self.depth < _DEEPEST and (found := _MEMBER.match(text, at)) is not None:
            key, string, number, word = found.groups()
            if key in result:
                break
            kind = found.lastindex or 0
            start, end = found.span(kind)
            if kind == _STRING_GROUP:
                value, start, end = string, start - 1, end + 1
            else:
                value = int(number) if kind == _NUMBER_GROUP else _WORDS[word]
            result[key] = Node(value, here, start, end, found.start(1) - 1)
            at = found.end()
        here.at = at
        return self.skip()

    def array(self) -> list[Node]:
        result: list[Node] = []
        self.here.at += 1
        while self.skip() != "]":
            result.append(self.value())
            self.separator("]")
        self.here.at += 1
        return result

    def separator(self, close: str) -> None:
        sign = self.skip()
        if sign == ",":
            self.here.at += 1
        elif sign != close:
            self.fail(f"a comma or {close} is missing here", f"write a comma, or close with {close}")


def read_json(text: str, file: str, read_file: ReadFile, called: Callable[[str], str] = str) -> Node:
    """The tree of a configuration; ``called``: how an included file is called in positions.

    Raises InputError with the place of what is no JSON."""
    reader = _Reader(text, file, read_file, called)
    node = reader.value()
    reader.end()
    return node
