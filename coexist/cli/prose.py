"""What is said in a terminal.

On stdout every sentence is folded. A message on stderr, and a line of a list, is folded on a terminal; in a
file or a pipe it stays one line, for ``grep``, a log and an editor that jumps to ``file:line:column``.
Machine formats, patches and diffs are never folded.
"""

from __future__ import annotations

import sys

import click

from coexist.report.prose import folded


def say(text: str, indent: str = "", *, hang: int = 2) -> None:
    """Print a sentence on stdout."""
    for line in folded(text, indent, hang=hang):
        click.echo(line)


def row(text: str, *, hang: int = 4) -> None:
    """Print a line of a list on stdout: folded on a terminal; elsewhere it stays one line, for ``grep``."""
    if sys.stdout is not None and sys.stdout.isatty():
        say(text, hang=hang)
    else:
        click.echo(text)


def tell(text: str, indent: str = "", *, hang: int = 4) -> None:
    """Print a message on stderr."""
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo("\n".join(folded(text, indent, hang=hang)), err=True)
    else:
        click.echo("\n".join(indent + line for line in text.splitlines()), err=True)
