"""The servers and their roll-outs: drift, health, the plan as a diff with its proof, and doing it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from coexist.app.changes import Who
from coexist.app.rollout_desk import Job
from coexist.app.rollouts import LARGEST_SHARE, large, records_of, unfinished
from coexist.console.users import Role
from coexist.console.web import SITE, in_thread, must, page
from coexist.report.rollout import STATES, steps, summary
from coexist.report.topology_picture import topology_picture

routes = web.RouteTableDef()
_MOST_LINES = 2000
_REFUSED = {
    "host": "A server could not be read. Repair that, then plan again.",
    "findings": "The inventory has errors. Repair them, or plan again with a reason.",
    "edited": "A server was changed by hand. Take the change over, or plan again to overwrite it.",
}
_WORDS = {"plan": "Reading the servers", "apply": "Rolling out", "undo": "Taking back"}


@routes.get("/servers")
async def servers(request: web.Request) -> web.Response:
    """The network, and of each server its health, its drift, its last roll-out and what it answers."""
    values = await in_thread(_servers, request)
    return page(request, "servers.html.j2", title="Servers", **values)


def _servers(request: web.Request) -> dict[str, Any]:
    site = request.app[SITE]
    report, looked = site.report(), site.desk.looked
    told = site.servers()
    return {
        "servers": report.servers,
        "topology": topology_picture(report.inventory.site),
        "fresh": {each.summary.name: each.fresh for each in told if each.fresh},
        "last": {each.summary.name: each.last for each in told if each.last},
        "states": STATES,
        "looked": looked,
        "drift": {each.summary.name: each.drift for each in told},
        "deployed": {each.summary.name for each in told if each.deployed},
    }


@routes.get("/rollout")
async def rollout(request: web.Request) -> web.Response:
    """The plan with its diffs and proofs, what is being done, and how it ended."""
    return page(request, "rollout.html.j2", title="Roll out", **await in_thread(_state, request))


@routes.get("/rollout/state")
async def state(request: web.Request) -> web.Response:
    """That page's part that changes by itself."""
    return page(request, "rollout_state.html.j2", **await in_thread(_state, request))


def _state(request: web.Request) -> dict[str, Any]:
    site = request.app[SITE]
    desk, looked = site.desk, site.desk.looked
    made = looked.made if looked else None
    refused = made.refused() if made else None
    left = None if desk.busy else unfinished(desk.root)
    return {
        "job": desk.job,
        "busy": desk.busy,
        "words": _WORDS,
        "looked": looked,
        "made": made,
        "plan": made.plan if made else None,
        "diffs": {name: made.diff(name)[:_MOST_LINES] for name in made.changed} if made else {},
        "steps": list(steps(made.plan)) if made else [],
        "refused": _REFUSED[refused.kind] if refused else "",
        "large": large(made.plan) if made else (),
        "share": f"{LARGEST_SHARE:.0%}",
        "summary": _summary(desk.job),
        "unfinished": left,
    }


def _summary(job: Job | None) -> list[str]:
    if job is None or job.done is None or job.done.record is None:
        return []
    return list(summary(job.done.record))


@routes.post("/rollout/plan")
async def plan(request: web.Request) -> web.Response:
    """Read the servers and compare."""
    user = must(request, Role.ROLL_OUT)
    form = await request.post()
    who = Who(name=user.name, why=str(form.get("why", "")).strip())
    await in_thread(lambda: request.app[SITE].desk.plan(who, overwrite="overwrite" in form))
    raise web.HTTPSeeOther("/rollout")


@routes.post("/rollout/apply")
async def apply(request: web.Request) -> web.Response:
    """Roll the plan out that was read."""
    user = must(request, Role.ROLL_OUT)
    form = await request.post()
    if "read" not in form:
        raise web.HTTPBadRequest(text="say that you have read the plan\n")
    who, digest = Who(name=user.name, why=""), str(form.get("digest", ""))
    await in_thread(lambda: request.app[SITE].desk.apply(who, digest, force="force" in form))
    raise web.HTTPSeeOther("/rollout")


@routes.post("/rollout/go-on")
async def go_on(request: web.Request) -> web.Response:
    """Go on with a roll-out that was cut off."""
    user = must(request, Role.ROLL_OUT)
    await in_thread(request.app[SITE].desk.go_on, Who(name=user.name, why=""))
    raise web.HTTPSeeOther("/rollout")


@routes.post("/rollout/undo")
async def undo(request: web.Request) -> web.Response:
    """Take a roll-out back."""
    user = must(request, Role.ROLL_OUT)
    form = await request.post()
    who = Who(name=user.name, why=str(form.get("why", "")).strip())
    await in_thread(request.app[SITE].desk.undo, who, str(form.get("record", "")))
    raise web.HTTPSeeOther("/rollout")


def rollout_rows(request: web.Request) -> list[dict[str, Any]]:
    """Every roll-out, the last first, for the history."""
    records = records_of(request.app[SITE].desk.root)
    return [{"record": record, "summary": list(summary(record))[:-1]} for record in reversed(records)]
