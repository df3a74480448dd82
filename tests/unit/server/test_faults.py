"""Full disks and files that go away, on a running server: they cost log lines, not boots."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path

from coexist.registry.sqlite import sqlite_registry
from coexist.server.access import Doorkeeper
from coexist.server.counters import Counters
from coexist.server.files import FrameCache
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.run import BootServer
from coexist.server.seen import ClientsSeen
from coexist.server.services import Ports
from coexist.server.tftp import SWEEP_SECONDS, TftpService
from tests.unit.server.conftest import THIN, Running, Said, config, discover

STRANGER = 0x525400000099


def rows(path: Path) -> dict[int, int]:
    registry = sqlite_registry(path)
    try:
        return {row.mac: row.requests for row in registry.rows()}
    finally:
        registry.close()


def test_a_registry_removed_under_it_is_begun_again(start, tmp_path):
    running = start(config(registry="registry.sqlite"))
    path = tmp_path / "registry.sqlite"
    registry = sqlite_registry(path)
    registry.decide(STRANGER, "registered", name="desk")
    registry.close()
    while STRANGER not in running.server.loaded.policy.rules[0].clients:
        time.sleep(0.01)
    for file in tmp_path.glob("registry.sqlite*"):
        file.unlink()
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"
    running.said.wait_for("registry vanished .*written back")
    assert running.ask(discover("52:54:00:00:00:99")).file == b"lpxelinux.0"
    running.stop()
    assert rows(path) == {0x525400000001: 1, STRANGER: 1}


def test_a_full_disk_costs_the_registry_lines_and_nobody_an_answer(start, tmp_path):
    """SQLite's own limit of pages fails the way a full file system does: SQLITE_FULL."""
    running = start(config(registry="registry.sqlite", rules=[*config()["rules"], {
        "name": "all", "clients": {"everyone": True}, "programs": {"bios": "all.0"}}]))  # fmt: skip
    recorder = running.server.recorder
    assert recorder is not None
    registry = recorder._registry
    assert registry is not None
    registry.engine.run("PRAGMA max_page_count = 1")
    client = running.client()
    for number in range(2000):
        assert running.ask(discover(f"52:54:07:00:{number >> 8:02x}:{number & 255:02x}"), sock=client)
    running.said.wait_for("registry not written .*database or disk is full")
    assert running.ask(discover(THIN), sock=client).file == b"lpxelinux.0"
    registry.engine.run("PRAGMA max_page_count = 1073741823")  # somebody made room
    running.stop()
    assert len(rows(tmp_path / "registry.sqlite")) == 2001
    assert running.server.counters.registry_dropped == 0


def test_a_log_on_a_full_disk_is_counted_and_holds_nobody_up(tmp_path):
    """``/dev/full`` answers every write as a full disk does (full(4))."""
    (tmp_path / "root").mkdir()
    (tmp_path / "coexist.yaml").write_text(json.dumps(config()))
    stream = Path("/dev/full").open("w")  # noqa: SIM115 closing it fails too
    server = BootServer(tmp_path / "coexist.yaml", ports=Ports(dhcp=0, boot_server=0, tftp=0), stream=stream)
    server.start()
    running = Running(server, Said())
    for _ in range(20):
        assert running.ask(discover(THIN)).file == b"lpxelinux.0"
    while server.log.dropped < 13:  # "ready", and the twelve lines of a client's minute
        time.sleep(0.01)
    running.stop()
    with suppress(OSError):
        stream.close()


def test_a_service_that_a_reload_ended_leaves_nothing_in_the_loop():
    loop, log, clients = Loop(), Log(stream=Said()), ClientsSeen()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    service = TftpService(
        loop, sock, "127.0.0.1", door=Doorkeeper(clients), cache=FrameCache(), counters=Counters(), log=log
    )
    service.start()
    service.close()
    loop.call_at(time.monotonic() + 3 * SWEEP_SECONDS, loop.stop)
    loop.run()
    assert loop._timers == []
    loop.close()
    log.close()


def test_what_is_no_tftp_is_said(start):
    running = start(config())
    running.client().sendto(b"\0\1no mode", ("127.0.0.1", running.port(69)))
    running.said.wait_for("tftp malformed address=127.0.0.1 .*no terminating NUL")
