"""One server from one version of its files to another: whole or not at all.

Lock, read, upload beside, check there, keep what stands, switch and reload in one command, look. Each
step may be the last one that is reached: the next run finds out from the server itself where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from coexist.errors import HostError
from coexist.planning.together import Version
from coexist.records import dataclass
from coexist.rollout import shell
from coexist.rollout.document import PlannedFile, ServerPlan
from coexist.rollout.facts import PresentFile, read_files
from coexist.rollout.shell import CommitCode, Switch
from coexist.rollout.transport import Connection, Finished

COMMAND_SECONDS = 60
_MARGIN = 20.0

Doing = Callable[[str], None]
"""Told what begins, in a word."""

Provide = Callable[[str], bytes | None]
"""A file's bytes by their digest; None if they are kept on the server only."""


class RefusedError(HostError):
    """A server did not take its new configuration, and runs what it ran before."""


class UnknownError(HostError):
    """A server has its old files again, and whether its service runs is not known."""


class ChangedError(RefusedError):
    """A file on the server is none of those the plan knows: somebody changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a server must run.

    ``version`` None is what stood there when the plan was made. ``passing``: versions it may come from,
    besides. ``confirmed``: the record says that this goal was reached and reloaded already. ``overwrite``: it
    may come from anything; what stood there is kept under its digest.
    """

    version: Version | None
    passing: tuple[Version | None, ...]
    confirmed: bool = False
    overwrite: bool = False


def converge(
    connection: Connection,
    server: ServerPlan,
    goal: Goal,
    provide: Provide,
    *,
    token: str,
    doing: Doing,
    seconds: int = COMMAND_SECONDS,
) -> None:
    """Bring a server to a version. Running it again after any interruption finishes the work.

    Raises ``RefusedError`` when the server keeps what it had, ``HostError`` when it did not get that far
    or the connection was lost.
    """
    run = _Run(connection, server, goal, provide, token, doing, seconds)
    doing("lock")
    with run.locked():
        doing("read")
        present = run.present()
        switches = run.needed(present)
        if not switches and goal.confirmed:
            return
        try:
            if switches:
                run.stage(present)
                run.check()
                run.keep(present, switches)
            run.commit(present, switches)
            doing("verify")
            run.verify()
        finally:
            # What cannot be cleaned now is overwritten by the next run.
            with suppress(HostError):
                run.clean()


def standing(
    connection: Connection, server: ServerPlan, versions: tuple[Version | None, ...]
) -> Version | None:
    """The version a server's files are of, the latest of those that fit. Raises ``ChangedError``."""
    present = read_files(connection, [file.path for file in server.files], sudo=server.sudo)
    for version in reversed(versions):
        if all(there.digest == file.at(version) for there, file in zip(present, server.files, strict=True)):
            return version
    raise ChangedError(f"{connection.name}: its files are of no version that the plan knows")


