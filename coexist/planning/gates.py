"""Whether the next wave may begin: its date, and what the gate of the wave before it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from coexist.inventory.migrations import within
from coexist.inventory.models import Gate, Migration, Wave
from coexist.planning.checklist import Sheet
from coexist.planning.choosing import ProvenStep
from coexist.planning.progress import MigrationState, moment
from coexist.planning.sightings import WaveSeen
from coexist.records import dataclass
from coexist.text.amounts import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that must hold. ``text`` says it, with the figures; ``met`` whether it does.

    ``kind``: the inventory's key that asks for it.
    """

    kind: Literal["not_before", "checklist", "quiet_days", "seen_share", "window"]
    text: str
    met: bool

    def __str__(self) -> str:
        return f"{'met' if self.met else 'NOT MET'}: {self.text}"


def gate_before(
    migration: Migration,
    wave: Wave,
    state: MigrationState,
    *,
    sheet: Sheet,
    seen: Sequence[WaveSeen],
    now: datetime,
) -> tuple[Condition, ...]:
    """Everything that must hold before ``wave`` moves. Dates are days in the time zone of ``now``."""
    found: list[Condition] = []
    if wave.not_before is not None:
        today = now.date()
        found.append(
            Condition(
                kind="not_before",
                text=f"not before {wave.not_before}, today is {today}",
                met=today >= wave.not_before,
            )
        )
    if not state.waves:
        return tuple(found)
    last = state.waves[-1]
    declared = {each.name: each for each in migration.all_waves}.get(last.name)
    gate = (declared.gate if declared is not None else None) or migration.gate
    if gate.checklist:
        found.append(_checklist(sheet))
    if gate.quiet_days:
        found.append(_quiet(gate, last.name, last.moved, sheet, now))
    if gate.seen_share:
        found += _seen(gate, last.name, seen)
    return tuple(found)


def gap_conditions(migration: Migration, step: ProvenStep, now: datetime) -> tuple[Condition, ...]:
    """What must hold before a step that leaves its clients without a server for a moment."""
    if not step.gap:
        return ()
    count = len(step.step.clients)
    text = f"without a server: {amount(count, 'client')}, each for at most {step.gap:.0f} s"
    if migration.window is None:
        missing = f"{text}: write `window: 20:00-06:00` into the migration"
        return (Condition(kind="window", text=missing, met=False),)
    met = within(migration.window, now.time())
    text = f"{text}, allowed {migration.window}, now {now:%H:%M}"
    return (Condition(kind="window", text=text, met=met),)


def _checklist(sheet: Sheet) -> Condition:
    total = len(sheet.machines) * len(sheet.items)
    missing, failed = len(sheet.missing), sheet.failed
    passed = total - missing - len(failed)
    text = f"checklist: {passed} of {total} passed on {len(sheet.machines)} pilot machines"
    if failed:
        first = failed[0]
        text += f", {len(failed)} failed (first: {first.item} on {first.machine})"
    if missing:
        machine, item = sheet.missing[0]
        text += f", {missing} not tried (first: {item} on {machine})"
    return Condition(kind="checklist", text=text, met=bool(sheet.machines) and not failed and not missing)


def _quiet(gate: Gate, wave: str, moved: datetime, sheet: Sheet, now: datetime) -> Condition:
    reported = [complaint for complaint in sheet.complaints if complaint.at >= moved]
    still_open = [complaint for complaint in sheet.complaints if complaint.settled is None]
    since = max([moved, *(complaint.settled or complaint.at for complaint in reported)])
    days = (now - since) // timedelta(days=1)
    text = f"{gate.quiet_days} quiet days: {days} since {wave} moved ({moment(moved)})"
    if reported:
        text = f"{gate.quiet_days} quiet days: {days} since the last complaint"
    if still_open:
        text += f", {amount(len(still_open), 'complaint is', 'complaints are')} open"
    return Condition(kind="quiet_days", text=text, met=days >= gate.quiet_days and not still_open)


def _seen(gate: Gate, wave: str, seen: Sequence[WaveSeen]) -> list[Condition]:
    found = next((each for each in seen if each.wave == wave), None)
    if found is None:
        return [
            Condition(
                kind="seen_share",
                text=f"{gate.seen_share:.0%} of {wave} seen on the new server: nobody looked",
                met=False,
            )
        ]
    text = (
        f"{gate.seen_share:.0%} of {wave} seen on the new server: {len(found.seen)} of {len(found.planned)},"
        f" {len(found.missing)} missing, {len(found.went_back)} back on the old one"
    )
    return [Condition(kind="seen_share", text=text, met=found.share >= gate.seen_share)]
