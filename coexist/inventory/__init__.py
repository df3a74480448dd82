"""What the administrator declares: models, YAML with line numbers, clients.csv, references resolved.

The names are imported when they are first asked for: the models take longer to import than most inventories
to read, and who reads a file ahead needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coexist.inventory.clients import ClientRecord, ClientTable
    from coexist.inventory.loader import Inventory, inventory_from_tree, load_inventory
    from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
    from coexist.inventory.models import Site

__all__ = [
    "EVERYONE",
    "NOBODY",
    "ClientRecord",
    "ClientTable",
    "Inventory",
    "MacSet",
    "Site",
    "inventory_from_tree",
    "load_inventory",
]

_MODULES = {
    "ClientRecord": "clients",
    "ClientTable": "clients",
    "EVERYONE": "macset",
    "Inventory": "loader",
    "MacSet": "macset",
    "NOBODY": "macset",
    "Site": "models",
    "inventory_from_tree": "loader",
    "load_inventory": "loader",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return found
