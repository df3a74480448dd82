"""``coexist history INVENTORY``: what was rolled out, when and by whom."""

from __future__ import annotations

import json
from pathlib import Path

import click

from coexist.cli.prose import row, say, tell
from coexist.cli.remote import history_option


@click.command("history")
@click.argument("inventory", type=click.Path(path_type=Path, exists=True))
@click.argument("record", required=False)
@history_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How to print it.")  # fmt: skip
def command(inventory: Path, record: str | None, folder: Path | None, form: str) -> None:
    """List every apply and rollback, or show one with its servers and files."""
    from coexist.app.rollouts import records_of
    from coexist.report.rollout import files, line

    root = inventory if inventory.is_dir() else inventory.parent
    records = records_of(root, folder, record)
    if form == "json":
        click.echo(json.dumps([entry.model_dump(mode="json") for entry in records], indent=2))
    elif record:
        (shown,) = records
        say(line(shown), hang=4)
        say(f"plan {shown.plan[:12]}", "  ")
        if shown.error:
            say(shown.error, "  ")
        for state, digests in files(shown):
            say(state, "  ")
            for each in digests:
                say(each, "    ")
    elif records:
        for entry in records:
            row(line(entry))
    else:
        tell(f"nothing was rolled out yet: {folder or root / 'history'} has no record")
