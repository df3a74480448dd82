"""What a converter wrote."""

from __future__ import annotations

from coexist.importers.account import NotModelled
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file, by its name, and the statements that have no equal in it, each with its line."""

    path: str
    text: str
    lost: tuple[NotModelled, ...]
