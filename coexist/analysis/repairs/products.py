"""Repairs of what a product cannot be told (CX5xx)."""

from __future__ import annotations

from coexist.analysis.edits import append, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.registry import Repair, repairs
from coexist.analysis.repairs.separation import delayed, keep_off, whom_to_answer
from coexist.analysis.repairs.subject import server_of
from coexist.analysis.site import AnalysedSite
from coexist.wire.mac import format_mac


@repairs("CX501", "CX502", "CX503", "CX504")
def _another_delay(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[-1] == "min_secs":
        return Repair(
            edits=(remove(*finding.path),), text="leave it out, and order the services by whitelists"
        )
    return delayed(site, finding)


@repairs("CX505")
def _whole_steps(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None:
        return None
    declared = found[1].delay_for[str(finding.path[3])] if finding.path[2] == "delay_for" else found[1].delay
    return Repair(edits=(put(*finding.path, value=found[1].kept(declared).after),))


@repairs("CX506")
def _one_delay(_site: AnalysedSite, finding: Finding) -> Repair | None:
    return Repair(edits=(remove(*finding.path),)) if finding.path[2:3] == ("delay_for",) else None


@repairs("CX507", "CX508")
def _in_its_terms(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    answers = whom_to_answer(site, found[0]) if found else None
    return (
        Repair(edits=(put(*finding.path, value=answers),), text="declare it in a form that its product has")
        if answers
        else None
    )


@repairs("CX512")
def _its_roles(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or finding.path[2:] != ("roles",):
        return None
    possible = {*found[1].product.capabilities.roles, "tftp", "http"} & found[1].effective_roles
    return Repair(edits=(put(*finding.path, value=sorted(possible)),)) if possible else None


@repairs("CX514")
def _own_names(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None or site.site.clients.files:
        return None
    seen: set[str] = set()
    edits = []
    for number, client in enumerate(site.site.clients.listed):
        if client.name and client.name in seen:
            edits.append(put("clients", number, "name", value=f"{client.name}-{number + 1}"))
        seen.add(client.name or "")
    return Repair(edits=tuple(edits), text="give each machine a name of its own") if edits else None


_MOST_LISTED = 64


@repairs("CX509")
def _listed_one_by_one(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None or server[1].fixed or server[1].answers.who != "only":
        return None
    known = site.inventory.members(server[1].answers.groups) & site.inventory.group("known")
    macs = known.points if known else ()
    if not 0 < len(macs) <= _MOST_LISTED:
        return None
    group = f"{server[0]}-listed"
    return Repair(
        edits=(
            put("groups", group, value={"macs": [format_mac(mac) for mac in sorted(macs)]}),
            put("servers", server[0], "answers", value={"only": group}),
        ),
        text="name the machines one by one: register those that are missing",
    )


@repairs("CX522")
def _by_their_cards(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    edits = []
    for name in server[1].answers.groups if server else ():
        group = site.site.groups.get(name)
        if group is None or not group.uuid:
            continue
        macs = sorted(site.inventory.group(name).points)
        if not macs or len(macs) > _MOST_LISTED:
            return None
        edits += [
            remove("groups", name, "uuid"),
            put("groups", name, "macs", value=[format_mac(m) for m in macs]),
        ]
    text = "register every card of these machines, and name the group's members by their MACs"
    return Repair(edits=tuple(reversed(edits)), text=text) if edits else None


@repairs("CX515")
def _its_own_program(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or not found[1].product.own_programs or len(finding.path) < 4:
        return None
    own = found[1].product.default_programs.get(str(finding.path[3]))
    if not found[1].product.fills_in:
        # With one of them left, the others would be taken for what it names.
        return Repair(
            edits=(remove(*finding.path[:3]),), text="leave them out: the product chooses by itself"
        )
    if own is None:
        return Repair(edits=(remove(*finding.path),), text="leave it out: the product chooses by itself")
    return Repair(edits=(put(*finding.path, value=own),), text="say what it names")


@repairs("CX520")
def _version(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return Repair(edits=(put(*finding.path, value=found[1].product.software),)) if found else None


@repairs("CX507")
def _everyone_then(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A service without lists answers everyone: that is said where it is meant, else it is kept off."""
    server = server_of(site, finding)
    if server is None or server[1].fixed:
        return None
    heard = [case for case in site.cases if server[0] in site.topology.hearing[case.client.vlan]]
    strangers = [case.client for case in heard if server[0] not in case.intended.servers]
    if not strangers:
        return Repair(edits=(remove(*finding.path),), text="declare that it answers everyone")
    return keep_off(site, server[0], strangers)


@repairs("CX511")
def _no_such_rule(_site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[2:3] != ("rules",):
        return None
    return Repair(
        edits=(remove(*finding.path[:4]),),
        text="leave the rule out, which applies to nobody; or serve the scope by isc-dhcpd",
    )


@repairs("CX517")
def _carried_over_by_hand(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None:
        return None
    return Repair(
        edits=(put("servers", server[0], "fixed", value=True),),
        text="carry its lists over by hand, and declare that coexist does not write it: `fixed: true`",
    )


@repairs("CX518")
def _simpler_failover(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A setting goes, from all scopes of the two servers: they have one failover."""
    word = finding.repair.partition("leave `")[2].partition("` out")[0]
    servers = set(site.site.scopes[str(finding.path[1])].servers)
    edits = []
    for name, scope in site.site.scopes.items():
        said = scope.failover.model_fields_set if scope.failover else set()
        if scope.failover is None or set(scope.servers) != servers or word not in said:
            continue
        at = ("scopes", name, "failover")
        # Without a word of it the two would share nothing.
        alone = put(*at, value={"mode": scope.failover.mode})
        edits.append(alone if said == {word} else remove(*at, word))
    return Repair(edits=tuple(edits)) if edits else None


@repairs("CX526")
def _one_card(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The server stays on the shared network; relay agents bring the packets of its other VLANs."""
    server = server_of(site, finding)
    others = [name for name in server[1].stands_on if name != finding.path[3]] if server else []
    if server is None or server[1].fixed or not all(site.site.vlans[name].gateway for name in others):
        return None
    edits = [remove("servers", server[0], "addresses", name) for name in others]
    edits += [append("vlans", name, "relay_to", value=server[0]) for name in others]
    return Repair(edits=tuple(edits), text="let relay agents bring the packets of its other VLANs")
