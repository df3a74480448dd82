"""Servers on this very machine (``deploy: {host: localhost}``): the same commands, without SSH.

They are applied as every other host is: with the same lock, journal, checks and record.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from typing import IO

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.rollout.transport import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    Address,
    Connect,
    Connection,
    ConnectionLostError,
    Finished,
    Lock,
)

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1"})
_SHELL = "/bin/sh"


def is_here(address: Address) -> bool:
    """Whether nothing but this machine is meant: a user or a port is an SSH server's."""
    return address.host in LOCAL_HOSTS and address.user is None and address.port is None


def or_local(connect: Connect) -> Connect:
    """The same way to servers, but without SSH to this machine."""

    def way(address: Address) -> Connection:
        if is_here(address):
            return LocalConnection(name=address.name)
        return connect(address)

    return way


@dataclass(slots=True, kw_only=True)
class LocalConnection:
    """Runs commands on this machine; see ``Connection``."""

    name: str

    def run(self, script: str, *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS) -> Finished:
        """See ``Connection``."""
        # Files, not pipes: a daemon that a reload started may hold its output open for ever.
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(stdin)
            given.seek(0)
            try:
                # A session of its own: a switch that began is not cut by Ctrl-C, as it is not over SSH.
                process = subprocess.Popen(
                    [_SHELL, "-c", script], stdin=given, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                raise HostError(f"{self.name}: {_SHELL} cannot be run: {error.strerror}") from None
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise ConnectionLostError(f"{self.name}: no answer to a command: it hangs") from None
            return Finished(code=code, stdout=_read(out), stderr=_read(err))

    def hold(self, script: str) -> Lock | Finished:
        """See ``Connection``."""
        process = subprocess.Popen(
            [_SHELL, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"held\n")
            process.stdin.flush()
        if process.stdout.readline() == b"held\n":
            return _HeldLock(process)
        with process:
            pass
        return Finished(code=process.returncode, stdout=b"", stderr=b"")

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class _HeldLock:
    process: subprocess.Popen[bytes]

    def release(self) -> None:
        """Close the input of the process that holds the lock, and wait for its end."""
        for end in (self.process.stdin, self.process.stdout):
            assert end is not None
            with contextlib.suppress(OSError):
                end.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CONNECT_SECONDS)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
