"""The program as systemd runs it: sockets handed over, READY, WATCHDOG, STATUS, reloads, the units."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coexist.wire.bootp import Packet, decode, encode
from tests.unit.server.conftest import PATIENCE, THIN, config, discover

UNITS = Path(__file__).resolve().parents[3] / "packaging" / "systemd"


@pytest.fixture
def manager(tmp_path):
    """The socket a service notifies."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE)
        yield sock


def heard(manager: socket.socket, wanted: str) -> list[str]:
    while True:
        lines = manager.recv(4096).decode().split("\n")
        if wanted in lines:
            return lines


class Unit:
    """The service with its sockets, which stay open in here while no process serves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "root").mkdir()
        (folder / "coexist.yaml").write_text(json.dumps(config()))
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for sock in self.sockets:
            sock.bind(("127.0.0.1" if sock is self.sockets[2] else "0.0.0.0", 0))
        self.ports = [sock.getsockname()[1] for sock in self.sockets]
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> subprocess.Popen[bytes]:
        arguments = [f"--port-{name}={port}" for name, port in zip((67, 4011, 69), self.ports, strict=True)]
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "WATCHDOG_USEC": "400000",
            "LISTEN_FDS": "3",
            "STATE_DIRECTORY": str(self.folder / "state"),
        }
        environment.pop("WATCHDOG_PID", None)
        script = (
            "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid());"
            "[os.dup2(int(fd), 3 + n) for n, fd in enumerate(sys.argv[1].split(','))];"
            "os.execv(sys.executable, [sys.executable, '-m', 'coexist', 'serve', *sys.argv[2:]])"
        )
        # Numbers well above those the handed descriptors get.
        high = [fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 100) for sock in self.sockets]
        config_file = str(self.folder / "coexist.yaml")
        process = subprocess.Popen(
            [sys.executable, "-c", script, ",".join(map(str, high)), config_file, *arguments],
            env=environment,
            pass_fds=high,
            stderr=subprocess.DEVNULL,
            cwd=UNITS.parents[1],
        )
        self.processes.append(process)
        for fd in high:
            os.close(fd)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(PATIENCE)
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def unit(tmp_path, manager):
    made = Unit(tmp_path)
    yield made
    made.close()


def test_it_serves_on_the_sockets_it_is_handed_and_reports(unit, manager, tmp_path):
    process = unit.begin()
    lines = heard(manager, "READY=1")
    assert any(line.startswith("STATUS=0 answers") for line in lines)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(encode(discover(THIN)), ("127.0.0.1", unit.ports[0]))
        answer = decode(client.recv(4096))
    assert isinstance(answer, Packet)
    assert answer.file == b"lpxelinux.0"
    heard(manager, "WATCHDOG=1")
    begun = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    process.send_signal(signal.SIGHUP)
    reloading = heard(manager, "RELOADING=1")
    (said,) = [int(line.partition("=")[2]) for line in reloading if line.startswith("MONOTONIC_USEC=")]
    assert begun <= said <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    heard(manager, "READY=1")
    (tmp_path / "coexist.yaml").write_text("name: [")
    heard(manager, "RELOADING=1")
    heard(manager, "READY=1")  # refused, and ready all the same
    process.terminate()
    heard(manager, "STOPPING=1")
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "state" / "registry.sqlite").exists()


def test_what_is_asked_while_nobody_runs_is_answered_after_the_restart(unit, manager):
    """The manager keeps the sockets: killed in the middle of the morning, not a packet is lost."""
    first = unit.begin()
    heard(manager, "READY=1")
    first.kill()
    first.wait(PATIENCE)
    asked = range(1, 21)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        for xid in asked:
            client.sendto(encode(discover(THIN, xid=xid)), ("127.0.0.1", unit.ports[0]))
        unit.begin()
        answers = [decode(client.recv(4096)) for _ in asked]
    assert [answer.xid for answer in answers if isinstance(answer, Packet)] == list(asked)


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", ["coexist.service", "coexist.socket"])
def test_systemd_understands_the_units(unit, tmp_path):
    # `verify` wants the program to exist under its own name.
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", UNITS / unit],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    complaints = [line for line in done.stderr.splitlines() if unit in line]
    assert complaints == []
