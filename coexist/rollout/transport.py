"""What a rollout needs of the way to a server: an address, a connection that runs commands, and its limits.

The ways are ``ssh`` (paramiko), ``openssh`` (the program) and ``local`` (this machine).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.text.foreign import one_line
from coexist.text.redaction import redacted

CONNECT_SECONDS = 15.0
COMMAND_SECONDS = 60.0
TOTAL_SECONDS = 300.0
"""In which a command must have ended, however much it says meanwhile."""
SLOWEST = 65_536
"""Octets a second that a server must take of what it is sent."""
MOST_ANSWER = 128 << 20
"""Octets a command may say: a file of ``shell.MOST_OCTETS`` in base64, and some more."""
KEEPALIVE_SECONDS = 15


class ConnectionLostError(HostError):
    """The connection ended, or the server no longer answers; what it did last is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is reached, as its ``deploy`` section says; ``name`` is its name in the inventory."""

    name: str
    host: str
    user: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A remote command that ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def said(self) -> str:
        """What it said, for people: standard error, else standard output, on one line, without secrets."""
        text = redacted((self.stderr.strip() or self.stdout.strip()).decode("utf-8", "replace"))
        return one_line(text)[:500] or f"exit code {self.code}"


class Lock(Protocol):
    """A lock that is held on a server."""

    def release(self) -> None:
        """Give it back."""


class Connection(Protocol):
    """One server that commands can be run on; used by one thread at a time."""

    name: str

    def run(self, script: str, *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS) -> Finished:
        """Run a script with the POSIX shell to its end.

        Raises ``ConnectionLostError`` when the connection ends first, nothing is heard for ``seconds``, it
        does not end in ``TOTAL_SECONDS`` (or thrice ``seconds``), or says more than ``MOST_ANSWER`` octets.
        """

    def hold(self, script: str) -> Lock | Finished:
        """Run a script that echoes what it is sent while it holds a lock; how it ended if it did not."""

    def close(self) -> None:
        """End the connection."""


Connect = Callable[[Address], Connection]
"""Opens a connection, or raises ``HostError``."""
