"""Programs that run while a test does: started, awaited by what they say, ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.harness.namespaces import HarnessError, Namespace

PATIENCE = 30.0
"""Seconds to wait for what takes well below one on a quiet machine."""


class Process:
    """A running program. Its output, standard error included, is read as it comes.

    ``changed`` is notified at each piece of output and at the end, so that one thread can wait for
    several sources at once.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        namespace: Namespace | None = None,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        changed: threading.Condition | None = None,
    ) -> None:
        self.argv = [str(word) for word in argv]
        self.changed = changed or threading.Condition()
        self._output = bytearray()
        self._ended = False
        self._process = subprocess.Popen(
            namespace.command(argv) if namespace else self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            # Its own group, to end with all its children and not by the terminal's Ctrl-C.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=self.argv[0], daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process, also seen from its namespace."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All it has said so far."""
        return bytes(self._output).decode("utf-8", "replace")

    @property
    def ended(self) -> bool:
        """Whether it has closed its output, which is as good as its end."""
        return self._ended

    def wait_for(self, pattern: str, *, timeout: float = PATIENCE, start: int = 0) -> re.Match[str]:
        """Wait until it says something that fits ``pattern`` (from output offset ``start``).

        ``HarnessError``, with the end of its output, if it ends first or time (seconds) runs out.
        """
        expression = re.compile(pattern, re.MULTILINE)

        def said() -> re.Match[str] | None:
            return expression.search(self.output, start)

        with self.changed:
            self.changed.wait_for(lambda: said() is not None or self._ended, timeout)
        found = said()
        if found is None:
            state = "ended" if self._ended else f"did not within {timeout:g} s"
            raise HarnessError(f"{self.argv[0]} should say {pattern!r} but {state}:\n{self.output[-3000:]}")
        return found

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; its exit code."""
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        self._process.send_signal(number)

    def stop(self, *, patience: float = 5.0) -> int:
        """End it and its children, at last by force after ``patience`` seconds; its exit code."""
        if self._process.poll() is None:
            self._to_group(signal.SIGTERM)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._to_group(signal.SIGKILL)
        return self.wait()

    def _to_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        # Who reads it closes it: what the program has started may outlive it and hold the other end.
        with stream:
            while piece := os.read(stream.fileno(), 65536):
                with self.changed:
                    self._output += piece
                    self.changed.notify_all()
        with self.changed:
            self._ended = True
            self.changed.notify_all()


def wait_until(condition: Callable[[], bool], what: str, *, timeout: float = PATIENCE) -> None:
    """Look again and again, for what nobody announces; ``HarnessError`` when time (seconds) runs out."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise HarnessError(f"{what}: not within {timeout:g} s")
        pause.wait(0.01)


def udp_ports(namespace: Namespace) -> set[int]:
    """The UDP ports that are bound in a namespace."""
    table = namespace.call(lambda: Path("/proc/thread-self/net/udp").read_text())
    return {int(line.split()[1].split(":")[1], 16) for line in table.splitlines()[1:]}


def tcp_listeners(namespace: Namespace) -> set[int]:
    """The TCP ports that are listened on in a namespace."""
    table = namespace.call(lambda: Path("/proc/thread-self/net/tcp").read_text())
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}
