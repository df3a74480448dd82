"""Long work: on stderr, where that is a terminal, how far it is; and what is kept of it on Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from coexist.cli.streams import unfiltered

T = TypeVar("T")


class Interruption:
    """Ctrl-C that ends the reading of something and nothing else: what was read is worked on to its end."""

    def __init__(self) -> None:
        self.came = False
        self._reading = False

    def reading(self, source: Iterable[T]) -> Iterator[T]:
        """What is read, until it ends or somebody interrupts. A read that waits is cut short."""
        left = iter(source)
        while not self.came:
            try:
                self._reading = True
                found = next(left)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._reading = False
            yield found

    def __call__(self, *_: object) -> None:
        """The handler of SIGINT. A second one ends everything."""
        again, self.came = self.came, True
        if again or self._reading:
            raise KeyboardInterrupt


def interruptible() -> contextlib.AbstractContextManager[Interruption]:
    """Yields what ends the reading on Ctrl-C."""
    return _handling(Interruption())


class Stop:
    """Ctrl-C that lets what was begun come to its end: ``came``. A second one ends everything: ``again``."""

    def __init__(self, said: str) -> None:
        self.came = self.again = False
        self._said = said

    def __call__(self, *_: object) -> None:
        """The handler of SIGINT."""
        self.again, self.came = self.came, True
        if self.again:
            raise KeyboardInterrupt
        # Past Python's own stream, which may be in the middle of a line.
        with contextlib.suppress(OSError):
            os.write(2, f"\n{self._said}\n".encode())


def stoppable(said: str) -> contextlib.AbstractContextManager[Stop]:
    """Yields what Ctrl-C sets; ``said`` is told at once. A second Ctrl-C raises ``KeyboardInterrupt``."""
    return _handling(Stop(said))


H = TypeVar("H", Interruption, Stop)


@contextlib.contextmanager
def _handling(handler: H) -> Iterator[H]:
    """Yields a handler of SIGINT, which it is meanwhile: only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGINT, before)


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
