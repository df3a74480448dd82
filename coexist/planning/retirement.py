"""The end of a migration: what speaks against it, and the inventory as it is without the migration. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.analysis.edits import Edit
from coexist.analysis.race import ClientCase, race
from coexist.analysis.space import cut
from coexist.analysis.world import build_world
from coexist.inventory import Inventory
from coexist.inventory.models import Answers, Migration
from coexist.planning.checklist import Sheet
from coexist.planning.effective import inventory_at
from coexist.planning.progress import MigrationState
from coexist.wire.mac import format_mac


def objections(sheet: Sheet) -> tuple[str, ...]:
    """What was reported and is not settled, a sentence each."""
    failed = [f"{entry.machine}: {entry.item!r} failed" for entry in sheet.failed]
    complaints = [
        f"a complaint is open: {complaint.note}"
        for complaint in sheet.complaints
        if complaint.settled is None
    ]
    return (*failed, *complaints)


def new_state(inventory: Inventory, name: str) -> tuple[Edit, ...]:
    """The edits after which the inventory says without its migration what holds when it has ended."""
    return tuple(_edits(inventory, name, inventory.site.migrations[name]))


def _edits(inventory: Inventory, name: str, migration: Migration) -> Iterator[Edit]:
    source, target = migration.source, migration.target
    yield _put(("servers", source, "answers"), "nobody", f"{source} is retired")
    answers = inventory.site.servers[target].answers
    if answers.who in ("only", "nobody"):
        group = f"{name}-moved"
        members: dict[str, object] = {"groups": list(migration.clients)}
        if migration.stays:
            members["except"] = list(migration.stays)
        yield _put(("groups", group), members, f"those who moved to {target}")
        only = [*answers.groups, group]
        narrowed = _narrowed(answers, {"only": only})
        yield _put(("servers", target, "answers"), narrowed, f"{target} has everyone who moved")
    elif answers.who == "all_except" and set(answers.groups) & set(migration.clients):
        kept = [group for group in answers.groups if group not in migration.clients]
        kept += [group for group in migration.stays if group not in kept]
        narrowed = _narrowed(answers, {"except": kept} if kept else {})
        yield _put(("servers", target, "answers"), narrowed, f"{target} leaves out nobody who moved")
    # The DHCP server of `during: scope` leases as before; what it said for the two ends with the migration.
    if migration.through is not None and migration.during == "front":
        why = f"{migration.through} is no longer between the two"
        yield _put(("servers", migration.through, "answers"), "nobody", why)
    for number, rule in enumerate(inventory.site.intent):
        path = ("intent", number)
        if rule.boot_from == source:
            yield _put((*path, "boot_from"), target, f"they boot from {target}")
            if migration.stays:
                unless = [*rule.unless, *migration.stays]
                yield _put((*path, "unless"), unless, "who stayed behind has no server")
        if source in rule.fallback:
            fallback = [server for server in rule.fallback if server != source]
            yield _put((*path, "fallback"), fallback, f"{source} is no fallback any more")
    yield Edit(kind="remove", path=("migrations", name), value=None, why="it has ended")


def _narrowed(answers: Answers, whom: dict[str, object]) -> object:
    """Whom a server answers, on the architectures that it answers today."""
    if answers.architectures is not None:
        whom = {**whom, "architectures": list(answers.architectures)}
    return whom or "everyone"


def _put(path: tuple[str | int, ...], value: object, why: str) -> Edit:
    return Edit(kind="put", path=path, value=value, why=why)


def differences(inventory: Inventory, name: str, state: MigrationState, after: Inventory) -> tuple[str, ...]:
    """Clients that would boot differently by the inventory ``after`` than at the end of the migration."""
    ended = inventory_at(inventory, name, state.settled.changed(retired=True))
    worlds = build_world(ended), build_world(after)
    found: dict[str, None] = {}
    for client in cut(ended).classes:
        if not client.macs.known or not client.architecture:
            continue
        case = ClientCase(
            mac=client.macs.witness,
            vlan=client.vlan,
            architecture=client.architecture,
            firmware=client.firmware,
        )
        now, then = ({(o.boot_server, o.file) for o in race(world, case).outcomes} for world in worlds)
        if now != then:
            found[f"{format_mac(case.mac)} on {case.vlan}"] = None
    return tuple(found)
