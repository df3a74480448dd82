"""IP phones and other clients that take one address offer: which one, and what they read from it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.firmware import BUILT_IN
from coexist.boot.firmware.first_offer import FirstOffer
from coexist.boot.firmware.machine import Boot, GiveUp, Heard, Machine, Step
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType

ONE, TWO, CLIENT = IPv4Address("10.4.0.1"), IPv4Address("10.4.0.2"), IPv4Address("10.4.0.60")
MACHINE = Machine(mac=0x001B4F0A0B0C, architecture=0)


def heard(
    source: IPv4Address, step: Step, kind: MessageType, options: dict[int, bytes], **more: Any
) -> Heard:
    packet = Packet(
        op=BOOTREPLY,
        xid=step.sends[0].packet.xid,
        yiaddr=more.get("yiaddr", CLIENT),
        siaddr=more.get("siaddr", UNSPECIFIED),
        chaddr=mac_bytes(MACHINE.mac),
        options={53: bytes((kind,)), 54: source.packed, 51: (3600).to_bytes(4, "big"), **options},
    )
    return Heard(packet, source, 67)


def leased(name: str, options: dict[int, bytes], **more: Any) -> tuple[Any, Step]:
    """The model and what it does with a lease of these options."""
    model = BUILT_IN[name]
    step = first = model.begin(MACHINE, 0.0)
    (step,) = model.receive(step.state, heard(ONE, first, MessageType.OFFER, options, **more), (0.1, 0.1))
    if not step.sends:
        step = model.expire(step.state, (1.1, 1.1))
    (step,) = model.receive(step.state, heard(ONE, first, MessageType.ACK, options, **more), (1.2, 1.2))
    return model, step


@pytest.mark.parametrize(
    ("name", "options", "siaddr", "server"),
    [
        ("phone-66", {66: b"10.4.0.9"}, UNSPECIFIED, IPv4Address("10.4.0.9")),
        ("phone-66", {66: b"https://prov.example/x"}, UNSPECIFIED, "https://prov.example/x"),
        ("phone-150", {66: b"10.4.0.9", 150: TWO.packed + ONE.packed}, UNSPECIFIED, TWO),
        ("phone-avaya", {66: b"10.4.0.9", 242: b"L2Q=1,HTTPSRVR=10.4.0.2,L2QVLAN=0"}, ONE, TWO),
        ("phone-avaya", {242: b"L2Q=1"}, TWO, TWO),
        ("phone-polycom", {66: b"10.4.0.9", 160: b"10.4.0.2"}, UNSPECIFIED, TWO),
        ("phone-yealink", {43: b"http://y.example/"}, UNSPECIFIED, "http://y.example/"),
        ("phone-snom", {66: b"10.4.0.9", 43: b"\x42\x0810.4.0.2"}, UNSPECIFIED, TWO),
    ],
)
def test_what_a_phone_reads(
    name: str, options: dict[int, bytes], siaddr: IPv4Address, server: IPv4Address | str
) -> None:
    _, step = leased(name, options, siaddr=siaddr)
    assert isinstance(step.end, Boot)
    assert step.end.server == server


def test_a_phone_without_a_server_gives_up_or_asks_by_inform() -> None:
    _, step = leased("phone-66", {150: TWO.packed})
    assert isinstance(step.end, GiveUp)
    model, step = leased("phone-polycom", {150: TWO.packed})
    (sent,) = step.sends
    assert (sent.packet.message_type, sent.packet.ciaddr) == (MessageType.INFORM, CLIENT)
    useless = heard(ONE, step, MessageType.ACK, {})
    (still,) = model.receive(step.state, useless, (1.3, 1.3))
    assert still.end is None
    told = heard(TWO, step, MessageType.ACK, {66: b"10.4.0.2"}, yiaddr=UNSPECIFIED)
    (done,) = model.receive(still.state, told, (1.4, 1.4))
    assert isinstance(done.end, Boot)
    assert (done.end.server, done.end.by) == (TWO, TWO)
    while step.end is None:
        assert step.timer is not None
        step = model.expire(step.state, step.timer)
    assert isinstance(step.end, GiveUp)


@pytest.mark.parametrize(
    ("parameters", "taken"),
    [
        ({}, ONE),
        ({"collects": 1.0}, ONE),
        ({"collects": 1.0, "takes": "last"}, TWO),
        ({"collects": 1.0, "takes": "longest-lease"}, TWO),
        ({"collects": 1.0, "prefers": (66,)}, TWO),
        ({"collects": 1.0, "prefers": (150,), "takes": "last"}, TWO),
    ],
)
def test_which_offer_is_taken(parameters: dict[str, Any], taken: IPv4Address) -> None:
    model = replace(FirstOffer(), **parameters)
    first = model.begin(MACHINE, 0.0)
    (step,) = model.receive(first.state, heard(ONE, first, MessageType.OFFER, {}), (0.1, 0.1))
    if not step.sends:
        longer = {51: (86400).to_bytes(4, "big"), 66: b"x"}
        (step,) = model.receive(step.state, heard(TWO, first, MessageType.OFFER, longer), (0.5, 0.5))
        step = model.expire(step.state, (1.1, 1.1))
    assert step.sends[0].packet.options[54] == taken.packed


def test_of_leases_of_the_same_length_the_first_is_taken() -> None:
    model = BUILT_IN["phone-avaya"]
    step = first = model.begin(MACHINE, 0.0)
    for server in (ONE, TWO):
        (step,) = model.receive(step.state, heard(server, first, MessageType.OFFER, {}), (0.1, 0.1))
    step = model.expire(step.state, (1.1, 1.1))
    assert step.sends[0].packet.options[54] == ONE.packed
