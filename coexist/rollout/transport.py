"""SSH to the servers, by the administrator's own configuration.

paramiko with ``~/.ssh/config`` (HostName, User, Port, IdentityFile, IdentitiesOnly, ProxyJump,
ProxyCommand, UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias, ConnectTimeout), the agent and
known_hosts. What paramiko does not follow is followed by OpenSSH's own client: see ``openssh``. A host key
that is not known, or that changed, is refused whatever the configuration says: nothing is learnt by looking.
There are no passwords, and the agent is not forwarded.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol, Self

import paramiko

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.rollout.shell import as_command
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
_CHUNK = 65536
_DEEPEST_JUMP = 8
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """Which ssh configuration is used; ``config`` None is the user's own."""

    config: Path | None = None
    connect_seconds: float = CONNECT_SECONDS

    def connect(self, address: Address) -> Connection:
        """Open a connection, through jump hosts where the configuration names them. Raises ``HostError``.

        By OpenSSH's client where the configuration or the known hosts have what paramiko does not follow, and
        that client is there; else by paramiko.
        """
        from coexist.rollout import openssh

        if self.needs_openssh() is not None and openssh.is_there():
            return openssh.connect(address, self.config, self.connect_seconds)
        return _open(address, self, self._read(), 0)

    def needs_openssh(self) -> str | None:
        """Why OpenSSH's own client is used; None where paramiko follows all there is."""
        from coexist.rollout.openssh import why_needed

        config = self.config or Path("~/.ssh/config").expanduser()
        return why_needed(config, tuple(Path(name).expanduser() for name in _KNOWN_HOSTS))

    def _read(self) -> paramiko.SSHConfig:
        path = self.config or Path("~/.ssh/config").expanduser()
        if self.config is None and not path.is_file():
            return paramiko.SSHConfig()
        try:
            return paramiko.SSHConfig.from_path(str(path))
        except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
            raise HostError(f"{path} cannot be read as an ssh configuration: {error}") from None


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


# -- opening -------------------------------------------------------------------------------------


class _KnownOnly(paramiko.MissingHostKeyPolicy):
    """Unknown keys are refused, in words that say what to do."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise HostError(
            f"the host key of {hostname} ({key.get_name()} {key.fingerprint}) is not known; compare it on "
            "the server, then add it to known_hosts by connecting once with ssh"
        )


def _open(
    address: Address,
    settings: SshSettings,
    config: paramiko.SSHConfig,
    depth: int,
    jumps: str | None = None,
) -> SshConnection:
    """``jumps`` takes the place of the configuration's ProxyJump for this host."""
    if depth > _DEEPEST_JUMP:
        raise HostError(f"{address.name}: its jump hosts lead in a circle")
    options = _looked_up(config, address)
    if jumps is not None:
        options["proxyjump"] = jumps
    host = str(options.get("hostname", address.host))
    port = address.port or int(_number(options, "Port", 22, address))
    user = address.user or str(options.get("user", "")) or getpass.getuser()
    timeout = _number(options, "ConnectTimeout", settings.connect_seconds, address)
    client = paramiko.SSHClient()
    jump: SshConnection | None = None
    try:
        _load_known_hosts(client, options)
        client.set_missing_host_key_policy(_KnownOnly())
        sock, jump = _way(address, options, (host, port), settings, config, depth, timeout)
        client.connect(
            hostname=str(options.get("hostkeyalias", host)) if sock is not None else host,
            port=port,
            username=user,
            sock=sock,
            key_filename=_identities(options),  # type: ignore[arg-type]  # a list is documented
            look_for_keys=_explicit(options) is None,
            allow_agent=str(options.get("identitiesonly", "no")).lower() != "yes",
            timeout=timeout,
            banner_timeout=timeout,
            auth_timeout=timeout,
            channel_timeout=timeout,
        )
    except BaseException as error:
        client.close()
        if jump is not None:
            jump.close()
        reason = _refusal(error, host)
        if reason is None:
            raise
        raise HostError(f"{address.name}: {reason}") from None
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(KEEPALIVE_SECONDS)
    return SshConnection(address.name, client, jump)


def _looked_up(config: paramiko.SSHConfig, address: Address) -> dict[str, Any]:
    """What the ssh configuration says of a host. Raises ``HostError``."""
    try:
        return dict(config.lookup(address.host))
    except (paramiko.SSHException, ValueError) as error:
        why = _plain(error)
        raise HostError(f"{address.name}: the ssh configuration cannot be followed: {why}") from None


def _number(options: Mapping[str, Any], name: str, otherwise: float, address: Address) -> float:
    """A number of the ssh configuration. Raises ``HostError``."""
    text = str(options.get(name.lower(), otherwise))
    if not re.fullmatch(r"[0-9]+([.][0-9]+)?", text):
        raise HostError(f"{address.name}: {name} {text!r} in the ssh configuration is no number")
    return float(text)


