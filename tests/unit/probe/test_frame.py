from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from coexist.probe.frame import Datagram, decode_frame, encode_frame

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
