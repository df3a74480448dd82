"""A dhcpd.conf executed for one client: which scopes set what, and who gets nothing."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.importers.dhcpd.answers import DhcpdAnswers
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes, parse_mac

MAC = "52:54:00:12:34:56"
SUBNET = "subnet 10.0.0.0 netmask 255.255.255.0 {{ range 10.0.0.100 10.0.0.200; {} }}\n"
ARCH = "option arch code 93 = unsigned integer 16;\n"


def lease(
    text: str, *, mac: str = MAC, options: dict[int, bytes] | None = None, giaddr: str = "0.0.0.0"
) -> Lease | NoLease:
    sent = {53: b"\1", 60: b"PXEClient:Arch:00007:UNDI:003000", 93: b"\0\7", **(options or {})}
    packet = Packet(op=1, chaddr=mac_bytes(parse_mac(mac)), options=sent, giaddr=IPv4Address(giaddr))
    arrival = Arrival(
        packet=packet, at=0.0, port=67, address=IPv4Address("10.0.0.2"), source=(UNSPECIFIED, 68)
    )
    return DhcpdAnswers(parse_dhcpd(text, "dhcpd.conf"))(arrival)


def found(text: str, **more: str) -> Lease:
    result = lease(text, **more)  # type: ignore[arg-type]
    assert isinstance(result, Lease), result
    return result


def test_inner_scopes_replace_outer_ones() -> None:
    text = 'filename "global"; next-server 10.0.0.9;\n' + SUBNET.format('filename "subnet";')
    given = found(text)
    assert (given.file, given.siaddr) == (b"subnet", IPv4Address("10.0.0.9"))
    host = f'host h {{ hardware ethernet {MAC}; filename "host"; }}\n'
    assert found(text + host).file == b"host"


def test_a_group_around_a_host_counts_for_it() -> None:
    group = f'group {{ filename "group"; host h {{ hardware ethernet {MAC}; }} }}\n'
    assert found(SUBNET.format("") + group).file == b"group"
    assert found(SUBNET.format("") + group, mac="52:54:00:00:00:01").file == b""


def test_a_fixed_address_is_reserved() -> None:
    host = f"host h {{ hardware ethernet {MAC}; fixed-address 10.0.0.7; }}\n"
    given = found(SUBNET.format("") + host)
    assert (given.yiaddr, given.reserved) == (IPv4Address("10.0.0.7"), True)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("option arch = 00:07", True),
        ("option arch = 00:00", False),
        ("exists user-class", False),
        ("not exists user-class", True),
        ('substring (option vendor-class-identifier, 0, 9) = "PXEClient"', True),
        ('option vendor-class-identifier ~= "Arch:0000[67]"', True),
        ('option vendor-class-identifier ~~ "pxeclient"', True),
        ('option arch = 00:07 and suffix (option vendor-class-identifier, 3) = "000"', True),
        ("option arch = 00:00 or hardware = 01:52:54:00:12:34:56", True),
        ("known", False),
        ('binary-to-ascii (16, 8, ":", substring (hardware, 1, 3)) = "52:54:0"', True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    text = ARCH + SUBNET.format(f'if {condition} {{ filename "yes"; }} else {{ filename "no"; }}')
    assert found(text).file == (b"yes" if holds else b"no")


def test_classes_by_condition_and_by_subclass() -> None:
    by_condition = ARCH + 'class "efi" { match if option arch = 00:07; filename "efi"; }\n'
    assert found(by_condition + SUBNET.format("")).file == b"efi"
    by_value = 'class "macs" { match hardware; filename "listed"; }\n'
    listed = f'subclass "macs" 1:{MAC} {{ option root-path "r"; }}\n'
    given = found(by_value + listed + SUBNET.format(""))
    assert (given.file, given.options[17]) == (b"listed", b"r")
    assert found(by_value + listed + SUBNET.format(""), mac="52:54:00:00:00:01").file == b""


def test_pools_by_permission() -> None:
    pools = (
        "subnet 10.0.0.0 netmask 255.255.255.0 {\n"
        "pool { allow known-clients; range 10.0.0.10 10.0.0.20; }\n"
        'pool { deny known-clients; range 10.0.0.100 10.0.0.200; filename "guest"; }\n}\n'
    )
    host = f"host h {{ hardware ethernet {MAC}; }}\n"
    assert found(pools + host).yiaddr == IPv4Address("10.0.0.10")
    assert found(pools).file == b"guest"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ignore booting;", "booting"),
        ("deny unknown-clients;", "unknown"),
        ("pool { allow known-clients; range 10.0.0.10 10.0.0.20; }", "no free leases"),
    ],
)
def test_who_gets_nothing(line: str, reason: str) -> None:
    inner = f"subnet 10.0.0.0 netmask 255.255.255.0 {{ {line} }}\n"
    if not line.startswith("pool"):
        inner = SUBNET.format(line)
    answer = lease(inner)
    assert isinstance(answer, NoLease)
    assert reason in answer.why


def test_a_relayed_packet_is_of_the_relays_subnet() -> None:
    other = 'subnet 10.1.0.0 netmask 255.255.255.0 { range 10.1.0.10 10.1.0.20; filename "far"; }\n'
    assert found(SUBNET.format("") + other, giaddr="10.1.0.1").file == b"far"
    assert "no subnet" in str(lease(SUBNET.format(""), giaddr="10.1.0.1"))


def test_encapsulated_spaces() -> None:
    text = (
        "option space ipxe;\noption ipxe-encap-opts code 175 = encapsulate ipxe;\n"
        "option ipxe.priority code 1 = signed integer 8;\noption ipxe.priority 1;\n"
    )
    assert found(text + SUBNET.format("")).options[175] == bytes((1, 1, 1))


def test_what_the_model_needs_besides() -> None:
    text = "min-secs 4;\nping-check false;\nalways-broadcast on;\nserver-identifier 10.0.0.9;\n"
    given = found(text + SUBNET.format("default-lease-time 600;"))
    assert (given.min_secs, given.ping, given.always_broadcast, given.lease_time) == (4, False, True, 600)
    assert given.server_id == IPv4Address("10.0.0.9")
