"""How a registration puts a machine into a group: by saying of it what the group's ``where`` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from coexist.errors import CoexistError
from coexist.text.closest import closest

if TYPE_CHECKING:
    from coexist.inventory import Inventory

_SAID = ("name", "location", "hardware", "architecture", "firmware", "vlan", "tags")
"""What may be said of a client in the inventory, and asked for by a group."""


def joinable(inventory: Inventory) -> list[str]:
    """The groups that a machine can be put into by what is said of it, in the inventory's order."""
    return [
        name
        for name, group in inventory.site.groups.items()
        if group.where and all(column in _SAID and any(values) for column, values in group.where.items())
    ]


def said_by_group(inventory: Inventory, name: str, said: Mapping[str, str]) -> dict[str, str]:
    """What is said of a machine so that the group ``name`` has it: ``said``, and what the group asks for.

    Where a group takes several values, its first is said. Raises `CoexistError` for a group that is not
    there, that lists its members another way, or that asks for something else than what is said.
    """
    groups = inventory.site.groups
    if name not in groups:
        raise CoexistError(f"there is no group {name!r}; {closest(name, groups)}")
    if name not in joinable(inventory):
        place = inventory.where("groups", name)
        raise CoexistError(
            f"{place}: the group {name} takes no machine by a row of a list; add the machine to it"
        )
    found = {column: value for column, value in said.items() if value}
    for column, values in groups[name].where.items():
        value = found.setdefault(column, next(filter(None, values)))
        if value not in values:
            known = " or ".join(values)
            raise CoexistError(f"{column} {value!r} is not in the group {name}, which has {known}")
    return found
