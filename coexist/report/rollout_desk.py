"""A roll-out as it goes, for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coexist.report.findings import as_dict as finding_as_dict
from coexist.report.rollout import steps

if TYPE_CHECKING:
    from coexist.app.rollout_desk import Job, Looked, RolloutDesk
    from coexist.app.servers_now import ServerNow


def as_dict(desk: RolloutDesk) -> dict[str, Any]:
    """What is being done or was done last, and the plan that was read."""
    return {
        "busy": desk.busy,
        "job": None if desk.job is None else _job(desk.job),
        "plan": None if desk.looked is None else _plan(desk.looked),
    }


def _job(job: Job) -> dict[str, Any]:
    done = job.done
    return {
        "what": job.what,
        "who": job.who,
        "began": job.began.isoformat(timespec="seconds"),
        "ended": job.ended.isoformat(timespec="seconds") if job.ended else None,
        "servers": dict(job.servers),
        "error": job.error or None,
        "record": done.record.id if done and done.record else None,
        "failure": done.failure.message if done and done.failure else None,
    }


def _plan(looked: Looked) -> dict[str, Any]:
    made = looked.made
    refused = made.refused()
    return {
        "read": looked.at.isoformat(timespec="seconds"),
        "digest": made.plan.digest,
        "empty": made.plan.is_empty,
        "refused": refused.kind if refused else None,
        "steps": list(steps(made.plan)),
        "servers": {name: made.diff(name) for name in made.changed},
        "drift": [finding_as_dict(finding) for finding in made.drift],
        "findings": [finding_as_dict(finding) for finding in made.findings],
        "left_out": dict(made.left_out),
        "failed": dict(made.failed),
    }


def server_as_dict(server: ServerNow) -> dict[str, Any]:
    """A server as it is known now; null for what nobody looked at."""
    fresh, last = server.fresh, server.last
    return {
        "server": server.summary.name,
        "facts": dict(server.summary.facts),
        "boots": list(server.summary.boots),
        "registry": None
        if fresh is None
        else {"clients": fresh.clients, "last_seen": fresh.last_seen or None},
        "last_rollout": None
        if last is None
        else {"record": last.record.id, "state": last.state, "error": last.error or None},
        "drift": [finding_as_dict(finding) for finding in server.drift],
        "rolled_out_from_here": server.deployed,
    }
