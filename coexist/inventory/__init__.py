"""What the administrator declares: models, YAML with line numbers, clients.csv, references resolved."""

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
