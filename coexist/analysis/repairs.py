"""How a finding is repaired: by its cause, by what the product can do, and by whose server it is.

A repair is a sentence and, where the inventory alone decides, the edits that carry it out: what to write is
printed below the sentence, and a test obeys it. A repair that somebody has to think about (a file's name, a
machine's place) has no edits. A server that is ``fixed`` is never changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from coexist.analysis.edits import Edit, append, drop, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.profiles import firmware_kind, fits
from coexist.analysis.repairs_dropins import can_be_told, hand_over, leave_out
from coexist.analysis.running import AROUND_A_BLOCK, Halted
from coexist.analysis.site import AnalysedSite, Case, Standing, identity
from coexist.analysis.space import ClientClass
from coexist.inventory.documents import Path
from coexist.inventory.models import Answers, Pool, Server
from coexist.inventory.values import Delay
from coexist.records import dataclass
from coexist.wire.option_codes import Option

SUITS_ALL = 1.2
"""Seconds: a delay on a wall clock that every known firmware waits for, and longer than a ping check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What to do: ``text`` replaces the finding's own sentence where it is given."""

    edits: tuple[Edit, ...] = ()
    text: str = ""


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
    ("CX302", "CX304", "CX308", "CX322", "CX427", "CX509"), frozenset()
) | {"CX405": frozenset({"CX515"}), "CX415": frozenset({"CX424"})}
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


