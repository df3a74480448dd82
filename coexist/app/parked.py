"""Registrations that one of two servers keeps parked: docs/concepts/parking.md."""

from __future__ import annotations

from pathlib import Path

from coexist.inventory import load_inventory
from coexist.planning.parking import parked_registrations, parked_text


def parked_in(path: Path) -> tuple[int, str]:
    """How many registrations of an inventory are parked, and the list of them. Raises `InputError`."""
    found = parked_registrations(load_inventory(path))
    return len(found), parked_text(found)
