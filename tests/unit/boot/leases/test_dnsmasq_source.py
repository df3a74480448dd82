"""A dnsmasq's own file as a source of leases: what it leases, from which line, and what it tells apart."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.analysis import analyse
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.dnsmasq_source import DnsmasqLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.own_files import own_config
from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.errors import Position
from coexist.inventory import load_inventory
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes, parse_mac

OWN = IPv4Address("10.9.0.2")
HEAD = "dhcp-range=set:lan,10.9.0.20,10.9.0.40,255.255.255.0,1h\n"


def source(lines: str) -> DnsmasqLeases:
    config = read_dnsmasq(lines)
    places = [Position("d.conf", number) for number in range(1, lines.count("\n") + 2)]
    return DnsmasqLeases(file=DnsmasqFile(ranges=Ranges(config=config)), places=places)


def leased(lines: str, mac: str = "02:00:5e:00:00:01", **options: bytes) -> Lease | NoLease:
    sent = {int(name[1:]): value for name, value in options.items()}
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(parse_mac(mac)), options={53: b"\1", **sent})
    return source(lines)(Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(UNSPECIFIED, 68)))


def test_every_value_names_its_line() -> None:
    lease = leased(
        HEAD + "dhcp-option=3,10.9.0.1\ndhcp-option-force=tag:lan,66,a\n"
        "dhcp-host=02:00:5e:00:00:01,10.9.0.77,2h\ndhcp-boot=x.efi,,10.9.0.5"
    )
    assert isinstance(lease, Lease)
    assert (str(lease.yiaddr), lease.lease_time, lease.file, str(lease.siaddr)) == (
        "10.9.0.77",
        7200,
        b"x.efi",
        "10.9.0.5",
    )
    lines = {key: place.line for key, place in lease.origins.items() if isinstance(place, Position)}
    assert lines == {3: 2, 66: 3, "yiaddr": 4, "lease_time": 4, "file": 5, "sname": 5, "siaddr": 5}
    assert lease.forced == {66}
    assert lease.reserved


def test_a_tagged_option_counts_before_a_plain_one_and_the_range_comes_last() -> None:
    lease = leased(
        HEAD + "dhcp-mac=set:own,02:00:5e:*:*:*\ndhcp-option=tag:lan,15,range\ndhcp-option=tag:own,15,own\n"
        "dhcp-option=15,plain"
    )
    assert isinstance(lease, Lease)
    assert lease.options[15] == b"own"


def test_who_is_ignored_by_which_line() -> None:
    refusal = leased(HEAD + "dhcp-vendorclass=set:ms,MSFT\ndhcp-ignore=tag:ms", o60=b"MSFT 5.0")
    assert isinstance(refusal, NoLease)
    assert refusal.origin == Position("d.conf", 3)
    refusal = leased(HEAD + "dhcp-host=02:00:5e:00:00:01,ignore")
    assert isinstance(refusal, NoLease)
    assert refusal.origin == Position("d.conf", 2)


NAMED = "dhcp-host=desk,set:desk\ndhcp-option=tag:desk,17,/by/name\n"
OTHERNET = "dhcp-host=02:00:5e:00:00:01,10.8.0.9\n"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", True),
        ("dhcp-host=02:00:5e:00:00:01,tag:nobody\n", True),
        # It counts once the tags of the client are known, and ends the search (find_config).
        (OTHERNET + "dhcp-host=02:00:5e:00:00:01,tag:known-othernet\n", False),
        (OTHERNET + "dhcp-host=02:00:5e:*:*:*,tag:known-othernet\n", False),
    ],
)
def test_a_line_for_a_name_counts_where_none_of_the_mac_does(more: str, told: bool) -> None:
    lease = leased(HEAD + NAMED + more, o12=b"desk")
    assert isinstance(lease, Lease)
    assert (lease.options.get(17) == b"/by/name") is told


@pytest.mark.parametrize(
    ("line", "told"),
    [("dhcp-host=desk,1h", None), ("dhcp-host=02:00:5e:00:00:01,desk,1h", b"desk")],
)
def test_an_offer_tells_no_name_by_which_its_line_was_found(line: str, told: bytes | None) -> None:
    options: dict[int, bytes] = {53: b"\1", 12: b"desk"}
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(parse_mac("02:00:5e:00:00:01")), options=options)
    model = DnsmasqModel(name="own", answers=DnsmasqAnswers(file=source(HEAD + "no-ping\n" + line).file))
    arrival = Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(UNSPECIFIED, 68))
    (reply,) = model.receive(model.initial(), arrival).replies
    assert reply.packet.options.get(12) == told


def test_a_shared_subnet_is_its_relay_agents_own_too() -> None:
    """The agent is its router, whatever the server's own clients were told of it."""
    lines = "dhcp-range=10.8.0.20,10.8.0.40,255.255.255.0\nshared-network=10.9.0.2,10.8.0.9\n"
    own = leased(HEAD + lines)
    assert isinstance(own, Lease)
    agent = IPv4Address("10.8.0.1")
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(1), giaddr=agent, options={53: b"\1"})
    arrival = Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(agent, 67))
    relayed = source(HEAD + lines)(arrival)
    assert isinstance(relayed, Lease)
    assert (own.options[3], relayed.options[3]) == (OWN.packed, agent.packed)


