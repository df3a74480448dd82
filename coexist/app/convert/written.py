"""What a converter writes, and how a product names its own converters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from coexist.app.convert.leases import CarriedLeases
from coexist.importers.account import NotModelled
from coexist.inventory import Inventory
from coexist.inventory.models import Server
from coexist.inventory.product import Product
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file, by its name, and the statements that have no equal in it, each with its line."""

    path: str
    text: str
    lost: tuple[NotModelled, ...] = ()


Converter = Callable[[Inventory, str, Server], Written]
"""From an inventory, a server's name and its declaration as the other product."""
Carrier = Callable[[Path, str, Server], CarriedLeases]
"""From a file of leases, the written configuration, and the declaration as the other product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A product's own way to another, or from another: the record of either names it.

    ``of``: the product that is converted, None for the one whose record it is. ``write``: from a server on
    its own file. ``settings``: what the other must be told to answer as this one does by itself. ``carry``:
    brings the leases along.
    """

    to: Product
    of: Product | None = None
    write: Converter
    settings: Mapping[str, object] = field(default_factory=dict)
    carry: Carrier | None = None
