from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from coexist.inventory.loader import load_inventory
from coexist.probe.answer import Answer, responders
from coexist.probe.expectation import representatives, server_names, strangers, vlan_of
from coexist.probe.question import stranger
from coexist.wire.bootp import Packet
from coexist.wire.options import Option
from tests.conftest import ROOT

SERVER = IPv4Address("10.0.0.5")
PXE = {
    Option.DHCP_MESSAGE_TYPE: b"\x02",
    Option.SERVER_IDENTIFIER: SERVER.packed,
    Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
}
ASKED = [stranger("plain"), stranger("bios"), stranger("uefi-x64")]


def answer(asker=ASKED[2], *, at=0.1, after=0.1, secs=0, port=67, **fields):
    fields.setdefault("options", PXE)
    return Answer(
        asker=asker, port=port, at=at, after=after, secs=secs, source=SERVER, packet=Packet(op=2, **fields)
    )


def test_roles_by_address_and_option_60():
    leased = IPv4Address("10.0.0.77")
    plain = {Option.DHCP_MESSAGE_TYPE: b"\x02", Option.SERVER_IDENTIFIER: SERVER.packed}
    assert answer().role == "ProxyDHCP"
    assert answer(yiaddr=leased, options=plain).role == "DHCP"
    assert answer(yiaddr=leased).role == "DHCP+PXE"
    assert answer(port=4011).role == "boot server"


def test_the_server_is_option_54_even_behind_a_relay():
    other = {**PXE, Option.SERVER_IDENTIFIER: IPv4Address("10.9.9.9").packed}
    assert answer(options=other).server == IPv4Address("10.9.9.9")
    assert answer(options={53: b"\x02"}).server == SERVER


def test_the_file_is_option_67_then_the_header_and_comes_from_siaddr_then_option_54():
    assert answer(file=b"header.0").file == "header.0"
    assert (
        answer(file=b"header.0", options={**PXE, Option.BOOTFILE_NAME: b"sixty-seven\0"}).file
        == "sixty-seven"
    )
    assert answer(file=b"x").boot_server == SERVER
    assert answer(file=b"x", siaddr=IPv4Address("10.0.0.6")).boot_server == IPv4Address("10.0.0.6")
    assert answer().boot_server is None


def test_who_answers_one_architecture_only_and_late_is_told_so():
    (found,) = responders([answer(at=8.02, after=8.02, file=b"x")], ASKED)
    assert found.answered == ("uefi-x64",)
    assert found.silent == ("plain", "bios")
    only_pxe, only_one, late = found.remarks
    assert "PXE" in only_pxe
    assert "uefi-x64" in only_one
    assert "8.0 s" in late
    assert found.files == (("uefi-x64", "x"),)


def test_a_threshold_on_secs_is_told_from_a_slow_clock():
    (found,) = responders([answer(at=12.0, after=0.01, secs=12)], ASKED)
    (late,) = (remark for remark in found.remarks if "12.0 s" in remark)
    assert "secs 12" in late


def test_an_everyday_dhcp_server_has_no_remarks():
    plain = {Option.DHCP_MESSAGE_TYPE: b"\x02", Option.SERVER_IDENTIFIER: SERVER.packed}
    offers = [answer(asker, yiaddr=IPv4Address("10.0.0.77"), options=plain) for asker in ASKED]
    (found,) = responders(offers, ASKED)
    assert found.remarks == ()
    assert found.roles == ("DHCP",)
    assert not found.answers_4011


def test_a_server_nobody_declared_is_a_finding_once():
    inventory = load_inventory(ROOT / "inventories" / "campus")
    known = {**PXE, Option.SERVER_IDENTIFIER: IPv4Address("10.10.0.6").packed}
    declared = replace(answer(options=known), source=IPv4Address("10.10.0.6"))
    (found,) = strangers(inventory, [answer(), answer(ASKED[1]), declared])
    assert found.code.code == "CX701"
    assert str(SERVER) in found.message
    assert found.clients == 2
    assert found.witness is not None


def test_the_campus_is_asked_for_one_client_of_each_intent():
    inventory = load_inventory(ROOT / "inventories" / "campus")
    asked = representatives(inventory, "office")
    thin = inventory.group("thin-clients")
    assert {asker.mac in thin for asker in asked} == {True, False}
    assert {asker.architecture for asker in asked} == {"bios", "uefi-x64"}
    assert server_names(inventory)[IPv4Address("10.10.0.6")] == "otc"
    assert vlan_of(inventory, IPv4Address("10.20.3.4")) == "workshop"
    assert vlan_of(inventory, IPv4Address("192.0.2.1")) is None
