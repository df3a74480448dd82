"""A dhcpd.conf as it stands: the real daemon on the file, and every reply as its evaluation says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.languages.dhcpd.levels import HostPart, Outline
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.source_files import beside
from coexist.wire.mac import format_mac
from tests.harness.network import Host
from tests.harness.packet_matrix import (
    Place,
    Seen,
    ask_daemon,
    difference,
    discovers,
    identified,
    introductions,
    predicted,
    requests,
    strangers,
)
from tests.harness.processes import Process
from tests.harness.servers import install, start_dhcpd

pytestmark = pytest.mark.untimed

FILES = Path(__file__).parents[1] / "data" / "own-files" / "dhcpd"
PATIENCE = 1.4
"""Seconds: dhcpd pings an address for one before it offers it."""
_KNOWN = 4


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


def place_of(outline: Outline) -> Place:
    """The daemon in the first network of a file, a relay in each other one."""
    networks = [
        IPv4Network(f"{s.network.address}/{s.network.mask}") for w in outline.wires for s in w.subnets
    ]
    taken = set(_taken(outline))
    free = {network: _free(network, taken) for network in networks}
    home = networks[0]
    server, local = next(free[home]), next(free[home])
    relays = {network: local if network == home else next(free[network]) for network in networks}
    return Place(server=server, network=home, local=local, relays=relays)


def _free(network: IPv4Network, taken: set[IPv4Address]) -> Iterator[IPv4Address]:
    for number in range(int(network.broadcast_address) - 1, int(network.network_address), -1):
        address = IPv4Address(number)
        if address not in taken:
            yield address


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
    """What a daemon on the file says otherwise than its evaluation, and how many packets it was asked."""
    source = source_of(path)
    place = place_of(source.outline)
    # One network a wire: of one wire the daemon has one lease for a machine.
    firsts = [w.subnets[-1].network.address for w in source.outline.wires[1:3]]
    networks = [None, *(net for net in place.relays if net.network_address in firsts)]
    macs = [*known_macs(source)[:_KNOWN], *strangers(2)]
    late = [*known_macs(source)[_KNOWN:12], *strangers(10)[2:]]

    def start(host: Host) -> Process:
        for other in path.parent.glob(f"{path.stem}-*.inc"):
            install(host, f"/etc/dhcp/{other.name}", other)
        return start_dhcpd(host, path)

    by_id = identified(strangers(0x43)[0x40:])
    rounds = [
        *([[*introductions(macs, networks), *introductions(late, [None]), *by_id]] * 2),
        [*discovers(macs, networks), *discovers(late, [None])[::5]],
        [replace(case, wanted="PXE") for case in by_id],
        requests([*macs, *late], networks),
    ]
    model = DhcpdModel(name="dhcp", leases=source)

    def expected(one: Seen) -> bool:
        return not isinstance(predicted(model, place, one), str)

    seen = ask_daemon(directory, place, start, rounds, PATIENCE, expected)

    def same_place(ours: IPv4Address, theirs: IPv4Address) -> bool:
        pools = [pool for wire in source.outline.wires for pool in wire.pools]
        return any(
            all(any(r.first <= a <= r.last for r in pool.ranges) for a in (ours, theirs)) for pool in pools
        )

    # While dhcpd pings an address it forgets the client's packet: what it computes of ``hardware`` is then
    # whatever stands in that memory. The first offers are therefore not looked at.
    looked_at = [one for one in seen if one.case not in set(rounds[0])]
    wrong = [difference(predicted(model, place, one), one, same_place) for one in looked_at]
    assert any(one.reply is not None for one in seen), "nobody was answered: nothing is shown"
    return [text for text in wrong if text], len(seen)


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize("path", sorted(FILES.glob("*.conf")), ids=lambda path: path.stem)
def test_every_reply_is_as_the_file_is_evaluated(path: Path, tmp_path: Path) -> None:
    wrong, asked = wrong_replies(path, tmp_path / "network")
    assert not wrong, f"{len(wrong)} of {asked} differ:\n" + "\n".join(wrong[:12])
