"""The inventory as its migrations stand: what servers are rendered from, and what is found of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import PurePath

from coexist.analysis import Analysis, analyse, sorted_findings
from coexist.analysis.findings import Finding
from coexist.errors import CoexistError, InputError, Position, Problem
from coexist.inventory import Inventory
from coexist.planning import checklist, progress
from coexist.planning.effective import inventory_at
from coexist.planning.in_transit import told_apart
from coexist.planning.parking import park_all
from coexist.planning.placement import Placement
from coexist.planning.progress import MigrationState, read_state
from coexist.planning.roadmap import RefusedError, verify_open_step
from coexist.planning.steps import Step
from coexist.planning.waves import migrating
from coexist.render.limits import first_error, limits
from coexist.rollout.migration_journal import Journal, read_text


def rendered_inventory(inventory: Inventory, name: str, placement: Placement) -> Inventory:
    """What the servers are to be rendered from at a moment: parked registrations included."""
    migration = inventory.site.migrations[name]
    parked, _ = park_all(inventory, migrating(inventory, migration), migration.parking)
    return inventory_at(inventory, name, placement, parked)


def beyond_its_product(inventory: Inventory, name: str, step: Step) -> Finding | None:
    """What a server cannot be told of a moment of a step, as far as its product says; None if nothing is."""
    for change in step.changes:
        at = rendered_inventory(inventory, name, change.placement)
        if at.site.servers[change.server].fixed:
            continue
        found = first_error(at, change.server)
        if found is not None:
            return found
    return None


def refuse_inexpressible(inventory: Inventory, name: str, step: Step) -> None:
    """Raise ``CoexistError`` if a server cannot be configured as a moment of the step needs it."""
    found = beyond_its_product(inventory, name, step)
    if found is not None:
        raise CoexistError(f"{found.position}: {found.code.code}: {found.message}; {found.repair}")


def refuse_orphaned(inventory: Inventory) -> None:
    """Raise ``InputError`` for a state file without its migration, whose machines would all go back.

    One of a migration that has ended may stay: its old server answers nobody, or is gone.
    """
    known = {file.name for name in inventory.site.migrations for file in _files_of(name)}
    left = [
        path
        for path in sorted((inventory.root / progress.DIRECTORY).glob("*.yaml"))
        if path.name not in known and not path.name.endswith(checklist.SUFFIX)
    ]
    problems = [
        Problem(
            Position(str(path)),
            f"the inventory has no migration {path.stem!r}, and machines of it have moved",
            "write its section again, and end it with `coexist migrate retire`, which writes the new state "
            "into the inventory",
        )
        for path in left
        if _takes_back(inventory, read_state(read_text(path), str(path)))
    ]
    if problems:
        raise InputError(problems)


def _files_of(name: str) -> tuple[PurePath, ...]:
    return progress.path_of(name), checklist.path_of(name)


def _takes_back(inventory: Inventory, state: MigrationState) -> bool:
    """Whether an inventory without the section of a migration has its machines where they were before."""
    if not state.history:
        return False
    source = inventory.site.servers.get(state.source)
    return state.retired is None or (source is not None and source.answers.who != "nobody")


def current_inventory(
    inventory: Inventory, *, parked: bool = True, moments: Mapping[str, Placement] | None = None
) -> Inventory:
    """The inventory as its migrations stand now; with parked registrations it is what servers should run.

    A migration that was never begun changes nothing. ``moments``: some migrations at another placement.
    """
    refuse_orphaned(inventory)
    for name in inventory.site.migrations:
        state = Journal(inventory, name).read()
        placement = (moments or {}).get(name, state.placement)
        if state.history and parked:
            inventory = rendered_inventory(inventory, name, placement)
        elif state.history:
            inventory = inventory_at(inventory, name, placement)
    return inventory


def analyse_current(inventory: Inventory, today: date | None = None) -> Analysis:
    """The findings of an inventory as its migrations stand now.

    What is found only because a step is under way is information, if the step is proven again to hold.
    """
    current = current_inventory(inventory, parked=False)
    # What servers are told counts the parked registrations; races do not, as no machine has those MACs.
    analysis = analyse(current, today, partial(limits, current_inventory(inventory)))
    found = analysis.findings
    for name in inventory.site.migrations:
        state = Journal(inventory, name).read()
        step = state.under_way()
        if step is None or not found:
            continue
        try:
            verify_open_step(inventory, name, state)
        except RefusedError:
            continue
        settled = [
            analyse(
                current_inventory(inventory, parked=False, moments={name: moment}),
                today,
                partial(limits, current_inventory(inventory, moments={name: moment})),
            )
            for moment in (step.start, step.end)
        ]
        found = told_apart(found, [each.findings for each in settled], migration=name, wave=step.wave)
    return replace(analysis, findings=sorted_findings(found))
