"""A UEFI machine that goes through its boot entries, and UEFI HTTP boot as it is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.firmware.boot_order import BootOrder
from coexist.boot.firmware.edk2_http import Edk2Http
from coexist.boot.firmware.machine import Boot, Firmware, GiveUp, Heard, Machine, Step
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

SERVER, CLIENT = IPv4Address("10.8.0.5"), IPv4Address("10.8.0.90")
DNS = (IPv4Address("10.8.0.53"), IPv4Address("10.8.0.54"))
MACHINE = Machine(mac=0x3C5282AABBCC, architecture=7)
ORDER = BootOrder(first_window=(4.0, 4.0), ipv6_seconds=(63.0, 63.0), late=0.0)


def silence(step: Step, firmware: Firmware) -> list[tuple[float, int, int]]:
    """Every DISCOVER while nobody answers: when, option 93, secs."""
    found: list[tuple[float, int, int]] = []
    now = 0.0
    while step.end is None:
        for sent in step.sends:
            code = int.from_bytes(sent.packet.options[Option.CLIENT_SYSTEM_ARCHITECTURE], "big")
            found.append((now, code, sent.packet.secs))
        assert step.timer is not None
        now = step.timer[0]
        step = firmware.expire(step.state, step.timer)
    return found


def test_entry_follows_entry_until_none_is_left() -> None:
    found = silence(ORDER.begin(MACHINE, 4.0), ORDER)
    assert [(code, secs) for _, code, secs in found] == [
        (code, secs) for code in (7, 16) for secs in (0, 4, 12, 28)
    ]
    assert [at for at, _, _ in found] == [0, 4, 12, 28, 60 + 63, 127, 135, 151]


def test_the_order_and_its_entries_are_declared() -> None:
    only = replace(ORDER, entries=("http-ipv4",))
    assert [code for _, code, _ in silence(only.begin(MACHINE, 4.0), only)] == [16] * 4
    arm = replace(MACHINE, architecture=11)
    assert [code for _, code, _ in silence(only.begin(arm, 4.0), only)] == [19] * 4


def http_boot(url: bytes, firmware: Firmware, more: dict[int, bytes] | None = None) -> Any:
    """How HTTP boot ends when one DHCP server names a URL."""
    step = firmware.begin(replace(MACHINE, architecture=16), 4.0)
    for kind in (MessageType.OFFER, MessageType.ACK):
        options = {53: bytes((kind,)), 54: SERVER.packed, 60: b"HTTPClient", 67: url, **(more or {})}
        packet = Packet(
            op=BOOTREPLY,
            xid=step.sends[0].packet.xid,
            yiaddr=CLIENT,
            siaddr=UNSPECIFIED,
            chaddr=mac_bytes(MACHINE.mac),
            options=options,
        )
        (step,) = firmware.receive(step.state, Heard(packet, SERVER, 67), (0.1, 0.1))
        if kind is MessageType.OFFER:
            step = firmware.expire(step.state, (4.0, 4.0))
    return step.end


def test_a_scheme_is_asked_for_in_lower_case() -> None:
    end = http_boot(b"HTTP://10.8.0.5:8080/Boot.efi", Edk2Http())
    assert isinstance(end, Boot)
    assert (end.server, end.file, end.asks_dns) == (SERVER, "http://10.8.0.5:8080/Boot.efi", ())


def test_a_host_name_is_looked_up_at_the_name_servers_of_the_lease() -> None:
    end = http_boot(b"http://boot.example/x.efi", Edk2Http(), {6: b"".join(d.packed for d in DNS)})
    assert isinstance(end, Boot)
    assert (end.server, end.asks_dns) == ("boot.example", DNS)


@pytest.mark.parametrize(("trusts", "ends"), [(False, GiveUp), (True, Boot)])
def test_https_needs_an_enrolled_authority(trusts: bool, ends: type) -> None:
    assert isinstance(http_boot(b"https://10.8.0.5/x.efi", Edk2Http(trusts_https=trusts)), ends)
