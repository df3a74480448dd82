"""Two DHCP servers that share a scope: without failover, with different boot information, or with one down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from coexist.analysis.findings import ERROR, WARNING, Finding
from coexist.analysis.leases import Handed
from coexist.analysis.pairs import Pair, alone, pairs_of, side_of
from coexist.analysis.races import Races
from coexist.analysis.rules import RULES, Explained, judge, kind, report, rule
from coexist.analysis.site import AnalysedSite, Case, identity
from coexist.analysis.space import ClientClass
from coexist.wire.mac import format_mac

kind(
    "CX323",
    "boots-with-both-only",
    ERROR,
    "Clients do not boot as intended while one server of a pair is down",
)

kind("CX324", "twins-boot-differently", ERROR, "Two boot servers of a pair boot a client differently")


@rule("CX222", "shared-without-failover", ERROR, "Two servers lease the same addresses without failover")
def shared_without_failover(site: AnalysedSite) -> Iterable[Finding]:
    """Scopes of two servers that do not tell each other what they lease."""
    for name, scope in site.site.scopes.items():
        if len(scope.servers) > 1 and scope.failover is None and scope.pools:
            servers = " and ".join(scope.servers)
            yield report(site, "CX222", ("scopes", name), f"{servers} lease the same pools of {name}, and neither knows what the other leased",
                         "declare `failover` for the scope, or split the pools into a scope for each server", count=0)  # fmt: skip


def pair_disagrees(site: AnalysedSite, name: str, client: ClientClass) -> bool:
    """Whether two servers that share a scope give a class different boot information."""
    scope = site.site.scopes[name]
    if scope.failover is None:
        return False
    return len({told(site.scopes.handed_by(name, server, client)) for server in scope.servers}) > 1


def told_differently(site: AnalysedSite, name: str, clients: Sequence[ClientClass]) -> str:
    """What the two servers of a scope give to a client on each side."""
    client = clients[0]
    parts = []
    for server in site.site.scopes[name].servers:
        text = _words(site.scopes.handed_by(name, server, client))
        shares = site.scopes.shares(name, server)
        mac = side_of(shares[0], client.macs, mine=True) if shares else None
        parts.append(f"{server} gives {text}" + ("" if mac is None else f" (to {format_mac(mac)} for one)"))
    return f"the two servers of {name} hand out different boot information: " + ", ".join(parts)


def told(handed: Handed) -> tuple[object, ...]:
    """What decides where a client boots from. A server that some products name by themselves counts only
    with a file."""
    server = handed.next_server if handed.says_server or handed.file else None
    return (
        handed.ignored,
        server and server[0],
        handed.file and handed.file[0],
        handed.vendor_class and handed.vendor_class[0],
    )


def _words(handed: Handed) -> str:
    if handed.ignored:
        return "no lease"
    file = handed.file[0] if handed.file else "no file"
    return f"{file} of {handed.next_server[0]}" if handed.next_server else file


@judge
def with_one_down(site: AnalysedSite, explained: Explained) -> Iterator[Finding]:
    """Pairs of which one server alone does not boot the clients as both together do."""
    for pair in pairs_of(site.site):
        vlans = {site.site.scopes[name].vlan for name in pair.scopes}
        cases = [
            case
            for case in site.cases
            if case.client.vlan in vlans
            and case.intended.boots
            and not site.is_phone(case.client)
            and not _is_explained(explained, case.client)
            and _boots(site, site.races, case)
        ]
        for down in pair.both:
            races = Races(site, world=alone(site.races.world, pair.other(down)))
            lost = [case.client for case in cases if not _boots(site, races, case, frozenset({down}))]
            if lost:
                yield _lost(site, pair, down, lost, races)


def _lost(site: AnalysedSite, pair: Pair, down: str, clients: list[ClientClass], races: Races) -> Finding:
    without, stays = frozenset({down}), pair.other(down)
    ends = dict.fromkeys(finish.winner or "nobody" for finish in races.of(clients[0], without))
    takes_over = all(share.takes_over for name in pair.scopes for share in site.scopes.shares(name, stays))
    if takes_over:
        repair = f"let {stays} hear these clients too (`relay_to`), and give it what {down} has"
    else:
        repair = f"let {stays} take over (`mode: hot-standby`), or make it answer by hand when {down} fails"
    return report(
        site,
        "CX323",
        ("scopes", pair.scopes[0]),
        f"while {down} is down, {stays} alone does not boot these clients as intended: they boot from "
        f"{' or '.join(ends)}",
        repair,
        clients=clients,
        timeline=races.timeline(clients[0], without),
        severity=None if takes_over else WARNING,
    )


def _is_explained(explained: Explained, client: ClientClass) -> bool:
    return any(RULES[code].explains for code in explained.get(identity(client), ()))


def _boots(site: AnalysedSite, races: Races, case: Case, silent: frozenset[str] = frozenset()) -> bool:
    """Whether a class boots as intended in every outcome of some races."""
    server = str(case.intended.server)
    return all(site.is_by(server, f) or site.is_unknown(f.winner) for f in races.of(case.client, silent))


# -- twins: two boot servers of coexist ------------------------------------------------------------


@judge
def twins(site: AnalysedSite, explained: Explained) -> Iterator[Finding]:
    """Twins that boot a client differently, or of which one alone does not boot it."""
    different: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    lost: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for case in site.cases if site.twins else ():
        server = str(case.intended.server)
        twin = site.twins.get(server)
        if twin is None or _is_explained(explained, case.client) or not site.as_intended(case):
            continue
        if not site.falls_to(case.client, server, frozenset({twin})):
            lost[server, twin].append(case.client)
        elif _boots_of(site, case.client, server) != _boots_of(site, case.client, twin):
            different[server, twin].append(case.client)
    for (server, twin), clients in different.items():
        yield _different(site, server, twin, clients)
    for (server, twin), clients in lost.items():
        yield report(site, "CX323", _pair_path(site, server), f"while {twin} is down, {server} alone does not boot these clients as intended",
                     f"let {server} hear and answer these clients as {twin} does", clients=clients, timeline=site.timeline(clients[0], frozenset({twin})))  # fmt: skip


def _different(site: AnalysedSite, server: str, twin: str, clients: list[ClientClass]) -> Finding:
    one, other = (" or ".join(_files(site, clients[0], s)) for s in (server, twin))
    return report(site, "CX324", _pair_path(site, server), f"{server} and {twin} are twins and boot these clients differently: {one} from {server}, {other} from {twin}",
                  "give both the same programs, options and delays", clients=clients)  # fmt: skip


def _boots_of(site: AnalysedSite, client: ClientClass, server: str) -> frozenset[tuple[object, ...]]:
    """How a class boots when the twin of a server is down: each file, and who has it."""
    silent = frozenset({site.twins[server]})
    ends = (*site.races.of(client, silent), *site.races.second(client, silent))
    return frozenset((f.file, None if f.winner == server else f.winner) for f in ends)


def _files(site: AnalysedSite, client: ClientClass, server: str) -> list[str]:
    finishes = site.races.of(client, frozenset({site.twins[server]}))
    return sorted({finish.file or "nothing" for finish in finishes})


def _pair_path(site: AnalysedSite, server: str) -> tuple[str, ...]:
    """Where the pair of a server is declared."""
    declared = server if site.site.servers[server].pair is not None else site.twins[server]
    return "servers", declared, "pair"
