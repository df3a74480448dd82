"""``coexist render``: each server's own configuration, one folder a server."""

from __future__ import annotations

from pathlib import Path

import click

from coexist.cli.prose import tell


@click.command("render")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="The directory to write to; each server gets a folder in it.")  # fmt: skip
@click.option("--templates", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="A directory whose templates take the place of coexist's own.")  # fmt: skip
@click.option(
    "--only", "only", multiple=True, metavar="SERVER", help="Write this server only; may be repeated."
)
@click.option("--fail-on", type=click.Choice(["error", "warning", "info", "never"]), default="error",
              show_default=True, help="Exit with 1 for findings this bad or worse.")  # fmt: skip
def command(
    inventory: Path, output: Path, templates: Path | None, only: tuple[str, ...], fail_on: str
) -> int:
    """Write every server's own configuration.

    What a product cannot express is told on stderr with its code, its place in the inventory and the
    alternative; the files are written all the same. Servers declared as fixed are named and left alone.
    """
    from coexist.app.check import fails
    from coexist.app.current import today
    from coexist.app.render import rendered, write_site
    from coexist.report.findings import line

    made = rendered(inventory, today(), templates=templates, only=only)
    for path in write_site(made.site, output, only):
        click.echo(str(path))
    for name, why in made.site.left_out.items():
        tell(f"{name}: {why}")
    for finding in made.findings:
        tell(line(finding))
    if made.accepted:
        tell(f"{made.accepted} more are accepted by the inventory (`suppress`)")
    return 1 if fails(made.findings, fail_on) else 0
