"""What is heard of other servers, in the order it was said and not the order it is read in."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.policy import BootServerConfig, Listen, compile_policy
from coexist.inventory.macset import MacSet
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.offers import OfferWatch
from coexist.server.proxydhcp import ProxyDhcp
from coexist.server.seen import ClientsSeen
from coexist.wire.bootp import Packet, encode
from tests.unit.server.conftest import PATIENCE, THIN, Said, config, discover

SO_MEMINFO = 55
HERE = IPv4Address("127.0.0.1")
OTHER = IPv4Address("10.10.0.5")
LEASED = IPv4Address("10.10.2.1")
CHOICE = {50: LEASED.packed, 54: OTHER.packed}


def _queued(sock: socket.socket) -> int:
    """Octets of memory that the datagrams in a socket's queue take (SO_MEMINFO, linux/sock_diag.h)."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4), sys.byteorder)


class Wire:
    """The two sockets of a server that follows offers: 67 and 68, both on ports of the loopback interface."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        self.asking, self.on_67, self.on_68 = self.sockets
        for sock in self.sockets:
            sock.bind((str(HERE), 0))
        self.log = Log(stream=Said())
        clients = ClientsSeen()
        self.proxy = ProxyDhcp(
            self.loop,
            self.on_67,
            67,
            clients=clients,
            probes=ClientsSeen(),
            counters=Counters(),
            log=self.log,
            registers=lambda _: None,
        )
        self.use(follow_offers=True)
        self.watch = OfferWatch(self.loop, self.on_68, clients, self.proxy.probes)
        self.watch.pxe_servers = self.proxy.pxe_servers
        self.watch.own = {HERE.packed}
        self.proxy.hear = self.watch.drain
        self.proxy.start()

    def send(self, packet: Packet, to: socket.socket) -> None:
        """Have a packet wait in a socket's queue, also where the kernel delivers it a little later."""
        before = _queued(to)
        self.asking.sendto(encode(packet), to.getsockname())
        until = time.monotonic() + PATIENCE
        while _queued(to) <= before:
            assert time.monotonic() < until, "the packet did not arrive"
            os.sched_yield()

    def use(self, **changes: Any) -> None:
        """Decide by a configuration of its own."""
        no_lists: dict[str, MacSet] = {}
        policy = compile_policy(BootServerConfig.model_validate(config(**changes)), no_lists.__getitem__)
        self.proxy.use(policy, [(Listen(address=HERE), None)])

    def client_sends(self, message: int, more: dict[int, bytes] | None = None) -> None:
        packet = discover(THIN, options={53: bytes((message,)), **(more or {})})
        self.send(packet, self.on_67)

    def other_offers(self, vendor_class: bytes = b"PXEClient") -> None:
        asked = discover(THIN)
        offer = Packet(
            op=2,
            xid=asked.xid,
            chaddr=asked.chaddr,
            yiaddr=LEASED,
            options={53: b"\x02", 54: OTHER.packed, 60: vendor_class},
        )
        self.send(offer, self.on_68)

    def decisions(self) -> dict[str, int]:
        return {reason: count for (_, reason), count in self.proxy.counters.decisions.items()}


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.log.close()
    for sock in made.sockets:
        sock.close()
    made.loop.close()


def test_offers_said_before_a_packet_count_although_everything_is_read_at_once(wire):
    """A server that was busy finds both sockets full; the one of port 67 comes first."""
    wire.client_sends(1)
    wire.other_offers()
    wire.client_sends(3, more=CHOICE)
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"ANSWERED": 1, "OTHER_SERVER": 2}


def test_an_offer_heard_before_its_client_was_known_tells_of_the_server(wire):
    wire.other_offers()
    wire.watch.drain()
    wire.client_sends(1)
    wire.client_sends(3, more=CHOICE)
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"ANSWERED": 1, "OTHER_SERVER": 2}


def test_an_address_from_a_server_without_pxe_is_no_choice_of_a_boot_server(wire):
    wire.client_sends(1)
    wire.other_offers(vendor_class=b"MSFT 5.0")
    wire.client_sends(3, more=CHOICE)
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"ANSWERED": 2, "OTHER_SERVER": 1}


def test_what_a_probe_hears_counts_for_its_own_wait(wire):
    """A rule that waits for a DHCP server's offer answers a probe as it answers a machine."""
    wire.use(rules=[{**config()["rules"][0], "delay": {"after_offer": True}}])
    asked = discover(THIN, options={12: b"coexist-probe"})
    wire.send(asked, wire.on_67)
    wire.proxy.drain()
    assert wire.proxy.counters.offers == 0
    offer = replace(asked, op=2, yiaddr=LEASED, options={53: b"\x02", 54: OTHER.packed})
    wire.send(offer, wire.on_68)
    wire.send(asked, wire.on_67)
    wire.proxy.drain()
    assert wire.proxy.counters.offers == 1
    assert wire.proxy.clients.find(asked.mac) is None
