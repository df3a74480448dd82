"""The interface for programs: the use cases of the pages as JSON, with a token; described by OpenAPI."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coexist import __version__
from coexist.app.changes import Entry, Who
from coexist.app.live import Asking, chosen
from coexist.app.registrations import Machine
from coexist.app.rollout_desk import RolloutDesk
from coexist.app.rollouts import records_of
from coexist.console.users import Role
from coexist.console.web import SITE, in_thread, mac_of, must
from coexist.errors import CoexistError
from coexist.report.doctor import as_dict as diagnosis_as_dict
from coexist.report.findings import as_dict as finding_as_dict
from coexist.report.matrix import as_dict as row_as_dict
from coexist.report.migration import status_json
from coexist.report.rollout_desk import as_dict
from coexist.wire.mac import format_mac

routes = web.RouteTableDef()
VERSION = 1
MOST_ROWS = 20_000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewMachine(_Body):
    """A machine to be registered."""

    mac: str
    name: str = ""
    location: str = ""
    hardware: str = ""
    vlan: str = ""
    group: str = ""


class NewRegistration(_Body):
    """Machines to be registered together, and why."""

    machines: Annotated[tuple[NewMachine, ...], Field(min_length=1, max_length=MOST_ROWS)]
    why: str = ""


class NewIgnore(_Body):
    """Machines the boot servers must answer no more, and why."""

    macs: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_ROWS)]
    why: Annotated[str, Field(min_length=1)]


class NewAccepted(_Body):
    """A finding to be suppressed, and why."""

    code: str
    where: str = ""
    why: Annotated[str, Field(min_length=3)]


class NewPlan(_Body):
    """What is planned. ``why``: the reason to plan although `check` finds errors."""

    why: str = ""
    overwrite: bool = False


class NewRollout(_Body):
    """The plan to roll out, by the digest that was read; ``force``: although many clients change."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    force: bool = False


class NewRollback(_Body):
    """The roll-out to take back, and why."""

    record: Annotated[str, Field(min_length=1)]
    why: str = ""


class NewUndo(_Body):
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
    return _answer({"clients": [_asking(machine) for machine in found[:MOST_ROWS]], "found": len(found)})


@routes.post("/api/v1/registrations")
async def register(request: web.Request) -> web.Response:
    """Register machines, all or none."""
    user = must(request, Role.REGISTER)
    body = await _read(request, NewRegistration)
    machines = [Machine(**{**machine.model_dump(), "mac": mac_of(machine.mac)}) for machine in body.machines]
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.register, machines, who)
    return _answer({"change": _entry(entry)}, status=201)


@routes.post("/api/v1/ignored")
async def ignore(request: web.Request) -> web.Response:
    """Have the boot servers answer machines no more."""
    user = must(request, Role.REGISTER)
    body = await _read(request, NewIgnore)
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.ignore, [mac_of(mac) for mac in body.macs], who)
    return _answer({"change": _entry(entry)}, status=201)


@routes.post("/api/v1/undo")
async def undo(request: web.Request) -> web.Response:
    """Take a change back."""
    user = must(request, Role.REGISTER)
    body = await _read(request, NewUndo)
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.undo, body.id, who)
    return _answer({"change": _entry(entry)}, status=201)


@routes.post("/api/v1/accepted")
async def accept(request: web.Request) -> web.Response:
    """Suppress a finding, with a reason."""
    user = must(request, Role.REGISTER)
    body = await _read(request, NewAccepted)
    who = Who(name=user.name, why=body.why, via="api")
    entry = await in_thread(request.app[SITE].registrations.accept, body.code, body.where, who)
    return _answer({"change": _entry(entry)}, status=201)


@routes.get("/api/v1/rollout")
async def rollout(request: web.Request) -> web.Response:
    """What is being rolled out or was last, the plan that was read, and every record."""
    desk = request.app[SITE].desk
    return _answer(await in_thread(lambda: {**as_dict(desk), "records": _records(desk)}))


@routes.post("/api/v1/rollout/plan")
async def plan(request: web.Request) -> web.Response:
    """Read the servers and plan; `GET /api/v1/rollout` tells how far it is."""
    user = must(request, Role.ROLL_OUT)
    body = await _read(request, NewPlan)
    desk, who = request.app[SITE].desk, Who(name=user.name, why=body.why, via="api")
    await in_thread(lambda: desk.plan(who, overwrite=body.overwrite))
    return _answer(as_dict(desk), status=202)


