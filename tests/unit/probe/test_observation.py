"""Captures of real firmware against real servers, and what is read out of them."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.cli import run
from coexist.errors import InputError
from coexist.probe.capture_file import read_capture
from coexist.probe.frame import Datagram, encode_frame
from coexist.probe.observation import observe
from coexist.probe.question import discover, stranger
from coexist.probe.replay import replay
from coexist.wire.bootp import BOOTREPLY, Packet, encode
from coexist.wire.mac import mac_bytes
from coexist.wire.tftp import ReadRequest
from coexist.wire.tftp import encode as encode_tftp

ANYONE = IPv4Address("255.255.255.255")
NOBODY = IPv4Address(0)
SERVERS = {"A": "10.77.0.11", "B": "10.77.0.12", "C": "10.77.0.13"}


def captures(shared):
    return sorted((shared / "data" / "captures").glob("*.pcap"))


def truth(shared):
    tree = json.loads((shared / "data" / "firmware-truth.json").read_text())
    rows = tree if isinstance(tree, list) else next(v for v in tree.values() if isinstance(v, list))
    return {row["id"]: row for row in rows}


def test_every_recorded_boot_is_read_as_it_went(shared):
    rows = truth(shared)
    read = 0
    for path in captures(shared):
        row = rows.get(path.stem.replace("_at_", "@"))
        if row is None:
            continue
        (boot,) = observe(read_capture(path))
        assert [secs for _, secs in boot.discovers] == [secs for _, secs in row["discovers"]], path.stem
        assert len(boot.offers) == len(row["offers"]), path.stem
        if row["winner"] is None:
            assert boot.file_request is None
        else:
            assert boot.file_request is not None
            assert boot.file_request.file == row["file"]
            assert str(boot.file_request.server) == SERVERS[row["winner"]]
            assert boot.named_by is not None
        read += 1
    assert read >= 10


def test_the_replay_of_every_recorded_boot_names_its_winner(shared):
    rows = truth(shared)
    for path in captures(shared):
        row = rows.get(path.stem.replace("_at_", "@"))
        if row is not None:
            (boot,) = observe(read_capture(path))
            wanted = SERVERS[row["winner"]] if row["winner"] else None
            assert wanted in replay(boot).winners, path.stem


def test_the_command_tells_who_won_and_why(shared, capsys):
    path = shared / "data" / "captures" / "S8-py-minsecs5_at_uefi.pcap"
    assert run(["observe", str(path)]) == 0
    told = capsys.readouterr().out
    assert "52:54:00:12:34:56 uefi-x64 (edk2)" in told
    assert "asks 10.77.0.11 for a.efi, named by 10.77.0.11" in told
    assert "why: 10.77.0.11: " in told


def test_a_boot_from_another_server_than_predicted_is_a_finding(shared, tmp_path, capsys):
    (tmp_path / "site.yaml").write_text(
        "site: lab\n"
        "vlans: {lab: {id: 1, subnet: 10.77.0.0/24}}\n"
        "servers:\n"
        "  core: {software: isc-dhcpd 4.4, address: 10.77.0.2, vlan: lab}\n"
        "  wrong: {software: coexist, address: 10.77.0.11, vlan: lab, answers: nobody,"
        " programs: {uefi-x64: a.efi}}\n"
        "scopes: {lab: {server: core, vlan: lab, pools: [10.77.0.100-10.77.0.150]}}\n"
    )
    path = shared / "data" / "captures" / "S8-py-minsecs5_at_uefi.pcap"
    assert run(["observe", str(path), "--expect", str(tmp_path), "--format", "json"]) == 1
    (boot,) = json.loads(capsys.readouterr().out)
    assert boot["vlan"] == "lab"
    assert boot["predicted"] == [None]
    assert "CX707" in {finding["code"] for finding in boot["findings"]}


def datagram(payload, source=NOBODY, source_port=68, destination=ANYONE, destination_port=67):
    return Datagram(
        source=source,
        source_port=source_port,
        destination=destination,
        destination_port=destination_port,
        payload=payload,
    )


def real(architecture="uefi-x64", xid=7, secs=0):
    return discover(stranger(architecture), xid=xid, secs=secs).without_options(12)


def offer(request: Packet, server: str, leased: str) -> bytes:
    options = {53: b"\x02", 54: IPv4Address(server).packed}
    packet = Packet(
        op=BOOTREPLY, xid=request.xid, chaddr=request.chaddr, yiaddr=IPv4Address(leased), options=options
    )
    return encode(packet)


def test_a_probe_is_not_taken_for_a_client():
    assert observe([(0.0, datagram(encode(discover(stranger("bios"), xid=1, secs=4))))]) == ()


def test_a_relayed_copy_is_no_second_discover():
    asked = real()
    relayed = discover(stranger("uefi-x64"), xid=7, secs=0, giaddr=IPv4Address("10.0.0.1")).without_options(
        12
    )
    (boot,) = observe([(0.0, datagram(encode(asked))), (0.001, datagram(encode(relayed), source_port=67))])
    assert len(boot.discovers) == 1


def test_a_second_stage_is_a_boot_of_its_own():
    first, leased = real(), IPv4Address("10.0.0.77")
    rrq = encode_tftp(ReadRequest(filename="ipxe.efi"))
    boots = observe(
        [
            (0.0, datagram(encode(first))),
            (0.1, datagram(offer(first, "10.0.0.5", "10.0.0.77"), IPv4Address("10.0.0.5"), 67, ANYONE, 68)),
            (4.0, datagram(rrq, leased, 1234, IPv4Address("10.0.0.6"), 69)),
            (9.0, datagram(encode(real(xid=8)))),
            (200.0, datagram(encode(real(xid=9)))),
        ]
    )
    assert [boot.stage for boot in boots] == [1, 2, 1]
    assert boots[0].file_request is not None
    assert boots[0].file_request.file == "ipxe.efi"
    assert boots[0].file_request.at == pytest.approx(4.0)


def pcap(packets: list[bytes], linktype: int = 1) -> bytes:
    import struct

    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    return head + b"".join(struct.pack("<IIII", 10, 500_000, len(p), len(p)) + p for p in packets)


@pytest.mark.parametrize(
    ("linktype", "before"),
    [(1, b""), (101, None), (113, bytes(14) + b"\x08\x00"), (1, b"tag")],
)
def test_captures_of_several_link_types(tmp_path: Path, linktype, before):
    frame = encode_frame(datagram(encode(real())), from_mac=stranger("uefi-x64").mac)
    if before is None:
        frame = frame[14:]
    elif before == b"tag":
        frame = frame[:12] + b"\x81\x00\x00\x0a" + frame[12:]
    elif before:
        frame = before + frame[14:]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([frame], linktype))
    ((at, read),) = read_capture(path)
    assert at == pytest.approx(10.5)
    assert read.destination_port == 67


def test_a_file_that_is_no_capture_is_one_sentence(tmp_path, capsys):
    path = tmp_path / "x.pcap"
    path.write_bytes(b"hello, this is no capture at all")
    with pytest.raises(InputError, match="no packet capture"):
        list(read_capture(path))
    assert run(["observe", str(path)]) == 2
    assert "no packet capture" in capsys.readouterr().err


def test_mac_of_the_witness_survives():
    asked = real()
    (boot,) = observe([(0.0, datagram(encode(asked)))])
    assert mac_bytes(boot.asker.mac) == asked.chaddr[:6]
