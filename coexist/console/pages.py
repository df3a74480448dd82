"""The pages: what is asked of ``app`` for each, and which template shows it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from coexist.app.changes import Who
from coexist.app.explain import Explained
from coexist.app.joining import joinable
from coexist.app.live import PAGE, SORTS, Asking, Which, chosen
from coexist.app.registrations import Machine, pasted_machines
from coexist.console.rollout import rollout_rows
from coexist.console.users import Role, User
from coexist.console.web import (
    COOKIE,
    SESSIONS,
    SETTINGS,
    SITE,
    TRIES_LEFT,
    USERS,
    asked_from,
    in_thread,
    is_secure,
    mac_of,
    must,
    page,
)
from coexist.report.page import finding_values, row_values
from coexist.report.race_picture import race_picture
from coexist.wire.mac import format_mac

routes = web.RouteTableDef()
_KINDS = ("all", "unregistered", "registered", "ignored")
_WATCH_SECONDS = 1.0
_MOST_BOOTS = 6


# -- logging in ---------------------------------------------------------------------------------------


@routes.get("/login")
async def login_page(request: web.Request) -> web.Response:
    """The form, or where to get in without users."""
    return page(request, "login.html.j2", title="Log in", to=_inside(request.query.get("to", "/")), failed="")


@routes.post("/login")
async def log_in(request: web.Request) -> web.Response:
    """Begin a session."""
    form = await request.post()
    name, to = str(form.get("name", "")), _inside(str(form.get("to", "/")))
    tries = request.app[TRIES_LEFT]
    keys = (f"from {asked_from(request)}", f"{name} from {asked_from(request)}")
    if not tries.allowed(*keys):
        failed = "Too many failures. Wait a minute."
        return page(request, "login.html.j2", status=429, title="Log in", to=to, failed=failed)
    user = await in_thread(request.app[USERS].log_in, name, str(form.get("password", "")))
    if user is None:
        tries.failed(*keys)
        failed = "That name and password do not fit."
        return page(request, "login.html.j2", status=401, title="Log in", to=to, failed=failed)
    tries.succeeded(*keys)
    return _let_in(request, user, to)


@routes.get("/enter")
async def enter(request: web.Request) -> web.Response:
    """The link that whoever started the console was told."""
    link = request.app[SETTINGS].link
    if not link or not hmac.compare_digest(link, request.query.get("key", "")):
        raise web.HTTPForbidden(text="this link is not of this console\n")
    return _let_in(request, User(name="local", role=Role.ROLL_OUT), "/")


@routes.post("/logout")
async def log_out(request: web.Request) -> web.Response:
    """End the session."""
    request.app[SESSIONS].end(request.cookies.get(COOKIE, ""))
    response = web.HTTPSeeOther("/login")
    response.del_cookie(COOKIE)
    raise response


def _let_in(request: web.Request, user: User, to: str) -> web.Response:
    response = web.Response(status=303, headers={"Location": to})
    response.set_cookie(
        COOKIE,
        request.app[SESSIONS].begin(user),
        httponly=True,
        samesite="Strict",
        secure=is_secure(request),
        path="/",
    )
    return response


def _inside(to: str) -> str:
    """A path of this console; never another site."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


# -- now ----------------------------------------------------------------------------------------------


@routes.get("/")
async def now(request: web.Request) -> web.Response:
    """The machines that ask to boot."""
    values = await in_thread(_now_values, request)
    return page(request, "now.html.j2", title="Now", **values)


@routes.get("/rows")
async def rows(request: web.Request) -> web.Response:
    """The rows of that page alone, to be put in place of the old ones."""
    return page(request, "rows.html.j2", **await in_thread(_now_values, request))


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events (WHATWG HTML section 9.2): one whenever something changed that pages show."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    site, last = request.app[SITE], ""
    sessions, secret = request.app[SESSIONS], request.cookies.get(COOKIE, "")
    while sessions.find(secret) is not None:
        version = await in_thread(site.version)
        # A comment keeps proxies from closing a quiet connection, and shows a browser that went.
        await response.write(f"data: {version}\n\n".encode() if version != last else b": quiet\n\n")
        last = version
        await asyncio.sleep(_WATCH_SECONDS)
    return response