def test_what_it_tells_apart() -> None:
    found = source(
        HEAD + "dhcp-host=02:00:5e:00:00:*,set:a\ndhcp-host=02:00:5e:00:00:01,10.9.0.7\n"
        "dhcp-match=set:i,175,39\ndhcp-userclass=set:i,iPXE"
    ).distinctions
    sizes = [len(macs) for macs, _ in found.clients]
    assert sizes == [256, 1]
    assert found.reserved is not None
    assert parse_mac("02:00:5e:00:00:01") in found.reserved
    assert [(test.option, test.octets) for test in found.tests] == [(175, b"\x27"), (77, b"iPXE")]


def test_what_only_the_daemon_knows_is_open() -> None:
    opens = source(HEAD + "read-ethers\ndhcp-boot=x.0,,tftp.example").opens
    assert [place.line for place in (found.origin for found in opens) if isinstance(place, Position)] == [
        2,
        3,
    ]


def test_the_only_network_card_of_a_file_is_a_tag() -> None:
    lines = "interface=lo,br-lan\ndhcp-range=tag:br-lan,10.9.0.20,10.9.0.40,255.255.255.0,1h\n"
    lease = leased(lines + "dhcp-option=tag:br-lan,15,lan\ndhcp-option=tag:eth0,42,10.9.0.3")
    assert isinstance(lease, Lease)
    assert (lease.options.get(15), 42 in lease.options) == (b"lan", False)


def test_of_several_network_cards_a_packet_came_by_the_one_that_its_range_asks_for() -> None:
    ranges = "dhcp-range=tag:lan1,10.9.0.20,10.9.0.40,255.255.255.0\n"
    ranges += "dhcp-range=tag:lan2,10.8.0.2,10.8.0.9,255.255.255.0\n"
    lease = leased(
        f"interface=lan2\ninterface=lan1\n{ranges}dhcp-option=tag:lan1,15,one\ndhcp-option=tag:lan2,15,two"
    )
    assert isinstance(lease, Lease)
    assert lease.options[15] == b"one"


def test_a_pattern_with_several_stars_inside_is_open_at_its_line() -> None:
    found = source(HEAD + "dhcp-mac=set:a,52:*:00:*:*:*\ndhcp-host=*:*:*:*:*:09,set:nine")
    assert [place.line for place in (o.origin for o in found.opens) if isinstance(place, Position)] == [3]
    assert 256 << 24 in [len(macs) for macs, _ in found.distinctions.clients]


SITE = """
site: example
vlans:
  lan: {id: 10, subnet: 10.44.0.0/22, gateway: 10.44.0.1}
  far: {id: 11, subnet: FAR, gateway: GATEWAY, relay_to: [own]}
servers:
  own: {software: dnsmasq, address: 10.44.0.2, vlan: lan, config: own.conf, roles: [dhcp, tftp]}
architectures: {bios: ipxe}
intent:
  - {clients: everyone, boot_from: own}
"""


def site(folder: Path, lines: str, far: str, gateway: str) -> Path:
    (folder / "own.conf").write_text(lines)
    (folder / "site.yaml").write_text(SITE.replace("FAR", far).replace("GATEWAY", gateway))
    return folder


