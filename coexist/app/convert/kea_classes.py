"""The classes of a Kea configuration that is made of a dhcpd.conf.

dhcpd lets the class replace what the subnet says; in Kea the subnet's option comes before a class's, and a
class's parameter before the subnet's (ARM, "Option Data Precedence"). A value that would change sides is
*contested*: it stands in classes alone, which a subnet asks for in their order: those of classes, of the
pool, of the subnet, and of the file at last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from coexist.app.convert.blocks import (
    FLAGS,
    IGNORE,
    KNOWN_ONLY,
    LEASE_TIMES,
    ONE_PLACE,
    Block,
    Key,
    Reader,
    Value,
    merged,
)
from coexist.app.convert.kea_places import Place, Places
from coexist.app.convert.kea_text import NoEqualError
from coexist.app.convert.kea_values import Values
from coexist.importers.account import Account
from coexist.languages.dhcpd.levels import ClassPart, Level, Outline
from coexist.records import dataclass
from coexist.render.quoting import kea_name
from coexist.render.targets.kea_dialect import Dialect
from coexist.render.targets.kea_expressions import any_of


@dataclass(slots=True)
class Classes:
    """Collects the entries of ``client-classes``; ``account`` collects what has no equal.

    ``asked_everywhere``: the classes that every subnet and pool with values of its own asks for first.
    ``known``: the classes of the file that have an equal. ``time_bounds``: what each subnet and its network
    say of lease times, beside other values.
    """

    outline: Outline
    dialect: Dialect
    account: Account
    reader: Reader
    places: Places
    values: Values
    entries: list[dict[str, Any]] = field(default_factory=list)
    asked_everywhere: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    time_bounds: list[tuple[dict[Key, Value], dict[Key, Value]]] = field(default_factory=list)
    contested: frozenset[Key] = field(init=False)
    _times_meet: bool = field(init=False)
    _timed: list[tuple[str, str, dict[Key, Value]]] = field(default_factory=list)
    _groups: int = 0
    _made: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contested = self.places.contested()
        self._times_meet = self.places.times_meet()

    # -- classes of the file -----------------------------------------------------------------------------

    def add_declared(self) -> None:
        """The classes and subclasses of the file; one that has no equal is accounted for."""
        for part in self.outline.classes.values():
            test = self._membership(part)
            if test is None:
                continue
            self.known.add(part.name)
            for number, (level, inner) in enumerate(self._subclass_levels(part), start=1):
                blocks = self.reader.blocks([level])
                self._add_class(f"{part.name}/{number}", inner, blocks)
            blocks = self.places.members[part.name].blocks
            plain = blocks if all(block.test is None for block in blocks) else []
            self._add_class(part.name, test, plain, always=True)
            for number, block in enumerate(blocks if not plain else [], start=1):
                said = f"member({kea_name(part.name)})"
                inner = said if block.test is None else f"{said} and ({block.test})"
                self._add_class(f"{part.name}/if-{number}", inner, [Block(None, block.values)])

    def _membership(self, part: ClassPart) -> str | None:
        terms = []
        try:
            if part.match_if:
                terms.append(self.reader.test(part.match_if[-1].condition))
            if part.match is not None:
                if part.match.spawn:
                    raise NoEqualError("a class made anew for every value that is seen")
                values = [
                    self.reader.words.subclass_test(part.match.value, octets) for octets in part.subclasses
                ]
                terms.append(any_of(values) or "not member('ALL')")
        except NoEqualError as error:
            for declaration in part.declarations:
                self.account.left_out(declaration.at, declaration.text, str(error))
            return None
        if not terms:
            # Only `add` puts a client into such a class.
            return "not member('ALL')"
        return " and ".join(f"({term})" for term in terms) if len(terms) > 1 else terms[0]

    def _subclass_levels(self, part: ClassPart) -> Iterator[tuple[Level, str]]:
        """Subclasses with statements of their own."""
        for octets, (level, _) in part.subclasses.items():
            if level is not None and level.statements and part.match is not None:
                test = self.reader.words.subclass_test(part.match.value, octets)
                if part.match_if:
                    test = f"({self.reader.test(part.match_if[-1].condition)}) and ({test})"
                yield level, test

    def _add_class(self, name: str, test: str, blocks: list[Block], *, always: bool = False) -> None:
        """A class with what is not contested, and one that subnets ask for with what is."""
        values = merged(blocks)
        ignore = values.get(IGNORE)
        if ignore is not None and not ignore.content:
            self._drop(test)
        plain = {key: value for key, value in values.items() if key not in self.contested}
        if self._times_meet and any(key in plain for key in LEASE_TIMES):
            # Within which bounds is said by the subnet.
            self._timed.append((name, test, plain))
            plain = {key: value for key, value in plain.items() if key not in LEASE_TIMES}
        entry = self._of_class(plain)
        if always or entry:
            self.entries.append({"name": name, "test": test, **entry})
        self._ask(name, test, values)

    def _of_class(self, values: dict[Key, Value]) -> dict[str, Any]:
        """Values as members of a class; what no class may have is accounted for."""
        kept = dict(values)
        for key in [key for key in kept if key in ONE_PLACE or key == KNOWN_ONLY]:
            value = kept.pop(key)
            self.account.left_out(value.at, value.text, "no class of Kea has this parameter")
        return {**self.values.times(kept), **self.values.entry(kept)}

    # -- what else becomes a class -----------------------------------------------------------------------

    def add_group(self, blocks: list[Block]) -> str:
        """A class that reservations name, and what it says under conditions, above all other classes."""
        self._groups += 1
        name = f"group-{self._groups}"
        self.entries.append({"name": name})
        asked: list[str] = []
        for number, block in enumerate(blocks, start=1):
            entry = self._of_class(block.without(FLAGS).values)
            if entry:
                said = f"member({kea_name(name)})"
                test = said if block.test is None else f"{said} and ({block.test})"
                own = f"{name}/{number}"
                self.entries.append({"name": own, "test": test, self.dialect.only_listed: True, **entry})
                asked.append(own)
        self.asked_everywhere[:0] = asked
        return name

    def add_of_the_file(self) -> None:
        """What the file itself says under conditions: below all classes, and contested values below all."""
        for number, block in enumerate(self.places.root.conditional, start=1):
            ignore = block.values.get(IGNORE)
            if ignore is not None and not ignore.content:
                self._drop(block.test or "member('ALL')")
            entry = self._of_class(block.without(self.contested).without(FLAGS).values)
            if entry:
                self.entries.append({"name": f"if-{number}", "test": block.test, **entry})

    def add_times(self) -> None:
        """The lease times of classes, where their bounds are one in all subnets.

        Kea chooses an address with its time before it asks for a subnet's own classes.
        """
        for of, test, values in self._timed:
            times = [self.values.times(values, *bounds) for bounds in self.time_bounds]
            if all(each == times[0] for each in times):
                self.entries.append({"name": f"{of}/time", "test": test, **times[0]})
                continue
            for value in (values[key] for key in LEASE_TIMES if key in values):
                why = "Kea chooses a class's lease time before it knows the subnet, and their bounds differ"
                self.account.left_out(value.at, value.text, why)

    def _drop(self, test: str) -> None:
        entry = next((c for c in self.entries if c["name"] == "DROP"), None)
        if entry is None:
            self.entries.append({"name": "DROP", "test": f"({test})"})
        else:
            entry["test"] += f" or ({test})"

    # -- classes that a level asks for -------------------------------------------------------------------

    def of_level(self, name: str, place: Place) -> list[str]:
        """The classes that a level asks for: what it says under conditions, and what is contested."""
        asked: list[str] = []
        for number, block in enumerate(place.blocks, start=1):
            own = f"{name}/{number}"
            if block.test is None:
                self._ask(own, None, block.values, asked)
                continue
            entry = self._of_class(block.without(FLAGS).values)
            if entry:
                self.entries.append(
                    {"name": own, "test": block.test, self.dialect.only_listed: True, **entry}
                )
                asked.append(own)
        return asked

    def of_shared_level(self, name: str, place: Place) -> list[str]:
        """The contested values of a level that several subnets lie in."""
        if name not in self._made:
            is_file = place is self.places.root
            asked: list[str] = []
            if is_file:
                for number, block in enumerate(place.blocks, start=1):
                    self._ask(f"{name}/{number}", block.test, block.values, asked)
            else:
                asked = self.of_level(name, place)
            self._made[name] = asked
        return self._made[name]

    def _ask(
        self, name: str, test: str | None, values: dict[Key, Value], into: list[str] | None = None
    ) -> None:
        """A class of contested values, evaluated where a level asks for it."""
        mine = {key: value for key, value in values.items() if key in self.contested}
        entry = {**self.values.times(mine), **self.values.entry(mine)}
        if not entry:
            return
        called = f"{name}/over"
        self.entries.append(
            {
                "name": called,
                "test": test or "member('ALL')",
                self.dialect.only_listed: True,
                **entry,
            }
        )
        (self.asked_everywhere if into is None else into).append(called)
