"""The inventory a command works on: what is declared, as far as its migrations have come."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coexist.analysis import Analysis
    from coexist.analysis.findings import Finding
    from coexist.analysis.matrix import Row
    from coexist.apart import Apart
    from coexist.inventory import Inventory


def load_current(path: Path, *, parked: bool = False) -> Inventory:
    """Read an inventory with the state of each migration that has begun (``migrations/NAME.yaml``).

    ``parked``: with the parked registrations too, for what is written to servers; no machine has those MACs,
    so the analyzer is better off without.
    """
    from coexist.inventory import load_inventory

    inventory = load_inventory(path)
    if not _has_migrations(inventory):
        return inventory
    from coexist.rollout.migrated import current_inventory

    return current_inventory(inventory, parked=parked)


def _has_migrations(inventory: Inventory) -> bool:
    """Whether a migration is declared, or has left its state."""
    return bool(inventory.site.migrations) or (inventory.root / "migrations").is_dir()


def analyse_now(path: Path, today: date, apart: Apart | None = None, *, brief: bool = False) -> Analysis:
    """The findings of an inventory as far as its migrations have come, with what its products cannot keep.

    Those of a step under way are information (see `coexist.rollout.migrated.analyse_current`). ``apart`` and
    ``brief``: see `coexist.analysis.analyse`; those of a migration are never brief.
    """
    from coexist.inventory.clients_ahead import clients_ahead

    ahead = clients_ahead(path, apart) if apart is not None else {}
    # What takes a while is done before the clients are waited for: it imports the models and the rules.
    from coexist.analysis import analyse, ready
    from coexist.inventory import load_inventory

    if ahead:
        ready()
    inventory = load_inventory(path, ahead)
    if not _has_migrations(inventory):
        return analyse(inventory, today, lambda: _limits(inventory), apart=apart, brief=brief)
    from coexist.rollout.migrated import analyse_current

    return analyse_current(inventory, today)


def _limits(inventory: Inventory) -> tuple[Finding, ...]:
    from coexist.render.limits import limits

    return limits(inventory)


def matrix_now(path: Path) -> tuple[Row, ...]:
    """Who answers whom, class by class, as far as its migrations have come."""
    from coexist.analysis import analyse

    return analyse(load_current(path)).matrix


def today() -> date:
    """The date on this machine, where its administrator lives."""
    return datetime.now(UTC).astimezone().date()
