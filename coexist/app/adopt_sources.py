"""Where the files of a server that is adopted come from: the server itself, or copies of them."""

from __future__ import annotations

import errno
from pathlib import Path

from coexist.app.adopt import Fetch, Listing
from coexist.languages.source_files import ElsewhereError, Surroundings, files_of
from coexist.rollout.shell import words
from coexist.rollout.transport import Address, Connect


def beside(main: Path, roots: tuple[Path, ...]) -> tuple[Fetch, Listing]:
    """Copies. The first file asked for is the main one; the others are those it includes."""
    around = Surroundings(main.parent, roots)
    asked: list[str] = []
    inside: dict[str, Path] = {}

    def fetch(name: str) -> bytes:
        asked.append(name)
        return around.octets(main if len(asked) == 1 else inside.get(name) or around.find(name))

    def listing(name: str) -> list[str] | None:
        path = around.find(name)
        if not path.is_dir():
            return None
        found = {f"{name.rstrip('/')}/{file.name}": file for file in files_of(path)}
        inside.update(found)
        return list(found)

    return fetch, listing


def over_ssh(connect: Connect, name: str, host: str, user: str, *, sudo: bool) -> tuple[Fetch, Listing]:
    """The server's own files. Raises `HostError` where it cannot be reached."""
    connection = connect(Address(name=name, host=host, user=user or None))

    def fetch(path: str) -> bytes:
        done = connection.run(words(["cat", "--", path], sudo=sudo))
        if done.code:
            raise ElsewhereError(errno.EIO, done.said)
        return done.stdout

    def listing(path: str) -> list[str] | None:
        # A dot behind it: a file has none, and a folder that cannot be read says why.
        inside = f"{path.rstrip('/')}/."
        if connection.run(words(["test", "-d", inside], sudo=sudo)).code:
            return None
        found = connection.run(words(["find", inside, "-maxdepth", "1", "-type", "f", "-print0"], sudo=sudo))
        if found.code:
            raise ElsewhereError(errno.EIO, found.said)
        names = found.stdout.decode("utf-8", "surrogateescape").split("\0")
        return sorted(f"{path.rstrip('/')}/{name.rpartition('/')[2]}" for name in names if name)

    return fetch, listing
