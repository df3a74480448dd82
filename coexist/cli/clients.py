"""``coexist clients``: the clients a boot server saw, and what is decided on them."""

from __future__ import annotations

import csv
import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.prose import tell
from coexist.errors import CoexistError
from coexist.text.foreign import cell
from coexist.wire.architecture import architecture_name
from coexist.wire.mac import format_mac, parse_mac

if TYPE_CHECKING:
    from coexist.app.console_client import ConsoleClient
    from coexist.app.deciding import Told
    from coexist.inventory.macset import MacSet
    from coexist.registry.opening import Where
    from coexist.registry.records import ClientRow, Order
    from coexist.registry.registry import Registry

_STATE_DIRECTORY = "/var/lib/coexist"  # of packaging/systemd/coexist.service
_LISTED = ("mac", "state", "name", "architecture", "vlan", "address", "last_seen", "requests", "decision")
_LEFT_OUT_FIRST = ("requests", "address", "vlan", "name", "architecture", "last_seen")


@click.group("clients")
def command() -> None:
    """List, register and ignore the clients a boot server saw.

    REGISTRY is the server's configuration, its registry file itself, or the postgresql:// address of a
    registry that several servers share. What is decided here takes effect on the running servers within a
    second.
    """


def _is_config(name: str) -> bool:
    return "://" not in name and name.endswith((".yaml", ".yml"))


def _known(name: str) -> MacSet | None:
    """The clients a configuration calls known; None for a registry, which does not tell."""
    from coexist.server.config import load_config

    return load_config(Path(name)).known if _is_config(name) else None


def _registry(name: str) -> Registry:
    from coexist.registry.opening import open_registry

    return open_registry(_place(name)[0])


def _place(name: str) -> tuple[Where, Path | None]:
    """Where a registry is, and the file in which decisions wait while it is away, if a server looks there."""
    from coexist.registry.opening import where_is

    if Path(name).is_dir():
        raise CoexistError(f"{name} is a directory; name a boot server's configuration, or its registry file")
    if not _is_config(name):
        return where_is(name), None
    from coexist.server.config import journal_of, load_config, registry_of

    path = Path(name)
    config = load_config(path).config
    where = beside = registry_of(path, config, None)
    if isinstance(beside, Path) and not beside.exists():
        where = registry_of(path, config, _STATE_DIRECTORY)
    journals = (journal_of(path, config, folder) for folder in (None, _STATE_DIRECTORY))
    return where, next((each for each in journals if each is not None and each.exists()), None)


def _decide(name: str, orders: Sequence[Order]) -> Told:
    """Have the registry do what was decided, and say where it waits if it must."""
    from coexist.app.deciding import tell as tell_registry
    from coexist.registry.opening import is_database

    where, journal = _place(name)
    try:
        told = tell_registry(where, orders, journal)
    except CoexistError as error:
        if journal is None and is_database(name):
            raise CoexistError(
                f"{error}; to decide while the database is away, name the configuration of a boot server"
                " on its host"
            ) from None
        raise
    if told.kept is not None:
        tell(f"note: {told.why}")
        tell(
            f"note: this waits in {told.kept}; it is in effect on this server within seconds, and on the"
            " others when the database is back"
        )
    return told


def _who() -> str:
    """Whoever runs this command, for the audit."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())


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
    from coexist.registry.records import STATES

    opened = _registry(registry)
    rows = opened.rows(states=states or STATES)
    opened.close()
    known = _known(registry)
    if strangers:
        if known is None:
            raise CoexistError("a registry does not tell who is known; name the server's configuration")
        rows = [row for row in rows if row.mac not in known]
    _WRITERS[form]([_shown(row) for row in rows])


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
    from coexist.registry.records import new_order

    _decide(registry, [new_order(mac, "registered", **columns, who=_who(), via="command") for mac in macs])
    for mac in macs:
        click.echo(f"{format_mac(mac)} is registered")
    if _is_config(registry):
        for note in _without_effect(Path(registry), columns["group"]):
            tell(f"note: {note}")


def _tell_change(macs: Sequence[int], what: str, change: str) -> None:
    for mac in macs:
        click.echo(f"{format_mac(mac)} is {what}")
    tell(f"change {change}: the console's page History takes it back")


def _without_effect(path: Path, group: str | None) -> list[str]:
    """What a registration does not change, by a server's configuration."""
    from coexist.server.checks import selectors
    from coexist.server.config import load_config

    config = load_config(path).config
    asked = selectors(config).values()
    groups = {name for selector in asked for name in selector.groups}
    notes = []
    if group is not None and group not in groups:
        named = ", ".join(sorted(groups | config.groups.keys())) or "none"
        notes.append(f"no rule of {path} asks for the group {group!r} (groups: {named})")
    if group not in groups and not any(selector.registered for selector in asked):
        notes.append(
            f"no rule of {path} asks for registered clients, so the server answers as before; write"
            " `registered: true` into a rule, or take the machine into the inventory (`coexist clients"
            " export`)"
        )
    return notes


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
    from coexist.registry.records import new_order

    _decide(registry, [new_order(mac, "ignored", who=_who(), via="command") for mac in macs])
    for mac in macs:
        click.echo(f"{format_mac(mac)} is ignored")


