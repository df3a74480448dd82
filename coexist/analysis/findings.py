"""Findings: what is wrong with an inventory, who it hits, and how it is repaired.

A finding is returned, never raised and never logged. Codes and names stand beside the rules that report
them, are collected in ``catalogue.CATALOGUE``, and are never reused. CX1xx: inventory; CX2xx: addressing;
CX3xx: ordering and delay; CX4xx: boot path; CX5xx: not expressible on that target; CX6xx: drift; CX7xx: seen
on the wire.
"""

from __future__ import annotations

from dataclasses import field
from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING

from coexist.analysis.edits import Edit
from coexist.errors import Position
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.space import ClientClass
    from coexist.inventory.documents import Path


class Severity(IntEnum):
    """How bad it is; ``--fail-on`` compares."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of finding: its number, kebab name, usual severity and one line of what it means."""

    code: str
    name: str
    severity: Severity
    title: str

    @property
    def page(self) -> str:
        """Its page below ``docs``: what it means, why, and a failing and a repaired inventory."""
        return f"findings/{self.code}.md"

    @property
    def is_of_targets(self) -> bool:
        """Whether it says what a target cannot express."""
        return self.code.startswith("CX5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One concrete client that shows it.

    ``timeline`` are the lines of what happens to it, first to last.
    """

    mac: int
    architecture: str
    firmware: str
    vlan: str
    name: str = ""
    timeline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. ``clients`` counts the (MAC, VLAN) pairs it touches, 0 where none is concerned.

    ``path`` is the declaration it is about (servers, otc, delay); suppressions match on its beginning.
    ``classes`` are the classes of clients it touches, as the analysis cut them. ``edits`` carry the repair
    out, where the inventory alone decides.
    """

    code: Code
    severity: Severity
    position: Position
    message: str
    repair: str
    path: Path = ()
    witness: Witness | None = None
    clients: int = 0
    classes: tuple[ClientClass, ...] = field(default=(), compare=False, repr=False)
    edits: tuple[Edit, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """A finding that the inventory accepts: where it says so, why, and until when."""

    finding: Finding
    position: Position
    reason: str
    until: date | None = None
