"""Whom a repair would leave without a server: nobody's last one is taken away."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from coexist.analysis.edits import Edit
from coexist.analysis.intent import NOBODY_BOOTS
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.inventory.documents import Path


def left_alone(
    site: AnalysedSite, name: str, edits: Sequence[Edit], besides: frozenset[str] = frozenset()
) -> list[Case]:
    """The classes that are worse off when a server is kept from all that the intent does not give it.

    They boot today and may then boot from nobody; or they boot as intended, and then do not. ``edits``: how
    it is kept off; what is done in some VLANs concerns no others. ``besides``: who is kept off with it.
    """
    gone = besides | {name}
    vlans = {edit.path[1] for edit in edits if edit.path[0] == "vlans"}
    return [
        case
        for case in site.served_by.get(name, ())
        if name not in case.intended.servers
        and must_keep_a_server(site, case)
        and (not vlans or case.client.vlan in vlans)
        and _is_worse_off(site, case, gone - set(case.intended.servers))
    ]


def must_keep_a_server(site: AnalysedSite, case: Case) -> bool:
    """Whether a class boots today, and no intent says that it must boot from nobody."""
    return (
        case.intended.server != NOBODY_BOOTS
        and not site.is_phone(case.client)
        and None not in site.winners(case.client)
    )


def _is_worse_off(site: AnalysedSite, case: Case, gone: frozenset[str] | set[str]) -> bool:
    if any("dhcp" in site.site.servers[name].effective_roles for name in gone):
        # Such a server still leases when it boots nobody; a race without it has no lease.
        return not set(case.responders) - gone
    silent = frozenset(gone)
    if None in site.winners(case.client, silent):
        return True
    first = case.intended.server
    return first is not None and site.as_intended(case) and not site.falls_to(case.client, first, silent)


def first_of_all(alone: Sequence[Case]) -> str:
    """What has to be done before a server can be kept from these classes: theirs boots them."""
    case = next((case for case in alone if case.intended.boots), alone[0])
    name = case.intended.server
    if name is None:
        return "name a server for its clients in an intent first: nobody else boots them"
    standing = case.standing.get(name)
    if standing is Standing.ANSWERS:
        return f"see first why {name} does not boot these clients: nobody else does"
    why = (standing or Standing.DEAF).value
    return f"let {name} boot these clients first: it {why}, and nobody else boots them"


def left_without_file(
    site: AnalysedSite, paths: Collection[Path], gone: Collection[str] = frozenset()
) -> list[Case]:
    """The classes that boot today and that nobody boots when the boot files at these places are taken out
    of their scopes, and the servers in ``gone`` are kept off."""
    found = []
    for case in site.cases:
        handed = [site.scopes.handed(scope, case.client) for scope in site.heard_scopes(case.client.vlan)]
        files = [each.file[1] for each in handed if each.file is not None]
        # Whether a stranger that stays would boot them, no race has shown.
        able = case.intended.servers if case.intended.boots else set(case.responders) - set(gone)
        answered = any(name in able for name in case.responders)
        out = bool(files) and all(file in paths for file in files)
        if out and not answered and must_keep_a_server(site, case):
            found.append(case)
    return found
