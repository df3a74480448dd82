"""YAML with positions and YAML 1.2 scalars: nothing an administrator writes is read as something else.

PyYAML's parser delivers nodes with line and column; the scalars are resolved here by the
YAML 1.2 core schema (section 10.3.2), because YAML 1.1 reads the unquoted MAC address
``52:54:00:12:34:56`` as the number 41135085296 and ``no`` as false. Numbers keep the text
they were written as (``525400123456`` is a MAC in one field and a number in another), keys
are always text, and a key that occurs twice is an error instead of a silent loss.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, ClassVar

import yaml

from coexist.errors import Position, Problem
from coexist.records import dataclass

Path = tuple[str | int, ...]

_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)\Z")
_CORE_TAGS = (
    "tag:yaml.org,2002:str",
    "tag:yaml.org,2002:int",
    "tag:yaml.org,2002:float",
    "tag:yaml.org,2002:bool",
    "tag:yaml.org,2002:null",
    "tag:yaml.org,2002:map",
    "tag:yaml.org,2002:seq",
)
_TAGS = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}
# How a plain scalar begins that may be anything but text.
_NOT_TEXT = frozenset("nNtTfF~+-.0123456789")
# A document has fewer nodes than characters; this many more can only come of aliases within aliases.
_MOST_ALIASED_NODES = 100_000

# More than anyone nests; the parser's own stack ends at some ten thousand, Python's at a thousand.
_DEEPEST = 100
# How lists and keys nest within one line: `- - - a`.
_COMPACT = re.compile(rf"(?:[-?:] +){{{_DEEPEST}}}")
_INDENTED = re.compile(rf"^ {{{_DEEPEST}}}", re.MULTILINE)
_LINE_BEGIN = re.compile(r"^ *(?=[^ \n#])", re.MULTILINE)

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Parser):  # type: ignore[misc]
    """The fast parser if there is one, without the scalars of YAML 1.1."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def resolve(self, kind: type[yaml.Node], _value: Any, _implicit: Any) -> str:
        """The tag of a node that has none written: with no implicit resolvers, its kind alone decides."""
        return _TAGS[kind]


class WrittenInt(int):
    """An integer that remembers the text it was written as."""

    text: str


class WrittenFloat(float):
    """A floating point number that remembers the text it was written as."""

    text: str


def written(value: object) -> str | None:
    """The text of a scalar as it stands in the file; None for what is not a scalar of text or number."""
    if isinstance(value, (WrittenInt, WrittenFloat)):
        return value.text
    return value if isinstance(value, str) else None


@dataclass(slots=True)
class SourceMap:
    """Where each value of a document tree was written.

    A path is the keys and list indices from the root. ``keys`` has the place of the key (or
    of the list item), ``values`` the place where the value begins.
    """

    root: Position
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)

    def at(self, path: Path, *, value: bool = False) -> Position:
        """The place of ``path``, or of its nearest ancestor that was written down."""
        places = self.values if value else self.keys
        for length in range(len(path), 0, -1):
            found = places.get(path[:length])
            if found is not None:
                return found
        return self.root


def read_yaml(text: str, file: str, sources: SourceMap, problems: list[Problem]) -> Any:
    """The tree of one YAML document as dict, list, str, WrittenInt, WrittenFloat, bool and None.

    Positions go to ``sources``. What is wrong goes to ``problems`` and reading goes on where
    that is possible; a document that cannot be parsed at all yields None.
    """
    deep = _too_deep(text)
    if deep is not None:
        place = _place_of(text, deep, file)
        problems.append(
            Problem(place, "this is nested too deeply", "close a bracket before this one, or indent it less")
        )
        return None
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        problems.append(_syntax_problem(error, file, text))
        return None
    if node is None:
        return None
    return _Builder(file, sources, problems, len(text) + _MOST_ALIASED_NODES).build(node, ())


