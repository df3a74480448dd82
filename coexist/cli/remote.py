"""What the commands that talk to servers share: their options, and progress on stderr."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from coexist.cli import EXIT_INTERRUPTED
from coexist.cli.prose import tell
from coexist.cli.streams import unfiltered
from coexist.cli.watching import stoppable

if TYPE_CHECKING:
    from coexist.app.reach import Connect
    from coexist.app.rollouts import Record, Way

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


_STOPPING = (
    "interrupted: servers that were begun are brought to an end, no other is begun; Ctrl-C again leaves at"
    " once"
)
_SHARED = frozenset({"ssh_config", "connect_timeout", "parallel", "folder", "timeout"})
"""What `apply` and `rollback` are both told."""


@contextlib.contextmanager
def stopping(
    records: Sequence[Record], root: Path, plan_file: Path | None = None
) -> Iterator[Callable[[], bool]]:
    """Yields whether Ctrl-C was pressed. How to go on with ``records``, those begun by then, is told.

    A second Ctrl-C ends the process in the middle of what it does, as a power cut would: each server is whole
    all the same, and the record can be gone on with.
    """
    with stoppable(_STOPPING) as stop:
        try:
            yield lambda: stop.came
        except KeyboardInterrupt:
            for record in records:
                for sentence in ways_on(record, root, plan_file):
                    tell(sentence)
            if not records:
                tell("nothing was begun")
            if stop.again:
                # Threads still wait for servers, and the interpreter would wait for them.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(EXIT_INTERRUPTED)
            raise


def ways_on(record: Record, root: Path, plan_file: Path | None = None) -> Iterator[str]:
    """What to type to go on with an unfinished record, or to take back what it did: with the options that
    this command was given. ``root``: the inventory's folder; ``plan_file``: the plan that it applies."""
    shared = options_given(_SHARED)
    if record.kind == "rollback":
        command = f"coexist rollback {_word(root)} {record.of}{shared}"
        yield f"record {record.id} is not finished: `{command}` goes on"
        return
    folder = _folder_given() or root / "history"
    plan = plan_file or folder / record.id / "plan.json"
    all_ = options_given(None if plan_file is not None else _SHARED | {"key"})
    yield f"record {record.id} is not finished: `coexist apply {_word(plan)}{all_}` goes on"
    yield f"`coexist rollback {_word(root)} {record.id}{shared}` takes back what was done"


def _folder_given() -> Path | None:
    found = click.get_current_context().params.get("folder")
    return found if isinstance(found, Path) else None


def options_given(names: Collection[str] | None) -> str:
    """The options on this command line, of some names or all of them, as they are typed."""
    context = click.get_current_context()
    words: list[str] = []
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not given or not isinstance(option, click.Option) or (names is not None and name not in names):
            continue
        value = context.params[name]
        if option.is_flag:
            words.append(option.opts[0])
        else:
            for each in value if option.multiple else (value,):
                words += [option.opts[0], str(each)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _word(path: Path) -> str:
    return shlex.quote(str(path))


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
