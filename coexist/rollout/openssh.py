"""OpenSSH's own client as the way to a server, where its configuration says what paramiko does not know.

``Include``, ``Match``, certificates of hosts and users, revoked keys and security keys are followed by ssh(1)
as on the command line. One master connection for each server (ControlMaster, ssh_config(5)) carries all
commands.
As with paramiko no password is asked for, no host key is learnt and nothing is forwarded.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from shlex import quote
from typing import IO

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.rollout.shell import as_command
from coexist.rollout.transport import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    KEEPALIVE_SECONDS,
    MOST_ANSWER,
    SLOWEST,
    TOTAL_SECONDS,
    Address,
    ConnectionLostError,
    Finished,
    Lock,
)
from coexist.text.foreign import one_line
from coexist.text.redaction import redacted

PROGRAM = "ssh"
_LOST = 255
_CHUNK = 65_536
_BEYOND_PARAMIKO = re.compile(
    r"^\s*(include|match|certificatefile|hostkeyalgorithms|casignaturealgorithms|revokedhostkeys|pkcs11provider"
    r"|securitykeyprovider|knownhostscommand|tag)\b",
    re.IGNORECASE | re.MULTILINE,
)
_KNOWN_HOSTS_FILE = re.compile(
    r"^\s*(?:user|global)knownhostsfile[\s=]+([^\n#]+)", re.IGNORECASE | re.MULTILINE
)
_ODD_HOST = re.compile(r"^\s*@|^[^#\s]+\s+(?:sk-|\S+-cert-v01)\S*\s", re.MULTILINE)


def is_there() -> bool:
    """Whether the program is on this machine."""
    return shutil.which(PROGRAM) is not None


def why_needed(config: Path, known_hosts: tuple[Path, ...]) -> str | None:
    """What in the ssh configuration or the known hosts only OpenSSH follows; None if there is nothing."""
    named: list[Path] = []
    with contextlib.suppress(OSError):
        text = config.read_text("utf-8", "replace")
        found = _BEYOND_PARAMIKO.search(text)
        if found is not None:
            return f"{config} has {found[1]}"
        for line in _KNOWN_HOSTS_FILE.finditer(text):
            named += [Path(name).expanduser() for name in line[1].split()]
    for path in (*named, *known_hosts):
        with contextlib.suppress(OSError):
            if _ODD_HOST.search(path.read_text("utf-8", "replace")) is not None:
                return f"{path} has certificates or revoked keys"
    return None


def connect(address: Address, config: Path | None, connect_seconds: float) -> OpenSshConnection:
    """Open a master connection. Raises ``HostError`` with what ssh says."""
    # The path of a socket has 108 octets at most (unix(7)).
    folder = Path(tempfile.mkdtemp(prefix="coexist-"))
    words = [
        *(("-F", str(config)) if config is not None else ()),
        *(("-p", str(address.port)) if address.port is not None else ()),
        *(("-l", address.user) if address.user is not None else ()),
        *_options(connect_seconds),
        "-S",
        str(folder / "s"),
    ]
    connection = OpenSshConnection(address.name, address.host, words, folder)
    try:
        connection.open(connect_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def _options(connect_seconds: float) -> Iterator[str]:
    for option in (
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "RequestTTY=no",
        "ControlPersist=no",
        "LogLevel=ERROR",
        f"ConnectTimeout={max(1, int(connect_seconds))}",
        f"ServerAliveInterval={KEEPALIVE_SECONDS}",
        "ServerAliveCountMax=3",
    ):
        yield from ("-o", option)


@dataclass(slots=True)
class OpenSshConnection:
    """A master connection; see ``Connection``."""

    name: str
    host: str
    words: list[str]
    folder: Path
    master: subprocess.Popen[bytes] | None = None
    said: IO[bytes] | None = field(default=None, repr=False)

    def open(self, seconds: float) -> None:
        """Start the master, and wait until commands can be run."""
        self.said = (self.folder / "said").open("w+b")
        self.master = subprocess.Popen(
            [PROGRAM, "-M", "-N", *self.words, "--", self.host],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.said,
        )
        # Jump hosts take their own time each.
        deadline = time.monotonic() + 4 * seconds
        while not (self.folder / "s").exists():
            if self.master.poll() is not None:
                raise HostError(f"{self.name}: {self._why()}")
            if time.monotonic() > deadline:
                raise HostError(f"{self.name}: {self.host} cannot be reached: no answer")
            time.sleep(0.02)

    def close(self) -> None:
        """End the master and all that goes through it."""
        if self.master is not None and self.master.poll() is None:
            self.master.terminate()
            try:
                self.master.wait(5.0)
            except subprocess.TimeoutExpired:
                self.master.kill()
                self.master.wait()
        if self.said is not None:
            self.said.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, script: str, *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS) -> Finished:
        """See ``Connection``."""
        # The end is told on standard output: a daemon that a reload started may hold that open for ever.
        token = secrets.token_hex(16)
        process = self._start(f"/bin/sh -c {quote(script)}; printf '%s %s\\n' {token} \"$?\"")
        talk = _Talk(process, stdin, seconds, f"{token} ".encode())
        try:
            how = talk.run()
        finally:
            _end(process)
        if how is not None:
            raise ConnectionLostError(f"{self.name}: {how}")
        if talk.code is None:
            detail = one_line(redacted(talk.err.decode("utf-8", "replace")))[:200] or "without a word"
            raise ConnectionLostError(f"{self.name}: the connection was lost ({detail})")
        return Finished(code=talk.code, stdout=bytes(talk.out), stderr=bytes(talk.err))

    def hold(self, script: str) -> Lock | Finished:
        """See ``Connection``."""
        process = self._start(script)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"held\n")
                process.stdin.flush()
            heard = _line(process.stdout, time.monotonic() + COMMAND_SECONDS)
            if heard == b"held\n":
                return _HeldLock(process)
            process.wait(CONNECT_SECONDS)
            err = process.stderr.read(_CHUNK)
        except subprocess.TimeoutExpired:
            _end(process)
            raise ConnectionLostError(f"{self.name}: no answer to a lock: it hangs") from None
        except BaseException:
            _end(process)
            raise
        code = process.returncode
        _end(process)
        if code == _LOST:
            raise ConnectionLostError(f"{self.name}: the connection was lost")
        return Finished(code=code, stdout=heard, stderr=err)

    def _start(self, script: str) -> subprocess.Popen[bytes]:
        if self.master is None or self.master.poll() is not None:
            raise ConnectionLostError(f"{self.name}: the connection was lost")
        return subprocess.Popen(
            [PROGRAM, "-o", "ControlMaster=no", *self.words, "--", self.host, as_command(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def _why(self) -> str:
        assert self.said is not None
        self.said.seek(0)
        text = one_line(redacted(self.said.read(_CHUNK).decode("utf-8", "replace")))
        return f"{self.host} cannot be reached by ssh: {text[:500] or 'it gave no reason'}"


@dataclass(slots=True)
class _Talk:
    """One command: what goes in, what comes out, and its exit code behind the ``token``."""

    process: subprocess.Popen[bytes]
    stdin: bytes
    seconds: float
    token: bytes
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    code: int | None = None

    def run(self) -> str | None:
        """Talk until the command has ended; a sentence if it was given up."""
        process, view = self.process, memoryview(self.stdin)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        latest = time.monotonic() + max(TOTAL_SECONDS, 3 * self.seconds) + len(view) / SLOWEST
        heard = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, self.out)
            selector.register(process.stderr, selectors.EVENT_READ, self.err)
            selector.register(process.stdin, selectors.EVENT_WRITE)
            os.set_blocking(process.stdin.fileno(), False)
            outputs = 2
            while outputs:
                ready = selector.select(0.5)
                now = time.monotonic()
                heard = now if ready else heard
                if now > latest or len(self.out) + len(self.err) > MOST_ANSWER:
                    return "its answer to a command does not end"
                if now - heard > self.seconds:
                    return "no answer to a command: it hangs, or the way to it does"
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        view = self._feed(selector, view)
                    elif piece := os.read(key.fd, _CHUNK):
                        key.data.extend(piece)
                    else:
                        selector.unregister(key.fileobj)
                        outputs -= 1
                if self._has_ended():
                    return None
        return None

    def _feed(self, selector: selectors.BaseSelector, view: memoryview) -> memoryview:
        stdin = self.process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if view:
                return view[os.write(stdin.fileno(), view[:_CHUNK]) :]
        selector.unregister(stdin)
        stdin.close()
        return view[:0]

    def _has_ended(self) -> bool:
        at = self.out.rfind(self.token, max(len(self.out) - 64, 0))
        found = re.fullmatch(rb"(\d{1,3})\n", self.out[at + len(self.token) :]) if at >= 0 else None
        if found is None:
            return False
        self.code = int(found[1])
        del self.out[at:]
        return True


@dataclass(slots=True)
class _HeldLock:
    process: subprocess.Popen[bytes]

    def release(self) -> None:
        """Close the input of the process that holds the lock, and wait for its end."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CONNECT_SECONDS)
        _end(self.process)


def _line(stream: IO[bytes], deadline: float) -> bytes:
    """A line, or as much of it as comes. Raises ``subprocess.TimeoutExpired``."""
    heard = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not heard.endswith(b"\n") and len(heard) < _CHUNK:
            if not selector.select(max(deadline - time.monotonic(), 0.0)):
                raise subprocess.TimeoutExpired(PROGRAM, COMMAND_SECONDS)
            piece = os.read(stream.fileno(), _CHUNK)
            if not piece:
                break
            heard += piece
    return heard


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
