"""A Raspberry Pi takes only what says its words in option 43."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.firmware import BUILT_IN
from coexist.boot.firmware.machine import Boot, GiveUp, Heard, Machine, Step
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import BootServer, MenuItem, PxeVendorOptions, encode_vendor_options

DHCP, PROXY, FILES = IPv4Address("10.5.0.2"), IPv4Address("10.5.0.9"), IPv4Address("10.5.0.20")
CLIENT = IPv4Address("10.5.0.99")
MACHINE = Machine(mac=0xDCA632010203, architecture=0)
WORDS = encode_vendor_options(PxeVendorOptions(menu=(MenuItem(type=0, text="Raspberry Pi Boot"),)))
LISTED = encode_vendor_options(
    PxeVendorOptions(
        boot_servers=(BootServer(type=0, addresses=(DHCP, FILES)),),
        menu=(MenuItem(type=0, text="Raspberry Pi Boot"),),
    )
)


def heard(source: IPv4Address, step: Step, kind: MessageType, **more: Any) -> Heard:
    packet = Packet(
        op=BOOTREPLY,
        xid=step.sends[0].packet.xid,
        yiaddr=more.get("yiaddr", UNSPECIFIED),
        siaddr=more.get("siaddr", UNSPECIFIED),
        chaddr=mac_bytes(MACHINE.mac),
        options={53: bytes((kind,)), 54: source.packed, **more.get("options", {})},
    )
    return Heard(packet, source, 67)


def boot(name: str, **proxy: Any) -> Boot | GiveUp:
    """How it ends with a plain DHCP server and a proxy that answers so to everything."""
    model = BUILT_IN[name]
    step = model.begin(MACHINE, 0.0)
    for _ in range(20):
        if step.end is not None:
            return step.end
        discover = next((s for s in step.sends if s.packet.message_type is MessageType.DISCOVER), None)
        asked = step
        kinds = MessageType.OFFER if discover else MessageType.ACK
        answers = [heard(DHCP, asked, kinds, yiaddr=CLIENT)]
        if discover:
            answers.append(heard(PROXY, asked, kinds, **proxy))
        timer = step.timer
        for answer in answers:
            for found in model.receive(step.state, answer, (0.1, 0.1)):
                step = found
        if step.end is None and not any(s in step.sends for s in asked.sends) and step.sends:
            continue
        if step.end is None:
            assert timer is not None
            step = model.expire(step.state, timer)
    raise AssertionError("it never ends")


def test_it_announces_a_bios() -> None:
    packet = BUILT_IN["raspberry-pi-4"].begin(MACHINE, 0.0).sends[0].packet
    assert packet.options[Option.CLIENT_SYSTEM_ARCHITECTURE] == b"\0\0"
    assert packet.options[Option.VENDOR_CLASS_IDENTIFIER] == b"PXEClient:Arch:00000:UNDI:002001"
    assert (packet.secs, packet.broadcast) == (0, False)


@pytest.mark.parametrize(
    ("name", "options", "siaddr", "server"),
    [
        ("raspberry-pi-4", {60: b"PXEClient", 43: WORDS}, UNSPECIFIED, PROXY),
        ("raspberry-pi-4", {60: b"PXEClient", 43: WORDS}, FILES, FILES),
        ("raspberry-pi-3", {60: b"PXEClient", 43: WORDS}, FILES, PROXY),
        ("raspberry-pi-3", {43: LISTED}, UNSPECIFIED, FILES),
        ("raspberry-pi-3", {43: b"Raspberry Pi Boot   ", 66: b"10.5.0.20"}, UNSPECIFIED, FILES),
    ],
)
def test_the_server_it_asks(
    name: str, options: dict[int, bytes], siaddr: IPv4Address, server: IPv4Address
) -> None:
    end = boot(name, options=options, siaddr=siaddr)
    assert isinstance(end, Boot)
    assert (end.server, end.by) == (server, PROXY)
    assert end.file == ("bootcode.bin" if name == "raspberry-pi-3" else "start4.elf")


def test_a_menu_for_other_machines_is_of_no_use() -> None:
    other = encode_vendor_options(PxeVendorOptions(menu=(MenuItem(type=1, text="Install"),)))
    end = boot("raspberry-pi-4", options={60: b"PXEClient", 43: other})
    assert isinstance(end, GiveUp)
    assert str(PROXY) in end.why