def _now_values(request: web.Request) -> dict[str, Any]:
    query = request.query
    which = query.get("which", "all") if query.get("which") in _KINDS else "all"
    sort = query.get("sort", "last_seen") if query.get("sort") in SORTS else "last_seen"
    text = query.get("q", "")[:100]
    site = request.app[SITE]
    everyone = site.machines()
    found = chosen(everyone, which=cast("Which", which), text=text, sort=sort)
    number = max(1, int(query["page"])) if query.get("page", "").isdecimal() else 1
    shown = found[(number - 1) * PAGE : number * PAGE]
    return {
        "machines": [_machine_values(request, machine) for machine in shown],
        "found": len(found),
        "everyone": len(everyone),
        "which": which,
        "sort": sort,
        "text": text,
        "number": number,
        "pages": max(1, -(-len(found) // PAGE)),
        "kinds": _KINDS,
        "sorts": SORTS,
        "watched": bool(site.live.registries),
    }


def _machine_values(request: web.Request, machine: Asking) -> dict[str, Any]:
    near = "" if machine.registered else request.app[SITE].near(machine.mac)
    return {"told": machine, "near": near}


# -- one machine --------------------------------------------------------------------------------------


@routes.get("/machine")
async def machine(request: web.Request) -> web.Response:
    """What is known of one machine, where its boot parts from the inventory, and the form to register it."""
    asked = request.query.get("of", "").strip()
    if not asked:
        return page(request, "find.html.j2", title="A machine")
    values = await in_thread(_diagnosed, request, asked)
    return page(request, "machine.html.j2", title=values["diagnosis"].machine, **values)


@routes.post("/machine")
async def ask(request: web.Request) -> web.Response:
    """The same, after the wire was asked as that machine."""
    must(request, Role.REGISTER)
    form = await request.post()
    values = await in_thread(_diagnosed, request, str(form.get("of", "")), str(form.get("vlan", "")))
    return page(request, "machine.html.j2", title=values["diagnosis"].machine, **values)


def _diagnosed(request: web.Request, asked: str, ask_on: str = "") -> dict[str, Any]:
    site = request.app[SITE]
    inventory = site.inventory
    diagnosis = site.diagnose(asked, ask_on)
    seen = next((each for each in site.machines() if each.mac == diagnosis.mac), None)
    told = site.explained(format_mac(diagnosis.mac), {})
    boots = _race_values(told, diagnosis.machine)
    return {
        "diagnosis": diagnosis,
        "seen": seen,
        "record": inventory.clients.find(diagnosis.mac),
        "near": site.near(diagnosis.mac),
        "boots": boots,
        "hardware": sorted({value for value in inventory.clients.columns["hardware"] if value})[:200],
        "vlans": list(inventory.site.vlans),
        "groups": joinable(inventory),
        "probes": list(site.probes),
    }


@routes.post("/register")
async def register(request: web.Request) -> web.Response:
    """Register one machine, or those of a pasted list."""
    user = must(request, Role.REGISTER)
    form = {key: str(value).strip() for key, value in (await request.post()).items()}
    machines = pasted_machines(form["list"]) if "list" in form else [_machine_of(form)]
    site = request.app[SITE]
    await in_thread(site.registrations.register, machines, Who(name=user.name, why=form.get("why", "")))
    raise await _done(request, None if "list" in form else machines[0].mac)


async def _done(request: web.Request, mac: int | None) -> web.HTTPSeeOther:
    """Where a change leads: to the one machine, or to the history, which says what waits for a registry."""
    waits = await in_thread(request.app[SITE].registrations.waiting)
    return web.HTTPSeeOther("/history" if mac is None or waits else f"/machine?of={format_mac(mac)}")


def _machine_of(form: Mapping[str, str]) -> Machine:
    return Machine(
        mac=mac_of(form.get("mac", "")),
        name=form.get("name", ""),
        location=form.get("location", ""),
        hardware=form.get("hardware", ""),
        vlan=form.get("vlan", ""),
        group=form.get("group", ""),
    )


@routes.post("/ignore")
async def ignore(request: web.Request) -> web.Response:
    """Have the boot servers answer one machine no more, or those of a pasted list."""
    user = must(request, Role.REGISTER)
    form = {key: str(value).strip() for key, value in (await request.post()).items()}
    many = "list" in form
    machines = pasted_machines(form["list"]) if many else [_machine_of(form)]
    macs = [machine.mac for machine in machines]
    who = Who(name=user.name, why=form.get("why", ""))
    await in_thread(request.app[SITE].registrations.ignore, macs, who)
    raise await _done(request, None if many else macs[0])


@routes.get("/paste")
async def paste(request: web.Request) -> web.Response:
    """The form for many machines at once."""
    must(request, Role.REGISTER)
    return page(request, "paste.html.j2", title="Register many machines")


# -- the site -----------------------------------------------------------------------------------------


@routes.get("/matrix")
async def matrix(request: web.Request) -> web.Response:
    """Who answers whom, coloured by the intent."""
    report = await in_thread(request.app[SITE].report)
    rows = [{**row_values(row), "mac": format_mac(row.witness), "row": row} for row in report.rows]
    return page(request, "matrix.html.j2", title="Who answers whom", rows=rows, summary=report.summary)


@routes.get("/race")
async def race(request: web.Request) -> web.Response:
    """One race as a picture and in words."""
    query = request.query
    boots = await in_thread(_raced, request, query)
    return page(request, "race.html.j2", title="A race", boots=boots)


def _raced(request: web.Request, query: Mapping[str, str]) -> list[dict[str, Any]]:
    return _race_values(request.app[SITE].explained(query.get("mac", ""), query), "the race")


def _race_values(told: Explained, title: str) -> list[dict[str, Any]]:
    return [
        {"result": race, "picture": race_picture(race.events, title)} for race in told.races[:_MOST_BOOTS]
    ]


@routes.get("/findings")
async def findings(request: web.Request) -> web.Response:
    """Every finding with its race and its repair."""
    report = await in_thread(request.app[SITE].report)
    shown = [
        {
            **finding_values(finding, number, report.races.get(number)),
            "path": ".".join(map(str, finding.path)),
        }
        for number, finding in enumerate(report.findings)
    ]
    return page(
        request, "findings.html.j2", title="Findings", findings=shown, summary=report.summary,
        suppressed=report.suppressed,
    )  # fmt: skip


@routes.post("/accept")
async def accept(request: web.Request) -> web.Response:
    """Suppress a finding, with a reason."""
    user = must(request, Role.REGISTER)
    form = {key: str(value).strip() for key, value in (await request.post()).items()}
    who = Who(name=user.name, why=form.get("why", ""))
    await in_thread(request.app[SITE].registrations.accept, form.get("code", ""), form.get("where", ""), who)
    raise web.HTTPSeeOther("/findings")


@routes.get("/history")
async def history(request: web.Request) -> web.Response:
    """Every roll-out, and every change that was made one by one; the last first."""
    entries = await in_thread(request.app[SITE].registrations.entries)
    rollouts = await in_thread(rollout_rows, request)
    return page(
        request, "history.html.j2", title="History", entries=entries[::-1][:500], rollouts=rollouts[:200],
        busy=request.app[SITE].desk.busy, waiting=await in_thread(request.app[SITE].registrations.waiting),
    )  # fmt: skip


@routes.post("/undo")
async def undo(request: web.Request) -> web.Response:
    """Take a change back."""
    user = must(request, Role.REGISTER)
    form = await request.post()
    who = Who(name=user.name, why=str(form.get("why", "")).strip())
    await in_thread(request.app[SITE].registrations.undo, str(form.get("id", "")), who)
    raise web.HTTPSeeOther("/history")
