"""``coexist schema``: the JSON Schema of an inventory, for editors."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema (draft 2020-12) of an inventory's YAML."""
    from coexist.inventory.schema import inventory_schema

    click.echo(json.dumps(inventory_schema(), indent=2, ensure_ascii=False))
