"""A running console for each test; whoever tells a story of it uses it as a browser does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer

from coexist.console.server import LOOPBACK, make_app
from coexist.console.site import ConsoleSettings
from coexist.console.users import Role, Users
from coexist.registry.records import Note
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.mac import parse_mac
from tests.unit.console.consoles import HOSTILE, NEW, PASSWORD, SITE, Console, Story, Told


@pytest.fixture(scope="module")
def hashed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of two users; hashes are slow to make."""
    users = Users(tmp_path_factory.mktemp("users") / "users.json")
    users.add("ada", PASSWORD, Role.REGISTER)
    users.add("bob", PASSWORD, Role.LOOK)
    users.add("eve", PASSWORD, Role.ROLL_OUT)
    return users.path.read_bytes()


@pytest.fixture
def told(tmp_path: Path, hashed: bytes) -> Told:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    (tmp_path / "users.json").write_bytes(hashed)
    registry = sqlite_registry(tmp_path / "otc.sqlite")
    vendor = f"PXEClient{HOSTILE}"
    registry.note([Note(parse_mac(NEW), "", "lan", 0, vendor, "no rule", "", "", 1.7e9, 1.7e9, 3, False)])
    registry.close()
    settings = ConsoleSettings(
        path=tmp_path,
        registries={"otc": tmp_path / "otc.sqlite"},
        users=tmp_path / "users.json",
        hosts=LOOPBACK,
    )

    def tell(story: Story) -> None:
        async def play() -> None:
            server = TestServer(make_app(settings))
            async with TestClient(server, cookie_jar=CookieJar(unsafe=True)) as client:
                await story(Console(client, tmp_path))

        asyncio.run(play())

    return tell
