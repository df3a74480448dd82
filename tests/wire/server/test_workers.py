"""One boot server of several processes: every client is answered once, and meets what it left."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from coexist.registry.sqlite import sqlite_registry
from coexist.server.steering import share_of
from coexist.wire.mac import format_mac, parse_mac
from tests.harness.client import hardware_address, tftp_get
from tests.harness.network import Host
from tests.harness.processes import wait_until
from tests.wire.server.conftest import OTC

FIRST = parse_mac("00:80:64:20:00:00")
MACS = range(FIRST, FIRST + 24)

pytestmark = pytest.mark.needs("curl")


def counted(host: Host, name: str) -> float:
    """A figure of the metrics."""
    said = host.run(["curl", "--silent", "http://127.0.0.1:9100/metrics"])
    return next(float(line.split()[1]) for line in said.splitlines() if line.startswith(f"{name} "))


def test_several_processes_are_one_server(site) -> None:
    rule = {
        "name": "thin",
        "clients": {"prefixes": ["00:80:64"], "macs": [format_mac(hardware_address(site.desk))]},
        "programs": {"bios": "lpxelinux.0"},
    }
    more = {
        "workers": 2,
        "services": ["proxydhcp", "tftp", "http"],
        "http": {"port": 80},
        "metrics_port": 9100,
    }
    server = site.serve(rules=[rule], **more)
    server.wait_for(r"ready server=otc workers=2")
    assert {share_of(mac, 2) for mac in MACS} == {0, 1}

    def answers(host: Host = site.desk) -> Counter[int]:
        """How often each was answered, in half a second from the last packet."""
        clients = {mac: site.client(host, format_mac(mac)) for mac in MACS}
        for client in clients.values():
            client.discover()
        heard = Counter(
            {mac: sum(1 for _ in client.replies(timeout=0.5 / len(MACS))) for mac, client in clients.items()}
        )
        for client in clients.values():
            client.close()
        return +heard

    # Broadcasts reach every process of the host; one of them answers.
    assert answers() == Counter(dict.fromkeys(MACS, 1))
    # A file request has no MAC: whoever gets it hands it to the process that has the client.
    for _ in range(6):
        assert len(tftp_get(site.desk, OTC, "lpxelinux.0")) == 20_000
    # The first worker tells what all of them counted; the others write it down every second.
    wait_until(
        lambda: counted(site.otc, "coexist_answers_total") >= len(MACS), "the metrics are of all workers"
    )
    # A worker that is killed is started again, and answers what came meanwhile.
    before = server.output
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)
    server.wait_for("worker ended", start=len(before))
    clients = {mac: site.client(site.desk, format_mac(mac)) for mac in MACS}
    for client in clients.values():
        client.discover()
    for mac, client in clients.items():
        assert client.reply().packet.mac == mac
        client.close()
    # What all of them saw is in one registry, each client once.
    registry = sqlite_registry(site.otc.directory / "registry.sqlite")
    wait_until(lambda: len([row for row in registry.rows() if row.mac in MACS]) == len(MACS), "all are kept")
    assert registry.servers() == {"otc"}
    registry.close()
    # A reload is one of all workers.
    before = server.output
    site.otc.write("coexist.yaml", json.dumps(site.config(rules=[], **more)))
    server.send_signal(signal.SIGHUP)
    server.wait_for(r"configuration in use(.|\n)*configuration in use", start=len(before))
    wait_until(lambda: answers() == Counter(), "no worker answers any more")
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 0
