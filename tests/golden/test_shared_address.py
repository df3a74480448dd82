"""Two interfaces of one machine may have one address: every daemon takes the file."""

from pathlib import Path

import pytest

from coexist.render import render_site
from tests.golden import checkers
from tests.unit.render.sites import CLIENTS, site

pytestmark = pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq")

SHARING = [CLIENTS[0], {**CLIENTS[0], "mac": CLIENTS[1]["mac"]}, CLIENTS[2]]


@pytest.mark.parametrize(
    ("software", "file", "accept"),
    [
        ("isc-dhcpd 4.4", "dhcpd.conf", checkers.dhcpd),
        ("kea 2.2", "kea-dhcp4.conf", checkers.kea),
        ("dnsmasq 2.90", "dnsmasq.conf", checkers.dnsmasq),
    ],
)
@pytest.mark.parametrize("rules", [[], [{"clients": "thin", "filename": "a.0"}]], ids=["plain", "grouped"])
def test_accepted(software, file, accept, rules, tmp_path: Path):
    server = {"software": software, "roles": ["dhcp"]}
    rendered = render_site(site(server, clients=SHARING, scope={"rules": rules}))
    content = next(f.content for f in rendered.files["s"] if f.path == file)
    for client in SHARING[:2]:
        assert client["mac"].encode() in content.lower()
    path = tmp_path / file
    path.write_bytes(content)
    accept(path)
