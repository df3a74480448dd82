"""The options of a Kea configuration: which of those it defines something uses. ``languages.kea`` knows their
types, and makes octets of their data."""

from __future__ import annotations

from dataclasses import field

from coexist.importers.conditions import Inexpressible
from coexist.languages.kea.option_data import (
    DHCP4,
    STANDARD,
    BadDataError,
    OptionType,
    OptionTypes,
    number_of,
)
from coexist.records import dataclass

_TYPES = OptionTypes()
_BY_NAME = {option.name: option.code for option in STANDARD.values()}


@dataclass(frozen=True, slots=True)
class Definition:
    """An option a configuration defines."""

    name: str
    code: int
    space: str
    kind: str
    array: bool = False
    encapsulates: str = ""
    record: tuple[str, ...] = ()

    @property
    def type(self) -> OptionType:
        """Its type, as Kea's language has it."""
        return OptionType(self.name, self.code, self.kind, self.array, self.encapsulates, self.record)


@dataclass(slots=True)
class Definitions:
    """The options by space and name or code: Kea's own and the configuration's."""

    own: dict[tuple[str, str | int], Definition] = field(default_factory=dict)
    used: set[Definition] = field(default_factory=set)

    def add(self, definition: Definition) -> None:
        """Declare an option."""
        self.own[definition.space, definition.name] = definition
        self.own[definition.space, definition.code] = definition

    def code(self, name: str, space: str = "dhcp4") -> int | None:
        """The code of an option by name or number."""
        number = number_of(name)
        if number is not None:
            return number
        found = self.own.get((space, name))
        if found is not None:
            self.used.add(found)
            return found.code
        return _BY_NAME.get(name) if space == "dhcp4" else None

    def encapsulated_space(self, code: int) -> str:
        """The space whose options stand inside an option."""
        found = self.own.get(("dhcp4", code))
        if found is not None and found.encapsulates:
            self.used.add(found)
            return found.encapsulates
        return "vendor-encapsulated-options-space" if code == 43 else ""

    def is_empty(self, space: str, code: int) -> bool:
        """Whether an option has no data of its own."""
        definition = self.own.get((space, code))
        known = definition.type if definition is not None else STANDARD.get(code) if space == DHCP4 else None
        return known is not None and known.kind == "empty"

    def octets(self, space: str, code: int, data: str, *, csv: bool) -> bytes:
        """Option data as octets. Raises Inexpressible for data that is not of the option's type."""
        definition = self.own.get((space, code))
        if definition is not None and csv:
            self.used.add(definition)
        standard = STANDARD.get(code) if space == DHCP4 else None
        option = definition.type if definition is not None else standard
        if option is None and csv:
            raise Inexpressible("the option is not defined")
        try:
            return _TYPES.octets(option, data, csv=csv)
        except BadDataError as error:
            raise Inexpressible(str(error)) from None
