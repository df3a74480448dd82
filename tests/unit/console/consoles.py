"""A console with two users over HTTP, for the tests of its pages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

PASSWORD = "a long one indeed"
NEW = "52:54:00:00:00:01"
HOSTILE = "<script>alert(1)</script>"
SITE = f"""
site: ward
vlans:
  lan: {{id: 1, subnet: 10.9.0.0/24, gateway: 10.9.0.1}}
servers:
  dhcp: {{software: isc-dhcpd 4.4, address: 10.9.0.2, vlan: lan}}
  otc:
    {{software: coexist, address: 10.9.0.3, vlan: lan, answers: {{only: thin}}, programs: {{bios: thin.0}}}}
scopes:
  lan: {{server: dhcp, vlan: lan, pools: [10.9.0.50-10.9.0.99]}}
clients:
  - {{mac: "52:54:00:00:00:09", name: "{HOSTILE}", hardware: igel}}
groups:
  thin: {{where: {{hardware: igel}}}}
intent:
  - {{clients: thin, boot_from: otc}}
  - {{clients: everyone, boot_from: nobody}}
"""

Story = Callable[["Console"], Awaitable[None]]
Told = Callable[[Story], None]


class Console:
    """A console with two users, and a browser."""

    def __init__(self, client: TestClient, folder: Path) -> None:
        self.client = client
        self.folder = folder

    async def get(self, path: str, **more: Any) -> ClientResponse:
        return await self.client.get(path, allow_redirects=False, **more)

    async def log_in(self, name: str = "ada") -> ClientResponse:
        form = {"name": name, "password": PASSWORD, "to": "/"}
        return await self.client.post("/login", data=form, allow_redirects=False)

    async def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', await (await self.get("/")).text())
        assert found is not None
        return found[1]

    async def post(self, path: str, **form: str) -> ClientResponse:
        return await self.client.post(path, data={"csrf": await self.csrf(), **form}, allow_redirects=False)
