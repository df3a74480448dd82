"""Coverage-guided fuzzing of what reads octets from the network: `pip install atheris`, then run this.

Decoders must answer anything with a packet or a reason; the compiled form of the decision must agree with
``respond``; a TFTP transfer must survive any datagram. Takes libFuzzer's options, as `-max_total_time=60`.
"""

from __future__ import annotations

import sys
from ipaddress import IPv4Address

import atheris

with atheris.instrument_imports(include=["coexist"]):
    from coexist.boot.compiled import CompiledPolicy
    from coexist.boot.policy import BootMenu, BootPolicy, BootProgram, MenuEntry, Rule
    from coexist.boot.request import boot_request
    from coexist.boot.respond import Answer, Silence, respond
    from coexist.boot.tftp_transfer import Agreed, Limits, Step, Transfer, negotiate
    from coexist.inventory.macset import EVERYONE, MacSet
    from coexist.wire import tftp
    from coexist.wire.bootp import Packet, decode, encode
    from coexist.wire.pxe import decode_suboptions, decode_vendor_options

SERVER = IPv4Address("10.10.0.6")
SOURCE = (IPv4Address("10.10.1.7"), 68)
MENU = BootMenu(
    prompt="choose", timeout=5, entries=(MenuEntry(type=0, text="disk"), MenuEntry(type=1, text="net"))
)
POLICY = BootPolicy(
    name="fuzz",
    rules=(
        Rule(
            name="menu", clients=MacSet.interval(0, 1 << 40), programs={0: BootProgram(file="a")}, menu=MENU
        ),
        Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a"), 7: BootProgram(file="b")}),
    ),
    http_port=80,
)


def dhcp(data: bytes) -> None:
    packet = decode(data)
    if not isinstance(packet, Packet):
        return
    again = decode(encode(packet))
    assert isinstance(again, Packet)
    assert again.options == packet.options
    for value in packet.options.values():
        decode_vendor_options(value)
        decode_suboptions(value)
    for port in (67, 4011):
        request = boot_request(packet, port)
        compiled = CompiledPolicy(POLICY, SERVER, port)
        area = compiled.area(data)
        if request is None or area is None:
            continue
        outcome = compiled.outcome(area.meaning, data)
        expected = respond(POLICY, request, server=SERVER, source=SOURCE)
        if isinstance(outcome, Silence):
            assert outcome == expected
        elif outcome is not None:
            assert isinstance(expected, Answer)
            assert compiled.fill(outcome, area, data) == encode(expected.packet)


def transfer(data: bytes) -> None:
    message = tftp.decode(data)
    if isinstance(message, tftp.ReadRequest):
        agreed = negotiate(message, 100_000, Limits())
        if isinstance(agreed, Agreed):
            running = Transfer(100_000, agreed)
            running.begin()
            assert running.receive(data) in Step
    elif not isinstance(message, tftp.TftpMalformed):
        tftp.encode(message)


def one(data: bytes) -> None:
    if data[:1] == b"t":
        transfer(data[1:])
    else:
        dhcp(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
