"""A dhcpd.conf as it stands: the real daemon on the file, and every reply as its evaluation says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.boot.leases.dhcpd.opens import all_levels
from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.languages.dhcpd.levels import HostPart, Outline
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.syntax import Assign, Data
from coexist.languages.source_files import beside
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from tests.harness.matrix import (
    Asked,
    Asker,
    Case,
    Place,
    asking,
    differing,
    identified,
    informs,
    introductions,
    predicted,
    requests,
    sampled,
    strangers,
)
from tests.harness.network import Host
from tests.harness.processes import Process
from tests.harness.servers import install, start_dhcpd

pytestmark = pytest.mark.untimed

FILES = Path(__file__).parents[1] / "data" / "own-files" / "dhcpd"
PATIENCE = 1.4
"""Seconds: dhcpd pings an address for one before it offers it."""
_KNOWN = 4
_IDENTIFIER = "dhcp-server-identifier"


def source_of(path: Path) -> DhcpdLeases:
    """The leases of a file."""
    return DhcpdLeases(parse_dhcpd(path.read_text(), str(path), beside(path)))


def known_macs(source: DhcpdLeases) -> list[str]:
    """Some of the MACs a file knows, and a member of every range it compares with."""
    found: list[int] = []
    for macs, _ in source.distinctions.clients:
        found += sorted(macs.points)[:2]
        found += [bound + 0x10203 for bound in macs.bounds[:1]]
    return [format_mac(mac) for mac in dict.fromkeys(found)]


def networks_of(outline: Outline) -> list[IPv4Network]:
    """Every network that a file declares, in its order."""
    return [IPv4Network(f"{s.network.address}/{s.network.mask}") for w in outline.wires for s in w.subnets]


def stand_of(outline: Outline) -> Place:
    """The daemon in the first network of a file, and a relay in each of two more.

    One network a wire: of one wire the daemon has one lease for a machine. The relays' addresses are free.
    The daemon has the address that it calls itself by: its offers come from there.
    """
    home, *_ = networks_of(outline)
    called = set(_identifiers(outline))
    taken = {*_taken(outline), *called}
    free = _free(home, taken)
    server = next((address for address in sorted(called) if address in home), None) or next(free)
    local = next(free)
    firsts = [w.subnets[-1].network for w in outline.wires[1:3]]
    others = [IPv4Network(f"{network.address}/{network.mask}") for network in firsts]
    relays = tuple(local if network == home else next(_free(network, taken)) for network in others)
    return Place(server=server, network=home, local=local, relays=relays)


def _free(network: IPv4Network, taken: set[IPv4Address]) -> Iterator[IPv4Address]:
    for number in range(int(network.broadcast_address) - 1, int(network.network_address), -1):
        address = IPv4Address(number)
        if address not in taken:
            yield address


def _identifiers(outline: Outline) -> Iterator[IPv4Address]:
    for level in all_levels(outline):
        for said in level.statements:
            match said:
                case Assign(option=option, value=Data(octets=octets)) if option.name == _IDENTIFIER:
                    yield IPv4Address(octets)


def _taken(outline: Outline) -> Iterator[IPv4Address]:
    for wire in outline.wires:
        for pool in wire.pools:
            for found in pool.ranges:
                yield from map(IPv4Address, range(int(found.first), int(found.last) + 1))
    for machine in outline.machines:
        if isinstance(machine, HostPart):
            yield from machine.fixed.addresses if machine.fixed is not None else ()
        else:
            yield from (IPv4Address(row[2]) for row in machine[1].rows if row[2])


def wrong_replies(path: Path, directory: Path) -> tuple[list[str], int]:
    """What a daemon on the file says that its evaluation does not, and how many packets it was asked."""
    source = source_of(path)
    place = stand_of(source.outline)
    model = DhcpdModel(name="dhcp", leases=source)
    pools = [pool for wire in source.outline.wires for pool in wire.pools]

    def start(host: Host) -> Process:
        for other in path.parent.glob(f"{path.stem}-*.inc"):
            install(host, f"/etc/dhcp/{other.name}", other)
        return start_dhcpd(host, path)

    def of_its_pool(reply: Packet, expected: Packet) -> Packet:
        """Which address of a pool is free is the daemon's own affair."""
        both = (reply.yiaddr, expected.yiaddr)
        alike = any(all(any(r.first <= a <= r.last for r in pool.ranges) for a in both) for pool in pools)
        return replace(reply, yiaddr=expected.yiaddr) if alike else reply

    with asking(directory, place, start) as asker:
        seen = list(_rounds(asker, place, known_macs(source), model))
    assert any(reply is not None for _, _, reply in seen), "nobody was answered: nothing is shown"
    return differing(model, place, seen, of_its_pool, ("overload",)), len(seen)


def _rounds(asker: Asker, place: Place, known: list[str], model: DhcpdModel) -> Iterator[Asked]:
    """DISCOVERs of every kind, then a REQUEST of each machine for what it was offered, and INFORMs."""
    macs, late = [*known[:_KNOWN], *strangers(2)], [*known[_KNOWN:12], *strangers(10)[2:]]
    by_id = identified(strangers(0x43)[0x40:])

    def ask(cases: list[Case]) -> list[Asked]:
        def answered(case: Case, packet: Packet) -> bool:
            return predicted(model, place, case, packet) is not None

        return [*asker.ask(cases, PATIENCE, answered).values()]

    # While dhcpd pings an address it forgets the client's packet: what it computes of ``hardware`` is then
    # whatever stands in that memory. The first offers are therefore not looked at.
    for _ in range(2):
        ask([*introductions(macs, place.ways), *introductions(late, [UNSPECIFIED]), *by_id])
    offers = ask([*sampled(macs, place.ways), *sampled(late, [UNSPECIFIED])[::5]])
    yield from offers
    yield from ask([replace(case, asks="PXE's list") for case in by_id])
    offered = {(case.mac, case.giaddr): offer.yiaddr for case, _, offer in offers if offer is not None}
    asked = [case for case in requests([*macs, *late], place.ways) if (case.mac, case.giaddr) in offered]
    yield from ask([case.rebooting(offered[case.mac, case.giaddr]) for case in asked])
    yield from ask(informs((macs[0], late[-1]), place.local))


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize("path", sorted(FILES.glob("*.conf")), ids=lambda path: path.stem)
def test_every_reply_is_as_the_file_is_evaluated(path: Path, tmp_path: Path) -> None:
    wrong, asked = wrong_replies(path, tmp_path / "network")
    assert not wrong, f"{len(wrong)} of {asked} differ:\n" + "\n".join(wrong[:12])
