"""The files of one migration beside the inventory: its state, its checklist, and who may write them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coexist.errors import CoexistError, InputError, Position, Problem
from coexist.inventory import Inventory
from coexist.planning import checklist, progress
from coexist.planning.checklist import ChecklistRecord, read_checklist, write_checklist
from coexist.planning.progress import MigrationState, read_state, write_state
from coexist.text.whole_files import write_whole


class Journal:
    """The files of one migration beside the inventory; a write is whole or has not happened."""

    def __init__(self, inventory: Inventory, name: str) -> None:
        self.inventory = inventory
        self.name = name
        self.migration = inventory.site.migrations[name]
        self.path = inventory.root / progress.path_of(name)
        self.checklist_path = inventory.root / checklist.path_of(name)

    def read(self) -> MigrationState:
        """The state; that of a migration nobody began if there is no file."""
        declared = self.migration
        if not self.path.exists():
            return MigrationState(
                migration=self.name, source=declared.source, target=declared.target, through=declared.through
            )
        state = read_state(read_text(self.path), str(self.path))
        ends = (state.source, state.target)
        if ends != (declared.source, declared.target):
            raise CoexistError(
                f"{self.path} is about a migration from {ends[0]} to {ends[1]}, which {self.name} of the "
                "inventory is not; give the new one a name of its own"
            )
        if state.through != declared.through:
            if state.waves or state.step is not None or state.stands != "before":
                raise CoexistError(
                    f"{self.path} was begun with `through: {state.through or 'nothing'}`; "
                    f"{self.name} says {declared.through or 'nothing'}: write it as it was begun"
                )
            state = state.updated(through=declared.through)
        return state

    def write(self, state: MigrationState) -> None:
        """Replace the state."""
        table = self.inventory.clients
        names = dict(zip(table.macs, table.columns["name"], strict=True))
        self._write(self.path, write_state(state, names))

    def read_checklist(self) -> ChecklistRecord:
        """The checklist's results; none if there is no file."""
        if not self.checklist_path.exists():
            return ChecklistRecord(migration=self.name)
        record = read_checklist(read_text(self.checklist_path), str(self.checklist_path))
        if record.migration != self.name:
            raise CoexistError(
                f"{self.checklist_path} is about the migration {record.migration}, not {self.name}; "
                "take the file back from version control, or move it away"
            )
        return record

    def write_checklist(self, record: ChecklistRecord) -> None:
        """Replace the checklist's results."""
        self._write(self.checklist_path, write_checklist(record))

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, text.encode())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other run away from these files; ends with the process, however it ends."""
        self.path.parent.mkdir(exist_ok=True)
        # The directory itself is locked: a lock file would lie in the repository for ever.
        lock = os.open(self.path.parent, os.O_RDONLY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = f"another run is at work in {self.path.parent}; wait for its end"
                raise CoexistError(busy) from None
            yield
        finally:
            os.close(lock)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """One writer of the checklist at a time; a step may be under way, which read it at its start."""
        lock = os.open(self.inventory.root, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def read_text(path: Path) -> str:
    """The text of one of these files. Raises ``InputError`` where it is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problem = f"this is not UTF-8 text: octet {error.start} is none"
        remedy = "take the file back from version control"
        raise InputError([Problem(Position(str(path)), problem, remedy)]) from None
