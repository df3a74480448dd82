"""Packets nobody should send: each is counted or answered, and the server goes on."""

from __future__ import annotations

import random
import socket
import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.boot.configuration import Listen
from coexist.boot.policy import BootPolicy, BootProgram, Rule
from coexist.inventory.macset import EVERYONE
from coexist.server.counters import Counters
from coexist.server.endpoints import Endpoint
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.proxydhcp import ProxyDhcp
from coexist.server.seen import ClientsSeen
from coexist.wire.bootp import encode
from coexist.wire.tftp import decode
from tests.unit.server.conftest import THIN, Said, config, discover

POLICY = BootPolicy(
    name="otc",
    rules=(
        Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a.0"), 7: BootProgram(file="b")}),
    ),
)
GOOD = encode(
    discover(
        THIN,
        7,
        giaddr=IPv4Address("127.0.0.1"),
        options={
            43: b"\x47\x04\0\1\0\0\xff",
            54: b"\x7f\0\0\1",
            61: b"x",
            77: b"iPXE",
            82: b"\1\2ab",
            175: b"\1\1\5",
        },
    )
)


@pytest.fixture(scope="module", params=[67, 4011])
def service(request):
    """A service whose answers go nowhere, and its endpoint."""
    loop = Loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    log = Log(stream=Said())
    proxy = ProxyDhcp(
        loop,
        sock,
        request.param,
        clients=ClientsSeen(),
        probes=ClientsSeen(),
        counters=Counters(),
        log=log,
        registers=lambda _: None,
    )
    proxy.use(POLICY, [(Listen(address=IPv4Address("127.0.0.1")), None)])
    endpoint = Endpoint(Listen(address=IPv4Address("127.0.0.1")), POLICY, request.param, 1)

    def receive(octets: bytes) -> int:
        before = sum(proxy.counters.decisions.values())
        proxy.receive(endpoint, octets, sink.getsockname(), 100.0, 100.0)
        return sum(proxy.counters.decisions.values()) - before

    yield receive
    assert not proxy.counters.send_errors
    log.close()
    sock.close()
    sink.close()
    loop.close()


def test_every_octet_of_the_header_wrong_once(service):
    for at in range(240):
        for value in (0x00, 0x01, 0x7F, 0x80, 0xFF, GOOD[at] ^ 0x01):
            if at in range(24, 28):
                continue  # giaddr says where the answer goes; this test sends to nobody else
            assert service(GOOD[:at] + bytes((value,)) + GOOD[at + 1 :]) == 1


def test_every_option_length_wrong_once(service):
    at = 240
    while GOOD[at] != 255:
        for length in (0, 1, GOOD[at + 1] - 1 & 255, GOOD[at + 1] + 1, 64, 254, 255):
            assert service(GOOD[: at + 1] + bytes((length,)) + GOOD[at + 2 :]) == 1
        at += 2 + GOOD[at + 1]


def test_every_truncation(service):
    for length in range(len(GOOD)):
        assert service(GOOD[:length]) == 1


@pytest.mark.parametrize("overload", [0, 1, 2, 3, 4, 255])
def test_every_overload(service, overload):
    for area in (
        bytes(64),
        b"\xff" * 64,
        b"\x3d\x50" + bytes(62),
        b"\x34\x01\x03" + bytes(61),
        bytes(range(64)),
    ):
        packet = (
            GOOD[:44] + area + area + area + GOOD[236:240] + b"\x34\x01" + bytes((overload,)) + GOOD[240:]
        )
        assert service(packet) == 1


@given(st.binary(max_size=1500))
@settings(max_examples=500)
def test_any_octets(service, octets):
    assert service(octets) == 1


@given(st.binary(max_size=1200))
@settings(max_examples=500)
def test_any_options(service, options):
    assert service(GOOD[:240] + options) == 1


def damaged(chance: random.Random) -> bytes:
    octets = bytearray(GOOD)
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        at = chance.randrange(len(octets))
        kind = chance.randrange(4)
        if kind == 0:
            octets[at] = chance.randrange(256)
        elif kind == 1:
            del octets[at : at + chance.randrange(9)]
        elif kind == 2:
            octets[at:at] = chance.randbytes(chance.randrange(9))
        else:
            octets[at] ^= 1 << chance.randrange(8)
        if not octets:
            break
    octets[24:28] = GOOD[24:28]
    return bytes(octets)


def test_ten_thousand_damaged_packets(service):
    chance = random.Random(1)
    assert sum(service(damaged(chance)) for _ in range(10_000)) == 10_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_damaged_packets(service):
    chance = random.Random(2)
    assert sum(service(damaged(chance)) for _ in range(500_000)) == 500_000


RRQ = b"\0\1lpxelinux.0\0octet\0blksize\x001468\0tsize\x000\0windowsize\x004\0"


@given(st.binary(max_size=600))
@settings(max_examples=1000)
def test_any_octets_to_the_tftp_decoder(octets):
    decode(octets)
    decode(struct.pack("!H", 1) + octets)


def test_damaged_requests_to_a_running_server(start, tmp_path):
    running = start(config())
    (tmp_path / "root" / "lpxelinux.0").write_bytes(b"x" * 100)
    chance = random.Random(3)
    client = running.client()
    for _ in range(2000):
        octets = bytearray(RRQ)
        for _ in range(chance.choice((1, 2, 8))):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        client.sendto(bytes(octets[: chance.randrange(len(octets) + 1)]), ("127.0.0.1", running.port(69)))
    last = running.client()
    last.sendto(b"\0\1lpxelinux.0\0octet\0", ("127.0.0.1", running.port(69)))
    assert last.recv(600) == b"\0\3\0\1" + b"x" * 100
