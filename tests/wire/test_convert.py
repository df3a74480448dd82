"""A dhcpd.conf converted to Kea: both daemons, the same packets, and every reply as before.

In every header field that a client reads and every option, whatever the order. Which address of a pool is
offered is each daemon's own affair.
"""

from __future__ import annotations

import json
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
from coexist.wire.domain_names import without_pointers
from coexist.wire.option_codes import Option
from coexist.wire.options import MessageType
from tests.harness.matrix import (
    Asked,
    Asker,
    Case,
    Place,
    asking,
    informs,
    introductions,
    predicted,
    requests,
    sampled,
    strangers,
)
from tests.harness.network import Host
from tests.harness.processes import Process
from tests.harness.servers import install, start_dhcpd, start_kea

pytestmark = [pytest.mark.needs("dhcpd", "kea-dhcp4"), pytest.mark.untimed]

FILE = Path(__file__).parents[1] / "data" / "convert" / "campus.conf"
SERVER = IPv4Address("10.81.0.5")
PLACE = Place(
    server=SERVER,
    network=IPv4Network("10.81.0.0/24"),
    local=IPv4Address("10.81.0.250"),
    relays=(IPv4Address("10.82.0.250"), IPv4Address("10.83.0.120")),
)
KNOWN = ["02:81:00:00:00:01", "02:81:00:00:00:03", "02:81:50:00:00:09", "02:81:51:00:00:77",
         "02:81:00:00:00:0d", "02:81:00:00:00:21"]  # fmt: skip
PATIENCE = 0.6
_ALWAYS = (1, 51, 53, 54, 82)
# A client that says a name of its own is named by each product in its own way.
_KINDS_LEFT_OUT = ("Microsoft", "named")
_HERE = {
    "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "raw"},
    "lease-database": {"type": "memfile", "persist": False},
}


def _asked(asker: Asker, model: DhcpdModel) -> list[Asked]:
    """DISCOVERs of every kind, a REQUEST of each machine for what it was offered, and INFORMs.

    Every machine that boots says what it wants (option 55).
    """

    def expected(case: Case, packet: Packet) -> bool:
        return predicted(model, PLACE, case, packet) is not None

    def ask(cases: list[Case]) -> list[Asked]:
        booting = [case for case in cases if case.asks != "no list" and case.kind not in _KINDS_LEFT_OUT]
        return [*asker.ask(booting, PATIENCE, expected).values()]

    macs = [*KNOWN, *strangers(2)]
    seen = ask([*introductions(macs, PLACE.ways), *sampled(macs, PLACE.ways)])
    # A REQUEST is for what the same client was offered last.
    said = requests(macs, PLACE.ways)
    offers = ask([replace(case, message=MessageType.DISCOVER) for case in said])
    # It names the server whose offer it takes: without that it would start again (INIT-REBOOT).
    taken = [case.requesting(offer) for case, _, offer in offers if offer is not None]
    # A stranger's: Kea looks a machine's reservation up for an INFORM too, and dhcpd does not.
    return [*seen, *offers, *ask(taken), *ask(informs(strangers(2), PLACE.local))]


def _told(packet: Packet, reply: Packet | None) -> tuple[object, ...] | None:
    """What of a reply a client reads."""
    if reply is None:
        return None
    # Kea sends routers, name servers and domain to those too who do not ask for them.
    asked = {*packet.options[Option.PARAMETER_REQUEST_LIST], *_ALWAYS}
    if packet.message_type is MessageType.INFORM:
        # Kea leaves the mask out: who asks so has an address and its mask already.
        asked.discard(Option.SUBNET_MASK)
    return (
        reply.message_type,
        _pool(reply),
        reply.siaddr,
        reply.sname,
        reply.file,
        {code: _read(code, value) for code, value in sorted(reply.options.items()) if code in asked},
    )


def _read(code: int, value: bytes) -> bytes:
    """Names are names, whether pointers lead to them or not."""
    return without_pointers(value) if code == Option.DOMAIN_SEARCH else value


def _pool(reply: Packet) -> str:
    """The pool of a leased address, or the address itself."""
    pools = {"10.81.0.100": "10.81.0.180", "10.81.1.20": "10.81.1.199", "10.82.0.50": "10.82.0.150",
             "10.83.0.10": "10.83.0.100"}  # fmt: skip
    reserved = reply.yiaddr == IPv4Address("10.82.0.60")
    for first, last in pools.items():
        if IPv4Address(first) <= reply.yiaddr <= IPv4Address(last) and not reserved:
            return first
    return str(reply.yiaddr)


