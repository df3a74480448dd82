"""A responder known by its declaration alone."""

from __future__ import annotations

from ipaddress import IPv4Address

from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.machine import Machine
from coexist.boot.responder import Arrival, Reply
from coexist.boot.servers.generic import GenericModel
from coexist.wire.bootp import Packet

OWN, RELAY = IPv4Address("10.6.0.9"), IPv4Address("10.7.0.1")
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


def test_who_does_not_heed_giaddr_broadcasts() -> None:
    (reply,) = replies(GenericModel(name="a", default_file="a.efi", heeds_giaddr=False), relayed())
    assert (reply.address, reply.port) == (IPv4Address("255.255.255.255"), 68)
