"""What scopes say about booting, held against the intent: lines that lead clients elsewhere go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coexist.analysis.leases import Handed
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.inventory.documents import Path
from coexist.inventory.models import IntentRule
from coexist.inventory.population import KNOW_NO_PROXYDHCP
from coexist.planning.draft import Draft
from coexist.planning.solve_ends import Flaw, flaws, holds, spares, stays, turns, weight
from coexist.planning.solve_report import Impossible
from coexist.wire.options import Option


def _boot_lines(handed: Handed) -> Iterator[Path]:
    """The places of everything a scope says about booting.

    What its product adds by itself has the place of the scope or of the rule, where no line says it.
    """
    options = (handed.options.get(code) for code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME))
    for value in (handed.next_server, handed.header_file, *options):
        if value and _is_line(value[1]):
            yield value[1]


def _is_line(path: Path) -> bool:
    """Whether a place is that of one value, and not a scope or one of its rules as a whole."""
    return len(path) > (4 if path[2:3] == ("rules",) else 2)


def scope_entries(draft: Draft, impossible: list[Impossible]) -> None:
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
                _weigh_second(
                    site, case, site.scopes.handed(name, case.client, chained=True), needed, harmful
                )
    for path, name in sorted(harmful.items(), key=str):
        if path[0] == "servers" and path[2] == "options":
            yield from _forget_option(draft, path, path in needed)
        if path[0] != "scopes":
            continue
        server = site.site.servers[site.site.scopes[name].servers[0]]
        if server.config and not server.fixed:
            yield _own_line(site, site.site.scopes[name].servers[0], path)
        elif path in needed:
            yield _shared_line(site, path)
        elif any(site.site.servers[s].is_foreign for s in site.site.scopes[name].servers):
            yield _fixed_scope(name, path)
        else:
            draft.forget(path, "it sends clients elsewhere than intended, and no client needs it")


def _forget_option(draft: Draft, path: Path, needed: bool) -> Iterator[Impossible]:
    """The same for an option that a server gives in all of its scopes."""
    server = str(path[1])
    if draft.site.site.servers[server].is_foreign:
        yield Impossible(
            what=f"{server} keeps option {path[3]}",
            because=f"{server} is fixed",
            alternatives=("ask its owner to remove the option", "a VLAN of its own for these clients"),
        )
    elif needed:
        yield _shared_line(draft.site, path)
    else:
        why = "it sends clients elsewhere than intended, and no client needs it"
        draft.forget_option(server, int(path[3]), why)


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
    owner = site.file_owner(handed)
    # A server that answers the broadcast itself is found without the scope.
    hears = site.kind(case.client) not in KNOW_NO_PROXYDHCP
    alone = hears and case.standing.get(str(owner)) is Standing.ANSWERS
    if owner in case.intended.servers and (
        not alone or (owner in case.intended.fallback and holds(site, case))
    ):
        needed.update(lines)
    elif owner != case.intended.server and not site.is_unknown(owner):
        harmful.update(dict.fromkeys(lines, handed.scope))
    _option_60(site, case, handed, needed, harmful)


def _weigh_second(
    site: AnalysedSite, case: Case, handed: Handed, needed: set[Path], harmful: dict[Path, str]
) -> None:
    """The same for the iPXE that a class loads, which takes a scope's file before any ProxyDHCP's."""
    if not handed.file or not any(site.races.second(case.client, silent) for _, silent in turns(case)):
        return
    owner = site.file_owner(handed)
    if site.is_unknown(owner):
        return
    alone = (
        case.standing.get(str(owner)) is Standing.ANSWERS
        and "ipxe" in site.programs_of(str(owner), case.client)[0]
    )
    if owner in case.intended.servers and not alone:
        needed.update(_boot_lines(handed))
    elif not stays(site, case):
        harmful.update(dict.fromkeys(_boot_lines(handed), handed.scope))


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


def _own_line(site: AnalysedSite, server: str, path: Path) -> Impossible:
    return Impossible(
        what=f"the entry at {site.inventory.where(*path)} of {server}'s own file",
        because="it sends clients elsewhere than intended, and the file is somebody else's",
        alternatives=(f"a rule of {server}'s drop-in for these clients: `coexist check` writes it",),
    )


def _fixed_scope(name: str, path: Path) -> Impossible:
    return Impossible(
        what=f"the scope {name} keeps {path[-1]}",
        because="its DHCP server is fixed",
        alternatives=("ask its owner to remove the entry", "a VLAN of its own for these clients"),
    )


def clients_of(intent: IntentRule) -> Any:
    """The groups of an intent as an administrator writes them: one as a text, several as a list."""
    return intent.clients[0] if len(intent.clients) == 1 else list(intent.clients)


def lease_options(draft: Draft) -> None:
    """Options that an intent promises and no scope gives."""
    site = draft.site
    missing: dict[tuple[str, int], None] = {}
    for case in site.cases:
        missing |= {(name, number): None for number, _, name in site.withheld(case)}
    for name, number in missing:
        intent = site.site.intent[number]
        if any(site.site.servers[s].is_foreign for s in site.site.scopes[name].servers):
            continue
        clients = clients_of(intent)
        options = {code: list(v) if isinstance(v, tuple) else v for code, v in intent.options.items()}
        draft.rule(
            name, {"clients": clients, "options": options}, f"intent {number + 1} promises these options"
        )


def script_entries(draft: Draft) -> None:
    """Name the script of a second stage in the scope, which iPXE takes before any ProxyDHCP's file.

    For iPXE that no list and no delay leads back; only where every class of the site ends as well as before.
    """
    cases = [
        case for case in draft.site.cases if case.intended.boots and not draft.site.is_phone(case.client)
    ]
    before = flaws(draft.site, cases)
    for scope, number, server in dict.fromkeys(_script_wanted(draft.site, cases, before)):
        written = _script_rule(draft.site, scope, number, server)
        after = flaws(draft.trial_of_rule(scope, written), cases) if written else before
        if written and spares(after, before) and weight(after) < weight(before):
            why = f"iPXE that {server} gives comes back to it by the scope, which it follows first"
            draft.rule(scope, written, why)
            before = after


def _script_wanted(
    site: AnalysedSite, cases: list[Case], found: list[Flaw]
) -> Iterator[tuple[str, int, str]]:
    """Scopes of ours, with the rule of the intent and the server whose iPXE goes astray there."""
    for case, flaw in zip(cases, found, strict=True):
        if flaw is Flaw.SECOND_STAGE and case.intended.rule is not None:
            for name in site.heard_scopes(case.client.vlan):
                if not any(site.site.servers[s].is_foreign for s in site.site.scopes[name].servers):
                    yield name, case.intended.rule, case.intended.servers[0]


def _script_rule(site: AnalysedSite, scope: str, number: int, server: str) -> dict[str, Any] | None:
    """What the scope would say; None where no script is declared, or a rule cannot name the clients."""
    intent = site.site.intent[number]
    script = site.site.servers[server].programs.get("ipxe")
    said = any("iPXE" in (rule.user_class or "") for rule in site.site.scopes[scope].rules)
    if script is None or intent.unless or said:
        return None
    rule: dict[str, Any] = {}
    if intent.clients != ("everyone",):
        rule["clients"] = clients_of(intent)
    if intent.architectures is not None:
        rule["architectures"] = list(intent.architectures)
    where = script.server or site.site.servers[server].boot_server or server
    return {**rule, "user_class": "iPXE", "next_server": where, "filename": script.file}