@repairs("CX222")
def _failover(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Two servers of one product share their clients half and half; other servers need a decision."""
    servers = site.site.scopes[str(finding.path[1])].servers
    both = [site.site.servers[name] for name in servers]
    products = {server.product.name for server in both}
    if len(both) != 2 or len(products) != 1 or any(server.fixed for server in both):
        return None
    if "load-balancing" not in both[0].can.failover:
        return None
    scopes = [
        name for name, scope in site.site.scopes.items() if scope.servers == servers and not scope.failover
    ]
    return Repair(
        edits=tuple(put("scopes", name, "failover", value={"mode": "load-balancing"}) for name in scopes)
    )


# -- what several kinds need -----------------------------------------------------------------------


def server_of(site: AnalysedSite, finding: Finding) -> tuple[str, Server] | None:
    """The server a finding is about."""
    if len(finding.path) < 2 or finding.path[0] != "servers":
        return None
    name = str(finding.path[1])
    return name, site.site.servers[name]


def cases_of(site: AnalysedSite, finding: Finding) -> list[Case]:
    """The classes a finding is about, with their intent."""
    wanted = {identity(client) for client in finding.classes}
    return [case for case in site.cases if identity(case.client) in wanted]


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


def keep_off(site: AnalysedSite, name: str, clients: Sequence[ClientClass]) -> Repair:
    """Keep a server from answering clients that the intent does not give to it."""
    server = site.site.servers.get(name)
    vlans = list(dict.fromkeys(client.vlan for client in clients))
    if server is None:
        return Repair(text=f"find out who has {name}; the inventory knows no server there")
    if server.config and not server.fixed and (edits := leave_out(site, name)):
        return Repair(
            edits=edits, text=f"let {name} answer exactly its own clients, by a rule of its drop-in"
        )
    answers = whom_to_answer(site, name)
    if answers == "nobody":
        return Repair(
            edits=(put("servers", name, "answers", value="nobody"),),
            text=f"let {name} answer nobody: no intent names it",
        )
    # A server's list knows addresses, not VLANs: who is its client elsewhere stands on it.
    elsewhere = any(name in site.intended_anywhere(client) for client in clients)
    if answers is not None and not elsewhere:
        return Repair(
            edits=(put("servers", name, "answers", value=answers),),
            text=f"let {name} answer exactly its own clients",
        )
    return _keep_off_by_network(site, name, server, vlans)


def _keep_off_by_network(site: AnalysedSite, name: str, server: Server, vlans: list[str]) -> Repair:
    """What the network can do about a server that cannot be told, or is not ours to tell."""
    why = f"{name} is another team's" if server.fixed else f"no list of {name} tells these clients apart"
    needed = {
        vlan: any(name in case.intended.servers for case in site.cases if case.client.vlan == vlan)
        for vlan in vlans
    }
    edits: list[Edit] = []
    for vlan in vlans:
        declared, how = site.site.vlans[vlan], site.topology.hearing[vlan].get(name)
        if needed[vlan] or how is None:
            continue
        if how.relayed and not how.local:
            targets = (target for target in declared.relay_to if site.topology.owner(target) == name)
            edits += [drop("vlans", vlan, "relay_to", value=target) for target in targets]
        elif how.local and declared.snooping is None and len(site.topology.hearing[vlan]) > 1:
            others = sorted(other for other in site.topology.hearing[vlan] if other != name)
            edits.append(put("vlans", vlan, "snooping", value={"trusted": others}))
        elif how.local and declared.snooping and name in declared.snooping.trusted:
            edits.append(drop("vlans", vlan, "snooping", "trusted", value=name))
    if not edits:
        return Repair(text=f"{why}: have its owner leave these clients out, or give them a VLAN of their own")
    relayed = "relay_to" in edits[0].path
    means = (
        "take it from the relay's targets" if relayed else "let the switches drop its offers (DHCP snooping)"
    )
    return Repair(edits=tuple(edits), text=f"{why}: {means}")


def wall_clock(server: Server, seconds: float = SUITS_ALL) -> Delay | None:
    """A delay on the server's own clock as its product keeps it; None where it has none."""
    return server.kept(Delay(after=seconds)) if "after" in server.can.delays else None


def _delayed(site: AnalysedSite, finding: Finding, seconds: float = SUITS_ALL) -> Repair | None:
    """Another delay in the place of the one that is declared, or none."""
    found = server_of(site, finding)
    if found is None or found[1].fixed:
        return None
    name, server = found
    path = finding.path if finding.path[2:3] in (("delay",), ("delay_for",)) else ("servers", name, "delay")
    delay = wall_clock(server, seconds)
    if delay is None:
        declared = "delay" in server.model_fields_set or path[2] == "delay_for"
        return Repair(edits=(remove(*path),), text="leave the delay out") if declared else None
    return Repair(
        edits=(put(*path, value=delay.after),),
        text=f"write `delay: {delay.after:g}`: seconds on its own clock",
    )


# -- CX1xx -------------------------------------------------------------------------------------------


@repairs("CX101", "CX102")
def _suppression(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(edits=(remove(*finding.path[:2]),))


@repairs("CX103", "CX105", "CX318", "CX402", "CX403", "CX510", "CX516", "CX519", "CX521", "CX523", "CX217")
def _take_out(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return None if found and found[1].fixed else Repair(edits=(remove(*finding.path),))


@repairs("CX104")
def _end_the_list(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Say what is so today, if it is one thing."""
    winners = {winner for client in finding.classes for winner in site.winners(client)}
    if len(winners) != 1 or (winner := winners.pop()) not in (None, *site.site.servers):
        return None
    return Repair(
        edits=(append("intent", value={"clients": "everyone", "boot_from": winner or "nobody"}),),
        text="say who must answer them; to keep what is so today, end the list so",
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


# -- CX2xx -------------------------------------------------------------------------------------------


@repairs("CX202", "CX203", "CX207")
def _hear_the_vlan(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "scopes":
        scope = site.site.scopes[str(finding.path[1])]
        return Repair(edits=(append("vlans", scope.vlan, "relay_to", value=scope.servers[0]),))
    vlans = dict.fromkeys(client.vlan for client in finding.classes)
    if finding.path[0] == "servers":
        name = str(finding.path[1])
        return Repair(edits=tuple(append("vlans", vlan, "relay_to", value=name) for vlan in vlans))
    vlan = str(finding.path[1])
    deaf = {
        name: None
        for case in cases_of(site, finding)
        for name in case.intended.servers
        if name in site.boot_services and name not in site.topology.hearing[vlan]
    }
    return Repair(edits=tuple(append("vlans", vlan, "relay_to", value=name) for name in deaf))


@repairs("CX204")
def _hear_it_once(site: AnalysedSite, finding: Finding) -> Repair:
    vlan = str(finding.path[1])
    twice = [h.server for h in site.topology.hearing[vlan].values() if h.local and h.relayed]
    targets = [t for t in site.site.vlans[vlan].relay_to if site.topology.owner(t) in twice]
    return Repair(
        edits=tuple(drop("vlans", vlan, "relay_to", value=target) for target in targets),
        text="take it from the relay's targets: it hears the VLAN by itself",
    )


@repairs("CX205")
def _no_such_target(_site: AnalysedSite, finding: Finding) -> Repair | None:
    return Repair(edits=(remove(*finding.path),)) if isinstance(finding.path[-1], int) else None


@repairs("CX206")
def _trust(site: AnalysedSite, finding: Finding) -> Repair:
    vlan = str(finding.path[1])
    needed = {
        name: None
        for case in cases_of(site, finding)
        for name in (*case.intended.servers, *_leasing(site, vlan))
        if (how := site.topology.hearing[vlan].get(name)) and not how.heard
    }
    return Repair(
        edits=tuple(append("vlans", vlan, "snooping", "trusted", value=name) for name in needed),
        text="trust its port on the switch, and say so",
    )


def _leasing(site: AnalysedSite, vlan: str) -> Iterator[str]:
    for scope in site.scopes_by_vlan[vlan]:
        yield from site.site.scopes[scope].servers


@repairs("CX208", "CX210", "CX211")
def _cut_the_pool(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[:1] != ("scopes",) or finding.path[2:3] != ("pools",):
        return None
    scope, number = str(finding.path[1]), int(finding.path[3])
    pools = site.site.scopes[scope].pools
    whole = pools[number].range
    pieces = cut_pieces(site, int(whole.first), int(whole.last), besides=(scope, number))
    if len(pieces) > _MOST_PIECES:
        return None
    if not pieces:
        return Repair(edits=(remove(*finding.path[:4]),))
    first, *rest = (_pool(pools[number], *piece) for piece in pieces)
    return Repair(
        edits=(
            put(*finding.path[:4], value=first),
            *(append("scopes", scope, "pools", value=p) for p in rest),
        )
    )


@repairs("CX223")
def _one_scope(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The pools go into the first scope; what else the two say must be the same, or people decide."""
    name = str(finding.path[1])
    scope = site.site.scopes[name]
    for other, declared in site.site.scopes.items():
        if other == name:
            return None
        said = [each.model_dump(exclude={"pools"}) for each in (scope, declared)]
        if said[0] == said[1]:
            pools = [_pool(pool, int(pool.range.first), int(pool.range.last)) for pool in scope.pools]
            added = (append("scopes", other, "pools", value=pool) for pool in pools)
            return Repair(edits=(*added, remove("scopes", name)))
    return None


_MOST_PIECES = 16


def cut_pieces(
    site: AnalysedSite, first: int, last: int, besides: tuple[str, int] | None = None
) -> list[tuple[int, int]]:
    """What of a range nobody has: no server, gateway, reservation or pool (``besides``: but this one)."""
    taken = {int(a) for s in site.site.servers.values() for a in s.stands_on.values()}
    taken |= {int(vlan.gateway) for vlan in site.site.vlans.values() if vlan.gateway}
    holes = [(address, address) for address in (*taken, *site.reserved)]
    holes += [
        (int(pool.range.first), int(pool.range.last))
        for name, other in site.site.scopes.items()
        for index, pool in enumerate(other.pools)
        if (name, index) != besides
    ]
    return _without(first, last, holes)


def _without(first: int, last: int, holes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """A range without some others, in ascending pieces."""
    pieces, at = [], first
    for begin, end in sorted(holes):
        if end < at or begin > last:
            continue
        if begin > at:
            pieces.append((at, begin - 1))
        at = max(at, end + 1)
    return [*pieces, (at, last)] if at <= last else pieces


def _pool(pool: Pool, first: int, last: int) -> Any:
    text = f"{IPv4Address(first)}-{IPv4Address(last)}"
    conditions = pool.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"range"})
    return {"range": text, **conditions} if conditions else text


@repairs("CX212", "CX213")
def _router(site: AnalysedSite, finding: Finding) -> Repair | None:
    name = str(finding.path[1])
    gateway = site.site.vlans[site.site.scopes[name].vlan].gateway
    if gateway is None:
        return None
    return Repair(edits=(put("scopes", name, "options", int(Option.ROUTER), value=str(gateway)),))


@repairs("CX216")
def _open_the_port(site: AnalysedSite, finding: Finding) -> Repair | None:
    vlan = str(finding.path[1])
    needed = {69, 4011} & set(site.site.vlans[vlan].blocked_ports)
    ports = [port for port in site.site.vlans[vlan].blocked_ports if port not in needed]
    edit = (
        put("vlans", vlan, "blocked_ports", value=ports) if ports else remove("vlans", vlan, "blocked_ports")
    )
    return Repair(edits=(edit,), text="open the port in the firewall, and say so")


@repairs("CX218")
def _edge_port(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(
        edits=(remove(*finding.path),), text="switch portfast (edge port) on, and take the delay out"
    )


# -- CX3xx -------------------------------------------------------------------------------------------


@repairs("CX301", "CX303", "CX304", "CX306", "CX307", "CX312", "CX313", "CX316", "CX420")
def _order(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Who is not meant for these clients is kept off; who stands by waits longer."""
    if finding.code.code == "CX420":
        return _narrow(site, finding)
    cases = cases_of(site, finding)
    strangers = _strangers(cases)
    if strangers and (finding.code.code == "CX307" or cases):
        repairs = [keep_off(site, name, clients) for name, clients in strangers.items()]
        edits = dict.fromkeys((edit.kind, edit.path) for r in repairs for edit in r.edits)
        unique = [next(e for r in repairs for e in r.edits if (e.kind, e.path) == key) for key in edits]
        return Repair(edits=tuple(unique), text="; ".join(dict.fromkeys(r.text for r in repairs)))
    first = cases[0].intended.servers[:1] if cases else ()
    if finding.code.code == "CX316" and first and not site.site.servers[first[0]].fixed:
        return Repair(
            edits=(put("servers", first[0], "discovery_control", value=8),),
            text=f"let the offer of {first[0]} name the file",
        )
    return _stand_by(site, cases)


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
    for number, name in enumerate(others, start=1):
        server = site.site.servers[name]
        delay = None if server.fixed else wall_clock(server, SUITS_ALL * number)
        if delay is None:
            return None
        if server.delay != delay:
            edits.append(put("servers", name, "delay", value=delay.after))
    return Repair(edits=tuple(edits), text="let each fallback wait a little longer than those before it")


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
        text="let it answer the architectures alone that it has programs for",
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
    name, server = found
    cases = cases_of(site, finding)
    standing = {case.standing.get(name) for case in cases}
    if Standing.SNOOPED in standing:
        vlans = dict.fromkeys(case.client.vlan for case in cases)
        return Repair(edits=tuple(append("vlans", v, "snooping", "trusted", value=name) for v in vlans))
    if None in standing and name in site.boot_services:
        vlans = dict.fromkeys(
            c.client.vlan for c in cases if name not in site.topology.hearing[c.client.vlan]
        )
        return Repair(edits=tuple(append("vlans", v, "relay_to", value=name) for v in vlans))
    if Standing.REFUSES in standing:
        if server.fixed:
            return Repair(text=f"{name} is another team's: have its owner answer these clients")
        answers = whom_to_answer(site, name) or "everyone"
        return Repair(
            edits=(put("servers", name, "answers", value=answers),),
            text=f"let {name} answer the clients that the intent gives it",
        )
    if Standing.NO_PROGRAM in standing:
        return None
    return _delayed(site, finding) if finding.code.code == "CX305" else None


@repairs("CX308", "CX311", "CX315")
def _shorter(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[-1] == "min_secs":
        return Repair(edits=(remove(*finding.path),))
    found = server_of(site, finding)
    if found is None or finding.path[2:3] not in (("delay",), ("delay_for",)):
        return None
    return _and_nobody_else(site, cases_of(site, finding), _delayed(site, finding))


def _and_nobody_else(site: AnalysedSite, cases: Sequence[Case], repair: Repair | None) -> Repair | None:
    """A repair after which those who are not meant for these classes would come first: they are kept off."""
    strangers = _strangers(cases)
    if repair is None:
        return None
    for name, clients in strangers.items():
        more = keep_off(site, name, clients)
        if more.edits:
            repair = Repair(edits=(*repair.edits, *more.edits), text=f"{repair.text}; {more.text}")
    return repair


def _strangers(cases: Sequence[Case]) -> dict[str, list[ClientClass]]:
    """Who answers classes that are not meant for it, with those classes."""
    found: dict[str, list[ClientClass]] = {}
    for case in cases:
        for name in case.responders:
            if name not in case.intended.servers:
                found.setdefault(name, []).append(case.client)
    return found


@repairs("CX309", "CX310")
def _a_delay_that_works(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None:
        return None
    name, server = found
    intended = any(name in case.intended.servers for case in cases_of(site, finding))
    if not intended or wall_clock(server) is None or server.fixed:
        return keep_off(site, name, finding.classes)
    return _and_nobody_else(site, cases_of(site, finding), _delayed(site, finding))


@repairs("CX317")
def _say_what_is(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(edits=(remove(*finding.path),), text="say what it does: leave the delay out")


@repairs("CX321")
def _boot_nobody(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "scopes" and len(finding.path) > 2:
        return Repair(edits=(remove(*finding.path),))
    found = server_of(site, finding)
    return keep_off(site, found[0], finding.classes) if found else None


# -- CX4xx -------------------------------------------------------------------------------------------


@repairs("CX401")
def _one_of_the_two(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The boot file goes where the proxy shall boot the clients; else the proxy is kept off."""
    cases = cases_of(site, finding)
    strangers = _strangers(cases)
    if finding.path[0] == "scopes" and _is_of_own_file(site, str(finding.path[1])):
        return _one_of_the_two_beside(site, finding, cases)
    if strangers and all(case.intended.boots for case in cases):
        owners = {
            site.topology.owner(handed.next_server[0])
            for case in cases
            for scope in site.heard_scopes(case.client.vlan)
            if (handed := site.scopes.handed(scope, case.client)).next_server
        }
        if any(owner in case.intended.servers for case in cases for owner in owners):
            return keep_off(site, *next(iter(strangers.items())))
    edits: list[Edit] = [remove(*finding.path)]
    concerned = [case for case in site.cases if _is_told(site, case, finding.path)]
    for case in concerned:
        for scope in site.heard_scopes(case.client.vlan):
            said = site.scopes.handed(scope, case.client).next_server
            if said and case.intended.boots and "next_server" in said[1]:
                # A boot loader may follow the lease to its files.
                edits.append(put(*said[1], value=case.intended.servers[0]))
    unique = {edit.path: edit for edit in edits}
    repair = Repair(edits=tuple(unique.values()), text="take the boot file out of the scope")
    return _and_nobody_else(site, concerned, repair)


def _is_of_own_file(site: AnalysedSite, scope: str) -> bool:
    """Whether a scope stands in its server's own files."""
    return bool(site.site.servers[site.site.scopes[scope].servers[0]].config)


def _one_of_the_two_beside(site: AnalysedSite, finding: Finding, cases: Sequence[Case]) -> Repair | None:
    """The boot file stands in a file of the server's own: rules of drop-ins tell both what is theirs."""
    edits = [edit for name in _strangers(cases) for edit in leave_out(site, name)]
    edits += hand_over(site, str(finding.path[1]), cases)
    unique = {(edit.path, repr(edit.value)): edit for edit in edits}
    text = "let each answer with what its own clients boot, by rules of drop-ins"
    return Repair(edits=tuple(unique.values()), text=text) if unique else None


def _is_told(site: AnalysedSite, case: Case, path: Path) -> bool:
    """Whether a scope gives the class the boot file that stands there."""
    scopes = site.heard_scopes(case.client.vlan)
    files = (site.scopes.handed(scope, case.client).file for scope in scopes)
    return any(file is not None and file[1] == path for file in files)


@repairs("CX406")
def _next_server(site: AnalysedSite, finding: Finding) -> Repair | None:
    holder = site.site.scopes[str(finding.path[1])]
    options = holder.rules[int(finding.path[3])].options if finding.path[2] == "rules" else holder.options
    value = options.get(int(Option.TFTP_SERVER_NAME))
    at = finding.path[:-2]
    return Repair(edits=(put(*at, "next_server", value=str(value)),)) if value is not None else None


@repairs("CX407")
def _who_has_the_file(site: AnalysedSite, finding: Finding) -> Repair | None:
    cases = cases_of(site, finding)
    if any(case.responders for case in cases):
        return Repair(edits=(remove(*finding.path),), text="take the boot file out: a boot service names it")
    names = [name for case in cases for name in case.intended.servers if _has_files(site, name)]
    at = finding.path[: 4 if "rules" in finding.path else 2]
    return Repair(edits=(put(*at, "next_server", value=names[0]),)) if names else None


def _has_files(site: AnalysedSite, name: str) -> bool:
    return bool({"tftp", "http"} & site.site.servers[name].effective_roles)


@repairs("CX408")
def _say_it_once(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(edits=(remove(*finding.path),), text="leave the option out, or write the same in both")


@repairs("CX409")
def _answer_4011(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return (
        None
        if found and found[1].fixed
        else Repair(edits=(remove(*finding.path),), text="let it answer port 4011")
    )


@repairs("CX410", "CX421", "CX427")
def _serve_files(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "scopes":
        intended = [name for case in cases_of(site, finding) for name in case.intended.servers]
        able = [name for name in intended if _has_files(site, name)]
        at = finding.path if finding.path[-1] == "next_server" else (*finding.path[:2], "next_server")
        if able:
            return Repair(edits=(put(*at, value=able[0]),), text="name the server that has the file")
        return _add_tftp(site, intended[0]) if intended else None
    found = server_of(site, finding)
    if found is None or found[1].boot_server:
        return None
    return _add_tftp(site, found[0])


@repairs("CX435")
def _smaller_blocks(site: AnalysedSite, finding: Finding) -> Repair | None:
    """What Secure Boot refuses needs another program: only blocks can be made smaller here."""
    found = server_of(site, finding)
    cases = cases_of(site, finding)
    halts = [halt for case in cases for _, halt in site.races.halts(case.client)]
    if found is None or found[1].fixed or not halts or any(h.kind is not Halted.BLOCKS for h in halts):
        return None
    passing = [mtu for case in cases if (mtu := site.site.vlans[case.client.vlan].mtu) is not None]
    value = min(passing) - AROUND_A_BLOCK
    return Repair(edits=(put("servers", found[0], "largest_blksize", value=value),), text=halts[0].remedy)


def _add_tftp(site: AnalysedSite, name: str) -> Repair | None:
    server = site.site.servers[name]
    if server.fixed or _has_files(site, name):
        return None
    roles = sorted({*server.effective_roles, "tftp"})
    return Repair(
        edits=(put("servers", name, "roles", value=roles),), text="let it serve files: add the role tftp"
    )


@repairs("CX411")
def _this_file(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return None if found and found[1].fixed else Repair(edits=(put(*finding.path, value=8),))


@repairs("CX412")
def _url(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or found[1].fixed or finding.path[2:3] != ("programs",):
        return None
    name, server = found
    program = server.programs.get(str(finding.path[3]))
    if program is None or not server.product.answers_http:
        return None
    address = next(iter(server.stands_on.values()))
    edits = [put(*finding.path, value=f"http://{address}/{program.file.lstrip('/')}")]
    if "http" not in server.effective_roles:
        edits.append(put("servers", name, "roles", value=sorted({*server.effective_roles, "http"})))
    return Repair(edits=tuple(edits), text="give it by HTTP, as a URL")


@repairs("CX413")
def _by_tftp(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or found[1].fixed or finding.path[2:3] != ("programs",):
        return None
    program = found[1].programs.get(str(finding.path[3]))
    file = urlsplit(program.file).path.lstrip("/") if program else ""
    return (
        Repair(
            edits=(put(*finding.path, value=file),),
            text="give it by TFTP; URLs are for iPXE and UEFI HTTP boot",
        )
        if file
        else None
    )


@repairs("CX416")
def _same_server(site: AnalysedSite, finding: Finding) -> Repair | None:
    edits: dict[Any, Edit] = {}
    for case in cases_of(site, finding):
        for scope in site.heard_scopes(case.client.vlan):
            handed = site.scopes.handed(scope, case.client)
            if handed.file:
                edits[handed.file[1]] = remove(*handed.file[1])
            if handed.next_server and len(handed.next_server[1]) > 2:
                path = handed.next_server[1]
                edits[path] = put(*path, value=case.intended.servers[0])
    return Repair(
        edits=tuple(edits.values()),
        text="take the boot file out of the scope, and let it name the same server",
    )


@repairs("CX417")
def _hand_it_out(site: AnalysedSite, finding: Finding) -> Repair | None:
    scope = str(finding.path[1])
    missing: dict[tuple[int, int], None] = {
        (number, code): None
        for case in cases_of(site, finding)
        for number, code, name in site.withheld(case)
        if name == scope
    }
    edits = []
    for number, code in missing:
        rule, value = site.site.intent[number], site.site.intent[number].options[code]
        options = {code: list(value) if isinstance(value, tuple) else value}
        edits.append(
            append("scopes", scope, "rules", value={"clients": list(rule.clients), "options": options})
        )
    return Repair(edits=tuple(edits)) if edits else None


@repairs("CX426")
def _tell_the_loader(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "scopes":
        return None
    intended = [
        name for case in cases_of(site, finding) for name in case.intended.servers if _has_files(site, name)
    ]
    return Repair(edits=(put(*finding.path[:2], "next_server", value=intended[0]),)) if intended else None


@repairs("CX434")
def _later_version(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    fault = found[1].product.fault_of(found[1].software.version) if found and not found[1].fixed else None
    if found is None or fault is None:
        return None
    software = f"{found[1].software.product} {fault.fixed_in}"
    return Repair(edits=(put(*finding.path, value=software),), text=f"run {software} there, and say so")


# -- CX5xx -------------------------------------------------------------------------------------------


@repairs("CX501", "CX502", "CX503", "CX504")
def _another_delay(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[-1] == "min_secs":
        return Repair(
            edits=(remove(*finding.path),), text="leave it out, and order the services by whitelists"
        )
    return _delayed(site, finding)


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
        Repair(edits=(put(*finding.path, value=answers),), text="say it in the terms its product has")
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


@repairs("CX515")
def _its_own_program(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or not found[1].product.own_programs or len(finding.path) < 4:
        return None
    own = found[1].product.default_programs.get(str(finding.path[3]))
    if own is None or not found[1].product.fills_in:
        return Repair(edits=(remove(*finding.path),), text="leave it out: the product chooses by itself")
    return Repair(edits=(put(*finding.path, value=own),), text="say what it names")


@repairs("CX520")
def _version(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return Repair(edits=(put(*finding.path, value=found[1].product.software),)) if found else None
