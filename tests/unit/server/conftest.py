"""A boot server in a thread of this process, and the sockets of its ProxyDHCP service without a thread, on
unprivileged ports of the loopback interface."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from coexist.boot.configuration import BootServerConfig, Listen
from coexist.boot.policy import compile_policy
from coexist.inventory.macset import MacSet
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.offers import OfferWatch
from coexist.server.proxydhcp import ProxyDhcp
from coexist.server.run import BootServer
from coexist.server.seen import ClientsSeen
from coexist.server.services import Ports
from coexist.wire.bootp import Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac

PATIENCE = 20.0
SO_MEMINFO = 55
HERE = IPv4Address("127.0.0.1")
OTHER = IPv4Address("10.10.0.5")
LEASED = IPv4Address("10.10.2.1")
CHOICE = {50: LEASED.packed, 54: OTHER.packed}


class Said(io.StringIO):
    """A log stream that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()

    def write(self, text: str) -> int:
        with self.changed:
            written = super().write(text)
            self.changed.notify_all()
        return written

    def wait_for(self, pattern: str) -> re.Match[str]:
        expression = re.compile(pattern, re.MULTILINE)
        with self.changed:
            assert self.changed.wait_for(lambda: expression.search(self.getvalue()), PATIENCE), (
                f"the server should say {pattern!r}, and said:\n{self.getvalue()}"
            )
        found = expression.search(self.getvalue())
        assert found is not None
        return found


class Running:
    """A started server, how to ask it, and what it said."""

    def __init__(self, server: BootServer, said: Said) -> None:
        self.server = server
        self.said = said
        self.thread = threading.Thread(target=server.run)
        self.thread.start()
        self.clients: list[socket.socket] = []

    def port(self, role: int) -> int:
        if role == 69:
            return int(next(iter(self.server.services.tftp.values())).sock.getsockname()[1])
        return int(self.server.services.proxies[role].sock.getsockname()[1])

    def client(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE)
        self.clients.append(sock)
        return sock

    def ask(self, packet: Packet | bytes, role: int = 67, sock: socket.socket | None = None) -> Packet:
        """The answer to a packet; it is an error if there is none."""
        octets = packet if isinstance(packet, bytes) else encode(packet)
        asking = sock or self.client()
        asking.sendto(octets, ("127.0.0.1", self.port(role)))
        answer = decode(asking.recv(4096))
        assert isinstance(answer, Packet)
        return answer

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.stop()
            self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.server.counters.defects == 0, self.said.getvalue()
        for client in self.clients:
            client.close()


def discover(mac: str, architecture: int = 0, **header: Any) -> Packet:
    options = {
        53: b"\x01",
        60: b"PXEClient:Arch:00000:UNDI:002001",
        93: architecture.to_bytes(2, "big"),
        97: b"\0" + mac_bytes(parse_mac(mac)).rjust(16, b"\x11"),
        **header.pop("options", {}),
    }
    return Packet(op=1, chaddr=mac_bytes(parse_mac(mac)), options=options, **{"xid": 1, **header})


THIN = "52:54:00:00:00:01"


def config(**changes: Any) -> dict[str, Any]:
    return {
        "name": "otc",
        "listen": [{"address": "127.0.0.1", "vlan": "office"}],
        "rules": [
            {
                "name": "thin",
                "clients": {"macs": [THIN], "registered": True},
                "programs": {"bios": "lpxelinux.0", "uefi-x64": "syslinux64.efi"},
            }
        ],
        "tftp": {"root": "root", "whitelist": False},
        **changes,
    }


Start = Callable[[dict[str, Any]], Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []
    (tmp_path / "root").mkdir()

    def begin(settings: dict[str, Any]) -> Running:
        path = tmp_path / "coexist.yaml"
        path.write_text(json.dumps(settings))
        said = Said()
        server = BootServer(path, ports=Ports(dhcp=0, boot_server=0, tftp=0), stream=said)
        server.start()
        started.append(Running(server, said))
        return started[-1]

    yield begin
    for running in started:
        running.stop()


def queued(sock: socket.socket) -> int:
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
        self.proxy.watch = self.watch
        self.proxy.start()

    def send(self, packet: Packet, to: socket.socket) -> None:
        """Have a packet wait in a socket's queue, also where the kernel delivers it a little later."""
        before = queued(to)
        self.asking.sendto(encode(packet), to.getsockname())
        until = time.monotonic() + PATIENCE
        while queued(to) <= before:
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

    def close(self) -> None:
        self.log.close()
        for sock in self.sockets:
            sock.close()
        self.loop.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()
