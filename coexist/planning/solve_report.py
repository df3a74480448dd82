"""What a solution shows: the proof for each kind of client, and why the rest is impossible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from coexist.analysis.ending import Outcome
from coexist.analysis.rules.ordering import delay_of
from coexist.analysis.site import AnalysedSite, Case, Standing, touched
from coexist.analysis.space import ClientClass
from coexist.planning.solve_ends import arrives, holds, turns

# Of the groups that boot alike, so many are named.
_MOST_GROUPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """What no change of the inventory achieves, why, and what else would."""

    what: str
    because: str
    alternatives: tuple[str, ...]


def unsolved(site: AnalysedSite) -> list[Impossible]:
    """Classes that still do not boot as intended, by the servers concerned."""
    found: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in site.cases:
        if case.intended.rule is None or site.is_phone(case.client) or holds(site, case):
            continue
        found[str(case.intended.server), _because(site, case)].append(case)
    result = []
    for (server, because), cases in found.items():
        clients = [case.client for case in cases]
        count = f"{touched(clients):,} clients on VLAN {', '.join(dict.fromkeys(c.vlan for c in clients))}"
        who = f"boot nothing, {count}" if server == "nobody" else f"boot {count} from {server}"
        result.append(Impossible(what=who, because=because, alternatives=_alternatives(site, cases[0])))
    return result


def _because(site: AnalysedSite, case: Case) -> str:
    name = case.intended.server
    if arrives(site, case):
        return _second_stage(site, case)
    standing = case.standing.get(str(name))
    if name in site.boot_services and standing is not Standing.ANSWERS:
        return f"{name} {standing.value if standing else Standing.DEAF.value}"
    fixed = [n for n in case.responders if n not in case.intended.servers and site.site.servers[n].is_foreign]
    if fixed:
        told = "; ".join(f"{n} answers {delay_of(site, n, case.client)[0]} and is fixed" for n in fixed)
        return f"{told}; no delay of {name} comes before it for {case.client.firmware}"
    if name not in site.boot_services and case.intended.boots:
        return f"{name} answers no broadcast, and no scope sends these clients to it"
    return _against(site, case)


def _against(site: AnalysedSite, case: Case) -> str:
    """How the first race that ends otherwise than intended does so: the class's own, or a fallback's."""
    order: tuple[str | None, ...] = case.intended.servers or (None,)
    for number, name in enumerate(order):
        silent = frozenset(str(before) for before in order[:number])
        for outcome in site.races.result(case.client, silent).outcomes:
            if name in (outcome.winner, outcome.decided_by) and (name or not outcome.winner):
                continue
            without = f"while {' and '.join(sorted(silent))} is silent, " if silent else ""
            return f"{without}{case.client.firmware} boots from {_booted_by(site, outcome)}: {outcome.why}"
    return "no means is left"


def _second_stage(site: AnalysedSite, case: Case) -> str:
    """How the first second stage that leaves its server does so."""
    name, silent = _astray(site, case)
    stage = site.races.stages(case.client, silent).next
    assert stage is not None
    without = f"while {' and '.join(sorted(silent))} is silent, " if silent else ""
    loads = f"{without}{case.client.firmware} loads iPXE from {name}, which asks again and then"
    for outcome in stage.result.outcomes:
        if name not in (outcome.winner, outcome.decided_by):
            return f"{loads} boots from {_booted_by(site, outcome)}: {outcome.why}"
    return f"{loads} is given iPXE again by {name}, without end: no script is declared for it"


def _astray(site: AnalysedSite, case: Case) -> tuple[str, frozenset[str]]:
    """The first server whose iPXE does not come back to it, and those that are silent then."""
    return next(turn for turn in turns(case) if not site.stays_with(case.client, *turn))


def _booted_by(site: AnalysedSite, outcome: Outcome) -> str:
    decided = outcome.decided_by if outcome.decided_by in site.boot_services else None
    return decided or outcome.winner or outcome.boot_server or "nobody"


def _alternatives(site: AnalysedSite, case: Case) -> tuple[str, ...]:
    groups = _groups(site, case)
    who = groups[0] if groups else "these clients"
    name = case.intended.server
    if case.intended.boots and arrives(site, case):
        return _alternatives_for_second(site, case, who)
    if case.intended.boots and site.as_intended(case):
        late = next(n for n, silent in turns(case) if not site.falls_to(case.client, n, silent))
        return (
            f"take {late} out of `fallback`",
            f"a boot service on {late} that answers these clients later than {name}",
        )
    if not case.intended.boots:
        return (
            f"take {who} off every server's list (`except`)",
            f"a VLAN of its own for {who}, with no boot service on it or behind its relay",
        )
    found = [f"disjoint whitelists: take {who} off every other server's list"]
    found.append(f"a VLAN of its own for {who}, relayed to {name} and the DHCP server only")
    if case.client.architecture == "bios" or site.kind(case.client) == "ipxe":
        found.append(
            f"`next_server: {name}` and `filename` (66/67) for {who} in the scope, which iPXE prefers"
        )
    return tuple(found)


def _alternatives_for_second(site: AnalysedSite, case: Case, who: str) -> tuple[str, ...]:
    name, silent = _astray(site, case)
    others = sorted(w for w in site.second_winners(case.client, silent) if w not in (None, name))
    if not others:
        return (
            f"`ipxe: <script or URL>` among the programs of {name}: which script, only you can say",
            f"a rule of the scope: `user_class: iPXE`, `next_server: {name}`, the script as `filename`",
            f"a program other than iPXE for {who}",
        )
    return (
        f"keep {' and '.join(map(str, others))} from answering {who}, in both stages",
        f"a rule of the scope with `user_class: iPXE` that names {name} and its script, which iPXE prefers",
        f"a program other than iPXE for {who}",
    )


def proof(site: AnalysedSite) -> Iterator[str]:
    """Each kind of client with the server it now boots from, alone and when others are silent."""
    told: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for case in site.cases:
        if not case.intended.boots or site.is_phone(case.client) or not holds(site, case):
            continue
        client = case.client
        line = "; ".join(_ends(site, client, *turn) for turn in turns(case))
        who = f"VLAN {client.vlan}, {client.architecture} {client.firmware}"
        told[who, line].update(dict.fromkeys(_groups(site, case) or ["no group"]))
    for (who, line), groups in told.items():
        shown = list(groups)[:_MOST_GROUPS]
        more = f" and {len(groups) - len(shown)} more" if len(groups) > len(shown) else ""
        yield f"{who} ({', '.join(shown)}{more}): {line}"


def _ends(site: AnalysedSite, client: ClientClass, name: str, silent: frozenset[str]) -> str:
    """From whom and when a class boots while some servers are silent, and the iPXE that it may load."""
    order = [n for n in site.intent_of(client).servers if n in silent]
    without = f"{' and '.join(order)} silent: " if order else ""
    hosts = sorted(str(w) for w in site.winners(client, silent) if site.is_unknown(w))
    whom = f"{' or '.join(hosts)}, which is no server of the inventory," if hosts else name
    line = f"{without}{whom} after {site.seconds(client, silent) or 0:.1f} s"
    again = [f.seconds for f in site.races.second(client, silent) if f.seconds is not None]
    return f"{line}, and its iPXE again after {max(again):.1f} s" if again else line


def _groups(site: AnalysedSite, case: Case) -> list[str]:
    return [n for n, bit in site.space.bits.items() if n != "known" and case.client.macs.signature & bit]
