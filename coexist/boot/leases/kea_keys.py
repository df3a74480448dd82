"""The keys of Kea's classification, which have other names since 2.7.4: what a file may say by version.

Source: ``src/lib/dhcpsrv/parsers/base_network_parser.h`` of 3.0 (``client-class`` is deprecated for the list
``client-classes``, ``require-client-classes`` for ``evaluate-additional-classes``, each pair may not be there
together) and ``client_class_def_parser.cc`` (``only-if-required`` for ``only-in-additional-list``); the
grammar of 2.2 knows the old names alone. By documentation: no 3.0 was run.
"""

from __future__ import annotations

from coexist.errors import InputError, Problem
from coexist.languages.kea.json_nodes import Node
from coexist.languages.kea.versions import shown

BEFORE, AFTER = (2, 2), (3, 0)
"""The versions that stand for all before and after the keys were renamed."""
RENAMED = (2, 7)


class Keys:
    """The keys a file may have. ``version``: of its server; one that is not known is told by the keys."""

    def __init__(self, version: tuple[int, int] | None) -> None:
        self.declared = version
        self._has_new = False

    @property
    def version(self) -> tuple[int, int]:
        """The server's, as far as it is known by now."""
        return self.declared or (AFTER if self._has_new else BEFORE)

    def of(self, node: Node, old: str, new: str) -> str:
        """Which of two names an entry has; the old one where it has none. Raises InputError for both, and for
        the new one in a file of a server that does not know it."""
        later = node.get(new)
        if later is None:
            return old
        if self.declared is not None and self.declared < RENAMED:
            remedy = f"write {old}, or declare the version that runs: `software: kea 3.0`"
            raise InputError([Problem(later.at, f"Kea {shown(self.declared)} does not know {new}", remedy)])
        if node.get(old) is not None:
            what = f"cannot specify both {old!r} and {new!r}"
            raise InputError([Problem(later.at, what, f"remove {old}")])
        self._has_new = True
        return new

    def guards(self, node: Node) -> tuple[str, ...]:
        """The classes of which a client must be in one, for a network, subnet or pool."""
        key = self.of(node, "client-class", "client-classes")
        one = node.plain("client-class") if key == "client-class" else None
        if key == "client-class":
            return (one,) if one else ()
        return tuple(str(item.value) for item in node.items(key))

    def asks(self, node: Node) -> tuple[str, ...]:
        """The classes that a level asks for."""
        key = self.of(node, "require-client-classes", "evaluate-additional-classes")
        return tuple(str(item.value) for item in node.items(key))
