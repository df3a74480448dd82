"""One machine does all it can to a boot server under its unit's limits, while ten honest clients boot."""

from __future__ import annotations

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coexist.wire.mac import format_mac
from coexist.wire.options import Option
from tests.harness.client import PxeClient, hardware_address
from tests.harness.namespaces import HarnessError
from tests.harness.network import Host, Network

pytestmark = pytest.mark.timeout(240)

HONEST = 10
ROUNDS = 3
SERVER = "10.77.0.2"
KERNEL = b"kernel" * 50_000
MEMORY_MAX = 1 << 30
"""``MemoryMax`` of packaging/systemd/coexist.service."""
MOST_RESIDENT = 300 << 20
MOST_LOG_A_MINUTE = 1_000_000
TRIES = 8
"""How often a client asks before it gives up: EDK2 sends four DISCOVERs, and is started again."""


@pytest.fixture
def site():
    with Network() as network:
        network.vlan("office", "10.77.0.0/16")
        server = network.host("otc", {"office": SERVER})
        desks = [network.host(f"desk{n}", {"office": f"10.77.1.{n + 1}"}) for n in range(HONEST)]
        mallory = network.host("mallory", {"office": "10.77.9.9"})
        yield server, desks, mallory


def config(server: Host, served: list[Host]) -> Path:
    root = server.directory / "tftp"
    root.mkdir()
    (root / "kernel").write_bytes(KERNEL)
    macs = [format_mac(hardware_address(host)) for host in served]
    tree: dict[str, Any] = {
        "name": "otc",
        "listen": [{"address": SERVER, "vlan": "office"}],
        "services": ["proxydhcp", "tftp", "http"],
        "http": {"port": 80},
        "tftp": {"root": "tftp"},
        "registry": "registry.sqlite",
        "observe": True,
        "rules": [
            {"name": "desks", "clients": {"macs": macs}, "programs": {"bios": "kernel"}},
            {
                "name": "strangers",
                "clients": {"everyone": True},
                "delay": {"since_first": 4},
                "menu": {
                    "prompt": "unknown",
                    "timeout": 5,
                    "items": [
                        {"text": "disk", "local": True},
                        {"text": "register", "register": True, "programs": {"bios": "kernel"}},
                    ],
                },
            },
        ],
    }
    return server.write("coexist.yaml", json.dumps(tree))


def offered(host: Host) -> None:
    """The client is told its program."""
    with PxeClient(host, format_mac(hardware_address(host))) as client:
        for attempt in range(TRIES):
            client.discover(secs=4 * attempt)
            try:
                heard = client.reply(timeout=3.0)
            except HarnessError:
                continue
            assert heard.packet.file == b"kernel"
            assert heard.packet.options[Option.SERVER_IDENTIFIER] == socket.inet_aton(SERVER)
            return
    raise HarnessError(f"{host.name} was offered nothing")


def fetched_by_tftp(sock: socket.socket) -> bytes:
    """As firmware fetches: the request and each ACK are sent again until something new comes."""
    sock.settimeout(1.0)
    say, to, block, got = b"\0\1kernel\0octet\0blksize\x001408\0", (SERVER, 69), 0, b""
    for _ in range(4000):
        sock.sendto(say, to)
        try:
            octets, peer = sock.recvfrom(2048)
        except TimeoutError:
            continue
        if octets[:2] == b"\0\5":
            raise HarnessError(octets[4:].decode())
        if octets[:2] == b"\0\6":
            say, to = b"\0\4\0\0", peer
        elif octets[:2] == b"\0\3" and int.from_bytes(octets[2:4], "big") == block + 1:
            block += 1
            got += octets[4:]
            say, to = b"\0\4" + octets[2:4], peer
            if len(octets) < 1412:
                sock.sendto(say, to)
                return got
    raise HarnessError("the transfer does not end")


def boot(host: Host) -> None:
    """One boot: an answer, the program over TFTP, and the same over HTTP."""
    offered(host)
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert fetched_by_tftp(sock) == KERNEL
    got = host.directory / "got"
    url = f"http://{SERVER}/kernel"
    host.run(["curl", "-sf", "--retry", "5", "--retry-connrefused", "--max-time", "60", "-o", got, url])
    assert got.read_bytes() == KERNEL


def resident(pid: int) -> int:
    """The most memory a process had so far, in octets."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_ten_clients_boot_while_one_machine_attacks(site):
    server, desks, mallory = site
    # The attacker is a served machine too: what it holds it holds as one that may.
    path = config(server, [*desks, mallory])
    limits = ["prlimit", f"--as={MEMORY_MAX}", "--core=0"]
    process = server.start([*limits, sys.executable, "-m", "coexist", "serve", path], ready="ready")
    attacker = mallory.start(
        [sys.executable, Path(__file__).parents[1] / "harness" / "attacker.py", SERVER,
         *(str(desk.address) for desk in desks)],
        ready="attacking",
    )  # fmt: skip
    begun, before = time.monotonic(), len(process.output)
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(HONEST) as pool:
            list(pool.map(boot, desks))
    minutes = (time.monotonic() - begun) / 60
    attacker.stop()
    assert "all attacks ran to the end" in attacker.output
    assert not process.ended
    assert "defect" not in process.output
    assert "Traceback" not in process.output
    assert resident(process.pid) < MOST_RESIDENT
    assert len(process.output) - before < MOST_LOG_A_MINUTE * max(minutes, 1.0)
    # And it serves on when the storm is over.
    boot(desks[0])