@routes.post("/api/v1/rollout/apply")
async def apply(request: web.Request) -> web.Response:
    """Roll out the plan that was read."""
    user = must(request, Role.ROLL_OUT)
    body = await _read(request, NewRollout)
    desk, who = request.app[SITE].desk, Who(name=user.name, why="", via="api")
    await in_thread(lambda: desk.apply(who, body.digest, force=body.force))
    return _answer(as_dict(desk), status=202)


@routes.post("/api/v1/rollout/undo")
async def take_back(request: web.Request) -> web.Response:
    """Take a roll-out back, byte for byte."""
    user = must(request, Role.ROLL_OUT)
    body = await _read(request, NewRollback)
    desk, who = request.app[SITE].desk, Who(name=user.name, why=body.why, via="api")
    await in_thread(desk.undo, who, body.record)
    return _answer(as_dict(desk), status=202)


def _records(desk: RolloutDesk) -> list[dict[str, Any]]:
    return [record.model_dump(mode="json", exclude={"manifest"}) for record in records_of(desk.root)]


@routes.get("/api/v1/matrix")
async def matrix(request: web.Request) -> web.Response:
    """Who answers whom, class by class."""
    report = await in_thread(request.app[SITE].report)
    return _answer({"rows": [row_as_dict(row) for row in report.rows]})


@routes.get("/api/v1/findings")
async def findings(request: web.Request) -> web.Response:
    """Every finding."""
    report = await in_thread(request.app[SITE].report)
    return _answer({"findings": [finding_as_dict(finding) for finding in report.findings]})


@routes.get("/api/v1/doctor")
async def doctor(request: web.Request) -> web.Response:
    """Why a machine does not boot as it should: ``?of=MAC``, a name or a reserved address."""
    diagnosis = await in_thread(request.app[SITE].diagnose, request.query.get("of", ""))
    return _answer(diagnosis_as_dict(diagnosis))


@routes.get("/api/v1/migrations")
async def migrations(request: web.Request) -> web.Response:
    """Each migration: its waves, what was seen of them, its gate."""
    told = await in_thread(request.app[SITE].migrations)
    return _answer({"migrations": [status_json(each) for each in told]})


@routes.get("/api/v1/history")
async def history(request: web.Request) -> web.Response:
    """Every change that was made one by one, the last first."""
    entries = await in_thread(request.app[SITE].registrations.entries)
    return _answer({"changes": [_entry(entry) for entry in entries[::-1]]})


@routes.get("/api/v1/openapi.json")
async def openapi(_: web.Request) -> web.Response:
    """This interface, described (OpenAPI 3.1)."""
    return web.json_response(description())


def description() -> dict[str, Any]:
    """The OpenAPI document: made of the routes and the models above."""
    paths: dict[str, Any] = {}
    bodies: dict[str, type[_Body]] = {
        "/api/v1/registrations": NewRegistration,
        "/api/v1/ignored": NewIgnore,
        "/api/v1/undo": NewUndo,
        "/api/v1/accepted": NewAccepted,
        "/api/v1/rollout/plan": NewPlan,
        "/api/v1/rollout/apply": NewRollout,
        "/api/v1/rollout/undo": NewRollback,
    }
    schemas: dict[str, Any] = {}
    for route in routes:
        if not isinstance(route, web.RouteDef):
            continue
        said: dict[str, Any] = {
            "summary": (route.handler.__doc__ or "").strip().splitlines()[0],
            "operationId": route.handler.__name__,
            "responses": {
                _status(route): {
                    "description": "done, or begun where the status is 202",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "401": {"description": "no token, or an unknown one"},
                "403": {"description": "the token's user has not the role"},
                "422": {"description": "it could not be done; `error` says why"},
            },
        }
        body = bodies.get(route.path)
        if body is not None:
            model = body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(model.pop("$defs", {}))
            schemas[body.__name__] = model
            reference = {"$ref": f"#/components/schemas/{body.__name__}"}
            said["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        query = {"/api/v1/clients": ("which", "q"), "/api/v1/doctor": ("of",)}.get(route.path, ())
        said["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in query]
        paths.setdefault(route.path, {})[route.method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {"title": "coexist console", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _status(route: web.RouteDef) -> str:
    if route.method == "GET":
        return "200"
    return "202" if "/rollout/" in route.path else "201"


async def _read(request: web.Request, model: type[Any]) -> Any:
    """The body as a model. Raises `CoexistError` with every field that is wrong."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)[:20]
        ]
        raise CoexistError("\n".join(wrong)) from None


def _answer(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response({"version": VERSION, **document}, status=status)


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