def _place_of(text: str, index: int, file: str) -> Position:
    return Position(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _too_deep(text: str) -> int | None:
    """The index where brackets nest deeper than any inventory; None where they do not.

    Brackets in texts and comments count too: one that opens there usually closes there.
    """
    compact = _COMPACT.search(text) or _deep_block(text)
    if compact is not None:
        return compact.start()
    if text.count("[") + text.count("{") <= _DEEPEST:
        return None
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if bracket.group() in "[{" else max(0, depth - 1)
        if depth > _DEEPEST:
            return bracket.start()
    return None


def _deep_block(text: str) -> re.Match[str] | None:
    """The line of a block within more blocks than any inventory has; each is indented by a blank at least."""
    if _INDENTED.search(text) is None:
        return None
    open_: list[int] = []
    for line in _LINE_BEGIN.finditer(text):
        indentation = line.end() - line.start()
        while open_ and open_[-1] >= indentation:
            open_.pop()
        open_.append(indentation)
        if len(open_) > _DEEPEST:
            return line
    return None


def _syntax_problem(error: yaml.YAMLError, file: str, text: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        index = next((i for i, c in enumerate(text) if ord(c) == error.character), 0)
        what = f"the character U+{error.character:04X} cannot stand in YAML"
        return Problem(_place_of(text, index, file), what, "remove it")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    remedy = "check the indentation and the quotes here and on the line above"
    line = text.splitlines()[position.line - 1 : position.line]
    if line and "\t" in line[0][: len(line[0]) - len(line[0].lstrip())]:
        remedy = "indent with spaces; YAML does not allow tabs"
    elif "expected a single document" in str(error):
        remedy = "write one document a file; put the second one into a file of its own"
    elif "undefined alias" in what:
        remedy = "define the anchor with &name before it is used"
    return Problem(position, f"this is not YAML: {what}", remedy)


class _Builder:
    def __init__(self, file: str, sources: SourceMap, problems: list[Problem], most_nodes: int) -> None:
        self.file = file
        self.sources = sources
        self.problems = problems
        self.most_nodes = most_nodes
        self.open: set[int] = set()
        self.nodes = 0

    def place(self, node: yaml.Node) -> Position:
        mark = node.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    def complain(self, node: yaml.Node, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.place(node), message, remedy))

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.sources.values[path] = self.place(node)
        self.nodes += 1
        if self.nodes > self.most_nodes:
            if self.nodes == self.most_nodes + 1:
                self.complain(
                    node, "the aliases of this file unfold without end", "remove the nested aliases"
                )
            return None
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.open:
            self.complain(node, "this alias contains itself", "write the value out")
            return None
        if node.tag not in _CORE_TAGS:
            self.complain(node, f"the tag {node.tag} is not known here", "remove the tag")
        self.open.add(id(node))
        try:
            return (
                self.mapping(node, path) if isinstance(node, yaml.MappingNode) else self.sequence(node, path)
            )
        finally:
            self.open.discard(id(node))

    def sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        items = []
        for index, child in enumerate(node.value):
            self.sources.keys[(*path, index)] = self.place(child)
            items.append(self.build(child, (*path, index)))
        return items

    def mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.complain(key_node, "a key must be a single word or number", "write `key: value`")
                continue
            key: str = key_node.value
            if key == "<<" and not key_node.style:
                self.complain(
                    key_node,
                    "the merge key << does not exist in YAML 1.2",
                    "write the keys out, or name a group",
                )
                continue
            if key in result:
                first = self.sources.keys[(*path, key)]
                self.complain(
                    key_node,
                    f"the key {key!r} is written twice, first at line {first.line}",
                    "keep one of them; YAML would drop the other",
                )
                continue
            self.sources.keys[(*path, key)] = self.place(key_node)
            result[key] = self.build(value_node, (*path, key))
        return result

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.tag not in _CORE_TAGS:
            self.complain(
                node, f"the tag {node.tag} is not known here", "remove the tag, or put the value in quotes"
            )
        # A node with a style was quoted or is a block: always text. Plain is '' or None, by parser.
        return text if node.style else _resolve(text)


def _resolve(text: str) -> Any:
    """A plain scalar by the YAML 1.2 core schema."""
    if text and text[0] not in _NOT_TEXT:
        return text
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text[0] in "tT"
    # int() refuses thousands of digits; nobody means a number by them.
    if _INT.match(text) and len(text) < 100:
        base = 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10
        number = WrittenInt(int(text[2:] if base != 10 else text, base))
        number.text = text
        return number
    if _FLOAT.match(text):
        value = WrittenFloat(float(text))
        value.text = text
        return value
    return text
