"""``coexist diff OLD NEW``: which clients boot differently, and which findings come and go."""

from __future__ import annotations

from pathlib import Path

import click

EXIT_CHANGES = 3


@click.command("diff")
@click.argument("old")
@click.argument("new", required=False)
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the inventory lies, if OLD or NEW is a revision alone; NEW too, if it is not given.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json", "html"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def command(old: str, new: str | None, path: Path, form: str) -> int:
    """Compare two versions of an inventory, for every client there can be.

    OLD and NEW are directories, revisions of a git checkout (main, HEAD~1, a tag), or REVISION:PATH. NEW is
    the inventory as it is now unless it is given. Exit code 3 if any client boots differently, or a finding
    comes or goes.
    """
    from coexist.app.current import today
    from coexist.app.diff import compare_versions
    from coexist.report.diff import FORMATS
    from coexist.report.page import difference_page

    found = compare_versions(old, str(path) if new is None else new, path, today())
    click.echo(difference_page(found) if form == "html" else FORMATS[form](found), nl=False)
    return 0 if found.empty else EXIT_CHANGES
