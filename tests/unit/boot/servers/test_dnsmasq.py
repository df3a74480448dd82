"""dnsmasq: its configuration as it reads it, what it answers, and how it is deaf while it waits."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.firmware.machine import Machine
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.responder import Arrival, Reaction
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import parse_mac
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import decode_vendor_options

OWN = IPv4Address("10.77.0.11")
MAC = parse_mac("52:54:00:12:34:56")
BIOS = Ipxe().begin(Machine(mac=MAC, architecture=0), 0.0).sends[0].packet
UEFI = Edk2().begin(Machine(mac=MAC, architecture=7), 3.5).sends[0].packet
PROXY = "dhcp-range=10.77.0.0,proxy,255.255.255.0"
LEASES = "no-ping\ndhcp-range=10.77.0.100,10.77.0.150,255.255.255.0,1h\n"


def model_of(lines: str) -> DnsmasqModel:
    return DnsmasqModel(
        name="d", answers=DnsmasqAnswers(file=DnsmasqFile(ranges=Ranges(config=read_dnsmasq(lines))))
    )


def ask(
    lines: str, packet: Packet, *, port: int = 67, source: tuple[IPv4Address, int] = (UNSPECIFIED, 68)
) -> Reaction:
    model = model_of(lines)
    return model.receive(
        model.initial(), Arrival(packet=packet, at=0.0, port=port, address=OWN, source=source)
    )


def answer(lines: str, packet: Packet, **more: int) -> Packet:
    reaction = ask(lines, packet, **more)  # type: ignore[arg-type]
    assert reaction.unanswered is None, reaction.unanswered
    return reaction.replies[0].packet


def silence(lines: str, packet: Packet) -> str:
    reaction = ask(lines, packet)
    assert reaction.unanswered is not None
    return reaction.unanswered.why


class TestReading:
    def test_what_is_not_modelled_is_listed_with_its_line(self) -> None:
        config = read_dnsmasq("port=0\nread-ethers\n# a comment\nlog-dhcp\ndhcp-range=nonsense\n")
        assert [(u.line, u.text) for u in config.unmodelled] == [(2, "read-ethers")]
        assert [(u.line, u.text) for u in config.refused] == [(5, "dhcp-range=nonsense")]

    def test_quotes_commas_and_comments(self) -> None:
        (service,) = read_dnsmasq('pxe-service=x86PC,"a, b",pxelinux # the menu').services
        assert (service.menu, service.basename, service.type) == ("a, b", "pxelinux", 32768)

    def test_services_with_names_count_their_types(self) -> None:
        services = read_dnsmasq('pxe-service=0,"a",a\npxe-service=0,"b",7\npxe-service=7,"c",c.efi').services
        assert [s.type for s in services] == [32768, 7, 32769]

    @pytest.mark.parametrize(
        ("line", "code", "octets"),
        [
            ("dhcp-option=66,10.0.0.1", 66, b"10.0.0.1"),
            ("dhcp-option=150,10.0.0.1,10.0.0.2", 150, bytes((10, 0, 0, 1, 10, 0, 0, 2))),
            ("dhcp-option=option:router,10.0.0.1", 3, bytes((10, 0, 0, 1))),
            ("dhcp-option=43,06:01:08:ff", 43, bytes.fromhex("060108ff")),
            ("dhcp-option=vendor:PXEClient,6,2b", 6, b"\2"),
            ("dhcp-option=encap:175,176,1b", 176, b"\1"),
            ("dhcp-option=option:client-arch,7", 93, b"\0\7"),
            ("dhcp-option=200,1000", 200, b"\3\xe8"),
        ],
    )
    def test_values_as_the_daemon_guesses_them(self, line: str, code: int, octets: bytes) -> None:
        (option,) = read_dnsmasq(line).options
        assert (option.code, option.value) == (code, octets)

    def test_tags_in_all_their_spellings(self) -> None:
        config = read_dnsmasq("dhcp-boot=tag:efi,tag:!ipxe,x.efi\ndhcp-ignore=tag:!known\ndhcp-ignore=#known")
        assert config.boots[0].tags == ("efi", "!ipxe")
        assert config.ignores == (("!known",), ("!known",))


class TestProxy:
    def test_silent_without_a_service(self) -> None:
        assert "pxe-service" in silence(f"{PROXY}\ndhcp-boot=a.0", BIOS)

    def test_a_prompt_is_enough(self) -> None:
        assert answer(f'{PROXY}\ndhcp-boot=a.efi\npxe-prompt="x",0', UEFI).file == b"a.efi"

    def test_bios_gets_a_menu(self) -> None:
        packet = answer(f'{PROXY}\npxe-service=x86PC,"a",a', BIOS)
        # As captured from 2.90.
        assert packet.options[43] == bytes.fromhex("0601030a040050584508078000010a4d000b090480000161ff")
        assert packet.file == b""
        assert packet.siaddr == UNSPECIFIED
        assert packet.broadcast

    def test_a_prompt_of_its_own_instead_of_the_made_up_one(self) -> None:
        packet = answer(
            f'{PROXY}\ndhcp-option=vendor:PXEClient,10,00:50:58:45\npxe-service=x86PC,"a",a', BIOS
        )
        # As captured from 2.90.
        assert packet.options[43] == bytes.fromhex(
            "06010308078000010a4d000b0904800001610a0400505845ff"
        ).replace(bytes.fromhex("0a4d000b"), OWN.packed)

    def test_uefi_is_sent_to_4011(self) -> None:
        lines = f'{PROXY}\npxe-service=X86-64_EFI,"a",a.efi'
        offer = answer(lines, UEFI)
        assert (offer.siaddr, offer.file, 43 in offer.options) == (OWN, b"", False)
        request = UEFI.with_options({Option.DHCP_MESSAGE_TYPE: bytes((MessageType.REQUEST,))})
        ack = answer(lines, request, port=4011)
        assert (ack.siaddr, ack.file) == (OWN, b"a.efi")

    def test_an_architecture_without_service_gets_local_boot(self) -> None:
        request = UEFI.with_options({Option.DHCP_MESSAGE_TYPE: bytes((MessageType.REQUEST,))})
        ack = answer(f'{PROXY}\npxe-service=x86PC,"a",a', request, port=4011)
        decoded = decode_vendor_options(ack.options[43])
        assert ack.file == b""
        assert getattr(decoded, "discovery_control", None) == 8
        assert getattr(decoded, "menu", None) == ()

    def test_ignore_by_architecture(self) -> None:
        lines = f'{PROXY}\npxe-service=x86PC,"a",a\ndhcp-match=set:b,option:client-arch,0\ndhcp-ignore=tag:!b'
        assert "ignore" in silence(lines, UEFI)
        assert answer(lines, BIOS).options[60] == b"PXEClient"

    def test_whitelist(self) -> None:
        lines = f'{PROXY}\npxe-service=x86PC,"a",a\ndhcp-host=52:54:00:*:*:*,set:mine\ndhcp-ignore=tag:!mine'
        assert answer(lines, BIOS).options[60] == b"PXEClient"
        assert "ignore" in silence(lines.replace("52:54:00:*:*:*", "52:54:01:*:*:*"), BIOS)

    def test_a_boot_item_is_served(self) -> None:
        packet = BIOS.with_options({53: b"\3", 60: b"PXEClient", 43: bytes.fromhex("470480000000ff")})
        packet = Packet(
            op=1,
            chaddr=packet.chaddr,
            ciaddr=IPv4Address("10.77.0.111"),
            options=packet.options,
        )
        ack = answer(f'{PROXY}\npxe-service=x86PC,"a",a', packet, port=4011)
        assert (ack.file, ack.siaddr) == (b"a.0", OWN)


class TestLeases:
    def test_the_boot_file_goes_into_67_for_who_asks(self) -> None:
        packet = answer(LEASES + "dhcp-boot=d.efi,,10.77.0.13", UEFI)
        assert packet.options[67] == b"d.efi\0"
        assert (packet.file, packet.siaddr) == (b"", IPv4Address("10.77.0.13"))

    def test_no_override_keeps_it_in_the_header(self) -> None:
        packet = answer(LEASES + "dhcp-no-override\ndhcp-boot=d.efi", UEFI)
        assert (packet.file, 67 in packet.options) == (b"d.efi", False)

    def test_siaddr_is_its_own_address(self) -> None:
        assert answer(LEASES, UEFI).siaddr == OWN

    def test_a_pxe_service_makes_it_say_pxeclient(self) -> None:
        assert answer(LEASES + 'pxe-service=X86-64_EFI,"d",d.efi', UEFI).options[60] == b"PXEClient"

    def test_an_authoritative_one_refuses_requests_for_others(self) -> None:
        request = UEFI.with_options({53: b"\3", 50: bytes((10, 77, 0, 101)), 54: bytes((10, 77, 0, 3))})
        assert answer(LEASES + "dhcp-authoritative", request).message_type is MessageType.NAK
        assert "another server" in silence(LEASES, request)

    def test_order_of_options(self) -> None:
        # As captured from 2.90 with dhcp-option lines for 66, 67, 60, 43.
        lines = LEASES + (
            "port=0\ndhcp-option=66,10.77.0.13\ndhcp-option=67,c.efi\ndhcp-option=60,PXEClient\n"
            "dhcp-option=43,06:01:08:ff"
        )
        assert list(answer(lines, UEFI).options) == [53, 54, 51, 58, 59, 1, 28, 3, 43, 60, 67, 66]


class TestDelay:
    def _model(self, seconds: int) -> DnsmasqModel:
        lines = f'{PROXY}\npxe-service=X86-64_EFI,"a",a.efi\ndhcp-reply-delay={seconds}'
        return model_of(lines)

    def _arrival(self, at: float, packet: Packet = UEFI, port: int = 67) -> Arrival:
        return Arrival(packet=packet, at=at, port=port, address=OWN, source=(IPv4Address("10.77.0.9"), 4011))

    @pytest.mark.parametrize("phase", [0.0, 0.3, 0.99])
    def test_a_fresh_packet_waits_its_whole_seconds(self, phase: float) -> None:
        model = self._model(2)
        reaction = model.receive(model.initial(phase), self._arrival(0.4))
        assert reaction.replies[0].earliest == pytest.approx(2.4)
        assert reaction.wake == pytest.approx(2.4)

    def test_it_is_deaf_meanwhile_and_the_queued_one_waits_less(self) -> None:
        """Recorded: DISCOVERs at 0 and 1.056, answers at 2.02 and 3.79."""
        model = self._model(2)
        first = model.receive(model.initial(0.3), self._arrival(0.0))
        second = model.receive(first.state, self._arrival(1.056))
        assert not second.replies
        assert first.wake is not None
        late = model.resume(second.state, first.wake)
        assert late.replies[0].earliest == pytest.approx(3.75)
        assert model.depends_on_phase(late.state)

    def test_port_67_goes_first_and_delays_4011(self) -> None:
        model = self._model(1)
        request = UEFI.with_options({53: b"\3"})
        state = model.receive(model.initial(0.5), self._arrival(0.0)).state
        state = model.receive(state, self._arrival(0.1, request, port=4011)).state
        state = model.receive(state, self._arrival(0.2)).state
        reaction = model.resume(state, 1.0)
        assert [r.packet.message_type for r in reaction.replies] == [MessageType.OFFER]
        assert reaction.wake is not None
        reaction = model.resume(reaction.state, reaction.wake)
        assert [r.packet.message_type for r in reaction.replies] == [MessageType.ACK]

    def test_boot_items_are_never_delayed(self) -> None:
        lines = f'{PROXY}\npxe-service=x86PC,"a",a\ndhcp-reply-delay=5'
        packet = Packet(
            op=1,
            chaddr=BIOS.chaddr,
            ciaddr=IPv4Address("10.77.0.111"),
            options={**BIOS.options, 53: b"\3", 43: bytes.fromhex("470480000000ff")},
        )
        reaction = ask(lines, packet, port=4011, source=(IPv4Address("10.77.0.111"), 68))
        assert reaction.replies[0].earliest == 0.0


def test_a_client_of_another_subnet_is_known_by_its_own_address_on_port_4011() -> None:
    """dhcp_reply takes the range of ciaddr where the interface's own has none."""
    lines = 'dhcp-range=10.99.0.0,proxy,255.255.255.0\npxe-service=X86-64_EFI,"a",a.efi\n'
    client = IPv4Address("10.99.0.40")
    request = UEFI.with_options({53: bytes((MessageType.REQUEST,))})
    far = Packet(op=request.op, ciaddr=client, chaddr=request.chaddr, options=request.options)
    assert answer(lines, far, port=4011, source=(client, 4011)).file == b"a.efi"  # type: ignore[arg-type]
    elsewhere = IPv4Address("10.98.0.40")
    lost = Packet(op=request.op, ciaddr=elsewhere, chaddr=request.chaddr, options=request.options)
    assert ask(lines, lost, port=4011, source=(elsewhere, 4011)).unanswered is not None
