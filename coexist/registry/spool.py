"""What one boot server keeps on its own disk beside a shared registry: the decisions it last knew, and what
it saw while the database could not be had.

It is a registry file of its own. Its decisions are the snapshot. Its sights are the journal, one a client, so
that it is bounded; where a registry has the server's name, it has the batch that they will be sent as.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from coexist.records import dataclass
from coexist.registry.records import Decision, Known, Note, RegistryError
from coexist.registry.registry import Registry
from coexist.registry.sqlite import SqliteEngine, sqlite_registry

MOST_JOURNALLED = 100_000
"""Clients whose sights wait on disk; beyond it those seen longest ago are dropped."""
MOST_A_BATCH = 2_000
_GATHERED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Notes that are sent together, and never twice: ``writer`` and ``number`` name them."""

    writer: str
    number: int
    notes: tuple[Note, ...]

    @property
    def label(self) -> str:
        """What the journal files it under."""
        return f"{self.writer}:{self.number}"


class Spool:
    """The file. Every method raises `RegistryError`.

    A file that is damaged, or of a newer coexist, is put aside and begun anew: ``put_aside`` says where it is
    and why, None where it was sound.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.put_aside: tuple[Path, str] | None = None
        try:
            self._registry = _sound(path)
        except RegistryError as error:
            if not error.reopen:  # locked, or the disk is full
                raise
            self.put_aside = _put_aside(path), str(error)
            self._registry = _sound(path)
        self.waiting = sum(1 for _ in self._registry.sights())
        """Clients whose sights wait."""

    def close(self) -> None:
        """Close the file."""
        self._registry.close()

    # -- the snapshot ----------------------------------------------------------------------------

    @property
    def known(self) -> Known:
        """How far the snapshot is; generation -1: there is none."""
        engine = self._registry.engine
        meta = dict(engine.fetch("SELECT name, value FROM meta"))
        return Known(timeline=int(meta.get("known", 0)), generation=int(meta.get("known_generation", -1)))

    def decisions(self) -> list[Decision]:
        """The decisions of the snapshot."""
        return self._registry.decisions()

    def keep_decisions(self, changed: Sequence[Decision], known: Known, *, whole: bool) -> None:
        """Bring the snapshot up to date; ``whole``: these are all there are."""
        engine = self._registry.engine
        with engine.transaction():
            if whole:
                engine.run("DELETE FROM decisions")
            engine.run_many("DELETE FROM decisions WHERE mac = :mac", ({"mac": each.mac} for each in changed))
            engine.run_many(
                "INSERT INTO decisions (mac, state, name, location, hardware, client_group, decided_at,"
                " generation) VALUES (:mac, :state, :name, :location, :hardware, :client_group, :decided_at,"
                " :generation)",
                (each._asdict() for each in changed),
            )
            engine.run("DELETE FROM meta WHERE name IN ('known', 'known_generation')")
            engine.run(
                "INSERT INTO meta (name, value)"
                " VALUES ('known', :timeline), ('known_generation', :generation)",
                {"timeline": known.timeline, "generation": known.generation},
            )

    def take_over(self, path: Path) -> None:
        """What waits in the file of a worker that is no more: it is sent from here under the same numbers."""
        left = _sound(path)
        try:
            timeline = left.known.timeline
            for label in sorted(left.servers()):
                # Once, also where the file outlives this: its time line is no other file's.
                batch = (f"{timeline}:{label}", 1)
                self._registry.note([note for _, note in left.sights(label)], server=label, batch=batch)
        finally:
            left.close()
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        self.waiting = self._count()

    # -- the journal -----------------------------------------------------------------------------

    def keep(self, notes: Sequence[Note], batch: Batch | None = None) -> int:
        """Keep what was seen and cannot be sent; returns how many of the oldest were dropped for it.

        ``batch``: notes that may have arrived, and will be sent again as what they were.
        """
        if notes:
            self._registry.note(notes, server=_GATHERED)
        if batch is not None:  # last: where this fails, it is as if the batch had never come here
            self._registry.note(batch.notes, server=batch.label)
        dropped = self._registry.trim(MOST_JOURNALLED)
        self.waiting = self._count()
        return dropped

    def batches(self, writer: str, first: int) -> Iterator[Batch]:
        """What waits, oldest first: batches that were begun, then the rest under new numbers."""
        engine = self._registry.engine
        for label in sorted(self._registry.servers() - {_GATHERED}, key=_order):
            yield self._batch(label)
        while True:
            label = f"{writer}:{first}"
            taken = engine.run(
                "UPDATE sightings SET server = :label WHERE server = :gathered AND mac IN"
                " (SELECT mac FROM sightings WHERE server = :gathered ORDER BY last_seen LIMIT :most)",
                {"label": label, "gathered": _GATHERED, "most": MOST_A_BATCH},
            )
            if not taken:
                return
            yield self._batch(label)
            first += 1

    def sent(self, batch: Batch) -> None:
        """A batch arrived."""
        self._registry.engine.run("DELETE FROM sightings WHERE server = :label", {"label": batch.label})
        self.waiting = self._count()

    def _batch(self, label: str) -> Batch:
        writer, _, number = label.rpartition(":")
        notes = tuple(note for _, note in self._registry.sights(label))
        return Batch(writer=writer, number=int(number), notes=notes)

    def _count(self) -> int:
        return int(self._registry.engine.fetch("SELECT count(*) FROM sightings")[0][0])


def _sound(path: Path) -> Registry:
    """The registry in a file that is whole."""
    registry = sqlite_registry(path)
    try:
        assert isinstance(registry.engine, SqliteEngine)
        registry.engine.check()
    except BaseException:
        registry.close()
        raise
    return registry


def _put_aside(path: Path) -> Path:
    """Give a file that cannot be used another name, in the place of an earlier one; returns it."""
    aside = path.with_name(f"{path.name}.unreadable")
    for ending in ("", "-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + ending))
    return aside


def _order(label: str) -> tuple[str, int]:
    writer, _, number = label.rpartition(":")
    return writer, int(number)
