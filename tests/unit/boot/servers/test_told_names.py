"""The names that Kea and dnsmasq tell clients of an inventory's scopes: as 2.2.0 and 2.90 were seen to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.boot.servers.dnsmasq_area import Area
from coexist.inventory import inventory_from_tree
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType

OWN = IPv4Address("10.70.0.5")
KNOWN, STRANGER = "02:00:00:00:00:01", "02:00:00:00:00:99"
KEA, DNSMASQ = "kea 2.2", "dnsmasq 2.90"


def told(
    software: str,
    said: dict[int, bytes],
    mac: str = STRANGER,
    kind: MessageType = MessageType.DISCOVER,
    name: str = "kiosk-1",
    **scope: Any,
) -> dict[int, bytes]:
    """The options of the reply to a client that asks for 12, 15, 58 and 59."""
    inventory = inventory_from_tree(
        {
            "site": "names",
            "vlans": {"lab": {"id": 1, "subnet": "10.70.0.0/16"}},
            "servers": {
                "dhcp": {
                    "software": software,
                    "address": str(OWN),
                    "vlan": "lab",
                    "roles": ["dhcp"],
                    "ping_check": False,
                }
            },
            "scopes": {"lab": {"server": "dhcp", "vlan": "lab", "pools": ["10.70.1.0-10.70.1.99"], **scope}},
            "clients": [{"mac": KNOWN, "name": name, "address": "10.70.2.2"}],
        }
    )
    packet = Packet(
        op=BOOTREQUEST,
        xid=1,
        chaddr=mac_bytes(parse_mac(mac)),
        ciaddr=IPv4Address("10.70.1.9") if kind is MessageType.INFORM else IPv4Address(0),
        options={53: bytes((kind,)), 55: b"\x0c\x0f\x3a\x3b", **said},
    )
    arrival = Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(packet.ciaddr, 68))
    model = model_for(inventory, "dhcp")
    (reply,) = model.receive(model.initial(), arrival).replies
    return dict(reply.packet.options)


@pytest.mark.parametrize(
    ("software", "said", "code", "octets"),
    [
        (KEA, {12: b"Desk-8\0"}, 12, b"desk-8"),
        (KEA, {81: b"\1\0\0desk-9.example"}, 81, b"\n\0\0desk-9.example."),
        (KEA, {}, 12, None),
        (DNSMASQ, {12: b"desk-8"}, 12, None),
        (DNSMASQ, {81: b"\1\0\0desk-9.example"}, 81, b"\1\xff\xffdesk-9"),
        (DNSMASQ, {81: b"\1\0\0desk-9.example"}, 12, b"desk-9"),
    ],
)
def test_the_client_s_own_name(
    software: str, said: dict[int, bytes], code: int, octets: bytes | None
) -> None:
    assert told(software, said).get(code) == octets


def test_dnsmasq_tells_it_when_it_acknowledges() -> None:
    assert told(DNSMASQ, {12: b"desk-8\0"}, kind=MessageType.INFORM)[12] == b"desk-8\0"


def test_a_registered_name() -> None:
    names: dict[str, Any] = {"host_names": True}
    assert told(KEA, {}, KNOWN, **names)[12] == b"kiosk-1"
    assert told(KEA, {12: b"other"}, KNOWN, **names)[12] == b"other"
    assert told(KEA, {12: b"other"}, KNOWN, always_send=[12], **names)[12] == b"kiosk-1"
    by_81 = told(KEA, {81: b"\1\0\0x"}, KNOWN, always_send=[12], **names)
    assert by_81[81] == b"\n\0\0kiosk-1."
    assert 12 not in by_81
    assert told(DNSMASQ, {}, KNOWN, **names)[12] == b"kiosk-1"
    assert 12 not in told(DNSMASQ, {12: b"other"}, KNOWN, **names)
    assert told(DNSMASQ, {81: b"\1\0\0other"}, KNOWN, **names)[81] == b"\1\xff\xffkiosk-1"


@pytest.mark.parametrize(
    ("name", "by_kea"),
    [("web.lab.example", b"web.lab.example"), ("web.lab.", b"web.lab"), ("room 5", None), ("web..lab", None)],
)
def test_a_registered_name_of_several_labels_is_told_by_kea(name: str, by_kea: bytes | None) -> None:
    names: dict[str, Any] = {"host_names": True, "name": name}
    assert told(KEA, {}, KNOWN, always_send=[12], **names).get(12) == by_kea
    assert told(DNSMASQ, {}, KNOWN, **names).get(12) is None


def test_dnsmasq_takes_declared_times_that_are_shorter_than_the_lease() -> None:
    found = told(DNSMASQ, {}, lease_time=600, options={58: 100, 59: 700})
    assert (found[58], found[59]) == ((100).to_bytes(4, "big"), (525).to_bytes(4, "big"))


def test_dnsmasq_repeats_option_82_only_where_the_request_leaves_room_for_it() -> None:
    agent = b"\1\6port-7"
    asked = Packet(
        op=BOOTREQUEST, xid=1, chaddr=b"\2\0\0\0\0\1", options={53: b"\1", 55: bytes(range(1, 251))}
    )
    shorter = replace(asked, options={**asked.options, 82: agent})
    longer = replace(asked, options={**asked.options, 60: b"x" * 40, 82: agent})
    larger = replace(longer, options={**longer.options, 57: b"\5\xdc"})
    assert [Area(packet).agent for packet in (shorter, longer, larger)] == [agent, None, agent]


def test_kea_tells_no_name_by_inform() -> None:
    names: dict[str, Any] = {"host_names": True, "always_send": [12]}
    assert 12 not in told(KEA, {12: b"other"}, KNOWN, MessageType.INFORM, **names)
