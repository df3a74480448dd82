"""The options of every command about one migration: the inventory, and which migration of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def of_migration(function: Any) -> Any:
    """A command of an inventory's migration: ``name`` and ``inventory`` are its parameters."""
    for option in (
        click.option("--migration", "name", metavar="NAME", help="Which one, if the inventory has several."),
        click.argument("inventory", type=click.Path(path_type=Path)),
    ):
        function = option(function)
    return function
