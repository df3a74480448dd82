"""The daemon's own file as the firewall writes it, with the element that each line comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.importers.imported import Imported
from coexist.languages.xml_tree import Element
from coexist.records import dataclass


@dataclass(slots=True)
class Written:
    """Lines of a daemon's file and the places of the elements that they come from."""

    lines: list[str] = field(default_factory=list)
    places: list[Position] = field(default_factory=list)

    def add(self, line: str, element: Element) -> None:
        """A statement; a text with line ends in it is refused: the daemon's file would have other lines."""
        if "\n" in line or "\r" in line:
            what = f"<{element.name}> has more than one line"
            raise InputError([Problem(element.at, what, "correct it on the firewall, and export again")])
        self.lines.append(line)
        self.places.append(element.at)

    @property
    def text(self) -> str:
        """The file."""
        return "".join(f"{line}\n" for line in self.lines)

    def place(self, position: Position) -> Position:
        """Where what stands at a place of the written file comes from."""
        return self.places[min(max(position.line, 1), len(self.places)) - 1]

    def imported(self, run: Callable[[str, str], Imported], server: str) -> Imported:
        """The file as an inventory (``run``: its text and name), told with the places of the elements.

        Raises InputError for what the daemon refuses, at its element.
        """
        # A name that stands in no other text, so that places in texts can be told from everything else.
        name = "\x00written"
        try:
            found = run(self.text, name)
        except InputError as error:
            problems = [replace(p, position=self.place(p.position)) for p in error.problems]
            raise InputError(problems) from None
        said = found.tree["servers"][server]
        if "left_out" in said:
            said["left_out"] = [self._text(text, name) for text in said["left_out"]]
        return replace(
            found,
            not_modelled=tuple(
                replace(entry, position=self.place(entry.position)) for entry in found.not_modelled
            ),
        )

    def _text(self, text: str, name: str) -> str:
        """A text that begins with a place of the written file."""
        line, _, rest = text.removeprefix(f"{name}:").partition(":")
        return f"{self.place(Position(name, int(line)))}:{rest.partition(':')[2]}"


@dataclass(frozen=True, slots=True)
class At:
    """A value of a JSON file and the element it comes from."""

    value: Any
    element: Element


def write_json(tree: Mapping[str, Any], root: Element) -> Written:
    """A JSON file, one key a line; ``At`` in it names the element of all that is inside."""
    written = Written()
    _json(tree, root, "", "", written)
    return written


def _json(value: Any, element: Element, before: str, after: str, written: Written) -> None:
    if isinstance(value, At):
        value, element = value.value, value.element
    if isinstance(value, Mapping):
        _lines("{}", ((f"{json.dumps(k)}: ", v) for k, v in value.items()), element, before, after, written)
    elif isinstance(value, list):
        _lines("[]", (("", v) for v in value), element, before, after, written)
    else:
        written.add(f"{before}{json.dumps(value)}{after}", element)


def _lines(
    signs: str, items: Iterable[tuple[str, Any]], element: Element, before: str, after: str, written: Written
) -> None:
    held = list(items)
    written.add(before + signs[0], element)
    for number, (key, value) in enumerate(held, start=1):
        _json(value, element, key, "," if number < len(held) else "", written)
    written.add(signs[1] + after, element)
