"""HTTP for UEFI HTTP boot and iPXE: aiohttp in a thread of its own, with the rules and files of TFTP.

aiohttp answers ranges, HEAD (UEFI asks for the size first) and conditional requests; here is only who may
have what.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiohttp import web

from coexist.server.access import Access, Doorkeeper
from coexist.server.counters import Counters
from coexist.server.files import Content, FileContent, MadeContent, NotServedError
from coexist.server.logs import Log

Find = Callable[[str, Access, str], Content]
_START_SECONDS = 10.0


class HttpService:
    """The service on all addresses of the server. ``port`` is the one it is bound to."""

    def __init__(
        self,
        sockets: dict[IPv4Address, socket.socket],
        *,
        door: Doorkeeper,
        counters: Counters,
        log: Log,
    ) -> None:
        self.door = door
        self.counters = counters
        self.log = log
        self.port: int = next(iter(sockets.values())).getsockname()[1]
        self._sockets = sockets
        self._find: dict[str, Find] = {}
        self._whitelist = True
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def use(self, find: dict[IPv4Address, Find], *, whitelist: bool) -> None:
        """Serve what ``find`` finds, by the address asked; from any thread."""
        self._find = {str(address): each for address, each in find.items()}
        self._whitelist = whitelist

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        self._ready.wait(_START_SECONDS)

    def close(self) -> None:
        """Break off what is being sent, and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5.0)
        for sock in self._sockets.values():
            sock.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(
            application, access_log=None, logger=logging.getLogger("coexist.http"), shutdown_timeout=0.5
        )
        self._loop.run_until_complete(self._begin(runner))
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _begin(self, runner: web.AppRunner) -> None:
        await runner.setup()
        for sock in self._sockets.values():
            await web.SockSite(runner, sock).start()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One GET or HEAD."""
        peer = request.remote or ""
        name = request.path
        who = self.door.ask(peer, whitelist=self._whitelist)
        response = (
            self._refusal(503 if who.undecided else 403, who.why)
            if not who.allowed
            else self._found(request, name, who, peer)
        )
        self.counters.http[str(response.status)] += 1
        self._log(peer, who, name, response.status)
        return response

    def _found(self, request: web.Request, name: str, who: Access, peer: str) -> web.StreamResponse:
        transport = request.transport
        address = transport.get_extra_info("sockname")[0] if transport is not None else ""
        find = self._find.get(address)
        if find is None:
            return self._refusal(404, "nothing is served on this address")
        try:
            content = find(name, who, peer)
        except NotServedError as refusal:
            return self._refusal(404 if refusal.missing else 403, refusal.why)
        content.close()
        if isinstance(content, MadeContent):
            return web.Response(body=content.data, content_type="text/plain")
        assert isinstance(content, FileContent)
        return web.FileResponse(Path(content.path), headers={"Content-Type": "application/octet-stream"})

    def _refusal(self, status: int, why: str) -> web.Response:
        return web.Response(status=status, text=f"{why}\n")

    def _log(self, peer: str, who: Access, name: str, status: int) -> None:
        if self.log.full(who.client, time.monotonic()):
            return
        fields: dict[str, Any] = {"event": f"http {status}", "file": name, "address": peer}
        self.log.decision(who.client, {**fields, "mac": who.mac, "rule": who.rule, "why": who.why})
