"""Kea's subnets that share a wire refuse clients each for itself: what Kea 2.2.0 answered to such packets."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.inventory import inventory_from_tree
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option

SERVER, AGENT = IPv4Address("10.40.0.5"), IPv4Address("10.60.0.1")
PHONE, LISTED_PHONE = "80:5e:c0:00:00:01", "80:5e:c0:00:00:02"
LISTED, PC = "3c:52:82:00:00:01", "3c:52:82:00:00:02"
BY_VENDOR = [{"clients": "phones", "ignore": True}]
BY_LIST = [{"clients": "listed", "ignore": True}]
ALL = [{"ignore": True}]
DISCOVER, REQUEST, INFORM = MessageType.DISCOVER, MessageType.REQUEST, MessageType.INFORM


def said(
    kind: MessageType,
    mac: str,
    first: list[Any],
    second: list[Any] | None,
    *,
    relayed: bool,
    product: str = "kea",
) -> tuple[str, str | None] | None:
    """The kind of the answer and the domain name in it. Each wire has a scope with these rules, and with
    ``second`` another one; the server's own address and the agent's are in the subnet of the first."""

    def scope(vlan: str, net: int, rules: list[Any]) -> dict[str, Any]:
        return {
            "server": "lease",
            "vlan": vlan,
            "subnet": f"10.{net}.0.0/16",
            "pools": [f"10.{net}.1.0-10.{net}.1.255"],
            "options": {15: f"n{net}.example"},
            "rules": rules,
        }

    nets = {"near": (40, 50), "far": (60, 70)}
    scopes = {vlan: scope(vlan, pair[0], first) for vlan, pair in nets.items()}
    if second is not None:
        scopes |= {f"{vlan}-2": scope(vlan, pair[1], second) for vlan, pair in nets.items()}
    inventory = inventory_from_tree(
        {
            "site": "guards",
            "vlans": {
                "near": {"id": 4, "subnet": ["10.40.0.0/16", "10.50.0.0/16"], "gateway": "10.40.0.1"},
                "far": {
                    "id": 6,
                    "subnet": ["10.60.0.0/16", "10.70.0.0/16"],
                    "gateway": str(AGENT),
                    "relay_to": ["lease"],
                },
            },
            "servers": {
                "lease": {"software": product, "address": str(SERVER), "vlan": "near", "roles": ["dhcp"]}
            },
            "scopes": scopes,
            "clients": [{"mac": LISTED, "name": "pc-1"}],
            "groups": {
                "phones": {"oui": "80:5e:c0"},
                "listed": {"macs": [LISTED]},
                "listed-phones": {"macs": [LISTED_PHONE]},
            },
        }
    )
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.PARAMETER_REQUEST_LIST: bytes((1, 3, 15)),
    }
    if kind is REQUEST:
        options[Option.SERVER_IDENTIFIER] = SERVER.packed
    own = AGENT if relayed else IPv4Address("10.40.9.9")
    packet = Packet(
        op=BOOTREQUEST,
        xid=1,
        ciaddr=own if kind is INFORM else UNSPECIFIED,
        giaddr=AGENT if relayed else UNSPECIFIED,
        chaddr=mac_bytes(parse_mac(mac)),
        options=options,
    )
    source = (AGENT, DHCP_PORT) if relayed else (packet.ciaddr, CLIENT_PORT)
    model = model_for(inventory, "lease")
    arrival = Arrival(packet=packet, at=0.0, port=DHCP_PORT, address=SERVER, source=source)
    replies = model.receive(model.initial(), arrival).replies
    if not replies:
        return None
    domain = replies[0].packet.options.get(Option.DOMAIN_NAME)
    return str(replies[0].packet.message_type), None if domain is None else domain.decode()


def acked(domain: str | None) -> tuple[str, str | None]:
    return str(MessageType.ACK), domain


@pytest.mark.parametrize("kind", [DISCOVER, INFORM])
def test_behind_a_relay_agent_another_subnet_of_the_wire_serves_whom_the_first_refuses(
    kind: MessageType,
) -> None:
    found = said(kind, PHONE, BY_VENDOR, [], relayed=True)
    assert found is not None
    assert found[1] == "n70.example"


@pytest.mark.parametrize("rules", [BY_VENDOR, BY_LIST, ALL])
def test_whom_all_subnets_of_a_wire_refuse_is_told_nothing_but_that_it_was_heard(rules: list[Any]) -> None:
    mac = LISTED if rules is BY_LIST else PHONE
    assert said(INFORM, mac, rules, rules, relayed=True) == acked(None)
    assert said(DISCOVER, mac, rules, rules, relayed=True) is None
    assert said(REQUEST, mac, rules, rules, relayed=True) == (str(MessageType.NAK), None)


@pytest.mark.parametrize("kind", [DISCOVER, INFORM])
def test_on_the_servers_own_wire_only_the_subnet_of_its_address_lets_in(kind: MessageType) -> None:
    assert said(kind, PHONE, BY_VENDOR, [], relayed=False) is None
    assert said(kind, PC, BY_VENDOR, [], relayed=False) is not None
    assert said(kind, PHONE, [], BY_VENDOR, relayed=False) is not None


def test_who_is_refused_by_a_list_is_let_in_before_the_list_is_looked_up() -> None:
    assert said(INFORM, LISTED, BY_LIST, [], relayed=False) == acked(None)
    assert said(DISCOVER, LISTED, BY_LIST, [], relayed=False) is None


def test_who_is_listed_is_in_no_range_before_its_list_is_looked_up() -> None:
    """The range of the phones leaves out a phone that another rule has a list for."""
    rules = [{"clients": "listed-phones", "options": {6: "10.40.0.53"}}]
    assert said(INFORM, LISTED_PHONE, BY_VENDOR, rules, relayed=False) == acked(None)
    assert said(INFORM, PHONE, BY_VENDOR, rules, relayed=False) is None


def test_a_subnet_that_refuses_who_is_on_no_list_lets_nobody_in() -> None:
    others = [{"clients": "unknown", "ignore": True}]
    assert said(DISCOVER, LISTED, others, [], relayed=False) is None
    assert said(DISCOVER, LISTED, others, [], relayed=True) is not None


def test_a_scope_that_has_its_wire_alone_drops_packets() -> None:
    assert said(INFORM, PHONE, BY_VENDOR, None, relayed=True) is None
    # But what refuses everyone is a guard.
    assert said(INFORM, PHONE, ALL, None, relayed=True) == acked(None)
    # And where it is written before it, no one asks further.
    assert said(INFORM, PHONE, [*ALL, *BY_VENDOR], None, relayed=True) == acked(None)
    assert said(INFORM, PHONE, [*BY_VENDOR, *ALL], None, relayed=True) is None


def test_products_without_guards_are_silent() -> None:
    assert said(INFORM, PHONE, ALL, None, relayed=True, product="dnsmasq") is None
