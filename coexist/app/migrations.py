"""A migration as it stands: inventory, state, checklist, who was seen."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.errors import CoexistError, UndecidedError
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.models import Migration, Wave
from coexist.planning.checklist import ChecklistRecord, Sheet, pilot_machines, sheet_of
from coexist.planning.gates import Condition, gate_before
from coexist.planning.progress import MigrationState
from coexist.planning.sightings import WaveSeen, seen_since
from coexist.planning.waves import WaveMembers, migrating, plan_waves, staying
from coexist.records import dataclass
from coexist.rollout.migration import Surroundings
from coexist.rollout.migration_journal import Journal
from coexist.text.amounts import amount
from coexist.text.closest import closest

if TYPE_CHECKING:
    from coexist.app.sights import Named
    from coexist.rollout.metrics import Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A migration at a glance, for ``status``."""

    name: str
    migration: Migration
    state: MigrationState
    waves: tuple[WaveMembers, ...]
    seen: dict[str, WaveSeen]
    looked: bool
    staying: frozenset[int]
    clients: int
    gate: tuple[Condition, ...]
    labels: dict[int, str]
    metrics: Mapping[str, Counted | str]
    sheet: Sheet
    coming: str = ""
    """The wave that moves next; empty where none is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An inventory and one migration of it."""

    inventory: Inventory
    name: str
    migration: Migration
    state: MigrationState
    record: ChecklistRecord

    @property
    def waves(self) -> tuple[WaveMembers, ...]:
        """The members of every wave."""
        from coexist.planning.roadmap import moved_or_moving

        return plan_waves(self.inventory, self.migration, moved_or_moving(self.state))

    @property
    def sheet(self) -> Sheet:
        """The checklist as it stands."""
        machines = pilot_machines(self.inventory, self.migration, self.waves)
        return sheet_of(self.name, self.migration, machines, self.record)

    def refuse_if_retired(self) -> None:
        """Nothing can be done once the old server is gone."""
        if self.state.retired is not None:
            raise CoexistError(f"{self.state.source} is retired; {self.name} has ended")

    def seen(self, registries: Named, captures: tuple[Path, ...]) -> tuple[WaveSeen, ...]:
        """What registries and captures show of the waves that moved; empty if there are none."""
        if not registries and not captures:
            return ()
        from coexist.app.sightings import from_captures, from_registries

        found = [
            *from_registries(self.inventory, registries),
            *from_captures(self.inventory, captures),
        ]
        return seen_since(self.state, found)

    def gate(
        self, wave: Wave, registries: tuple[str, ...], captures: tuple[Path, ...]
    ) -> tuple[Condition, ...]:
        """What must hold before a wave."""
        seen = self.seen(registries, captures)
        return gate_before(self.migration, wave, self.state, sheet=self.sheet, seen=seen, now=local_now())

    def overview(self, seen: tuple[WaveSeen, ...], metrics: Mapping[str, Counted | str]) -> Overview:
        """Everything ``status`` tells. ``metrics``: by server what it counted, or why that is missing."""
        waves = self.waves
        moved = self.state.moved
        coming = next((each.wave for each in waves if each.wave.name not in moved and each.clients), None)
        gate: tuple[Condition, ...] = ()
        if coming is not None and self.state.retired is None:
            gate = gate_before(
                self.migration, coming, self.state, sheet=self.sheet, seen=seen, now=local_now()
            )
        columns = self.inventory.clients
        return Overview(
            name=self.name,
            migration=self.migration,
            state=self.state,
            waves=waves,
            seen={each.wave: each for each in seen},
            looked=bool(seen),
            staying=staying(self.inventory, self.migration),
            clients=len(migrating(self.inventory, self.migration)),
            gate=gate,
            labels=dict(zip(columns.macs, columns.columns["name"], strict=True)),
            metrics=metrics,
            sheet=self.sheet,
            coming=coming.name if coming is not None and self.state.retired is None else "",
        )


def load(path: Path, name: str | None) -> Loaded:
    """Read an inventory and one of its migrations. Raises ``CoexistError``."""
    inventory = load_inventory(path)
    declared = inventory.site.migrations
    if name is None:
        if len(declared) != 1:
            place = inventory.where("migrations")
            if not declared:
                remedy = "write one below `migrations:` (docs/guides/migration.md)"
                raise CoexistError(f"{place}: no migration is declared; {remedy}")
            several = f"{len(declared)} migrations are declared; say which: {', '.join(declared)}"
            raise UndecidedError(f"{place}: {several}", "migration")
        name = next(iter(declared))
    elif name not in declared:
        known = closest(name, declared)
        raise CoexistError(f"{inventory.where('migrations')}: there is no migration {name!r}; {known}")
    journal = Journal(inventory, name)
    return Loaded(
        inventory=inventory,
        name=name,
        migration=declared[name],
        state=journal.read(),
        record=journal.read_checklist(),
    )


def overviews(path: Path, registries: Named) -> list[Overview]:
    """Every migration of an inventory at a glance, with what ``SERVER=FILE`` registries show."""
    loaded = [load(path, name) for name in load_inventory(path).site.migrations]
    return [each.overview(each.seen(registries, ()), {}) for each in loaded]


def new_state_of(loaded: Loaded) -> tuple[dict[str, str], str]:
    """The texts of the inventory's files after the end of its migration, and the patch that makes them.

    Raises ``CoexistError`` where a client would boot differently by them, or a text cannot be edited.
    """
    from coexist.app.patching import changed_texts, patch_text
    from coexist.planning.retirement import differences, new_state

    texts, unreached = changed_texts(loaded.inventory, new_state(loaded.inventory, loaded.name))
    if unreached:
        raise CoexistError("\n".join(unreached))
    patch = "".join(patch_text(file, old, new) for file, (old, new) in texts.items())
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "inventory")
        shutil.copytree(loaded.inventory.root, root, ignore=shutil.ignore_patterns(".git", "history"))
        for file, (_, new) in texts.items():
            (root / Path(file).relative_to(loaded.inventory.root)).write_bytes(new.encode())
        after = load_inventory(root)
        wrong = differences(loaded.inventory, loaded.name, loaded.state, after)
    if wrong:
        raise CoexistError(
            f"the new state cannot be written: {wrong[0]} and {amount(len(wrong) - 1, 'other')} would boot "
            "differently; write it by hand, from `coexist migrate status`"
        )
    return {file: new for file, (_, new) in texts.items()}, patch


def surroundings(
    ssh_config: Path | None, connect_timeout: float, tell: Callable[[str], None], *, overwrite: bool
) -> Surroundings:
    """The real servers, the real clock, and who is told."""
    from coexist.app.reach import connector
    from coexist.rollout.remote import RemoteApply

    connect = connector(ssh_config, connect_timeout, tell)
    remote = RemoteApply(connect=connect, reason="migration", overwrite=overwrite)
    return Surroundings(apply=remote, now=local_now, wait_until=wait_until, tell=tell)


def wait_until(end: datetime) -> None:
    """Sleep until a time, on a clock that may be set meanwhile."""
    while (left := end - local_now()) > timedelta(0):
        time.sleep(min(left.total_seconds(), 1.0))


def local_now() -> datetime:
    """The time, in the zone of this machine."""
    return datetime.now().astimezone()
