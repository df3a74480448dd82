"""EDK2: what it caches, how it ranks, and what it does with option 67 without a NUL."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.firmware.edk2 import NO_FILE, NO_OFFER, TIMEOUT, Edk2
from coexist.boot.firmware.edk2_offers import State
from coexist.boot.firmware.edk2_packet import Kind, is_acceptable, parse
from coexist.boot.firmware.edk2_request import XID, XID_4011
from coexist.boot.firmware.machine import Boot, GiveUp, Heard, Machine, Step
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

MACHINE = Machine(mac=0x525400123456, architecture=7, uuid=bytes(range(16)))
DHCP, PROXY, OTHER = IPv4Address("10.0.0.2"), IPv4Address("10.0.0.3"), IPv4Address("10.0.0.4")
CLIENT = IPv4Address("10.0.0.100")
USE_FILE = bytes.fromhex("060108ff")


def offer(
    server: IPv4Address,
    *,
    lease: bool = False,
    pxe: bool = False,
    vendor: bytes | None = None,
    file: bytes = b"",
    option_67: bytes | None = None,
    siaddr: IPv4Address | None = None,
    kind: MessageType = MessageType.OFFER,
    xid: int = XID,
    source_port: int = 67,
) -> Heard:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.SERVER_IDENTIFIER: server.packed,
    }
    if pxe:
        options[Option.VENDOR_CLASS_IDENTIFIER] = b"PXEClient"
    if option_67 is not None:
        options[Option.BOOTFILE_NAME] = option_67
    if vendor is not None:
        options[Option.VENDOR_SPECIFIC_INFORMATION] = vendor
    packet = Packet(
        op=BOOTREPLY,
        xid=xid,
        chaddr=mac_bytes(MACHINE.mac),
        yiaddr=CLIENT if lease else UNSPECIFIED,
        siaddr=server if siaddr is None else siaddr,
        file=file,
        options=options,
    )
    return Heard(packet, server, source_port)


def collect(*offers: Heard) -> Step:
    """What the client does at the end of the first window."""
    firmware = Edk2()
    step = firmware.begin(MACHINE, 3.5)
    state = step.state
    for number, heard in enumerate(offers):
        for after in firmware.receive(state, heard, (0.1 * number, 0.1 * number)):
            state = after.state
    return firmware.expire(state, (3.5, 3.5))


def acknowledged(step: Step, server: IPv4Address, **fields: object) -> Step:
    """The step after the ACK of the server that was asked."""
    assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == server.packed
    ack = offer(server, lease=True, kind=MessageType.ACK, **fields)  # type: ignore[arg-type]
    (after,) = Edk2().receive(step.state, ack, (3.5, 3.5))
    return after


class TestClassification:
    def test_option_43_makes_a_proxy_pxe10(self) -> None:
        assert parse(offer(PROXY, pxe=True, vendor=USE_FILE)).kind is Kind.PROXY_PXE10

    def test_a_proxy_without_option_43_is_asked_on_4011(self) -> None:
        assert parse(offer(PROXY, pxe=True, file=b"a.efi")).kind is Kind.PROXY_BINL

    def test_option_43_without_60_is_not_read(self) -> None:
        assert parse(offer(DHCP, lease=True, vendor=USE_FILE)).kind is Kind.DHCP_ONLY

    def test_only_mtftp_sub_options_are_discarded(self) -> None:
        vendor = bytes((1, 4, 224, 1, 1, 1, 2, 2, 0, 1, 3, 2, 0, 2, 4, 1, 1, 5, 1, 1, 255))
        assert parse(offer(PROXY, pxe=True, vendor=vendor)).kind is Kind.DISCARDED

    def test_option_67_before_the_header(self) -> None:
        cached = parse(offer(PROXY, pxe=True, file=b"header.efi", option_67=b"option.efi\0"))
        assert (cached.file, cached.file_from, cached.damaged) == ("option.efi", "option 67", False)

    def test_an_unterminated_67_damages_what_follows(self) -> None:
        cached = parse(offer(DHCP, lease=True, option_67=b"a.efi"))
        assert cached.damaged
        assert not cached.valid_when_damaged

    def test_no_end_no_packet(self) -> None:
        packet = Packet(op=BOOTREPLY, options={53: b"\2"}, options_terminated=False)
        assert not is_acceptable(Heard(packet, DHCP, 67))

    def test_an_address_option_of_the_wrong_length_hides_the_packet(self) -> None:
        packet = offer(DHCP, lease=True).packet.with_options({Option.ROUTER: b"\1\2\3"})
        assert not is_acceptable(Heard(packet, DHCP, 67))


class TestSelection:
    def test_a_proxy_beats_the_scope_file(self) -> None:
        step = collect(
            offer(DHCP, lease=True, file=b"d.efi"), offer(PROXY, pxe=True, vendor=USE_FILE, file=b"a.efi")
        )
        end = acknowledged(step, DHCP, file=b"d.efi").end
        assert isinstance(end, Boot)
        assert (end.server, end.file) == (PROXY, "a.efi")

    def test_pxe10_beats_an_earlier_binl(self) -> None:
        step = collect(
            offer(DHCP, lease=True),
            offer(OTHER, pxe=True, file=b"b.efi"),
            offer(PROXY, pxe=True, vendor=USE_FILE, file=b"a.efi"),
        )
        end = acknowledged(step, DHCP).end
        assert isinstance(end, Boot)
        assert end.server == PROXY

    def test_option_60_on_the_dhcp_server_shuts_out_binl_proxies(self) -> None:
        step = collect(offer(DHCP, lease=True, pxe=True), offer(PROXY, pxe=True, file=b"a.efi"))
        after = acknowledged(step, DHCP, pxe=True)
        assert after.sends[0].address == DHCP
        assert after.sends[0].port == 4011

    def test_the_address_is_the_first_dhcp_servers(self) -> None:
        step = collect(
            offer(OTHER, lease=True), offer(DHCP, lease=True, file=b"d.efi"), offer(PROXY, pxe=True)
        )
        assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == OTHER.packed

    def test_the_first_offer_with_a_file_if_no_proxy_came(self) -> None:
        step = collect(offer(OTHER, lease=True), offer(DHCP, lease=True, file=b"d.efi"))
        assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == DHCP.packed

    def test_nothing_to_boot_means_discover_again(self) -> None:
        step = collect(offer(DHCP, lease=True))
        assert step.sends[0].packet.message_type is MessageType.DISCOVER
        assert step.sends[0].packet.secs == 4

    def test_siaddr_zero_falls_back_to_option_54(self) -> None:
        step = collect(offer(DHCP, lease=True, file=b"d.efi", siaddr=UNSPECIFIED))
        end = acknowledged(step, DHCP, file=b"d.efi", siaddr=UNSPECIFIED).end
        assert isinstance(end, Boot)
        assert end.server == DHCP

    def test_the_seventeenth_offer_is_not_seen(self) -> None:
        chatter = [offer(IPv4Address(f"10.0.1.{n}"), lease=True) for n in range(16)]
        step = collect(*chatter, offer(PROXY, pxe=True, vendor=USE_FILE, file=b"a.efi"))
        assert step.sends[0].packet.message_type is MessageType.DISCOVER

    def test_sixteen_offers_are_seen(self) -> None:
        chatter = [offer(IPv4Address(f"10.0.1.{n}"), lease=True) for n in range(15)]
        step = collect(*chatter, offer(PROXY, pxe=True, vendor=USE_FILE, file=b"a.efi"))
        assert step.sends[0].packet.message_type is MessageType.REQUEST


class TestOption67WithoutNul:
    def test_the_last_received_offer_is_requested(self) -> None:
        step = collect(offer(DHCP, lease=True, option_67=b"d.efi"), offer(PROXY, pxe=True, file=b"a.efi"))
        assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == PROXY.packed
        assert Option.REQUESTED_IP_ADDRESS not in step.sends[0].packet.options

    def test_harmless_if_that_offer_came_last(self) -> None:
        step = collect(offer(PROXY, pxe=True, file=b"a.efi"), offer(DHCP, lease=True, option_67=b"d.efi"))
        assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == DHCP.packed

    def test_harmless_with_its_nul(self) -> None:
        step = collect(offer(DHCP, lease=True, option_67=b"d.efi\0"), offer(PROXY, pxe=True, file=b"a.efi"))
        assert step.sends[0].packet.options[Option.SERVER_IDENTIFIER] == DHCP.packed


class TestEnds:
    def test_silence_is_e18(self) -> None:
        assert _run_dry().end == GiveUp(error=TIMEOUT, why="no offer was heard at all")

    def test_useless_offers_are_e16(self) -> None:
        step = _run_dry(offer(DHCP, lease=True))
        assert isinstance(step.end, GiveUp)
        assert step.end.error == NO_OFFER

    def test_local_boot_without_menu_and_file(self) -> None:
        step = collect(offer(DHCP, lease=True), offer(PROXY, pxe=True, vendor=bytes.fromhex("060108ff")))
        end = acknowledged(step, DHCP).end
        assert isinstance(end, GiveUp)
        assert end.error.startswith("PXE-E21")

    def test_a_dead_4011_costs_ten_seconds(self) -> None:
        firmware = Edk2()
        step = acknowledged(collect(offer(DHCP, lease=True), offer(PROXY, pxe=True, file=b"a.efi")), DHCP)
        times = []
        while step.end is None:
            assert step.timer is not None
            times.append(step.timer[0])
            step = firmware.expire(step.state, step.timer)
        assert times == [4.5, 6.5, 9.5, 13.5]


def menu(control: int, *servers: IPv4Address) -> bytes:
    """Option 43 with one item of type 1, and its servers if there are any."""
    value = bytes((6, 1, control, 9, 6, 0, 1, 3)) + b"net" + bytes((10, 1, 0))
    if servers:
        addresses = b"".join(server.packed for server in servers)
        value += bytes((8, 3 + len(addresses), 0, 1, len(servers))) + addresses
    return value + b"\xff"


def discover(vendor: bytes, replies: dict[IPv4Address, Heard]) -> tuple[list[IPv4Address], Step]:
    """Whom the client asks for its menu's item, each once, and how that ends."""
    firmware = Edk2()
    step = acknowledged(collect(offer(DHCP, lease=True), offer(PROXY, pxe=True, vendor=vendor)), DHCP)
    asked: list[IPv4Address] = []
    while step.end is None:
        for send in step.sends:
            if send.address not in asked:
                asked.append(send.address)
        assert step.timer is not None
        state, timer = step.state, step.timer
        reply = replies.get(asked[-1])
        if reply is not None:
            for heard in firmware.receive(state, reply, timer):
                state = heard.state
        step = firmware.expire(state, timer)
    return asked, step


