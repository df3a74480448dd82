"""A plan on its servers: step by step, wave by wave, recorded, and stopped at the first failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import Literal

from coexist.errors import CoexistError, HostError
from coexist.planning.together import VERSIONS, Version
from coexist.records import dataclass
from coexist.rollout.converge import (
    COMMAND_SECONDS,
    ChangedError,
    Goal,
    Provide,
    RefusedError,
    UnknownError,
    converge,
    standing,
)
from coexist.rollout.document import Change, Plan, ServerPlan
from coexist.rollout.history import Journal, State
from coexist.rollout.transport import Address, Connect, Connection, ConnectionLostError

RECONNECTIONS = 2
"""How often a lost connection is opened again to find out, and to finish."""

RECONNECT_SECONDS = 2.0
"""The wait before the first of them; each further one waits so much longer."""

Verify = Callable[[Sequence[Change]], Sequence[str]]
"""Looks at the wire after a wave; a sentence for everything that is not as predicted."""

Watch = Callable[[str, str], None]
"""Told what a server is doing: its name and a word; ``done`` and ``failed`` end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the rollout stopped. ``server`` is empty when the wire said no."""

    server: str
    message: str


class _StoppedError(Exception):
    """A server is not begun any more."""


@dataclass(slots=True, kw_only=True)
class Rollout:
    """One plan being applied or undone. ``seconds`` bounds each check and reload on a server."""

    plan: Plan
    journal: Journal
    connect: Connect
    provide: Provide
    parallel: int = 8
    seconds: int = COMMAND_SECONDS
    reconnect_seconds: float = RECONNECT_SECONDS
    overwrite: bool = False
    """Take back what was edited by hand since, too."""
    watch: Watch = field(default=lambda _server, _what: None)
    stop: Callable[[], bool] = field(default=lambda: False)
    """Whether no further server is begun: ``KeyboardInterrupt`` then, and the record stays unfinished."""

    def apply(
        self, *, verify: Verify | None = None, on_failure: Literal["stop", "rollback"] = "stop"
    ) -> Failure | None:
        """Do every step. On failure the servers keep what they have, or all go back.

        When the wire is not as predicted, the wave that made it so is always taken back.
        """
        done: list[Change] = []
        for step in self.plan.steps:
            for wave in step.waves:
                failures = self._wave(wave, self._forward)
                failed = {failure.server for failure in failures}
                done += [change for change in wave if change.server not in failed]
                if failures:
                    return self._stopped(failures[0], done if on_failure == "rollback" else [])
                wrong = self._verified(wave, verify)
                if wrong:
                    failure = Failure(server="", message="the wire is not as predicted: " + "; ".join(wrong))
                    return self._stopped(failure, done if on_failure == "rollback" else list(wave))
        self.journal.close("done")
        return None

    def _verified(self, wave: Sequence[Change], verify: Verify | None) -> list[str]:
        """What is wrong on the wire. Not having looked is no better than a wrong answer."""
        if verify is None:
            return []
        try:
            return list(verify(wave))
        except HostError as error:
            return [f"it could not be asked: {error}"]

    def undo(self) -> Failure | None:
        """Take every step back, the last one first, each server only as far as it came."""
        for step in reversed(self.plan.steps):
            for wave in reversed(step.waves):
                failures = self._wave(wave, self._backward)
                if failures:
                    return self._stopped(failures[0], [])
        self.journal.close("done")
        return None

    def _stopped(self, failure: Failure, back: Sequence[Change]) -> Failure:
        undone = [self._wave([change], self._backward) for change in reversed(back)]
        stuck = [failures[0].message for failures in undone if failures]
        message = failure.message
        if back:
            message += "; going back failed: " + "; ".join(stuck) if stuck else "; it was taken back"
        self.journal.close("rolled-back" if back and not stuck else "failed", message)
        return Failure(server=failure.server, message=message)

    def _wave(self, wave: Sequence[Change], move: Callable[[Change], Failure | None]) -> list[Failure]:
        """Change the servers of a wave side by side; who began is let finish."""

        def begin(change: Change) -> Failure | None:
            if self.stop():
                raise _StoppedError
            return move(change)

        pool, at_once = ThreadPoolExecutor(max_workers=max(1, min(self.parallel, len(wave)))), False
        try:
            return [failure for failure in pool.map(begin, wave) if failure is not None]
        except _StoppedError:
            pool.shutdown(cancel_futures=True)
            raise KeyboardInterrupt from None
        except KeyboardInterrupt:
            at_once = True
            raise
        finally:
            pool.shutdown(wait=not at_once, cancel_futures=True)

    def _forward(self, change: Change) -> Failure | None:
        record = self.journal.record.servers[change.server]
        if record.version is not None and _rank(record.version) > _rank(change.version):
            return None
        confirmed = record.version == change.version and record.doing == ""
        goal = Goal(version=change.version, passing=(change.since,), confirmed=confirmed)
        return self._move(change, goal)

    def _backward(self, change: Change) -> Failure | None:
        goal = Goal(version=change.since, passing=(change.version,), overwrite=self.overwrite)
        return self._move(change, goal, only_from=change.version)

    def _move(self, change: Change, goal: Goal, only_from: Version | None = None) -> Failure | None:
        """Bring one server to a goal, over a connection that may be lost and opened again."""
        server = self.plan.servers[change.server]
        began = threading.Event()  # the switch may have happened since
        if self.journal.record.servers[change.server].doing == "commit":
            began.set()
        error: HostError | None = None
        for attempt in range(1 + RECONNECTIONS):
            if attempt:
                threading.Event().wait(self.reconnect_seconds * attempt)
            try:
                reached = self._attempt(change.server, server, goal, only_from, began)
            except ConnectionLostError as lost:
                error = lost
                continue
            except UnknownError as unknown:
                return self._failed(change, unknown, "unknown")
            except RefusedError as refused:
                return self._failed(change, refused, self._look(change, refused))
            except HostError as refused:
                # It cannot be reached at all: whether that is news depends on what was done there before.
                if attempt == 0:
                    return self._failed(change, refused, "unknown" if began.is_set() else None)
                error = refused
                continue
            self.journal.state(change.server, self._state(server, reached), version=reached)
            self.watch(change.server, "done")
            return None
        assert error is not None
        return self._failed(change, error, "unknown" if began.is_set() else None)

    def _attempt(
        self, name: str, server: ServerPlan, goal: Goal, only_from: Version | None, began: threading.Event
    ) -> Version | None:
        """One connection's worth of it; the version the server runs then."""

        def doing(what: str) -> None:
            # Without its own line in the record nobody could tell a switch that was cut from none.
            if what == "commit":
                began.set()
                self.journal.doing(name, what)
            self.watch(name, what)

        doing("connect")
        connection = self._open(name, server)
        try:
            if only_from is not None:
                versions = (None, *(v for v in VERSIONS if any(v in file.after for file in server.files)))
                here = self._standing(connection, server, only_from, versions)
                if _rank(here) < _rank(only_from):
                    return here
            converge(
                connection, server, goal, self.provide, token=self.plan.digest[:12], doing=doing,
                seconds=self.seconds,
            )  # fmt: skip
        finally:
            connection.close()
        return goal.version

    def _standing(
        self,
        connection: Connection,
        server: ServerPlan,
        only_from: Version,
        versions: Sequence[Version | None],
    ) -> Version | None:
        """Where a server stands that is taken back; a mixture of versions is for ``converge`` to judge."""
        try:
            return standing(connection, server, tuple(versions))
        except ChangedError:
            return only_from

    def _open(self, name: str, server: ServerPlan) -> Connection:
        return self.connect(Address(name=name, host=server.host, user=server.user, port=server.port))

    def _failed(self, change: Change, error: CoexistError, state: State | None) -> Failure:
        if state is not None:
            self.journal.state(
                change.server,
                state,
                version=self.journal.record.servers[change.server].version,
                error=str(error),
            )
        else:
            record = self.journal.record.servers[change.server]
            self.journal.state(change.server, record.state, version=record.version, error=str(error))
        self.watch(change.server, "failed")
        return Failure(server=change.server, message=str(error))

    def _look(self, change: Change, refused: RefusedError) -> State:
        """What a server runs that refused; a mixture of files is brought back to the old ones."""
        server = self.plan.servers[change.server]
        if isinstance(refused, ChangedError):
            return self.journal.record.servers[change.server].state
        for repairing in (False, True):
            try:
                connection = self._open(change.server, server)
            except HostError:
                return "unknown"
            try:
                if repairing:
                    back = Goal(version=change.since, passing=(change.version,))
                    converge(
                        connection, server, back, self.provide, token=self.plan.digest[:12],
                        doing=lambda _what: None, seconds=self.seconds,
                    )  # fmt: skip
                return self._state(server, standing(connection, server, (change.version, change.since)))
            except ChangedError:
                continue
            except HostError:
                return "unknown"
            finally:
                connection.close()
        return "between"

    def _state(self, server: ServerPlan, version: Version | None) -> State:
        if version is None:
            return "old"
        last = max((v for file in server.files for v in file.after), key=_rank, default=version)
        return "new" if version == last else "staged"


def _rank(version: Version | None) -> int:
    return -1 if version is None else VERSIONS.index(version)


def contents_of(plan: Plan, kept: Callable[[str], bytes | None]) -> Provide:
    """A file's bytes from the plan, else from the history, else None (its server has them)."""

    def provide(digest: str) -> bytes | None:
        return plan.content(digest) if digest in plan.contents else kept(digest)

    return provide
