"""Which free address is leased where several pools of one wire are open to a client."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.boot.servers.declared import plan_leases
from coexist.inventory import inventory_from_tree
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType

OWN = IPv4Address("10.60.0.5")
STRANGER, RESERVED = "02:00:00:00:00:99", "02:00:00:00:00:01"


def arrival(mac: str = STRANGER, options: dict[int, bytes] | None = None) -> Arrival:
    said = {53: bytes((MessageType.DISCOVER,)), **(options or {})}
    packet = Packet(op=BOOTREQUEST, xid=1, chaddr=mac_bytes(parse_mac(mac)), options=said)
    return Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(IPv4Address(0), 68))


def leased(source: Any, mac: str = STRANGER, options: dict[int, bytes] | None = None) -> Lease:
    found = source(arrival(mac, options))
    assert isinstance(found, Lease), found
    return found


def plan(software: str, first: dict[str, Any], second: dict[str, Any]) -> Any:
    """Two scopes on one VLAN; the server stands in the subnet of the first."""
    return plan_leases(
        inventory_from_tree(
            {
                "site": "wire",
                "vlans": {"lab": {"id": 1, "subnet": ["10.60.0.0/16", "10.61.0.0/16"]}},
                "servers": {
                    "dhcp": {"software": software, "address": str(OWN), "vlan": "lab", "roles": ["dhcp"]}
                },
                "scopes": {
                    "first": {
                        "server": "dhcp",
                        "vlan": "lab",
                        "subnet": "10.60.0.0/16",
                        "pools": ["10.60.1.0-10.60.1.255"],
                        **first,
                    },
                    "second": {
                        "server": "dhcp",
                        "vlan": "lab",
                        "subnet": "10.61.0.0/16",
                        "pools": ["10.61.1.0-10.61.1.255"],
                        **second,
                    },
                },
                "groups": {"printers": {"oui": "3c:52:82"}},
                "clients": [{"mac": RESERVED, "name": "one", "address": "10.61.9.9"}],
            }
        ),
        "dhcp",
    )


@pytest.mark.parametrize("software", ["isc-dhcpd 4.4", "kea 2.2", "dnsmasq 2.90"])
def test_an_own_address_counts_in_every_subnet_of_the_wire(software: str) -> None:
    found = leased(plan(software, {}, {"options": {15: "second.example"}}), RESERVED)
    assert found.yiaddr == IPv4Address("10.61.9.9")
    assert found.options[15] == b"second.example"


def test_dhcpd_takes_pools_for_the_same_clients_for_one() -> None:
    # 10.60.1.0 stands at 99428 of 100003 in its table, 10.61.1.0 at 64961.
    assert leased(plan("isc-dhcpd 4.4", {}, {})).yiaddr == IPv4Address("10.61.1.0")
    some = {"pools": [{"range": "10.61.1.0-10.61.1.255", "deny": "printers"}]}
    assert leased(plan("isc-dhcpd 4.4", {}, some)).yiaddr == IPv4Address("10.60.1.0")
    assert leased(plan("kea 2.2", {}, {})).yiaddr == IPv4Address("10.60.1.0")


def test_a_pool_of_others_between_them_in_the_table_makes_the_later_one_the_first() -> None:
    # 10.61.3.0 stands at 65473, between the two places of the test above.
    others = {"range": "10.61.3.0-10.61.3.9", "allow": "printers"}
    between = {"pools": ["10.61.1.0-10.61.1.255", others]}
    assert leased(plan("isc-dhcpd 4.4", {}, between)).yiaddr == IPv4Address("10.60.1.0")
    outside = {"pools": ["10.61.1.0-10.61.1.255", {**others, "range": "10.61.200.0-10.61.200.9"}]}
    assert leased(plan("isc-dhcpd 4.4", {}, outside)).yiaddr == IPv4Address("10.61.1.0")


REFUSING = {"rules": [{"vendor_class": "lamp", "ignore": True}]}


def test_a_subnet_that_refuses_a_client_leaves_it_to_the_next() -> None:
    source = plan("dnsmasq 2.90", REFUSING, {})
    assert leased(source, options={60: b"lamp"}).yiaddr == IPv4Address("10.61.1.0")
    assert leased(source).yiaddr == IPv4Address("10.60.1.0")


def test_kea_leaves_a_client_to_no_other_subnet_than_that_of_its_own_address() -> None:
    source = plan("kea 2.2", REFUSING, {})
    refused = source(arrival(options={60: b"lamp"}))
    assert isinstance(refused, NoLease)
    assert refused.origin == ("scopes", "first", "rules", 0)
    assert leased(source).yiaddr == IPv4Address("10.60.1.0")
    # What only another subnet refuses is leased from its own.
    source = plan("kea 2.2", {}, REFUSING)
    assert leased(source, options={60: b"lamp"}).yiaddr == IPv4Address("10.60.1.0")


def test_who_asks_for_an_address_of_another_subnet_gets_it() -> None:
    wanted = IPv4Address("10.61.1.7")
    source = plan("kea 2.2", {}, {"filename": "second.0"})
    found = leased(source, options={50: wanted.packed})
    assert (found.yiaddr, found.file) == (wanted, b"second.0")
    taken = leased(source, options={50: IPv4Address("10.61.9.9").packed})
    assert taken.yiaddr == IPv4Address("10.60.1.0")


WIRE = """
class "lamps" {{ match if option host-name = "lamp"; }}
shared-network both {{
  subnet 10.60.0.0 netmask 255.255.0.0 {{ {} }}
  subnet 10.61.0.0 netmask 255.255.0.0 {{ {} }}
}}
"""


def test_from_which_pool_is_open_where_they_boot_differently() -> None:
    pools = (
        'pool { range 10.60.1.0 10.60.1.9; filename "a"; }',
        'pool { range 10.61.1.0 10.61.1.9; filename "b"; }',
    )
    source = DhcpdLeases(parse_dhcpd(WIRE.format(*pools), "dhcpd.conf"))
    (condition,) = source.opens
    assert getattr(condition.origin, "line", None) == 4
    assert leased(source).file == b"a"
    assert leased(source.closed({condition: True})).file == b"b"
    assert not source.closed({condition: True}).opens


@pytest.mark.parametrize(
    "second",
    [
        'pool { range 10.61.1.0 10.61.1.9; filename "a"; }',
        'pool { range 10.61.1.0 10.61.1.9; filename "b"; allow members of "lamps"; }',
    ],
)
def test_nothing_is_open_where_they_boot_alike_or_are_for_others(second: str) -> None:
    first = 'pool { range 10.60.1.0 10.60.1.9; filename "a"; }'
    assert not DhcpdLeases(parse_dhcpd(WIRE.format(first, second), "dhcpd.conf")).opens


def test_a_rendered_dhcpd_sends_times_that_go_with_the_lease() -> None:
    source = plan("isc-dhcpd 4.4", {"lease_time": 600, "options": {58: 300, 59: 700}}, {"pools": []})
    assert {58, 59} & set(leased(source).options) == {58}
    inform = arrival()
    informed = source(
        replace(
            inform,
            packet=replace(inform.packet, ciaddr=OWN, options={53: bytes((MessageType.INFORM,))}),
        )
    )
    assert isinstance(informed, Lease)
    assert not {51, 58, 59} & set(informed.options)


def test_a_rendered_dhcpd_ends_texts_as_the_client_ends_its_name() -> None:
    source = plan("isc-dhcpd 4.4", {"options": {15: "x.example", 128: "x", 60: "PXEClient"}}, {"pools": []})
    assert leased(source, options={12: b"me"}).options[15] == b"x.example"
    found = leased(source, options={12: b"me\0"}).options
    assert (found[15], found[128], found[60]) == (b"x.example\0", b"x", b"PXEClient")
