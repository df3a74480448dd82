"""The values of secrets, from the moment a server is spoken to until it is not.

A connection exchanges tokens for values in what it sends, and values for tokens in what it hears: what
compares, records and reports sees tokens only. Checksums that the server makes of files with values are
exchanged too.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from coexist.errors import CoexistError
from coexist.records import dataclass
from coexist.rollout.document import Plan, sha256
from coexist.rollout.transport import COMMAND_SECONDS, Address, Connect, Connection, Finished, Lock
from coexist.text.secret_references import exchanged, hidden, references_in

SHORTEST = 8
"""A shorter one would be found in places where it is none."""
_ALLOWED = re.compile(rb"[!#-&(-\[\]-~]+")
"""Printable ASCII without blanks, quotes, apostrophes and backslashes, which each language treats in its own
way."""
_FACTS = re.compile(rb"(?m)^(- [0-9a-f]+ [0-7]+ \S+ \S+\n)((?:[A-Za-z0-9+/=]+\n)+)")


def value_of(reference: str) -> bytes:
    """The value of ``env:NAME`` or ``file:/PATH``. Raises ``CoexistError``, without the value."""
    kind, _, name = reference.partition(":")
    value = _of_environment(name) if kind == "env" else _of_file(Path(name))
    if len(value) < SHORTEST or _ALLOWED.fullmatch(value) is None:
        raise CoexistError(
            f"the secret {reference} cannot be used: it must have {SHORTEST} characters or more, and none of"
            " them a blank, a quote, an apostrophe or a backslash"
        )
    return value


def _of_environment(name: str) -> bytes:
    value = os.environ.get(name)
    if value is None:
        raise CoexistError(f"the secret env:{name} is not there: set the environment variable {name}")
    return value.encode("utf-8", "surrogateescape")


def _of_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise CoexistError(f"the secret file:{path} is no regular file")
            if about.st_mode & 0o077 or about.st_uid not in (os.geteuid(), 0):
                raise CoexistError(f"the secret file:{path} can be read by others: chmod 600 {path}")
            return file.read(1 << 16).rstrip(b"\r\n")
    except OSError as error:
        raise CoexistError(f"the secret file:{path} cannot be read: {error.strerror}") from None


def references_of(contents: Iterable[bytes]) -> frozenset[str]:
    """The secrets that some files need."""
    return frozenset(reference for content in contents for reference in references_in(content))


def references_of_plan(plan: Plan) -> frozenset[str]:
    """The secrets that the files of a plan need."""
    return references_of(plan.content(digest) for digest in plan.contents)


def with_secrets(connect: Connect, references: Iterable[str]) -> Connect:
    """The same way to servers for files that need some secrets. Raises ``CoexistError`` where one is not
    there."""
    wanted = sorted(set(references))
    if not wanted:
        return connect
    values = {reference: value_of(reference) for reference in wanted}
    if len(set(values.values())) < len(values):
        raise CoexistError(f"two of the secrets {', '.join(wanted)} are the same: name one of them only")

    def way(address: Address) -> Connection:
        return HidingConnection(name=address.name, inner=connect(address), values=values)

    return way


@dataclass(slots=True, kw_only=True)
class HidingConnection:
    """A connection on which values go out and tokens come in; see ``Connection``."""

    name: str
    inner: Connection
    values: dict[str, bytes]
    digests: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS) -> Finished:
        """See ``Connection``."""
        given = exchanged(stdin, self.values) if references_in(stdin) else stdin
        if given != stdin:
            self.digests[sha256(stdin)] = sha256(given)
        for ours, theirs in self.digests.items():
            # Only what is compared with a checksum: files are kept under ours.
            script = script.replace(f'"{ours}  -"', f'"{theirs}  -"')
        finished = self.inner.run(script, stdin=given, seconds=seconds)
        said = self._heard(finished.stdout), self._plain(finished.stderr)
        return Finished(code=finished.code, stdout=said[0], stderr=said[1])

    def _heard(self, output: bytes) -> bytes:
        output = self._plain(_FACTS.sub(self._fact, output))
        for ours, theirs in self.digests.items():
            output = output.replace(theirs.encode(), ours.encode())
        return output

    def _fact(self, found: re.Match[bytes]) -> bytes:
        """A file as ``facts_script`` prints it, in base64."""
        try:
            content = base64.b64decode(found[2].replace(b"\n", b""), validate=True)
        except binascii.Error:
            return found[0]
        unseen = hidden(content, self.values)
        if unseen == content:
            return found[0]
        self.digests[sha256(unseen)] = sha256(content)
        return found[1] + base64.encodebytes(unseen)

    def _plain(self, output: bytes) -> bytes:
        return hidden(output, self.values)

    def hold(self, script: str) -> Lock | Finished:
        """See ``Connection``."""
        return self.inner.hold(script)

    def close(self) -> None:
        """See ``Connection``."""
        self.inner.close()
