"""Which address ISC dhcpd leases first: the pool, and in it the place in its table of leases."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.languages.dhcpd.parser import parse_dhcpd
from tests.harness.matrix import Case, Place, asking, differing, place_of
from tests.harness.servers import start_dhcpd

pytestmark = [pytest.mark.needs("dhcpd"), pytest.mark.untimed]

HEAD = """# stands on 10.20.0.5/16, relay 10.21.0.1
authoritative; ddns-update-style none; ping-check false;
option domain-name "all.example";
class "lamps" { match if option host-name = "lamp"; }
"""
WIRE = """shared-network both {{
  subnet 10.20.0.0 netmask 255.255.0.0 {{ {} }}
  subnet 10.21.0.0 netmask 255.255.0.0 {{ {} }}
}}"""
FILES = {
    "pools for all are one, whatever their order": WIRE.format(
        'pool { range 10.20.1.0 10.20.2.255; } option domain-name "twenty.example";',
        'pool { range 10.21.1.0 10.21.2.255; } option domain-name "one.example";',
    ),
    "a pool with permissions comes after those before it": WIRE.format(
        "pool { range 10.20.1.0 10.20.2.255; }",
        'pool { range 10.21.1.0 10.21.2.255; deny members of "lamps"; }',
    ),
    "the same permissions in another order": WIRE.format(
        'pool { range 10.20.1.0 10.20.2.255; deny members of "lamps"; deny known-clients; }',
        'pool { range 10.21.1.0 10.21.2.255; deny known-clients; deny members of "lamps"; }',
    ),
    "a pool with a statement is its own": WIRE.format(
        "pool { range 10.20.1.0 10.20.2.255; }",
        'pool { range 10.21.1.0 10.21.2.255; option domain-name "own.example"; }',
    ),
    "ranges outside pools": WIRE.format("range 10.20.3.0 10.20.3.255;", "range 10.21.3.0 10.21.3.255;"),
    "the table begins within a range": (
        "subnet 10.20.0.0 netmask 255.255.0.0 { range 10.20.86.100 10.20.86.250; }"
    ),
    "two addresses in one place of the table": WIRE.format(
        "pool { range 10.20.9.9; }", "pool { range 10.21.143.172; }"
    ),
    "another pool between the two in the table": WIRE.format(
        "pool { range 10.20.1.0 10.20.2.255; }",
        'pool { range 10.21.1.0 10.21.2.255; } pool { range 10.21.3.0 10.21.3.9; deny members of "lamps"; }',
    ),
    "another pool behind the two in the table": WIRE.format(
        "pool { range 10.20.1.0 10.20.2.255; }",
        "pool { range 10.21.1.0 10.21.2.255; } pool { range 10.21.200.0 10.21.200.9; deny known-clients; }",
    ),
    "another wire's pool between the two in the table": WIRE.format(
        "pool { range 10.20.1.0 10.20.2.255; }", "pool { range 10.21.1.0 10.21.2.255; }"
    )
    + " subnet 10.22.0.0 netmask 255.255.0.0 { range 10.22.200.0 10.22.200.9; }",
    "another pool beside each address in the table": WIRE.format(
        "pool { range 10.20.9.0 10.20.9.50; }",
        'pool { range 10.21.143.163 10.21.143.190; deny members of "lamps"; }',
    ),
    "a range that is longer than the table": (
        "subnet 10.20.0.0 netmask 255.254.0.0 { range 10.20.80.0 10.21.230.200; }"
    ),
}


@pytest.mark.parametrize("text", FILES.values(), ids=list(FILES))
def test_the_first_address(text: str, tmp_path: Path) -> None:
    text = HEAD + text + "\n"
    place: Place = place_of(text)
    leases = DhcpdLeases(parse_dhcpd(text, "dhcpd.conf"))
    model = DhcpdModel(name="dhcp", leases=leases, ping_check=False)
    with asking(tmp_path / "net", place, lambda host: start_dhcpd(host, text)) as asker:
        seen = asker.ask([Case(mac="02:00:5e:10:00:01", kind="plain", asks="all")]).values()
    assert [reply for *_, reply in seen if reply is not None]
    assert not differing(model, place, seen)
