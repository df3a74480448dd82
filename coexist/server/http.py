"""HTTP for UEFI HTTP boot and iPXE: in a thread of its own, with the rules and files of TFTP.

GET and HEAD with ranges and conditions (UEFI asks for the size first). What is sent comes from the descriptor
that was checked; a file that changes meanwhile breaks the connection off, so that the client knows. Every
wait has an end, and connections are bounded (``Connections``).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from coexist.server.access import Access, Doorkeeper
from coexist.server.connections import Connections, Held
from coexist.server.counters import Counters
from coexist.server.files import ChangedError, Content, FileContent, NotServedError
from coexist.server.front import ASKS, CLIENT, KEY, SERVER, Front
from coexist.server.http_answers import Heard, about_file, about_nothing, about_refusal, about_text, heard
from coexist.server.http_line import STALL_SECONDS, Line, TooLongError
from coexist.server.http_pages import Pages
from coexist.server.logs import Log
from coexist.wire.http import MOST_HEAD_OCTETS, BadRequest, Request

Find = Callable[[str, Access, str], Content]
HEAD_SECONDS = 10.0
"""In which a request must have come, from the connection or from the answer before it."""
SLOWEST = 16_384
"""Octets a second: whoever takes a file more slowly is given up."""
_SMALL = 8 << 10
"""Octets up to which a copy costs less than a second call of the kernel."""
_START_SECONDS = 10.0
_LINGER_SECONDS = 0.5
_RESET = struct.pack("ii", 1, 0)
_NO_DESCRIPTOR_SECONDS = 0.2
_BROKEN = (OSError, ChangedError, TimeoutError)


class HttpService:
    """The service on all addresses of the server. ``port`` is the one it is bound to."""

    def __init__(
        self,
        sockets: dict[IPv4Address, socket.socket],
        *,
        door: Doorkeeper,
        counters: Counters,
        log: Log,
        connections: Connections | None = None,
        front: Front | None = None,
        port: int | None = None,
    ) -> None:
        """``front``: nginx, from which alone requests come then; ``port``: where it listens."""
        self.door = door
        self.counters = counters
        self.log = log
        self.connections = connections or Connections()
        self.front = front
        self.behind: int = next(iter(sockets.values())).getsockname()[1]
        self.port: int = port or self.behind
        self._sockets = sockets
        self._find: dict[str, Find] = {}
        self._whitelist = True
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._serving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pages = Pages()
        # Gives a connection to the worker that has the client, if that is another one; whether it did.
        self.hand_on: Callable[[IPv4Address, socket.socket, str], bool] | None = None
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
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(5.0)
        for sock in self._sockets.values():
            sock.close()

    def _stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    def _run(self) -> None:
        self._loop.set_exception_handler(self._unforeseen)
        self._serving = self._loop.create_task(self._serve())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)
        self._loop.close()
        self._pages.close()

    async def _serve(self) -> None:
        accepting = [
            asyncio.create_task(self._accept(address, sock)) for address, sock in self._sockets.items()
        ]
        self._ready.set()
        try:
            await asyncio.gather(*accepting)
        finally:
            ending = [*accepting, *self._tasks]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _accept(self, address: IPv4Address, listening: socket.socket) -> None:
        listening.setblocking(False)
        while True:
            try:
                sock, peer = await self._loop.sock_accept(listening)
            except OSError:  # no descriptor is left, or the client is gone already
                await asyncio.sleep(_NO_DESCRIPTOR_SECONDS)
                continue
            if self.hand_on is None or not self.hand_on(address, sock, peer[0]):
                self._admit(sock, peer[0], address)

    def take(self, address: IPv4Address, sock: socket.socket) -> None:
        """Serve a connection that another worker accepted; from any thread."""
        sock.setblocking(False)
        try:
            peer = sock.getpeername()[0]
            self._loop.call_soon_threadsafe(self._admit, sock, peer, address)
        except (OSError, RuntimeError):  # the client is gone, or this service is
            sock.close()

    def _admit(self, sock: socket.socket, peer: str, address: IPv4Address) -> None:
        """Begin to serve a connection, unless there are too many."""
        if not self.connections.admits(peer):
            # At once, and without the kernel keeping anything of it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()
            return
        held = Held(peer)
        task = self._loop.create_task(self._connection(sock, held, str(address)))
        held.drop = task.cancel
        self.connections.add(held)
        self.counters.http_connections = len(self.connections.held)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, held))

    def _ended(self, held: Held, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.connections.remove(held)
        self.counters.http_connections = len(self.connections.held)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._unforeseen(self._loop, {"exception": error})

    def _unforeseen(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):
            self.counters.defects += 1
        self.log.event("http failed", why=repr(error or context.get("message")))

    # -- one connection ------------------------------------------------------------------------

    async def _connection(self, sock: socket.socket, held: Held, address: str) -> None:
        line = Line(self._loop, sock)
        try:
            while await self._exchange(line, held, address):
                self.connections.idle(held)
                await asyncio.sleep(0)  # others have their turn, whatever this one has sent already
        except _BROKEN:
            pass  # the client knows: it has not got as much as it was told
        finally:
            line.close()

    async def _exchange(self, line: Line, held: Held, address: str) -> bool:
        """One request and its answer; whether another one may follow."""
        peer = held.address
        try:
            octets = await line.head(MOST_HEAD_OCTETS, HEAD_SECONDS)
        except TooLongError:
            asked: Heard | BadRequest = BadRequest(status=431, why="the header is too long")
        else:
            if not octets.strip():
                return False
            asked = heard(octets)
        self.connections.busy(held)
        if self.front is not None and isinstance(asked, Heard):
            fields = asked.request.fields
            if not secrets.compare_digest(fields.get(KEY, ""), self.front.key):
                asked = BadRequest(status=403, why="this port is nginx's")
            else:
                peer, address = fields.get(CLIENT, ""), fields.get(SERVER, "")
        if isinstance(asked, BadRequest):
            self._note(peer, None, "", asked.status, asked.why)
            await self._refuse(line, asked)
            await line.linger(_LINGER_SECONDS)
            return False
        stays = await self._answer(asked.request, line, peer, address, stays=asked.stays) and asked.stays
        if asked.has_body:
            await line.linger(_LINGER_SECONDS)
        return stays

    async def _answer(self, request: Request, line: Line, peer: str, address: str, *, stays: bool) -> bool:
        who = self.door.ask(peer, whitelist=self._whitelist)
        if not who.allowed:
            refusal = BadRequest(status=503 if who.undecided else 403, why=who.why)
            self._note(peer, who, request.path, refusal.status, refusal.why)
            await self._refuse(line, refusal, bodyless=request.method == "HEAD")
            return False
        if self.front is not None and ASKS in request.fields:
            self._note(peer, who, "", 204, who.why, event="sent by nginx")
            await line.send(about_nothing(204, stays=stays).begin())
            return stays
        try:
            find = self._find[address]
            content = find(request.path, who, peer)
        except (NotServedError, KeyError) as error:
            missing = not isinstance(error, NotServedError) or error.missing
            why = error.why if isinstance(error, NotServedError) else "nothing is served on this address"
            refusal = BadRequest(status=404 if missing else 403, why=why)
            self._note(peer, who, request.path, refusal.status, refusal.why)
            await self._refuse(line, refusal, bodyless=request.method == "HEAD", stays=stays)
            return stays
        try:
            await self._send(request, line, content, who, peer, stays=stays)
        except ChangedError:
            self._note(peer, who, request.path, 0, "the file was changed while it was sent", event="changed")
            raise
        finally:
            content.close()
        return stays

    async def _send(
        self,
        request: Request,
        line: Line,
        content: Content,
        who: Access,
        peer: str,
        *,
        stays: bool,
    ) -> None:
        """The file or what of it is asked for."""
        answer = (
            about_file(request, content, stays=stays)
            if isinstance(content, FileContent)
            else about_text(content.size, stays=stays)
        )
        self._note(peer, who, request.path, answer.status, who.why)
        first, end = answer.first, answer.end
        if request.method == "HEAD" or first == end:
            await line.send(answer.begin())
        elif isinstance(content, FileContent) and end - first > _SMALL:
            await line.send(answer.begin(), more=True)
            until = self._loop.time() + STALL_SECONDS + (end - first) / SLOWEST
            await line.send_file(self._pages, content, first, end, until)
        else:
            await line.send(answer.begin() + content.read(first, end - first))

    async def _refuse(
        self, line: Line, refusal: BadRequest, *, bodyless: bool = False, stays: bool = False
    ) -> None:
        body = f"{refusal.why}\n".encode()
        answer = about_refusal(refusal, len(body), stays=stays)
        await line.send(answer.begin() + (b"" if bodyless else body))

    def _note(
        self, peer: str, who: Access | None, name: str, status: int, why: str, event: str | None = None
    ) -> None:
        self.counters.http[event or str(status)] += 1
        client = who.client if who is not None else None
        if self.log.full(client, time.monotonic()):
            return
        fields: dict[str, Any] = {"event": f"http {event or status}", "file": name, "address": peer}
        if who is not None:
            fields |= {"mac": who.mac, "rule": who.rule}
        self.log.decision(client, {**fields, "why": why})
