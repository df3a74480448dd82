"""Boot loaders that read the lease: its next server must be the server that boots the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coexist.analysis.site import AnalysedSite
from coexist.planning.draft import Draft
from coexist.planning.solve_report import Impossible


def loader_servers(draft: Draft, impossible: list[Impossible]) -> None:
    """A next server, and no boot file, for the clients of loaders that no packet tells one.

    Firmware does not look at the siaddr of an offer that names no file, so nobody else is led astray.
    """
    site = draft.site
    for scope, number, server in dict.fromkeys(_wanted(site)):
        fixed = [name for name in site.site.scopes[scope].servers if site.site.servers[name].fixed]
        written = _rule(site, number, server)
        if fixed or written is None:
            because = f"its DHCP server {fixed[0]} is fixed" if fixed else "a rule cannot name these clients"
            impossible.append(
                Impossible(
                    what=f"the scope {scope} names no next server, which the loader of {server} needs",
                    because=because,
                    alternatives=(f"ask its owner for the next server {server}, and no boot file",),
                )
            )
        else:
            draft.rule(scope, written, f"the loader that {server} gives asks the next server of the lease")


def _wanted(site: AnalysedSite) -> Iterator[tuple[str, int, str]]:
    """Scopes without a next server, with the rule of the intent and the server whose loader lacks it."""
    for case in site.pxe_cases:
        if not case.intended.boots or case.intended.rule is None or not site.as_intended(case):
            continue
        if any(end.fails and end.reads_lease for end in site.races.loaders(case.client)):
            for handed in site.handed_to(case):
                if not handed.file and not handed.next_server:
                    yield handed.scope, case.intended.rule, str(case.intended.server)


def _rule(site: AnalysedSite, number: int, server: str) -> dict[str, Any] | None:
    intent = site.site.intent[number]
    if intent.unless:
        return None
    rule: dict[str, Any] = {
        "clients": intent.clients[0] if len(intent.clients) == 1 else list(intent.clients)
    }
    if intent.architectures is not None:
        rule["architectures"] = list(intent.architectures)
    return {**rule, "next_server": server}
