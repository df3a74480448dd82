"""The thread that keeps the registry: the boot path gives it clients and never waits for it.

A locked file, a full disk or a registry that was deleted cost log lines and counted losses, not boots.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from coexist.boot.policy import NOBODY_REGISTERED, Registered
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.registry import ClientRow, Note, Registry
from coexist.server.seen import MOST_CHANGED, Client, ClientsSeen

FLUSH_SECONDS = 1.0
MOST_A_FLUSH = 2000
_TRIM_EVERY = 60
_COMPLAIN_EVERY = 30


class Recorder:
    """Writes what was seen once a second, and calls ``decided`` when administrators decided something."""

    def __init__(
        self,
        path: Path,
        clients: ClientsSeen,
        *,
        counters: Counters,
        log: Log,
        decided: Callable[[Registered], None],
    ) -> None:
        self.path = path
        self.clients = clients
        self.counters = counters
        self.log = log
        self.decided = decided
        self.registered = NOBODY_REGISTERED
        self._registry: Registry | None = None
        self._inode = 0
        self._generation = -1
        self.decisions: dict[int, ClientRow] = {}
        self._unwritten: list[Note] = []
        self._round = 0
        self._complained = -_COMPLAIN_EVERY
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def load(self) -> Registered:
        """Open the registry and read the decisions; before ``start``. Without a usable file: nobody."""
        try:
            self._check_decisions()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        return self.registered

    def start(self) -> None:
        """Begin to keep."""
        self.clients.keeps = True
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self.work()
        while self.clients.changed or self._unwritten:
            if not self.work():
                break
        if self._registry is not None:
            self._registry.close()

    def work(self) -> bool:
        """One round; whether the registry could be used."""
        self._round += 1
        try:
            self._check_decisions()
            self._write()
            if self._round % _TRIM_EVERY == 0 and self._registry is not None:
                self._registry.trim()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        return True

    def _write(self) -> None:
        registry = self._open()
        changed = self.clients.changed
        while changed and len(self._unwritten) < MOST_A_FLUSH:
            self._unwritten.append(_note_of(changed.popleft()))
        if self._unwritten:
            registry.note(self._unwritten)
            self.counters.registry_rows += len(self._unwritten)
            self._unwritten = []

    def _check_decisions(self) -> None:
        registry = self._open()
        generation = registry.generation
        if generation == self._generation:
            return
        decisions, registered = registry.decided(), registry.registered()
        self.decisions = {row.mac: row for row in decisions}
        self._generation, self.registered = generation, registered
        self.decided(registered)

    def _open(self) -> Registry:
        if self._registry is not None and self._same_file():
            return self._registry
        removed = self._registry is not None
        self._close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        registry = Registry(self.path)
        if removed:
            self.log.event(
                "registry vanished",
                file=str(self.path),
                note="begun again; the decisions of administrators are written back",
            )
            registry.restore(self.decisions.values())
            self._generation = registry.generation
        self._registry = registry
        self._inode = self.path.stat().st_ino
        return registry

    def _same_file(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    def _failed(self, error: Exception) -> None:
        counters = self.counters
        counters.registry_errors += 1
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self._close()
        changed = self.clients.changed
        while len(changed) > MOST_CHANGED:
            changed.popleft().changed = False
            counters.registry_dropped += 1
        if self._round - self._complained >= _COMPLAIN_EVERY:
            self._complained = self._round
            self.log.event("registry not written", file=str(self.path), why=str(error))


def _note_of(client: Client) -> Note:
    """What is to be kept of a client; the loop may change it meanwhile, then it comes again."""
    client.changed = False
    requests = client.requests
    since, client.stored_requests = requests - client.stored_requests, requests
    return (
        client.mac,
        client.address,
        client.vlan,
        client.architecture,
        client.vendor_class.decode("ascii", "replace"),
        client.decision,
        client.rule,
        client.answered_by,
        client.first_at,
        client.last_at,
        since,
        client.asks,
    )
