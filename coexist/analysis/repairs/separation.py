"""How two services are kept apart: one does not answer the clients of the other, or answers later."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from coexist.analysis.edits import Edit, drop, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.chained import answering_more
from coexist.analysis.repairs.dropins import leave_out
from coexist.analysis.repairs.losing import first_of_all, left_alone
from coexist.analysis.repairs.registry import Repair, together
from coexist.analysis.repairs.subject import server_of
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.analysis.space import ClientClass
from coexist.inventory.models import Server
from coexist.inventory.values import Delay

SUITS_ALL = 1.2
"""Seconds: a delay on a wall clock that every known firmware waits for, and longer than a ping check."""


def _wanted_somewhere(site: AnalysedSite, name: str) -> bool:
    """Whether the intent gives some clients to a server."""
    return any(name in (rule.boot_from, *rule.fallback) for rule in site.site.intent)


def whom_to_answer(site: AnalysedSite, name: str) -> Any | None:
    """What to write as ``answers`` so that a server answers its clients and no others, in the terms its
    product has; None where it has none."""
    server = site.site.servers[name]
    if server.fixed:
        return None
    if not _wanted_somewhere(site, name):
        return "nobody"
    if server.can.whitelist:
        return "intended"
    groups = [
        group
        for rule in site.site.intent
        if rule.boot_from is not None and name not in (rule.boot_from, *rule.fallback)
        for group in rule.clients
        if not site.inventory.group(group).bounds
    ]
    return {"except": list(dict.fromkeys(groups))} if groups and server.can.deny_list else None


def keep_off(
    site: AnalysedSite,
    name: str,
    clients: Sequence[ClientClass],
    besides: frozenset[str] = frozenset(),
) -> Repair:
    """Keep a server from answering clients that the intent does not give to it.

    Nobody's last server is taken away: where it boots machines that nobody else would boot, with those in
    ``besides`` kept off too, the repair says what comes first, and has no edits.
    """
    repair = _silenced(site, name, clients)
    alone = left_alone(site, name, repair.edits, besides)
    return Repair(text=f"{first_of_all(alone)}; then {repair.text}") if alone else repair


def keep_all_off(site: AnalysedSite, strangers: Mapping[str, Sequence[ClientClass]]) -> dict[str, Repair]:
    """How each of several servers is kept off, one after the other; no edits for those that must stay."""
    found: dict[str, Repair] = {}
    for name, clients in strangers.items():
        gone = frozenset(each for each, repair in found.items() if repair.edits)
        found[name] = keep_off(site, name, clients, gone)
    return found


def _silenced(site: AnalysedSite, name: str, clients: Sequence[ClientClass]) -> Repair:
    """What keeps a server from answering these clients, whoever else answers them."""
    server = site.site.servers.get(name)
    vlans = list(dict.fromkeys(client.vlan for client in clients))
    if server is None:
        return Repair(text=f"find out who has {name}; the inventory knows no server there")
    if server.config and not server.fixed and (edits := leave_out(site, name)):
        return Repair(
            edits=edits, text=f"let {name} answer exactly its own clients, by a rule of its drop-in"
        )
    answers = whom_to_answer(site, name)
    if isinstance(answers, dict) and not _parts(site, name, answers["except"], clients):
        answers = None
    if answers == "nobody":
        return Repair(
            edits=(put("servers", name, "answers", value="nobody"),),
            text=f"let {name} answer nobody: no intent names it",
        )
    # Who is its client elsewhere, or by another architecture, stands on its lists.
    elsewhere = any(site.is_on_its_lists(name, client) for client in clients)
    if answers is not None and not elsewhere:
        repair = Repair(
            edits=(put("servers", name, "answers", value=answers),),
            text=f"let {name} answer exactly its own clients",
        )
        return answering_more(site, name, repair) if answers == "intended" else repair
    return _keep_off_by_network(site, name, server, vlans)


def _parts(site: AnalysedSite, name: str, groups: Sequence[str], clients: Sequence[ClientClass]) -> bool:
    """Whether a list of groups holds all of these clients, and none that a server must boot."""
    own = (case.client for case in site.cases if name in case.intended.servers)
    return all(site.space.has(groups, client.macs.signature) for client in clients) and not any(
        site.space.has(groups, client.macs.signature) for client in own
    )


def _keep_off_by_network(site: AnalysedSite, name: str, server: Server, vlans: list[str]) -> Repair:
    """What the network can do about a server that cannot be told, or is not ours to tell."""
    why = f"{name} is another team's" if server.fixed else f"no list of {name} tells these clients apart"
    edits: list[Edit] = []
    for vlan in vlans:
        if name not in site.topology.hearing[vlan]:
            continue
        away = _away_from(site, name, vlan)
        if not away:
            # What holds on some of the VLANs alone does not repair it.
            edits = []
            break
        edits += away
    if not edits:
        return Repair(text=f"{why}: have its owner leave these clients out, or give them a VLAN of their own")
    relayed = "relay_to" in edits[0].path
    means = (
        "take it from the relay's targets" if relayed else "let the switches drop its offers (DHCP snooping)"
    )
    return Repair(edits=tuple(edits), text=f"{why}: {means}")


def _away_from(site: AnalysedSite, name: str, vlan: str) -> list[Edit]:
    """What keeps a server away from a VLAN that it hears; nothing where it has clients of its own there."""
    declared, hearing = site.site.vlans[vlan], site.topology.hearing[vlan]
    if any(name in case.intended.servers for case in site.cases if case.client.vlan == vlan):
        return []
    how = hearing[name]
    if how.relayed and not how.local:
        targets = (target for target in declared.relay_to if site.topology.owner(target) == name)
        return [drop("vlans", vlan, "relay_to", value=target) for target in targets]
    if how.local and declared.snooping is None and len(hearing) > 1:
        others = sorted(other for other in hearing if other != name)
        return [put("vlans", vlan, "snooping", value={"trusted": others})]
    if how.local and declared.snooping and name in declared.snooping.trusted:
        return [drop("vlans", vlan, "snooping", "trusted", value=name)]
    return []


def without_delay(site: AnalysedSite, name: str, repair: Repair) -> Repair:
    """A repair that takes a server's delay out: who gave up before, and is not meant for the server, would
    boot from it then, and is kept off. Where that cannot be, the repair says so, and has no edits."""
    strangers = [
        case.client
        for case in site.served_by.get(name, ())
        if name not in case.intended.servers and not site.is_phone(case.client)
    ]
    if not strangers:
        return repair
    more = keep_off(site, name, strangers)
    if not more.edits:
        return Repair(text=f"{more.text}; then {repair.text}")
    return together((repair, more))


def wall_clock(server: Server, seconds: float = SUITS_ALL) -> Delay | None:
    """A delay on the server's own clock as its product keeps it; None where its clients feel none."""
    return server.kept(Delay(after=seconds)) if "after" in server.possible_delays else None


