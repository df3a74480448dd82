"""The interface for programs: the machines that ask, changes one by one, and roll-outs, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from coexist.app.changes import Entry, Who
from coexist.app.live import Asking, chosen
from coexist.app.registrations import Machine
from coexist.app.rollout_desk import RolloutDesk
from coexist.app.rollouts import records_of
from coexist.console.api_body import Body, answer, read
from coexist.console.users import Role
from coexist.console.web import SITE, in_thread, mac_of, must
from coexist.errors import CoexistError
from coexist.report.rollout_desk import as_dict
from coexist.wire.mac import format_mac

routes = web.RouteTableDef()
MOST_ROWS = 20_000


class NewMachine(Body):
    """A machine to be registered."""

    mac: str
    name: str = ""
    location: str = ""
    hardware: str = ""
    vlan: str = ""
    group: str = ""


class NewRegistration(Body):
    """Machines to be registered together, and why."""

    machines: Annotated[tuple[NewMachine, ...], Field(min_length=1, max_length=MOST_ROWS)]
    why: str = ""


class NewIgnore(Body):
    """Machines the boot servers must answer no more, and why."""

    macs: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_ROWS)]
    why: Annotated[str, Field(min_length=1)]


class NewAccepted(Body):
    """A finding to be suppressed, and why."""

    code: str
    where: str = ""
    why: Annotated[str, Field(min_length=3)]


class NewPlan(Body):
    """What is planned. ``why``: the reason to plan although `check` finds errors."""

    why: str = ""
    overwrite: bool = False


class NewRollout(Body):
    """The plan to roll out, by the digest that was read; ``force``: although many clients change."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    force: bool = False


class NewRollback(Body):
    """The roll-out to take back, and why."""

    record: Annotated[str, Field(min_length=1)]
    why: str = ""


class NewUndo(Body):
    """The change to take back, and why."""

    id: str
    why: str = ""


@routes.get("/api/v1/clients")
async def clients(request: web.Request) -> web.Response:
    """The machines that asked to boot, the last first."""
    site, query = request.app[SITE], request.query
    which = query.get("which", "all")
    if which not in ("all", "unregistered", "registered", "ignored"):
        raise CoexistError("which is all, unregistered, registered or ignored")
    machines = await in_thread(site.machines)
    found = chosen(machines, which=which, text=query.get("q", ""))  # type: ignore[arg-type]
    return answer({"clients": [_asking(machine) for machine in found[:MOST_ROWS]], "found": len(found)})


@routes.post("/api/v1/registrations")
async def register(request: web.Request) -> web.Response:
    """Register machines, all or none."""
    user = must(request, Role.REGISTER)
    body = await read(request, NewRegistration)
    machines = [Machine(**{**machine.model_dump(), "mac": mac_of(machine.mac)}) for machine in body.machines]
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.register, machines, who)
    return answer({"change": _entry(entry)}, status=201)


@routes.post("/api/v1/ignored")
async def ignore(request: web.Request) -> web.Response:
    """Have the boot servers answer machines no more."""
    user = must(request, Role.REGISTER)
    body = await read(request, NewIgnore)
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.ignore, [mac_of(mac) for mac in body.macs], who)
    return answer({"change": _entry(entry)}, status=201)


@routes.post("/api/v1/undo")
async def undo(request: web.Request) -> web.Response:
    """Take a change back."""
    user = must(request, Role.REGISTER)
    body = await read(request, NewUndo)
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.undo, body.id, who)
    return answer({"change": _entry(entry)}, status=201)


@routes.post("/api/v1/accepted")
async def accept(request: web.Request) -> web.Response:
    """Suppress a finding, with a reason."""
    user = must(request, Role.REGISTER)
    body = await read(request, NewAccepted)
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.accept, body.code, body.where, who)
    return answer({"change": _entry(entry)}, status=201)


@routes.get("/api/v1/rollout")
async def rollout(request: web.Request) -> web.Response:
    """What is being rolled out or was last, the plan that was read, and every record."""
    desk = request.app[SITE].desk
    return answer(await in_thread(lambda: {**as_dict(desk), "records": _records(desk)}))


@routes.post("/api/v1/rollout/plan")
async def plan(request: web.Request) -> web.Response:
    """Read the servers and plan; `GET /api/v1/rollout` tells how far it is."""
    user = must(request, Role.ROLL_OUT)
    body = await read(request, NewPlan)
    desk, who = request.app[SITE].desk, Who(name=user.name, why=body.why, via="api")
    await in_thread(lambda: desk.plan(who, overwrite=body.overwrite))
    return answer(as_dict(desk), status=202)


@routes.post("/api/v1/rollout/apply")
async def apply(request: web.Request) -> web.Response:
    """Roll out the plan that was read."""
    user = must(request, Role.ROLL_OUT)
    body = await read(request, NewRollout)
    desk, who = request.app[SITE].desk, Who(name=user.name, why="", via="api")
    await in_thread(lambda: desk.apply(who, body.digest, force=body.force))
    return answer(as_dict(desk), status=202)


@routes.post("/api/v1/rollout/go-on")
async def go_on(request: web.Request) -> web.Response:
    """Go on with a roll-out that was cut off."""
    user = must(request, Role.ROLL_OUT)
    desk = request.app[SITE].desk
    await in_thread(desk.go_on, Who(name=user.name, why="", via="api"))
    return answer(as_dict(desk), status=202)


@routes.post("/api/v1/rollout/undo")
async def take_back(request: web.Request) -> web.Response:
    """Take a roll-out back, byte for byte."""
    user = must(request, Role.ROLL_OUT)
    body = await read(request, NewRollback)
    desk, who = request.app[SITE].desk, Who(name=user.name, why=body.why, via="api")
    await in_thread(desk.undo, who, body.record)
    return answer(as_dict(desk), status=202)


def _records(desk: RolloutDesk) -> list[dict[str, Any]]:
    return [record.model_dump(mode="json", exclude={"manifest"}) for record in records_of(desk.root)]


@routes.get("/api/v1/history")
async def history(request: web.Request) -> web.Response:
    """Every change that was made one by one, the last first."""
    entries = await in_thread(request.app[SITE].registrations.entries)
    return answer({"changes": [_entry(entry) for entry in entries[::-1]]})


def _asking(machine: Asking) -> dict[str, Any]:
    return {**asdict(machine), "mac": format_mac(machine.mac)}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at,
        "who": entry.who,
        "via": entry.via,
        "action": entry.action,
        "why": entry.why,
        "macs": list(entry.macs),
        "undoes": entry.undoes or None,
        "undone": entry.undone,
    }


BODIES: dict[str, type[Body]] = {
    "/api/v1/registrations": NewRegistration,
    "/api/v1/ignored": NewIgnore,
    "/api/v1/undo": NewUndo,
    "/api/v1/accepted": NewAccepted,
    "/api/v1/rollout/plan": NewPlan,
    "/api/v1/rollout/apply": NewRollout,
    "/api/v1/rollout/undo": NewRollback,
}
QUERIES = {"/api/v1/clients": ("which", "q")}
