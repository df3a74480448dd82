"""The other server models, and the model each product of an inventory gets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.firmware.machine import Machine
from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival, Reaction, ServerModel
from coexist.boot.servers import model_for
from coexist.boot.servers.coexist import boot_policy, boot_server_config, list_members
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.generic import GenericModel
from coexist.boot.servers.kea import KeaModel, is_exact, option_data
from coexist.boot.servers.openthinclient import OpenThinClientModel
from coexist.inventory.loader import inventory_from_tree
from coexist.inventory.macset import MacSet
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import parse_mac
from coexist.wire.options import MessageType

OWN, ADDRESS = IPv4Address("10.0.0.2"), IPv4Address("10.0.0.100")
MAC = parse_mac("52:54:00:12:34:56")
BIOS = Ipxe().begin(Machine(mac=MAC, architecture=0), 0.0).sends[0].packet
UEFI = Edk2().begin(Machine(mac=MAC, architecture=7), 3.5).sends[0].packet


def arrival(packet: Packet, at: float = 0.0, port: int = 67, **more: Any) -> Arrival:
    source = more.get("source", (UNSPECIFIED, 68))
    return Arrival(packet=packet, at=at, port=port, address=OWN, source=source)


def as_request(packet: Packet, server: IPv4Address = OWN) -> Packet:
    return packet.with_options({53: bytes((MessageType.REQUEST,)), 54: server.packed})


def receive(model: ServerModel, packet: Packet, **more: Any) -> Reaction:
    return model.receive(model.initial(), arrival(packet, **more))


LEASE = Lease(yiaddr=ADDRESS, options={60: b"PXEClient", 67: b"a.efi", 150: b"\1\2\3\4"}, file=b"h.efi")


class TestDhcpd:
    def test_only_what_was_asked_for_in_that_order(self) -> None:
        packet = (
            receive(DhcpdModel(name="d", leases=lambda _: LEASE, ping_check=False), UEFI).replies[0].packet
        )
        assert list(packet.options) == [53, 54, 51, 1, 60, 67]
        assert packet.options[67] == b"a.efi"
        assert packet.siaddr == UNSPECIFIED

    def test_the_ping_holds_the_first_offer_back(self) -> None:
        model = DhcpdModel(name="d", leases=lambda _: LEASE)
        first = model.receive(model.initial(), arrival(UEFI))
        assert first.replies[0].earliest == 1.0
        assert model.receive(first.state, arrival(UEFI, 0.5)).unanswered
        again = model.receive(first.state, arrival(UEFI, 4.0))
        assert again.replies[0].earliest == 4.0

    def test_a_reserved_address_is_not_pinged(self) -> None:
        model = DhcpdModel(name="d", leases=lambda _: replace(LEASE, reserved=True))
        assert receive(model, UEFI).replies[0].earliest == 0.0

    def test_min_secs(self) -> None:
        model = DhcpdModel(name="d", leases=lambda _: replace(LEASE, min_secs=4), ping_check=False)
        assert receive(model, UEFI).unanswered
        assert receive(model, BIOS).replies

    def test_requests_for_others_are_theirs(self) -> None:
        model = DhcpdModel(name="d", leases=lambda _: LEASE)
        assert receive(model, as_request(UEFI, IPv4Address("10.0.0.9"))).unanswered
        assert receive(model, as_request(UEFI)).replies[0].packet.message_type is MessageType.ACK


class TestKea:
    def test_ascending_codes_and_the_client_identifier(self) -> None:
        packet = receive(KeaModel(name="k", leases=lambda _: LEASE), BIOS).replies[0].packet
        assert list(packet.options) == [53, 1, 51, 54, 60, 61, 67]

    def test_option_43_by_code_and_without_end(self) -> None:
        """As captured from 2.2.0."""
        assert option_data(43, bytes.fromhex("0a0100060108ff")) == bytes.fromhex("0601080a0100")
        assert is_exact(43, bytes.fromhex("0601080a0100"))
        assert not is_exact(43, bytes.fromhex("0a0100060108ff"))

    def test_unicast_without_the_broadcast_flag(self) -> None:
        model = KeaModel(name="k", leases=lambda _: LEASE)
        assert receive(model, BIOS).replies[0].address == ADDRESS
        assert receive(model, UEFI).replies[0].address == IPv4Address("255.255.255.255")


class TestOpenThinClient:
    MODEL = OpenThinClientModel(name="otc", clients=MacSet.of([MAC]))

    def test_the_offer_names_no_file(self) -> None:
        packet = receive(self.MODEL, UEFI).replies[0].packet
        assert set(packet.options) == {53, 54, 60}
        assert (packet.file, packet.siaddr) == (b"", OWN)

    def test_unregistered_machines_get_nothing(self) -> None:
        assert receive(replace(self.MODEL, clients=MacSet.of([1])), UEFI).unanswered

    @pytest.mark.parametrize(
        ("architecture", "file"),
        [(0, b"/lpxelinux.0"), (6, b"syslinux32.efi"), (7, b"syslinux64.efi"), (11, b"/lpxelinux.0")],
    )
    def test_the_file_by_the_text_of_option_60(self, architecture: int, file: bytes) -> None:
        packet = BIOS.with_options(
            {60: f"PXEClient:Arch:{architecture:05d}:UNDI:003000".encode(), 93: b"\0\0"}
        )
        state = self.MODEL.receive(self.MODEL.initial(), arrival(packet)).state
        asked = arrival(as_request(packet), port=4011, source=(ADDRESS, 4011))
        assert self.MODEL.receive(state, asked).replies[0].packet.file == file

    def test_a_bios_needs_its_conversation(self) -> None:
        asked = arrival(as_request(BIOS), port=4011, source=(ADDRESS, 68))
        assert self.MODEL.receive(self.MODEL.initial(), asked).unanswered

    def test_eavesdropping_waits_for_an_address(self) -> None:
        model = replace(self.MODEL, mode="eavesdropping")
        waiting = model.receive(model.initial(), arrival(UEFI))
        assert not waiting.replies
        offer = Packet(op=BOOTREPLY, xid=UEFI.xid, yiaddr=ADDRESS, chaddr=UEFI.chaddr)
        heard = model.receive(waiting.state, arrival(offer, 1.0, 68))
        assert heard.replies[0].earliest == 1.0
        assert set(heard.replies[0].packet.options) == {53, 54}


class TestGeneric:
    def test_elapsed_counts_from_the_first_packet(self) -> None:
        from coexist.inventory.values import Delay

        model = GenericModel(name="g", default_file="a", delay=Delay(since_first=4.0))
        first = model.receive(model.initial(), arrival(UEFI))
        assert first.unanswered
        assert model.receive(first.state, arrival(UEFI, 3.7)).unanswered
        assert model.receive(first.state, arrival(UEFI, 12.0)).replies

    def test_the_fields_of_a_reply(self) -> None:
        model = GenericModel(
            name="g", default_file="a", file_in="both", vendor_options=b"\6\1\x08\xff", siaddr=UNSPECIFIED
        )
        packet = receive(model, UEFI).replies[0].packet
        assert (packet.file, packet.options[67], packet.options[43]) == (b"a", b"a", b"\6\1\x08\xff")
        assert packet.siaddr == UNSPECIFIED
        assert list(packet.options) == [53, 54, 60, 97, 67, 43]


def site(**servers: Any) -> Any:
    return inventory_from_tree(
        {
            "site": "s",
            "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
            "servers": servers,
            "groups": {
                "mine": {"macs": ["52:54:00:12:34:56"]},
                "vendor": {"oui": ["52:54:00"], "except": "mine"},
            },
            "intent": [
                {"clients": "mine", "boot_from": "one"},
                {"clients": "everyone", "boot_from": "two", "fallback": ["one"]},
            ],
        }
    )


BOOT = {
    "software": "coexist",
    "address": "10.0.0.2",
    "vlan": "a",
    "programs": {"bios": "a.0", "uefi-x64": "a.efi"},
}
OTHER = {**BOOT, "address": "10.0.0.3"}


class TestConfiguration:
    @pytest.mark.parametrize(
        ("answers", "inside", "outside"),
        [
            ("everyone", [MAC, 7], []),
            ("nobody", [], [MAC, 7]),
            ({"only": ["mine"]}, [MAC], [MAC + 1, 7]),
            ({"only": ["vendor"]}, [MAC + 1], [MAC, 7]),
            ({"except": ["vendor"]}, [MAC, 7], [MAC + 1]),
            ({"except": ["mine", "vendor"]}, [7], [MAC, MAC + 1]),
            ("unknown", [MAC, 7], []),
            ("known", [], [MAC, 7]),
        ],
    )
    def test_whom_it_serves(self, answers: Any, inside: list[int], outside: list[int]) -> None:
        inventory = site(one={**BOOT, "answers": answers}, two=OTHER)
        policy = boot_policy(inventory, "one")
        assert all(policy.rule_for(mac, 0) for mac in inside)
        assert not any(policy.rule_for(mac, 0) for mac in outside)

    def test_intended_clients_and_fallbacks(self) -> None:
        inventory = site(one={**BOOT, "answers": "intended"}, two={**OTHER, "answers": "intended"})
        one, two = boot_policy(inventory, "one"), boot_policy(inventory, "two")
        assert one.rule_for(MAC, 0)
        assert one.rule_for(MAC + 1, 0)
        assert two.rule_for(MAC, 0) is None
        assert two.rule_for(MAC + 1, 0)

    def test_a_delay_for_a_group_comes_first(self) -> None:
        server = {**BOOT, "delay": 1, "delay_for": {"mine": {"secs_at_least": 4}}}
        policy = boot_policy(site(one=server, two=OTHER), "one")
        mine, others = policy.rule_for(MAC, 0), policy.rule_for(MAC + 1, 0)
        assert mine is not None
        assert others is not None
        assert (mine.delay.secs_at_least, others.delay.after) == (4, 1.0)

    def test_lists_hold_the_groups_exact_addresses(self) -> None:
        inventory = site(one={**BOOT, "answers": {"only": ["vendor"]}}, two=OTHER)
        config = boot_server_config(inventory, "one")
        assert config.rules[0].clients.excluded is not None
        assert list_members(inventory, "vendor.except.macs").points == {MAC}
        assert list_members(inventory, "mine.macs").points == {MAC}


class TestWaiting:
    def test_an_exchange_is_answered_once_while_its_answer_waits(self) -> None:
        model = model_for(site(one={**BOOT, "delay": 1.2}, two=OTHER), "one")
        first = model.receive(model.initial(), arrival(UEFI))
        assert first.replies[0].earliest == 1.2
        again = model.receive(first.state, arrival(UEFI, at=1.0))
        assert again.unanswered is not None
        late = model.receive(again.state, arrival(UEFI, at=1.3))
        assert late.replies[0].earliest == 2.5

    def test_kea_sends_to_the_client_alone_even_by_broadcast(self) -> None:
        (reply,) = receive(KeaModel(name="k", leases=lambda _: LEASE), UEFI).replies
        assert (str(reply.address), reply.to_one) == ("255.255.255.255", True)
        (reply,) = receive(DhcpdModel(name="d", leases=lambda _: LEASE, ping_check=False), UEFI).replies
        assert not reply.to_one


PRODUCTS = ["coexist", "dnsmasq", "wds", "configmgr", "openthinclient", "generic"]


class TestProducts:
    @pytest.mark.parametrize("product", PRODUCTS)
    def test_a_boot_service_answers_its_client(self, product: str) -> None:
        server = {**BOOT, "software": product, "roles": ["proxydhcp", "tftp"]}
        model = model_for(site(one=server, two=OTHER), "one")
        reply = receive(model, UEFI).replies[0].packet
        assert reply.options[60] == b"PXEClient"

    @pytest.mark.parametrize("product", ["isc-dhcpd", "kea", "windows-dhcp", "dnsmasq"])
    def test_a_dhcp_server_leases(self, product: str) -> None:
        inventory = inventory_from_tree(
            {
                "site": "s",
                "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
                "servers": {
                    "d": {"software": product, "address": "10.0.0.2", "vlan": "a", "roles": ["dhcp"]}
                },
                "scopes": {
                    "a": {
                        "server": "d",
                        "vlan": "a",
                        "pools": ["10.0.0.100-10.0.0.200"],
                        "next_server": "d",
                        "programs": {"uefi-x64": "u.efi", "bios": "b.0"},
                    }
                },
            }
        )
        model = model_for(inventory, "d")
        packet = receive(model, UEFI).replies[0].packet
        assert (packet.yiaddr, packet.siaddr, packet.file) == (ADDRESS, OWN, b"u.efi")

    def test_what_is_unverified_is_named(self) -> None:
        server = {**BOOT, "software": "configmgr", "delay": {"secs_at_least": 8}}
        assert model_for(site(one=server, two=OTHER), "one").assumptions

    def test_a_registered_machine_feels_no_delay_of_wds(self) -> None:
        inventory = inventory_from_tree(
            {
                "site": "s",
                "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
                "servers": {"w": {**BOOT, "software": "wds", "delay": 3}},
                "clients": [{"mac": "52:54:00:12:34:56"}],
            }
        )
        model = model_for(inventory, "w")
        assert receive(model, UEFI).replies[0].earliest == 0.0
        stranger = Edk2().begin(Machine(mac=7, architecture=7), 3.5).sends[0].packet
        assert receive(model, stranger).replies[0].earliest == 3.0


@given(
    packet=st.builds(
        Packet,
        op=st.sampled_from((1, 2)),
        secs=st.integers(0, 65535),
        flags=st.sampled_from((0, 0x8000)),
        ciaddr=st.sampled_from((UNSPECIFIED, ADDRESS)),
        giaddr=st.sampled_from((UNSPECIFIED, IPv4Address("10.0.0.1"), IPv4Address("10.9.0.1"))),
        chaddr=st.just(BIOS.chaddr),
        options=st.dictionaries(
            st.sampled_from((43, 53, 54, 55, 60, 61, 77, 82, 93, 97, 175)),
            st.one_of(
                st.binary(max_size=9), st.sampled_from((b"\1", b"\3", b"PXEClient:Arch:00007", OWN.packed))
            ),
        ),
    ),
    product=st.sampled_from(PRODUCTS),
    port=st.sampled_from((67, 4011)),
)
def test_no_packet_breaks_a_server(packet: Packet, product: str, port: int) -> None:
    model = MODELS[product]
    reaction = model.receive(model.initial(), arrival(packet, port=port, source=(ADDRESS, 68)))
    assert reaction.replies or reaction.unanswered or reaction.wake is not None


MODELS = {
    product: model_for(
        site(one={**BOOT, "software": product, "roles": ["proxydhcp", "tftp"]}, two=OTHER), "one"
    )
    for product in PRODUCTS
}


def test_windows_ends_a_boot_file_with_a_nul_and_speaks_to_everyone() -> None:
    server = {"software": "windows-dhcp", "address": "10.0.0.2", "vlan": "a"}
    scope = {"server": "one", "vlan": "a", "pools": ["10.0.0.50-10.0.0.60"], "options": {"66": "10.0.0.3"}}
    declared = {
        "site": "s",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
        "servers": {"one": server},
        "scopes": {"a": {**scope, "options": {**scope["options"], "67": "x.efi"}}},  # type: ignore[dict-item]
    }
    (reply,) = receive(model_for(inventory_from_tree(declared), "one"), UEFI).replies
    assert reply.packet.options[67] == b"x.efi\0"
    assert (str(reply.packet.siaddr), reply.to_one) == ("10.0.0.3", False)
