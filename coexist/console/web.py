"""What every request passes: who asks, what it may do, what a browser may do with the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment

from coexist import __version__
from coexist.app.pilot_links import NoLinkError
from coexist.console.sessions import Session, Sessions, Tries, same
from coexist.console.site import ConsoleSettings, ConsoleSite
from coexist.console.users import Role, User, Users
from coexist.errors import CoexistError
from coexist.report.page import environment
from coexist.wire.mac import format_mac, parse_mac

COOKIE = "coexist-session"
STATIC = Path(__file__).resolve().parent.parent / "_templates" / "console"
MOST_BODY = 2 * 2**20
"""Octets of a form or a document: 20,000 pasted machines fit."""

SETTINGS = web.AppKey("settings", ConsoleSettings)
SITE = web.AppKey("site", ConsoleSite)
USERS = web.AppKey("users", Users)
SESSIONS = web.AppKey("sessions", Sessions)
TRIES_LEFT = web.AppKey("tries", Tries)
SESSION = web.RequestKey("session", Session)
USER = web.RequestKey("user", User)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_TOLD_WITH = ("Allow", "WWW-Authenticate")
_OPEN = ("/login", "/static/", "/enter", "/pilot/")

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def safe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a foreign Host (DNS rebinding), and tell the browser what it may do with the answer."""
    settings = request.app[SETTINGS]
    host = request.host.rsplit(":", 1)[0] if request.host.count(":") == 1 else request.host
    if settings.hosts and host.strip("[]").lower() not in settings.hosts:
        raise web.HTTPMisdirectedRequest(text=f"this console is not asked as {request.host}\n")
    response = await handler(request)
    if not response.prepared:
        for name, value in (
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ):
            response.headers.setdefault(name, value)
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
    return response


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page, or a JSON object for programs, for what could not be done."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        if refused.status < 400 or not request.path.startswith("/api/"):
            raise
        said = {"error": (refused.text or "").strip()}
        kept = {name: refused.headers[name] for name in _TOLD_WITH if name in refused.headers}
        return web.json_response(said, status=refused.status, headers=kept)
    except CoexistError as error:
        if request.path.startswith("/api/"):
            return web.json_response({"error": str(error)}, status=422)
        if SESSION not in request and not request.path.startswith("/pilot/"):
            return web.Response(text=str(error), status=422)
        status = 404 if isinstance(error, NoLinkError) else 422
        return page(
            request, "refused.html.j2", status=status, title="Not done", lines=str(error).splitlines()
        )


@web.middleware
async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has a session or a token; what a browser changes must bear the session's own token."""
    if request.path.startswith("/api/"):
        request[USER] = _of_token(request)
        return await handler(request)
    session = request.app[SESSIONS].find(request.cookies.get(COOKIE, ""))
    if session is not None:
        request[SESSION] = session
        user = _as_it_is_now(request, session)
        if user is not None:
            request[USER] = user
    if request.path.startswith(_OPEN):
        return await handler(request)
    if session is None or USER not in request:
        raise web.HTTPSeeOther(f"/login?to={quote(request.path_qs)}")
    if request.method not in ("GET", "HEAD") and not same(
        session, str((await request.post()).get("csrf", ""))
    ):
        raise web.HTTPForbidden(text="this form is not of your session; load the page again\n")
    return await handler(request)


def _as_it_is_now(request: web.Request, session: Session) -> User | None:
    """A user that was removed, or has another role now, is that at once."""
    if not session.user.hash:
        return session.user
    return request.app[USERS].all.get(session.user.name)


def _of_token(request: web.Request) -> User:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    tries, key = request.app[TRIES_LEFT], f"token from {asked_from(request)}"
    if not tries.allowed(key):
        raise web.HTTPTooManyRequests(text="too many failures; wait a minute\n")
    user = request.app[USERS].of_token(token) if scheme.lower() == "bearer" else None
    if user is None:
        tries.failed(key)
        raise web.HTTPUnauthorized(
            text="send `Authorization: Bearer TOKEN`; `coexist users token` makes one\n",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return user


def asked_from(request: web.Request) -> str:
    """The address of whoever asks; the proxy's word for it where one stands in front."""
    if request.app[SETTINGS].behind_proxy:
        return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or str(request.remote)
    return str(request.remote)


def is_secure(request: web.Request) -> bool:
    """Whether the browser speaks TLS, to us or to the proxy in front."""
    if request.app[SETTINGS].behind_proxy:
        return request.headers.get("X-Forwarded-Proto", "") == "https"
    return request.app[SETTINGS].tls


def must(request: web.Request, role: Role) -> User:
    """The user who asks. Raises `HTTPForbidden` without the role."""
    user = request[USER]
    if user.role < role:
        raise web.HTTPForbidden(text=f"{user.name} may not do this: it needs the role {role.word}\n")
    return user


def mac_of(text: str) -> int:
    """A MAC that somebody wrote. Raises `CoexistError` with how it is written."""
    try:
        return parse_mac(text)
    except ValueError as error:
        raise CoexistError(str(error)) from None


def number_of(text: str) -> int:
    """A number that a form sends; -1 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 6 else -1


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Do what takes long without holding other requests up."""
    return await asyncio.to_thread(work, *arguments)


@cache
def _templates() -> Environment:
    made = environment().overlay()
    made.filters = {**made.filters, "mac": format_mac, "ago": ago, "when": when, "moment": moment, "age": age}
    return made


def page(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A whole page."""
    session, user = request.get(SESSION), request.get(USER)
    text = _templates().get_template(f"console/{template}").render(
        version=__version__,
        here=request.path,
        csrf=session.csrf if session else "",
        user=user,
        may_roll_out=user is not None and user.role >= Role.ROLL_OUT,
        may_register=user is not None and user.role >= Role.REGISTER,
        **values,
    )  # fmt: skip
    return web.Response(text=text, content_type="text/html", status=status)


def ago(seconds: float) -> str:
    """How long a time of the wall clock is past."""
    passed = age(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= size:
            return f"{passed / size:.0f} {unit} ago"
    return f"{passed:.0f} s ago"


def age(seconds: float) -> float:
    """How many seconds a time of the wall clock is past."""
    return max(0.0, time.time() - seconds)


def moment(at: datetime) -> str:
    """A time with its zone, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def when(seconds: float) -> str:
    """A time of the wall clock, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