def boot_server(address: IPv4Address, *, siaddr: IPv4Address | None = None) -> Heard:
    return offer(
        address,
        pxe=True,
        file=b"a.efi",
        siaddr=siaddr,
        kind=MessageType.ACK,
        xid=XID_4011,
        source_port=4011,
    )


class TestOption67WithoutANulBeforeOption43:
    """As booted: the NUL takes the place of option 43's code before the proxy's offer is read again."""

    def test_the_menu_is_lost_and_the_file_is_taken(self) -> None:
        proxy = offer(PROXY, pxe=True, option_67=b"a.efi", vendor=menu(3, OTHER))
        step = acknowledged(collect(offer(DHCP, lease=True), proxy), DHCP)
        assert isinstance(step.end, Boot)
        assert (step.end.server, step.end.file) == (PROXY, "a.efi")

    def test_with_its_nul_the_menu_is_followed(self) -> None:
        proxy = offer(PROXY, pxe=True, option_67=b"a.efi\0", vendor=menu(3, OTHER))
        step = acknowledged(collect(offer(DHCP, lease=True), proxy), DHCP)
        assert (step.end, step.sends[0].address) == (None, OTHER)


class TestBootServersOfAMenu:
    """As booted: every server of a list is asked, and the last one counts."""

    def test_all_of_a_list_are_asked_and_the_file_of_the_last(self) -> None:
        replies = {server: boot_server(server, siaddr=DHCP) for server in (PROXY, OTHER)}
        asked, step = discover(menu(3, PROXY, OTHER), replies)
        assert asked == [PROXY, OTHER]
        assert isinstance(step.end, Boot)
        assert (step.end.server, step.end.file) == (OTHER, "a.efi")

    def test_a_dead_one_at_the_end_loses_the_boot(self) -> None:
        asked, step = discover(menu(3, PROXY, OTHER), {PROXY: boot_server(PROXY)})
        assert asked == [PROXY, OTHER]
        assert step.end == GiveUp(error=TIMEOUT, why="no boot server answered the discovery")

    def test_a_dead_one_before_it_does_not(self) -> None:
        asked, step = discover(menu(3, PROXY, OTHER), {OTHER: boot_server(OTHER)})
        assert asked == [PROXY, OTHER]
        assert isinstance(step.end, Boot)

    def test_a_reply_of_none_of_the_list_ends_the_search(self) -> None:
        _, step = discover(menu(7, PROXY), {PROXY: boot_server(PROXY, siaddr=DHCP)})
        assert isinstance(step.end, GiveUp)
        assert step.end.error == NO_FILE

    def test_a_list_that_must_be_used_must_exist(self) -> None:
        asked, step = discover(menu(6), {})
        assert asked == []
        assert isinstance(step.end, GiveUp)


