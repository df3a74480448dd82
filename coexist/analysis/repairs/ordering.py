"""Repairs of who answers whom, and when (CX3xx)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coexist.analysis.edits import Edit, append, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.losing import left_without_file
from coexist.analysis.repairs.registry import Repair, repairs, together
from coexist.analysis.repairs.separation import (
    SUITS_ALL,
    and_nobody_else,
    delayed,
    keep_all_off,
    keep_off,
    only_its_own,
    unintended,
    wall_clock,
    whom_to_answer,
    without_delay,
)
from coexist.analysis.repairs.subject import cases_of, server_of
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.inventory.models import Answers


@repairs("CX301", "CX303", "CX304", "CX306", "CX307", "CX312", "CX313", "CX316", "CX420")
def _order(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Who is not meant for these clients is kept off; who stands by waits longer."""
    if finding.code.code == "CX420":
        return _narrow(site, finding)
    cases = cases_of(site, finding)
    strangers = unintended(cases)
    if strangers and (finding.code.code == "CX307" or cases):
        off = keep_all_off(site, strangers)
        first = [repair for repair in off.values() if not repair.edits]
        if first and (finding.code.code != "CX307" or _overlap(site, cases, off)):
            return Repair(text="; ".join(dict.fromkeys(repair.text for repair in first)))
        repairs = [repair for repair in off.values() if repair.edits]
        if finding.code.code == "CX306" and finding.path[1] in cases[0].intended.servers:
            # It is between two that the intent names: that nobody else answers does not order them.
            waits = _stand_by(site, cases)
            if waits is None:
                return None
            repairs.append(waits)
        return together(repairs)
    wanted = cases[0].intended.servers[:1] if cases else ()
    if finding.code.code == "CX316" and wanted and not site.site.servers[wanted[0]].fixed:
        return Repair(
            edits=(put("servers", wanted[0], "discovery_control", value=8),),
            text=f"let the offer of {wanted[0]} name the file",
        )
    return _stand_by(site, cases)


def _overlap(site: AnalysedSite, cases: Sequence[Case], off: Mapping[str, Repair]) -> bool:
    """Whether whitelists still hold the same clients when some servers are kept off."""
    gone = {name for name, repair in off.items() if repair.edits}
    for case in cases:
        left = [name for name in case.responders if name not in gone]
        listed = [name for name in left if site.site.servers[name].answers.who == "only"]
        if len(listed) > 1 and not set(listed) <= set(case.intended.servers):
            return True
    return False


def _stand_by(site: AnalysedSite, cases: Sequence[Case]) -> Repair | None:
    """The delays along the order of the intent: none for the first, longer ones for those behind it."""
    if not cases or not cases[0].intended.boots:
        return None
    first, *others = cases[0].intended.servers
    edits: list[Edit] = []
    if first in site.boot_services and site.site.servers[first].delay.kind != "none":
        if site.site.servers[first].fixed:
            return None
        edits.append(remove("servers", first, "delay"))
    taken_out = bool(edits)
    for number, name in enumerate(others, start=1):
        server = site.site.servers[name]
        delay = None if server.fixed else wall_clock(server, SUITS_ALL * number)
        if delay is None:
            return None
        if server.delay != delay:
            edits.append(put("servers", name, "delay", value=delay.after))
    if not edits:
        return None
    repair = Repair(edits=tuple(edits), text="let each fallback wait a little longer than those before it")
    return without_delay(site, first, repair) if taken_out else repair


