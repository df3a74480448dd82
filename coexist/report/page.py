"""Self-contained pages: a site with its findings and races, and what changes between two versions.

Everything that comes of an inventory or of the network is escaped; styles and pictures stand in the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from coexist import __version__
from coexist.analysis.findings import Finding
from coexist.planning.effective import as_people_say
from coexist.planning.progress import moment
from coexist.report.diff import ending, who
from coexist.report.diff import summary as difference_summary
from coexist.report.diff import witness as example
from coexist.report.findings import clients_text, describe
from coexist.report.prose import instant
from coexist.report.race_picture import race_picture
from coexist.text.foreign import one_line

if TYPE_CHECKING:
    from coexist.analysis.matrix import Row
    from coexist.analysis.race import RaceResult
    from coexist.app.diff import Difference
    from coexist.app.site_report import SiteReport

_TEMPLATES = Path(__file__).resolve().parent.parent / "_templates"
_SIGNS = {
    "kept": "\u2713 as intended",
    "raced": "\u223c by chance",
    "broken": "\u2717 not as intended",
    "": "",
}


@cache
def environment() -> Environment:
    """The templates of pages; whatever they are filled with is escaped."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"line": one_line, "moment": moment, "instant": instant}
    return made


def filled(template: str, **values: Any) -> str:
    """A page of a template of ``report/``: its style stands in it."""
    style = (_TEMPLATES / "console" / "static" / "report.css").read_text(encoding="utf-8")
    return environment().get_template(template).render(version=__version__, style=style, **values)


def site_page(report: SiteReport, made: str = "") -> str:
    """The report of a site as one page; ``made`` says when and by whom, if it is to say so."""
    from coexist.report.topology_picture import topology_picture

    return filled(
        "report/site.html.j2",
        site=report.inventory.site.site,
        summary=report.summary,
        made=made,
        topology=topology_picture(report.inventory.site),
        rows=[row_values(row) for row in report.rows],
        findings=[
            finding_values(finding, number, report.races.get(number))
            for number, finding in enumerate(report.findings)
        ],
        suppressed=[
            {"code": one.finding.code.code, "message": one.finding.message, "reason": one.reason}
            for one in report.suppressed
        ],
        servers=report.servers,
        assumptions=report.assumptions,
    )


def difference_page(difference: Difference, made: str = "") -> str:
    """What changes between two versions, as one page."""
    return filled(
        "report/difference.html.j2",
        old=difference.old,
        new=difference.new,
        made=made,
        summary=difference_summary(difference),
        changes=[
            {
                "kind": change.kind.value,
                "state": "broken" if change.after and None in change.after.winners else "",
                "who": who(change),
                "witness": example(change),
                "before": ending(change.before),
                "after": ending(change.after),
            }
            for change in difference.changes
        ],
        appeared=[finding_values(one, number, None) for number, one in enumerate(difference.appeared)],
        gone=[finding_values(one, number, None) for number, one in enumerate(difference.gone)],
    )


def row_values(row: Row) -> Mapping[str, str]:
    """A row of the matrix as texts; ``state`` is kept, raced, broken, or empty where nothing is judged."""
    state = state_of(row)
    return {
        "vlan": row.vlan,
        "groups": as_people_say(row.groups),
        "firmware": " ".join(part for part in (row.architecture, row.firmware) if part),
        "count": clients_text(row.clients),
        "intended": ", then ".join((row.intended, *row.fallback)) if row.intended else "",
        "winners": " or ".join(winner or "nobody" for winner in row.winners),
        "file": row.file or "",
        "after": "" if row.seconds is None else f"{row.seconds:.1f} s",
        "state": state,
        "sign": _SIGNS[state],
    }


def state_of(row: Row) -> str:
    """``kept`` where the intent holds, ``raced`` where chance decides, ``broken`` where it does not hold."""
    if row.agrees is None:
        return ""
    if row.agrees:
        return "kept"
    return "raced" if len(row.winners) > 1 else "broken"


def finding_values(finding: Finding, number: int, race: RaceResult | None) -> dict[str, Any]:
    """A finding as texts, with the picture of its race."""
    title = f"{finding.code.code}: {finding.message}"
    return {
        "anchor": f"{finding.code.code}-{number + 1}",
        "code": finding.code.code,
        "title": finding.code.title,
        "severity": str(finding.severity),
        "place": str(finding.position),
        "message": finding.message,
        "repair": finding.repair,
        "clients": clients_text(finding.clients) if finding.witness else "",
        "witness": describe(finding.witness) if finding.witness else "",
        "race": race,
        "picture": race_picture(race.events, title) if race else "",
    }
