"""Failover as it is written: read back, each server answers the clients that the plan says."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease, LeaseSource
from coexist.boot.responder import Arrival
from coexist.boot.servers.declared import plan_leases
from coexist.inventory import Inventory, inventory_from_tree
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.kea.json_nodes import read_json
from coexist.render import render_site
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType

RESERVED = 0x52_54_00_00_00_FF


def site(software: str, failover: dict[str, Any], **more: Any) -> Inventory:
    pool = {"range": "10.10.1.0-10.10.1.255", **more}
    return inventory_from_tree(
        {
            "site": "two",
            "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16"}},
            "servers": {
                "one": {"software": software, "address": "10.10.0.5", "vlan": "office"},
                "two": {"software": software, "address": "10.10.0.6", "vlan": "office"},
            },
            "scopes": {
                "office": {
                    "server": ["one", "two"],
                    "vlan": "office",
                    "pools": [pool],
                    "failover": failover,
                }
            },
            "groups": {"lab": {"oui": "52:54:00"}},
            "clients": [{"mac": "52:54:00:00:00:ff", "name": "own", "address": "10.10.2.1"}],
        }
    )


def file_of(inventory: Inventory, server: str) -> tuple[str, str]:
    """The name and the text of a server's configuration."""
    names = ("dhcpd.conf", "kea-dhcp4.conf", "dhcp.ps1")
    file = next(file for file in render_site(inventory).files[server] if file.path in names)
    return file.path, file.content.decode("utf-8-sig")


def read_back(inventory: Inventory, server: str) -> LeaseSource:
    name, text = file_of(inventory, server)

    def none(name: str) -> str:
        raise FileNotFoundError(name)

    if name.startswith("kea"):
        return KeaLeases(config=compile_kea(read_json(text, name, none)))
    partner = "one" if server == "two" else "two"
    _, other = file_of(inventory, partner)
    shares = DhcpdLeases(parse_dhcpd(other, name, none)).outline.peers
    return DhcpdLeases(parse_dhcpd(text, name, none), partners={peer.name: peer for peer in shares})


def left(leases: LeaseSource, mac: int, address: str, secs: int) -> bool:
    packet = Packet(op=1, secs=secs, chaddr=mac_bytes(mac), options={53: bytes((MessageType.DISCOVER,))})
    source = (UNSPECIFIED, 68)
    found = leases(Arrival(packet=packet, at=0.0, port=67, address=IPv4Address(address), source=source))
    assert isinstance(found, Lease)
    return bool(found.left_to)


@pytest.mark.parametrize(
    ("software", "failover", "pool"),
    [
        ("isc-dhcpd 4.4", {}, {}),
        ("isc-dhcpd 4.4", {"percent": 25, "max_seconds": 10, "mclt": 1800}, {"allow": "lab"}),
        ("isc-dhcpd 4.4", {"split": 7, "max_seconds": 0}, {}),
        ("isc-dhcpd 4.4", {"mode": "hot-standby", "port": 847}, {}),
        ("kea 2.2", {}, {"allow": "lab"}),
        ("kea 3.0", {"max_ack_delay": 5}, {}),
        ("kea 2.2", {"mode": "hot-standby"}, {}),
        ("kea 2.2", {"mode": "passive-backup"}, {}),
    ],
)
def test_the_written_files_share_clients_as_the_plan_does(
    software: str, failover: dict[str, Any], pool: dict[str, Any]
) -> None:
    inventory = site(software, failover, **pool)
    for server, address in (("one", "10.10.0.5"), ("two", "10.10.0.6")):
        plan, written = plan_leases(inventory, server), read_back(inventory, server)
        (declared,), (found,) = plan.shares, written.shares
        assert (declared.mine, declared.longest) == (found.mine, found.longest)
        for secs in (0, 3, 4, 11):
            for mac in [*range(0x52_54_00_00_00_00, 0x52_54_00_00_00_40), RESERVED]:
                assert left(plan, mac, address, secs) == left(written, mac, address, secs), (server, secs)


def test_keas_halves_of_a_pool_are_for_the_clients_of_one_server_each() -> None:
    dhcp4 = json.loads(file_of(site("kea 2.2", {}, allow="lab"), "two")[1])["Dhcp4"]
    pools = dhcp4["subnet4"][0]["pools"]
    tests = {entry["name"]: entry.get("test", "") for entry in dhcp4["client-classes"]}
    assert [pool["pool"] for pool in pools] == ["10.10.1.0 - 10.10.1.127", "10.10.1.128 - 10.10.1.255"]
    assert [tests[pool["client-class"]].partition(" and ")[0] for pool in pools] == [
        "member('HA_one')",
        "member('HA_two')",
    ]


@pytest.mark.parametrize(
    ("failover", "words"),
    [
        ({"percent": 25}, "-LoadBalancePercent 25"),
        ({"mode": "hot-standby", "reserve_percent": 10}, "-ServerRole 'Active' -ReservePercent 10"),
    ],
)
def test_windows_is_told_by_the_first_server_alone(failover: dict[str, Any], words: str) -> None:
    inventory = site("windows-dhcp", failover)
    files = {server: file_of(inventory, server)[1] for server in ("one", "two")}
    assert words in files["one"]
    assert "Add-DhcpServerv4Scope" in files["one"]
    assert "Add-DhcpServerv4Scope" not in files["two"]
    assert "Add-DhcpServerv4Failover " not in files["two"]


def test_two_pairs_of_one_dhcpd_need_two_ports() -> None:
    office = {"server": ["one", "two"], "vlan": "office", "pools": ["10.10.1.0-10.10.1.9"], "failover": {}}
    lab: dict[str, Any] = {"server": ["one", "three"], "vlan": "lab", "pools": ["10.11.1.0-10.11.1.9"]}
    tree: dict[str, Any] = {
        "site": "three",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16"},
            "lab": {"id": 11, "subnet": "10.11.0.0/16", "gateway": "10.11.0.1", "relay_to": ["one", "three"]},
        },
        "servers": {
            name: {"software": "isc-dhcpd", "address": f"10.10.0.{number}", "vlan": "office"}
            for number, name in enumerate(("one", "two", "three"), start=5)
        },
    }
    wrong = {**tree, "scopes": {"office": office, "lab": {**lab, "failover": {}}}}
    (finding,) = render_site(inventory_from_tree(wrong)).findings
    assert (finding.code.code, finding.path) == ("CX518", ("scopes", "lab", "failover"))
    right = {**tree, "scopes": {"office": office, "lab": {**lab, "failover": {"port": 847}}}}
    assert not render_site(inventory_from_tree(right)).findings
