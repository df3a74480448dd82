"""The console as a server: its routes, what every request passes, and how it listens."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from aiohttp import web

from coexist.console import api, api_site, migration, openapi, pages, rollout
from coexist.console.sessions import Sessions, Tries
from coexist.console.site import ConsoleSettings, ConsoleSite
from coexist.console.users import Users
from coexist.console.web import (
    MOST_BODY,
    SESSIONS,
    SETTINGS,
    SITE,
    STATIC,
    TRIES_LEFT,
    USERS,
    in_thread,
    known,
    safe,
    told,
)
from coexist.errors import CoexistError

_CARRY_SECONDS = 2.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def make_app(settings: ConsoleSettings, *, now: Callable[[], float] = time.monotonic) -> web.Application:
    """The console of one inventory. ``now``: the clock of sessions, in seconds."""
    app = web.Application(middlewares=[safe, told, known], client_max_size=MOST_BODY)
    app[SETTINGS] = settings
    app[SITE] = ConsoleSite(settings)
    app[USERS] = Users(settings.users)
    app[SESSIONS] = Sessions(now)
    app[TRIES_LEFT] = Tries(now)
    app[migration.SAVES_LEFT] = Tries(now, migration.SAVES)
    app.add_routes(pages.routes)
    app.add_routes(migration.routes)
    app.add_routes(rollout.routes)
    for table in (api.routes, api_site.routes, openapi.routes):
        app.add_routes(table)
    app.router.add_static("/static/", STATIC / "static")
    app.cleanup_ctx.append(_carrying)
    return app


async def _carrying(app: web.Application) -> AsyncIterator[None]:
    """While the console runs, what registries could not be told is told them when they are back."""

    async def carry() -> None:
        while True:
            await in_thread(app[SITE].registrations.carry_over)
            await asyncio.sleep(_CARRY_SECONDS)

    task = asyncio.create_task(carry())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def serve(
    settings: ConsoleSettings,
    host: str,
    port: int,
    *,
    certificate: ssl.SSLContext | None,
    ready: Callable[[int], None],
) -> None:
    """Listen until SIGTERM or SIGINT; ``ready`` is told the port. Raises `CoexistError` if it cannot."""
    runner = web.AppRunner(make_app(settings), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=certificate)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise CoexistError(f"{host} port {port}: {error.strerror}; choose another with --listen") from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready(runner.addresses[0][1])
    await stop.wait()
    await runner.cleanup()


def tls(certificate: str, key: str | None) -> ssl.SSLContext:
    """TLS by certificate files. Raises `CoexistError` for files that are none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise CoexistError(
            f"{certificate}: {error.strerror or error}; name a certificate chain and its key in PEM form"
        ) from None
    return context
