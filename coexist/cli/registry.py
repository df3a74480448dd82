"""``coexist registry``: the registries themselves: what they hold, and copies from one to another."""

from __future__ import annotations

import click

from coexist.cli.prose import tell


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
    from coexist.app.registries import copy as copy_registry

    copied = copy_registry(source, target, server)
    of = f" of {', '.join(copied.servers)}" if copied.servers else ""
    click.echo(f"copied {copied.decisions} decisions, {copied.sights} sights{of}, {copied.acts} acts")


@command.command("show", short_help="What a registry holds.")
@click.argument("registry")
def show(registry: str) -> None:
    """Show what REGISTRY holds, and when each server wrote last."""
    from coexist.app.registries import contents
    from coexist.report.clients import contents_lines

    held = contents(registry)
    for line in contents_lines(held):
        click.echo(line)
    if not held.last:
        tell("no server saw a client yet")