@dataclass(slots=True)
class _Run:
    connection: Connection
    server: ServerPlan
    goal: Goal
    provide: Provide
    token: str
    doing: Doing
    seconds: int

    @property
    def directory(self) -> str:
        """Where the locks of this server are: beside its first file."""
        return shell.directory_of(self.server.files[0].path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        parents = [shell.directory_of(file.path) for file in self.server.files]
        self.must(shell.make_directories(parents, sudo=self.server.sudo), "its directories cannot be made")
        lock = self.connection.hold(shell.hold_lock(self.directory, sudo=self.server.sudo))
        if isinstance(lock, Finished):
            why = f"the lock cannot be taken: {lock.said}"
            if lock.code == shell.BUSY:
                why = f"another rollout is at work there (it holds {self.directory}/{shell.LOCK})"
            raise RefusedError(f"{self.connection.name}: {why}")
        try:
            waiting = shell.await_commit(self.directory, seconds=self.patience(), sudo=self.server.sudo)
            self.must(waiting, "an earlier change is still under way", seconds=self.patience() + _MARGIN)
            yield
        finally:
            lock.release()

    def present(self) -> tuple[PresentFile, ...]:
        return read_files(self.connection, [file.path for file in self.server.files], sudo=self.server.sudo)

    def needed(self, present: tuple[PresentFile, ...]) -> tuple[PlannedFile, ...]:
        """The files that are not yet what they must be. Raises ``ChangedError`` for one nobody planned."""
        for file, there in zip(self.server.files, present, strict=True):
            allowed = {file.at(version) for version in (self.goal.version, *self.goal.passing)}
            if there.digest not in allowed and not self.goal.overwrite:
                raise ChangedError(
                    f"{self.connection.name}: {file.path} was changed since the plan was made;"
                    " nothing was done"
                )
        return tuple(
            file
            for file, there in zip(self.server.files, present, strict=True)
            if there.digest != file.at(self.goal.version)
        )

    def stage(self, present: tuple[PresentFile, ...]) -> None:
        """Upload all files of the version, also those that do not change: the check reads them together."""
        sudo = self.server.sudo
        self.doing("upload")
        folders = [shell.directory_of(self.staged(file)) for file in self.server.files]
        self.must(
            shell.make_directories(folders, sudo=sudo), "the new files cannot be put beside the old ones"
        )
        for file, there in zip(self.server.files, present, strict=True):
            digest = file.at(self.goal.version)
            if digest is None:
                continue
            staged = self.staged(file)
            if there.content is not None and there.digest == digest:
                self.upload(file, there.content)
            elif (content := self.provide(digest)) is not None:
                self.upload(file, content)
            else:
                kept = shell.kept_path(file.path, digest)
                self.must(
                    shell.words(["cp", "-p", "--", kept, staged], sudo=sudo), f"{kept} cannot be taken back"
                )
            like = file.path
            if there.content is None and digest == file.before:
                like = shell.kept_path(file.path, digest)  # it comes back with its owner and mode
            dress = shell.dress(staged, like, mode=file.mode, sudo=sudo)
            self.same(
                staged, digest, dress, f"{file.path}: its owner and mode cannot be given to the new file"
            )

    def upload(self, file: PlannedFile, content: bytes) -> None:
        what = f"{file.path} cannot be uploaded"
        self.must(shell.upload(self.staged(file), sudo=self.server.sudo), what, stdin=content)

    def check(self) -> None:
        """Let the daemon itself look at the uploaded files."""
        self.doing("check")
        staged = {file.name: self.staged(file) for file in self.server.files if file.at(self.goal.version)}
        for name, argv in self.server.checks.items():
            if name in staged:
                words = shell.substituted(argv, {**staged, "path": staged[name]})
                script = shell.bounded(words, seconds=self.seconds, sudo=self.server.sudo)
                self.must(script, f"its own check refuses {name}", seconds=self.seconds + _MARGIN)

    def keep(self, present: tuple[PresentFile, ...], switches: tuple[PlannedFile, ...]) -> None:
        """Copy what stands now under its digest."""
        self.doing("keep")
        sudo = self.server.sudo
        kept = [file.path for file in switches if self.there(file, present) is not None]
        if not kept:
            return
        folders = [f"{shell.directory_of(path)}/{shell.KEPT}" for path in kept]
        self.must(shell.make_directories(folders, sudo=sudo), "the old files cannot be kept")
        for file in switches:
            digest = self.there(file, present)
            if digest is not None:
                copy = shell.keep(file.path, digest, sudo=sudo)
                self.same(shell.kept_path(file.path, digest), digest, copy, f"{file.path} cannot be kept")

    def commit(self, present: tuple[PresentFile, ...], files: tuple[PlannedFile, ...]) -> None:
        """Switch and reload in one remote command, which undoes itself."""
        self.doing("commit")
        switches = []
        for file in sorted(files, key=lambda file: self.turn(file, present)):
            before = self.there(file, present)
            wanted = file.at(self.goal.version)
            switches.append(
                Switch(
                    path=file.path,
                    staged=None if wanted is None else self.staged(file),
                    kept=None if before is None else shell.kept_path(file.path, before),
                    before=before,
                )
            )
        script = shell.commit_script(
            switches,
            directory=self.directory,
            reload=self.server.reload,
            status=self.server.status,
            seconds=self.seconds,
            sudo=self.server.sudo,
        )
        finished = self.connection.run(script, seconds=self.patience() + _MARGIN)
        if finished.code == CommitCode.STATUS_UNKNOWN:
            command = " ".join(self.server.status)
            raise UnknownError(
                f"{self.connection.name}: `{command}` failed: {_said(finished)}; it fails with the old "
                "configuration too, so nobody knows whether the service runs: look at the server, and at "
                "`status` in its `deploy`"
            )
        if finished.code != CommitCode.DONE:
            failure = _failure(finished, bool(switches), self.server.status)
            raise RefusedError(f"{self.connection.name}: {failure}")

    def turn(self, file: PlannedFile, present: tuple[PresentFile, ...]) -> int:
        """New files first, then those that are replaced, then those that go: whichever configuration a
        daemon reads in between finds the files it names."""
        if self.there(file, present) is None:
            return 0
        return 2 if file.at(self.goal.version) is None else 1

    def verify(self) -> None:
        """Every file is what it must be."""
        for file, there in zip(self.server.files, self.present(), strict=True):
            if there.digest != file.at(self.goal.version):
                raise HostError(f"{self.connection.name}: {file.path} was changed while the rollout ran")

    def clean(self) -> None:
        folders = [shell.directory_of(self.staged(file)) for file in self.server.files]
        self.connection.run(shell.clean(folders, sudo=self.server.sudo))

    def staged(self, file: PlannedFile) -> str:
        return shell.staging_path(file.path, self.token)

    def there(self, file: PlannedFile, present: tuple[PresentFile, ...]) -> str | None:
        return next(there.digest for there in present if there.path == file.path)

    def same(self, path: str, digest: str, script: str, what: str) -> None:
        """Run a script that makes or changes a file, and read the file back."""
        finished = self.must(f"{script} && {shell.digest_of(path, sudo=self.server.sudo)}", what)
        if finished.stdout[:64] != digest.encode():
            raise RefusedError(f"{self.connection.name}: {path} is not what was written; is the disk full?")

    def patience(self) -> int:
        """Seconds a commit may take: reload and status, and both again if it is undone."""
        return 2 * self.seconds * (len(self.server.reload) + 1) + 5

    def must(
        self, script: str, what: str, *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS
    ) -> Finished:
        finished = self.connection.run(script, stdin=stdin, seconds=seconds)
        if finished.code != 0:
            raise RefusedError(f"{self.connection.name}: {what}: {_said(finished)}")
        return finished


def _said(finished: Finished) -> str:
    # coreutils timeout(1): 124 when the time was up, 137 when it had to kill.
    return "it took too long" if finished.code in (124, 137) and not finished.stderr else finished.said


def _failure(finished: Finished, switched: bool, status: Sequence[str]) -> str:
    undone = "; the old configuration is back and running" if switched else ""
    match finished.code:
        case CommitCode.CHANGED:
            return "a file was changed while the rollout ran; nothing was switched"
        case CommitCode.SWITCH_FAILED:
            return f"the files could not be switched: {_said(finished)}; the old ones stand"
        case CommitCode.RELOAD_FAILED:
            return f"the reload failed: {_said(finished)}{undone}"
        case CommitCode.STATUS_FAILED:
            return f"`{' '.join(status)}` failed after the reload: {_said(finished)}{undone}"
        case CommitCode.NO_LOCK:
            return f"the lock for the switch cannot be taken: {_said(finished)}; nothing was switched"
        case CommitCode.STUCK:
            return f"the reload failed and so did going back: {_said(finished)}; look at this server now"
    return f"the switch ended unexpectedly ({finished.code}): {_said(finished)}"
