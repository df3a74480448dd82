"""What a solution shows: the proof for each kind of client, and why the rest is impossible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from coexist.analysis.ending import Outcome
from coexist.analysis.rules.ordering import delay_of
from coexist.analysis.site import AnalysedSite, Case, Standing, touched
from coexist.analysis.space import ClientClass
from coexist.planning.solve_ends import arrives, holds, turns
from coexist.records import dataclass
from coexist.text.amounts import amount

# Of the groups that boot alike, so many are named.
_MOST_GROUPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """What no change of the inventory achieves, why, and what else would."""

    what: str
    because: str
    alternatives: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    """Why a class does not boot as intended: a fact, true of several firmwares perhaps, and how it comes."""

    fact: str
    how: str = ""

    def told(self, firmwares: str) -> str:
        """The sentence for those it holds for."""
        return self.fact.replace(_FIRMWARES, firmwares) + self.how


_FIRMWARES = "{firmwares}"


def unsolved(site: AnalysedSite) -> list[Impossible]:
    """Classes that still do not boot as intended: one block for each server and fact."""
    found: dict[tuple[str, str], list[tuple[Case, _Reason]]] = defaultdict(list)
    for case in site.cases:
        if case.intended.rule is None or site.is_phone(case.client) or holds(site, case):
            continue
        reason = _because(site, case)
        found[str(case.intended.server), reason.fact].append((case, reason))
    result = []
    for (server, _), concerned in found.items():
        cases = [case for case, _ in concerned]
        clients = [case.client for case in cases]
        because = concerned[0][1].told(", ".join(dict.fromkeys(client.firmware for client in clients)))
        vlans = ", ".join(dict.fromkeys(client.vlan for client in clients))
        count = f"{amount(touched(clients), 'client')} on VLAN {vlans}"
        who = f"boot nothing, {count}" if server == "nobody" else f"boot {count} from {server}"
        result.append(Impossible(what=who, because=because, alternatives=_alternatives(site, cases[0])))
    return result


def _because(site: AnalysedSite, case: Case) -> _Reason:
    name = case.intended.server
    if arrives(site, case):
        return _second_stage(site, case)
    standing = case.standing.get(str(name))
    if name in site.boot_services and standing is not Standing.ANSWERS:
        return _Reason(fact=f"{name} {standing.value if standing else Standing.DEAF.value}")
    fixed = [n for n in case.responders if n not in case.intended.servers and site.site.servers[n].is_foreign]
    if fixed:
        told = "; ".join(f"{n} answers {delay_of(site, n, case.client)[0]} and is fixed" for n in fixed)
        return _Reason(fact=f"{told}; no delay of {name} comes before it for {_FIRMWARES}")
    if name not in site.boot_services and case.intended.boots:
        return _Reason(fact=f"{name} answers no broadcast, and no scope sends these clients to it")
    return _against(site, case)


def _against(site: AnalysedSite, case: Case) -> _Reason:
    """How the first race that ends differently than intended does so: the class's own, or a fallback's."""
    order: tuple[str | None, ...] = case.intended.servers or (None,)
    for number, name in enumerate(order):
        silent = frozenset(str(before) for before in order[:number])
        without = _without(silent)
        for outcome in site.races.result(case.client, silent).outcomes:
            if name in (outcome.winner, outcome.decided_by) and (name or not outcome.winner):
                continue
            fact = f"{without}{_FIRMWARES} machines boot from {_booted_by(site, outcome)}"
            return _Reason(fact=fact, how=f": {outcome.why}")
    return _Reason(fact="no means is left")


def _without(silent: frozenset[str]) -> str:
    """How a sentence about a race begins in which some servers say nothing."""
    names = sorted(silent)
    return f"while {' and '.join(names)} {'is' if len(names) == 1 else 'are'} silent, " if names else ""


def _second_stage(site: AnalysedSite, case: Case) -> _Reason:
    """How the first second stage that leaves its server does so."""
    name, silent = _astray(site, case)
    stage = site.races.stages(case.client, silent).next
    assert stage is not None
    loads = f"{_without(silent)}{_FIRMWARES} machines load iPXE from {name}, ask again and then"
    for outcome in stage.result.outcomes:
        if name not in (outcome.winner, outcome.decided_by):
            return _Reason(fact=f"{loads} boot from {_booted_by(site, outcome)}", how=f": {outcome.why}")
    return _Reason(fact=f"{loads} are given iPXE again by {name}, without end: no script is declared for it")


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
        away = (
            f"take {who} off every server's list (`except`)"
            if case.responders
            else f"take the boot file out of the scope, or keep it from {who} by a rule with `clients:`"
        )
        return away, f"a VLAN of its own for {who}, with no boot service on it or behind its relay"
    found = list(_by_network(site, case))
    if any(other != name for other in case.responders):
        found.append(f"disjoint whitelists: take {who} off every other server's list")
    found.append(f"a VLAN of its own for {who}, relayed to {name} and the DHCP server only")
    if case.client.architecture == "bios" or site.kind(case.client) == "ipxe":
        found.append(
            f"`next_server: {name}` and `filename` (66/67) for {who} in the scope, which iPXE prefers"
        )
    return tuple(found)


def _by_network(site: AnalysedSite, case: Case) -> Iterator[str]:
    """What the switches and routers of its VLAN do to the packets of a class, and could leave."""
    vlan = case.client.vlan
    if any(relay.passes == "first" for _, relay in site.topology.relays(vlan)):
        yield f"let the relay agent of VLAN {vlan} hand back every answer (`passes: all`)"
    if site.site.vlans[vlan].forwarding_delay:
        yield f"switch portfast (edge port) on for the ports of VLAN {vlan}, and take `forwarding_delay` out"


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
    """From whom clients boot now, alone and when others are silent: a line for each VLAN and those servers.

    Which firmware takes how long stands behind it.
    """
    told: dict[tuple[str, str], dict[str, dict[str, None]]] = defaultdict(dict)
    for case in site.cases:
        if not case.intended.boots or site.is_phone(case.client) or not holds(site, case):
            continue
        client = case.client
        ends = [_ends(site, client, *turn) for turn in turns(case)]
        fact = "; ".join(whom for whom, _ in ends)
        times = f"{client.architecture} {client.firmware} after {' and '.join(after for _, after in ends)}"
        for group in _groups(site, case) or ["no group"]:
            told[client.vlan, fact].setdefault(group, {})[times] = None
    for (vlan, fact), by_group in told.items():
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for group, found in by_group.items():
            alike[tuple(found)].append(group)
        for each, groups in alike.items():
            more = f" and {len(groups) - _MOST_GROUPS} more" if len(groups) > _MOST_GROUPS else ""
            yield f"VLAN {vlan} ({', '.join(groups[:_MOST_GROUPS])}{more}): {fact}: {', '.join(each)}"


def _ends(site: AnalysedSite, client: ClientClass, name: str, silent: frozenset[str]) -> tuple[str, str]:
    """From whom a class boots while some servers are silent, and when; and the iPXE that it may load."""
    order = [n for n in site.intent_of(client).servers if n in silent]
    without = f"{' and '.join(order)} silent: " if order else ""
    hosts = sorted(str(w) for w in site.winners(client, silent) if site.is_unknown(w))
    whom = f"{' or '.join(hosts)}, which is no server of the inventory" if hosts else name
    seconds = f"{site.seconds(client, silent) or 0:.1f} s"
    again = [f.seconds for f in site.races.second(client, silent) if f.seconds is not None]
    return f"{without}{whom}", f"{seconds} (its iPXE again after {max(again):.1f} s)" if again else seconds


def _groups(site: AnalysedSite, case: Case) -> list[str]:
    return [n for n, bit in site.space.bits.items() if n != "known" and case.client.macs.signature & bit]