@command.command("forget", short_help="Remove machines from the registry.")
@_registry_argument
@_macs_argument
def forget(registry: str, macs: tuple[int, ...]) -> None:
    """Remove machines from the registry; those that ask again appear again."""
    from coexist.registry.records import FORGOTTEN, new_order

    told = _decide(registry, [new_order(mac, FORGOTTEN, who=_who(), via="command") for mac in macs])
    if told.missing:
        raise CoexistError(f"not in the registry: {', '.join(map(format_mac, told.missing))}")


@command.command("history", short_help="Who decided what.")
@_registry_argument
@click.argument("macs", nargs=-1, callback=_mac, metavar="[MAC...]")
def history(registry: str, macs: tuple[int, ...]) -> None:
    """Tell who registered, ignored and forgot machines, and when; the last first."""
    from coexist.registry.records import iso_time

    opened = _registry(registry)
    acts = [act for act in opened.acts() if not macs or act.mac in macs]
    opened.close()
    for act in acts:
        said = (iso_time(act.at), format_mac(act.mac), act.action.ljust(10), act.who or "somebody", act.via)
        click.echo("  ".join(said).rstrip())


@command.command("export", short_help="Write registered clients as a clients.csv.")
@_registry_argument
@click.option("--all", "everyone", is_flag=True, help="Unregistered clients too.")
def export(registry: str, everyone: bool) -> None:
    """Write registered clients to stdout as an inventory's clients.csv."""
    from coexist.registry.records import STATES

    opened = _registry(registry)
    rows = opened.rows(states=STATES if everyone else ("registered",))
    opened.close()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("mac", "name", "location", "hardware", "architecture", "vlan", "tags"))
    for row in sorted(rows, key=lambda row: row.mac):
        writer.writerow(
            map(
                cell,
                (format_mac(row.mac), row.name, row.location, row.hardware, _architecture(row), row.vlan,
                 row.client_group),
            )
        )  # fmt: skip


def _architecture(row: ClientRow) -> str:
    """By the name an inventory knows; empty for a number without one."""
    name = architecture_name(row.architecture) if row.architecture is not None else ""
    return "" if name.startswith("arch-") else name


def _shown(row: ClientRow) -> dict[str, Any]:
    from coexist.registry.records import iso_time

    return {
        "mac": format_mac(row.mac),
        "state": row.state,
        "name": row.name,
        "location": row.location,
        "hardware": row.hardware,
        "group": row.client_group,
        "architecture": architecture_name(row.architecture) if row.architecture is not None else "",
        "uuid": row.uuid,
        "vendor_class": row.vendor_class,
        "vlan": row.vlan,
        "address": row.address,
        "first_seen": iso_time(row.first_seen),
        "last_seen": iso_time(row.last_seen),
        "requests": row.requests,
        "decision": row.decision,
        "rule": row.rule,
        "answered_by": row.answered_by,
    }


def _write_text(rows: list[dict[str, Any]]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines, left_out = table_of(rows, width)
    for line in lines:
        click.echo(line)
    if left_out:
        tell(f"too narrow for {', '.join(left_out)}: --format json has all columns")


def table_of(rows: Sequence[dict[str, Any]], width: int | None) -> tuple[list[str], list[str]]:
    """The lines of a table, at most ``width`` characters if that can be had, and the columns left out."""
    columns = {name: [name, *(str(row[name]) for row in rows)] for name in _LISTED}
    widths = {name: max(map(len, cells)) for name, cells in columns.items()}
    left_out: list[str] = []
    for name in _LEFT_OUT_FIRST:
        if width is None or sum(widths.values()) + 2 * (len(widths) - 1) <= width:
            break
        del columns[name], widths[name]
        left_out.append(name)
    lines = zip(
        *([cell.ljust(widths[name]) for cell in cells] for name, cells in columns.items()), strict=True
    )
    return ["  ".join(cells).rstrip() for cells in lines], left_out


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
