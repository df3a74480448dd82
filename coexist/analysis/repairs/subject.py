"""What a finding is about: its server, and the classes of clients with their intent."""

from __future__ import annotations

from coexist.analysis.findings import Finding
from coexist.analysis.site import AnalysedSite, Case, identity
from coexist.inventory.models import Server


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
