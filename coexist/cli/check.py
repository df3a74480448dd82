"""``coexist check INVENTORY``: what will go wrong, for every client there can be."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coexist.cli.prose import tell

if TYPE_CHECKING:
    from coexist.apart import Apart

_CODE = re.compile(r"CX[0-9]{0,3}\Z")


def codes(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Read codes (``CX301``) and beginnings of codes (``CX3``), separated by commas or given repeatedly."""
    from coexist.app.check import is_code

    found = tuple(code.strip().upper() for value in values for code in value.split(",") if code.strip())
    for code in found:
        if not _CODE.match(code):
            raise click.BadParameter(f"{code!r} is no code; write CX301, or CX3 for all that begin so")
        if not is_code(code):
            raise click.BadParameter(f"no code begins with {code}; docs/findings/README.md lists them all")
    return found


@click.command("check")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.argument("about", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit", "github", "gitlab"]),
    default="text",
    help="How to print the findings.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 when a finding is at or above this severity.",
)
@click.option(
    "--select", multiple=True, callback=codes, metavar="CODES", help="Only these codes (CX3 means CX3xx)."
)
@click.option("--ignore", multiple=True, callback=codes, metavar="CODES", help="Not these codes.")
@click.option(
    "--files",
    multiple=True,
    metavar="[SERVER=]DIRECTORY",
    help="Look into the boot files there too: a TFTP root, or a rendered tree.",
)
@click.option("-v", "--verbose", is_flag=True, help="Each finding with its race and its repair.")
@click.pass_obj
def command(
    apart: Apart | None,
    inventory: Path,
    about: tuple[str, ...],
    form: str,
    fail_on: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    files: tuple[str, ...],
    verbose: bool,
) -> int:
    """Find what goes wrong on the site described by INVENTORY, before it does.

    A sentence a finding; with the race and the repair where ABOUT names them: a code (CX301), a declaration
    (servers.otc) or a place (site.yaml:57).

    Covers all 2^48 MAC addresses on every VLAN with every declared architecture and firmware. Each finding
    names a line of the inventory, a client that shows it with its time line, and a repair.
    """
    from coexist.app.check import check, fails
    from coexist.app.current import today

    # With the race and the repair of each finding, or a sentence a finding.
    whole = form != "text" or verbose or bool(about)
    report = check(
        inventory,
        today(),
        select=select,
        ignore=ignore,
        about=about,
        files=files,
        apart=apart,
        brief=not whole,
    )
    # Which imports every rule: after the files of clients have begun to be read.
    from coexist.report.findings import FORMATS, as_text
    from coexist.report.prose import UNFOLDED, WIDTH

    if form == "text":
        # In a file or a pipe a finding is one line, for grep and for editors; races are for reading.
        width = WIDTH if whole or sys.stdout.isatty() else UNFOLDED
        place = shlex.quote(str(inventory))
        click.echo(as_text(report, width, whole=whole, place=place), nl=False)
        if report.findings and not whole:
            code = report.findings[0].code.code
            tell(f"coexist check {place} {code} shows a finding's race and its repair, -v those of all")
    else:
        click.echo(FORMATS[form](report))
    return 1 if fails(report.findings, fail_on) else 0
