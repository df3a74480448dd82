"""A dnsmasq's own file, evaluated: every reply of the daemon equals the predicted one.

In every header field and every option, in octets and in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from coexist.boot.leases.dnsmasq_clients import Hardware
from coexist.boot.responder import Arrival
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.languages.dnsmasq.files import read_lines
from coexist.languages.dnsmasq.keywords import refuse_bad_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option
from tests.harness.matrix import Asker, Case, difference, discovers
from tests.harness.network import Host, Network
from tests.harness.processes import Process

pytestmark = pytest.mark.untimed

FOLDER = Path(__file__).parents[1] / "data" / "own-files" / "dnsmasq"
FILES = sorted(FOLDER.glob("*.conf"))
STRANGERS = ("02:00:5e:10:00:01", "52:54:00:ab:cd:ef")
_STANDS = re.compile(r"^# stands on (?P<own>\S+)(?P<relays>(, relay \S+)*)$", re.MULTILINE)
# What belongs to the machine the file was written on.
_LOCAL = re.compile(
    r"\s*(interface|except-interface|listen-address|bind-\w+|tftp-root|enable-tftp|log-\w+|user|group|pid-file"
    r"|dhcp-leasefile|dhcp-script|keep-in-foreground|no-daemon|conf-dir|conf-file|dhcp-\w+file|dhcp-\w+dir"
    r"|local-service|addn-hosts|resolv-file|server|dnssec|trust-anchor|cache-size)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a file's server stands, and the relays that ask it."""

    own: IPv4Interface
    relays: tuple[IPv4Address, ...]


def place_of(text: str) -> Place:
    """What a file's comment says of it."""
    found = _STANDS.search(text)
    assert found is not None, "the file does not say where its server stands"
    relays = re.findall(r"relay (\S+?)(?:,|$)", found["relays"])
    return Place(own=IPv4Interface(found["own"]), relays=tuple(map(IPv4Address, relays)))


def start(host: Host, texts: list[str], listed: set[int]) -> Process:
    """dnsmasq on the lines of all its files as one; hosts and options files stay files."""
    plain = [t for n, t in enumerate(texts, start=1) if n not in listed and not _LOCAL.match(t)]
    path = host.write("dnsmasq.conf", "\n".join([*plain, ""]))
    more: list[str] = []
    for keyword, option in (("dhcp-host", "dhcp-hostsfile"), ("dhcp-option", "dhcp-optsfile")):
        lines = [
            t.removeprefix(f"{keyword}=")
            for n, t in enumerate(texts, start=1)
            if n in listed and t.startswith(f"{keyword}=")
        ]
        if lines:
            more.append(f"--{option}={host.write(option, chr(10).join([*lines, '']))}")
    return host.start(
        ["dnsmasq", "--keep-in-foreground", f"--conf-file={path}", "--interface=eth0", "--bind-interfaces",
         "--user=root", "--group=root", "--pid-file=", f"--dhcp-leasefile={host.directory}/leases",
         "--no-ping", "--no-resolv", "--no-hosts", "--log-facility=-", *more],
        ready="DHCP, (sockets bound|proxy|static|IP range)",
    )  # fmt: skip


def macs_of(model: DnsmasqModel) -> list[str]:
    """Addresses the file speaks of, one that a pattern of it holds, and strangers."""
    patterns = [p for host in model.config.hosts for p in host.macs][:5]
    patterns += [m.pattern for m in model.config.matches if m.kind == "mac"][:2]
    found = []
    for pattern in patterns:
        octets = Hardware.of(pattern).octets
        if len(octets) == 6:
            found.append(format_mac(int.from_bytes(octets, "big")))
    return list(dict.fromkeys([*found, *STRANGERS]))


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_reply_is_the_predicted_one(path: Path, tmp_path: Path) -> None:
    place = place_of(path.read_text())
    lines = read_lines(path)
    config = read_dnsmasq(lines.texts)
    refuse_bad_lines(lines, config)
    model = DnsmasqModel(name="own", config=config, networks=(place.own.network,))
    with Network(directory=tmp_path) as network:
        network.vlan("lan", place.own.network)
        client_address = place.own.network.broadcast_address - 1
        server = network.host("server", {"lan": place.own.ip}, gateway=str(client_address))
        client = network.host("client", {"lan": client_address})
        client.namespace.ip("route add 255.255.255.255 dev eth0")
        for address in place.relays:
            client.namespace.ip(f"addr add {address}/32 dev eth0")
        start(server, lines.texts, lines.listed)
        asker = Asker(client, place.own.ip, place.relays)
        try:
            seen = list(_rounds(asker, model, client_address))
        finally:
            asker.close()
    wrong = []
    for case, packet, reply in seen:
        source = (client_address if case.giaddr == UNSPECIFIED else case.giaddr, 68)
        arrival = Arrival(packet=packet, at=0.0, port=67, address=place.own.ip, source=source)
        replies = model.receive(model.initial(), arrival).replies
        found = difference(reply, replies[0].packet if replies else None)
        if found:
            wrong.append(f"{case.message.name} {case.mac} {case.kind} {case.giaddr} {case.asks}: {found}")
    assert any(reply is not None for _, _, reply in seen), "nobody was answered: nothing is shown"
    assert not wrong, f"{len(wrong)} of {len(seen)} differ:\n" + "\n".join(wrong[:20])


def _rounds(
    asker: Asker, model: DnsmasqModel, address: IPv4Address
) -> Iterator[tuple[Case, Packet, Packet | None]]:
    """All DISCOVERs, then INFORMs, then a REQUEST of each MAC, so that no lease changes another's answer."""
    ways = (UNSPECIFIED, *asker.relays)
    macs = macs_of(model)
    offers = asker.ask(discovers(macs, ways))
    yield from offers.values()
    informs = [
        Case(mac=mac, kind=kind, asks=asks, message=MessageType.INFORM, ciaddr=address)
        for mac in macs
        for kind in ("plain", "UEFI 7", "named")
        for asks in ("no list", "all")
    ]
    yield from asker.ask(informs).values()
    taken: set[object] = set()
    requests = []
    for case, _, offer in offers.values():
        new = offer is not None and offer.yiaddr != UNSPECIFIED
        if new and offer is not None and not {case.mac, offer.yiaddr} & taken:
            taken |= {case.mac, offer.yiaddr}
            requests.append(case.requesting(offer))
    yield from asker.ask(requests).values()
    # What is not for them: another server's address, and an address of nobody's.
    strange = {Option.SERVER_IDENTIFIER: bytes((192, 0, 2, 77))}
    odd = [
        Case(mac=mac, kind="UEFI 7", message=MessageType.REQUEST, more=strange | {50: bytes((192, 0, 2, 9))})
        for mac in macs
    ]
    own = {Option.SERVER_IDENTIFIER: asker.server.packed, 50: bytes((192, 0, 2, 9))}
    odd += [Case(mac=mac, kind="plain", message=MessageType.REQUEST, more=own) for mac in macs]
    yield from asker.ask(odd).values()
