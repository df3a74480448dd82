"""``coexist checklist``: what was tried on the pilot machines, and what came of it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import click

from coexist.cli.of_migration import of_migration
from coexist.cli.prose import tell

EXIT_OPEN = 1


@click.group("checklist", no_args_is_help=True)
def command() -> None:
    """Record what was tried on each pilot machine; the gate of the next wave reads it."""


_who = click.option("--who", help="Who tried it; the user's own name if not given.")


@command.command("show", short_help="Print the checklist.")
@of_migration
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "csv", "html"]),
    default="markdown",
    show_default=True,
    help="How to print it; html is a page a machine, for a clipboard.",
)
def show(inventory: Path, name: str | None, form: str) -> int:
    """Print the checklist: Markdown, CSV, or a page to print (html). Exits with 1 while anything is open."""
    from coexist.app.migrations import load
    from coexist.report.checklist import to_csv, to_markdown

    loaded = load(inventory, name)
    sheet = loaded.sheet
    if form == "html":
        from coexist.app.pilots import other_complaints, pilot_pages
        from coexist.report.pilot_page import pilots_page

        text = pilots_page(loaded.name, pilot_pages(loaded), other_complaints(loaded))
    else:
        text = to_csv(sheet) if form == "csv" else to_markdown(sheet)
    click.echo(text, nl=False)
    return EXIT_OPEN if sheet.missing or sheet.failed else 0


@command.command("record", short_help="Record what a test on a machine gave.")
@of_migration
@click.argument("machine")
@click.argument("item")
@click.argument("result", metavar="RESULT", type=click.Choice(["passed", "failed", "not-applicable"]))
@_who
@click.option("--note", default="", help="What was seen.")
def record(
    inventory: Path, name: str | None, machine: str, item: str, result: Any, who: str | None, note: str
) -> int:
    """Record a result: passed, failed or not-applicable.

    ITEM is its text, the beginning of it, or its number from 1.
    """
    from coexist.app import checklists
    from coexist.app.migrations import load

    loaded = load(inventory, name)
    entry = checklists.record(loaded, machine, item, result, who=who or getpass.getuser(), note=note)
    tell(f"{entry.machine}: {entry.item}: {entry.result}")
    return 0


@command.command("complain", short_help="Record a complaint: it shuts the gate.")
@of_migration
@_who
@click.option("--machine", default="", help="The machine it is about.")
@click.option("--note", required=True, help="What was reported.")
def complain(inventory: Path, name: str | None, who: str | None, machine: str, note: str) -> int:
    """Record a complaint: the quiet days of the gate begin again, and it stays open until it is settled."""
    from coexist.app import checklists
    from coexist.app.migrations import load

    loaded = load(inventory, name)
    number = checklists.complain(loaded, note, who=who or getpass.getuser(), machine=machine)
    tell(f"complaint {number} is open; `coexist checklist settle` closes it")
    return 0


@command.command("settle", short_help="Close a complaint.")
@of_migration
@click.argument("number", type=click.IntRange(min=1))
def settle(inventory: Path, name: str | None, number: int) -> int:
    """Close a complaint by its number, counted from 1 in the order they were made."""
    from coexist.app import checklists
    from coexist.app.migrations import load

    checklists.settle(load(inventory, name), number)
    tell(f"complaint {number} is settled")
    return 0
