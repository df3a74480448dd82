"""``coexist report INVENTORY``: everything about a site on one page, for people who do not use a shell."""

from __future__ import annotations

from pathlib import Path

import click

from coexist.cli.prose import tell


@click.command("report")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write the page here, as report.html.",
)
def command(inventory: Path, out: Path) -> None:
    """Write one self-contained HTML page about the site of INVENTORY.

    It shows the network, who answers whom, every finding with its race as a picture, what each server
    answers, and what is assumed. It needs no network and no other file, and can be printed.
    """
    from coexist.app.current import today
    from coexist.app.site_report import site_report
    from coexist.report.page import site_page

    report = site_report(inventory, today())
    out.write_text(site_page(report, made=today().isoformat()), encoding="utf-8")
    tell(f"{out}: {report.summary}")
