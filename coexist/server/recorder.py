"""The thread that keeps the registry: the boot path gives it clients and never waits for it.

A locked file, a full disk, a registry that was deleted and a database that is gone, slow or paused cost log
lines and counted losses, not boots. What was seen while a database is away waits in the spool on disk.
"""

from __future__ import annotations

import os
import secrets
import select
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from uuid import UUID

from coexist.boot.policy import NOBODY_REGISTERED, Registered
from coexist.inventory.macset import MacSet
from coexist.registry.opening import Where, connect
from coexist.registry.records import Decision, Known, Note, RegistryError
from coexist.registry.registry import Registry
from coexist.registry.spool import MOST_A_BATCH, Batch, Spool
from coexist.server.carrying import Carrying
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.seen import MOST_CHANGED, Client, ClientsSeen

FLUSH_SECONDS = 1.0
_AT_ONCE_SECONDS = 0.1
"""Between what was announced and the next round: many decisions in a row are taken together."""
_TRIM_EVERY = 60
_COMPLAIN_EVERY = 30
_CLOSE_SECONDS = 8.0


class Recorder:
    """Writes what was seen once a second, and calls ``decided`` when administrators decided something."""

    def __init__(
        self,
        where: Where,
        clients: ClientsSeen,
        *,
        server: str,
        counters: Counters,
        log: Log,
        decided: Callable[[Registered], None],
        spool: Path | None = None,
        journal: Path | None = None,
        left: Sequence[Path] = (),
        trims: bool = True,
        workers: int = 1,
    ) -> None:
        """``server``: whose sights these are; ``spool``: its file, for a registry that is not on this host's
        disk; ``journal``: where decisions wait that are made while it is away; ``left``: the files of workers
        that are no more; ``trims``: whether it drops what is too much and carries decisions over, which one
        process of a server does; ``workers``: how many write beside each other."""
        self.where = where
        self.clients = clients
        self.server = server
        self.counters = counters
        self.log = log
        self.decided = decided
        self.registered = NOBODY_REGISTERED
        self.decisions: dict[int, Decision] = {}
        self._carrying = Carrying(journal, carries=trims, counters=counters, log=log)
        self._trims = trims
        # Together they write as many a second as one alone: cores are no load for a registry that others use.
        self._most = max(MOST_A_BATCH // workers, 1)
        self._spool_path = spool
        self._left = left
        self._spool: Spool | None = None
        self._behind = False
        self._registry: Registry | None = None
        self._listening: int | None = None
        self._known: Known | None = None
        self._opened_before = False
        self._writer = f"{server}-{secrets.token_hex(8)}"
        self._number = 1
        self._unwritten: list[Note] = []
        self._round = 0
        self._complained = -_COMPLAIN_EVERY
        self._failing = False
        self._stop = threading.Event()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def load(self) -> Registered:
        """Read the decisions; before ``start``. From the own snapshot if there is one: the thread asks the
        database. Without anything usable: nobody."""
        self._carrying.take()
        try:
            if self._spool_path is not None and self._load_snapshot():
                return self.registered
            self._check_decisions()
        except (RegistryError, OSError) as error:
            self._apply()
            self._failed(error)
        return self.registered

    def start(self) -> None:
        """Begin to keep."""
        self.clients.keeps = True
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._stop.set()
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
        if self._thread.ident is None:  # it was never started, and closes nothing
            self._close_all()

    def _run(self) -> None:
        if self._spool_path is not None:
            self.work()  # the snapshot may be old
        while not self._wait():
            self.work()
        while self.clients.changed or self._unwritten:
            if not self.work():
                break
        self._close_all()

    def _wait(self) -> bool:
        """Until the next round is due, or somebody decided something; whether this is the end."""
        waits = select.poll()
        waits.register(self._wake, select.POLLIN)
        if self._listening is not None:
            waits.register(self._listening, select.POLLIN)
        ready = waits.poll(FLUSH_SECONDS * 1000)
        if any(descriptor == self._listening for descriptor, _ in ready):
            self._stop.wait(_AT_ONCE_SECONDS)
        return self._stop.is_set()

    def work(self) -> bool:
        """One round; whether the registry could be used."""
        self._round += 1
        if self._carrying.take():
            self._apply()
        try:
            if self._listening is not None and self._registry is not None:
                self._registry.engine.heard()
            self._check_decisions()
            if self._carrying.orders:
                self._carry_over(self._open())
            self._write()
            if self._trims and self._round % _TRIM_EVERY == 0 and self._registry is not None:
                self._registry.trim()
        except (RegistryError, OSError) as error:
            self._failed(error)
            return False
        if self._failing:
            self._failing = False
            self.log.event("registry written again", registry=str(self.where))
        return True

    # -- what was seen ---------------------------------------------------------------------------

    def _write(self) -> None:
        registry = self._open()
        if self._spool is not None and self._spool.waiting:
            for batch in self._spool.batches(self._writer, self._number):
                if batch.writer == self._writer:
                    self._number = max(self._number, batch.number + 1)
                self._send(registry, batch)
                self._spool.sent(batch)
                self.counters.registry_waiting = self._spool.waiting
        changed = self.clients.changed
        most = MOST_A_BATCH if self._stop.is_set() else self._most
        while changed and len(self._unwritten) < most:
            self._unwritten.append(_note_of(changed.popleft()))
        if self._unwritten:
            self._send(registry, self._batch())
            self._unwritten = []
            self._number += 1

    def _batch(self) -> Batch:
        return Batch(writer=self._writer, number=self._number, notes=tuple(self._unwritten))

    def _send(self, registry: Registry, batch: Batch) -> None:
        if registry.note(batch.notes, server=self.server, batch=(batch.writer, batch.number)):
            self.counters.registry_rows += len(batch.notes)

    def _put_by(self) -> None:
        """What cannot be written goes to the spool. What was sent keeps its number: it may have arrived."""
        spool = self._spool
        if spool is None:
            return
        batch = self._batch() if self._unwritten else None
        changed = self.clients.changed
        notes: list[Note] = []
        while changed and len(notes) < MOST_CHANGED:
            notes.append(_note_of(changed.popleft()))
        if batch is None and not notes:
            return
        try:
            self.counters.registry_dropped += spool.keep(notes, batch)
        except RegistryError as error:  # two things fail at once; what is in memory is bounded too
            self.log.event("sights cannot be kept on disk", file=str(self._spool_path), why=str(error))
            self.counters.registry_dropped += len(notes)
            return
        if batch is not None:
            self._unwritten = []
            self._number += 1
        self.counters.registry_waiting = spool.waiting

    # -- what was decided ------------------------------------------------------------------------

    def _check_decisions(self) -> None:
        registry = self._open()
        known = registry.known
        if known == self._known:
            if self._behind:
                self._keep_snapshot((), whole=True)
            return
        mine = self._known
        if mine is not None and (known.timeline != mine.timeline or known.generation < mine.generation):
            self._give_back(registry, known.timeline == mine.timeline)
            known, mine = registry.known, None
        changed = registry.decisions(-1 if mine is None else mine.generation)
        if mine is None:
            self.decisions = {}
        for each in changed:
            self.decisions.pop(each.mac, None)
            if each.state in ("registered", "ignored"):
                self.decisions[each.mac] = each
        self._use(known)
        self._keep_snapshot(changed, whole=mine is None)

    def _keep_snapshot(self, changed: Sequence[Decision], *, whole: bool) -> None:
        """Bring the snapshot up to what is known. While the disk refuses, the database is used all the same;
        the next snapshot is written whole then: nobody reads again what one of them left out."""
        if self._spool is None or self._known is None:
            return
        if self._behind:
            changed, whole = list(self.decisions.values()), True
        try:
            self._spool.keep_decisions(changed, self._known, whole=whole)
        except RegistryError as error:
            if not self._behind:
                self.log.event("snapshot not written", file=str(self._spool_path), why=str(error))
            self._behind = True
        else:
            self._behind = False

    def _use(self, known: Known) -> None:
        self._known = known
        self._apply()

    def _apply(self) -> None:
        self.registered = registered_of(self._carrying.overlaid(self.decisions).values())
        self.decided(self.registered)

    def _carry_over(self, registry: Registry) -> None:
        self._carrying.carry(registry)
        self._check_decisions()
        if self._carrying.settle():
            self._apply()

    def _give_back(self, registry: Registry, anew: bool) -> None:
        """The registry is another one than before: removed, or put back from a backup."""
        restored = registry.restore(self.decisions.values(), anew=anew)
        self.log.event(
            "registry vanished",
            registry=str(self.where),
            note="the decisions of administrators are written back",
            restored=restored,
        )

    def _load_snapshot(self) -> bool:
        """Whether there was one."""
        spool = self._open_spool()
        if spool is None or spool.known.generation < 0:
            return False
        self.decisions = {
            each.mac: each for each in spool.decisions() if each.state in ("registered", "ignored")
        }
        self._use(spool.known)
        return True

    # -- opening and failing -----------------------------------------------------------------------

    def _open_spool(self) -> Spool | None:
        if self._spool is None and self._spool_path is not None:
            try:
                spool = Spool(self._spool_path)
            except (RegistryError, OSError) as error:
                self.log.event("no snapshot on disk", file=str(self._spool_path), why=str(error))
                self._spool_path = None
                return None
            if spool.put_aside is not None:
                aside, why = spool.put_aside
                self.log.event("snapshot begun anew", file=str(self._spool_path), old=str(aside), why=why)
            self._take_over(spool)
            self._spool = spool
            self.counters.registry_waiting = spool.waiting
        return self._spool

    def _take_over(self, spool: Spool) -> None:
        for path in self._left:
            try:
                spool.take_over(path)
            except (RegistryError, OSError) as error:
                # The file stays, for the next start or for people.
                self.log.event("sights of a worker not taken over", file=str(path), why=str(error))

    def _open(self) -> Registry:
        if self._registry is not None and self._registry.engine.usable():
            return self._registry
        self._close()
        self._open_spool()
        registry = connect(self.where)
        try:
            if not self._opened_before:
                registry.adopt(self.server)
            self._listening = registry.engine.listen()
        except BaseException:
            registry.close()
            raise
        self._opened_before = True
        self._registry = registry
        return registry

    def _close_all(self) -> None:
        self._close()
        self._carrying.close()
        if self._spool is not None:
            self._spool.close()

    def _close(self) -> None:
        self._listening = None
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    def _failed(self, error: Exception) -> None:
        counters = self.counters
        counters.registry_errors += 1
        self._failing = True
        if isinstance(error, RegistryError) and error.reopen:
            self._close()
        self._put_by()
        changed = self.clients.changed
        while len(changed) > MOST_CHANGED:
            changed.popleft().changed = False
            counters.registry_dropped += 1
        if self._round - self._complained >= _COMPLAIN_EVERY:
            self._complained = self._round
            self.log.event("registry not written", registry=str(self.where), why=str(error))


def registered_of(decisions: Iterable[Decision]) -> Registered:
    """What administrators decided, as the policy wants it."""
    everyone: set[int] = set()
    ignored: set[int] = set()
    groups: dict[str, set[int]] = {}
    for each in decisions:
        if each.state == "ignored":
            ignored.add(each.mac)
        elif each.state == "registered":
            everyone.add(each.mac)
            if each.client_group:
                groups.setdefault(each.client_group, set()).add(each.mac)
    return Registered(
        everyone=MacSet.of(everyone),
        ignored=MacSet.of(ignored),
        groups={name: MacSet.of(macs) for name, macs in sorted(groups.items())},
    )


def _note_of(client: Client) -> Note:
    """What is to be kept of a client; the loop may change it meanwhile, then it comes again."""
    client.changed = False
    requests = client.requests
    since, client.stored_requests = requests - client.stored_requests, requests
    return Note(
        mac=client.mac,
        address=client.address,
        vlan=client.vlan,
        architecture=client.architecture,
        vendor_class=client.vendor_class.decode("ascii", "replace"),
        decision=client.decision,
        rule=client.rule,
        answered_by=client.answered_by,
        first_seen=client.first_at,
        last_seen=client.last_at,
        requests=since,
        asks=client.asks,
        uuid=str(UUID(bytes_le=client.uuid)) if client.uuid else "",
    )
