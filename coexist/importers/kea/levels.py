"""What one level of a Kea configuration says: header fields, options, the lease time.

A level is the file itself, a shared network, a subnet, a pool, a class or a reservation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address

from coexist.importers.account import Harmless
from coexist.importers.conditions import ALWAYS, Inexpressible, spelled_value
from coexist.importers.kea.left_out import leave
from coexist.importers.kea.options import Definition, Definitions
from coexist.importers.program import FILENAME, NEXT_SERVER, Step
from coexist.languages.kea.json_nodes import Node
from coexist.records import dataclass
from coexist.wire.bootp import fits_header_file

_SENT_ANYWAY = frozenset({3, 6, 15, 54})
"""Options of Dhcpv4Srv::appendBasicOptions."""
SHORTEST_LEASE = 60
"""Seconds of the shortest lease an inventory has."""


@dataclass(slots=True)
class Values:
    """What one level says: header fields and options, as steps for everyone it speaks to."""

    fields: list[Step] = field(default_factory=list)
    options: list[Step] = field(default_factory=list)


class LevelReader:
    """Reads levels. ``forced``: where an option is sent to clients that do not ask for it."""

    def __init__(self, definitions: Iterable[Node]) -> None:
        self.definitions = Definitions()
        self.forced: dict[int, list[Node]] = {}
        self._asked: dict[int, None] = {}
        self._defined: list[tuple[Definition, Node]] = []
        for node in definitions:
            self._definition(node)

    def forced_for_all(self) -> dict[int, list[Node]]:
        """The options that all who have them get unasked; that some get them so is told."""
        for nodes in (found for code, found in self.forced.items() if code in self._asked):
            for node in nodes:
                leave(node, "always-send", "others get this option only if they ask for it")
        return {code: nodes for code, nodes in self.forced.items() if code not in self._asked}

    def leave_unused(self) -> None:
        """Say which option definitions nothing in the file uses."""
        for definition, node in self._defined:
            if definition not in self.definitions.used:
                node.leave(Harmless("names an option that nothing here uses"))

    def _definition(self, node: Node) -> None:
        definition = _defined(node)
        if definition is None:
            node.leave("an option definition without name, code or type")
            return
        self.definitions.add(definition)
        self._defined.append((definition, node))

    def values(self, holder: Node) -> Values:
        """The header fields and options one level says."""
        result = Values()
        server = holder.plain("next-server")
        if server is not None and server != "0.0.0.0":
            try:
                IPv4Address(server)
                result.fields.append(step_of(holder.get("next-server"), NEXT_SERVER, server))
            except AddressValueError:
                leave(holder, "next-server", "this is no IPv4 address")
        file = holder.plain("boot-file-name")
        if file:
            if file.isprintable() and fits_header_file(file):
                result.fields.append(step_of(holder.get("boot-file-name"), FILENAME, file))
            else:
                leave(holder, "boot-file-name", "the header field cannot hold this name")
        result.options = self.options(holder)
        return result

    def options(self, holder: Node) -> list[Step]:
        """The option-data of one level; what belongs into another option is put there."""
        inner: dict[str, dict[int, bytes]] = {}
        found: dict[int, tuple[Node, bytes | None]] = {}
        nodes: dict[str, list[Node]] = {}
        known = self._known_to(holder)
        for node in holder.items("option-data"):
            space = node.plain("space") or "dhcp4"
            code = node.plain("code", int)
            name = node.plain("name")
            if code is None and name is not None:
                code = known.code(name, space)
            if code is None:
                node.leave(f"the option {name} is not known")
                continue
            try:
                octets = _octets(node, space, code, known)
            except Inexpressible as reason:
                node.leave(str(reason))
                continue
            if space == "dhcp4":
                found[code] = (node, octets)
            elif octets is not None:
                if not space.startswith("vendor-"):
                    # It goes where the option goes that holds it.
                    node.plain("always-send", bool)
                inner.setdefault(space, {})[code] = octets
                nodes.setdefault(space, []).append(node)
        return list(self._settled(found, inner, nodes, known))

    def _known_to(self, holder: Node) -> Definitions:
        """The definitions that count at a level: a class may have some of its own."""
        own = [made for node in holder.items("option-def") if (made := _defined(node)) is not None]
        if not own:
            return self.definitions
        known = Definitions(dict(self.definitions.own), self.definitions.used)
        for definition in own:
            known.add(definition)
        return known

    def _settled(
        self,
        found: dict[int, tuple[Node, bytes | None]],
        inner: dict[str, dict[int, bytes]],
        nodes: dict[str, list[Node]],
        known: Definitions,
    ) -> Iterator[Step]:
        for code, (node, given) in found.items():
            octets = given
            space = known.encapsulated_space(code)
            for sub, value in sorted(inner.pop(space, {}).items()):
                octets = (octets or b"") + bytes([sub, len(value)]) + value
            if octets is None or not 0 < code < 255:
                node.leave("an option without data")
                continue
            if not node.plain("always-send", bool):
                self._asked[code] = None
            elif code not in _SENT_ANYWAY:
                self.forced.setdefault(code, []).append(node)
            yield step_of(node, code, _option_text(code, octets))
        for space in inner:
            for node in nodes[space]:
                why = f"Kea sends the space {space} only where the option that holds it is listed too"
                node.leave(why if space.startswith("vendor-") else Harmless(why))

    def lease_time(self, holder: Node) -> int | None:
        """The seconds it leases for; None where it does not say."""
        seconds = holder.plain("valid-lifetime", int)
        return None if seconds is None else int(seconds)


def _defined(node: Node) -> Definition | None:
    """The option that is defined; None where its name, code or type is missing."""
    name, code, kind = node.plain("name"), node.plain("code", int), node.plain("type")
    if name is None or code is None or kind is None:
        return None
    record = str(node.plain("record-types") or "")
    return Definition(
        name=name,
        code=code,
        space=node.plain("space") or "dhcp4",
        kind=kind,
        array=bool(node.plain("array", bool)),
        encapsulates=node.plain("encapsulate") or "",
        record=tuple(part.strip() for part in record.split(",")) if record else (),
    )


def _octets(node: Node, space: str, code: int, known: Definitions) -> bytes | None:
    """The octets of an option; None where its type wants data and there are none. Raises Inexpressible."""
    data = node.plain("data")
    csv = node.plain("csv-format", bool)
    if data is None:
        return b"" if known.is_empty(space, code) else None
    return known.octets(space, code, data, csv=csv is not False)


def step_of(node: Node | None, key: object, value: object) -> Step:
    """A value that a level sets for everyone it speaks to."""
    assert node is not None
    return Step(condition=ALWAYS, key=key, value=value, at=node.at, text=node.text)


def _option_text(code: int, octets: bytes) -> str:
    """The value as it is written in an inventory; a boot file without its NUL stays without."""
    if code == 67:
        return "hex:" + octets.hex(":") if not octets.endswith(b"\0") else spelled_value(code, octets[:-1])
    return spelled_value(code, octets) if octets else "hex:"
