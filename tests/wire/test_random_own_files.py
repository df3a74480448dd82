"""Random own files: the daemon on the file, and every reply as its evaluation says; or both refuse it."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.errors import InputError
from coexist.languages.dhcpd.levels import PoolPart
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dnsmasq.files import read_lines
from coexist.languages.dnsmasq.keywords import refuse_bad_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.languages.kea.json_nodes import read_json
from coexist.languages.source_files import beside
from coexist.wire.bootp import Packet
from coexist.wire.options import Option
from tests.harness import own_dhcpd, own_dnsmasq, own_kea
from tests.harness.kea_answers import kea_model, of_its_pool
from tests.harness.matrix import (
    Asked,
    Case,
    asking,
    difference,
    differing,
    identified,
    informs,
    place_of,
    predicted,
    sampled,
    selecting,
    strangers,
)
from tests.harness.namespaces import HarnessError
from tests.harness.network import Host
from tests.harness.processes import Process
from tests.harness.servers import start_dhcpd, start_dnsmasq, start_kea

pytestmark = pytest.mark.untimed

once = settings(
    deadline=None,
    # A failing example is told whole; each smaller one would start a daemon.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def hold_dhcpd(text: str, directory: Path) -> int:
    """Hold one dhcpd.conf; how many packets were answered."""
    place = place_of(text)
    try:
        source = DhcpdLeases(parse_dhcpd(text, "dhcpd.conf"))
    except InputError as refused:
        line = refused.problems[0].position.line
        with (
            pytest.raises(HarnessError, match=rf"line {line}: "),
            asking(directory, place, lambda host: start_dhcpd(host, text)),
        ):
            pass
        return 0
    model = DhcpdModel(name="dhcp", leases=source, ping_check=False)
    pools = [pool for wire in source.outline.wires for pool in wire.pools]

    def answered(case: Case, packet: Packet) -> bool:
        return predicted(model, place, case, packet) is not None

    def pool_of(address: IPv4Address) -> PoolPart | None:
        return next((p for p in pools if any(r.first <= address <= r.last for r in p.ranges)), None)

    def wrong(case: Case, packet: Packet, reply: Packet | None) -> str:
        expected = predicted(model, place, case, packet)
        if reply is None or expected is None or reply.yiaddr == expected.yiaddr:
            return difference(reply, expected, ("overload",))
        if pool_of(reply.yiaddr) is not pool_of(expected.yiaddr) and reply.yiaddr in held[case.mac]:
            # It keeps the address that it got as another kind of client, while a pool of it stays open.
            asked = {**packet.options, Option.REQUESTED_IP_ADDRESS: reply.yiaddr.packed}
            expected = predicted(model, place, case, replace(packet, options=asked)) or expected
        if pool_of(reply.yiaddr) is pool_of(expected.yiaddr) is not None:
            # Which address of a pool is free is the daemon's own affair.
            reply = replace(reply, yiaddr=expected.yiaddr)
        return difference(reply, expected, ("overload",))

    macs = [*own_dhcpd.MACS, *strangers(2)]
    with asking(directory, place, lambda host: start_dhcpd(host, text)) as asker:
        seen: list[Asked] = []
        for cases in (sampled(macs, place.ways), informs(macs[::3], place.local)):
            seen += asker.ask(cases, expected=answered).values()
    held: dict[str, set[IPv4Address]] = defaultdict(set)
    found = []
    for case, packet, reply in seen:
        if what := wrong(case, packet, reply):
            found.append(f"{case}: {what}")
        if reply is not None:
            held[case.mac].add(reply.yiaddr)
    assert not found, f"{text}{len(found)} of {len(seen)} differ:\n" + "\n".join(found[:12])
    return sum(reply is not None for *_, reply in seen)


def hold_kea(text: str, directory: Path) -> int:
    """Hold one configuration of Kea; how many packets were answered."""
    place = place_of(text)
    try:
        config = compile_kea(read_json(text, "kea.conf", beside(Path("kea.conf"))), (2, 2))
    except InputError as refused:
        at = refused.problems[0].position
        with (
            pytest.raises(HarnessError, match=rf":{at.line}[:.]"),
            asking(directory, place, lambda host: start_kea(host, text)),
        ):
            pass
        return 0
    model = kea_model(config)

    def answered(case: Case, packet: Packet) -> bool:
        return predicted(model, place, case, packet) is not None

    def network_of(address: IPv4Address) -> object:
        subnet = next((s for s in config.subnets if address in s.network), None)
        return None if subnet is None else subnet.shared or subnet

    def wrong(case: Case, packet: Packet, reply: Packet | None) -> str:
        expected = predicted(model, place, case, packet)
        if reply is None or expected is None:
            return difference(reply, expected)
        same = of_its_pool(reply, expected, config)
        if same.yiaddr != expected.yiaddr and network_of(reply.yiaddr) is network_of(expected.yiaddr):
            # It goes on with the subnet of the network that it offered from last, to whomever.
            asked = {**packet.options, Option.REQUESTED_IP_ADDRESS: reply.yiaddr.packed}
            other = predicted(model, place, case, replace(packet, options=asked))
            same, expected = (reply, other) if other is not None else (same, expected)
        return difference(same, expected)

    macs = [*own_kea.MACS, *strangers(2)]
    with asking(directory, place, lambda host: start_kea(host, text)) as asker:
        seen: list[Asked] = []
        for cases in (sampled(macs, place.ways), informs(macs[::3], place.local), identified(macs)):
            seen += asker.ask(cases, expected=answered).values()
    found = [f"{case}: {what}" for case, packet, reply in seen if (what := wrong(case, packet, reply))]
    assert not found, f"{text}{len(found)} of {len(seen)} differ:\n" + "\n".join(found[:12])
    return sum(reply is not None for *_, reply in seen)


def hold_dnsmasq(text: str, directory: Path) -> int:
    """Hold one dnsmasq.conf; how many packets were answered."""
    place = place_of(text)

    def start(host: Host) -> Process:
        return start_dnsmasq(host, host.write("dnsmasq.conf", text))

    directory.mkdir()
    path = directory / "own.conf"
    path.write_text(text)
    lines = read_lines(path)
    config = read_dnsmasq(lines.texts)
    try:
        refuse_bad_lines(lines, config)
    except InputError as refused:
        line = refused.problems[0].position.line
        with pytest.raises(HarnessError, match=rf"at line {line} of"), asking(directory, place, start):
            pass
        return 0
    relayed = tuple(map(IPv4Network, place.relays))
    file = DnsmasqFile(ranges=Ranges(config=config, networks=(place.network,), relayed=relayed))
    model = DnsmasqModel(name="own", answers=DnsmasqAnswers(file=file))

    def answered(case: Case, packet: Packet) -> bool:
        return predicted(model, place, case, packet) is not None

    macs = [*own_dnsmasq.MACS, *strangers(2)]
    with asking(directory, place, start) as asker:
        # The first packet of a relay agent says what netmask its range has; the daemon keeps it.
        asker.ask([Case(mac=macs[-1], kind="plain", giaddr=relay) for relay in place.relays])
        offers = list(asker.ask(sampled(macs, place.ways), expected=answered).values())
        seen = [*offers]
        for cases in (informs(macs[::3], place.local), identified(macs), selecting(offers)):
            seen += asker.ask(cases, expected=answered).values()
    found = differing(model, place, seen)
    assert not found, f"{text}{len(found)} of {len(seen)} differ:\n" + "\n".join(found[:12])
    return sum(reply is not None for *_, reply in seen)


def hold(
    texts: st.SearchStrategy[str], one: Callable[[str, Path], int], *, examples: int, least: int
) -> None:
    """The property for a number of files, which are answered at least so often together."""
    told: list[int] = []

    @settings(once, max_examples=examples)
    @given(texts)
    def holds(text: str) -> None:
        with tempfile.TemporaryDirectory() as directory:
            told.append(one(text, Path(directory) / "network"))

    holds()
    assert sum(told) >= least


@pytest.mark.needs("dhcpd")
def test_random_dhcpd_files() -> None:
    hold(own_dhcpd.texts(), hold_dhcpd, examples=8, least=300)


@pytest.mark.slow
@pytest.mark.needs("dhcpd")
def test_many_random_dhcpd_files() -> None:
    hold(own_dhcpd.texts(), hold_dhcpd, examples=100, least=5000)


@pytest.mark.needs("kea-dhcp4")
def test_random_kea_files() -> None:
    hold(own_kea.texts(), hold_kea, examples=5, least=200)


@pytest.mark.slow
@pytest.mark.needs("kea-dhcp4")
def test_many_random_kea_files() -> None:
    hold(own_kea.texts(), hold_kea, examples=100, least=5000)


@pytest.mark.needs("dnsmasq")
def test_random_dnsmasq_files() -> None:
    hold(own_dnsmasq.texts(), hold_dnsmasq, examples=4, least=100)


@pytest.mark.slow
@pytest.mark.needs("dnsmasq")
def test_many_random_dnsmasq_files() -> None:
    hold(own_dnsmasq.texts(), hold_dnsmasq, examples=100, least=5000)
