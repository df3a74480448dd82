"""The checklist of a migration: what was tried on its pilot machines, and what people complained about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from coexist.app.migrations import Loaded, local_now
from coexist.errors import CoexistError
from coexist.planning.checklist import ChecklistRecord, Complaint, Entry, Result, machine_label
from coexist.rollout.migration_journal import Journal
from coexist.text.closest import closest

RESULTS: tuple[Result, ...] = ("passed", "failed", "not-applicable")


def record(loaded: Loaded, machine: str, item: str, result: Result, *, who: str, note: str = "") -> Entry:
    """Record a result. ``item`` is its text, a beginning of it, or its number from 1.

    Raises `CoexistError` for a machine or an item that the checklist has not.
    """
    sheet = loaded.sheet
    entry = Entry(
        at=local_now(),
        machine=_one_of(machine, sheet.machines, "pilot machine"),
        item=_item(item, sheet.items),
        result=result,
        who=who,
        note=note,
    )
    add(loaded, [entry])
    return entry


def add(loaded: Loaded, entries: Sequence[Entry], complaints: Sequence[Complaint] = ()) -> ChecklistRecord:
    """Append results and complaints, all or none."""

    def more(present: ChecklistRecord) -> ChecklistRecord:
        return present.model_copy(
            update={
                "results": (*present.results, *entries),
                "complaints": (*present.complaints, *complaints),
            }
        )

    return _changed(loaded, more)


def complain(loaded: Loaded, note: str, *, who: str, machine: str = "") -> int:
    """Record a complaint; its number. Raises `CoexistError` for a machine that nobody knows."""
    if machine:
        known = {machine_label(loaded.inventory, mac) for mac in loaded.inventory.clients.index}
        machine = _one_of(machine, sorted(known), "machine")
    complaint = Complaint(at=local_now(), machine=machine, who=who, note=note)
    return len(add(loaded, [], [complaint]).complaints)


def settle(loaded: Loaded, number: int) -> None:
    """Close a complaint by its number from 1. Raises `CoexistError` if there is none of that number."""
    at: datetime = local_now()

    def settled(present: ChecklistRecord) -> ChecklistRecord:
        known = len(present.complaints)
        if not 0 < number <= known:
            told = f"they are numbered 1 to {known}" if known else "none was recorded"
            raise CoexistError(f"there is no complaint {number}; {told}")
        complaints = list(present.complaints)
        complaints[number - 1] = complaints[number - 1].model_copy(update={"settled": at})
        return present.model_copy(update={"complaints": tuple(complaints)})

    _changed(loaded, settled)


def _changed(loaded: Loaded, change: Callable[[ChecklistRecord], ChecklistRecord]) -> ChecklistRecord:
    journal = Journal(loaded.inventory, loaded.name)
    with journal.recording():
        changed = change(journal.read_checklist())
        journal.write_checklist(changed)
    return changed


def _item(text: str, items: Sequence[str]) -> str:
    if text.isdigit() and 0 < int(text) <= len(items):
        return items[int(text) - 1]
    beginning = [item for item in items if item.lower().startswith(text.lower())]
    return beginning[0] if len(beginning) == 1 else _one_of(text, items, "item")


def _one_of(text: str, known: Sequence[str], what: str) -> str:
    if text in known:
        return text
    raise CoexistError(f"there is no {what} {text!r}; {closest(text, known)}")