@repairs("CX302", "CX304")
def _pass_every_answer(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A relay agent that hands back one answer to a packet, where a client needs those of two servers."""
    vlans = dict.fromkeys(client.vlan for client in finding.classes)
    single = [
        (vlan, path)
        for vlan in vlans
        for path, relay in site.topology.relays(vlan)
        if relay.passes == "first"
    ]
    if not single:
        return None
    declared = dict(site.site.vlans)
    for vlan, _ in single:
        relays = tuple(relay.model_copy(update={"passes": "all"}) for relay in declared[vlan].relay)
        declared[vlan] = declared[vlan].model_copy(update={"relay": relays})
    changed = site.site.model_copy(update={"vlans": declared})
    after = site.with_inventory(replace(site.inventory, site=changed))
    if not all(after.as_intended(case) for case in cases_of(after, finding)):
        return None
    where = " and ".join(dict.fromkeys(vlan for vlan, _ in single))
    return Repair(
        edits=tuple(remove(*path, "passes") for _, path in single),
        text=f"let the relay agent of VLAN {where} hand back every answer; or let the DHCP server alone"
        " answer there, and name the boot file",
    )


def _narrow(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None:
        return None
    name, server = found
    if server.fixed or not server.can.by_architecture:
        return keep_off(site, name, finding.classes)
    named = sorted(key for key in server.programs if key != "ipxe")
    return Repair(
        edits=(put("servers", name, "answers", value=_answers(server.answers, named)),),
        text="let it answer only the architectures that it has programs for",
    )


def _answers(answers: Answers, architectures: list[str]) -> dict[str, Any]:
    """``answers`` with other architectures, as it is written."""
    whom: dict[str, Any] = {"who": answers.who}
    if answers.who in ("only", "all_except"):
        whom = {"only" if answers.who == "only" else "except": list(answers.groups)}
    return {**whom, "architectures": architectures}


@repairs("CX305", "CX320")
def _let_it_answer(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None:
        return None
    name = found[0]
    cases = cases_of(site, finding)
    standing = {case.standing.get(name) for case in cases}
    if Standing.SNOOPED in standing:
        vlans = dict.fromkeys(case.client.vlan for case in cases)
        trusted = tuple(append("vlans", v, "snooping", "trusted", value=name) for v in vlans)
        return only_its_own(site, Repair(edits=trusted, text=finding.repair), {name: vlans})
    if None in standing and name in site.boot_services:
        vlans = dict.fromkeys(
            c.client.vlan for c in cases if name not in site.topology.hearing[c.client.vlan]
        )
        relayed = tuple(append("vlans", v, "relay_to", value=name) for v in vlans)
        return only_its_own(site, Repair(edits=relayed, text=finding.repair), {name: vlans})
    if Standing.REFUSES in standing:
        return _answer_its_own(site, name)
    if Standing.NO_PROGRAM in standing:
        return None
    if Standing.WAITS in standing:
        return _instead_of_waiting(site, finding, cases)
    return delayed(site, finding) if finding.code.code == "CX305" else None


def _answer_its_own(site: AnalysedSite, name: str) -> Repair:
    """A server that refuses clients which the intent gives it."""
    if site.site.servers[name].fixed:
        return Repair(text=f"{name} is another team's: have its owner answer these clients")
    answers = whom_to_answer(site, name) or "everyone"
    return Repair(
        edits=(put("servers", name, "answers", value=answers),),
        text=f"let {name} answer the clients that the intent gives it",
    )


@repairs("CX308", "CX311", "CX315")
def _shorter(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[-1] == "min_secs":
        return Repair(edits=(remove(*finding.path),))
    found = server_of(site, finding)
    if found is None:
        return None
    if finding.path[2:3] not in (("delay",), ("delay_for",)):
        return _lease_sooner(site, finding)
    repair = delayed(site, finding)
    declared = put("servers", found[0], "delay", value=found[1].delay.after)
    if repair is not None and repair.edits == (declared,):
        return _lease_sooner(site, finding)
    return and_nobody_else(site, cases_of(site, finding), repair)


def _lease_sooner(site: AnalysedSite, finding: Finding) -> Repair | None:
    """An address offer that comes in UEFI's first window: no threshold on ``secs`` in the scope; else no ping
    of the address before it (dnsmasq pings for 3 s)."""
    scopes = {
        scope: site.site.scopes[scope]
        for case in cases_of(site, finding)
        for scope in site.heard_scopes(case.client.vlan)
    }
    waiting = [name for name, scope in scopes.items() if scope.min_secs]
    pinging = {name: None for s in scopes.values() for name in s.servers if site.site.servers[name].pings}
    told = {name for waits in waiting for name in scopes[waits].servers} if waiting else set(pinging)
    if not told or any(site.site.servers[name].fixed for name in told):
        return None
    if waiting:
        edits = tuple(remove("scopes", name, "min_secs") for name in waiting)
        return Repair(edits=edits, text=f"leave `min_secs` out of {' and '.join(waiting)}")
    edits = tuple(put("servers", name, "ping_check", value=False) for name in pinging)
    return Repair(edits=edits, text=f"switch the ping check of {' and '.join(pinging)} off")


@repairs("CX309", "CX310")
def _a_delay_that_works(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None:
        return None
    name, server = found
    intended = any(name in case.intended.servers for case in cases_of(site, finding))
    if not intended or wall_clock(server) is None or server.fixed:
        return keep_off(site, name, finding.classes)
    return and_nobody_else(site, cases_of(site, finding), delayed(site, finding))


@repairs("CX325")
def _wait_for_nobody(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None:
        return None
    cases = cases_of(site, finding)
    if found[1].fixed or not any(found[0] in case.intended.servers for case in cases):
        return keep_off(site, found[0], finding.classes)
    return _instead_of_waiting(site, finding, cases)


def _instead_of_waiting(site: AnalysedSite, finding: Finding, cases: Sequence[Case]) -> Repair | None:
    """Another delay, or none: whoever it keeps waiting, and is not meant for it, is kept off."""
    repair = and_nobody_else(site, cases, delayed(site, finding))
    if repair is None or not repair.edits:
        return repair
    name = str(finding.path[1])
    return only_its_own(site, repair, {name: site.site.vlans})


@repairs("CX317")
def _say_what_is(site: AnalysedSite, finding: Finding) -> Repair:
    repair = Repair(edits=(remove(*finding.path),), text="leave the delay out: the server does not keep it")
    return without_delay(site, str(finding.path[1]), repair)


@repairs("CX321")
def _boot_nobody(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "scopes" and len(finding.path) > 2:
        # Others may have nothing but this file: then a rule hands it to them.
        others = left_without_file(site, {finding.path})
        return None if others else Repair(edits=(remove(*finding.path),))
    found = server_of(site, finding)
    return keep_off(site, found[0], finding.classes) if found else None


@repairs("CX323")
def _take_over(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "servers":
        twin = site.site.servers[str(finding.path[1])].pair
        if twin is None:
            return None
        servers = ((str(case.intended.server), case.standing) for case in cases_of(site, finding))
        refusing = next((name for name, each in servers if each.get(name) is Standing.REFUSES), None)
        if refusing is not None:
            return _answer_its_own(site, refusing)
        if twin.mode == "both":
            return None
        return Repair(
            edits=(put(*finding.path, value=twin.server),),
            text="let both twins answer every client, or write a smaller `after`",
        )
    scope = site.site.scopes[str(finding.path[1])]
    if scope.failover is None or scope.failover.mode == "hot-standby":
        return None
    return Repair(edits=(put(*finding.path[:2], "failover", "mode", value="hot-standby"),))


@repairs("CX324")
def _twins_alike(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The second of two twins is told what the first is."""
    name = str(finding.path[1])
    second, edits = site.site.servers[name], []
    if second.pair is None or second.fixed:
        return None
    first = site.site.servers[second.pair.server]
    for word in ("programs", "programs_for", "options", "delay", "delay_for"):
        ours, theirs = getattr(first, word), getattr(second, word)
        if ours != theirs:
            value = first.model_dump(mode="json", include={word}, exclude_defaults=True).get(word)
            edits.append(
                remove("servers", name, word) if not value else put("servers", name, word, value=value)
            )
    return Repair(edits=tuple(edits), text=f"give {name} what {second.pair.server} has") if edits else None


@repairs("CX314", "CX319")
def _a_delay_for_nobody(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A delay that orders nobody goes; one that orders two services stays for people to decide."""
    server = server_of(site, finding)
    if server is None or server[1].fixed:
        return None
    cases = [case for case in site.cases if server[0] in case.responders]
    if any(len(case.responders) > 1 for case in cases):
        return None
    # The delay that is found: the server's own, or that of a group.
    path = finding.path if finding.path[2:3] == ("delay_for",) else ("servers", server[0], "delay")
    return Repair(
        edits=(remove(*path),),
        text=f"leave the delay out: nobody else answers the clients of {server[0]}",
    )


_OVERRIDES = ("options", "discovery_control", "offers_file", "answers_4011")


@repairs("CX302")
def _as_its_product_does(site: AnalysedSite, finding: Finding) -> Repair | None:
    """What a server is said to do otherwise than its product goes."""
    server = server_of(site, finding)
    if server is None or server[1].fixed:
        return None
    said = [word for word in _OVERRIDES if word in server[1].model_fields_set]
    if not said:
        return None
    return Repair(
        edits=tuple(remove("servers", server[0], word) for word in said),
        text=f"leave out {' and '.join(f'`{word}`' for word in said)}: let it answer as its product does",
    )
