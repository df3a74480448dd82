"""What comes of a repair by which DHCP servers reach a VLAN: their scopes count then, for all its clients."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from coexist.analysis.check import found_in
from coexist.analysis.edits import Edit
from coexist.analysis.findings import ERROR
from coexist.analysis.intent import Intended
from coexist.analysis.repairs.registry import Repair
from coexist.analysis.site import AnalysedSite
from coexist.inventory.models import Answers, Server, Vlan


def without_new_errors(site: AnalysedSite, repair: Repair, reached: Mapping[str, Collection[str]]) -> Repair:
    """A repair by which servers reach VLANs. ``reached``: the VLANs by server.

    Clients that nothing is intended for hear their scopes too. Where what these say would be an error for
    them, the repair says what is to be changed first, and has no edits.
    """
    scopes = [scope for scope in site.site.scopes if _tells_more(site, scope, reached)]
    after = _changed(site, repair.edits) if scopes else None
    if after is None:
        return repair
    places = {("scopes", scope) for scope in scopes}
    places |= {("servers", name) for scope in scopes for name in site.site.scopes[scope].servers}
    vlans = {site.site.scopes[scope].vlan for scope in scopes}
    for finding in found_in(after)[0]:
        if (
            finding.severity is ERROR
            and finding.path[:2] in places
            and any(_stands_by(after.intent_of(client)) for client in finding.classes if client.vlan in vlans)
        ):
            where = " and ".join(sorted(vlans))
            what = f"({finding.code.code}: {finding.message})"
            first = f"what other clients of VLAN {where} are told then does not boot them {what}"
            return Repair(text=f"{first}; repair that first; then {repair.text}")
    return repair


def _tells_more(site: AnalysedSite, scope: str, reached: Mapping[str, Collection[str]]) -> bool:
    """Whether a scope comes into reach that tells a class how to boot that nothing is intended for."""
    declared = site.site.scopes[scope]
    if scope in site.heard_scopes(declared.vlan):
        return False
    return any(declared.vlan in reached.get(name, ()) for name in declared.servers) and any(
        (handed := site.scopes.handed(scope, case.client)).file or handed.vendor_class
        for case in site.pxe_cases
        if case.client.vlan == declared.vlan and _stands_by(case.intended)
    )


def _stands_by(intended: Intended) -> bool:
    """Whether a class has nothing to gain: it is to boot from nobody, or no intent is about it."""
    return not intended.servers


def _changed(site: AnalysedSite, edits: Iterable[Edit]) -> AnalysedSite | None:
    """The site with whom servers reach and answer as the edits say; None where they say more than that."""
    vlans, servers = dict(site.site.vlans), dict(site.site.servers)
    for edit in edits:
        match edit.kind, *edit.path:
            case "append", "vlans", str(vlan), "snooping", "trusted":
                vlans[vlan] = _trusting(vlans[vlan], edit.value)
            case "append", "vlans", str(vlan), "relay_to":
                targets = (*vlans[vlan].relay_to, edit.value)
                vlans[vlan] = vlans[vlan].model_copy(update={"relay_to": targets})
            case "put", "servers", str(name), "answers":
                answers = Answers.model_validate(edit.value)
                servers[name] = servers[name].model_copy(update={"answers": answers})
            case _:
                return None
    return _declared(site, vlans, servers)


def _trusting(vlan: Vlan, server: str) -> Vlan:
    assert vlan.snooping is not None
    trusted = (*vlan.snooping.trusted, server)
    return vlan.model_copy(update={"snooping": vlan.snooping.model_copy(update={"trusted": trusted})})


def _declared(site: AnalysedSite, vlans: dict[str, Vlan], servers: dict[str, Server]) -> AnalysedSite:
    declared = site.site.model_copy(update={"vlans": vlans, "servers": servers})
    return site.with_inventory(replace(site.inventory, site=declared))