def _refusal(error: BaseException, host: str) -> str | None:
    """One sentence for each way a connection fails to open; None for a defect of ours."""
    match error:
        case HostError():
            return str(error)
        case paramiko.BadHostKeyException():
            return (
                f"the host key of {host} changed: known is {error.expected_key.fingerprint}, "
                f"offered was {error.key.fingerprint}; nothing was sent to it"
            )
        case paramiko.PasswordRequiredException():
            return "a key needs a passphrase; add it to the agent with ssh-add"
        case paramiko.AuthenticationException():
            return f"{host} accepts none of the keys offered"
        case paramiko.ssh_exception.NoValidConnectionsError() | OSError() | EOFError():
            return f"{host} cannot be reached: {_plain(error)}"
        case paramiko.SSHException():
            return f"{host} does not speak SSH as expected: {_plain(error)}"
        case ValueError():
            return f"the ssh configuration for {host} cannot be followed: {_plain(error)}"
    return None


def _plain(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (getattr(error, "strerror", None) or str(error)).strip() or type(error).__name__


def _way(
    address: Address,
    options: Mapping[str, Any],
    target: tuple[str, int],
    settings: SshSettings,
    config: paramiko.SSHConfig,
    depth: int,
    timeout: float,
) -> tuple[Any, SshConnection | None]:
    """The socket to use: through jump hosts, a command, or plain."""
    jumps = str(options.get("proxyjump", "none"))
    if jumps.lower() != "none":
        *before, last = [part.strip() for part in jumps.split(",")]
        hop = _jump_address(last, address.name)
        # ssh_config(5): several hosts are visited one after the other, so the last is reached by the others.
        jump = _open(hop, settings, config, depth + 1, ",".join(before) if before else None)
        transport = jump.client.get_transport()
        if transport is None:
            raise HostError(f"the jump host {hop.host} closed the connection")
        try:
            return transport.open_channel("direct-tcpip", target, ("127.0.0.1", 0), timeout=timeout), jump
        except paramiko.SSHException as error:
            jump.close()
            raise HostError(f"the jump host {hop.host} cannot reach {target[0]}: {_plain(error)}") from None
    command = str(options.get("proxycommand", "none"))
    if command.lower() != "none":
        return paramiko.ProxyCommand(command), None
    if "hostkeyalias" in options:
        return socket.create_connection(target, timeout), None
    return None, None


def _jump_address(text: str, name: str) -> Address:
    user, _, rest = text.removeprefix("ssh://").rpartition("@")
    host, _, port = rest.partition(":")
    if port and not port.isdigit():
        raise HostError(f"ProxyJump {text!r} in the ssh configuration is not HOST, USER@HOST or HOST:PORT")
    return Address(name=name, host=host, user=user or None, port=int(port) if port else None)


def _load_known_hosts(client: paramiko.SSHClient, options: Mapping[str, Any]) -> None:
    own = str(options.get("userknownhostsfile", " ".join(_KNOWN_HOSTS[:2]))).split()
    everyones = str(options.get("globalknownhostsfile", _KNOWN_HOSTS[2])).split()
    for name in [*own, *everyones]:
        path = Path(name).expanduser()
        if path.is_file():
            _load_lines(client, path)


def _load_lines(client: paramiko.SSHClient, path: Path) -> None:
    """The keys of a known_hosts file.

    A line that is no key of a host is no reason to reach nobody: whom it was meant to name stays unknown. A
    key that a line revokes is known for no host.
    """
    revoked: set[str] = set()
    entries: list[paramiko.hostkeys.HostKeyEntry] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        words = line.decode("utf-8", "replace").split()
        if words[:1] == ["@revoked"] and len(words) > 3:
            revoked.add(words[3])
        if not words or words[0].startswith(("#", "@")):
            continue
        with contextlib.suppress(paramiko.SSHException, ValueError, IndexError):
            entry = paramiko.hostkeys.HostKeyEntry.from_line(" ".join(words), number)
            if entry is not None:
                entries.append(entry)
    known = client.get_host_keys()
    for entry in entries:
        key = entry.key
        if key.get_base64() not in revoked:
            for name in entry.hostnames or ():
                known.add(name, key.get_name(), key)


def _explicit(options: Mapping[str, Any]) -> list[str] | None:
    return options.get("identityfile")


def _identities(options: Mapping[str, Any]) -> list[str] | None:
    named = _explicit(options)
    if named is None:
        return None
    return [str(path) for text in named for path in [Path(os.path.expanduser(text))] if path.is_file()]  # noqa: PTH111
