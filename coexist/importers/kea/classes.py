"""Kea's client classes: who is in each, and in which order they speak.

Of several classes that set a value the first the client was put into gives it. Looked at on the wire with
Kea 2.2.0 (tests/wire/test_import_kea_classes.py): the classes of the client's reservation come first, in the
order it lists them, whatever their own tests say, and every test sees them; then those whose test holds, in
the order of the file; then those that ask for KNOWN or UNKNOWN, themselves or by another class; then those
that a subnet asks for, in its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coexist.importers.account import Harmless
from coexist.importers.conditions import (
    ALWAYS,
    Condition,
    Inexpressible,
    Member,
    Test,
    any_of,
    negate,
    test,
)
from coexist.importers.groups import GroupBook
from coexist.importers.kea.expressions import ExpressionReader
from coexist.importers.kea.options import Definitions
from coexist.languages.kea.json_nodes import Node
from coexist.records import dataclass
from coexist.wire.option_codes import Option

_BY_VENDOR = "VENDOR_CLASS_"
_WITHOUT_TEST = "a class without a test"


@dataclass(slots=True)
class ClientClass:
    """A class of the file. ``listed``: only where a subnet asks for it; ``late``: it asks who is known."""

    name: str
    node: Node
    expression: str | None
    listed: bool
    late: bool = False


class Memberships:
    """Who is in each class, where ``reserved`` gives the group of the machines it is reserved for."""

    def __init__(self, book: ClassBook, reserved: Mapping[str, str]) -> None:
        self.book = book
        self.reserved = dict(reserved)
        self._found: dict[str, Condition | Inexpressible] = {}
        for part in book.classes.values():
            self._found[part.name] = self._read(part)

    def of(self, name: str) -> Condition:
        """The members of a class. Raises Inexpressible."""
        found = self._found.get(name)
        if isinstance(found, Inexpressible):
            raise Inexpressible(f"the class {name} is not understood")
        if found is not None:
            return found
        return any_of([*self._built_in(name), *self._reserved(name)])

    def why_not(self, name: str) -> str | None:
        """Why the members of a class of the file cannot be said; None if they can."""
        found = self._found[name]
        return str(found) if isinstance(found, Inexpressible) else None

    def speaking(self, wanted: Iterable[str]) -> list[tuple[Condition, ClientClass]]:
        """The classes that give values, the first of them first. ``wanted``: those the subnet asks for."""
        classes = [part for part in self.book.classes.values() if self.why_not(part.name) is None]
        by_name = {part.name: part for part in classes}
        result = [
            (test(Member(group)), by_name[name]) for name, group in self.reserved.items() if name in by_name
        ]
        tested = [part for part in classes if part.expression is not None or self._built_in(part.name)]
        always = [part for part in tested if not part.listed]
        asked = [by_name[name] for name in wanted if name in by_name and by_name[name] in tested]
        in_turn = (
            *(part for part in always if not part.late),
            *(part for part in always if part.late),
            *(part for part in asked if part.listed),
        )
        result += [(self.of(part.name), part) for part in in_turn]
        self.book.spoken.update(part.name for condition, part in result if condition)
        return [(condition, part) for condition, part in result if condition]

    def selecting(self, name: str) -> Condition:
        """Who is in a class before an address is chosen: one that a subnet asks for is looked at later."""
        part = self.book.classes.get(name)
        if part is not None and part.listed:
            return any_of(self._reserved(name))
        self.book.spoken.add(name)
        return self.of(name)

    def before_a_subnet(self, name: str) -> Condition:
        """Who is in a class before a subnet is chosen: who is known is looked up in the subnet.

        Raises Inexpressible.
        """
        part = self.book.classes.get(name)
        if name in ("KNOWN", "UNKNOWN") or (part is not None and part.late):
            raise Inexpressible(f"the class {name} depends on who is known in the subnet")
        return self.selecting(name)

    def _read(self, part: ClientClass) -> Condition | Inexpressible:
        try:
            return any_of([*self._tested(part), *self._reserved(part.name)])
        except Inexpressible as reason:
            return reason

    def _tested(self, part: ClientClass) -> list[Condition]:
        if part.expression is None:
            vendor = self._built_in(part.name)
            if not vendor and part.name not in self.book.given:
                # Kea evaluates nothing; hooks may put clients into it.
                raise Inexpressible(_WITHOUT_TEST)
            return vendor

        def member(name: str) -> Condition:
            other = self.book.classes.get(name)
            if name in ("KNOWN", "UNKNOWN") or (other is not None and other.late):
                part.late = True
            if other is not None and other.listed and part.listed:
                raise Inexpressible(f"whether {name} is looked at before depends on the subnet")
            return self.selecting(name)

        reader = ExpressionReader(
            part.expression, member, self.book.definitions.code, self.book.groups.of_prefix
        )
        return [reader.condition()]

    def _reserved(self, name: str) -> list[Condition]:
        return [test(Member(self.reserved[name]))] if name in self.reserved else []

    def _built_in(self, name: str) -> list[Condition]:
        if name == "ALL":
            return [ALWAYS]
        if name in ("KNOWN", "UNKNOWN"):
            known = test(Member(self.book.groups.known_group()))
            return [known if name == "KNOWN" else negate(known)]
        if name.startswith(_BY_VENDOR):
            value = name.removeprefix(_BY_VENDOR).encode("utf-8", "surrogateescape")
            return [test(Test(int(Option.VENDOR_CLASS_IDENTIFIER), "equals", value))]
        return []


class ClassBook:
    """The classes of one file. ``given``: the names that reservations list."""

    def __init__(
        self, nodes: Iterable[Node], definitions: Definitions, groups: GroupBook, given: frozenset[str]
    ) -> None:
        self.definitions, self.groups, self.given = definitions, groups, given
        self.classes: dict[str, ClientClass] = {}
        self.spoken: set[str] = set()
        self._memberships: dict[tuple[tuple[str, str], ...], Memberships] = {}
        for node in nodes:
            name = node.plain("name") or ""
            listed = [node.plain(key, bool) for key in ("only-if-required", "only-in-additional-list")]
            self.classes[name] = ClientClass(name, node, node.plain("test"), any(listed))
        self.plain = self.where({})
        for part in self.classes.values():
            reason = self.plain.why_not(part.name)
            if reason is not None:
                part.node.leave(f"its members are told by something else: {reason}")

    def where(self, reserved: Mapping[str, str]) -> Memberships:
        """Who is in which class where these groups have classes reserved, by class, in their order."""
        key = tuple(reserved.items())
        if key not in self._memberships:
            self._memberships[key] = Memberships(self, reserved)
        return self._memberships[key]

    def leave_idle(self) -> None:
        """Say which classes no client of any subnet is in."""
        for part in self.classes.values():
            if part.node.taken and part.name not in self.spoken:
                asked = "no subnet asks for it" if part.listed else "no client of these subnets is in it"
                part.node.leave(Harmless(f"without effect: {asked}"))
