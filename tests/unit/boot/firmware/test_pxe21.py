"""A PXE 2.1 ROM: menus, prompts and boot servers (sections 2.2 to 2.4), and its two readings."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.firmware.machine import Boot, GiveUp, Heard, Machine, Step
from coexist.boot.firmware.pxe21 import BOOT_IN_OFFER_FIRST, PROXY_FIRST, Pxe21
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import (
    BootServer,
    DiscoveryControl,
    MenuItem,
    MenuPrompt,
    PxeVendorOptions,
    encode_vendor_options,
)

DHCP, PROXY, BOOT = IPv4Address("10.3.0.2"), IPv4Address("10.3.0.9"), IPv4Address("10.3.0.20")
OTHER, GROUP, CLIENT = IPv4Address("10.3.0.21"), IPv4Address("224.1.1.7"), IPv4Address("10.3.0.77")
EVERYONE = IPv4Address("255.255.255.255")
MACHINE = Machine(mac=0x00A0C9112233, architecture=0)
ROM = Pxe21(late=0.0)
ITEM = 0x8005
MENU = PxeVendorOptions(
    discovery_control=DiscoveryControl(3),
    boot_servers=(BootServer(type=ITEM, addresses=(BOOT,)),),
    menu=(MenuItem(type=ITEM, text="Images"), MenuItem(type=0, text="Disk")),
    prompt=MenuPrompt(timeout=0, text="Network"),
)


def heard(
    source: IPv4Address, xid: int, kind: MessageType, *, port: int = 67, lease: bool = False, **more: Any
) -> Heard:
    options = {53: bytes((kind,)), 54: source.packed, **more.get("options", {})}
    vendor = more.get("vendor")
    if vendor is not None:
        options |= {60: b"PXEClient", 43: encode_vendor_options(vendor)}
    packet = Packet(
        op=BOOTREPLY,
        xid=xid,
        yiaddr=CLIENT if lease else UNSPECIFIED,
        siaddr=more.get("siaddr", UNSPECIFIED),
        chaddr=mac_bytes(MACHINE.mac),
        file=more.get("file", b""),
        options=options,
    )
    return Heard(packet, source, port)


def hear(rom: Pxe21, step: Step, packet: Heard, at: float) -> Step:
    steps = rom.receive(step.state, packet, (at, at))
    return steps[0] if steps else step


def follow_offer(vendor: PxeVendorOptions, reading: float, rom: Pxe21 = ROM, **more: Any) -> Step:
    """What the ROM does once its lease is acknowledged beside a proxy with this option 43."""
    step = rom.begin(MACHINE, reading)
    xid = step.sends[0].packet.xid
    step = hear(rom, step, heard(DHCP, xid, MessageType.OFFER, lease=True), 0.1)
    step = hear(rom, step, heard(PROXY, xid, MessageType.OFFER, vendor=vendor, **more), 0.2)
    step = rom.expire(step.state, (4.0, 4.0))
    return hear(rom, step, heard(DHCP, xid, MessageType.ACK, lease=True), 4.1)


def targets(step: Step, rom: Pxe21 = ROM) -> list[tuple[IPv4Address, int]]:
    """Everybody it asks for its boot server while nobody answers, each once; then how it ends."""
    found: dict[tuple[IPv4Address, int], None] = {}
    while step.end is None:
        found.update(dict.fromkeys((s.address, s.port) for s in step.sends))
        assert step.timer is not None
        step = rom.expire(step.state, step.timer)
    assert isinstance(step.end, GiveUp)
    assert step.end.error.startswith("PXE-E78")
    return list(found)


@pytest.mark.parametrize("reading", [BOOT_IN_OFFER_FIRST, PROXY_FIRST])
def test_the_first_item_is_asked_of_its_listed_server(reading: float) -> None:
    step = follow_offer(MENU, reading)
    (sent,) = step.sends
    assert (sent.address, sent.port, sent.source) == (BOOT, 4011, CLIENT)
    assert sent.packet.message_type is MessageType.REQUEST
    assert sent.packet.options[Option.VENDOR_SPECIFIC_INFORMATION] == bytes.fromhex("4704 8005 0000 ff")


def test_the_server_that_acknowledges_the_item_names_the_file() -> None:
    step = follow_offer(MENU, PROXY_FIRST)
    xid = step.sends[0].packet.xid
    item = PxeVendorOptions(boot_item=(ITEM, 0))
    without = heard(
        BOOT, xid, MessageType.ACK, port=4011, file=b"x.0", siaddr=OTHER, vendor=PxeVendorOptions()
    )
    step = hear(ROM, step, without, 4.2)
    assert step.end is None
    reply = heard(BOOT, xid, MessageType.ACK, port=4011, file=b"image.0", siaddr=OTHER, vendor=item)
    step = hear(ROM, step, reply, 4.3)
    assert isinstance(step.end, Boot)
    assert (step.end.file, step.end.server, step.end.by) == ("image.0", OTHER, BOOT)


def test_a_prompt_waits_its_seconds_and_255_for_a_person() -> None:
    step = follow_offer(replace(MENU, prompt=MenuPrompt(timeout=7, text="?")), PROXY_FIRST)
    assert step.timer == pytest.approx((11.1, 11.1))
    assert ROM.expire(step.state, (11.1, 11.1)).sends[0].address == BOOT
    waits = follow_offer(replace(MENU, prompt=MenuPrompt(timeout=255, text="?")), PROXY_FIRST)
    assert isinstance(waits.end, GiveUp)


def test_a_menu_without_a_prompt_is_read_in_two_ways() -> None:
    bare = replace(MENU, prompt=None)
    assert isinstance(follow_offer(bare, BOOT_IN_OFFER_FIRST).end, GiveUp)
    assert follow_offer(bare, PROXY_FIRST).sends[0].address == BOOT


def test_ways_of_discovery_one_after_the_other_or_the_first_alone() -> None:
    ways = replace(MENU, discovery_control=DiscoveryControl(0), mcast=GROUP)
    everyone = [(GROUP, 4011), (EVERYONE, 67), (BOOT, 4011)]
    assert targets(follow_offer(ways, BOOT_IN_OFFER_FIRST)) == everyone
    assert targets(follow_offer(ways, PROXY_FIRST)) == everyone[:1]
    quiet = replace(ways, discovery_control=DiscoveryControl.DISABLE_MULTICAST)
    assert targets(follow_offer(quiet, BOOT_IN_OFFER_FIRST)) == everyone[1:]
    assert targets(follow_offer(quiet, PROXY_FIRST)) == everyone[1:2]


def test_every_server_of_a_list_is_asked() -> None:
    both = replace(MENU, boot_servers=(BootServer(type=ITEM, addresses=(BOOT, OTHER)),))
    assert targets(follow_offer(both, PROXY_FIRST)) == [(BOOT, 4011), (OTHER, 4011)]


def test_only_listed_servers_count_where_43_6_says_so() -> None:
    only = replace(MENU, discovery_control=DiscoveryControl.ACCEPT_ONLY_LISTED, mcast=GROUP)
    step = follow_offer(only, PROXY_FIRST)
    xid = step.sends[0].packet.xid
    item = PxeVendorOptions(boot_item=(ITEM, 0))
    step = hear(ROM, step, heard(OTHER, xid, MessageType.ACK, port=4011, file=b"o.0", vendor=item), 4.2)
    assert step.end is None
    step = hear(ROM, step, heard(BOOT, xid, MessageType.ACK, port=4011, file=b"b.0", vendor=item), 4.3)
    assert isinstance(step.end, Boot)
    # An entry without addresses lets any server of the type answer.
    anyone = replace(only, boot_servers=(BootServer(type=ITEM),))
    step = follow_offer(anyone, PROXY_FIRST)
    step = hear(ROM, step, heard(OTHER, xid, MessageType.ACK, port=4011, file=b"o.0", vendor=item), 4.2)
    assert isinstance(step.end, Boot)


@pytest.mark.parametrize(
    ("vendor", "reading", "error"),
    [
        (replace(MENU, boot_servers=(), discovery_control=DiscoveryControl(4)), PROXY_FIRST, "PXE-E77"),
        (replace(MENU, boot_servers=()), BOOT_IN_OFFER_FIRST, "PXE-E77"),
        (replace(MENU, discovery_control=DiscoveryControl(0)), PROXY_FIRST, "PXE-E76"),
        (replace(MENU, menu=(MenuItem(type=0, text="Disk"),)), PROXY_FIRST, "PXE-M0F"),
        (replace(MENU, menu=()), PROXY_FIRST, "PXE-M0F"),
    ],
)
def test_what_leads_nowhere_is_called_by_its_message(
    vendor: PxeVendorOptions, reading: float, error: str
) -> None:
    step = follow_offer(vendor, reading)
    assert isinstance(step.end, GiveUp)
    assert step.end.error.startswith(error)


def test_bit_3_with_a_file_needs_no_menu() -> None:
    use = replace(MENU, discovery_control=DiscoveryControl(11))
    step = follow_offer(use, PROXY_FIRST, file=b"a.0", siaddr=OTHER)
    assert isinstance(step.end, Boot)
    assert (step.end.file, step.end.server) == ("a.0", OTHER)
    assert follow_offer(use, PROXY_FIRST).sends[0].address == BOOT


def test_a_multicast_address_means_the_file_of_the_same_packet_in_one_reading() -> None:
    alone = PxeVendorOptions(other={1: bytes(4)})
    step = follow_offer(alone, BOOT_IN_OFFER_FIRST, file=b"a.0", siaddr=OTHER)
    assert isinstance(step.end, Boot)
    step = follow_offer(alone, PROXY_FIRST, file=b"a.0", siaddr=OTHER)
    assert (step.sends[0].address, step.sends[0].port) == (PROXY, 4011)


def test_a_rom_without_menus_loads_the_file_of_the_offer() -> None:
    plain = replace(ROM, menus=False)
    step = follow_offer(MENU, BOOT_IN_OFFER_FIRST, plain, file=b"a.0")
    assert isinstance(step.end, Boot)


def test_a_menu_from_port_4011_is_followed() -> None:
    step = ROM.begin(MACHINE, PROXY_FIRST)
    xid = step.sends[0].packet.xid
    step = hear(ROM, step, heard(DHCP, xid, MessageType.OFFER, lease=True), 0.1)
    bare = heard(PROXY, xid, MessageType.OFFER, options={60: b"PXEClient"})
    step = hear(ROM, step, bare, 0.2)
    step = ROM.expire(step.state, (4.0, 4.0))
    step = hear(ROM, step, heard(DHCP, xid, MessageType.ACK, lease=True), 4.1)
    assert (step.sends[0].address, step.sends[0].port) == (PROXY, 4011)
    step = hear(ROM, step, heard(PROXY, xid, MessageType.ACK, port=4011, vendor=MENU), 4.2)
    assert step.sends[0].address == BOOT


def test_proxies_without_option_43_may_be_of_no_use() -> None:
    strict = replace(ROM, needs_43=True)
    step = strict.begin(MACHINE, PROXY_FIRST)
    xid = step.sends[0].packet.xid
    bare = heard(PROXY, xid, MessageType.OFFER, options={60: b"PXEClient"})
    assert hear(strict, step, bare, 0.2).state.proxies == ()
    assert hear(ROM, step, bare, 0.2).state.proxies == (bare,)


def test_the_last_of_two_proxies_may_count() -> None:
    last = replace(ROM, takes="last")
    for rom, server in ((ROM, PROXY), (last, OTHER)):
        step = rom.begin(MACHINE, PROXY_FIRST)
        xid = step.sends[0].packet.xid
        step = hear(rom, step, heard(DHCP, xid, MessageType.OFFER, lease=True), 0.1)
        for proxy in (PROXY, OTHER):
            step = hear(rom, step, heard(proxy, xid, MessageType.OFFER, vendor=MENU), 0.2)
        assert rom.expire(step.state, (4.0, 4.0)).state.proxy.source == server


def test_one_reading_can_be_declared() -> None:
    assert replace(ROM, reading="lease-first").phases == (BOOT_IN_OFFER_FIRST,)
    assert replace(ROM, reading="proxy-first").phases == (PROXY_FIRST,)
    assert len(ROM.phases) == 2


def test_a_server_behind_a_relay_agent_is_asked_by_its_identifier() -> None:
    relay = IPv4Address("10.3.0.1")
    step = ROM.begin(MACHINE, PROXY_FIRST)
    xid = step.sends[0].packet.xid
    step = hear(ROM, step, heard(DHCP, xid, MessageType.OFFER, lease=True), 0.1)
    offer = heard(PROXY, xid, MessageType.OFFER, options={60: b"PXEClient"})
    step = hear(ROM, step, Heard(offer.packet, relay, offer.source_port), 0.2)
    step = ROM.expire(step.state, (4.0, 4.0))
    step = hear(ROM, step, heard(DHCP, xid, MessageType.ACK, lease=True), 4.1)
    assert (step.sends[0].address, step.sends[0].port) == (PROXY, 4011)
