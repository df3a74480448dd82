"""A PostgreSQL server of a test's own, of Debian's package: made new, killed, paused and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.namespaces import HarnessError, temporary_folder
from tests.harness.network import Host
from tests.harness.processes import Process

FOLDER = Path("/usr/lib/postgresql")
_READY = "ready to accept connections"


def programs() -> Path:
    """The folder of the newest version's programs."""
    found = sorted(FOLDER.glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        raise HarnessError(f"there is no PostgreSQL in {FOLDER}")
    return found[-1]


class Postgres:
    """A database server with one database after another. Without a host it listens on a socket only."""

    def __init__(self, host: Host | None = None) -> None:
        self.host = host
        self.folder = temporary_folder()
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self._process: Process | None = None
        self._databases = 0
        shutil.chown(self.folder, "postgres", "postgres")
        _run_as_postgres([programs() / "initdb", "-D", self.data, "--auth=trust", "--no-sync", "-E", "UTF8"])
        if host is not None:
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 0.0.0.0/0 trust\n")
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        argv: list[str | Path] = [
            *("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"),
            *(programs() / "postgres", "-D", self.data, "-k", self.folder, "-F"),
            *("-c", f"listen_addresses={self.host.address if self.host else ''}"),
        ]
        self._process = Process(argv, namespace=self.host.namespace if self.host else None)
        self._process.wait_for(_READY)

    def kill(self) -> None:
        """End it as a power cut does: its processes are gone, their connections with them."""
        process = self._process
        if process is not None:
            self.signal(signal.SIGKILL)
            process.stop()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of it: SIGSTOP pauses it, SIGCONT lets it go on.

        Its children are in sessions of their own.
        """
        assert self._process is not None
        for pid in (*_children(self._process.pid), self._process.pid):
            with contextlib.suppress(ProcessLookupError):  # a child that has just ended
                os.kill(pid, number)

    def database(self) -> str:
        """A new, empty database; its address."""
        self._databases += 1
        name = f"registry{self._databases}"
        _run_as_postgres([programs() / "createdb", "-h", self.folder, name])
        if self.host is not None:
            return f"postgresql://postgres@{self.host.address}/{name}"
        return f"postgresql:///{name}?host={self.folder}&user=postgres"


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def _run_as_postgres(argv: Sequence[str | Path]) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *map(str, argv)],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        raise HarnessError(f"{argv[0]}: {done.stderr.strip()}")
