"""Values of dhcpd's expressions by hand, after dhcp-eval(5) and common/tree.c."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option

FILE = Path(__file__).parents[3] / "data" / "own-files" / "dhcpd" / "expressions.conf"
"""The real daemon is held to it too: tests/wire/test_own_files_dhcpd.py."""
MAC = "52:54:00:aa:00:01"
VENDOR = b"PXEClient:Arch:00007:UNDI:003016"


def lease(network: int, **more: bytes) -> Lease:
    """What a client behind the relay agent of one of the file's networks is told."""
    codes = {"vendor": Option.VENDOR_CLASS_IDENTIFIER, "user": Option.USER_CLASS, "name": Option.HOST_NAME}
    said: dict[int, bytes] = {codes[key]: octets for key, octets in more.items()}
    packet = Packet(
        op=BOOTREQUEST,
        xid=7,
        giaddr=IPv4Address(f"10.48.{network}.1"),
        chaddr=mac_bytes(parse_mac(MAC)),
        options={Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)), **said},
    )
    source = DhcpdLeases(parse_dhcpd(FILE.read_text(), FILE.name, None))
    address = IPv4Address("10.48.0.2")
    found = source(Arrival(packet=packet, at=0.0, port=67, address=address, source=(packet.giaddr, 67)))
    assert isinstance(found, Lease)
    return found


def shown(network: int, **more: bytes) -> dict[int, bytes]:
    """The options that show values, by their number in the file."""
    options = lease(network, **more).options
    return {code - 224: octets for code, octets in options.items() if 224 <= code < 234}


def test_what_is_computed() -> None:
    assert shown(0, vendor=VENDOR) == {
        0: b"5254.aa.1",
        1: b"101010100000000000000001",
        2: bytes.fromhex("000100aa5254"),
        3: bytes.fromhex("00050202"),
        4: bytes.fromhex("0f0500015f90"),
        5: bytes.fromhex("525400ab"),
        6: VENDOR,
        7: VENDOR,
        8: b"Client:Arch:00007:UNDI:003016z\xc3\x80",
        9: VENDOR,
    }


def test_the_first_value_there_is() -> None:
    assert shown(0)[6] == b"neither"
    assert shown(0, vendor=VENDOR, user=b"iPXE")[6] == b"iPXE"


def test_what_fails_is_not_sent() -> None:
    assert not shown(1, vendor=VENDOR)
    assert not lease(1, vendor=VENDOR).file
    assert shown(1, name=b"desk-7") == {3: b"only desk-7", 6: b"7"}
    assert shown(1, user=b"iPXE") == {2: b"iPXE", 4: b"iPXEtwo", 5: b"oneiPXE"}


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ({"vendor": VENDOR}, {0}),
        ({"vendor": VENDOR[:-1] + b"x"}, set()),
        ({"vendor": b"Cisco CP-8841"}, {1}),
        ({"vendor": b"MSFT 5.0"}, {2}),
        ({"vendor": b"MSFT 5x0"}, set()),
    ],
)
def test_patterns(said: dict[str, bytes], holds: set[int]) -> None:
    assert set(shown(2, **said)) & {0, 1, 2} == holds


def test_a_failure_is_no_truth_value() -> None:
    # Without option 77 a pattern on it fails, and so does `not` of that. Equality takes nothing for a value.
    assert {4, 5} & set(shown(2)) == {5}
    assert {4, 5} & set(shown(2, user=b"gPXE")) == {4, 5}
    # `and` with a false first part fails as a whole; an invalid pattern only does not fit.
    assert {3, 6, 7, 9} & set(shown(2, name=b"desk-7")) == {3, 7, 9}


def test_a_function_of_the_file() -> None:
    # By values only: 4.4.3-P1 frees the function with the first packet and ends by SIGSEGV at a later one.
    define = "define pair (one, other) { return concat(one, other); }"
    text = NAMED.replace("option space own", f"{define}\noption space own")
    assert told('option e0 = pair(substring(hardware, 1, 2), "x");', text=text) == {0: b"\x52\x54x"}
    assert not told('option e0 = pair(option user-class, "x");', text=text)


NAMED = """
option e0 code 224 = string; option e1 code 225 = string;
option e2 code 226 = string; option e3 code 227 = string;
option space own; option own.name code 1 = text;
subnet 10.48.0.0 netmask 255.255.255.0 {
  range 10.48.0.10 10.48.0.99;
  %s
}
"""


def told(statements: str, *, text: str = NAMED, **more: bytes) -> dict[int, bytes]:
    """What a client of a file with these statements is told in the options that show values."""
    codes = {"fqdn": 81, "vendor_options": Option.VENDOR_SPECIFIC_INFORMATION}
    said: dict[int, bytes] = {codes[key]: octets for key, octets in more.items()}
    packet = Packet(
        op=BOOTREQUEST,
        giaddr=IPv4Address("10.48.0.1"),
        chaddr=mac_bytes(parse_mac(MAC)),
        options={Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)), **said},
    )
    source = DhcpdLeases(parse_dhcpd(text % statements, "named.conf", None))
    address = IPv4Address("10.48.0.2")
    found = source(Arrival(packet=packet, at=0.0, port=67, address=address, source=(packet.giaddr, 67)))
    assert isinstance(found, Lease)
    return {code - 224: octets for code, octets in found.options.items() if 224 <= code < 228}


