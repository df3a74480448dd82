"""An open connection over SSH: commands and locks on its channels, each with an end."""

from __future__ import annotations

import contextlib
import time
from dataclasses import field
from typing import Any, Self

import paramiko

from coexist.records import dataclass
from coexist.rollout.shell import as_command
from coexist.rollout.transport import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    MOST_ANSWER,
    SLOWEST,
    TOTAL_SECONDS,
    ConnectionLostError,
    Finished,
    Lock,
)

_CHUNK = 65536


@dataclass(slots=True)
class SshConnection:
    """A connection over SSH; see ``Connection``."""

    name: str
    client: paramiko.SSHClient
    jump: SshConnection | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and those it goes through."""
        self.client.close()
        if self.jump is not None:
            self.jump.close()

    def run(self, script: str, *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS) -> Finished:
        """See ``Connection``."""
        with self._talking("command"):
            channel = self._channel(script)
            try:
                return _converse(channel, stdin, seconds)
            finally:
                channel.close()

    def hold(self, script: str) -> Lock | Finished:
        """See ``Connection``."""
        with self._talking("lock"):
            channel = self._channel(script)
            channel.sendall(b"held\n")
            channel.settimeout(COMMAND_SECONDS)
            heard = b""
            deadline = time.monotonic() + TOTAL_SECONDS
            while not heard.endswith(b"\n"):
                if len(heard) > _CHUNK or time.monotonic() > deadline:
                    raise _EndlessError
                piece = channel.recv(_CHUNK)
                if not piece:
                    return _ended(channel, heard)
                heard += piece
            return _HeldLock(channel)

    def _channel(self, script: str) -> paramiko.Channel:
        transport = self.client.get_transport()
        if transport is None or not transport.is_active():
            raise ConnectionLostError(f"{self.name}: the connection was lost")
        channel = transport.open_session(timeout=CONNECT_SECONDS)
        channel.settimeout(CONNECT_SECONDS)
        channel.exec_command(as_command(script))
        return channel

    @contextlib.contextmanager
    def _talking(self, what: str) -> Any:
        try:
            yield
        except _EndlessError:
            raise ConnectionLostError(f"{self.name}: its answer to a {what} does not end") from None
        except TimeoutError:
            raise ConnectionLostError(
                f"{self.name}: no answer to a {what}: it hangs, or the way to it does"
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            detail = str(error).strip() or type(error).__name__
            raise ConnectionLostError(f"{self.name}: the connection was lost ({detail})") from None


class _EndlessError(Exception):
    """A server says too much, or too slowly."""


@dataclass(slots=True)
class _HeldLock:
    channel: paramiko.Channel

    def release(self) -> None:
        """Close the input of the process that holds the lock, and wait for its end."""
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            self.channel.shutdown_write()
            self.channel.status_event.wait(CONNECT_SECONDS)
            self.channel.close()


def _converse(channel: paramiko.Channel, stdin: bytes, seconds: float) -> Finished:
    """Feed the input, gather both outputs, and stop at the exit status.

    Not at the end of output: a daemon that a reload started may hold it open for ever.
    """
    channel.settimeout(seconds)
    out, err = bytearray(), bytearray()
    view = memoryview(stdin)
    latest = time.monotonic() + max(TOTAL_SECONDS, 3 * seconds) + len(stdin) / SLOWEST
    while view and not channel.exit_status_ready():
        view = view[channel.send(bytes(view[:_CHUNK])) :]
        _drain(channel, out, err, latest)
    with contextlib.suppress(OSError):
        channel.shutdown_write()
    deadline = time.monotonic() + seconds
    while not channel.exit_status_ready():
        if _drain(channel, out, err, latest):
            deadline = time.monotonic() + seconds
        elif time.monotonic() > deadline:
            raise TimeoutError
        else:
            channel.status_event.wait(0.02)
    _drain(channel, out, err, latest)
    code = channel.recv_exit_status()
    # paramiko says -1 when the channel closed without a status: the connection ended or the shell was killed.
    if code == -1:
        raise EOFError("it ended without an exit status")
    # The status may overtake the last output; what is on its way arrives with the end of output, or never.
    end = time.monotonic() + 1.0
    while not (channel.eof_received or channel.closed) and time.monotonic() < end:
        if not _drain(channel, out, err, latest):
            time.sleep(0.005)
    _drain(channel, out, err, latest)
    return Finished(code=code, stdout=bytes(out), stderr=bytes(err))


def _drain(channel: paramiko.Channel, out: bytearray, err: bytearray, latest: float) -> bool:
    """Take what has come; whether anything had. Raises ``_EndlessError`` after ``latest`` or for too much."""
    heard = False
    if time.monotonic() > latest:
        raise _EndlessError
    while channel.recv_ready() or channel.recv_stderr_ready():
        if channel.recv_ready():
            out += channel.recv(_CHUNK)
        if channel.recv_stderr_ready():
            err += channel.recv_stderr(_CHUNK)
        heard = True
        if len(out) + len(err) > MOST_ANSWER:
            raise _EndlessError
    return heard


def _ended(channel: paramiko.Channel, heard: bytes) -> Finished:
    err = bytearray()
    latest = time.monotonic() + TOTAL_SECONDS
    _drain(channel, bytearray(), err, latest)
    if not channel.status_event.wait(CONNECT_SECONDS):
        raise TimeoutError
    code = channel.recv_exit_status()
    if code == -1:
        raise EOFError("it ended without an exit status")
    _drain(channel, bytearray(), err, latest)
    return Finished(code=code, stdout=heard, stderr=bytes(err))
