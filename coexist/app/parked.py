"""Registrations that one of two servers keeps parked: docs/concepts/parking.md."""

from __future__ import annotations

from coexist.inventory import Inventory
from coexist.planning.parking import parked_registrations, parked_text


def parked_in(inventory: Inventory) -> tuple[int, str]:
    """How many registrations of an inventory are parked, and the list of them."""
    found = parked_registrations(inventory)
    return len(found), parked_text(found)
