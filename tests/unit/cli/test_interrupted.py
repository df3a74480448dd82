"""Ctrl-C while a capture is read: what was read is told, the boot that is still going on too."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.cli.watching import Interruption, interruptible
from coexist.probe.frame import Datagram, encode_frame
from coexist.probe.observation import OVER
from coexist.probe.question import discover, stranger
from coexist.wire.bootp import encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import Option
from tests.harness.processes import PATIENCE

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
FIRST, SECOND = "02:00:5e:00:00:01", "02:00:5e:00:00:02"


def record(mac: str, at: int) -> bytes:
    """A DISCOVER of a machine, as a capture has it."""
    asked = discover(stranger("bios"), xid=1, secs=4).without_options(Option.HOST_NAME)  # by which probes go
    packet = replace(asked, chaddr=mac_bytes(parse_mac(mac)))
    datagram = Datagram(
        source=IPv4Address(0),
        source_port=68,
        destination=IPv4Address("255.255.255.255"),
        destination_port=67,
        payload=encode(packet),
    )
    frame = encode_frame(datagram, from_mac=parse_mac(mac))
    return struct.pack("<IIII", at, 0, len(frame), len(frame)) + frame


def test_a_boot_that_goes_on_is_told_too(tmp_path: Path) -> None:
    fifo = tmp_path / "capture.pcap"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-m", "coexist", "observe", str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with fifo.open("wb", buffering=0) as capture:
            capture.write(PCAP + record(FIRST, 1000) + record(SECOND, 1001 + int(OVER)))
            assert process.stdout is not None
            # The first boot is over by the packet of the second, which is read therefore.
            assert FIRST in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert SECOND in out
    assert process.returncode == 130
    assert "2 boots" in err


def test_what_was_read_is_worked_on_to_its_end_and_a_second_time_ends_all() -> None:
    before = signal.getsignal(signal.SIGINT)
    read = []
    with interruptible() as interruption:
        for number in interruption.reading(range(9)):
            read.append(number)
            if number == 2:
                os.kill(os.getpid(), signal.SIGINT)
    assert (read, interruption.came) == ([0, 1, 2], True)
    assert signal.getsignal(signal.SIGINT) is before
    twice = Interruption()
    twice()
    with pytest.raises(KeyboardInterrupt):
        twice()
