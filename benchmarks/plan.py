"""How long ``coexist plan`` of many servers takes: bound by the slowest one and the parallelism, not the sum.

The targets are simulated: SSH servers on loopback in a process of their own, each of which waits before it
answers a command, as a busy machine behind a long line does. ``coexist plan`` itself is the real command,
with the real SSH client. One target is slow. Measured for several values of ``--parallel``.

``ratio``: the seconds that the servers took, to those they would take if nothing but waiting took time. The
slow one is the last to be begun. The real client and the simulated targets share the machine, and its
processors are a bound, too: ``processor_seconds`` is what both used,
``processors_need`` how long all of them need for that.
"""

from __future__ import annotations

import argparse
import heapq
import logging
import multiprocessing
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import paramiko
from stage import Serving, cpu_seconds, end_in_order, report

USER = "deploy"
QUICK, SLOW = 1.0, 8.0
"""Seconds a target waits before it answers a command."""


class Target(paramiko.ServerInterface):
    """One simulated server: any key of ours may log in, and each command is run after a while."""

    def __init__(self, key: paramiko.PKey, delay: float, root: Path) -> None:
        self.key = key
        self.delay = delay
        self.root = root

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL if key == self.key else paramiko.common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self.answer, args=(channel, command.decode()), daemon=True).start()
        return True

    def answer(self, channel: paramiko.Channel, command: str) -> None:
        time.sleep(self.delay)
        finished = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, cwd=self.root)
        channel.sendall(finished.stdout)
        channel.send_exit_status(finished.returncode)
        channel.close()


def serve(pipe: Connection, delays: list[float], client_key: str, host_key: str, root: str) -> None:
    """Be all the targets, each on a port of its own; the ports go into the pipe."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # a client that has what it wants just leaves
    key = paramiko.Ed25519Key.from_private_key_file(client_key)
    own = paramiko.Ed25519Key.from_private_key_file(host_key)
    listeners = []
    for delay in delays:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(4)
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, key, own, delay, Path(root)), daemon=True).start()
    pipe.send([listener.getsockname()[1] for listener in listeners])
    pipe.recv()


def accept(listener: socket.socket, key: paramiko.PKey, own: paramiko.PKey, delay: float, root: Path) -> None:
    """Take connections on one port for ever."""
    while True:
        connection, _ = listener.accept()
        transport = paramiko.Transport(connection)
        transport.add_server_key(own)
        transport.start_server(event=threading.Event(), server=Target(key, delay, root))


def write_site(folder: Path, ports: list[int]) -> None:
    """An inventory with one DHCP server for each target, on a VLAN of its own."""
    lines = ["site: many", "vlans:"]
    count = len(ports)
    lines += [f"  v{n}: {{id: {n + 1}, subnet: 10.{n}.0.0/16}}" for n in range(count)]
    lines.append("servers:")
    for n, port in enumerate(ports):
        lines += [
            f"  dhcp-{n}:",
            "    software: isc-dhcpd 4.4",
            f"    address: 10.{n}.0.5",
            f"    vlan: v{n}",
            "    deploy:",
            f"      {{host: 127.0.0.1, port: {port}, paths: {{dhcpd.conf: {folder}/etc/dhcpd-{n}.conf}}}}",
        ]
    lines.append("scopes:")
    lines += [
        f"  s{n}: {{server: dhcp-{n}, vlan: v{n}, pools: [10.{n}.1.0-10.{n}.1.99]}}" for n in range(count)
    ]
    (folder / "site.yaml").write_text("\n".join(lines) + "\n")


def ssh_config(folder: Path, ports: list[int]) -> Path:
    """A configuration and known_hosts for all targets."""
    public = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text("".join(f"[127.0.0.1]:{port} {public}\n" for port in ports))
    path = folder / "ssh_config"
    path.write_text(
        f"Host *\n  User {USER}\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    )
    return path


def measure(folder: Path, config: Path, parallel: int, targets: int, quick_reading: float) -> float:
    """Seconds of one plan, without the interpreter's start and the reading of the inventory."""
    command = [sys.executable, "-m", "coexist", "plan", str(folder), "--parallel", str(parallel)]
    began = time.monotonic()
    finished = subprocess.run(
        [*command, "--ssh-config", str(config), "--detailed-exitcode", "--reason", "benchmark"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    taken = time.monotonic() - began
    if finished.returncode != 3:
        raise SystemExit(f"{shlex.join(command)}: {finished.returncode}\n{finished.stderr[-2000:]}")
    planned = len(re.findall(r"^dhcp-\d+ \(", finished.stdout, re.MULTILINE))
    if planned != targets:
        raise SystemExit(f"{shlex.join(command)}: {planned} servers to change\n{finished.stdout[-2000:]}")
    return taken - quick_reading


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--targets", type=int, default=200)
    arguments.add_argument("--parallel", type=int, nargs="+", default=[8, 32, 100])
    given = arguments.parse_args()
    end_in_order()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "etc").mkdir()
        for key in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        delays = [QUICK] * (given.targets - 1) + [SLOW]
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve,
            args=(theirs, delays, str(folder / "key"), str(folder / "host_key"), name),
            daemon=True,
        )
        process.start()
        ports = ours.recv()
        write_site(folder, ports)
        config = ssh_config(folder, ports)
        empty = baseline(folder, config)
        for parallel in given.parallel:
            before = used(process)
            taken = measure(folder, config, parallel, given.targets, empty)
            worked = used(process) - before
            bound = waiting(delays, parallel)
            report(
                f"plan of {given.targets} servers, --parallel {parallel}",
                seconds=round(taken, 2),
                bound=round(bound, 2),
                all_waiting=sum(delays),
                without_servers=round(empty, 2),
                processor_seconds=round(worked, 2),
                processors_need=round(worked / len(os.sched_getaffinity(0)), 2),
                ratio=round(taken / bound, 2),
                wanted="near 1",
            )
        ours.send(None)
        process.join(10)


def waiting(delays: list[float], parallel: int) -> float:
    """When the last target has answered, if they are begun in their order, so many at a time."""
    free = [0.0] * parallel
    for delay in delays:
        heapq.heapreplace(free, free[0] + delay)
    return max(free)


def used(targets: Serving) -> float:
    """Processor time of all that has ended below this process, and of the simulated targets, in seconds."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + cpu_seconds(targets)


def baseline(folder: Path, config: Path) -> float:
    """Seconds of the same plan when only one quick server is read: start, inventory, check, rendering."""
    began = time.monotonic()
    command = [sys.executable, "-m", "coexist", "plan", str(folder), "--only", "dhcp-0"]
    subprocess.run(
        [*command, "--ssh-config", str(config), "--reason", "benchmark"], capture_output=True, check=True
    )
    return time.monotonic() - began - QUICK


if __name__ == "__main__":
    main()
