"""What of a full reply ISC dhcpd leaves out; the values are those of dhcpd 4.4.3-P1 on such files."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.responder import Arrival
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option

TEXT = """
filename "boot.0"; server-name "boots";
option padding code 224 = text;
option behind code 250 = text;
option behind "e";
option padding "%s";
option root-path "0123456789012345678901234567890123456789";
option domain-name "0123456789012345678901234567890123456789.example";
subnet 10.80.0.0 netmask 255.255.255.0 {
  range 10.80.0.10 10.80.0.20;
  option routers 10.80.0.1;
  option domain-name-servers 10.80.0.2;
}
"""
OWN = IPv4Address("10.80.0.5")


def codes(padding: int, asks: bytes) -> list[int]:
    """The codes above 200 of an offer."""
    leases = DhcpdLeases(parse_dhcpd(TEXT % ("p" * padding), "dhcpd.conf"))
    model = DhcpdModel(name="dhcp", leases=leases, ping_check=False)
    sent = {int(Option.DHCP_MESSAGE_TYPE): b"\1", int(Option.PARAMETER_REQUEST_LIST): asks}
    packet = Packet(op=1, xid=1, chaddr=b"\2\0\0\0\0\1", options=sent)
    arrival = Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(UNSPECIFIED, 68))
    (reply,) = model.receive(model.initial(), arrival).replies
    return [int(code) for code in reply.packet.options if code > 200]


@pytest.mark.parametrize(
    ("padding", "last", "sent"),
    [
        # Behind the last code that was asked for nothing can follow, so three octets more are free.
        (174, 254, [224, 250]),
        (175, 254, [224]),
        (177, 250, [224, 250]),
        (178, 250, [224]),
    ],
)
def test_room_is_kept_while_more_was_asked_for(padding: int, last: int, sent: list[int]) -> None:
    assert codes(padding, bytes((*range(1, 82), *range(83, last + 1)))) == sent


def test_only_so_many_codes_of_a_list_are_looked_at() -> None:
    text = TEXT.replace('option padding "%s";', "") + (
        "option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, e0, fa);\n"
    )
    leases = DhcpdLeases(parse_dhcpd(text, "dhcpd.conf"))
    model = DhcpdModel(name="dhcp", leases=leases, ping_check=False)
    for count, is_sent in ((250, True), (291, False)):
        sent = {int(Option.DHCP_MESSAGE_TYPE): b"\1", int(Option.PARAMETER_REQUEST_LIST): b"\3" * count}
        packet = Packet(op=1, xid=1, chaddr=b"\2\0\0\0\0\1", options=sent)
        arrival = Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(UNSPECIFIED, 68))
        (reply,) = model.receive(model.initial(), arrival).replies
        assert (250 in reply.packet.options) is is_sent
