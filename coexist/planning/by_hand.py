"""Changes that somebody makes in a server's own manager, because coexist does not reach it. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from coexist.inventory import Inventory
from coexist.planning.placement import Placement, registrations
from coexist.planning.waves import migrating
from coexist.records import dataclass
from coexist.wire.mac import differing_digits, format_mac

SECONDS_A_MACHINE = 15.0
"""How long one registration takes in a manager: an estimate, named where it is used."""
AT_LEAST = 60.0
"""Seconds to find the place and to save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandChange:
    """One registration to change. ``before`` or ``after`` is None where there is no registration."""

    server: str
    name: str
    before: int | None
    after: int | None

    @property
    def what(self) -> str:
        """What to do, in a few words."""
        if self.before is None:
            return f"add {format_mac(self.after or 0)}"
        if self.after is None:
            return f"delete {format_mac(self.before)}"
        text = f"change {format_mac(self.before)} to {format_mac(self.after)}"
        digits = differing_digits(self.before, self.after)
        if len(digits) != 1:
            return text
        old, new = (f"{mac:012x}"[digits[0] - 1] for mac in (self.before, self.after))
        return f"{text} (digit {digits[0]}: {old} to {new})"


def is_by_hand(inventory: Inventory, server: str) -> bool:
    """Whether coexist cannot change a server itself: another team's, or one without `deploy`."""
    declared = inventory.site.servers[server]
    return declared.is_foreign or declared.deploy is None


def seconds_by_hand(machines: int) -> float:
    """An estimate of how long the registrations of some machines take by hand."""
    return max(AT_LEAST, SECONDS_A_MACHINE * machines)


def hand_changes(
    inventory: Inventory,
    name: str,
    server: str,
    before: Placement,
    after: Placement,
    parked: dict[int, int],
) -> tuple[HandChange, ...]:
    """What to change in a server's list of registrations between two moments of a migration."""
    migration = inventory.site.migrations[name]
    if server not in (migration.source, migration.target):
        return ()
    scope = migrating(inventory, migration)
    then, now = (
        {entry.original: entry.mac for entry in registrations(migration, scope, moment, parked)[server]}
        for moment in (before, after)
    )
    found = []
    for mac in sorted(scope):
        if then.get(mac) != now.get(mac):
            record = inventory.clients.find(mac)
            found.append(
                HandChange(
                    server=server,
                    name=record.name if record else "",
                    before=then.get(mac),
                    after=now.get(mac),
                )
            )
    return tuple(found)


def as_csv(changes: tuple[HandChange, ...]) -> str:
    """The changes as a table a spreadsheet opens."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("server", "machine", "registered", "change to", "what to do"))
    for each in changes:
        cells = (None if mac is None else format_mac(mac) for mac in (each.before, each.after))
        writer.writerow((each.server, each.name, *(cell or "" for cell in cells), each.what))
    return out.getvalue()


def as_page(changes: tuple[HandChange, ...], heading: str) -> Iterator[str]:
    """The changes as a page to print, one box to tick for each."""
    yield heading
    yield ""
    for each in changes:
        yield f"[ ] {each.name or format_mac(each.before or each.after or 0)}: {each.what}"
