"""What a client gets that already runs iPXE, so that a chain-loaded iPXE does not load itself."""

from __future__ import annotations

from coexist.analysis.edits import put
from coexist.analysis.repairs.registry import Repair
from coexist.analysis.site import AnalysedSite

SCRIPT = "boot.ipxe"
"""What a script for iPXE is called where the inventory names none."""


def script_of(site: AnalysedSite, name: str) -> Repair | None:
    """Name what a server gives iPXE; no edits where its product has no way to, None where it is not ours to
    say or said already."""
    server = site.site.servers[name]
    if server.fixed or "ipxe" in server.programs or not server.product.takes_programs:
        return None
    if not server.can.programs_for_ipxe:
        return Repair(
            text=f"{name} cannot give iPXE another file: let it give an iPXE with a script built in, "
            "or let a server answer these clients that can"
        )
    return Repair(
        edits=(put("servers", name, "programs", "ipxe", value=SCRIPT),),
        text=f"name what a client gets that already runs iPXE ({SCRIPT} stands for your script or URL)",
    )


def answering_more(site: AnalysedSite, name: str, repair: Repair) -> Repair:
    """A repair by which a server answers all clients that the intent gives it: where iPXE is among those it
    did not answer, and would be given iPXE again, what it gets is named too."""
    if not _would_loop(site, name):
        return repair
    more = script_of(site, name)
    if more is None or not more.edits:
        first = more.text if more is not None else f"see first what {name} gives iPXE, which asks it again"
        return Repair(text=f"{first}; then {repair.text}")
    return Repair(edits=(*repair.edits, *more.edits), text=f"{repair.text}; {more.text}")


def _would_loop(site: AnalysedSite, name: str) -> bool:
    for case in site.cases:
        if name not in case.intended.servers or name in case.responders:
            continue
        programs, _ = site.programs_of(name, case.client)
        given = programs.get(case.client.architecture)
        if given is not None and "ipxe" not in programs and site.asks_again(given.file):
            return True
    return False
