"""What long work shows on stderr where that is a terminal: how far it is, and what it has."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from coexist.cli.streams import unfiltered


@contextlib.contextmanager
def bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Yields a function of the share that is done (0 to 1) and of what there is so far."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=unfiltered(sys.stderr))
    if not console.is_terminal:
        yield lambda _share, _said: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(title, total=1.0, said="Ctrl-C ends it and keeps what there is")
        yield lambda share, said: shown.update(task, completed=share, said=said)
