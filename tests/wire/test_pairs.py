"""Real pairs of servers that share their clients: who answers whom, as the models say.

Both up, unable to hear each other, and one of them down; many clients of each side of the hash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.inventory import Inventory, inventory_from_tree
from coexist.render import render_site
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from tests.harness.crowd import Answers, Crowd
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.servers import start_dhcpd, start_kea

ADDRESSES = {"one": IPv4Address("10.77.0.5"), "two": IPv4Address("10.77.0.6")}
CLIENT = IPv4Address("10.77.0.9")
PATIENCE = 40.0
"""Seconds within which two servers find each other, or find that the other is gone."""


def site(software: str, failover: Mapping[str, Any]) -> Inventory:
    pings = {"ping_check": False} if software.startswith("isc") else {}
    return inventory_from_tree(
        {
            "site": "two",
            "vlans": {"lan": {"id": 10, "subnet": "10.77.0.0/16"}},
            "servers": {
                name: {"software": software, "address": str(address), "vlan": "lan", **pings}
                for name, address in ADDRESSES.items()
            },
            "scopes": {
                "lan": {
                    "server": ["one", "two"],
                    "vlan": "lan",
                    "pools": ["10.77.1.0-10.77.8.255"],
                    "failover": failover,
                }
            },
        }
    )


def asked(number: int, secs: int = 0) -> Packet:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
        Option.PARAMETER_REQUEST_LIST: bytes((1, 3, 51, 54)),
    }
    return Packet(op=1, secs=secs, chaddr=mac_bytes(0x52_54_00_0A_00_00 + number), options=options)


@dataclass(kw_only=True)
class Pair:
    """Two servers on a VLAN, their models, and the clients that ask them."""

    inventory: Inventory
    hosts: Mapping[str, Host]
    running: dict[str, Process]
    crowd: Crowd
    asked: int = 0

    def new(self, count: int, secs: int = 0) -> list[Packet]:
        """DISCOVERs of clients that nobody has heard of."""
        self.asked += count
        return [asked(number, secs) for number in range(self.asked - count, self.asked)]

    def predicted(self, packet: Packet, *, alone: bool = False) -> set[IPv4Address]:
        """Who answers a packet."""
        found = set()
        for name in self.running:
            model: Any = model_for(self.inventory, name)
            model = replace(model, alone=alone)
            arrival = Arrival(
                packet=packet, at=0.0, port=67, address=ADDRESSES[name], source=(UNSPECIFIED, 68)
            )
            if model.receive(model.initial(), arrival).replies:
                found.add(ADDRESSES[name])
        return found

    def check(self, packets: Sequence[Packet], *, alone: bool = False) -> list[Answers]:
        """Everybody is answered as predicted; who is not is asked again, as a busy machine loses packets."""
        expected = [self.predicted(packet, alone=alone) for packet in packets]
        answers = self.crowd.ask(packets)
        for _ in range(3):
            wrong = [n for n, answer in enumerate(answers) if set(answer) != expected[n]]
            again = self.crowd.ask([packets[n] for n in wrong]) if wrong else []
            for n, answer in zip(wrong, again, strict=True):
                answers[n] = answer
        assert [set(answer) for answer in answers] == expected
        return answers

    def settle(self, *, alone: bool = False) -> None:
        """Ask until everybody is answered as predicted."""
        packets = self.new(12)
        expected = [self.predicted(packet, alone=alone) for packet in packets]
        end = time.monotonic() + PATIENCE
        while (seen := [set(answer) for answer in self.crowd.ask(packets, 0.3)]) != expected:
            assert time.monotonic() < end, (seen, expected)

    def cut(self) -> None:
        """The two cannot hear each other; the clients hear both."""
        for name, other in (("one", "two"), ("two", "one")):
            self.hosts[name].namespace.ip(f"route add blackhole {ADDRESSES[other]}/32")

    def stop(self, name: str) -> None:
        self.running.pop(name).stop()


@contextmanager
def pair_of(inventory: Inventory, start: Callable[[Host, str], Process], directory: Path) -> Iterator[Pair]:
    with Network(directory=directory) as network:
        network.vlan("lan", "10.77.0.0/16")
        hosts = {name: network.host(name, {"lan": address}) for name, address in ADDRESSES.items()}
        crowd = Crowd(network.host("client", {"lan": CLIENT}))
        files = {
            name: next(f.content.decode() for f in files if f.path in ("dhcpd.conf", "kea-dhcp4.conf"))
            for name, files in render_site(inventory).files.items()
        }
        running = {name: start(host, files[name]) for name, host in hosts.items()}
        try:
            yield Pair(inventory=inventory, hosts=hosts, running=running, crowd=crowd)
        finally:
            crowd.close()


def chosen(answers: Sequence[Answers], packets: Sequence[Packet], other: bool = False) -> list[Packet]:
    """The REQUESTs for what was offered, of who offered it or of the other server."""
    found = []
    for packet, answer in zip(packets, answers, strict=True):
        server, offer = next(iter(answer.items()))
        if other:
            server = next(address for address in ADDRESSES.values() if address != server)
        options = {**packet.options, Option.DHCP_MESSAGE_TYPE: bytes((MessageType.REQUEST,))}
        options |= {Option.REQUESTED_IP_ADDRESS: offer.yiaddr.packed, Option.SERVER_IDENTIFIER: server.packed}
        found.append(replace(packet, options=options))
    return found


# -- dhcpd ------------------------------------------------------------------------------------------


def dhcpd_that_knows_its_partner(host: Host, text: str) -> Process:
    """A pair that never met waits for its lead time: these two were in normal state five minutes ago."""
    then = time.strftime("%w %Y/%m/%d %H:%M:%S", time.gmtime(time.time() - 300))
    lead = "" if "mclt" in text else "  mclt 60;\n"
    state = f"  my state normal at {then};\n  partner state normal at {then};\n{lead}"
    return start_dhcpd(host, text, leases=f'failover peer "one-two" state {{\n{state}}}\n')


@pytest.mark.needs("dhcpd")
def test_two_dhcpd_answer_as_predicted(tmp_path: Path) -> None:
    inventory = site("isc-dhcpd 4.4", {"split": 96, "mclt": 60, "max_response_delay": 3})
    with pair_of(inventory, dhcpd_that_knows_its_partner, tmp_path) as pair:
        pair.settle()
        packets = pair.new(48)
        offers = pair.check(packets)
        assert len({frozenset(offer) for offer in offers}) == 2, "the hash divides nobody"
        # Its seconds are compared in network byte order; a client identifier counts before the MAC.
        for secs in (3, 4, 0x0200):
            pair.check(pair.new(24, secs=secs))
        pair.check([identified(packet) for packet in pair.new(24)])
        requests = chosen(offers, packets)
        for request, answer in zip(requests, pair.crowd.ask(requests), strict=True):
            assert IPv4Address(request.options[Option.SERVER_IDENTIFIER]) in answer
            assert {reply.message_type for reply in answer.values()} == {MessageType.ACK}
        # Leased, a client's DISCOVER goes by the hash as before, and both acknowledge, whoever is named.
        assert [set(answer) for answer in pair.check(packets)] == [set(offer) for offer in offers]
        for answer in pair.crowd.ask(chosen(offers, packets, other=True)):
            assert set(answer) == set(ADDRESSES.values())
        pair.cut()
        pair.settle(alone=True)
        pair.check(pair.new(24), alone=True)
        pair.stop("one")
        pair.check(pair.new(24), alone=True)


def identified(packet: Packet) -> Packet:
    identifier = b"\1" + packet.chaddr[:6]
    return replace(packet, options={**packet.options, Option.CLIENT_IDENTIFIER: identifier})


# -- Kea --------------------------------------------------------------------------------------------


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("mode", ["load-balancing", "hot-standby"])
def test_two_keas_answer_as_predicted(mode: str, tmp_path: Path) -> None:
    failover = {"mode": mode, "max_response_delay": 3, "max_ack_delay": 1, "max_unacked_clients": 0}
    inventory = site("kea 2.2", failover)
    with pair_of(inventory, start_kea, tmp_path) as pair:
        pair.settle()
        packets = pair.new(48)
        offers = pair.check(packets)
        assert len({frozenset(offer) for offer in offers}) == (2 if mode == "load-balancing" else 1)
        pair.check(pair.new(24, secs=60))
        pair.check([identified(packet) for packet in pair.new(24)])
        # A REQUEST is left to the partner as well: of one that names the other server nobody hears.
        assert not any(pair.check(chosen(offers, packets, other=True)))
        assert all(pair.check(chosen(offers, packets)))
        if mode == "load-balancing":
            pair.cut()
            pair.settle(alone=True)
            pair.check(pair.new(24), alone=True)
        pair.stop("one")
        pair.settle(alone=True)
        pair.check(pair.new(24), alone=True)


@pytest.mark.needs("kea-dhcp4")
def test_a_kea_counts_the_clients_that_wait_before_it_takes_over(tmp_path: Path) -> None:
    failover = {"max_response_delay": 3, "max_ack_delay": 1, "max_unacked_clients": 2}
    with pair_of(site("kea 2.2", failover), start_kea, tmp_path) as pair:
        pair.settle()
        left = pair.running["two"]
        pair.stop("one")
        left.wait_for("HA_COMMUNICATION_INTERRUPTED ", timeout=PATIENCE)
        # Contact is lost, and nobody has waited: each client is still left to its own server.
        answers = pair.check(pair.new(24))
        assert {bool(answer) for answer in answers} == {True, False}
        waiting = [p for p in pair.new(24, secs=2) if not pair.predicted(p)]
        assert not any(pair.crowd.ask(waiting[:2] * 2))
        pair.check(pair.new(12))
        assert not any(pair.crowd.ask(waiting[2:3]))
        left.wait_for("PARTNER-DOWN state", timeout=PATIENCE)
        pair.settle(alone=True)
        pair.check(pair.new(24), alone=True)
