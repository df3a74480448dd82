"""A PostgreSQL server of a test's own, of Debian's package: made new, killed, paused, left without room on
its disk, behind a line that becomes slow, and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.namespaces import HarnessError, temporary_folder
from tests.harness.network import Host
from tests.harness.processes import Process

FOLDER = Path("/usr/lib/postgresql")
SLOW_PORT = 5433
_MUCH = "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 900000))"
"""Goes into what is written ahead, and nowhere else."""
_READY = "ready to accept connections"


def programs() -> Path:
    """The folder of the newest version's programs."""
    found = sorted(FOLDER.glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        raise HarnessError(f"there is no PostgreSQL in {FOLDER}")
    return found[-1]


class Postgres:
    """A database server with one database after another. Without a host it listens on a socket only.

    ``megabytes``: how large its disk is, which is one of its own then.
    """

    def __init__(self, host: Host | None = None, *, megabytes: int | None = None) -> None:
        self.host = host
        self.folder = temporary_folder()
        self.folder.chmod(0o755)
        self._own_disk = megabytes is not None
        if megabytes is not None:
            size = f"size={megabytes}m,mode=755"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "disk", self.folder], check=True)
        self.data = self.folder / "data"
        self._process: Process | None = None
        self._databases = 0
        shutil.chown(self.folder, "postgres", "postgres")
        _run_as_postgres([programs() / "initdb", "-D", self.data, "--auth=trust", "--no-sync", "-E", "UTF8",
                          "--wal-segsize=1"])  # fmt: skip
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
        if self._own_disk:
            subprocess.run(["umount", "--lazy", self.folder], check=True)
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

    @property
    def running(self) -> bool:
        """Whether its first process is there."""
        return self._process is not None and not self._process.ended

    def fill_disk(self) -> None:
        """Take all the room of its own disk, until it can write no more: not even what it writes ahead."""
        assert self._own_disk
        with (self.folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))
        for _ in range(200):
            done = self._sql("postgres", _MUCH)
            if done.returncode == 2:  # the connection is gone: it has given up
                return
        raise HarnessError("PostgreSQL goes on writing on a full disk")

    def free_disk(self) -> None:
        """Give the room back. If it did not outlive it, it is started again."""
        (self.folder / "filler").unlink()
        if self._sql("postgres", "SELECT 1").returncode:
            self.kill()
            self.start()

    def _sql(self, database: str, statement: str) -> subprocess.CompletedProcess[str]:
        return _as_postgres([programs() / "psql", "-h", self.folder, "-d", database, "-c", statement])

    def slow_line(self) -> Process:
        """A second way to it, on `SLOW_PORT`, which is slow from SIGUSR1 to SIGUSR2."""
        assert self.host is not None
        program = Path(__file__).with_name("slow_line.py")
        words = [sys.executable, program, self.host.address, SLOW_PORT, self.host.address, 5432]
        return self.host.start([str(word) for word in words], ready="ready")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of it: SIGSTOP pauses it, SIGCONT lets it go on.

        Its children are in sessions of their own.
        """
        assert self._process is not None
        for pid in (*_children(self._process.pid), self._process.pid):
            with contextlib.suppress(ProcessLookupError):  # a child that has just ended
                os.kill(pid, number)

    def database(self, *, slowly: bool = False) -> str:
        """A new, empty database; its address. ``slowly``: over the line that may be slow."""
        self._databases += 1
        name = f"registry{self._databases}"
        _run_as_postgres([programs() / "createdb", "-h", self.folder, name])
        if self.host is not None:
            port = f":{SLOW_PORT}" if slowly else ""
            return f"postgresql://postgres@{self.host.address}{port}/{name}"
        return f"postgresql:///{name}?host={self.folder}&user=postgres"


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def _run_as_postgres(argv: Sequence[str | Path]) -> None:
    done = _as_postgres(argv)
    if done.returncode != 0:
        raise HarnessError(f"{argv[0]}: {done.stderr.strip()}")


def _as_postgres(argv: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *map(str, argv)],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
