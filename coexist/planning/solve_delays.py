"""Delays along the order of the servers: the smallest ones with which every race ends as intended."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from coexist.analysis.site import AnalysedSite, Case
from coexist.planning.delays import candidates
from coexist.planning.draft import Draft
from coexist.planning.solve_ends import Flaw, flaw, flaws, spares, weight
from coexist.planning.solve_report import Impossible


def set_delays(draft: Draft, impossible: list[Impossible]) -> None:
    """The smallest delays along the order of the servers."""
    site = draft.site
    cases = [case for case in site.cases if case.intended.boots and not site.is_phone(case.client)]
    failing = [case for case in cases if flaw(site, case)]
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
        if not server.is_foreign:
            _delay(draft, name, mine, later)


def _delay(draft: Draft, name: str, cases: list[Case], later: frozenset[str]) -> None:
    """The smallest delay of a server with which all of its classes end well, or as many as can.

    No class may end worse than without it.
    """
    now = flaws(draft.site, cases, later)
    server = draft.site.site.servers[name]
    best, left = server.delay, now
    for delay in candidates(draft.site, name, server.possible_delays) if any(now) else ():
        if delay != server.delay:
            found = flaws(draft.trial(name, delay=delay), cases, later)
            if spares(found, now) and weight(found) < weight(left):
                best, left = delay, found
        if not any(left):
            break
    if best != server.delay:
        what = "no delay" if best.kind == "none" else f"the smallest delay ({best})"
        draft.delay(name, best, f"{what} with which {_ENDS[max(left)]}")


_ENDS = {
    Flaw.NONE: "every declared firmware boots from its server",
    Flaw.SLOW: "every declared firmware boots from its server, some only at a later attempt",
    Flaw.SECOND_STAGE: "every declared firmware boots from its server, but not every iPXE that is loaded",
    Flaw.FIRST_STAGE: "some clients still boot from another server, or from none",
}


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
                because="each must stand in for the other, and a server has one delay",
                alternatives=(
                    "`delay_for:` a group, on a server that can",
                    "a whitelist without fallback for one of the groups",
                ),
            )
        )
        return None
