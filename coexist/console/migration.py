"""The migration page, and the page on which a pilot fills in the checklist of one machine without log-in."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from coexist.app import checklists
from coexist.app.changes import Who
from coexist.app.checklists import RESULTS
from coexist.app.migration_moves import plan
from coexist.app.migrations import Overview, load
from coexist.app.pilot_links import LONGEST_NAME, LONGEST_NOTE, NoLinkError
from coexist.console.sessions import Tries
from coexist.console.site import ConsoleSite
from coexist.console.users import Role
from coexist.console.web import (
    SITE,
    TRIES_LEFT,
    asked_from,
    in_thread,
    is_secure,
    must,
    number_of,
    page,
)
from coexist.report.migration import plan_json, wave_values

routes = web.RouteTableDef()
SAVES_LEFT = web.AppKey("saves", Tries)
SAVES = 20
"""How often a pilot's page may be sent in a minute, by a link and by an address."""
_FOREIGN = ("cross-site", "same-site")


@routes.get("/migration")
async def migration(request: web.Request) -> web.Response:
    """Each migration: its waves with what was seen of them, the gate, the pilots' checklists."""
    told = await in_thread(_overviews, request)
    return page(request, "migration.html.j2", title="Migration", migrations=told, new={})


@routes.get("/migration/state")
async def state(request: web.Request) -> web.Response:
    """That page's part that changes by itself."""
    told = await in_thread(_overviews, request)
    return page(request, "migration_state.html.j2", migrations=told, new={})


@routes.get("/migration/steps")
async def steps(request: web.Request) -> web.Response:
    """Every step to come of one migration, with the proof of each moment."""
    path, name = request.app[SITE].path, request.query.get("of", "")
    planned = await in_thread(lambda: plan_json(plan(load(path, name))))
    return page(request, "steps.html.j2", title=f"Steps of {name}", planned=planned)


def _overviews(request: web.Request) -> list[dict[str, Any]]:
    site = request.app[SITE]
    return [_values(site, told) for told in site.migrations()]


def _values(site: ConsoleSite, told: Overview) -> dict[str, Any]:
    command = _next_command(site.path, told, site.live.registries)
    links = site.pilots.links(told.name)
    return {"told": told, "waves": wave_values(told), "links": links, "command": command}


def _next_command(path: Path, told: Overview, registries: Mapping[str, object]) -> str:
    """What is typed on this machine to move a migration's next wave, or to finish the step under way.

    Empty where nothing is to be moved. A database is named without its password.
    """
    if not told.coming and told.state.step is None:
        return ""
    words = ["coexist", "migrate", "next", str(path.absolute()), "--migration", told.name]
    for server, where in registries.items():
        words += ["--registry", f"{server}={where.absolute() if isinstance(where, Path) else where}"]
    return shlex.join(words)


@routes.post("/migration/link")
async def link(request: web.Request) -> web.Response:
    """Make new links for a pilot machine, or for all, and show them this once."""
    user = must(request, Role.REGISTER)
    form = await request.post()
    name, machine = str(form.get("migration", "")), str(form.get("machine", ""))
    site, who = request.app[SITE], Who(name=user.name, why="")
    secrets = await in_thread(renewed, site, name, [machine] if machine else [], who)
    base = f"{'https' if is_secure(request) else 'http'}://{request.host}"
    new = {each: f"{base}/pilot/{secret}" for each, secret in secrets.items()}
    told = await in_thread(_overviews, request)
    return page(request, "migration.html.j2", title="Migration", migrations=told, new=new)


def renewed(site: ConsoleSite, name: str, machines: Sequence[str], who: Who) -> dict[str, str]:
    """New secrets for pilot machines, by machine; for all where none is named."""
    loaded = load(site.path, name)
    return site.pilots.renew(loaded, machines or loaded.sheet.machines, who)


@routes.post("/migration/unlink")
async def unlink(request: web.Request) -> web.Response:
    """Take a pilot's link back."""
    user = must(request, Role.REGISTER)
    form = await request.post()
    pilots, who = request.app[SITE].pilots, Who(name=user.name, why="")
    await in_thread(pilots.end, str(form.get("migration", "")), str(form.get("machine", "")), who)
    raise web.HTTPSeeOther("/migration")


@routes.post("/migration/settle")
async def settle(request: web.Request) -> web.Response:
    """Close a complaint."""
    user = must(request, Role.REGISTER)
    form = await request.post()
    name, number = str(form.get("migration", "")), number_of(str(form.get("number", "")))
    await in_thread(settled, request.app[SITE], name, number, Who(name=user.name, why=name))
    raise web.HTTPSeeOther("/migration")


def settled(site: ConsoleSite, name: str, number: int, who: Who) -> None:
    """Close a complaint, and write down who did."""
    checklists.settle(load(site.path, name), number)
    site.registrations.changes.note("complaint-settled", who, lines=[f"complaint {number} of {name}"])


# -- the pilot's own page -------------------------------------------------------------------------------


@routes.get("/pilot/{secret}")
async def pilot(request: web.Request) -> web.Response:
    """The checklist of the one machine that the link is for."""
    return await _pilot_page(request, said="")


@routes.post("/pilot/{secret}")
async def fill(request: web.Request) -> web.Response:
    """Record what a pilot found. The secret in the path is what a foreign page does not know."""
    _refuse_foreign(request)
    secret = request.match_info["secret"]
    saves, keys = request.app[SAVES_LEFT], (f"saves of {secret}", f"saves from {asked_from(request)}")
    if not saves.allowed(*keys):
        raise web.HTTPTooManyRequests(text="too often; wait a minute\n")
    saves.failed(*keys)
    form = {key: str(value).strip() for key, value in (await request.post()).items()}
    results = {
        number_of(key.removeprefix("result-")): (value, form.get(key.replace("result-", "note-"), ""))
        for key, value in form.items()
        if key.startswith("result-")
    }
    await _known_link(request)
    new = await in_thread(
        lambda: request.app[SITE].pilots.fill(
            secret, results, name=form.get("name", ""), complaint=form.get("complaint", "")
        )
    )
    said = "Nothing new was sent." if new == 0 else "Thank you. What you sent is recorded."
    return await _pilot_page(request, said=said, name=form.get("name", ""))


def _refuse_foreign(request: web.Request) -> None:
    """What a browser says of where a form comes from (W3C Fetch Metadata; RFC 6454 section 7)."""
    origin = request.headers.get("Origin", "")
    foreign = origin not in ("", "null") and origin.partition("://")[2] != request.host
    if foreign or request.headers.get("Sec-Fetch-Site", "") in _FOREIGN:
        raise web.HTTPForbidden(text="this form is not of this page\n")


async def _known_link(request: web.Request) -> Any:
    """What the link opens. Wrong links are counted, so that nobody can try many."""
    tries, key = request.app[TRIES_LEFT], f"pilot from {asked_from(request)}"
    if not tries.allowed(key):
        raise web.HTTPTooManyRequests(text="too many wrong links; wait a minute\n")
    try:
        return await in_thread(request.app[SITE].pilots.page, request.match_info["secret"])
    except NoLinkError:
        tries.failed(key)
        raise


async def _pilot_page(request: web.Request, *, said: str, name: str = "") -> web.Response:
    sheet = await _known_link(request)
    answer = page(
        request, "pilot.html.j2", title=f"Checklist of {sheet.machine}", sheet=sheet, said=said, name=name,
        results=RESULTS, longest_name=LONGEST_NAME, longest_note=LONGEST_NOTE,
    )  # fmt: skip
    # The address of the page is the secret: no other site may hear it.
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
