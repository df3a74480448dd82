"""Network namespaces of this process: made, entered and taken away again."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_PREFIX = "cx"
_NAMED = re.compile(rf"{_PREFIX}(\d+)-\d+-.*")
_FILES = re.compile(rf"{_PREFIX}(\d+)-files-.*")
_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000  # linux/sched.h

_serial = itertools.count()
_alive: dict[str, Namespace] = {}
_libc = ctypes.CDLL(None, use_errno=True)


class HarnessError(Exception):
    """The test's surroundings could not be made, or did not do what they must."""


class Namespace:
    """One network namespace. IPv6 is off in it, loopback is up."""

    def __init__(self, label: str) -> None:
        if not _alive:
            _sweep()
        self.label = label
        self.name = f"{_PREFIX}{os.getpid()}-{next(_serial)}-{label}"
        _checked(["ip", "netns", "add", self.name])
        _alive[self.name] = self
        self.sysctl({"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
        self.ip("link set lo up")

    def ip(self, *lines: str) -> None:
        """Run lines of ip(8), each without the word ``ip``, until one fails."""
        _checked(["ip", "-n", self.name, "-batch", "-"], text="\n".join(lines) + "\n")

    def sysctl(self, values: Mapping[str, int]) -> None:
        """Set kernel parameters by their dotted names; one this kernel does not have is left alone."""

        def write() -> None:
            for name, value in values.items():
                path = Path("/proc/sys", *name.split("."))
                if path.exists():
                    path.write_text(str(value))

        self.call(write)

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs ``argv`` in here."""
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def run(self, argv: Sequence[str | Path], *, text: str | None = None) -> str:
        """Run a program in here to its end; its output. ``HarnessError`` if it fails."""
        return _checked(self.command(argv), text=text)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in here. Sockets that it opens stay in here."""
        outcome: list[T] = []
        raised: list[BaseException] = []

        def enter() -> None:
            try:
                # os.setns came with Python 3.12; the kernel moves the calling thread only.
                with (_FOLDER / self.name).open() as file:
                    if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                        code = ctypes.get_errno()
                        raise OSError(code, os.strerror(code), self.name)
                outcome.append(function())
            except BaseException as error:  # noqa: BLE001 handed to the caller's thread below
                raised.append(error)

        thread = threading.Thread(target=enter, name=self.name)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]
        return outcome[0]

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket in here."""
        return self.call(lambda: socket.socket(family, kind, protocol))

    def delete(self) -> None:
        """End what still runs in here and take the namespace away."""
        if _alive.pop(self.name, None) is not None:
            _delete(self.name)


def temporary_folder() -> Path:
    """A new folder for files, which the next run sweeps away if this one is killed."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-files-"))


def _sweep() -> None:
    """Take away what a killed process of this harness left behind."""
    for name in _left_behind(_FOLDER, _NAMED):
        _delete(name)
    files = Path(tempfile.gettempdir())
    for name in _left_behind(files, _FILES):
        shutil.rmtree(files / name, ignore_errors=True)


def _left_behind(folder: Path, named: re.Pattern[str]) -> list[str]:
    """The entries named after a process that is no more."""
    if not folder.is_dir():
        return []
    fitting = [found for entry in folder.iterdir() if (found := named.fullmatch(entry.name))]
    return [found[0] for found in fitting if not Path(f"/proc/{found[1]}").exists()]


def _delete(name: str) -> None:
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in pids.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@atexit.register
def _delete_all() -> None:
    for namespace in list(_alive.values()):
        namespace.delete()


def _checked(argv: Sequence[str], *, text: str | None = None) -> str:
    finished = subprocess.run(
        argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode != 0:
        raise HarnessError(f"{' '.join(argv)}: code {finished.returncode}: {finished.stdout.strip()}")
    return finished.stdout
