"""From intent to mechanism: the smallest change that makes every client boot as intended.

In the order of the means' reliability: first whoever must answer has to hear the clients; then scopes
must not say otherwise; then whitelists make each server answer its own clients only, which holds for
every firmware; and delays last, for fallbacks that answer the same clients as the server they stand in
for. Delays are solved along the order of the servers (a directed graph, each before its fallbacks): for
each server the smallest one, in its product's own kind, with which every race ends as intended, that of
the iPXE which is loaded too. Where none holds that back, the scope names its script. A loader that reads
the lease finds its next server there. What is fixed is planned around.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from coexist.analysis import Analysis, analyse
from coexist.analysis.edits import Edit
from coexist.analysis.race import ClientCase, race
from coexist.analysis.races import RaceMemory
from coexist.analysis.rules.hearing import points_to
from coexist.analysis.site import AnalysedSite, Standing
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.models import Program
from coexist.planning.draft import Draft
from coexist.planning.solve_delays import set_delays
from coexist.planning.solve_ends import in_the_way, turns
from coexist.planning.solve_lists import whitelists
from coexist.planning.solve_loaders import loader_servers
from coexist.planning.solve_report import Impossible, proof, unsolved
from coexist.planning.solve_scopes import lease_options, scope_entries, script_entries
from coexist.records import dataclass
from coexist.wire.mac import format_mac

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
    memory = RaceMemory()
    before = analyse(inventory, memory=memory)
    draft = Draft(inventory, memory)
    impossible: list[Impossible] = []
    # A change can bring to light what another one hid: a server that was too late to do harm, say.
    for _ in range(_MOST_ROUNDS):
        known = len(draft.edits)
        impossible = _round(draft)
        if len(draft.edits) == known:
            break
    draft.tidy()
    after = analyse(draft.inventory, memory=memory)
    lost = _left_without(before.site, after.site)
    if lost:
        # What boots now and would boot from nobody is worse than what is not as intended.
        return Solution(
            before=before,
            after=before,
            edits=(),
            impossible=(
                Impossible(
                    what=f"a change after which {', '.join(lost)} still boot",
                    because="every change that was found leaves a machine without its server of today",
                    alternatives=("repair the findings of `coexist check` one by one",),
                ),
                *unsolved(before.site),
            ),
            proof=tuple(proof(before.site)),
        )
    impossible += unsolved(after.site)
    return Solution(
        before=before,
        after=after,
        edits=tuple(draft.edits),
        impossible=tuple(impossible),
        proof=tuple(proof(after.site)),
    )


def _left_without(before: AnalysedSite, after: AnalysedSite) -> list[str]:
    """Machines that boot now and may boot from nobody afterwards, although the intent has them boot.

    A change may cut the clients into other classes: each machine is raced by what was declared before.
    """
    lost: dict[str, None] = {}
    for case in after.cases:
        client = case.client
        if not case.intended.boots or None not in after.winners(client) or after.is_phone(client):
            continue
        machine = ClientCase(
            mac=client.macs.witness,
            vlan=client.vlan,
            architecture=client.architecture,
            firmware=client.firmware,
        )
        if all(each.winner is not None for each in race(before.races.world, machine).outcomes):
            lost[client.macs.name or format_mac(client.macs.witness)] = None
    return list(lost)


def _round(draft: Draft) -> list[Impossible]:
    """Every means once; what it cannot reach."""
    impossible: list[Impossible] = []
    _reach(draft)
    scope_entries(draft, impossible)
    lease_options(draft)
    _scripts(draft)
    _unrelay(draft)
    whitelists(draft)
    set_delays(draft, impossible)
    script_entries(draft)
    loader_servers(draft, impossible)
    return impossible


# -- who hears whom -------------------------------------------------------------------------------


def _reach(draft: Draft) -> None:
    """Relay targets and snooping trust for whoever must answer or lease; no server hears twice."""
    site = draft.site
    for deaf, vlan, name in dict.fromkeys((*_boot_paths(site), *_lease_paths(site))):
        if deaf:
            draft.relay_to(vlan, name, f"{name} must answer on VLAN {vlan} and hears nothing from there")
        else:
            draft.trust(vlan, name, f"DHCP snooping drops the offers of {name}")
    for vlan, hearing in site.topology.hearing.items():
        for target in site.site.vlans[vlan].relay_to:
            how = hearing.get(site.topology.owner(target) or "")
            if how is not None and how.local:
                draft.relay_no_more(vlan, target, f"{how.server} stands on VLAN {vlan} and hears it already")


def _boot_paths(site: AnalysedSite) -> Iterator[tuple[bool, str, str]]:
    """Boot services that do not hear clients they are to boot (True), or are not heard by them (False)."""
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
        if case.intended.server is not None:
            harm.update(dict.fromkeys((vlan, name) for name in in_the_way(site, case)))
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


# -- second stages --------------------------------------------------------------------------------


def _scripts(draft: Draft) -> None:
    """A script for each iPXE that its own server gives iPXE again, where the server has one for others.

    Which script else it should be no declaration says.
    """
    site = draft.site
    wanted: dict[Path, set[Program]] = defaultdict(set)
    for case in site.cases:
        for name, silent in turns(case):
            server = site.site.servers[name]
            if server.is_foreign or not any(
                name in (f.winner, f.decided_by) and site.asks_again(f.file)
                for f in site.races.second(case.client, silent)
            ):
                continue
            programs, path = site.programs_of(name, case.client)
            if "ipxe" not in programs:
                declared = (server.programs, *server.programs_for.values())
                wanted[*path, "ipxe"].update(each["ipxe"] for each in declared if "ipxe" in each)
    for path, programs_known in wanted.items():
        if len(programs_known) == 1:
            why = f"the iPXE these clients load is given iPXE again; {path[1]} has this script for others"
            draft.program(path, programs_known.pop(), why)
