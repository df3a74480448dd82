"""Classes of dhcpd.conf as conditions, with the statements each gives its members."""

from __future__ import annotations

from coexist.importers.account import Account
from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    Condition,
    Inexpressible,
    Member,
    all_of,
    any_of,
    test,
)
from coexist.importers.dhcpd.execution import Interpreter
from coexist.importers.dhcpd.meaning import Facts, condition_of
from coexist.importers.groups import GroupBook
from coexist.languages.dhcpd.levels import ClassPart, Level, Outline
from coexist.languages.dhcpd.syntax import Binary, Data, Expression
from coexist.records import dataclass


@dataclass(slots=True)
class ClientClass:
    """A class as a scope sees it: its condition, and the levels to execute with their own."""

    part: ClassPart
    condition: Condition
    levels: list[tuple[Condition, Level]]


class ClassBook:
    """The classes of one file, each read once."""

    def __init__(
        self, outline: Outline, interpreter: Interpreter, facts: Facts, groups: GroupBook, account: Account
    ) -> None:
        self.outline, self.interpreter, self.facts = outline, interpreter, facts
        self.groups, self.account = groups, account
        self._read: dict[str, ClientClass | Inexpressible] = {}

    def read(self) -> list[ClientClass]:
        """The classes that are understood, in the order of the file; the others are accounted for."""
        return [found for part in self.outline.classes.values() if (found := self._one(part)) is not None]

    def _one(self, part: ClassPart) -> ClientClass | None:
        for declaration in part.declarations:
            self.account.modelled(declaration.at)
        try:
            return self.understood(part)
        except Inexpressible as reason:
            for statement in (*part.match_if, *((part.match,) if part.match else ())):
                self.account.left_out(statement.at, statement.text, str(reason))
            why = f"belongs to the class {part.name}, whose members are told by something else: {reason}"
            levels = [part.level, *(level for level, _ in part.subclasses.values() if level is not None)]
            for level in levels:
                for step in (*self.interpreter.level(level).steps, *self.interpreter.level(level).defaults):
                    self.account.left_out(step.at, step.text, why)
            for _, statement in part.subclasses.values():
                self.account.left_out(statement.at, statement.text, why)
            return None

    def understood(self, part: ClassPart) -> ClientClass:
        """The class, read once. Raises Inexpressible."""
        found = self._read.get(part.name)
        if found is None:
            try:
                found = self._read_class(part)
            except Inexpressible as reason:
                found = reason
            self._read[part.name] = found
        if isinstance(found, Inexpressible):
            raise found
        return found

    def _read_class(self, part: ClassPart) -> ClientClass:
        """The class's condition: nobody without ``match``, those with a subclass where a value is matched."""
        inside = ALWAYS
        for match_if in part.match_if:
            inside = condition_of(match_if.condition, self.facts)
            self.interpreter.understood(match_if)
        if part.match is None:
            condition = inside if part.match_if else NEVER
            return ClientClass(part, condition, [(condition, part.level)])
        if part.match.spawn:
            raise Inexpressible("a class made anew for every value that is seen")
        self.account.modelled(part.match.at)
        every, own = self._subclasses(part, part.match.value)
        condition = all_of([inside, every])
        levels = [(condition, part.level)]
        levels += [(all_of([inside, value]), level) for value, level in own]
        return ClientClass(part, condition, levels)

    def _subclasses(
        self, part: ClassPart, value: Expression
    ) -> tuple[Condition, list[tuple[Condition, Level]]]:
        conditions: list[Condition] = []
        own: list[tuple[Condition, Level]] = []
        macs: list[int] = []
        for data, (level, statement) in part.subclasses.items():
            condition = condition_of(Binary("=", value, Data(data)), self.facts)
            self.account.modelled(statement.at)
            conditions.append(condition)
            if level is not None:
                own.append((condition, level))
            if len(condition) == 1 and len(condition[0]) == 1 and isinstance(condition[0][0], Member):
                macs.append(int.from_bytes(data[-6:], "big"))
        if len(macs) == len(conditions) > 1:
            return test(Member(self.groups.of_macs(part.name, macs))), own
        return any_of(conditions), own

    def condition(self, name: str) -> Condition | None:
        """Who is in a class; None for one that is not declared or not understood."""
        part = self.outline.classes.get(name)
        if part is None:
            return None
        try:
            return self.understood(part).condition
        except Inexpressible:
            return None
