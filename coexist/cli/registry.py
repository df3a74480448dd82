"""``coexist registry``: the registries themselves: what they hold, and copies from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coexist.cli.prose import tell
from coexist.errors import CoexistError

if TYPE_CHECKING:
    from coexist.registry.registry import Registry


@click.group("registry")
def command() -> None:
    """Copy a registry, or see what it holds and who writes into it.

    A registry is a SQLite file, or a PostgreSQL database (postgresql://USER@HOST/NAME) that several servers
    and consoles share.
    """


@command.command("copy", short_help="Copy a registry into another.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--server", metavar="NAME", help="Whose file FROM is, if an older coexist wrote it.")
def copy(source: str, target: str, server: str | None) -> None:
    """Copy the registry FROM into TO: a SQLite file into PostgreSQL, or back, or one file after another.

    What is newer in TO stays, and copying twice is as good as once. Both may be in use. A file TO is begun
    if it is not there.
    """
    from coexist.registry.copying import copy_registry
    from coexist.registry.opening import connect, open_registry, where_is

    if where_is(source) == where_is(target):
        raise CoexistError("FROM and TO are the same registry")
    opened = open_registry(source)
    try:
        into = connect(where_is(target))
        try:
            copied = copy_registry(opened, into, server)
        finally:
            into.close()
    finally:
        opened.close()
    of = f" of {', '.join(copied.servers)}" if copied.servers else ""
    click.echo(f"copied {copied.decisions} decisions, {copied.sights} sights{of}, {copied.acts} acts")


@command.command("show", short_help="What a registry holds.")
@click.argument("registry")
def show(registry: str) -> None:
    """Show what REGISTRY holds, and when each server wrote last."""
    from coexist.registry.opening import open_registry

    opened = open_registry(registry)
    try:
        _show(opened)
    finally:
        opened.close()


def _show(opened: Registry) -> None:
    from coexist.registry.records import STATES, iso_time

    rows = opened.rows()
    click.echo(f"registry  {opened.where}")
    for state in STATES:
        click.echo(f"{state.ljust(10)}  {sum(row.state == state for row in rows)}")
    last: dict[str, float] = {}
    for server, note in opened.sights():
        last[server] = max(last.get(server, 0.0), note.last_seen)
    for server, at in sorted(last.items()):
        click.echo(f"server {server or '(without a name)'} saw a client last at {iso_time(at)}")
    if not last:
        tell("no server saw a client yet")
