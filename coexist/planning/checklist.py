"""The checklist of a migration: what was tried on which pilot machine, by whom, and what came of it.

``migrations/NAME-checklist.yaml`` lies beside the state. Results are appended, never replaced: the
last one of a machine and item counts, the others stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Literal

from pydantic import AwareDatetime

from coexist.inventory import Inventory
from coexist.inventory.models import Migration
from coexist.inventory.values import Declared, Name, Text
from coexist.planning.progress import DIRECTORY, moment, quoted, read_document
from coexist.planning.waves import WaveMembers
from coexist.records import dataclass
from coexist.wire.mac import format_mac

DEFAULT_ITEMS: tuple[str, ...] = (
    "boots from the new server, twice in a row",
    "every terminal server can be reached",
    "USB drives are passed through",
    "several monitors, in the right order",
    "audio: playback and microphone",
    "network printers",
    "smart-card readers",
)
"""What breaks on thin clients when their boot server changes; a migration may name items of its own."""

SUFFIX = "-checklist.yaml"
"""How the name of a checklist's file ends; before it stands the migration's."""

Result = Literal["passed", "failed", "not-applicable"]


class Entry(Declared):
    """One result. ``machine`` is its name, or its MAC if it has none."""

    at: AwareDatetime
    machine: Text
    item: Text
    result: Result
    who: Text
    note: Text = ""


class Complaint(Declared):
    """Something a user or administrator reported; ``settled`` once it was cleared up."""

    at: AwareDatetime
    machine: Text = ""
    who: Text
    note: Text
    settled: AwareDatetime | None = None


class ChecklistRecord(Declared):
    """What a checklist's file holds."""

    migration: Name
    results: tuple[Entry, ...] = ()
    complaints: tuple[Complaint, ...] = ()

    def last(self) -> dict[tuple[str, str], Entry]:
        """The result that counts, by machine and item."""
        return {
            (entry.machine, entry.item): entry for entry in sorted(self.results, key=lambda entry: entry.at)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A checklist to look at: the pilot machines down, the items across, and the results that count."""

    migration: str
    items: tuple[str, ...]
    machines: tuple[str, ...]
    last: dict[tuple[str, str], Entry]
    complaints: tuple[Complaint, ...]

    def cell(self, machine: str, item: str) -> Entry | None:
        """The result of an item on a machine; None if it was not tried."""
        return self.last.get((machine, item))

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """Machines and items without a result."""
        return tuple((m, i) for m in self.machines for i in self.items if (m, i) not in self.last)

    @property
    def failed(self) -> tuple[Entry, ...]:
        """Results that count and failed."""
        cells = (self.cell(machine, item) for machine in self.machines for item in self.items)
        return tuple(entry for entry in cells if entry is not None and entry.result == "failed")


def items_of(migration: Migration) -> tuple[str, ...]:
    """The items of a migration: its own, or the default ones."""
    return migration.checklist or DEFAULT_ITEMS


def machine_label(inventory: Inventory, mac: int) -> str:
    """A machine as people call it: its name, or its MAC."""
    row = inventory.clients.index.get(mac)
    name = inventory.clients.columns["name"][row] if row is not None else ""
    return name or format_mac(mac)


def pilot_machines(
    inventory: Inventory, migration: Migration, waves: Iterable[WaveMembers]
) -> tuple[str, ...]:
    """The machines the checklist is about: the pilots, or else those of the first wave that has any.

    Pilots count whether they move in a wave or are on the new server already.
    """
    macs: Iterable[int] = next((wave.clients for wave in waves if wave.clients), ())
    if migration.pilots:
        macs = (inventory.members(migration.pilots) & inventory.members(migration.clients)).points
    known = inventory.clients.index
    return tuple(sorted({machine_label(inventory, mac) for mac in macs if mac in known}))


def sheet_of(
    name: str, migration: Migration, machines: tuple[str, ...], record: ChecklistRecord | None
) -> Sheet:
    """The sheet of a migration; results for items or machines that are gone stay in the record only."""
    return Sheet(
        migration=name,
        items=items_of(migration),
        machines=machines,
        last=record.last() if record else {},
        complaints=record.complaints if record else (),
    )


def path_of(name: str) -> PurePath:
    """The checklist's file, relative to the inventory's directory."""
    return PurePath(DIRECTORY) / f"{name}{SUFFIX}"


def read_checklist(text: str, file: str) -> ChecklistRecord:
    """Parse a checklist file. Raises ``InputError`` with every problem and its place."""
    return read_document(ChecklistRecord, text, file)


def write_checklist(record: ChecklistRecord) -> str:
    """The text of a checklist file."""
    lines = [
        "# Written by `coexist checklist`. Keep it in version control, beside the inventory.",
        f"migration: {quoted(record.migration)}",
        "results:" if record.results else "results: []",
    ]
    for entry in record.results:
        lines += [
            f"  - at: {moment(entry.at)}",
            f"    machine: {quoted(entry.machine)}",
            f"    item: {quoted(entry.item)}",
            f"    result: {entry.result}",
            f"    who: {quoted(entry.who)}",
            *([f"    note: {quoted(entry.note)}"] if entry.note else []),
        ]
    lines.append("complaints:" if record.complaints else "complaints: []")
    for complaint in record.complaints:
        lines += [
            f"  - at: {moment(complaint.at)}",
            f"    machine: {quoted(complaint.machine)}",
            f"    who: {quoted(complaint.who)}",
            f"    note: {quoted(complaint.note)}",
            *([f"    settled: {moment(complaint.settled)}"] if complaint.settled else []),
        ]
    return "\n".join(lines) + "\n"
