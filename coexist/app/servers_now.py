"""The servers as they are known now: what each answers, its drift, its last roll-out, its health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coexist.app.live import Freshness, Live
from coexist.app.rollout_desk import LastRollout, RolloutDesk
from coexist.app.site_report import ServerSummary, SiteReport
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNow:
    """One server. ``fresh``: of its registry, where that is watched; ``last``: the last roll-out that touched
    it; ``drift``: what was changed on it by hand, where it was compared; ``deployed``: rolled out from here.
    """

    summary: ServerSummary
    fresh: Freshness | None
    last: LastRollout | None
    drift: tuple[Finding, ...]
    deployed: bool


def servers_now(report: SiteReport, live: Live, desk: RolloutDesk) -> list[ServerNow]:
    """Every server of the inventory, in its order."""
    fresh, last, looked = live.freshness(), desk.last_rollouts(), desk.looked
    found = looked.made.drift if looked else ()
    return [
        ServerNow(
            summary=summary,
            fresh=fresh.get(summary.name),
            last=last.get(summary.name),
            drift=tuple(each for each in found if each.path[:2] == ("servers", summary.name)),
            deployed=report.inventory.site.servers[summary.name].deploy is not None,
        )
        for summary in report.servers
    ]
