"""One change to an inventory's text, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.inventory.documents import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """``put`` a value at a path, ``append`` an item to the list there, ``drop`` one, or ``remove`` the path.

    ``why``: a sentence, where it needs one of its own.
    """

    kind: Literal["put", "append", "drop", "remove"]
    path: Path
    value: Any = None
    why: str = ""


def put(*path: str | int, value: Any) -> Edit:
    """Set a value."""
    return Edit(kind="put", path=path, value=value)


def append(*path: str | int, value: Any) -> Edit:
    """Add an item to a list."""
    return Edit(kind="append", path=path, value=value)


def drop(*path: str | int, value: Any) -> Edit:
    """Take an item out of a list."""
    return Edit(kind="drop", path=path, value=value)


def remove(*path: str | int) -> Edit:
    """Take a declaration out."""
    return Edit(kind="remove", path=path)
