"""Repairs of machines, groups and lists (CX1xx), and of declarations that have no effect."""

from __future__ import annotations

from dataclasses import replace

from coexist.analysis.edits import append, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.profiles import firmware_kind, fits
from coexist.analysis.repairs.registry import Repair, repairs
from coexist.analysis.repairs.separation import keep_off
from coexist.analysis.repairs.subject import server_of
from coexist.analysis.site import AnalysedSite
from coexist.errors import Position
from coexist.inventory.models import Site


@repairs("CX101", "CX102")
def _suppression(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(edits=(remove(*finding.path[:2]),))


@repairs(
    "CX103", "CX105", "CX217", "CX318", "CX402", "CX403", "CX510", "CX516", "CX519", "CX521", "CX523",
    "CX524", "CX525",
)  # fmt: skip
def _take_out(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return None if found and found[1].fixed else Repair(edits=(remove(*finding.path),))


@repairs("CX104")
def _end_the_list(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Say what is so today, if it is one thing."""
    possible = {None, *site.site.servers}
    winners = set[str | None]()
    for client in finding.classes:
        winners |= site.winners(client)
        if len(winners) > 1 or not winners <= possible:
            return None  # whatever the other classes' races end with
    if not winners:
        return None
    winner = winners.pop()
    return Repair(
        edits=(append("intent", value={"clients": "everyone", "boot_from": winner or "nobody"}),),
        text="say who must answer them; to keep today's state, end the list like this",
    )


@repairs("CX106")
def _still_holds(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(
        edits=(remove(*finding.path),), text="if it still holds, take the date out; else remove the intent"
    )


@repairs("CX107")
def _one_architecture(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(
        edits=(remove(*finding.path),), text="let one of the groups say it, or the clients' own rows"
    )


@repairs("CX108")
def _name_the_firmware(site: AnalysedSite, finding: Finding) -> Repair | None:
    named = {client.architecture: client.firmware for client in finding.classes}
    if not named:
        return None
    if "architectures" in site.site.model_fields_set:
        return Repair(edits=tuple(put("architectures", a, value=f) for a, f in sorted(named.items())))
    every = {name: list(firmwares) for name, firmwares in site.site.architectures.items()}
    return Repair(edits=(put("architectures", value=every | named),))


@repairs("CX112")
def _answer_nobody(site: AnalysedSite, finding: Finding) -> Repair:
    name = str(finding.path[1])
    clients = [c.client for c in site.cases if name in c.responders and c.intended.rule is not None]
    repair = keep_off(site, name, clients)
    return replace(repair, text=f"name it in an intent; or {repair.text}")


@repairs("CX113")
def _move_the_group_too(site: AnalysedSite, finding: Finding) -> Repair | None:
    migration = site.site.migrations[str(finding.path[1])]
    given = {group: site.inventory.group(group) for group in migration.pilots}
    moved = site.inventory.members(migration.clients)
    outside = [group for group, macs in given.items() if macs - moved]
    edits = [append(*finding.path[:2], "clients", value=group) for group in outside]
    return Repair(edits=tuple(edits)) if edits and finding.path[2:] == ("pilots",) else None


@repairs("CX114")
def _possible_firmware(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "architectures" or len(finding.path) != 2:
        return None
    architecture = str(finding.path[1])
    declared = site.site.architectures.get(architecture, ())
    left = [name for name in declared if fits(architecture, firmware_kind(site.site, name))]
    if not left or len(left) == len(declared):
        return None  # a client's own row says it
    return Repair(edits=(put(*finding.path, value=left),))


def _listed(site: AnalysedSite, position: Position) -> int | None:
    """Which item below `clients` stands at a place; None for a client of a CSV file."""
    where, clients = site.inventory.where, site.site.clients
    files = [where("clients", "files", number) for number in range(len(clients.files))]
    items = sorted([*files, *(where("clients", number) for number in range(len(clients.listed)))])
    return next((number for number, item in enumerate(items) if item.line == position.line), None)


@repairs("CX109")
def _one_of_the_two(site: AnalysedSite, finding: Finding) -> Repair | None:
    row = _listed(site, finding.position)
    if row is None:
        return None
    return Repair(
        edits=(remove("clients", row),),
        text="take the entry that is not the machine's own address off the list",
    )


@repairs("CX111")
def _without_the_group(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A group of nobody says nothing: what says it goes too."""
    name = str(finding.path[1])
    rules = [number for number, rule in enumerate(site.site.intent) if rule.clients == (name,)]
    others = [other for other, group in site.site.groups.items() if name in (*group.groups, *group.excluded)]
    answers = [s for s, server in site.site.servers.items() if name in server.answers.groups]
    used = [rule for rule in site.site.intent if name in (*rule.clients, *rule.unless)]
    if (
        others
        or answers
        or len(used) != len(rules)
        or site.site.migrations
        or len(rules) == len(site.site.intent)
    ):
        return None
    edits = [remove("intent", number) for number in reversed(rules)]
    return Repair(
        edits=(*edits, remove(*finding.path[:2])),
        text="add clients to it, or correct its `where`; leave it out until then",
    )


@repairs("CX114")
def _usual_firmware(site: AnalysedSite, finding: Finding) -> Repair | None:
    if (row := _listed(site, finding.position)) is not None:
        return Repair(
            edits=(remove("clients", row, "firmware"),),
            text="correct its architecture, or leave out its firmware",
        )
    architecture = str(finding.path[1]) if len(finding.path) == 2 else ""
    usual = Site.model_fields["architectures"].default.get(architecture)
    if finding.path[0] != "architectures" or usual is None:
        return None
    return Repair(
        edits=(put(*finding.path, value=list(usual)),),
        text=f"say which firmware they have; {' and '.join(usual)} are the usual ones",
    )


@repairs("CX115")
def _no_such_uuid(_site: AnalysedSite, finding: Finding) -> Repair | None:
    if not isinstance(finding.path[-1], int):
        return None
    return Repair(
        edits=(remove(*finding.path),),
        text="leave it out until the machine is registered with its `uuid` and the MAC of each card",
    )


@repairs("CX117")
def _both_spellings(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "groups" or finding.path[2:3] != ("where",):
        return None
    group, column = site.site.groups[str(finding.path[1])], str(finding.path[3])
    asked = group.where[column]
    wanted = {text.strip().casefold() for text in asked}
    cells = dict.fromkeys(site.inventory.clients.columns.get(column, ()))
    more = [cell for cell in cells if cell not in asked and cell.strip().casefold() in wanted]
    values = [*asked, *more]
    return Repair(edits=(put(*finding.path[:4], value=values),)) if more else None


@repairs("CX120")
def _no_list(site: AnalysedSite, finding: Finding) -> Repair | None:
    clients = site.site.clients
    item = _listed(site, finding.position)
    alone = len(clients.files) + len(clients.listed) == 1
    if item is None and not alone:
        return None
    return Repair(
        edits=(remove("clients") if alone else remove("clients", item or 0),),
        text="add its clients; until then leave the file out",
    )


@repairs("CX123")
def _columns_of_its_own(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Machines that are written out beside the files stand in a list, which has no room for it."""
    clients, table = site.site.clients, site.inventory.clients
    if clients.listed:
        return None
    named = [column for column in table.columns if repr(column) in finding.message]
    value = {"files": list(clients.files), "columns": [*clients.columns, *named]}
    return Repair(
        edits=(put("clients", value=value),),
        text="use it in a group's `where`; or say that it is your own",
    )


@repairs("CX221")
def _unreserved(site: AnalysedSite, finding: Finding) -> Repair | None:
    row = _listed(site, finding.position)
    return None if row is None else Repair(edits=(remove("clients", row, "address"),))
