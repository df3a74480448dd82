"""Captures of every file format, whole, cut off anywhere, damaged, and of a medium that is no Ethernet."""

from __future__ import annotations

import json
import re
import struct
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
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
    assert f"{path}: " in told.err
    assert re.search(rf"octet \d+ of {path.stat().st_size}\b", " ".join(told.err.split()))
    path.write_bytes(b"".join(pcap()))
    assert run(["observe", str(path)]) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("content", [pcap(linktype=105), pcapng(linktype=105)], ids=["pcap", "pcapng"])
def test_a_medium_that_is_not_understood_is_named(tmp_path, content):
    path = tmp_path / "wifi"
    path.write_bytes(b"".join(content))
    with pytest.raises(InputError, match="link type 105") as refused:
        list(read_capture(path))
    (problem,) = refused.value.problems
    assert problem.position.file == str(path)
    assert problem.remedy


@given(st.binary(max_size=400), st.sampled_from(list(FORMATS.values())))
def test_any_damage_is_a_sentence_or_nothing(tmp_path_factory, noise, pieces):
    path = tmp_path_factory.mktemp("damaged") / "capture"
    path.write_bytes(pieces[0] + noise + pieces[-1])
    for _ in read_capture(path):
        pass
    damage(path)


def ipv4():
    return frame()[14:]


@pytest.mark.parametrize("linktype", [0, 108])
@pytest.mark.parametrize("family", [b"\x02\0\0\0", b"\0\0\0\x02"])
def test_a_loopback_capture_of_bsd(tmp_path, linktype, family):
    octets = family + ipv4()
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    path = tmp_path / "capture"
    path.write_bytes(head + struct.pack("<IIII", AT, 0, len(octets), len(octets)) + octets)
    assert len(list(read_capture(path))) == 1


def test_the_bits_about_the_frame_check_sequence_are_no_link_type(tmp_path):
    path = tmp_path / "capture"
    path.write_bytes(b"".join(pcap(linktype=0x2400_0001)))
    assert len(list(read_capture(path))) == 2


@pytest.mark.parametrize("resolution", [0, 6, 9, 127, 0x80, 0x8A, 0xFF])
def test_a_time_far_in_the_future_is_a_time(tmp_path, capsys, resolution):
    options = struct.pack("<HHBxxxHH", 9, 1, resolution, 0, 0)
    pieces = pcapng()
    pieces[1] = block("<", 1, struct.pack("<HHI", 1, 0, 0) + options)
    head = struct.pack("<IIIII", 0, 0xFFFFFFFF, 0xFFFFFFFF, len(frame()), len(frame()))
    path = tmp_path / "capture"
    path.write_bytes(b"".join([*pieces, block("<", 6, head + frame())]))
    for at, _ in read_capture(path):
        assert datetime.fromtimestamp(at, UTC).year >= 1970
    assert run(["observe", str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_each_interface_has_its_own_link_type(tmp_path):
    octets = b"\x02\0\0\0" + ipv4()
    pieces = pcapng()
    pieces.insert(2, block("<", 1, struct.pack("<HHI", 0, 0, 0)))
    head = struct.pack("<IIIII", 1, 0, 0, len(octets), len(octets))
    path = tmp_path / "capture"
    path.write_bytes(b"".join([*pieces, block("<", 6, head + octets)]))
    assert len(list(read_capture(path))) == 3


@pytest.mark.parametrize("length", [0, 4, 13, 0x7FFFFFFC, 0xFFFFFFFC])
def test_a_length_is_not_believed(tmp_path, length):
    path = tmp_path / "capture"
    path.write_bytes(pcapng()[0] + struct.pack("<II", 6, length) + bytes(100_000))
    assert list(read_capture(path)) == []
    path.write_bytes(pcap()[0] + struct.pack("<IIII", 0, 0, length or 0x40000001, 0) + bytes(100_000))
    tracemalloc.start()
    list(read_capture(path))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