def delayed(site: AnalysedSite, finding: Finding, seconds: float = SUITS_ALL) -> Repair | None:
    """Another delay in the place of the one that is declared, or none."""
    found = server_of(site, finding)
    if found is None or found[1].fixed:
        return None
    name, server = found
    path = finding.path if finding.path[2:3] in (("delay",), ("delay_for",)) else ("servers", name, "delay")
    delay = wall_clock(server, seconds)
    if delay is None:
        declared = "delay" in server.model_fields_set or path[2] == "delay_for"
        repair = Repair(edits=(remove(*path),), text="leave the delay out")
        return without_delay(site, name, repair) if declared else None
    return Repair(
        edits=(put(*path, value=delay.after),),
        text=f"write `delay: {delay.after:g}`: seconds on its own clock",
    )


def and_nobody_else(site: AnalysedSite, cases: Sequence[Case], repair: Repair | None) -> Repair | None:
    """A repair after which those who are not meant for these classes would come first: they are kept off."""
    strangers = unintended(cases)
    if repair is None:
        return None
    return together((repair, *(more for more in keep_all_off(site, strangers).values() if more.edits)))


def only_its_own(site: AnalysedSite, repair: Repair, reached: Mapping[str, Collection[str]]) -> Repair:
    """A repair by which servers reach VLANs: they are kept off those there who are not theirs.

    ``reached``: the VLANs by server. Where one cannot be kept off, the repair says so, and has no edits.
    """
    repairs = [repair]
    for name, vlans in reached.items():
        strangers = [
            case.client
            for case in site.cases
            if case.client.vlan in vlans
            and case.intended.rule is not None
            and _would_answer(site, name, case)
        ]
        if not strangers:
            continue
        more = keep_off(site, name, strangers)
        if not more.edits:
            return Repair(text=f"{more.text}; then {repair.text}")
        repairs.append(more)
    return together(repairs)


def _would_answer(site: AnalysedSite, name: str, case: Case) -> bool:
    """Whether only the network, or an offer it waits for, keeps a server from answering a class of others."""
    server = site.boot_services.get(name)
    return (
        server is not None
        and not server.config
        and case.intended.rule is not None
        and name not in case.intended.servers
        and case.standing.get(name, Standing.DEAF) in (Standing.DEAF, Standing.SNOOPED, Standing.WAITS)
        and site.answers(name, server, case.client, case.intended)
        and not site.is_phone(case.client)
    )


def unintended(cases: Sequence[Case]) -> dict[str, list[ClientClass]]:
    """Who answers classes that are not meant for it, with those classes."""
    found: dict[str, list[ClientClass]] = {}
    for case in cases:
        for name in case.responders:
            if name not in case.intended.servers:
                found.setdefault(name, []).append(case.client)
    return found
