"""What a change board looks at: findings with their races, who answers whom, what each server answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.analysis.findings import Finding, Suppressed, Witness
from coexist.app.check import counted, coverage
from coexist.app.current import analyse_now
from coexist.planning.effective import as_people_say
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis import Analysis
    from coexist.analysis.matrix import Row
    from coexist.analysis.race import RaceResult
    from coexist.analysis.site import AnalysedSite
    from coexist.inventory import Inventory


@dataclass(frozen=True, kw_only=True)
class ServerSummary:
    """One server: its facts as label and value, and which clients boot from it, as VLAN and groups."""

    name: str
    facts: tuple[tuple[str, str], ...]
    boots: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SiteReport:
    """A site as it is declared, and what comes of it. ``races``: by finding, the race of its witness."""

    analysis: Analysis
    inventory: Inventory
    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]
    summary: str
    rows: tuple[Row, ...]
    races: Mapping[int, RaceResult]
    servers: tuple[ServerSummary, ...]
    assumptions: tuple[str, ...]


def site_report(path: Path, today: date) -> SiteReport:
    """Analyse the inventory at ``path``. Raises `InputError` for one that cannot be read."""
    return report_of_site(analyse_now(path, today))


def report_of_site(analysis: Analysis) -> SiteReport:
    """The report of an analysis that was made."""
    site = analysis.site
    rows = analysis.matrix
    races = {
        number: found
        for number, finding in enumerate(analysis.findings)
        if (found := race_of_witness(site, finding.witness)) is not None
    }
    notes = dict.fromkeys(
        note for race in (*races.values(), *_races(site, rows)) for note in race.assumptions
    )
    return SiteReport(
        analysis=analysis,
        inventory=site.inventory,
        findings=analysis.findings,
        suppressed=analysis.suppressed,
        summary=f"{coverage(analysis)}: {counted(analysis.findings)}",
        rows=rows,
        races=races,
        servers=tuple(_server(site.inventory, name, rows) for name in site.site.servers),
        assumptions=tuple(notes),
    )


def race_of_witness(site: AnalysedSite, witness: Witness | None) -> RaceResult | None:
    """The race of a finding's client; None where the finding shows none."""
    if witness is None or not witness.timeline:
        return None
    return _race(site, witness.mac, witness.vlan, witness.architecture, witness.firmware)


def _race(site: AnalysedSite, mac: int, vlan: str, architecture: str, firmware: str) -> RaceResult:
    from coexist.analysis.race import ClientCase, race

    case = ClientCase(mac=mac, vlan=vlan, architecture=architecture, firmware=firmware)
    return race(site.races.world, case)


def _races(site: AnalysedSite, rows: tuple[Row, ...]) -> Iterator[RaceResult]:
    for row in rows:
        yield _race(site, row.witness, row.vlan, row.architecture, row.firmware)


def _server(inventory: Inventory, name: str, rows: tuple[Row, ...]) -> ServerSummary:
    server = inventory.site.servers[name]
    answers = server.answers
    whom = " ".join((answers.who.replace("_", " "), as_people_say(answers.groups))).strip()
    facts = [
        ("software", str(server.software)),
        ("services", ", ".join(sorted(server.effective_roles))),
        ("stands on", ", ".join(f"{vlan} ({address})" for vlan, address in server.stands_on.items())),
        ("answers", whom),
        ("delay", "" if server.delay.kind == "none" else str(server.delay)),
        ("boot programs", ", ".join(f"{key}: {program.file}" for key, program in server.programs.items())),
        ("changed by", "another team: planned around" if server.fixed else ""),
        ("owner", server.owner or ""),
    ]
    boots = [
        f"{as_people_say(row.groups)} on {row.vlan} ({' '.join(filter(None, row_kind))})"
        for row in rows
        for row_kind in [(row.architecture, row.firmware)]
        if name in row.winners
    ]
    return ServerSummary(name=name, facts=tuple(f for f in facts if f[1]), boots=tuple(dict.fromkeys(boots)))
