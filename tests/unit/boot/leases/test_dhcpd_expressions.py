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

FILE = Path(__file__).with_name("dhcpd-expressions.conf")
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
