"""The program as systemd runs it: sockets handed over, READY, WATCHDOG, STATUS, reloads, the units."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
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


@pytest.fixture
def service(tmp_path, manager):
    """A server started with handed-over sockets, and the addresses of these."""
    (tmp_path / "root").mkdir()
    (tmp_path / "coexist.yaml").write_text(json.dumps(config()))
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for sock in sockets:
        sock.bind(("127.0.0.1" if sock is sockets[2] else "0.0.0.0", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    arguments = [f"--port-{name}={port}" for name, port in zip((67, 4011, 69), ports, strict=True)]

    environment = {
        **os.environ,
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "400000",
        "LISTEN_FDS": "3",
        "STATE_DIRECTORY": str(tmp_path / "state"),
    }
    environment.pop("WATCHDOG_PID", None)
    script = (
        "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid());"
        "[os.dup2(int(fd), 3 + n) for n, fd in enumerate(sys.argv[1].split(','))];"
        "os.execv(sys.executable, [sys.executable, '-m', 'coexist', 'serve', *sys.argv[2:]])"
    )
    # Numbers well above those the handed descriptors get.
    high = [os.dup(sock.fileno()) for sock in sockets]
    process = subprocess.Popen(
        [sys.executable, "-c", script, ",".join(map(str, high)), str(tmp_path / "coexist.yaml"), *arguments],
        env=environment,
        pass_fds=high,
        stderr=subprocess.PIPE,
        cwd=UNITS.parents[1],
    )
    for fd in high:
        os.close(fd)
    for sock in sockets:
        sock.close()
    yield process, ports
    process.terminate()
    process.communicate()


def test_it_serves_on_the_sockets_it_is_handed_and_reports(service, manager, tmp_path):
    process, ports = service
    lines = heard(manager, "READY=1")
    assert any(line.startswith("STATUS=0 answers") for line in lines)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(encode(discover(THIN)), ("127.0.0.1", ports[0]))
        answer = decode(client.recv(4096))
    assert isinstance(answer, Packet)
    assert answer.file == b"lpxelinux.0"
    heard(manager, "WATCHDOG=1")
    process.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in heard(manager, "RELOADING=1"))
    heard(manager, "READY=1")
    process.terminate()
    heard(manager, "STOPPING=1")
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "state" / "registry.sqlite").exists()


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
