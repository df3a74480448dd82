"""Captures of every file format, whole, cut off anywhere, damaged, and of a medium that is no Ethernet."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.cli import run
from coexist.errors import InputError
from coexist.probe.capture_file import damage, read_capture
from coexist.probe.frame import Datagram, encode_frame
from coexist.probe.question import discover, stranger
from coexist.wire.bootp import encode
from coexist.wire.options import Option

ASKER = stranger("uefi-x64")
ANYONE, NOBODY = IPv4Address("255.255.255.255"), IPv4Address(0)
AT = 1_793_600_000


def frame():
    asked = discover(ASKER, xid=7, secs=0)
    options = {code: value for code, value in asked.options.items() if code != Option.HOST_NAME}
    payload = encode(replace(asked, options=options))  # as a boot ROM asks, not a probe
    datagram = Datagram(
        source=NOBODY, source_port=68, destination=ANYONE, destination_port=67, payload=payload
    )
    return encode_frame(datagram, from_mac=ASKER.mac)


def pcap(order="<", magic=0xA1B2C3D4, per_second=1_000_000, linktype=1):
    """The file in pieces: its head and two packets, half a second apart."""
    pieces = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, linktype)]
    for fraction in (0, per_second // 2):
        head = struct.pack(order + "IIII", AT, fraction, len(frame()), len(frame()))
        pieces.append(head + frame())
    return pieces


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(order="<", linktype=1):
    pieces = [
        block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(order, 1, struct.pack(order + "HHI", linktype, 0, 0)),
    ]
    for half in (0, 500_000):
        high, low = divmod(AT * 1_000_000 + half, 1 << 32)
        head = struct.pack(order + "IIIII", 0, high, low, len(frame()), len(frame()))
        pieces.append(block(order, 6, head + frame()))
    return pieces


FORMATS = {
    "pcap": pcap(),
    "pcap, big-endian": pcap(">"),
    "pcap, nanoseconds": pcap(magic=0xA1B23C4D, per_second=1_000_000_000),
    "pcap, nanoseconds, big-endian": pcap(">", magic=0xA1B23C4D, per_second=1_000_000_000),
    "pcapng": pcapng(),
    "pcapng, big-endian": pcapng(">"),
}


@pytest.mark.parametrize("pieces", FORMATS.values(), ids=FORMATS)
def test_a_whole_capture_and_its_times(tmp_path, pieces):
    path = tmp_path / "capture"
    path.write_bytes(b"".join(pieces))
    assert [at for at, _ in read_capture(path)] == pytest.approx([AT, AT + 0.5])
    assert damage(path) is None


@given(st.data())
def test_one_that_is_cut_off_says_so_and_tells_the_rest(tmp_path_factory, data):
    pieces = data.draw(st.sampled_from(list(FORMATS.values())))
    whole = b"".join(pieces)
    ends = [sum(map(len, pieces[: number + 1])) for number in range(len(pieces))]
    at = data.draw(st.one_of(st.sampled_from(ends), st.integers(ends[-3], len(whole))))
    path = tmp_path_factory.mktemp("cut") / "capture"
    path.write_bytes(whole[:at])
    lost = damage(path)
    if at in ends:
        assert lost is None
    else:
        assert lost is not None
        assert f"damaged at octet {max(end for end in ends if end < at)} of {at}" in lost
    if at >= ends[-3]:
        read = len(list(read_capture(path)))
        # A last packet whose head is whole is read as far as it goes.
        assert read in {sum(end <= at for end in ends[-2:]), sum(end <= at for end in ends[-2:]) + 1}


def test_the_command_warns_beside_what_it_could_read(tmp_path, capsys):
    path = tmp_path / "capture"
    path.write_bytes(b"".join(pcap())[:-7])
    assert run(["observe", str(path)]) == 0
    told = capsys.readouterr()
    assert "DISCOVER at 0.00 s" in told.out
    assert "warning: " in told.err
    assert "the capture is cut off or damaged at octet" in told.err
    path.write_bytes(b"".join(pcap()))
    assert run(["observe", str(path)]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("content", [pcap(linktype=105), pcapng(linktype=105)], ids=["pcap", "pcapng"])
def test_a_medium_that_is_not_understood_is_named(tmp_path, content):
    path = tmp_path / "wifi"
    path.write_bytes(b"".join(content))
    with pytest.raises(InputError, match="link type 105, which is not understood"):
        list(read_capture(path))


@given(st.binary(max_size=400), st.sampled_from(list(FORMATS.values())))
def test_any_damage_is_a_sentence_or_nothing(tmp_path_factory, noise, pieces):
    path = tmp_path_factory.mktemp("damaged") / "capture"
    path.write_bytes(pieces[0] + noise + pieces[-1])
    for _ in read_capture(path):
        pass
    damage(path)