def mask_and_router(folder: Path, giaddr: str) -> tuple[IPv4Address, IPv4Address]:
    model = model_for(load_inventory(folder), "own")
    packet = Packet(
        op=BOOTREQUEST, giaddr=IPv4Address(giaddr), chaddr=mac_bytes(0x02005E000001), options={53: b"\1"}
    )
    arrival = Arrival(packet=packet, at=0.0, port=67, address=IPv4Address("10.44.0.2"), source=(OWN, 68))
    offer = model.receive(model.initial(), arrival).replies[0].packet
    return IPv4Address(offer.options[1]), IPv4Address(offer.options[3])


def test_a_range_without_a_netmask_has_that_of_its_card_or_behind_a_relay_of_its_class(
    tmp_path: Path,
) -> None:
    lines = "no-ping\ndhcp-range=10.44.0.10,10.44.3.200\ndhcp-range=172.16.1.10,172.16.5.200\ndhcp-boot=x.0\n"
    inventory = load_inventory(site(tmp_path, lines, "172.16.0.0/20", "172.16.0.1"))
    own = own_config(inventory, "own")
    assert own is not None
    assert [str(subnet.network) for subnet in own.subnets] == ["10.44.0.0/22", "172.16.0.0/20"]
    assert mask_and_router(tmp_path, "0.0.0.0") == (IPv4Address("255.255.252.0"), IPv4Address("10.44.0.2"))
    assert mask_and_router(tmp_path, "172.16.0.1") == (IPv4Address("255.255.0.0"), IPv4Address("172.16.0.1"))
    assert own.leases.opens == ()
    found = {finding.code.code for finding in analyse(inventory).findings}
    # Its clients have a router: the relay agent, which no line names.
    assert not found & {"CX118", "CX212", "CX214"}


def test_a_class_that_holds_the_servers_own_card_is_open_at_the_range(tmp_path: Path) -> None:
    lines = "no-ping\ndhcp-range=10.44.0.10,10.44.0.99\ndhcp-range=10.80.1.10,10.80.1.99\n"
    inventory = load_inventory(site(tmp_path, lines, "10.80.1.0/24", "10.80.1.1"))
    own = own_config(inventory, "own")
    assert own is not None
    assert [condition.origin.line for condition in own.leases.opens] == [3]  # type: ignore[union-attr]
    assert mask_and_router(tmp_path, "10.80.1.1") == (IPv4Address("255.0.0.0"), IPv4Address("10.44.0.2"))
    masked = lines.replace("10.80.1.99", "10.80.1.99,255.255.255.0")
    site(tmp_path, masked, "10.80.1.0/24", "10.80.1.1")
    corrected = own_config(load_inventory(tmp_path), "own")
    assert corrected is not None
    assert corrected.leases.opens == ()


def test_a_subnet_that_moves_is_read_again(tmp_path: Path) -> None:
    lines = "no-ping\ndhcp-range=10.44.0.10,10.44.0.99\n"
    inventory = load_inventory(site(tmp_path, lines, "10.80.1.0/24", "10.80.1.1"))
    own = own_config(inventory, "own")
    assert own is not None
    assert own.subnets[0].network == IPv4Network("10.44.0.0/22")
    moved = inventory.site.vlans["lan"].model_copy(update={"subnet": (IPv4Network("10.44.0.0/25"),)})
    vlans = {**inventory.site.vlans, "lan": moved}
    changed = replace(inventory, site=inventory.site.model_copy(update={"vlans": vlans}))
    again = own_config(changed, "own")
    assert again is not None
    assert again.subnets[0].network == IPv4Network("10.44.0.0/25")


@pytest.mark.parametrize(
    ("line", "opens"),
    [
        ("tftp-secure", [4]),
        ("tftp-unique-root=mac", [4]),
        ("tftp-root=/srv/other,eth1", [4]),
        ("tftp-root=/srv/other", []),
    ],
)
def test_what_decides_which_file_is_sent_is_open_where_it_serves_files(line: str, opens: list[int]) -> None:
    lines = f"{HEAD}enable-tftp\ntftp-root=/srv/tftp\n{line}"
    found = [o.origin for o in source(lines).opens]
    assert [place.line for place in found if isinstance(place, Position)] == opens
    assert source(lines.replace("enable-tftp", "port=0")).opens == ()
