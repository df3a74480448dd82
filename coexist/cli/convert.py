"""``coexist convert SITE SERVER --to "kea 3.0"``: a server in another product's words, proven equal."""

from __future__ import annotations

from pathlib import Path

import click

LEASES_FILE = "kea-leases4.csv"


@click.command("convert")
@click.argument("site", type=click.Path(exists=True, path_type=Path))
@click.argument("server")
@click.option("--to", required=True, metavar="PRODUCT", help='What it becomes, with its version: "kea 3.0".')
@click.option(
    "--leases",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The old server's dhcpd.leases, to be carried over.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the written files; without it nothing is written.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the report.",
)
def command(site: Path, server: str, to: str, leases: Path | None, output: Path | None, form: str) -> int:
    """Write SERVER's whole configuration for another product, and prove that clients are answered as before.

    The server may run on its own files (`config:`) or on scopes. The report lists each statement that has no
    equal, with its line, and each client that is answered differently. Exit code 1 if there is one.
    """
    from coexist.app.convert import convert
    from coexist.cli.private import write_file
    from coexist.report.conversion import FORMATS

    converted = convert(site, server, to, leases)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_file(output / converted.path, converted.text.encode("utf-8", "surrogateescape"), private=False)
        if converted.leases is not None:
            write_file(output / LEASES_FILE, converted.leases.text.encode(), private=False)
    click.echo(FORMATS[form](converted), nl=False)
    return 0 if converted.complete else 1
