"""A dhcpd.conf converted to Kea: both daemons, the same packets, and every reply as before.

In every header field that a client reads and every option, whatever the order. Which address of a pool is
offered is each daemon's own affair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from coexist.wire.options import MessageType
from tests.harness.network import Host, Network
from tests.harness.packet_matrix import (
    Asker,
    Case,
    Place,
    Seen,
    ask_daemon,
    discovers,
    introductions,
    packet_of,
    predicted,
    requests,
    strangers,
)
from tests.harness.processes import Process
from tests.harness.servers import install, start_dhcpd, start_kea

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
    """DISCOVERs of every kind, a REQUEST of each machine for what it was offered, and INFORMs.

    Every machine that boots says what it wants (option 55).
    """
    macs = [*KNOWN, *strangers(2)]
    networks = [None, *PLACE.relays]
    said = requests(macs, networks)
    taken = [case for case in said if case.message is MessageType.REQUEST]
    # A stranger's: Kea looks a machine's reservation up for an INFORM too, and dhcpd does not.
    informs = [case for case in said if case.message is MessageType.INFORM and case.mac not in KNOWN]
    # A REQUEST is for what the same client was offered last.
    offered = [replace(case, message=MessageType.DISCOVER) for case in taken]
    # It names the server whose offer it takes: without that it would start again (INIT-REBOOT).
    taken = [replace(case, more=(*case.more, (Option.SERVER_IDENTIFIER, SERVER.packed))) for case in taken]
    asked = [introductions(macs, networks), discovers(macs, networks), offered, taken, informs]
    return [[case for case in cases if case.wanted != "none" and case.kind != "named"] for cases in asked]


def _told(seen: Seen) -> tuple[object, ...] | None:
    """What of a reply a client reads."""
    reply = seen.reply
    if reply is None:
        return None
    # Kea sends routers, name servers and domain to those too who do not ask for them.
    asked = {*seen.packet.options[Option.PARAMETER_REQUEST_LIST], *_ALWAYS}
    if seen.case.message is MessageType.INFORM:
        # Kea leaves the mask out: who asks so has an address and its mask already.
        asked.discard(Option.SUBNET_MASK)
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
    acknowledged = [seen for seen in before if seen.reply and seen.reply.message_type is MessageType.ACK]
    assert sum(seen.case.message is MessageType.REQUEST for seen in acknowledged) > 8
    assert sum(seen.case.message is MessageType.INFORM for seen in acknowledged) > 1
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])
    assert Option.VENDOR_SPECIFIC_INFORMATION in {c for s in before if s.reply for c in s.reply.options}


@pytest.mark.needs("dhcpd", "kea-dhcp4")
def test_kea_goes_on_with_the_leases_of_dhcpd(tmp_path: Path) -> None:
    """Who has an address of dhcpd keeps it with Kea, and nobody else is given it."""
    macs = strangers(6)
    relay = next(iter(PLACE.relays))
    site = tmp_path / "site"
    assert run(["adopt", str(site), "dhcp", "--from", str(FILE), "--address", str(SERVER)]) == 0
    with _running(tmp_path / "dhcpd", lambda host: start_dhcpd(host, FILE)) as (host, asker):
        offered = asker.exchange([_discover(mac, relay) for mac in macs], PATIENCE)
        taken = {mac: offered[_xid(mac)].yiaddr for mac in macs if _xid(mac) in offered}
        assert len(taken) == len(macs)
        acknowledged = asker.exchange([_request(m, relay, a) for m, a in taken.items()], PATIENCE)
        assert all(reply.message_type is MessageType.ACK for reply in acknowledged.values())
        assert len(acknowledged) == len(macs)
        old = tmp_path / "dhcpd.leases"
        old.write_text((host.own_path("/var/lib/dhcp") / "dhcpd.leases").read_text())
    out = tmp_path / "kea-files"
    code = run(["convert", str(site), "dhcp", "--to", "kea 2.2", "--leases", str(old), "-o", str(out)])
    assert code == 0
    config = json.loads((out / "kea-dhcp4.conf").read_text())["Dhcp4"] | _HERE
    config["lease-database"] = {"type": "memfile", "persist": True, "name": "/var/lib/kea/kea-leases4.csv"}

    def kea(host: Host) -> Process:
        install(host, "/var/lib/kea/kea-leases4.csv", out / "kea-leases4.csv")
        return start_kea(host, json.dumps({"Dhcp4": config}))

    with _running(tmp_path / "kea", kea) as (_, asker):
        # A machine that starts again asks for the address it had (INIT-REBOOT, RFC 2131, 4.3.2).
        renewed = asker.exchange([_request(mac, relay, address) for mac, address in taken.items()], PATIENCE)
        assert {mac: renewed[_xid(mac)].message_type for mac in macs} == dict.fromkeys(macs, MessageType.ACK)
        assert {mac: renewed[_xid(mac)].yiaddr for mac in macs} == taken
        others = [f"02:00:5e:20:00:{number:02x}" for number in range(1, 5)]
        new = asker.exchange([_discover(mac, relay) for mac in others], PATIENCE)
        assert len(new) == len(others)
        assert not {reply.yiaddr for reply in new.values()} & {*taken.values()}


def _xid(mac: str) -> int:
    return int(mac.replace(":", "")[-8:], 16)


def _discover(mac: str, network: IPv4Network) -> Packet:
    return packet_of(Case(mac, "PXE 7", "PXE", network, MessageType.DISCOVER), PLACE, _xid(mac))


def _request(mac: str, network: IPv4Network, address: IPv4Address) -> Packet:
    return packet_of(Case(mac, "PXE 7", "PXE", network, MessageType.REQUEST), PLACE, _xid(mac), address)


@contextmanager
def _running(directory: Path, start: Callable[[Host], Process]) -> Iterator[tuple[Host, Asker]]:
    """A daemon, and a host that asks it as a relay agent."""
    directory.mkdir()
    with Network(directory=directory) as network:
        network.vlan("lan", PLACE.network)
        host = network.host("server", {"lan": PLACE.server}, gateway=str(PLACE.local))
        clients = network.host("clients", {"lan": PLACE.local})
        for address in {*PLACE.relays.values()} - {PLACE.local}:
            clients.namespace.ip(f"addr add {address}/32 dev eth0")
        start(host)
        asker = Asker(clients, PLACE)
        try:
            yield host, asker
        finally:
            asker.close()
