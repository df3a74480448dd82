"""``coexist matrix INVENTORY``: who answers whom, class by class, against the intent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command("matrix")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv", "markdown"]),
    default="text",
    help="How to print it.",
)
def command(inventory: Path, form: str) -> None:
    """Print who boots whom on the site of INVENTORY, class by class, beside what is intended."""
    from coexist.app.current import matrix_now
    from coexist.report.matrix import FORMATS, print_table

    rows = matrix_now(inventory)
    if form == "text":
        print_table(rows, unfolded=not sys.stdout.isatty() and "COLUMNS" not in os.environ)
    else:
        click.echo(FORMATS[form](rows), nl=form != "csv")
