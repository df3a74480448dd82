"""Whom a class of Kea has: the groups of machines as classes, and conditions as tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from coexist.boot.leases.plan import Condition, spellings
from coexist.records import dataclass
from coexist.render.cells import Cells, spelled
from coexist.render.quoting import kea_name
from coexist.render.targets.kea_expressions import (
    any_of,
    architecture_test,
    equals,
    interval_test,
    listed_class,
    option_test,
    range_class,
    starts_with,
)
from coexist.wire.option_codes import Option


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The classes of some cells, and tests on them."""

    cells: Cells

    @cached_property
    def class_of(self) -> dict[int, str]:
        """The class that a listed machine is put into by its reservation."""
        return {mac: listed_class(cell) for cell in self.cells.named for mac in cell.points}

    def cell_classes(self) -> Iterator[dict[str, Any]]:
        """The classes of the machines' groups."""
        for cell in self.cells.named:
            if cell.intervals:
                yield {"name": range_class(cell), "test": interval_test(cell)}
            if cell.points:
                # A class without a test is given by reservations.
                yield {"name": listed_class(cell)}

    def listed_machines(self) -> Iterator[dict[str, Any]]:
        """The global reservations that put machines into the classes of their groups."""
        for mac, name in sorted(self.class_of.items()):
            yield {"hw-address": spelled(mac), "client-classes": [name]}

    def _member(self, cells: Iterable[str]) -> str:
        wanted = frozenset(cells)
        terms = []
        for cell in self.cells.named:
            if cell.name in wanted:
                terms += [f"member({kea_name(listed_class(cell))})"] if cell.points else []
                terms += [f"member({kea_name(range_class(cell))})"] if cell.intervals else []
        return any_of(terms)

    def membership(self, cells: frozenset[str]) -> str | None:
        """Whether a machine is in one of some cells; None where all are."""
        if self.cells.rest.name not in cells:
            return self._member(cells)
        others = self._member(self.cells.all - cells - {self.cells.rest.name})
        return f"not ({others})" if others else None

    def test(self, condition: Condition) -> str:
        """A condition as a class test."""
        return " and ".join(f"({term})" for term in self._terms(condition)) or "member('ALL')"

    def _terms(self, condition: Condition) -> Iterator[str]:
        if condition.clients is not None:
            membership = self.membership(self.cells.within(condition.clients))
            if membership:
                yield membership
        if condition.architectures is not None:
            yield any_of(architecture_test(code) for code in sorted(condition.architectures))
        if condition.ipxe:
            yield any_of(
                [
                    equals(Option.USER_CLASS, b"iPXE"),
                    equals(Option.USER_CLASS, b"\4iPXE"),
                    f"option[{int(Option.IPXE_ENCAPSULATED)}].exists",
                ]
            )
        if condition.vendor_class is not None:
            yield starts_with(Option.VENDOR_CLASS_IDENTIFIER, condition.vendor_class)
        if condition.user_class is not None:
            yield any_of(equals(Option.USER_CLASS, text) for text in spellings(condition.user_class))
        for test in condition.tests:
            yield option_test(test)
        for other in condition.unless:
            yield f"not ({self.test(other)})"
