"""A storm: packets come so fast that their answers leave together."""

from __future__ import annotations

import time

import pytest

from coexist.server.offers import OfferWatch
from coexist.wire.bootp import Packet
from tests.unit.server.conftest import PATIENCE, THIN, Wire, discover

STRANGER = "52:54:00:99:00:01"


def drained(wire: Wire, packets: list[Packet], *, storm: bool) -> None:
    """Have the service read packets that came at once."""
    for packet in packets:
        wire.send(packet, wire.on_67)
    wire.proxy.storm = storm
    wire.proxy.drain()


def answers(wire: Wire, count: int) -> list[bytes]:
    wire.asking.settimeout(PATIENCE)
    return [wire.asking.recv(4096) for _ in range(count)]


def test_each_packet_has_the_answer_it_has_on_a_calm_day(wire):
    wire.use()
    packets = [
        discover(STRANGER if number % 5 == 0 else THIN, architecture=7 * (number % 3 == 0), xid=number)
        for number in range(1, 50)
    ]
    answered = sum(number % 5 != 0 for number in range(1, 50))
    drained(wire, packets, storm=False)
    calm = answers(wire, answered)
    drained(wire, packets, storm=True)
    assert answers(wire, answered) == calm
    assert wire.proxy.counters.offers == 2 * answered


def test_what_was_decided_leaves_although_something_fails_behind_it(wire):
    wire.use()
    heard = iter((None, None, OSError("disk full")))

    class Breaks(OfferWatch):
        def drain(self) -> None:
            if error := next(heard):
                raise error

    wire.proxy.watch = Breaks(wire.loop, wire.on_68, wire.proxy.clients, wire.proxy.probes)
    with pytest.raises(OSError, match="disk full"):
        drained(wire, [discover(THIN, xid=number) for number in (1, 2, 3)], storm=True)
    assert [answer[4:8] for answer in answers(wire, 2)] == [b"\0\0\0\1", b"\0\0\0\2"]


def test_an_answer_that_is_due_does_not_wait_for_company(wire):
    """A delayed answer leaves by the clock, in a storm too."""
    rule = {
        "name": "late",
        "clients": {"macs": [THIN]},
        "programs": {"bios": "lpxelinux.0"},
        "delay": 0.001,
    }
    wire.use(rules=[rule])
    drained(wire, [discover(THIN, xid=9)], storm=True)
    assert wire.proxy.counters.waiting == 1
    wire.loop.call_at(time.monotonic() + 0.001, wire.loop.stop)  # behind the answer
    wire.loop.run()
    assert answers(wire, 1)[0][4:8] == b"\0\0\0\x09"


def test_while_packets_queue_strangers_have_their_share_of_the_time(wire):
    wire.use()
    wire.proxy._behind = True
    wire.proxy._strangers_seconds = -1e9
    packets = [discover(f"52:54:00:99:00:{number:02x}", xid=number) for number in range(1, 40)]
    drained(wire, [*packets, discover(THIN, xid=77)], storm=False)
    (answer,) = answers(wire, 1)
    assert answer[4:8] == b"\0\0\0M"
    assert wire.decisions() == {"NO_TIME": 39, "ANSWERED": 1}
    # None queues any more: everybody's packets are read again.
    drained(wire, [discover(STRANGER)], storm=False)
    assert wire.decisions()["NO_RULE"] == 1
