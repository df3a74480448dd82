"""What was rolled out, by whom, and the bytes before and after: kept beside the inventory.

``history/<id>/record.json`` and ``plan.json``, and ``history/files/<sha256>`` for every version of every
file, so that a rollback restores exactly those bytes. A file that seems to hold a password or key is not
copied here: its bytes stay on its server, under their digest. All of it is readable by its owner only.

A record is written before and after each step on a server, atomically, so that a rollout that was killed
can be continued and one can read how far it came.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coexist.errors import CoexistError, InputError, Position, Problem
from coexist.planning.together import Version
from coexist.rollout.document import Plan, Sha256, read_plan, sha256, write_plan
from coexist.text.redaction import holds_secret
from coexist.text.secret_references import named_only
from coexist.text.whole_files import write_whole

FOLDER = "history"
OWNER_ONLY = 0o600
_PUT_BACK = "put the folder back from a backup, or move it away: what it recorded is then not known any more"

State = Literal["untouched", "old", "staged", "new", "between", "unknown"]
"""What a server runs: the whole configuration it had, a whole one of an intermediate step, the whole new
one; ``between`` when its files are of several, ``unknown`` when it could not be asked."""

Outcome = Literal["running", "done", "failed", "rolled-back"]


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FileRecord(_Kept):
    """A file of a server before and after; None: nothing stood there."""

    path: str
    before: Sha256 | None
    after: Sha256 | None


class ServerRecord(_Kept):
    """How far a server came. ``version``: the last one confirmed by a reload that succeeded. ``doing``: a
    switch that began and of whose end nothing is known: the process may have been killed in it."""

    state: State = "untouched"
    version: Version | None = None
    doing: str = ""
    error: str | None = None
    files: list[FileRecord] = []


class Record(_Kept):
    """One apply or rollback. ``of``: the record a rollback undoes. Times are UTC."""

    format: Literal[1] = 1
    id: str
    kind: Literal["apply", "rollback"]
    of: str | None = None
    plan: Sha256
    site: str
    who: str
    began: datetime
    ended: datetime | None = None
    outcome: Outcome = "running"
    reason: str | None = None
    error: str | None = None
    servers: dict[str, ServerRecord] = {}
    manifest: dict[str, dict[str, tuple[str, ...]]] = {}
    process: Annotated[int, Field(ge=0)] = 0

    @property
    def touched(self) -> bool:
        """Whether it left a server otherwise than it was, or may have."""
        return any(
            server.doing or server.state not in ("untouched", "old") for server in self.servers.values()
        )

    @property
    def finished(self) -> bool:
        """Whether it needs no continuation."""
        return self.outcome != "running"


class Journal:
    """A record that is being written. Every change is on the disk before it counts.

    ``lock``: keeps every other run out of the history; it goes with the process that dies.
    """

    def __init__(self, folder: Path, record: Record, lock: IO[str]) -> None:
        self.folder = folder
        self.record = record
        self.lock = lock
        self._guard = threading.Lock()

    def doing(self, server: str, what: str) -> None:
        """A step on a server begins."""
        self._change(server, doing=what)

    def state(
        self, server: str, state: State, *, version: Version | None = None, error: str | None = None
    ) -> None:
        """What a server runs now."""
        self._change(server, state=state, version=version, error=error, doing="")

    def close(self, outcome: Outcome, error: str | None = None) -> None:
        """The end of it."""
        with self._guard:
            self.record.outcome = outcome
            self.record.error = error
            self.record.ended = datetime.now(UTC)
            self._write()
        self.lock.close()

    def _change(self, server: str, **fields: object) -> None:
        with self._guard:
            entry = self.record.servers[server]
            for name, value in fields.items():
                setattr(entry, name, value)
            self._write()

    def _write(self) -> None:
        content = self.record.model_dump_json(indent=2).encode() + b"\n"
        write_whole(self.folder / "record.json", content, OWNER_ONLY)


class History:
    """The folder of all records of an inventory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._plans: dict[tuple[str, str], Plan] = {}  # a record's plan never changes, and is slow to read

    def records(self) -> list[Record]:
        """Every record, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [self._read(path.name) for path in self.folder.iterdir() if (path / "record.json").is_file()]
        return sorted(found, key=lambda record: (record.began, record.id))

    def record(self, identity: str) -> Record:
        """One record by its id or a beginning of it. Raises ``CoexistError``."""
        found = [record for record in self.records() if record.id.startswith(identity)]
        if len(found) != 1:
            some = f"{len(found)} records in {self.folder} begin"
            what = some if found else f"no record in {self.folder} begins"
            raise CoexistError(f"{what} with {identity!r}; see `coexist history`")
        return found[0]

    def plan_of(self, record: Record) -> Plan:
        """The plan a record belongs to. Raises ``InputError`` if it is not there, or another one."""
        if (record.id, record.plan) in self._plans:
            return self._plans[record.id, record.plan]
        path = self.folder / record.id / "plan.json"
        plan = read_plan(path, _PUT_BACK)
        if plan.digest != record.plan or not record.servers.keys() <= plan.servers.keys():
            problem = "the plan beside this record is not the one it is about"
            raise InputError([Problem(Position(str(path)), problem, _PUT_BACK)])
        self._plans[record.id, record.plan] = plan
        return plan

    def begin(
        self,
        plan: Plan,
        kind: Literal["apply", "rollback"],
        *,
        of: str | None = None,
        reason: str | None = None,
        who: str | None = None,
    ) -> Journal:
        """Open a new record. Raises ``CoexistError`` if another process writes here.

        ``who`` began it; the user of this process if nobody is named.
        """
        lock = self._locked()
        began = datetime.now(UTC)
        identity = f"{began:%Y%m%dT%H%M%SZ}-{plan.digest[:8]}"
        number = 1
        while (self.folder / identity).exists():
            number += 1
            identity = f"{began:%Y%m%dT%H%M%SZ}-{plan.digest[:8]}-{number}"
        folder = self.folder / identity
        record = Record(
            id=identity,
            kind=kind,
            of=of,
            plan=plan.digest,
            site=plan.site,
            who=who or f"{getpass.getuser()}@{socket.gethostname()}",
            began=began,
            reason=reason or plan.reason,
            servers={
                name: ServerRecord(
                    files=[
                        FileRecord(path=file.path, before=file.before, after=file.at("final"))
                        for file in server.files
                    ]
                )
                for name, server in plan.servers.items()
            },
            manifest=plan.manifest,
            process=os.getpid(),
        )
        folder.mkdir(mode=0o700)
        write_whole(folder / "plan.json", write_plan(plan).encode(), OWNER_ONLY)
        for digest in plan.contents:
            self.keep(plan.content(digest))
        journal = Journal(folder, record, lock)
        journal._write()
        return journal

    def resume(self, plan: Plan, kind: Literal["apply", "rollback"], of: str | None = None) -> Journal | None:
        """The record of a plan that did not come to its end, to be continued; None if there is none.

        A later record about one of its servers ends that: the servers are no longer where it left them.
        """
        lock = self._locked()
        record = self.latest(plan)
        if (
            record is not None
            and (record.plan, record.kind, record.of) == (plan.digest, kind, of)
            and record.outcome != "done"
        ):
            record.process, record.outcome, record.error, record.ended = os.getpid(), "running", None, None
            return Journal(self.folder / record.id, record, lock)
        lock.close()
        return None

    def latest(self, plan: Plan) -> Record | None:
        """The last record about any server of a plan."""
        return next(
            (record for record in reversed(self.records()) if set(record.servers) & set(plan.servers)), None
        )

    def last_applied(self) -> dict[tuple[str, str], str | None]:
        """What the rollouts left on the servers: the digest by server and path, where that is certain."""
        result: dict[tuple[str, str], str | None] = {}
        for record in self.records():
            plan = self.plan_of(record)
            for name, server in record.servers.items():
                for file in plan.servers[name].files:
                    if server.doing or server.state in ("between", "unknown"):
                        result.pop((name, file.path), None)
                    elif server.state in ("old", "staged", "new"):
                        result[name, file.path] = file.at(server.version)
        return result

    def written(self) -> dict[str, dict[str, frozenset[str]]]:
        """The files that rollouts wrote and that may stand there still: by server and path, every digest.

        Not a file whose last certain state is what stood there before any rollout, or nothing.
        """
        found: dict[tuple[str, str], set[str]] = {}
        for record in self.records():
            for name, server in self.plan_of(record).servers.items():
                if record.servers[name].doing or record.servers[name].state != "untouched":
                    for file in server.files:
                        digests = {digest for digest in file.after.values() if digest is not None}
                        found.setdefault((name, file.path), set()).update(digests)
        last = self.last_applied()
        result: dict[str, dict[str, frozenset[str]]] = {}
        for (name, path), digests in sorted(found.items()):
            if digests and ((name, path) not in last or last[name, path] in digests):
                result.setdefault(name, {})[path] = frozenset(digests)
        return result

    def last_manifest(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Whom each server boots by the rollouts so far."""
        result: dict[str, dict[str, tuple[str, ...]]] = {}
        before: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {}
        for record in self.records():
            before[record.id] = dict(result)
            if record.kind == "rollback" and record.of in before:
                back = before[record.of]
                for name, server in record.servers.items():
                    if server.state == "old":
                        result.pop(name, None)
                        result |= {name: back[name]} if name in back else {}
            elif record.outcome == "done":
                result |= record.manifest
            else:
                done = {name for name, server in record.servers.items() if server.state == "new"}
                result |= {name: said for name, said in record.manifest.items() if name in done}
        return result

    def keep(self, content: bytes) -> None:
        """Keep a file's bytes by their digest, unless they seem to hold a secret."""
        if holds_secret(named_only(content)):
            return
        folder = self.folder / "files"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / sha256(content)
        if not path.is_file():
            write_whole(path, content, OWNER_ONLY)

    def content(self, digest: str) -> bytes | None:
        """A file's bytes, if they are kept here and whole."""
        path = self.folder / "files" / digest
        if not path.is_file():
            return None
        content = path.read_bytes()
        return content if sha256(content) == digest else None

    def is_busy(self) -> bool:
        """Whether a process writes here now."""
        try:
            self._locked().close()
        except CoexistError:
            return True
        return False

    def _read(self, identity: str) -> Record:
        path = self.folder / identity / "record.json"
        try:
            return Record.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError([Problem(Position(str(path)), f"{first['msg']}", _PUT_BACK)]) from None

    def _locked(self) -> IO[str]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise CoexistError(f"another rollout of this inventory is running (lock {lock.name})") from None
        return lock
