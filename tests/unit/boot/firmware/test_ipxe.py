"""iPXE: secs that are no time, when it leaves discovery, and whose file it takes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.firmware.ipxe import NOTHING, Ipxe, State
from coexist.boot.firmware.ipxe_packet import XID, XID_MENU
from coexist.boot.firmware.machine import Boot, GiveUp, Heard, Machine, Step
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

MACHINE = Machine(mac=0x525400123456, architecture=0)
DHCP, SECOND, PROXY, OTHER = (IPv4Address(f"10.0.0.{n}") for n in (2, 3, 4, 5))
CLIENT = IPv4Address("10.0.0.100")
EXACT = Ipxe(pace=(1.0, 1.0), late=0.0)


def reply(
    server: IPv4Address,
    *,
    lease: bool = False,
    pxe: bool = False,
    file: bytes = b"",
    siaddr: IPv4Address | None = None,
    kind: MessageType = MessageType.OFFER,
    more: dict[int, bytes] | None = None,
    source_port: int = 67,
) -> Heard:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.SERVER_IDENTIFIER: server.packed,
        **({Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient"} if pxe else {}),
        **(more or {}),
    }
    packet = Packet(
        op=BOOTREPLY,
        xid=XID,
        chaddr=mac_bytes(MACHINE.mac),
        yiaddr=CLIENT if lease else UNSPECIFIED,
        siaddr=server if siaddr is None else siaddr,
        file=file,
        options=options,
    )
    return Heard(packet, server, source_port)


def hear(step: Step, heard: Heard, at: float) -> Step:
    steps = EXACT.receive(step.state, heard, (at, at))
    assert len(steps) == 1
    return steps[0]


def begin() -> Step:
    return EXACT.begin(MACHINE, 0.0)


def boot_with(ack: Heard, *offers: Heard) -> Boot | GiveUp:
    step = begin()
    for number, heard in enumerate(offers):
        step = hear(step, heard, 0.01 * number)
    while step.state.stage.name == "DISCOVERING":
        step = EXACT.expire(step.state, (3.0, 3.0))
    step = hear(step, ack, 3.1)
    assert step.end is not None
    return step.end


class TestSecs:
    def test_the_first_discover_says_four(self) -> None:
        assert begin().sends[0].packet.secs == 4

    def test_then_they_tell_what_it_holds(self) -> None:
        nothing = EXACT.expire(begin().state, (1.0, 1.0))
        proxy = EXACT.expire(hear(begin(), reply(PROXY, pxe=True), 0.1).state, (1.0, 1.0))
        lease = EXACT.expire(hear(begin(), reply(DHCP, lease=True), 0.1).state, (1.0, 1.0))
        assert [s.sends[0].packet.secs for s in (nothing, proxy, lease)] == [8, 9, 10]

    def test_the_schedule_doubles_and_ends(self) -> None:
        step, times = begin(), []
        while step.end is None:
            assert step.timer is not None
            times.append(step.timer[0])
            step = EXACT.expire(step.state, step.timer)
        assert times == [1.0, 3.0, 7.0, 15.0]


class TestLeaving:
    def test_at_once_with_lease_and_proxy(self) -> None:
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.1), reply(PROXY, pxe=True), 0.2)
        assert step.sends[0].packet.message_type is MessageType.REQUEST

    def test_not_before_two_seconds_without_a_proxy(self) -> None:
        step = hear(begin(), reply(DHCP, lease=True), 1.5)
        assert not step.sends
        step = hear(step, reply(DHCP, lease=True), 2.1)
        assert step.sends[0].packet.message_type is MessageType.REQUEST

    def test_in_doubt_both(self) -> None:
        step = hear(begin(), reply(DHCP, lease=True), 0.5)
        steps = EXACT.receive(step.state, reply(SECOND, lease=True), (1.99, 2.01))
        assert [bool(s.sends) for s in steps] == [False, True]

    def test_no_pxedhcp_waits_for_nobody(self) -> None:
        step = hear(begin(), reply(DHCP, lease=True, more={175: bytes((176, 1, 1))}), 0.1)
        assert step.sends

    def test_a_dhcp_server_that_says_pxeclient_is_both(self) -> None:
        assert hear(begin(), reply(DHCP, lease=True, pxe=True), 0.1).sends

    def test_among_leases_the_last(self) -> None:
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.1), reply(SECOND, lease=True), 0.2)
        step = hear(step, reply(PROXY, pxe=True), 0.3)
        assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == SECOND.packed

    def test_priorities_come_before_order(self) -> None:
        step = hear(begin(), reply(DHCP, lease=True, more={175: bytes((1, 1, 5))}), 0.1)
        step = hear(step, reply(SECOND, lease=True), 0.2)
        assert step.state.lease.source == DHCP
        step = hear(begin(), reply(DHCP, lease=True, more={175: bytes((1, 1, 255))}), 0.1)
        assert step.state.lease is None

    def test_an_offer_from_another_port_is_no_lease(self) -> None:
        step = hear(begin(), reply(DHCP, lease=True, source_port=4011), 0.1)
        assert step.state.lease is None


class TestFile:
    def test_the_scopes_file_beats_the_proxys(self) -> None:
        ack = reply(DHCP, lease=True, file=b"d.0", kind=MessageType.ACK)
        end = boot_with(ack, reply(DHCP, lease=True, file=b"d.0"), reply(PROXY, pxe=True, file=b"a.0"))
        assert isinstance(end, Boot)
        assert (end.server, end.file) == (DHCP, "d.0")

    def test_unless_the_proxy_has_priority(self) -> None:
        ack = reply(DHCP, lease=True, file=b"d.0", kind=MessageType.ACK)
        proxy = reply(PROXY, pxe=True, file=b"a.0", more={175: bytes((1, 1, 1))})
        end = boot_with(ack, reply(DHCP, lease=True, file=b"d.0"), proxy)
        assert isinstance(end, Boot)
        assert end.server == PROXY

    def test_a_scopes_file_without_siaddr_boots_nothing(self) -> None:
        ack = reply(DHCP, lease=True, more={67: b"d.0"}, siaddr=UNSPECIFIED, kind=MessageType.ACK)
        end = boot_with(ack, reply(DHCP, lease=True), reply(PROXY, pxe=True, file=b"a.0"))
        assert isinstance(end, GiveUp)

    def test_a_uri_needs_no_siaddr(self) -> None:
        ack = reply(DHCP, lease=True, file=b"http://10.0.0.9/x", siaddr=UNSPECIFIED, kind=MessageType.ACK)
        end = boot_with(ack, reply(DHCP, lease=True))
        assert isinstance(end, Boot)
        assert end.server == IPv4Address("10.0.0.9")

    def test_a_proxy_without_file_is_asked_and_given_up(self) -> None:
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.0), reply(PROXY, pxe=True), 0.0)
        step = hear(step, reply(DHCP, lease=True, kind=MessageType.ACK), 0.0)
        assert (step.sends[0].address, step.sends[0].port) == (PROXY, 4011)
        times = []
        while step.end is None:
            assert step.timer is not None
            times.append(step.timer[0])
            step = EXACT.expire(step.state, step.timer)
        assert times == [0.25, 0.75, 1.75, 3.75]

    @pytest.mark.parametrize(("prompt", "waits"), [("0a0100", 0.0), ("0a0103", 3.0)])
    def test_a_menu_is_followed(self, prompt: str, waits: float) -> None:
        menu = bytes.fromhex("060103" + prompt + "08078000010a000004" + "0904800001" + "61" + "ff")
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.0), reply(PROXY, pxe=True, more={43: menu}), 0.0)
        step = hear(step, reply(DHCP, lease=True, kind=MessageType.ACK), 0.0)
        if waits:
            assert step.timer == (waits, waits)
            step = EXACT.expire(step.state, step.timer)
        assert step.sends[0].address == PROXY
        assert step.sends[0].packet.options[43] == bytes.fromhex("470480000000ff")

    @pytest.mark.parametrize("prompt", ["0a01ff", ""])
    def test_a_menu_without_end_waits_for_ever(self, prompt: str) -> None:
        """Without a prompt too, as booted."""
        menu = bytes.fromhex("060103" + prompt + "0904800001" + "61" + "ff")
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.0), reply(PROXY, pxe=True, more={43: menu}), 0.0)
        step = hear(step, reply(DHCP, lease=True, kind=MessageType.ACK), 0.0)
        assert isinstance(step.end, GiveUp)
        assert step.end.error == "waits at the PXE menu"

    def test_on_4011_it_is_of_the_vendor_class_the_lease_told(self) -> None:
        """As captured: PXEClient alone where the ACK said so, else its own text with the architecture."""
        step = hear(begin(), reply(DHCP, lease=True, pxe=True), 0.0)
        told = hear(step, reply(DHCP, lease=True, pxe=True, kind=MessageType.ACK), 0.0)
        assert told.sends[0].packet.options[60] == b"PXEClient"
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.0), reply(PROXY, pxe=True), 0.0)
        own = hear(step, reply(DHCP, lease=True, kind=MessageType.ACK), 0.0)
        assert own.sends[0].packet.options[60] == b"PXEClient:Arch:00000:UNDI:002001"

    def test_boot_servers_are_heard_by_unicast_only(self) -> None:
        """As booted: two acknowledged broadcasts were passed over, then the list was asked and answered."""
        servers = "08" + "0e" + "8000010a000004" + "8000010a000005"
        menu = bytes.fromhex("060102" + "0a0100" + servers + "0904800001" + "61" + "ff")
        step = hear(hear(begin(), reply(DHCP, lease=True), 0.0), reply(PROXY, pxe=True, more={43: menu}), 0.0)
        step = hear(step, reply(DHCP, lease=True, kind=MessageType.ACK), 0.0)
        item = {43: bytes.fromhex("470480000000ff")}
        ack = reply(OTHER, pxe=True, file=b"a.0", kind=MessageType.ACK, more=item)
        ack = replace(ack, packet=replace(ack.packet, xid=XID_MENU))
        asked = [step.sends[0].address]
        assert hear(step, replace(ack, broadcast=True), 0.0).state == step.state
        times = []
        while OTHER not in asked:
            assert step.timer is not None
            times.append(step.timer[0])
            step = EXACT.expire(step.state, step.timer)
            asked += [send.address for send in step.sends]
        # Both entries of the item's type count, each asked twice in three seconds.
        assert asked == [LIMITED_BROADCAST, LIMITED_BROADCAST, PROXY, PROXY, OTHER]
        assert times == [1.0, 3.0, 4.0, 6.0]
        end = hear(step, replace(ack, source_port=4011), 0.0).end
        assert isinstance(end, Boot)
        assert (end.server, end.file) == (OTHER, "a.0")

    def test_for_uefi_it_has_no_menus(self) -> None:
        """As booted: "Booting from PXE menu", and no packet more."""
        menu = bytes.fromhex("060103" + "0a0100" + "08078000010a000004" + "0904800001" + "61" + "ff")
        step = EXACT.begin(Machine(mac=MACHINE.mac, architecture=7), 0.0)
        step = hear(hear(step, reply(DHCP, lease=True), 0.0), reply(PROXY, pxe=True, more={43: menu}), 0.0)
        step = hear(step, reply(DHCP, lease=True, kind=MessageType.ACK), 0.0)
        assert isinstance(step.end, GiveUp)
        assert step.end.error == NOTHING


@given(
    st.lists(
        st.tuples(
            st.sampled_from((DHCP, PROXY, OTHER)),
            st.booleans(),
            st.booleans(),
            st.sampled_from((b"", b"x.0")),
            st.dictionaries(st.sampled_from((43, 67, 175, 54, 53)), st.binary(max_size=9), max_size=3),
            st.sampled_from((67, 4011)),
        ),
        max_size=8,
    )
)
def test_no_offer_breaks_it(
    offers: list[tuple[IPv4Address, bool, bool, bytes, dict[int, bytes], int]],
) -> None:
    step = begin()
    for _ in range(12):
        for server, lease, pxe, file, more, port in offers:
            heard = reply(server, lease=lease, pxe=pxe, file=file, more=more, source_port=port)
            for after in EXACT.receive(step.state, heard, (1.0, 1.0)):
                if after.end is None:
                    step = Step(state=after.state, timer=step.timer)
        step = EXACT.expire(step.state, step.timer or (2.0, 2.0))
        if step.end is not None:
            return
        assert isinstance(step.state, State)
