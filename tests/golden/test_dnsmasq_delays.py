"""Whatever delays are declared, the daemon takes the file."""

from pathlib import Path
from typing import Any

import pytest

from coexist.render import render_site
from tests.golden import checkers
from tests.unit.render.sites import site

pytestmark = pytest.mark.needs("dnsmasq")

PROXY = {"roles": ["proxydhcp"], "programs": {"bios": "a.0"}}
DHCP = {"roles": ["dhcp"]}


@pytest.mark.parametrize("role", [PROXY, DHCP], ids=["proxy", "dhcp"])
@pytest.mark.parametrize(
    "delays",
    [
        {"delay": 1, "delay_for": {"thin": 3, "phones": 2}},
        {"delay_for": {"thin": 2, "phones": 2}},
        {"delay": 2, "delay_for": {"thin": "none"}},
    ],
)
def test_accepted(role, delays, tmp_path: Path):
    scope: dict[str, Any] | None = {} if role is DHCP else None
    rendered = render_site(site({"software": "dnsmasq 2.90", **role, **delays}, scope=scope))
    path = tmp_path / "dnsmasq.conf"
    path.write_bytes(rendered.files["s"][0].content)
    checkers.check(path)
