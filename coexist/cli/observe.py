"""``coexist observe``: for each client in a capture who answered, who won and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.prose import tell
from coexist.cli.watching import bar, interruptible
from coexist.text.amounts import amount

if TYPE_CHECKING:
    from coexist.app.observe import Packets

EXIT_INTERRUPTED = 130


@click.command("observe")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--interface", "-i", metavar="INTERFACE", help="Listen on this network card instead of reading a file."
)
@click.option("--seconds", metavar="SECONDS", type=click.FloatRange(0.1), default=60.0, show_default=True,
              help="How long to listen.")  # fmt: skip
@click.option("--expect", type=click.Path(path_type=Path), metavar="INVENTORY",
              help="Compare with what this inventory predicts.")  # fmt: skip
@click.option(
    "--vlan", metavar="VLAN", help="The VLAN of the inventory; found by the offered addresses if not given."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How to print it.")  # fmt: skip
def command(**given: Any) -> int:
    """Read FILE (pcap or pcapng) or listen, and tell each boot: answers, winner, reason.

    TFTP, HTTP and port 4011 are only in a capture taken at the client, at its switch port, or at the server.
    Exit code 1 if a boot failed, and with --expect if one went differently than predicted. Ctrl-C ends the
    listening or the reading, and tells what was heard till then; in a file the exit code is 130.
    """
    from coexist.app.current import load_current
    from coexist.app.observe import boots
    from coexist.report.observe import as_dict, lines
    from coexist.report.prose import folded
    from coexist.report.styles import style

    if (given["file"] is None) == (given["interface"] is None):
        raise click.UsageError("name either a capture file or --interface")
    inventory = load_current(given["expect"]) if given["expect"] else None
    as_json = given["form"] == "json"
    count, differs = 0, False
    with interruptible() as interruption, _packets(given) as packets:
        for seen in boots(interruption.reading(packets), inventory, given["vlan"]):
            differs |= bool(seen.findings)
            if as_json:
                text = json.dumps(as_dict(seen), indent=2)
                click.echo(("[\n" if count == 0 else ",\n") + indent(text, "  "), nl=False)
            else:
                head, *more = lines(seen)
                click.echo(style(head.text, bold=True))
                parts = (part for each in more for part in folded(each.text, each.indent, hang=each.hang))
                click.echo("\n".join(parts))
            count += 1
    interrupted = interruption.came and given["file"] is not None
    if interrupted:
        tell(f"interrupted: {amount(count, 'boot was', 'boots were')} read, the rest of the capture was not")
    if as_json:
        click.echo("\n]" if count else "[]")
    elif not count and not interrupted:
        tell("no client asked for an address")
    if interrupted:
        return EXIT_INTERRUPTED
    return 1 if differs else 0


@contextmanager
def _packets(given: dict[str, Any]) -> Iterator[Packets]:
    from coexist.app.observe import listened
    from coexist.cli.captures import captured

    if given["file"] is not None:
        yield captured(given["file"])
        return
    seconds = given["seconds"]
    with bar(f"listening on {given['interface']}") as told:
        yield listened(given["interface"], seconds, lambda share: told(share, f"{seconds:.0f} s in all"))
