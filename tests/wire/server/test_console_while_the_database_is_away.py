"""A console whose registry is a real PostgreSQL, which goes away while somebody registers a machine."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from coexist.console.server import make_app
from coexist.console.site import ConsoleSettings
from coexist.console.users import Role, Users
from coexist.inventory import load_inventory
from coexist.registry.opening import connect, open_registry, where_is
from coexist.wire.mac import parse_mac
from tests.harness.postgresql import FOLDER, Postgres
from tests.unit.console.consoles import NEW, PASSWORD, SITE, Console

pytestmark = pytest.mark.needs(str(FOLDER), "setpriv")

_SOCKET = ".s.PGSQL.5432"
_PATIENCE = 60.0


class Line:
    """A way to the database's socket that can be cut: what is sent then is held, and nobody is told."""

    def __init__(self, to: Path, folder: Path) -> None:
        folder.mkdir()
        self.folder, self._to = folder, to
        self._open = threading.Event()
        self._open.set()
        self._ends: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _SOCKET))
        self._listener.listen()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.set()
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self) -> None:
        """From now on nothing arrives."""
        self._open.clear()

    def mend(self) -> None:
        """What was held arrives."""
        self._open.set()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._ends += [near, far]
                threading.Thread(target=self._join, args=(near, far), daemon=True).start()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        self._open.wait()
        try:
            far.connect(str(self._to / _SOCKET))
        except OSError:
            near.close()
            return
        threading.Thread(target=self._copy, args=(far, near), daemon=True).start()
        self._copy(near, far)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._open.wait()
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("how", ["killed", "paused", "cut off"])
def test_a_registration_waits_for_the_database_and_arrives_once(how: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE)
    with Postgres() as postgres, Line(postgres.folder, tmp_path / "line") as line:
        address = postgres.database().replace(str(postgres.folder), str(line.folder))
        connect(where_is(address)).close()
        away, back = {
            "killed": (postgres.kill, postgres.start),
            "paused": (lambda: postgres.signal(signal.SIGSTOP), lambda: postgres.signal(signal.SIGCONT)),
            "cut off": (line.cut, line.mend),
        }[how]
        users = Users(tmp_path / "users.json")
        users.add("ada", PASSWORD, Role.REGISTER)
        settings = ConsoleSettings(path=site, registries={"otc": where_is(address)}, users=users.path)
        try:
            asyncio.run(_registers(settings, away, back, address))
        finally:
            postgres.signal(signal.SIGCONT)


async def _registers(
    settings: ConsoleSettings, away: Callable[[], object], back: Callable[[], object], address: str
) -> None:
    server = TestServer(make_app(settings))
    async with TestClient(server, cookie_jar=CookieJar(unsafe=True)) as client:
        console = Console(client, settings.path)
        await console.log_in()
        csrf = await console.csrf()
        away()
        form = {"csrf": csrf, "mac": NEW, "name": "desk-1", "why": "a new desk"}
        answer = await client.post("/register", data=form, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/history")
        assert 'role="status"' in await (await console.get("/history")).text()
        assert load_inventory(settings.path).clients.find(parse_mac(NEW)) is not None
        back()
        async with asyncio.timeout(_PATIENCE):
            while 'role="status"' in await (await console.get("/history")).text():
                await asyncio.sleep(0.1)
    registry = open_registry(address)
    try:
        decided = [(row.mac, row.state, row.name) for row in registry.decided()]
        assert decided == [(parse_mac(NEW), "registered", "desk-1")]
        assert len(registry.acts()) == 1
    finally:
        registry.close()
