"""The interface for programs: what is found of the site and of a machine, and migrations, as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from coexist.app import checklists, migration_moves
from coexist.app.changes import Who
from coexist.app.diff import compare_revisions
from coexist.app.migrations import load
from coexist.console.api_body import Body, answer, read
from coexist.console.migration import renewed, settled
from coexist.console.users import Role
from coexist.console.web import SITE, in_thread, must
from coexist.report.checklist import as_dict as sheet_as_dict
from coexist.report.diff import as_dict as difference_as_dict
from coexist.report.doctor import as_dict as diagnosis_as_dict
from coexist.report.explain import as_dict as race_as_dict
from coexist.report.findings import as_dict as finding_as_dict
from coexist.report.matrix import as_dict as row_as_dict
from coexist.report.migration import plan_json, status_json
from coexist.report.rollout_desk import server_as_dict

routes = web.RouteTableDef()
Said = Annotated[str, Field(min_length=1)]


class NewQuestion(Body):
    """The machine as which the wire is asked, and the VLAN on which."""

    of: Said
    vlan: Said


class NewLinks(Body):
    """The migration, and the pilot machines that get a new link; all of them if none is named."""

    migration: Said
    machines: tuple[str, ...] = ()


class EndedLink(Body):
    """The link that ends, by its migration and its pilot machine."""

    migration: Said
    machine: Said


class NewComplaint(Body):
    """What is wrong; ``machine``: with which one, empty for none."""

    migration: Said
    note: Said
    machine: str = ""


class SettledComplaint(Body):
    """The complaint that is settled, by its number from 1."""

    migration: Said
    number: int


@routes.get("/api/v1/matrix")
async def matrix(request: web.Request) -> web.Response:
    """Who answers whom, class by class."""
    report = await in_thread(request.app[SITE].report)
    return answer({"rows": [row_as_dict(row) for row in report.rows]})


@routes.get("/api/v1/findings")
async def findings(request: web.Request) -> web.Response:
    """Every finding, and those that are accepted with their reasons."""
    report = await in_thread(request.app[SITE].report)
    accepted = [{"reason": each.reason, **finding_as_dict(each.finding)} for each in report.suppressed]
    return answer({"findings": [finding_as_dict(each) for each in report.findings], "accepted": accepted})


@routes.get("/api/v1/servers")
async def servers(request: web.Request) -> web.Response:
    """Each server: what it answers, its drift, its last roll-out, its health."""
    values = await in_thread(request.app[SITE].servers)
    return answer({"servers": [server_as_dict(each) for each in values]})


@routes.get("/api/v1/doctor")
async def doctor(request: web.Request) -> web.Response:
    """Why a machine does not boot as it should: ``?of=MAC``, a name, a UUID or a reserved address."""
    diagnosis = await in_thread(request.app[SITE].diagnose, request.query.get("of", ""))
    return answer(diagnosis_as_dict(diagnosis))


@routes.post("/api/v1/doctor")
async def ask(request: web.Request) -> web.Response:
    """The same, after the wire was asked as that machine."""
    must(request, Role.REGISTER)
    body = await read(request, NewQuestion)
    diagnosis = await in_thread(request.app[SITE].diagnose, body.of, body.vlan)
    return answer(diagnosis_as_dict(diagnosis))


@routes.get("/api/v1/explain")
async def races(request: web.Request) -> web.Response:
    """The races of a machine: ``?of=MAC``, a name, a UUID or a reserved address; narrowed by the rest."""
    query = request.query

    def raced() -> list[dict[str, Any]]:
        told = request.app[SITE].explained(query.get("of", ""), query)
        return [race_as_dict(told.inventory, race) for race in told.races]

    return answer({"boots": await in_thread(raced)})


@routes.get("/api/v1/diff")
async def diff(request: web.Request) -> web.Response:
    """Which clients boot differently: from git revision ``old`` to ``new``, or to the inventory as it is."""
    site, query = request.app[SITE], request.query
    found = await in_thread(
        compare_revisions, site.path, query.get("old", ""), query.get("new", ""), site.today
    )
    return answer(difference_as_dict(found))


@routes.get("/api/v1/migrations")
async def migrations(request: web.Request) -> web.Response:
    """Each migration: its waves, what was seen of them, its gate, what was tried on its pilots."""
    told = await in_thread(request.app[SITE].migrations)
    return answer(
        {"migrations": [{**status_json(each), "checklist": sheet_as_dict(each.sheet)} for each in told]}
    )


@routes.get("/api/v1/migrations/plan")
async def steps(request: web.Request) -> web.Response:
    """Every step to come of a ``migration``, with its proofs."""
    site, name = request.app[SITE], request.query.get("migration") or None
    return answer(plan_json(await in_thread(lambda: migration_moves.plan(load(site.path, name)))))


@routes.post("/api/v1/pilot-links")
async def link(request: web.Request) -> web.Response:
    """Make new links for pilot machines; each is told this once."""
    user = must(request, Role.REGISTER)
    body = await read(request, NewLinks)
    who = Who(name=user.name, why="", via="api")
    made = await in_thread(renewed, request.app[SITE], body.migration, body.machines, who)
    return answer({"links": {machine: f"/pilot/{secret}" for machine, secret in made.items()}}, status=201)


@routes.post("/api/v1/pilot-links/ended")
async def unlink(request: web.Request) -> web.Response:
    """Take a pilot's link back."""
    user = must(request, Role.REGISTER)
    body = await read(request, EndedLink)
    who = Who(name=user.name, why="", via="api")
    await in_thread(request.app[SITE].pilots.end, body.migration, body.machine, who)
    return answer({"ended": body.machine}, status=201)


@routes.post("/api/v1/complaints")
async def complain(request: web.Request) -> web.Response:
    """Record a complaint, which shuts the gate until it is settled."""
    user = must(request, Role.REGISTER)
    body = await read(request, NewComplaint)
    site, who = request.app[SITE], Who(name=user.name, why=body.migration, via="api")

    def recorded() -> int:
        number = checklists.complain(
            load(site.path, body.migration), body.note, who=user.name, machine=body.machine
        )
        site.registrations.changes.note("complaint", who, lines=[f"complaint {number} of {body.migration}"])
        return number

    return answer({"number": await in_thread(recorded)}, status=201)


@routes.post("/api/v1/complaints/settled")
async def settle(request: web.Request) -> web.Response:
    """Close a complaint."""
    user = must(request, Role.REGISTER)
    body = await read(request, SettledComplaint)
    who = Who(name=user.name, why=body.migration, via="api")
    await in_thread(settled, request.app[SITE], body.migration, body.number, who)
    return answer({"number": body.number}, status=201)


BODIES: dict[str, type[Body]] = {
    "/api/v1/doctor": NewQuestion,
    "/api/v1/pilot-links": NewLinks,
    "/api/v1/pilot-links/ended": EndedLink,
    "/api/v1/complaints": NewComplaint,
    "/api/v1/complaints/settled": SettledComplaint,
}
QUESTIONS = ("/api/v1/doctor",)
"""What is posted and changes nothing."""
QUERIES = {
    "/api/v1/doctor": ("of",),
    "/api/v1/explain": ("of", "vlan", "architecture", "firmware"),
    "/api/v1/diff": ("old", "new"),
    "/api/v1/migrations/plan": ("migration",),
}
