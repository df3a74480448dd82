"""The races of a site whose servers run on their own files: how many, what they tell, and if it is so."""

from __future__ import annotations

from coexist.analysis.race import ClientCase, race
from coexist.analysis.site import AnalysedSite


def told(site: AnalysedSite) -> dict[tuple[int, str], set[str | None]]:
    return {
        (case.client.macs.witness, case.client.architecture): {f.file for f in site.races.of(case.client)}
        for case in site.cases
        if 0x52_54_00_00_00_00 <= case.client.macs.witness < 0x52_54_00_00_01_00
    }


def runs(site: AnalysedSite) -> int:
    for case in site.cases:
        site.races.of(case.client)
        site.races.second(case.client)
        site.races.loaders(case.client)
    return site.races.run


def hold(site: AnalysedSite) -> None:
    """Each class ends as a race of its own witness does."""
    for case in site.cases:
        client = case.client
        alone = ClientCase(
            mac=client.macs.witness,
            vlan=client.vlan,
            architecture=client.architecture,
            firmware=client.firmware,
        )
        own = race(site.races.world, alone)
        told = {(f.winner, f.decided_by, f.file) for f in site.races.of(client)}
        assert told == {(o.winner, o.decided_by, o.file) for o in own.outcomes}