@pytest.mark.parametrize(
    ("sent", "update"),
    [
        (b"\1\0\0pc.site.example", b"\1"),
        (b"\4\0\0\2pc\4site\7example\0", b"\0"),
        (b"\0\0\0pc.site.example\0", b"\0"),
    ],
    ids=["text", "encoded", "ended with a NUL"],
)
def test_a_client_s_own_name_is_taken_apart(sent: bytes, update: bytes) -> None:
    # fqdn_universe_decode (common/options.c).
    statements = (
        "option e0 = option fqdn.hostname; option e1 = option fqdn.domainname;"
        " option e2 = option fqdn.fqdn; option e3 = option fqdn.server-update;"
    )
    assert told(statements, fqdn=sent) == {0: b"pc", 1: b"site.example", 2: b"pc.site.example", 3: update}


@pytest.mark.parametrize("sent", [b"\0", b"\4\0\0"], ids=["too short", "no name"])
def test_of_no_name_there_are_no_parts(sent: bytes) -> None:
    assert not told("option e0 = option fqdn.hostname; option e2 = option fqdn.fqdn;", fqdn=sent)


@pytest.mark.parametrize(
    ("octets", "found"),
    [(b"\1\4site", {0: b"site"}), (b"\0\1\4site", {0: b"site"}), (b"\2\1x\1\4si", {}), (b"\1", {})],
    ids=["one", "after a pad", "cut off", "no length"],
)
def test_option_43_is_read_by_a_space_where_a_statement_says_so(
    octets: bytes, found: dict[int, bytes]
) -> None:
    statements = "vendor-option-space own; parse-vendor-option; option e0 = option own.name;"
    assert told(statements, vendor_options=octets) == found
    assert not told("option e0 = option own.name;", vendor_options=octets)


def test_a_variable_that_is_taken_back_is_not_defined() -> None:
    # Conditions are asked in their turn; an option is computed when the reply is put together.
    statements = (
        'set who = "x"; if defined(who) { option e0 = who; option e3 "set"; }'
        ' unset who; if defined(who) { option e1 "never"; } else { option e2 "gone"; }'
    )
    assert told(statements) == {2: b"gone", 3: b"set"}


@pytest.mark.parametrize(
    ("statements", "octets"),
    [
        # Sent by 4.4.3-P1 to a client that asks for nothing.
        ("option fqdn.no-client-update on; option fqdn.rcode2 255;", b"\2\0\xff"),
        # fqdn_option_space_encapsulate (common/options.c).
        ('option fqdn.server-update on; option fqdn.rcode1 7; option fqdn.fqdn "pc.x";', b"\1\7\0pc.x"),
        ('option fqdn.encoded on; option fqdn.fqdn "pc.example.";', b"\4\0\0\2pc\7example\0"),
        ('option fqdn.encoded on; option fqdn.fqdn "pc";', b"\4\0\0\2pc"),
    ],
)
def test_option_81_of_the_suboptions_of_a_file(statements: str, octets: bytes) -> None:
    packet = Packet(
        op=BOOTREQUEST,
        giaddr=IPv4Address("10.48.0.1"),
        chaddr=mac_bytes(parse_mac(MAC)),
        options={Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,))},
    )
    source = DhcpdLeases(parse_dhcpd(NAMED % statements, "named.conf", None))
    found = source(
        Arrival(packet=packet, at=0.0, port=67, address=IPv4Address("10.48.0.2"), source=(packet.giaddr, 67))
    )
    assert isinstance(found, Lease)
    assert found.options[81] == octets


PATTERNS = {
    '"" ~= "x"': None,
    'substring("abc", 9, 1) ~= "x"': None,
    'substring("abc7", 4, 1) ~~ "x"': None,
    'suffix("", 2) ~= "^$"': None,
    'pick-first-value("", "x") ~= "x"': None,
    'substring(lcase(""), 0, 0) ~= "^$"': None,
    'substring("abc7", 0, 0) ~= "x"': False,
    'substring("abc7", 0, 0) ~= "^$"': True,
    'suffix("abc7", 0) ~= "^$"': True,
    'lcase("") ~= "^$"': True,
    'concat("", "") ~~ "^$"': True,
    'binary-to-ascii(16, 8, ":", "") ~= "^$"': True,
    '"a" ~= ""': False,
    'option host-name ~= "7$"': True,
}


@pytest.mark.parametrize("text", PATTERNS)
def test_a_pattern_in_a_text_without_octets(text: str) -> None:
    """Where a text has no place in memory the comparison fails, and its negation too (4.4.3-P1, packets)."""
    conf = (
        "subnet 10.48.0.0 netmask 255.255.0.0 { range 10.48.1.0 10.48.1.9; }\n"
        f'if {text} {{ option root-path "y"; }} elsif not ({text}) {{ option root-path "n"; }}\n'
    )
    said: dict[int, bytes] = {53: bytes((MessageType.DISCOVER,)), Option.HOST_NAME: b"desk-7"}
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(parse_mac(MAC)), options=said)
    arrival = Arrival(
        packet=packet, at=0.0, port=67, address=IPv4Address("10.48.0.2"), source=(IPv4Address(0), 68)
    )
    found = DhcpdLeases(parse_dhcpd(conf, "d.conf", None))(arrival)
    assert isinstance(found, Lease)
    assert {b"y": True, b"n": False, None: None}[found.options.get(Option.ROOT_PATH)] is PATTERNS[text]
