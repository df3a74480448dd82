"""A morning: machines that are switched on within minutes boot from one server, then many more from two.

Each sends DISCOVER, takes the offer's server, and loads a file by TFTP to its last block. One packet in 20
is lost, and in the middle every server is told to reload. The two servers share a registry in PostgreSQL and
half of the machines each. dnsmasq does the work of the one server, too. By default a morning is shorter
than the five minutes of ``--full``, so that all of it ends within three.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage import ROOT, end_in_order, ended, report, say
from stage.machines import FIRST_MAC

from tests.harness.network import Host, Network
from tests.harness.postgresql import Postgres
from tests.harness.processes import Process, wait_until
from tests.harness.servers import start_boot_server

FILE, FILE_OCTETS = "pxelinux.0", 64 << 10
SUBNET = "10.10.0.0/16"
SERVERS = {"one": "10.10.0.6", "two": "10.10.0.8"}
MACHINES_AT = "10.60.1.1"
FULL_SECONDS = 300.0
LOSS = 0.05
"""Of the packets to a machine and from it."""


def mac(number: int) -> str:
    return (FIRST_MAC + number).to_bytes(6, "big").hex(":")


@contextlib.contextmanager
def campus() -> Iterator[tuple[Network, Host]]:
    """A VLAN with the host of the machines; their addresses are behind it, and no server sees their MACs."""
    with Network() as network:
        network.vlan("campus", SUBNET)
        machines = network.host("machines", {"campus": "10.10.1.1"})
        machines.run(["ip", "route", "add", "local", "10.60.0.0/16", "dev", "lo"])
        # As a router asks: by ARP in a machine's name the servers would learn this host's MAC for it.
        machines.run(["sh", "-c", "echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce"])
        yield network, machines


def host(network: Network, name: str, address: str) -> Host:
    made = network.host(name, {"campus": address})
    made.run(["ip", "route", "add", "10.60.0.0/16", "via", "10.10.1.1"])
    return made


def serve(on: Host, name: str, numbers: range, workers: int, **more: Any) -> Process:
    """A boot server that has these machines on its whitelist."""
    root = on.directory / "tftp"
    root.mkdir()
    (root / FILE).write_bytes(os.urandom(FILE_OCTETS))
    on.write("machines.txt", "".join(f"{mac(number)}\n" for number in numbers))
    config = {
        "name": name,
        "listen": [{"address": SERVERS[name]}],
        "rules": [{"name": "thin", "clients": {"files": ["machines.txt"]}, "programs": {"bios": FILE}}],
        "tftp": {"root": "tftp"},
        "registry": "registry.sqlite",
        "workers": workers,
        **more,
    }
    path = on.write("coexist.yaml", json.dumps(config))
    return start_boot_server(on, path, ready=r"\bready server=")


def boot(machines: Host, count: int, seconds: float, servers: list[Process]) -> dict[str, Any]:
    """The figures of so many machines, with a reload of the servers in the middle."""
    program = Path(__file__).parent / "stage" / "machines.py"
    process = machines.start(
        [sys.executable, program, str(count), str(seconds), MACHINES_AT, FILE, str(LOSS)]
    )
    reload = threading.Timer(seconds / 2, lambda: [each.send_signal(signal.SIGHUP) for each in servers])
    reload.start()
    try:
        wait_until(
            lambda: process.ended or any(server.ended for server in servers),
            "the end of what the machines do",
            timeout=seconds + 100,
        )
    finally:
        reload.cancel()
    for server in servers:
        if server.ended:
            raise ended(server, "a server")
    if process.wait():
        raise ended(process, "the simulation of the machines")
    found: dict[str, Any] = json.loads(process.output.splitlines()[-1])
    return found


def one(count: int, seconds: float, workers: int) -> dict[str, Any]:
    with campus() as (network, machines):
        server = serve(host(network, "one", SERVERS["one"]), "one", range(count), workers)
        return boot(machines, count, seconds, [server])


def dnsmasq(count: int, seconds: float) -> dict[str, Any]:
    with campus() as (network, machines):
        on = host(network, "one", SERVERS["one"])
        root = on.directory / "tftp"
        root.mkdir(mode=0o755)
        (root / FILE).write_bytes(os.urandom(FILE_OCTETS))
        process = on.start(
            ["dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root", "--group=root",
             "--pid-file=", "--interface=eth0", "--bind-interfaces", "--no-resolv", "--no-hosts",
             "--quiet-dhcp",
             f"--dhcp-leasefile={on.directory}/leases", f"--dhcp-range={SERVERS['one']},proxy,255.255.0.0",
             f"--pxe-service=x86PC,boot,{FILE.removesuffix('.0')}", "--enable-tftp", f"--tftp-root={root}",
             "--tftp-max=4096"],
            ready="started",
        )  # fmt: skip
        return boot(machines, count, seconds, [process])


def two(count: int, seconds: float, workers: int) -> dict[str, Any]:
    with campus() as (network, machines):
        database = host(network, "db", "10.10.0.20")
        with Postgres(database) as postgres:
            address = postgres.database()
            servers = [
                serve(host(network, name, SERVERS[name]), name, numbers, workers, registry=address)
                for name, numbers in (("one", range(0, count, 2)), ("two", range(1, count, 2)))
            ]
            found = boot(machines, count, seconds, servers)
            for server in servers:
                server.stop(patience=15)
            kept = machines.run([sys.executable, "-c", _KEPT, address])
            return {**found, "kept": int(kept)}


_KEPT = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from coexist.registry.opening import open_registry
print(len(open_registry(sys.argv[1]).rows()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="in which the machines of one server begin")
    parser.add_argument("--seconds-two", type=float, default=60, help="in which those of two servers begin")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--machines-two", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--full", action="store_true", help="all of them within five minutes, as on a morning"
    )
    parser.add_argument("--case", action="append", choices=["coexist", "dnsmasq", "two"], help="only these")
    given = parser.parse_args()
    if given.full:
        given.seconds = given.seconds_two = FULL_SECONDS
    end_in_order()
    cases = {
        "coexist": ("coexist, one server", lambda: one(given.machines, given.seconds, given.workers)),
        "dnsmasq": ("dnsmasq, one server", lambda: dnsmasq(given.machines, given.seconds)),
        "two": ("coexist, two servers", lambda: two(given.machines_two, given.seconds_two, given.workers)),
    }
    for case in given.case or cases:
        name, run = cases[case]
        seconds = given.seconds_two if case == "two" else given.seconds
        say(f"{name}: the machines begin within {seconds:g} s")
        found = run()
        wanted = "all" if name.startswith("coexist") else ""
        ratio = round(found["booted"] / found["machines"], 4)
        report(f"morning: {name}", **found, ratio=ratio, wanted=wanted)


if __name__ == "__main__":
    main()
