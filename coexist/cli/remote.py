"""What the commands that talk to servers share: their options, and progress on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from coexist.cli.prose import tell
from coexist.cli.streams import unfiltered

if TYPE_CHECKING:
    from coexist.app.reach import Connect
    from coexist.app.rollouts import Way

F = TypeVar("F", bound=Callable[..., Any])

PARALLEL = 16


def way_options(function: F) -> F:
    """Add ``--ssh-config`` and ``--connect-timeout``."""
    function = click.option(
        "--ssh-config", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Use this file instead of ~/.ssh/config.",
    )(function)  # fmt: skip
    return click.option(
        "--connect-timeout", metavar="SECONDS", type=click.FloatRange(0.1), default=15.0, show_default=True,
        help="Seconds to wait for a connection.",
    )(function)  # fmt: skip


def ssh_options(function: F) -> F:
    """Add ``--parallel`` and the ``way_options``."""
    function = click.option(
        "--parallel", metavar="NUMBER", type=click.IntRange(1, 256), default=PARALLEL, show_default=True,
        help="Servers at a time.",
    )(function)  # fmt: skip
    return way_options(function)


def history_option(function: F) -> F:
    """Add ``--history`` as ``folder``."""
    return click.option(
        "--history", "folder", type=click.Path(path_type=Path, file_okay=False),
        help="Where rollouts are recorded; `history` beside the inventory if not given.",
    )(function)  # fmt: skip


def key_option(function: F) -> F:
    """Add ``--key`` as ``key``."""
    return click.option(
        "--key", type=click.Path(path_type=Path, dir_okay=False),
        help="The key plans are sealed with; `seal.key` beside the history if not given.",
    )(function)  # fmt: skip


def rollout_options(function: F) -> F:
    """Add what every command takes that changes servers."""
    function = click.option(
        "--timeout", metavar="SECONDS", type=click.IntRange(1), default=60, show_default=True,
        help="Seconds for each check and reload on a server.",
    )(function)  # fmt: skip
    return history_option(ssh_options(function))


def way_of(given: Mapping[str, Any]) -> Way:
    """How servers are reached and where it is recorded, as the options say."""
    from coexist.app.rollouts import SECONDS, Way

    return Way(
        connect=connector(given["ssh_config"], given["connect_timeout"]),
        folder=given["folder"],
        key=given.get("key"),
        parallel=given["parallel"],
        seconds=given.get("timeout", SECONDS),
    )


def connector(ssh_config: Path | None, connect_timeout: float) -> Connect:
    """The function that opens connections, as ``way_options`` say; what is worth a word is told on stderr."""
    from coexist.app import reach

    return reach.connector(ssh_config, connect_timeout, tell)


@contextlib.contextmanager
def progress(title: str, servers: list[str]) -> Iterator[Callable[[str, str], None]]:
    """A bar for each server on stderr where that is a terminal, and a line for each end where it is not.

    Yields a function of a server and what it does; ``done`` and ``failed`` end it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=unfiltered(sys.stderr))
    if not console.is_terminal:
        yield _plain
        return
    words = ["connect", "lock", "read", "upload", "check", "keep", "commit", "verify", "done"]
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.fields[word]}"))
    with Progress(*columns, console=console, transient=True) as bars:
        whole = bars.add_task(title, total=len(servers), word="")
        tasks: dict[str, Any] = {}

        def told(server: str, word: str) -> None:
            if server not in tasks:
                tasks[server] = bars.add_task(server, total=len(words) - 1, word=word)
            at = words.index(word) if word in words else 0
            bars.update(tasks[server], completed=at, word=word)
            if word in ("done", "failed"):
                bars.remove_task(tasks.pop(server))
                bars.advance(whole)

        yield told


@contextlib.contextmanager
def late_progress(title: str) -> Iterator[Callable[[list[str]], Callable[[str, str], None]]]:
    """``progress`` that begins when the servers are known: yields a function of them."""
    with contextlib.ExitStack() as stack:
        yield lambda servers: stack.enter_context(progress(title, servers))


def _plain(server: str, word: str) -> None:
    if word in ("done", "failed"):
        click.echo(f"{server}: {word}", err=True)