def _run_dry(*offers: Heard) -> Step:
    firmware = Edk2()
    step = firmware.begin(MACHINE, 3.5)
    for heard in offers:
        (step,) = firmware.receive(step.state, heard, (0.1, 0.1)) or (step,)
    for end in (3.5, 11.5, 27.5, 59.5):
        step = firmware.expire(step.state, (end, end))
    return step


@given(
    packets=st.lists(
        st.builds(
            Heard,
            st.builds(
                Packet,
                op=st.sampled_from((1, 2)),
                xid=st.sampled_from((XID, 0)),
                yiaddr=st.sampled_from((UNSPECIFIED, CLIENT)),
                siaddr=st.sampled_from((UNSPECIFIED, DHCP)),
                file=st.sampled_from((b"", b"x.efi", b"\xff")),
                options=st.dictionaries(
                    st.sampled_from((1, 3, 43, 52, 53, 54, 60, 66, 67, 175, 200)),
                    st.one_of(
                        st.binary(max_size=12), st.sampled_from((b"\2", b"\5", b"PXEClient", DHCP.packed))
                    ),
                ),
                options_terminated=st.booleans(),
            ),
            st.sampled_from((DHCP, PROXY)),
            st.sampled_from((67, 4011, 1024)),
        ),
        max_size=6,
    )
)
def test_no_offer_breaks_it(packets: list[Heard]) -> None:
    firmware = Edk2()
    step = firmware.begin(MACHINE, 3.5)
    for _ in range(12):
        for heard in packets:
            steps = firmware.receive(step.state, heard, (1.0, 1.0))
            if steps and steps[0].end is None:
                step = Step(state=steps[0].state, timer=step.timer)
        step = firmware.expire(step.state, step.timer or (1.0, 1.0))
        if step.end is not None:
            return
        assert isinstance(step.state, State)
