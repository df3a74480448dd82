"""``coexist init DIR``: begin an inventory."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from coexist.errors import CoexistError

_FILES = ("site.yaml", "clients.csv")


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path))
def command(directory: Path) -> None:
    """Write a small, commented, valid inventory into DIRECTORY; files that exist are never replaced."""
    present = [name for name in _FILES if (directory / name).exists()]
    if present:
        raise CoexistError(f"{directory / present[0]} exists already; name another directory, or remove it")
    directory.mkdir(parents=True, exist_ok=True)
    source = files("coexist") / "_templates" / "init"
    for name in _FILES:
        (directory / name).write_bytes((source / name).read_bytes())
    click.echo(f"wrote {directory / 'site.yaml'} and {directory / 'clients.csv'}")
    click.echo(f"next: coexist check {directory}")
