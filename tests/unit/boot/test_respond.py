"""What the boot server answers, by the words of PXE 2.1, RFC 2131, RFC 3046, RFC 4578 and UEFI 2.10."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from coexist.boot.configuration import BootServerConfig
from coexist.boot.policy import BootMenu, BootPolicy, BootProgram, MenuEntry, Registered, Rule, compile_policy
from coexist.boot.request import boot_request
from coexist.boot.respond import Answer, Reason, Seen, Silence, may_load, respond
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.values import Delay
from coexist.wire.bootp import Packet, encode
from coexist.wire.pxe import DiscoveryControl, PxeVendorOptions, decode_vendor_options

SERVER = IPv4Address("10.10.0.6")
THIN, STRANGER = 0x525400000001, 0x525499000001
PXE = b"PXEClient:Arch:00007:UNDI:003016"
UUID = b"\0" + bytes(range(16))

RULE = Rule(
    name="thin",
    clients=MacSet.of({THIN}),
    programs={0: BootProgram(file="a.0"), 7: BootProgram(file="b.efi"), 16: BootProgram(file="/c.efi")},
    ipxe=BootProgram(file="boot.ipxe"),
)
POLICY = BootPolicy(name="otc", rules=(RULE,))


def ask(policy=POLICY, *, mac=THIN, port=67, seen=None, source=None, header=None, **options):
    """The decision on a packet with these options, written as ``o60=...``."""
    given = {int(name[1:]): value for name, value in options.items()}
    packet = Packet(
        op=1,
        xid=7,
        chaddr=mac.to_bytes(6, "big"),
        options={53: b"\x01", 60: PXE, 93: b"\0\x07", **given},
        **(header or {}),
    )
    request = boot_request(packet, port)
    assert request is not None
    return respond(policy, request, server=SERVER, seen=seen or Seen(), source=source)


def answered(*arguments, **options) -> Answer:
    answer = ask(*arguments, **options)
    assert isinstance(answer, Answer)
    return answer


def why(*arguments, **options) -> Reason:
    answer = ask(*arguments, **options)
    assert isinstance(answer, Silence)
    return answer.reason


def test_an_offer_has_all_that_firmware_looks_for():
    packet = answered(o97=UUID).packet
    assert packet.options[53] == b"\x02"
    assert packet.options[54] == SERVER.packed
    assert packet.options[60] == b"PXEClient"
    assert packet.options[67] == b"b.efi\0"
    assert packet.options[43] == b"\x06\x01\x08\xff"
    assert packet.options[97] == UUID
    assert (packet.file, packet.siaddr, packet.xid, packet.yiaddr) == (b"b.efi", SERVER, 7, IPv4Address(0))
    assert packet.broadcast
    assert 300 <= len(encode(packet)) <= 1472


def test_where_answers_go():
    relay, own = IPv4Address("10.20.0.1"), IPv4Address("10.10.1.7")
    assert (answered().address, answered().port) == (IPv4Address("255.255.255.255"), 68)
    relayed = answered(header={"giaddr": relay, "ciaddr": own}, o82=b"\x01\x02ab")
    assert (relayed.address, relayed.port, relayed.packet.giaddr) == (relay, 67, relay)
    assert relayed.packet.options[82] == b"\x01\x02ab"
    known = answered(header={"ciaddr": own})
    assert (known.address, known.port, known.packet.broadcast) == (own, 68, False)
    asked = answered(port=4011, source=(own, 4011), o53=b"\x03")
    assert (asked.address, asked.port, asked.packet.options[53]) == (own, 4011, b"\x05")


def test_who_is_not_answered():
    assert why(mac=STRANGER) is Reason.NO_RULE
    assert why(o60=b"MSFT 5.0") is Reason.NOT_A_BOOT_CLIENT
    assert why(o93=b"\0\x0b") is Reason.NO_PROGRAM
    assert why(o53=b"\x07") is Reason.NOT_FOR_US
    assert why(o53=b"\x03", o54=bytes((10, 0, 0, 1))) is Reason.OTHER_SERVER
    assert why(o53=b"\x03") is Reason.OTHER_SERVER
    assert why(replace(POLICY, denied=MacSet.of({THIN}))) is Reason.DENIED
    assert why(replace(POLICY, rules=(replace(RULE, action="ignore"),))) is Reason.IGNORED
    assert why(replace(POLICY, answers_67=False)) is Reason.NOT_ON_67
    assert why(replace(POLICY, answers_4011=False), port=4011) is Reason.NOT_ON_4011


def test_a_request_that_names_this_server_is_answered():
    assert answered(o53=b"\x03", o54=SERVER.packed).packet.options[53] == b"\x05"


@pytest.mark.parametrize("word", [{"o77": b"iPXE"}, {"o77": b"\x04iPXE"}, {"o175": b"\x01\x01\x05"}])
def test_who_runs_ipxe_gets_its_own_program(word):
    assert answered(**word).packet.file == b"boot.ipxe"


def test_delays():
    def with_delay(**kind):
        return replace(POLICY, rules=(replace(RULE, delay=Delay(**kind)),))

    assert answered(with_delay(after=1.2)).after == 1.2
    assert answered(with_delay(after=1.2), port=4011, o53=b"\x03").after == 0
    assert why(with_delay(after=1.2), seen=Seen(waiting=True)) is Reason.WAITING
    assert why(with_delay(secs_at_least=4), header={"secs": 3}) is Reason.SECS
    assert answered(with_delay(secs_at_least=4), header={"secs": 4}).after == 0
    assert why(with_delay(since_first=4), seen=Seen(since_first=3.9)) is Reason.TOO_EARLY
    assert answered(with_delay(since_first=4), seen=Seen(since_first=4.0)).after == 0
    assert why(with_delay(after_offer=True)) is Reason.NO_OFFER
    assert answered(with_delay(after_offer=True), seen=Seen(offer_heard=True)).after == 0


def test_a_client_that_took_another_offer_is_left_alone_if_the_policy_says_so():
    assert answered(seen=Seen(took_other=True)).rule == "thin"
    assert why(replace(POLICY, follow_offers=True), seen=Seen(took_other=True)) is Reason.OTHER_SERVER


def test_httpclients_get_a_url():
    http = {"o60": b"HTTPClient:Arch:00016:UNDI:003001", "o93": b"\0\x10"}
    assert why(**http) is Reason.NO_PROGRAM
    packet = answered(replace(POLICY, http_port=80), **http).packet
    assert packet.options[67] == b"http://10.10.0.6/c.efi\0"
    assert packet.options[60] == b"HTTPClient"
    assert 43 not in packet.options
    assert answered(replace(POLICY, http_port=8080), **http).packet.file == b"http://10.10.0.6:8080/c.efi"
    elsewhere = replace(RULE, programs={16: BootProgram(file="http://files.example/" + "x" * 120)})
    packet = answered(replace(POLICY, rules=(elsewhere,), offers_file=False), **http).packet
    assert (packet.file, len(packet.options[67])) == (b"", 142)


MENU = BootMenu(
    prompt="Choose",
    timeout=10,
    entries=(
        MenuEntry(type=0, text="Disk"),
        MenuEntry(type=1, text="Install", programs={7: BootProgram(file="install.efi")}),
        MenuEntry(type=2, text="Register", registers=True),
    ),
)
WITH_MENU = replace(POLICY, rules=(replace(RULE, menu=MENU),))


def item(number: int) -> bytes:
    return bytes((71, 4)) + number.to_bytes(2, "big") + b"\0\0\xff"


def test_a_menu_is_offered_as_pxe_has_it():
    packet = answered(WITH_MENU).packet
    vendor = decode_vendor_options(packet.options[43])
    assert isinstance(vendor, PxeVendorOptions)
    assert [(entry.type, entry.text) for entry in vendor.menu] == [
        (0, "Disk"),
        (1, "Install"),
        (2, "Register"),
    ]
    assert [(server.type, server.addresses) for server in vendor.boot_servers] == [
        (1, (SERVER,)),
        (2, (SERVER,)),
    ]
    assert vendor.discovery_control == DiscoveryControl(7)
    assert (packet.file, 67 in packet.options) == (b"", False)


def test_what_was_chosen_is_booted_and_repeated():
    chosen = answered(WITH_MENU, port=4011, o53=b"\x03", o43=item(1))
    assert chosen.packet.file == b"install.efi"
    assert b"\x47\x04\x00\x01\x00\x00" in chosen.packet.options[43]
    registering = answered(WITH_MENU, port=4011, o53=b"\x03", o43=item(2))
    assert (registering.registers, registering.packet.file) == (True, b"b.efi")
    assert why(WITH_MENU, port=4011, o53=b"\x03", o43=item(9)) is Reason.NO_SUCH_ITEM


def test_discovery_by_broadcast_names_no_server():
    assert answered(WITH_MENU, o53=b"\x03", o43=item(1)).packet.file == b"install.efi"
    assert why(WITH_MENU, o53=b"\x03", o43=item(1), o54=bytes((10, 0, 0, 1))) is Reason.OTHER_SERVER
    assert why(WITH_MENU, port=4011, o43=item(1), o54=bytes((10, 0, 0, 1))) is Reason.OTHER_SERVER


def test_ipxe_with_a_program_of_its_own_sees_no_menu():
    assert answered(WITH_MENU, o77=b"iPXE").packet.file == b"boot.ipxe"


def test_who_may_load_files():
    bios_only = replace(RULE, architectures=frozenset({0}))
    policy = replace(POLICY, rules=(bios_only, Rule(name="rest", clients=EVERYONE, action="ignore")))
    assert isinstance(may_load(policy, THIN, 0), Rule)
    assert may_load(policy, THIN, 7) == Silence(reason=Reason.IGNORED, rule="rest")
    assert isinstance(may_load(policy, THIN), Rule)  # it was not seen to name an architecture
    assert isinstance(may_load(policy, STRANGER), Silence)
    assert may_load(replace(policy, denied=MacSet.of({THIN})), THIN) == Silence(reason=Reason.DENIED)


def test_groups_and_registrations_become_rules():
    config = BootServerConfig.model_validate(
        {
            "name": "otc",
            "listen": {"address": "10.10.0.6"},
            "groups": {
                "lab": {"prefixes": ["52:54:02"], "groups": ["more"]},
                "more": {"macs": ["52:54:03:00:00:01"], "groups": ["lab"]},
            },
            "deny": {"macs": ["52:54:02:00:00:09"]},
            "rules": [
                {"name": "lab", "clients": {"groups": ["lab"], "except": {"macs": ["52:54:02:00:00:08"]}}},
                {"name": "new", "clients": {"registered": True}},
            ],
        }
    )
    registered = Registered(
        everyone=MacSet.of({1, 2}),
        ignored=MacSet.of({3}),
        groups={"lab": MacSet.of({2}), "none": MacSet.of({1})},
    )
    policy = compile_policy(config, lambda name: MacSet.of(()), registered)
    lab, new = (rule.clients for rule in policy.rules)
    assert (0x525402000001 in lab, 0x525402000008 in lab, 0x525403000001 in lab, 2 in lab) == (
        True,
        False,
        True,
        True,
    )
    assert (1 in new, 2 in new, 3 in new) == (True, True, False)
    assert (3 in policy.denied, 0x525402000009 in policy.denied) == (True, True)
