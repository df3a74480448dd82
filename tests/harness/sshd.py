"""A real OpenSSH server on a host, with keys of its own and an account of its own.

The account exists only in the server's mount namespace, where copies of passwd, shadow, group and sudoers
lie over the machine's. ``fault`` is what its login wrapper does: see ``_WRAPPER``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.network import Host
from tests.harness.processes import Process, tcp_listeners, wait_until

USER = "deploy"
UID = 4242

# Counts the commands that come in, and at the one named in ``fault`` does what it says:
#   cut-before N    the connection dies before command N
#   cut-during N    command N is started and the connection dies
#   cut-after N     command N runs to its end and the connection dies with its answer
#   cut-line N      command N is started and sshd's own process for this user dies, not its shell alone
#   hang N          command N never answers
#   kill N PID      process PID gets SIGKILL when command N comes in, and command N still runs
# $PPID is sshd's process of this very connection.
_WRAPPER = """#!/bin/sh
d={directory}/ssh
n=$(flock $d/counter sh -c 'n=$(($(cat $1) + 1)); echo $n > $1; echo $n' - $d/counter)
printf '%s\\n' "$n" >> $d/began
read -r what at pid < $d/fault
if [ "$n" = "$at" ]; then
    case $what in
        cut-before) kill -9 $PPID; exit 1 ;;
        cut-during) sh -c "$SSH_ORIGINAL_COMMAND" & kill -9 $PPID; wait; exit ;;
        cut-after) sh -c "$SSH_ORIGINAL_COMMAND" >/dev/null; kill -9 $PPID; exit ;;
        cut-line) sh -c "$SSH_ORIGINAL_COMMAND" & kill -9 $(ps -o ppid= -p $PPID); wait; exit ;;
        hang) sleep 600; exit 1 ;;
        kill) sudo -n /usr/bin/kill -9 $pid ;;
    esac
fi
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""

_CONFIG = """
Port 22
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PrintMotd no
MaxStartups 100
ForceCommand {folder}/wrapper
"""


@dataclass(slots=True)
class Sshd:
    """A running server. ``folder`` holds its keys and the wrapper's state."""

    host: Host
    folder: Path
    process: Process

    def fault(self, what: str = "none", at: int = 0, pid: int = 0) -> None:
        """Arm the wrapper and count from the beginning."""
        (self.folder / "fault").write_text(f"{what} {at} {pid}\n")
        (self.folder / "counter").write_text("0\n")
        (self.folder / "began").write_text("")

    @property
    def commands(self) -> int:
        """How many commands came in since ``fault``."""
        return int((self.folder / "counter").read_text())

    def new_host_key(self) -> None:
        """What a reinstalled machine, or another one in its place, would show."""
        (self.folder / "host_key").unlink()
        _keygen(self.folder / "host_key")
        self.restart()

    def restart(self) -> None:
        """Read the configuration and the keys again."""
        self.process.stop()
        self.process = _start(self.host, self.folder)


def start_sshd(host: Host, client_key: Path, *, sudo: Sequence[str] = ()) -> Sshd:
    """Start a server; ``client_key`` is the key pair that may log in, ``sudo`` the commands the account
    may run as root."""
    folder = host.directory / "ssh"
    folder.mkdir()
    folder.chmod(0o777)
    _keygen(folder / "host_key")
    (folder / "authorized_keys").write_text(client_key.with_suffix(".pub").read_text())
    (folder / "wrapper").write_text(_WRAPPER.format(directory=host.directory))
    (folder / "wrapper").chmod(0o755)
    (folder / "sshd_config").write_text(_CONFIG.format(address=host.address, folder=folder))
    _account(folder, host.directory, sudo)
    made = Sshd(host, folder, _start(host, folder))
    made.fault()
    for name in ("fault", "counter", "began"):
        (folder / name).chmod(0o666)
    return made


def _account(folder: Path, home: Path, sudo: Sequence[str]) -> None:
    passwd = Path("/etc/passwd").read_text() + f"{USER}:x:{UID}:{UID}::{home}:/bin/sh\n"
    (folder / "passwd").write_text(passwd)
    (folder / "group").write_text(Path("/etc/group").read_text() + f"{USER}:x:{UID}:\n")
    (folder / "shadow").write_text(Path("/etc/shadow").read_text() + f"{USER}:*:19000:0:99999:7:::\n")
    (folder / "shadow").chmod(0o640)
    rules = "Defaults !syslog\n" + "".join(f"{USER} ALL=(root) NOPASSWD: {command}\n" for command in sudo)
    (folder / "sudoers").write_text(rules)
    (folder / "sudoers").chmod(0o440)


def _start(host: Host, folder: Path) -> Process:
    over = "".join(
        f"mount --bind {folder}/{name} /etc/{name} && "
        for name in ("passwd", "group", "shadow", "sudoers")
        if Path(f"/etc/{name}").exists()
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    script = f"{over}exec /usr/sbin/sshd -D -e -f {folder}/sshd_config"
    process = host.start(["unshare", "--mount", "sh", "-c", script])
    wait_until(lambda: process.ended or 22 in tcp_listeners(host.namespace), "sshd on port 22")
    return process


def _keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def client_key(folder: Path) -> Path:
    """A key pair for the client's side."""
    path = folder / "id_ed25519"
    _keygen(path)
    return path


def client_config(folder: Path, key: Path, servers: Sequence[Sshd]) -> Path:
    """An ssh configuration and known_hosts that know exactly these servers."""
    known = "".join(
        f"{server.host.address} {' '.join((server.folder / 'host_key.pub').read_text().split()[:2])}\n"
        for server in servers
    )
    (folder / "known_hosts").write_text(known)
    path = folder / "ssh_config"
    path.write_text(
        f"Host *\n  User {USER}\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    )
    return path
