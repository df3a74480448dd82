"""``coexist history INVENTORY``: what was rolled out, when and by whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coexist.cli.prose import say, tell
from coexist.cli.remote import history_option

if TYPE_CHECKING:
    from coexist.rollout.history import Record


@click.command("history")
@click.argument("inventory", type=click.Path(path_type=Path, exists=True))
@click.argument("record", required=False)
@history_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How to print it.")  # fmt: skip
def command(inventory: Path, record: str | None, folder: Path | None, form: str) -> None:
    """List every apply and rollback, or show one with its servers and files."""
    from coexist.rollout.history import FOLDER, History

    history = History(folder or (inventory if inventory.is_dir() else inventory.parent) / FOLDER)
    records = [history.record(record)] if record else history.records()
    if form == "json":
        click.echo(json.dumps([entry.model_dump(mode="json") for entry in records], indent=2))
    elif record:
        _show(records[0])
    elif records:
        for entry in records:
            say(_line(entry), hang=4)
    else:
        tell(f"nothing was rolled out yet: {history.folder} has no record")


def _line(record: Record) -> str:
    states: dict[str, int] = {}
    for server in record.servers.values():
        states[server.state] = states.get(server.state, 0) + 1
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    of = f" of {record.of}" if record.of else ""
    reason = f"; {record.reason}" if record.reason else ""
    return (
        f"{record.id}  {record.began:%Y-%m-%d %H:%M:%S}  {record.who}  {record.kind}{of}  {record.outcome}  "
        f"{counts}{reason}"
    )


def _show(record: Record) -> None:
    say(_line(record), hang=4)
    say(f"plan {record.plan[:12]}", "  ")
    if record.error:
        say(record.error, "  ")
    for name, server in record.servers.items():
        say(f"{name}: {server.state}" + (f" ({server.error})" if server.error else ""), "  ")
        for file in server.files:
            before, after = (digest[:12] if digest else "nothing" for digest in (file.before, file.after))
            say(f"{file.path}: {before} -> {after}", "    ")