def test_kea_answers_as_dhcpd_did(tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run(["adopt", str(site), "dhcp", "--from", str(FILE), "--address", str(SERVER)]) == 0
    converted = convert(site, "dhcp", "kea 2.2")
    assert converted.complete
    config = json.loads(converted.text)["Dhcp4"] | _HERE
    leases = DhcpdLeases(parse_dhcpd(FILE.read_text(), str(FILE)))
    model = DhcpdModel(name="dhcp", leases=leases, ping_check=False)

    def dhcpd(host: Host) -> Process:
        return start_dhcpd(host, FILE)

    def kea(host: Host) -> Process:
        return start_kea(host, json.dumps({"Dhcp4": config}))

    with asking(tmp_path / "dhcpd", PLACE, dhcpd) as asker:
        before = _asked(asker, model)
    with asking(tmp_path / "kea", PLACE, kea) as asker:
        after = _asked(asker, model)
    now = {_key(case): _told(packet, reply) for case, packet, reply in after}
    wrong = [
        f"{case}: {_told(packet, reply)}, Kea {now.get(_key(case))}"
        for case, packet, reply in before
        if _told(packet, reply) != now.get(_key(case))
    ]
    replies = [(case, reply) for case, _, reply in before if reply is not None]
    acknowledged = [case for case, reply in replies if reply.message_type is MessageType.ACK]
    assert len(replies) > 120
    assert sum(case.message is MessageType.REQUEST for case in acknowledged) > 8
    assert sum(case.message is MessageType.INFORM for case in acknowledged) > 1
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])
    assert any(Option.VENDOR_SPECIFIC_INFORMATION in reply.options for _, reply in replies)


def _key(case: Case) -> tuple[str, frozenset[int]]:
    """A packet that both daemons are asked; a REQUEST is for what each has offered."""
    return str(case), frozenset(case.more)


def test_kea_goes_on_with_the_leases_of_dhcpd(tmp_path: Path) -> None:
    """Who has an address of dhcpd keeps it with Kea, and nobody else is given it."""
    machines = [Case(mac=mac, kind="UEFI 7", giaddr=PLACE.relays[0]) for mac in strangers(6)]
    site = tmp_path / "site"
    assert run(["adopt", str(site), "dhcp", "--from", str(FILE), "--address", str(SERVER)]) == 0
    hosts: list[Host] = []

    def dhcpd(host: Host) -> Process:
        hosts.append(host)
        return start_dhcpd(host, FILE)

    with asking(tmp_path / "dhcpd", PLACE, dhcpd) as asker:
        offers = [reply for _, _, reply in asker.ask(machines, PATIENCE).values()]
        taken = [offer.yiaddr for offer in offers if offer is not None]
        assert len(taken) == len(machines)
        again = [case.rebooting(address) for case, address in zip(machines, taken, strict=True)]
        acknowledged = [reply for _, _, reply in asker.ask(again, PATIENCE).values()]
        assert all(reply and reply.message_type is MessageType.ACK for reply in acknowledged)
        old = tmp_path / "dhcpd.leases"
        old.write_text((hosts[0].own_path("/var/lib/dhcp") / "dhcpd.leases").read_text())
    out = tmp_path / "kea-files"
    code = run(["convert", str(site), "dhcp", "--to", "kea 2.2", "--leases", str(old), "-o", str(out)])
    assert code == 0
    config = json.loads((out / "kea-dhcp4.conf").read_text())["Dhcp4"] | _HERE
    config["lease-database"] = {"type": "memfile", "persist": True, "name": "/var/lib/kea/kea-leases4.csv"}

    def kea(host: Host) -> Process:
        install(host, "/var/lib/kea/kea-leases4.csv", out / "kea-leases4.csv")
        return start_kea(host, json.dumps({"Dhcp4": config}))

    with asking(tmp_path / "kea", PLACE, kea) as asker:
        # A machine that starts again asks for the address it had (INIT-REBOOT, RFC 2131, 4.3.2).
        renewed = [reply for _, _, reply in asker.ask(again, PATIENCE).values()]
        assert [reply and (reply.message_type, reply.yiaddr) for reply in renewed] == [
            (MessageType.ACK, address) for address in taken
        ]
        others = [replace(machines[0], mac=f"02:00:5e:20:00:{number:02x}") for number in range(1, 5)]
        new = [reply for _, _, reply in asker.ask(others, PATIENCE).values()]
        assert all(new)
        assert not {reply.yiaddr for reply in new if reply} & {*taken}
