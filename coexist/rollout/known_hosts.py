"""The host keys that a user and a machine know: files of OpenSSH, as far as paramiko can hold them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paramiko

from coexist.errors import HostError

KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts")


class KnownOnly(paramiko.MissingHostKeyPolicy):
    """Unknown keys are refused, in words that say what to do."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise ``HostError`` with the key's fingerprint."""
        raise HostError(
            f"the host key of {hostname} ({key.get_name()} {key.fingerprint}) is not known; compare it on "
            "the server, then add it to known_hosts by connecting once with ssh"
        )


def load_known_hosts(client: paramiko.SSHClient, options: Mapping[str, Any]) -> None:
    """The keys of the user's and the machine's files, or of those that the configuration names.

    ``options``: what the configuration says of the host, its keywords in lower case.
    """
    own = str(options.get("userknownhostsfile", " ".join(KNOWN_HOSTS[:2]))).split()
    everyones = str(options.get("globalknownhostsfile", KNOWN_HOSTS[2])).split()
    for name in [*own, *everyones]:
        path = Path(name).expanduser()
        if path.is_file():
            load_lines(client, path)


def load_lines(client: paramiko.SSHClient, path: Path) -> None:
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
