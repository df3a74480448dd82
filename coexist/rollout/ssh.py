"""SSH to the servers, by the administrator's own configuration.

paramiko with ``~/.ssh/config`` (HostName, User, Port, IdentityFile, IdentitiesOnly, ProxyJump,
ProxyCommand, UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias, ConnectTimeout), the agent and
known_hosts. What paramiko does not follow is followed by OpenSSH's own client: see ``openssh``. A host key
that is not known, or that changed, is refused whatever the configuration says: nothing is learnt by looking.
There are no passwords, and the agent is not forwarded.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paramiko

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.rollout import openssh
from coexist.rollout.known_hosts import KNOWN_HOSTS, KnownOnly, load_known_hosts
from coexist.rollout.ssh_connection import SshConnection
from coexist.rollout.transport import CONNECT_SECONDS, KEEPALIVE_SECONDS, Address, Connection

_DEEPEST_JUMP = 8


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
        if self.needs_openssh() is not None and openssh.is_there():
            return openssh.connect(address, self.config, self.connect_seconds)
        return _open(address, self, self._read(), 0)

    def needs_openssh(self) -> str | None:
        """Why OpenSSH's own client is used; None where paramiko follows all there is."""
        config = self.config or Path("~/.ssh/config").expanduser()
        return openssh.why_needed(config, tuple(Path(name).expanduser() for name in KNOWN_HOSTS))

    def _read(self) -> paramiko.SSHConfig:
        path = self.config or Path("~/.ssh/config").expanduser()
        if self.config is None and not path.is_file():
            return paramiko.SSHConfig()
        try:
            return paramiko.SSHConfig.from_path(str(path))
        except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
            raise HostError(f"{path} cannot be read as an ssh configuration: {error}") from None


def _open(
    address: Address,
    settings: SshSettings,
    config: paramiko.SSHConfig,
    depth: int,
    jumps: str | None = None,
) -> SshConnection:
    """``jumps`` takes the place of the configuration's ProxyJump for this host."""
    if depth > _DEEPEST_JUMP:
        raise HostError(
            f"{address.name}: its jump hosts lead in a circle, {address.host} is one of them; take it out of"
            " a ProxyJump of the ssh configuration"
        )
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
        load_known_hosts(client, options)
        client.set_missing_host_key_policy(KnownOnly())
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


def _explicit(options: Mapping[str, Any]) -> list[str] | None:
    return options.get("identityfile")


def _identities(options: Mapping[str, Any]) -> list[str] | None:
    named = _explicit(options)
    if named is None:
        return None
    return [str(path) for text in named for path in [Path(os.path.expanduser(text))] if path.is_file()]  # noqa: PTH111
