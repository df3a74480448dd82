"""What holds for every reply that is evaluated from a daemon's own file, whatever the daemon says.

tests/wire holds the same files and packets to the daemons. Here, without one: a reply is a message of
RFC 2131 for its packet, it survives the wire, its values stand at lines of the file, and clients that the
source does not tell apart are told the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.dnsmasq_source import DnsmasqLeases
from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease, LeaseSource
from coexist.boot.leases.windows.source import WindowsLeases
from coexist.boot.responder import Arrival, ServerModel
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.boot.servers.kea import KeaModel
from coexist.boot.servers.microsoft import windows_dhcp
from coexist.errors import Position
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dnsmasq.files import read_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.languages.kea.json_nodes import read_json
from coexist.languages.source_files import beside
from coexist.languages.windows.reader import read_export
from coexist.wire.bootp import BOOTREPLY, Packet, decode, encode
from coexist.wire.mac import format_mac, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.matrix import (
    Case,
    Place,
    arrival_of,
    identified,
    informs,
    place_of,
    requests,
    sampled,
    strangers,
)

FILES = Path(__file__).parents[3] / "data" / "own-files"
_ANSWERS = {
    MessageType.DISCOVER: {MessageType.OFFER},
    MessageType.REQUEST: {MessageType.ACK, MessageType.NAK},
    MessageType.INFORM: {MessageType.ACK},
}
# What is a machine's own, or follows from the address it was given.
_OWN = frozenset({12, 43, 50, 51, 58, 59, 61, 81, 82, 97})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A server on its own file."""

    place: Place
    model: ServerModel
    source: LeaseSource
    known: list[str]


def dhcpd(path: Path) -> Stand:
    source = DhcpdLeases(parse_dhcpd(path.read_text(), str(path), beside(path)))
    networks = [
        IPv4Network(f"{subnet.network.address}/{subnet.network.mask}")
        for wire in source.outline.wires
        for subnet in wire.subnets
    ]
    home, *others = networks
    place = Place(
        server=home.broadcast_address - 1,
        network=home,
        local=home.broadcast_address - 2,
        relays=tuple(network.broadcast_address - 2 for network in others),
    )
    return Stand(place=place, model=DhcpdModel(name="own", leases=source), source=source, known=known(source))


def kea(path: Path) -> Stand:
    config = compile_kea(read_json(path.read_text(), str(path), beside(path)))
    source = KeaLeases(config=config)
    model = KeaModel(name="own", leases=source)
    return Stand(place=place_of(path.read_text()), model=model, source=source, known=known(source))


def dnsmasq(path: Path) -> Stand:
    lines = read_lines(path)
    config = read_dnsmasq(lines.texts)
    place = place_of(path.read_text())
    relayed = tuple(map(IPv4Network, place.relays))
    file = DnsmasqFile(ranges=Ranges(config=config, networks=(place.network,), relayed=relayed))
    source = DnsmasqLeases(file=file, places=tuple(lines.places))
    model = DnsmasqModel(name="own", answers=DnsmasqAnswers(file=file))
    return Stand(place=place, model=model, source=source, known=known(source))


def windows(path: Path) -> Stand:
    source = WindowsLeases(export=read_export(path.read_bytes(), str(path)))
    model = windows_dhcp("own", source)
    return Stand(place=place_of(path.read_text()), model=model, source=source, known=known(source))


def known(source: LeaseSource) -> list[str]:
    """Some of the machines that a file speaks of, and one of each range it compares with."""
    found: list[int] = []
    for macs, _ in source.distinctions.clients:
        found += sorted(macs.points)[:2]
        found += [bound + 0x10203 for bound in macs.bounds[:1]]
    return [format_mac(mac) for mac in dict.fromkeys(found)][:8]


READERS: dict[str, Callable[[Path], Stand]] = {
    "dhcpd": dhcpd,
    "kea": kea,
    "dnsmasq": dnsmasq,
    "windows": windows,
}
SITES = [
    pytest.param(READERS[product], path, id=f"{product}-{path.stem}")
    for product in READERS
    for path in sorted((FILES / product).iterdir())
    if path.suffix in (".conf", ".json", ".xml")
]


def asked(stand: Stand) -> Iterator[tuple[Case, Packet, Arrival]]:
    """The packet matrix of a server, each packet as it arrives."""
    ways = stand.place.ways[:3]
    macs = [*stand.known, *strangers(2)]
    cases = [*sampled(macs, ways), *identified(strangers(3)), *requests(macs, ways)]
    cases += informs((macs[0], macs[-1]), stand.place.local)
    for number, case in enumerate(cases):
        packet = case.packet(number + 1)
        yield case, packet, arrival_of(stand.place, case, packet)


@pytest.mark.parametrize(("read", "path"), SITES)
def test_a_reply_is_one_for_its_packet(read: Callable[[Path], Stand], path: Path) -> None:
    stand = read(path)
    answered = 0
    for case, packet, arrival in asked(stand):
        for reply in stand.model.receive(stand.model.initial(), arrival).replies:
            answered += 1
            said = reply.packet
            assert (said.op, said.xid, said.chaddr) == (BOOTREPLY, packet.xid, packet.chaddr), case
            assert said.giaddr == packet.giaddr, case
            assert MessageType(said.options[Option.DHCP_MESSAGE_TYPE][0]) in _ANSWERS[case.message], case
            assert Option.SERVER_IDENTIFIER in said.options, case
            assert decode(encode(said)) == said, case
    assert answered


@pytest.mark.parametrize(("read", "path"), SITES)
def test_every_value_of_a_lease_stands_at_a_line_of_the_files(
    read: Callable[[Path], Stand], path: Path
) -> None:
    stand = read(path)
    lengths: dict[str, int] = {}
    for case, _, arrival in asked(stand):
        lease = stand.source(arrival)
        if not isinstance(lease, Lease):
            continue
        for origin in lease.origins.values():
            assert isinstance(origin, Position)
            if origin.file not in lengths:
                # An included file is named as the daemon's machine names it.
                beside_it = path.parent / Path(origin.file).name
                lengths[origin.file] = len(beside_it.read_text().splitlines())
            assert origin.line in range(1, lengths[origin.file] + 1), case


@pytest.mark.parametrize(("read", "path"), SITES)
def test_machines_that_a_file_does_not_tell_apart_are_told_the_same(
    read: Callable[[Path], Stand], path: Path
) -> None:
    stand = read(path)
    told = stand.source.distinctions
    one, other = strangers(2)
    assert all((parse_mac(one) in macs) == (parse_mac(other) in macs) for macs, _ in told.clients)
    answers: dict[tuple[object, ...], list[object]] = {}
    for case, _, arrival in asked(stand):
        if case.mac in (one, other) and not case.more:
            lease = stand.source(arrival)
            key: tuple[object, ...] = (case.kind, case.asks, case.giaddr, case.message)
            if isinstance(lease, Lease):
                options = {code: value for code, value in lease.options.items() if code not in _OWN}
                said: object = (lease.siaddr, lease.file, lease.sname, options, lease.forced, lease.reserved)
            else:
                said = lease.why
            answers.setdefault(key, []).append(said)
    for asked_as, said_to in answers.items():
        assert all(said == said_to[0] for said in said_to), asked_as
