"""The variables and functions of dhcpd.conf by name (``common/tree.c``, ``struct binding_scope``)."""

from __future__ import annotations

from dataclasses import field

from coexist.languages.dhcpd.syntax import Function
from coexist.records import dataclass

Value = bytes | int | bool | Function | None
"""What an expression yields; None is a failure."""


@dataclass(slots=True)
class Scope:
    """Variables and functions, and those around them."""

    values: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None

    def find(self, name: str) -> Value:
        """What a name stands for, None for nothing."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        return None

    def has(self, name: str) -> bool:
        """Whether a name was set or unset here or around."""
        return name in self.values or (self.outer is not None and self.outer.has(name))

    def set(self, name: str, value: Value) -> None:
        """Give a name a value, where it has one already or here."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                scope.values[name] = value
                return
            scope = scope.outer
        self.values[name] = value
