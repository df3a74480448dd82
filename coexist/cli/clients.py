"""``coexist clients``: the clients a boot server saw, and what is decided on them."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.prose import tell
from coexist.text.foreign import cell
from coexist.wire.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from coexist.app.console_client import ConsoleClient


@click.group("clients")
def command() -> None:
    """List, register and ignore the clients a boot server saw.

    REGISTRY is the server's configuration, its registry file itself, or the postgresql:// address of a
    registry that several servers share. What is decided here takes effect on the running servers within a
    second.
    """


def _macs(values: tuple[str, ...]) -> tuple[int, ...]:
    try:
        return tuple(parse_mac(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _mac(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    return _macs(values)


_registry_argument = click.argument("registry")
_macs_argument = click.argument("macs", nargs=-1, required=True, callback=_mac, metavar="MAC...")


def _of_console(function: Any) -> Any:
    """Add the options that name a console instead of a registry."""
    for option in (
        click.option(
            "--ca-file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Who signed the console's certificate, if this machine does not know.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="A token of `coexist users token`, for --console.",
        ),
        click.option("--console", metavar="URL", help="Ask a console on another machine, not a REGISTRY."),
    ):
        function = option(function)
    return function


def _console(console: str, token_file: Path | None, ca_file: Path | None) -> ConsoleClient:
    from coexist.app.console_client import ConsoleClient

    if token_file is None:
        raise click.UsageError("--console needs --token-file; `coexist users token` makes a token")
    return ConsoleClient(console, token_file, ca_file, tell)


def _split(words: tuple[str, ...], console: str | None) -> tuple[str, tuple[int, ...]]:
    """The registry, which is empty for a console, and the MACs."""
    registry, rest = ("", words) if console else (words[0], words[1:])
    if not rest:
        raise click.UsageError("name a MAC" if console else "name the REGISTRY, then at least one MAC")
    return registry, _macs(rest)


_words_argument = click.argument("words", nargs=-1, required=True, metavar="[REGISTRY] MAC...")


@command.command("list", short_help="List the clients, those seen last first.")
@click.argument("registry", required=False)
@_of_console
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["seen", "asking", "registered", "ignored"]),
    help="Only those in this state; may be given several times.",
)
@click.option("--strangers", is_flag=True, help="Only those the configuration does not call known.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    help="json and csv have all columns.",
)
def list_clients(
    registry: str | None,
    states: tuple[str, ...],
    strangers: bool,
    form: str,
    console: str | None,
    token_file: Path | None,
    ca_file: Path | None,
) -> None:
    """List the clients, those seen last first.

    seen: it asked to boot. asking: it chose registration in a boot menu. registered, ignored: decided here.
    """
    if (registry is None) == (console is None):
        raise click.UsageError("name either a REGISTRY or a --console")
    if console is not None:
        asked = _console(console, token_file, ca_file)
        machines, found = asked.clients("unregistered" if strangers else "all")
        _WRITERS[form]([row for row in machines if not states or row["state"] in states])
        if found > len(machines):
            tell(f"{found - len(machines)} more were seen longer ago")
        return
    assert registry is not None
    from coexist.app.registries import listed
    from coexist.report.clients import as_dict

    _WRITERS[form]([as_dict(row) for row in listed(registry, states, strangers=strangers)])


@command.command("register", short_help="Register machines.")
@_words_argument
@_of_console
@click.option("--why", default="", help="Why, for the history of the console.")
@click.option("--name", help="What people call the machine.")
@click.option("--location", help="Where it stands.")
@click.option("--hardware", help="The hardware type, as in the inventory.")
@click.option(
    "--group", help="A group of the configuration, or of the console's inventory, that the machine joins."
)
def register(
    words: tuple[str, ...],
    console: str | None,
    token_file: Path | None,
    ca_file: Path | None,
    why: str,
    **columns: str | None,
) -> None:
    """Register machines: rules for registered clients and for their group apply at once.

    With --console they go into the inventory, all or none, and the change can be undone there.
    """
    registry, macs = _split(words, console)
    if console is not None:
        change = _console(console, token_file, ca_file).register(macs, columns, why)
        _tell_change(macs, "registered", change)
        return
    from coexist.app.registries import register as register_in

    notes = register_in(registry, macs, columns)
    for mac in macs:
        click.echo(f"{format_mac(mac)} is registered")
    for note in notes:
        tell(f"note: {note}")


def _tell_change(macs: Sequence[int], what: str, change: str) -> None:
    for mac in macs:
        click.echo(f"{format_mac(mac)} is {what}")
    tell(f"change {change}: the console's page History takes it back")


@command.command("ignore", short_help="Answer these machines no more.")
@_words_argument
@_of_console
@click.option("--why", default="", help="Why, for the history of the console, which asks for a reason.")
def ignore(
    words: tuple[str, ...],
    console: str | None,
    token_file: Path | None,
    ca_file: Path | None,
    why: str,
) -> None:
    """Answer these machines no more, whatever the rules say."""
    registry, macs = _split(words, console)
    if console is not None:
        _tell_change(macs, "ignored", _console(console, token_file, ca_file).ignore(macs, why))
        return
    from coexist.app.registries import ignore as ignore_in

    notes = ignore_in(registry, macs)
    for mac in macs:
        click.echo(f"{format_mac(mac)} is ignored")
    for note in notes:
        tell(f"note: {note}")


@command.command("forget", short_help="Remove machines from the registry.")
@_registry_argument
@_macs_argument
def forget(registry: str, macs: tuple[int, ...]) -> None:
    """Remove machines from the registry; those that ask again appear again."""
    from coexist.app.registries import forget as forget_in

    for note in forget_in(registry, macs):
        tell(f"note: {note}")


@command.command("history", short_help="Who decided what.")
@_registry_argument
@click.argument("macs", nargs=-1, callback=_mac, metavar="[MAC...]")
def history(registry: str, macs: tuple[int, ...]) -> None:
    """Tell who registered, ignored and forgot machines, and when; the last first."""
    from coexist.app.registries import acts
    from coexist.report.clients import act_line

    for act in acts(registry, macs):
        click.echo(act_line(act))


@command.command("export", short_help="Write registered clients as a clients.csv.")
@_registry_argument
@click.option("--all", "everyone", is_flag=True, help="Unregistered clients too.")
def export(registry: str, everyone: bool) -> None:
    """Write registered clients to stdout as an inventory's clients.csv."""
    from coexist.app.registries import listed
    from coexist.report.clients import EXPORTED, exported

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(EXPORTED)
    writer.writerows(exported(listed(registry, () if everyone else ("registered",))))


def _write_text(rows: list[dict[str, Any]]) -> None:
    from coexist.report.clients import table_of

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines, left_out = table_of(rows, width)
    for line in lines:
        click.echo(line)
    if left_out:
        tell(f"too narrow for {', '.join(left_out)}: --format json has all columns")


def _write_json(rows: list[dict[str, Any]]) -> None:
    click.echo(json.dumps(rows, indent=2))


def _write_csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    writer.writerows([cell(str(value)) for value in row.values()] for row in rows)


_WRITERS: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "text": _write_text,
    "json": _write_json,
    "csv": _write_csv,
}
