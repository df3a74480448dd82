"""Whom a server answers, as a set of addresses and as cells."""

from __future__ import annotations

from coexist.boot.servers.coexist import answered_by
from coexist.inventory import NOBODY, Inventory, MacSet
from coexist.inventory.models import Server
from coexist.render.cells import Cells

_INTENDED = "intended"


def answered(inventory: Inventory, name: str) -> MacSet:
    """Whom a server answers on any architecture."""
    result = NOBODY
    for _, macs, _, _ in answered_by(inventory, name):
        result |= macs
    return result


def answer_sets(inventory: Inventory, name: str) -> dict[str, MacSet]:
    """The groups that decide whom a server answers and how late, each with its addresses."""
    server = inventory.site.servers[name]
    names = {*server.answers.groups, *server.delay_for}
    if server.answers.who in ("known", "unknown"):
        names.add(server.answers.who)
    sets = {group: inventory.group(group) for group in sorted(names - {"everyone", "nobody"})}
    if server.answers.who == "intended":
        sets[_INTENDED] = answered(inventory, name)
    return sets


def cells_of(cells: Cells, names: tuple[str, ...] | None) -> frozenset[str] | None:
    """The cells of some groups; None for everyone."""
    if names is None or "everyone" in names:
        return None
    return cells.of(frozenset(names))


def answered_cells(server: Server, cells: Cells) -> frozenset[str] | None:
    """The cells a server answers; None for all."""
    answers = server.answers
    if answers.who == "everyone":
        return None
    if answers.who == "nobody":
        return frozenset()
    if answers.who == "all_except":
        excluded = cells_of(cells, answers.groups)
        return frozenset() if excluded is None else cells.all - excluded
    groups = {"only": answers.groups, "intended": (_INTENDED,)}.get(answers.who, (answers.who,))
    return cells_of(cells, groups)
