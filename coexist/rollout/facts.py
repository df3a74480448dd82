"""What stands on a server now: one command, and a pure reading of what it prints."""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Sequence

from coexist.errors import HostError
from coexist.records import dataclass
from coexist.rollout.document import sha256
from coexist.rollout.shell import MOST_OCTETS, digests_script, facts_script
from coexist.rollout.transport import Connection
from coexist.text.foreign import one_line
from coexist.text.redaction import redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentFile:
    """A file on a server. ``content`` None: nothing stands there. ``mode`` in octal digits."""

    path: str
    content: bytes | None = None
    mode: str = ""
    owner: str = ""
    group: str = ""

    @property
    def digest(self) -> str | None:
        """Its SHA-256; None where nothing stands."""
        return None if self.content is None else sha256(self.content)


def read_files(connection: Connection, paths: Sequence[str], *, sudo: bool) -> tuple[PresentFile, ...]:
    """Read some files of a server. Raises ``HostError`` for one that is there and cannot be read."""
    if not paths:
        return ()
    finished = connection.run(facts_script(paths, sudo=sudo))
    return parse_files(finished.stdout, paths, connection.name)


_NOTHING = sha256(b"")
_MOST_SHOWN = 500


def read_digests(connection: Connection, paths: Sequence[str], *, sudo: bool) -> dict[str, str]:
    """The SHA-256 of each of some files that can be read and is not empty."""
    if not paths:
        return {}
    finished = connection.run(digests_script(paths, sudo=sudo))
    lines = finished.stdout.decode("ascii", "replace").splitlines()
    found = {path: line[:64] for path, line in zip(paths, lines, strict=False)}
    return {path: digest for path, digest in found.items() if digest not in (_NOTHING, "")}


def parse_files(printed: bytes, paths: Sequence[str], host: str) -> tuple[PresentFile, ...]:
    """What ``facts_script`` printed. Raises ``HostError``."""
    parts = printed.split(b"\n.\n") if not printed.startswith(b".\n") else printed.split(b".\n")
    if len(parts) != len(paths) + 1:
        raise HostError(f"{host}: its answer about {paths[0]} cannot be understood; is a POSIX shell there?")
    return tuple(_parse(part, path, host) for part, path in zip(parts, paths, strict=False))


def _parse(part: bytes, path: str, host: str) -> PresentFile:
    head, _, rest = part.partition(b"\n")
    if head.startswith(b"- "):
        try:
            kind, mode, owner, group = head[2:].decode().split(" ")
            what = _KINDS.get(stat.S_IFMT(int(kind, 16)))
            content = base64.b64decode(rest.replace(b"\n", b""), validate=True)
        except (binascii.Error, ValueError):
            raise HostError(f"{host}: {path} cannot be read: {_text(rest)}") from None
        if what is not None:
            raise HostError(f"{host}: {path} is {what}; name a regular file in the server's deploy paths")
        if len(content) > MOST_OCTETS:
            raise HostError(
                f"{host}: {path} is larger than {MOST_OCTETS >> 20} MiB: that is no configuration"
            )
        return PresentFile(path=path, content=content, mode=mode, owner=owner, group=group)
    if part.rstrip().endswith(b": No such file or directory"):
        return PresentFile(path=path)
    raise HostError(f"{host}: {path} cannot be looked at: {_text(part)}")


_KINDS = {
    stat.S_IFLNK: "a symbolic link, which a rollout would replace by a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def _text(octets: bytes) -> str:
    return one_line(redacted(octets[:_MOST_SHOWN].decode("utf-8", "replace"))) or "no reason was given"
