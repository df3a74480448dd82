"""An XML file as a tree with places, and an account of what of it was understood."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import field
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml.common import DefusedXmlException
from defusedxml.sax import parse

from coexist.errors import InputError, Position, Problem
from coexist.records import dataclass


@dataclass(slots=True)
class Element:
    """An XML element with its place; ``taken`` says whether somebody understood it."""

    name: str
    at: Position
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    taken: bool = False
    why: str = ""

    def all(self, name: str) -> Iterator[Element]:
        """The children of a name, understood from now on."""
        for child in self.children:
            if child.name == name:
                child.taken = True
                yield child

    def first(self, name: str) -> Element | None:
        """The first child of a name."""
        return next(self.all(name), None)

    def value(self, name: str) -> str:
        """The text of a child."""
        found = self.first(name)
        return found.text.strip() if found else ""

    def values(self, name: str) -> list[str]:
        """The texts of all children of a name."""
        return [child.text.strip() for child in self.all(name)]

    def leave(self, why: str) -> None:
        """Nothing of this is in the inventory."""
        self.taken, self.why = False, why

    def left(self) -> Iterator[Element]:
        """What nobody understood, the outermost first."""
        if not self.taken:
            yield self
            return
        for child in self.children:
            yield from child.left()


class _Builder(ContentHandler):
    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self.stack: list[Element] = []
        self.root: Element | None = None
        self.locator: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 the name is xml.sax's
        self.locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        line = self.locator.getLineNumber() if self.locator else None
        column = self.locator.getColumnNumber() if self.locator else None
        element = Element(
            name, Position(self.file, line or 1, (column or 0) + 1), attributes=dict(attrs.items())
        )
        if self.stack:
            self.stack[-1].children.append(element)
        else:
            self.root = element
        self.stack.append(element)

    def endElement(self, name: str) -> None:  # noqa: N802
        self.stack.pop()

    def characters(self, content: str) -> None:
        if self.stack:
            self.stack[-1].text += content


def read_xml(data: bytes, file: str) -> Element:
    """The tree of an export. Raises InputError for what is no XML, or XML that declares entities."""
    builder = _Builder(file)
    try:
        parse(io.BytesIO(data), builder)
    except SAXParseException as error:
        place = Position(file, error.getLineNumber() or 1, (error.getColumnNumber() or 0) + 1)
        raise InputError(
            [Problem(place, f"this is no XML: {error.getMessage()}", "export it again")]
        ) from None
    except (SAXException, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(
            [Problem(Position(file), f"this XML is refused: {error}", "export it again")]
        ) from None
    if builder.root is None:
        raise InputError([Problem(Position(file), "the file is empty", "export it again")])
    return builder.root
