"""A responder known by its declaration alone."""

from __future__ import annotations

from ipaddress import IPv4Address

from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.machine import Machine
from coexist.boot.responder import Arrival, Reply
from coexist.boot.servers.generic import GenericModel
from coexist.wire.bootp import Packet

OWN, RELAY, CLIENT = IPv4Address("10.6.0.9"), IPv4Address("10.7.0.1"), IPv4Address("10.7.0.50")
DISCOVER = Edk2().begin(Machine(mac=0x525400A1B2C3, architecture=7), 3.0).sends[0].packet


def relayed() -> Arrival:
    packet = Packet(
        op=DISCOVER.op,
        xid=DISCOVER.xid,
        giaddr=RELAY,
        chaddr=DISCOVER.chaddr,
        options=DISCOVER.options,
    )
    return Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(RELAY, 67))


def replies(model: GenericModel, arrival: Arrival) -> tuple[Reply, ...]:
    return model.receive(model.initial(), arrival).replies


def test_a_relayed_packet_is_answered_to_its_agent() -> None:
    (reply,) = replies(GenericModel(name="a", default_file="a.efi"), relayed())
    assert (reply.address, reply.port) == (RELAY, 67)


def discovery(port: int, item: bytes = bytes.fromhex("8005 0000")) -> Arrival:
    options = {**DISCOVER.options, 53: b"\3", 43: bytes((71, len(item))) + item + b"\xff"}
    packet = Packet(op=DISCOVER.op, xid=7, ciaddr=CLIENT, chaddr=DISCOVER.chaddr, options=options)
    return Arrival(packet=packet, at=0.0, port=port, address=OWN, source=(CLIENT, 68))


def test_a_boot_server_acknowledges_the_item_it_is_asked_for() -> None:
    server = GenericModel(
        name="a",
        default_file="a.efi",
        acknowledges_items=True,
        vendor_options=bytes.fromhex("060108ff"),
        answers_67=False,
    )
    for port in (4011, 67):
        (reply,) = replies(server, discovery(port))
        assert (reply.address, reply.port) == (CLIENT, 68)
        assert reply.packet.options[43] == bytes.fromhex("060108 4704 80050000 ff")


def test_who_is_no_boot_server_is_not_found_by_broadcast() -> None:
    assert replies(GenericModel(name="a", default_file="a.efi"), discovery(67)) == ()
    (reply,) = replies(GenericModel(name="a", default_file="a.efi"), discovery(4011))
    assert 43 not in reply.packet.options
