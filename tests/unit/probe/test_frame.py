from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from coexist.probe.frame import Datagram, cut_apart, decode_frame, encode_frame
from coexist.wire.bootp import MAGIC_COOKIE, Packet, encode

ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
PORTS = st.integers(0, 65535)
DATAGRAMS = st.builds(
    Datagram,
    source=ADDRESSES,
    source_port=PORTS,
    destination=ADDRESSES,
    destination_port=PORTS,
    payload=st.binary(max_size=1400),
)


@given(DATAGRAMS, st.integers(0, 2**48 - 1), st.binary(max_size=20))
def test_a_datagram_survives_its_frame_and_its_padding(datagram, mac, padding):
    assert decode_frame(encode_frame(datagram, from_mac=mac) + padding) == datagram


@given(DATAGRAMS)
def test_the_checksums_are_those_scapy_computes(datagram):
    frame = encode_frame(datagram, from_mac=1)
    read = Ether(frame)
    sums = read[IP].chksum, read[UDP].chksum
    del read[IP].chksum, read[UDP].chksum
    again = Ether(bytes(read))
    assert sums == (again[IP].chksum, again[UDP].chksum)


@given(st.binary(max_size=200))
def test_octets_that_are_no_datagram_are_no_exception(octets):
    decode_frame(octets)
    decode_frame(bytes(12) + b"\x08\x00" + octets)


def test_a_fragment_is_not_taken_for_the_whole():
    frame = bytes(
        Ether() / IP(src="1.2.3.4", dst="5.6.7.8", flags="MF") / UDP(sport=67, dport=68) / Raw(b"x" * 64)
    )
    assert decode_frame(frame) is None


def test_ip_options_are_skipped():
    frame = bytes(
        Ether()
        / IP(src="1.2.3.4", dst="5.6.7.8", options=[b"\x01" * 4])
        / UDP(sport=67, dport=68)
        / Raw(b"hello")
    )
    datagram = decode_frame(frame)
    assert datagram is not None
    assert datagram.payload == b"hello"


MESSAGES = st.builds(
    Packet,
    op=st.just(2),
    xid=st.integers(0, 2**32 - 1),
    options=st.just({53: b"\x02", 54: b"\x0a\x0a\0\x06", 60: b"PXEClient"}),
)


@given(DATAGRAMS, st.lists(MESSAGES, min_size=1, max_size=8), st.integers(0, 3))
def test_messages_that_were_not_cut_apart_yet_are_told_apart(datagram, messages, padding):
    each = [encode(message) + bytes(padding) for message in messages]
    seen = replace(datagram, payload=b"".join(each))
    assert list(cut_apart(seen)) == [replace(datagram, payload=octets) for octets in each]


@given(DATAGRAMS, st.lists(st.one_of(st.just(MAGIC_COOKIE), st.binary(max_size=300)), max_size=5))
def test_other_datagrams_stay_as_they_are(datagram, pieces):
    for payload in (datagram.payload, b"\x02" + b"".join(pieces)):
        seen = replace(datagram, payload=payload)
        assert b"".join(single.payload for single in cut_apart(seen)) == payload
        if payload.count(MAGIC_COOKIE) < 2:
            assert list(cut_apart(seen)) == [seen]


def test_a_message_that_quotes_the_cookie_is_one():
    """An option may hold any octets: the cookie again is no beginning of another message."""
    message = Packet(op=2, xid=1, options={53: b"\x02", 43: MAGIC_COOKIE * 3})
    datagram = Datagram(
        source=IPv4Address("10.10.0.6"),
        source_port=67,
        destination=IPv4Address("10.20.1.7"),
        destination_port=67,
        payload=encode(message),
    )
    assert list(cut_apart(datagram)) == [datagram]
