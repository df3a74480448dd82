"""How a finding is repaired: what each kind registers, and which of several repairs is printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from coexist.analysis.edits import Edit
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.dropins import can_be_told
from coexist.analysis.site import AnalysedSite, identity
from coexist.inventory.documents import Path
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What to do: ``text`` replaces the finding's own sentence where it is given."""

    edits: tuple[Edit, ...] = ()
    text: str = ""


def together(several: Iterable[Repair]) -> Repair:
    """Several repairs as one: each edit and each sentence once. Of two values of a place the first counts."""
    edits: dict[tuple[str, Path], Edit] = {}
    texts: dict[str, None] = {}
    for repair in several:
        texts[repair.text] = None
        for edit in repair.edits:
            place = edit.path if edit.kind == "put" else (*edit.path, str(edit.value))
            edits.setdefault((edit.kind, place), edit)
    return Repair(edits=tuple(edits.values()), text="; ".join(texts))


Repairer: TypeAlias = Callable[[AnalysedSite, Finding], Repair | None]
_REPAIRERS: dict[str, list[Repairer]] = defaultdict(list)


def repaired(site: AnalysedSite, finding: Finding) -> Finding:
    """The finding with the edits of its repair, if its kind has some."""
    found = [each(site, finding) for each in _REPAIRERS.get(finding.code.code, ())]
    # Of several the first that says what to write; else the first that says anything.
    repair = next((one for one in found if one and one.edits), next(filter(None, found), None))
    if repair is None:
        return finding
    if not all(can_be_told(site, edit) for edit in repair.edits):
        # What stands in a server's own files is for those who keep them.
        return finding
    return replace(finding, edits=repair.edits, repair=repair.text or finding.repair)


_SYMPTOMS: Mapping[str, frozenset[str]] = dict.fromkeys(
    ("CX302", "CX304", "CX322", "CX427", "CX509"), frozenset()
) | {
    # What drops a client's first packets makes it wait.
    "CX308": frozenset({"CX217", "CX218"}),
    "CX405": frozenset({"CX515"}),
    "CX415": frozenset({"CX424"}),
}
"""Kinds that tell what comes of something, whose own finding has the repair; which kinds, where not any."""


def with_causes(site: AnalysedSite, found: Sequence[Finding]) -> list[Finding]:
    """The findings; a symptom without a repair of its own has that of the finding that explains it."""
    able = [finding for finding in found if finding.edits and finding.code.code not in _SYMPTOMS]
    return [
        replace(finding, edits=cause.edits, repair=f"as {cause.code.code}: {cause.repair}")
        if finding.code.code in _SYMPTOMS and not finding.edits and (cause := _cause(site, finding, able))
        else finding
        for finding in found
    ]


def _cause(site: AnalysedSite, symptom: Finding, able: Sequence[Finding]) -> Finding | None:
    """A finding of the same server, of the same clients' VLAN or scopes, or of the clients."""
    clients = {identity(client) for client in symptom.classes}
    vlans = {client.vlan for client in symptom.classes}
    places: set[Path] = {symptom.path[:2], *(("vlans", vlan) for vlan in vlans)}
    places |= {("scopes", scope) for vlan in vlans for scope in site.heard_scopes(vlan)}
    kinds = _SYMPTOMS[symptom.code.code]
    able = [finding for finding in able if not kinds or finding.code.code in kinds]
    close = [finding for finding in able if finding.path[:2] in places]
    same = [finding for finding in able if clients & {identity(client) for client in finding.classes}]
    return next(iter((*close, *same)), None)


def repairs(*codes: str) -> Callable[[Repairer], Repairer]:
    """Register what repairs findings of these codes."""

    def register(function: Repairer) -> Repairer:
        for code in codes:
            _REPAIRERS[code].append(function)
        return function

    return register
