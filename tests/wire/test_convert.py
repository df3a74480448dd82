"""A dhcpd.conf converted to Kea: both daemons, the same packets, and every reply as before.

In every header field that a client reads and every option, whatever the order. Which address of a pool is
offered is each daemon's own affair.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.app.convert import convert
from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.cli import run
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import Packet
from coexist.wire.option_codes import Option
from tests.harness.network import Host
from tests.harness.packet_matrix import (
    Case,
    Place,
    Seen,
    ask_daemon,
    discovers,
    introductions,
    predicted,
    strangers,
)
from tests.harness.processes import Process
from tests.harness.servers import start_dhcpd, start_kea

FILE = Path(__file__).parents[1] / "data" / "convert" / "campus.conf"
SERVER = IPv4Address("10.81.0.5")
PLACE = Place(
    server=SERVER,
    network=IPv4Network("10.81.0.0/24"),
    local=IPv4Address("10.81.0.250"),
    relays={
        IPv4Network("10.82.0.0/24"): IPv4Address("10.82.0.250"),
        IPv4Network("10.83.0.0/25"): IPv4Address("10.83.0.120"),
    },
)
KNOWN = ["02:81:00:00:00:01", "02:81:00:00:00:03", "02:81:50:00:00:09", "02:81:51:00:00:77",
         "02:81:00:00:00:0d", "02:81:00:00:00:21"]  # fmt: skip
PATIENCE = 0.6
_ALWAYS = (1, 51, 53, 54, 82)
_HERE = {
    "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "raw"},
    "lease-database": {"type": "memfile", "persist": False},
}


def _rounds() -> list[list[Case]]:
    """DISCOVERs of every kind. Every machine that boots says what it wants (option 55)."""
    macs = [*KNOWN, *strangers(2)]
    networks = [None, *PLACE.relays]
    asked = [introductions(macs, networks), discovers(macs, networks)]
    return [[case for case in cases if case.wanted != "none" and case.kind != "named"] for cases in asked]


def _told(seen: Seen) -> tuple[object, ...] | None:
    """What of a reply a client reads."""
    reply = seen.reply
    if reply is None:
        return None
    # Kea sends routers, name servers and domain to those too who do not ask for them.
    asked = {*seen.packet.options[Option.PARAMETER_REQUEST_LIST], *_ALWAYS}
    return (
        reply.message_type,
        _pool(reply),
        reply.siaddr,
        reply.sname,
        reply.file,
        {code: value for code, value in sorted(reply.options.items()) if code in asked},
    )


def _pool(reply: Packet) -> str:
    """The pool of a leased address, or the address itself."""
    pools = {"10.81.0.100": "10.81.0.180", "10.81.1.20": "10.81.1.199", "10.82.0.50": "10.82.0.150",
             "10.83.0.10": "10.83.0.100"}  # fmt: skip
    reserved = reply.yiaddr == IPv4Address("10.82.0.60")
    for first, last in pools.items():
        if IPv4Address(first) <= reply.yiaddr <= IPv4Address(last) and not reserved:
            return first
    return str(reply.yiaddr)


@pytest.mark.needs("dhcpd", "kea-dhcp4")
def test_kea_answers_as_dhcpd_did(tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run(["adopt", str(site), "dhcp", "--from", str(FILE), "--address", str(SERVER)]) == 0
    converted = convert(site, "dhcp", "kea 2.2")
    assert converted.complete
    config = json.loads(converted.text)["Dhcp4"] | _HERE
    leases = DhcpdLeases(parse_dhcpd(FILE.read_text(), str(FILE)))
    model = DhcpdModel(name="dhcp", leases=leases, ping_check=False)

    def expected(seen: Seen) -> bool:
        return not isinstance(predicted(model, PLACE, seen), str)

    def dhcpd(host: Host) -> Process:
        return start_dhcpd(host, FILE)

    def kea(host: Host) -> Process:
        return start_kea(host, json.dumps({"Dhcp4": config}))

    before = ask_daemon(tmp_path / "dhcpd", PLACE, dhcpd, _rounds(), PATIENCE, expected)
    after = ask_daemon(tmp_path / "kea", PLACE, kea, _rounds(), PATIENCE, expected)
    told = {str(seen.case): _told(seen) for seen in after}
    wrong = [
        f"{seen.case}: {_told(seen)}, Kea {told.get(str(seen.case))}"
        for seen in before
        if _told(seen) != told.get(str(seen.case))
    ]
    assert sum(seen.reply is not None for seen in before) > 120
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])
    assert Option.VENDOR_SPECIFIC_INFORMATION in {c for s in before if s.reply for c in s.reply.options}
