"""A pilot's page: one machine of a checklist, where it stands, what it is, and what is to be tried on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from coexist.inventory import Inventory
from coexist.inventory.clients import ClientRecord
from coexist.planning.checklist import machine_label
from coexist.records import dataclass
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.app.migrations import Loaded
    from coexist.planning.checklist import Complaint, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item to try.

    ``number`` is what `coexist checklist record` takes; ``last`` is the result that counts.
    """

    number: int
    text: str
    last: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotPage:
    """What the person at one pilot machine needs.

    ``machine`` is its name, or its MAC; ``moved``: it boots from the new server. ``location`` and
    ``hardware`` are empty where the inventory says none.
    ``complaints`` are those about this machine, each with the number `coexist checklist settle` takes.
    """

    migration: str
    source: str
    target: str
    machine: str
    macs: tuple[str, ...]
    location: str
    hardware: str
    moved: bool
    items: tuple[Item, ...]
    complaints: tuple[tuple[int, Complaint], ...]

    @property
    def missing(self) -> int:
        """How many items have no result."""
        return sum(item.last is None for item in self.items)

    @property
    def failed(self) -> int:
        """How many items failed."""
        return sum(item.last is not None and item.last.result == "failed" for item in self.items)


def pilot_pages(loaded: Loaded) -> tuple[PilotPage, ...]:
    """The page of each machine of a migration's checklist, in the order of their names."""
    sheet = loaded.sheet
    cards = _cards(loaded.inventory, sheet.machines)
    moved = loaded.state.on_target
    return tuple(
        PilotPage(
            migration=loaded.name,
            source=loaded.state.source,
            target=loaded.state.target,
            machine=machine,
            macs=tuple(format_mac(card.mac) for card in cards[machine]),
            location=_words(card.location for card in cards[machine]),
            hardware=_words(card.hardware for card in cards[machine]),
            moved=all(card.mac in moved for card in cards[machine]),
            items=tuple(
                Item(number=number, text=item, last=sheet.cell(machine, item))
                for number, item in enumerate(sheet.items, start=1)
            ),
            complaints=tuple(
                (number, complaint)
                for number, complaint in enumerate(sheet.complaints, start=1)
                if complaint.machine == machine
            ),
        )
        for machine in sheet.machines
    )


def other_complaints(loaded: Loaded) -> tuple[tuple[int, Complaint], ...]:
    """Complaints about no machine of the checklist, each with the number that settles it."""
    sheet = loaded.sheet
    numbered = enumerate(sheet.complaints, start=1)
    return tuple((number, one) for number, one in numbered if one.machine not in sheet.machines)


def _cards(inventory: Inventory, machines: tuple[str, ...]) -> dict[str, list[ClientRecord]]:
    """The registered cards of each machine, by how people call it."""
    found: dict[str, list[ClientRecord]] = {machine: [] for machine in machines}
    for mac, row in inventory.clients.index.items():
        label = machine_label(inventory, mac)
        if label in found:
            found[label].append(inventory.clients.record(row))
    return found


def _words(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text))
