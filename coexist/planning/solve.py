"""From intent to mechanism: the smallest change that makes every client boot as intended.

In the order of the means' reliability: first whoever shall answer must hear the clients; then scopes
must not say otherwise; then whitelists make each server answer its own clients only, which holds for
every firmware; and delays last, for fallbacks that answer the same clients as the server they stand in
for. Delays are solved along the order of the servers (a directed graph, each before its fallbacks): for
each server the smallest one, in its product's own kind, with which every race ends as intended. What
is fixed is planned around.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from coexist.analysis import Analysis, analyse
from coexist.analysis.rules.addressing import points_to
from coexist.analysis.rules.ordering import SUPPORTED, delay_of
from coexist.analysis.scopes import Handed
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.values import option_bytes
from coexist.planning.delays import candidates
from coexist.planning.draft import Draft, Edit
from coexist.planning.solve_report import Impossible, holds, proof, unsolved
from coexist.wire.options import Option

_PATIENCE = 10.0
# Each round but the last changes something; sites were seen to need two.
_MOST_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class Solution:
    """``after`` is the analysis with all edits applied; ``impossible`` what it cannot reach."""

    before: Analysis
    after: Analysis
    edits: tuple[Edit, ...]
    impossible: tuple[Impossible, ...]
    proof: tuple[str, ...]


def solve(inventory: Inventory) -> Solution:
    """Derive relays, scope entries, whitelists and delays from the intent."""
    before = analyse(inventory)
    draft = Draft(inventory)
    impossible: list[Impossible] = []
    # A change can bring to light what another one hid: a server that was too late to do harm, say.
    for _ in range(_MOST_ROUNDS):
        known = len(draft.edits)
        impossible = _round(draft)
        if len(draft.edits) == known:
            break
    draft.tidy()
    after = analyse(draft.inventory)
    impossible += unsolved(after.site)
    return Solution(
        before=before,
        after=after,
        edits=tuple(draft.edits),
        impossible=tuple(impossible),
        proof=tuple(proof(after.site)),
    )


def _round(draft: Draft) -> list[Impossible]:
    """Every means once; what it cannot reach."""
    impossible: list[Impossible] = []
    _reach(draft)
    _scope_entries(draft, impossible)
    _lease_options(draft)
    _unrelay(draft)
    _whitelists(draft)
    _delays(draft, impossible)
    return impossible


# -- who hears whom -------------------------------------------------------------------------------


def _reach(draft: Draft) -> None:
    """Relay targets and snooping trust for whoever shall answer or lease; no server hears twice."""
    site = draft.site
    for deaf, vlan, name in dict.fromkeys((*_boot_paths(site), *_lease_paths(site))):
        if deaf:
            draft.relay_to(vlan, name, f"{name} shall answer on VLAN {vlan} and hears nothing from there")
        else:
            draft.trust(vlan, name, f"DHCP snooping drops the offers of {name}")
    for vlan, hearing in site.topology.hearing.items():
        for target in site.site.vlans[vlan].relay_to:
            how = hearing.get(site.topology.owner(target) or "")
            if how is not None and how.local:
                draft.relay_no_more(vlan, target, f"{how.server} stands on VLAN {vlan} and hears it already")


def _boot_paths(site: AnalysedSite) -> Iterator[tuple[bool, str, str]]:
    """Boot services that do not hear clients they shall boot (True), or are not heard by them (False)."""
    for case in site.cases:
        vlan = case.client.vlan
        for name in case.intended.servers:
            if name not in site.boot_services or points_to(site, case, name):
                continue
            if name not in site.topology.hearing[vlan]:
                yield True, vlan, name
            elif case.standing[name] is Standing.SNOOPED:
                yield False, vlan, name


def _lease_paths(site: AnalysedSite) -> Iterator[tuple[bool, str, str]]:
    """The same for DHCP servers and their scopes."""
    for scope in site.site.scopes.values():
        hearing = site.topology.hearing[scope.vlan]
        for name in scope.servers:
            if name not in hearing:
                yield True, scope.vlan, name
            elif not hearing[name].heard:
                yield False, scope.vlan, name


def _unrelay(draft: Draft) -> None:
    """Boot services leave the relay of a VLAN where no client is theirs and they do harm."""
    site = draft.site
    harm: dict[tuple[str, str], None] = {}
    needed: set[tuple[str, str]] = set()
    for case in site.cases:
        vlan = case.client.vlan
        needed.update((vlan, name) for name in case.intended.servers)
        intruders = [n for n in case.responders if n not in case.intended.servers]
        if intruders and case.intended.server is not None and not holds(site, case):
            harm.update(dict.fromkeys((vlan, name) for name in intruders))
    for vlan, name in harm:
        how = site.topology.hearing[vlan][name]
        leases = "dhcp" in site.site.servers[name].effective_roles
        if (vlan, name) in needed or how.local or leases:
            continue
        for target in site.site.vlans[vlan].relay_to:
            if site.topology.owner(target) == name:
                draft.relay_no_more(
                    vlan, target, f"no client on VLAN {vlan} is {name}'s, and it boots some there"
                )


# -- scopes ---------------------------------------------------------------------------------------


def _boot_lines(handed: Handed) -> Iterator[Path]:
    """The places of everything a scope says about booting."""
    for value in (handed.next_server, handed.filename, handed.program):
        if value:
            yield value[1]
    for code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME):
        if code in handed.options:
            yield handed.options[code][1]


def _scope_entries(draft: Draft, impossible: list[Impossible]) -> None:
    """Remove boot files and option 60 that send clients elsewhere and that no client needs."""
    # A value that goes lets the next rule's, or the scope's own, come to light.
    kept: list[Impossible] = []
    edits = -1
    while edits != len(draft.edits):
        edits = len(draft.edits)
        kept = list(_forget_lines(draft))
    impossible += kept


def _forget_lines(draft: Draft) -> Iterator[Impossible]:
    """One round of it; yields what must stay, and why."""
    site = draft.site
    needed: set[Path] = set()
    harmful: dict[Path, str] = {}
    for case in site.cases:
        if case.intended.rule is not None:
            for name in site.heard_scopes(case.client.vlan):
                _weigh(site, case, site.scopes.handed(name, case.client), needed, harmful)
    for path, name in sorted(harmful.items(), key=str):
        if path[0] != "scopes":
            continue
        if path in needed:
            yield _shared_line(site, path)
        elif any(site.site.servers[s].fixed for s in site.site.scopes[name].servers):
            yield _fixed_scope(name, path)
        else:
            draft.forget(path, "it sends clients elsewhere than intended, and no client needs it")


def _weigh(
    site: AnalysedSite, case: Case, handed: Handed, needed: set[Path], harmful: dict[Path, str]
) -> None:
    """Sort what a scope tells a class into what it needs and what sends it elsewhere."""
    assert case.intended.rule is not None
    for code in site.site.intent[case.intended.rule].options:
        if code in handed.options:
            needed.add(handed.options[code][1])
    if site.is_phone(case.client) or case.intended.server is None:
        return
    lines = list(_boot_lines(handed)) if handed.file else []
    owner = handed.next_server and site.topology.owner(handed.next_server[0])
    # A server that answers the broadcast itself is found without the scope.
    alone = case.standing.get(str(owner)) is Standing.ANSWERS and site.kind(case.client) != "first-offer"
    if owner in case.intended.servers and (
        not alone or (owner in case.intended.fallback and holds(site, case))
    ):
        needed.update(lines)
    elif owner != case.intended.server:
        harmful.update(dict.fromkeys(lines, handed.scope))
    _option_60(site, case, handed, needed, harmful)


def _option_60(
    site: AnalysedSite, case: Case, handed: Handed, needed: set[Path], harmful: dict[Path, str]
) -> None:
    said = handed.vendor_class
    if said is None or not said[0].startswith("PXEClient"):
        return
    target = site.topology.owner(handed.next_server[0]) if handed.next_server else None
    hosts = {target} if target else set(site.site.scopes[handed.scope].servers)
    here = {a for name in hosts if name for a in site.site.servers[name].stands_on.values()}
    serving = {
        name
        for name in case.intended.servers
        if name in site.boot_services and not here.isdisjoint(site.site.servers[name].stands_on.values())
    }
    if serving:
        needed.add(said[1])
    elif case.intended.server is not None:
        harmful[said[1]] = handed.scope


def _shared_line(site: AnalysedSite, path: Path) -> Impossible:
    where = site.inventory.where(*path)
    return Impossible(
        what=f"the scope entry at {where}",
        because="some clients need it, and it sends others elsewhere than intended",
        alternatives=("move it into a rule of the scope with `clients:` that names only those who need it",),
    )


def _fixed_scope(name: str, path: Path) -> Impossible:
    return Impossible(
        what=f"the scope {name} keeps {path[-1]}",
        because="its DHCP server is fixed",
        alternatives=("ask its owner to remove the entry", "a VLAN of its own for these clients"),
    )


def _lease_options(draft: Draft) -> None:
    """Options that an intent promises and no scope gives."""
    site = draft.site
    missing: dict[tuple[str, int], None] = {}
    for case in site.cases:
        number = case.intended.rule
        if number is None:
            continue
        for code, wanted in site.site.intent[number].options.items():
            for name in site.heard_scopes(case.client.vlan):
                given = site.scopes.handed(name, case.client).options.get(code)
                if given is None or option_bytes(code, given[0]) != option_bytes(code, wanted):
                    missing[name, number] = None
    for name, number in missing:
        intent = site.site.intent[number]
        if any(site.site.servers[s].fixed for s in site.site.scopes[name].servers):
            continue
        clients = intent.clients[0] if len(intent.clients) == 1 else list(intent.clients)
        options = {code: list(v) if isinstance(v, tuple) else v for code, v in intent.options.items()}
        draft.rule(
            name, {"clients": clients, "options": options}, f"intent {number + 1} promises these options"
        )


# -- whitelists -----------------------------------------------------------------------------------


def _whitelists(draft: Draft) -> None:
    """Each of our servers answers exactly its clients, where it answers others now or misses some."""
    site = draft.site
    for name, server in site.boot_services.items():
        if server.fixed or server.answers.who == "intended":
            continue
        missed = intruding = False
        for case in site.cases:
            standing = case.standing.get(name)
            if case.intended.rule is None or case.intended.server is None:
                continue
            if name in case.intended.servers:
                missed |= standing is Standing.REFUSES
            elif standing is Standing.ANSWERS and not intruding:
                intruding = not holds(site, case)
        if missed or intruding:
            why = "it misses clients it shall boot" if missed else "it answers clients of others"
            draft.answer_intended(name, f"{name} answers exactly the clients the intent gives it: {why} now")


# -- delays ---------------------------------------------------------------------------------------


def _quick(site: AnalysedSite, case: Case, without: frozenset[str] = frozenset()) -> bool:
    """Whether no delay makes the class wait for a later attempt, with its server or with a fallback."""
    order = [name for name in case.intended.servers if name not in without]
    for number, name in enumerate(order):
        delayed = name in site.boot_services and delay_of(site, name, case.client)[0].kind != "none"
        seconds = site.seconds(case.client, without | frozenset(order[:number]))
        if delayed and seconds is not None and seconds >= _PATIENCE:
            return False
    return True


def _delays(draft: Draft, impossible: list[Impossible]) -> None:
    """The smallest delays along the order of the servers."""
    site = draft.site
    cases = [case for case in site.cases if case.intended.boots and not site.is_phone(case.client)]
    failing = [case for case in cases if not (holds(site, case) and _quick(site, case))]
    if not failing:
        return
    order = _server_order(site, cases, impossible)
    if order is None:
        return
    concerned = {name for case in failing for name in case.intended.servers}
    for number, name in enumerate(order):
        server = site.site.servers[name]
        if name not in concerned or name not in site.boot_services:
            continue
        later = frozenset(order[number + 1 :]) & frozenset(site.boot_services)
        mine = [c for c in cases if name in c.intended.servers]
        if not server.fixed:
            _delay(draft, name, mine, later)


def _delay(draft: Draft, name: str, cases: list[Case], later: frozenset[str]) -> None:
    """The smallest delay of a server with which all of its classes end well, or as many as can.

    No class that ends well without it may suffer.
    """
    now = _failing(draft.site, cases, later)
    server = draft.site.site.servers[name]
    best, left = server.delay, now
    for delay in candidates(draft.site, name, SUPPORTED[server.software.product]) if now else ():
        if delay != server.delay:
            failing = _failing(draft.trial(name, delay), cases, later)
            if failing < now and len(failing) < len(left):
                best, left = delay, failing
        if not left:
            break
    if best != server.delay:
        what = "no delay" if best.kind == "none" else f"the smallest delay ({best})"
        every = "some clients still do not go" if left else "every declared firmware goes"
        draft.delay(name, best, f"{what} with which {every} where it shall")


def _failing(site: AnalysedSite, cases: list[Case], without: frozenset[str]) -> frozenset[int]:
    """The numbers of the cases that do not end well."""
    return frozenset(
        number
        for number, case in enumerate(cases)
        if not (holds(site, case, without) and _quick(site, case, without))
    )


def _server_order(
    site: AnalysedSite, cases: Iterable[Case], impossible: list[Impossible]
) -> list[str] | None:
    """The servers so that each stands before its fallbacks; None where the intent has them in a circle."""
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(site.boot_services)
    for case in cases:
        servers = case.intended.servers
        graph.add_nodes_from(servers)
        graph.add_edges_from(pairwise(servers))
    try:
        return list(networkx.lexicographical_topological_sort(graph))
    except networkx.NetworkXUnfeasible:
        circle = [edge[0] for edge in networkx.find_cycle(graph)]
        impossible.append(
            Impossible(
                what=f"an order of {' and '.join(circle)}",
                because="each shall stand in for the other, and a server has one delay",
                alternatives=(
                    "`delay_for:` a group, on a server that can",
                    "a whitelist without fallback for one of the groups",
                ),
            )
        )
        return None
