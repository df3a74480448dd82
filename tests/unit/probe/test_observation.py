"""Captures of real firmware against real servers, and what is read out of them."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.app.observe import boots
from coexist.cli import run
from coexist.errors import InputError
from coexist.probe.capture_file import read_capture
from coexist.probe.frame import Datagram, encode_frame
from coexist.probe.observation import MOST_AT_ONCE, MOST_OF_ONE, End, observe
from coexist.probe.question import discover, stranger
from coexist.probe.replay import replay
from coexist.probe.transfers import Transfer
from coexist.wire.bootp import BOOTREPLY, Packet, encode
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType
from coexist.wire.tftp import Ack, Data, Error, OptionAck, ReadRequest
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
    assert list(observe([(0.0, datagram(encode(discover(stranger("bios"), xid=1, secs=4))))])) == []


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
    packets = [
        (0.0, datagram(encode(first))),
        (0.1, datagram(offer(first, "10.0.0.5", "10.0.0.77"), IPv4Address("10.0.0.5"), 67, ANYONE, 68)),
        (4.0, datagram(rrq, leased, 1234, IPv4Address("10.0.0.6"), 69)),
        (9.0, datagram(encode(real(xid=8)))),
        (200.0, datagram(encode(real(xid=9)))),
    ]
    boots = list(observe(packets))
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


SERVER, CLIENT = IPv4Address("192.0.2.5"), IPv4Address("192.0.2.77")


def leased(first, *then, ack=True):
    """A lease of one client, and what follows it."""
    packets = [
        (0.0, datagram(encode(first))),
        (0.1, datagram(offer(first, "192.0.2.5", "192.0.2.77"), SERVER, 67, ANYONE, 68)),
    ]
    if ack:
        acked = Packet(
            op=BOOTREPLY,
            xid=first.xid,
            chaddr=first.chaddr,
            yiaddr=CLIENT,
            options={53: b"\x05", 54: SERVER.packed},
        )
        packets.append((3.0, datagram(encode(acked), SERVER, 67, ANYONE, 68)))
    return tuple(observe([*packets, *then]))


def asks(at, file="a.efi", port=1200):
    return at, datagram(encode_tftp(ReadRequest(filename=file)), CLIENT, port, SERVER, 69)


def answers(at, message, port=1200):
    return at, datagram(encode_tftp(message), SERVER, 3000, CLIENT, port)


def tells(at, message, port=1200):
    return at, datagram(encode_tftp(message), CLIENT, port, SERVER, 3000)


LATER = (30.0, datagram(b"", CLIENT, 9, SERVER, 9))
FULL, SHORT = Data(block=1, payload=bytes(512)), Data(block=2, payload=b"end")


@pytest.mark.parametrize(
    ("then", "end", "of_file"),
    [
        ([asks(4.0), answers(4.1, FULL), answers(4.2, SHORT)], End.LOADED, Transfer.LOADED),
        ([asks(4.0), answers(4.1, FULL)], End.UNKNOWN, Transfer.LOADING),
        ([asks(4.0)], End.FAILED, Transfer.SILENT),
        ([asks(4.0), answers(4.1, OptionAck(options={"tsize": "515"}))], End.UNKNOWN, Transfer.ASKED),
        ([asks(4.0), answers(4.1, OptionAck(options={"tsize": "515"})), LATER], End.FAILED, Transfer.SILENT),
        ([asks(4.0), asks(5.0, "grub/fs.lst", 1300)], End.UNKNOWN, Transfer.SILENT),
        ([asks(4.0), LATER], End.FAILED, Transfer.SILENT),
        ([asks(4.0), asks(5.0)], End.FAILED, Transfer.SILENT),
        ([asks(4.0), answers(4.1, Error(code=1, message="no"))], End.FAILED, Transfer.MISSING),
        ([asks(4.0), answers(4.1, Error(code=2, message="no"))], End.FAILED, Transfer.DENIED),
        ([asks(4.0), answers(4.1, Error(code=0, message="no"))], End.FAILED, Transfer.REFUSED),
        ([asks(4.0), answers(4.1, FULL), tells(4.2, Error(code=3, message="no"))],
         End.FAILED, Transfer.ABORTED),
        ([asks(4.0), answers(4.1, OptionAck(options={"tsize": "515"})),
          tells(4.2, Error(code=8, message="stop")), asks(4.3, port=1201), answers(4.4, SHORT, port=1201)],
         End.LOADED, Transfer.LOADED),
        ([asks(4.0), answers(4.1, OptionAck(options={"tsize": "515"})),
          tells(4.2, Error(code=8, message="stop"))], End.UNKNOWN, Transfer.SIZED),
        ([asks(4.0), answers(4.1, OptionAck(options={"blksize": "9000"})),
          tells(4.2, Error(code=8, message="stop")), LATER], End.FAILED, Transfer.ABORTED),
    ],
)  # fmt: skip
def test_a_boot_is_judged_by_the_end_of_its_file(then, end, of_file):
    (boot,) = leased(real(), *then)
    assert boot.end is end
    assert boot.file_request is not None
    assert boot.file_request.end is of_file
    assert boot.failed == (end is End.FAILED)


AGREED = OptionAck(options={"blksize": "1468", "tsize": "90000"})
LARGE = Data(block=1, payload=bytes(1468))


@pytest.mark.parametrize(
    "then",
    [
        [tells(at, Ack(block=0)) for at in (4.2, 8.2, 12.2)],
        [part for at in (4.2, 8.2, 12.2) for part in (tells(at, Ack(block=0)), answers(at + 0.1, LARGE))],
    ],
    ids=["beside the client", "beside the server"],
)
def test_blocks_that_never_arrive_are_too_large(then):
    (boot,) = leased(real(), asks(4.0), answers(4.1, AGREED), *then)
    assert boot.file_request is not None
    assert (boot.end, boot.file_request.end) == (End.FAILED, Transfer.STUCK)


def test_a_block_that_comes_late_is_not_too_large():
    then = [answers(4.2, LARGE), answers(5.2, LARGE), tells(5.3, Ack(block=1)), answers(5.4, LARGE)]
    (boot,) = leased(real(), asks(4.0), answers(4.1, AGREED), *then)
    assert boot.file_request is not None
    assert boot.file_request.end is Transfer.LOADING


@pytest.mark.parametrize(
    ("again", "seconds", "end"),
    [
        ("http-x64", 1.0, End.NOT_RUN),
        ("uefi-x64", 1.0, End.NOT_RUN),
        ("http-x64", 20.0, End.LOADED),
    ],
)
def test_firmware_that_asks_again_at_once_did_not_run_its_file(again, seconds, end):
    asked = replace(real(again, xid=99), chaddr=real().chaddr)
    next_entry = (4.2 + seconds, datagram(encode(asked)))
    first, _ = leased(real(), asks(4.0), answers(4.1, Data(block=1, payload=b"end")), next_entry)
    assert first.end is end
    assert first.failed == (end is End.NOT_RUN)


def test_a_loader_that_asked_for_more_did_run():
    more = [asks(4.2, "grub/grub.cfg", 1300), answers(4.3, Data(block=1, payload=b"exit"), 1300)]
    again = (5.0, datagram(encode(replace(real("http-x64", xid=99), chaddr=real().chaddr))))
    first, _ = leased(real(), asks(4.0), answers(4.1, Data(block=1, payload=b"end")), *more, again)
    assert first.end is End.LOADED


def test_what_a_loader_asks_for_later_is_told_and_fails_no_boot():
    (boot,) = leased(
        real(), asks(4.0), answers(4.1, SHORT), asks(5.0, "grub/fs.lst", 1300),
        answers(5.1, Error(code=1, message="no"), 1300),
    )  # fmt: skip
    assert [(r.file, r.end) for r in boot.requests] == [
        ("a.efi", Transfer.LOADED),
        ("grub/fs.lst", Transfer.MISSING),
    ]
    assert boot.end is End.LOADED


@pytest.mark.parametrize(
    ("status", "end"), [(b"200 OK", End.LOADED), (b"404 Not Found", End.FAILED), (b"403 No", End.FAILED)]
)
def test_http_is_read_on_any_port(status, end):
    asked = Datagram(
        source=CLIENT, source_port=5000, destination=SERVER, destination_port=8080,
        payload=b"GET /b/a.efi HTTP/1.1\r\nHost: x\r\n\r\n", tcp=True,
    )  # fmt: skip
    answered = Datagram(
        source=SERVER, source_port=8080, destination=CLIENT, destination_port=5000,
        payload=b"HTTP/1.1 " + status + b"\r\n\r\n", tcp=True,
    )  # fmt: skip
    (boot,) = leased(real("http-x64"), (4.0, asked), (4.1, answered))
    assert boot.file_request is not None
    assert boot.file_request.file == "http://192.0.2.5:8080/b/a.efi"
    assert boot.end is end


def request_of(first, kind, **options):
    return first.with_options({53: bytes((kind,)), **{int(k[1:]): v for k, v in options.items()}})


def test_declined_and_refused_addresses_are_failed_boots():
    first = real()
    (declined,) = leased(first, (3.1, datagram(encode(request_of(first, MessageType.DECLINE)))))
    assert declined.end is End.DECLINED
    nak = Packet(op=BOOTREPLY, xid=first.xid, chaddr=first.chaddr, options={53: b"\x06", 54: SERVER.packed})
    refusal = datagram(encode(nak), SERVER, 67, ANYONE, 68)
    (refused,) = leased(first, (3.0, refusal), ack=False)
    assert refused.end is End.REFUSED
    (mended,) = leased(first, (2.9, refusal))
    assert mended.end is End.UNKNOWN
    (again,) = leased(
        first, (3.1, datagram(encode(request_of(first, MessageType.DECLINE)))), (4.0, datagram(encode(first)))
    )
    assert not again.failed


def test_a_request_for_an_earlier_address_is_a_boot_too():
    first = real()
    asked = request_of(first, MessageType.REQUEST, o50=CLIENT.packed)
    (boot,) = observe([(0.0, datagram(encode(asked)))])
    assert boot.discovers == ()
    renewed = replace(asked, ciaddr=CLIENT)
    assert list(observe([(0.0, datagram(encode(renewed)))])) == []


def test_a_capture_on_the_boot_server_lacks_the_lease_and_has_the_file():
    """The DHCP server answered by unicast: the client's own REQUEST says which address it took."""
    first = real()
    asked = request_of(first, MessageType.REQUEST, o50=CLIENT.packed, o54=b"\xc0\x00\x02\x09")
    packets = [(0.0, datagram(encode(first))), (3.0, datagram(encode(asked))), asks(3.1)]
    (boot,) = observe(packets)
    assert boot.file_request is not None
    assert (boot.file_request.file, boot.file_request.server) == ("a.efi", SERVER)
    # Without the lease a replay would say that nobody won.
    assert [seen.replayed for seen in boots(packets)] == [None]
    # An address that somebody was given is not another's because it asks for it.
    other = replace(asked, chaddr=mac_bytes(0x525400777777), xid=9)
    (mine, _) = leased(first, (3.05, datagram(encode(replace(other, options=first.options)))),
                       (3.06, datagram(encode(other))), asks(3.1))  # fmt: skip
    assert mine.file_request is not None
    # Octets that are no address are none.
    short = datagram(encode(asked.with_options({50: b"\xc0\x00"})))
    (without,) = observe([(0.0, datagram(encode(first))), (3.0, short), asks(3.1)])
    assert without.file_request is None


def test_what_a_capture_does_not_hold_is_unknown():
    first = real("bios")
    (cut,) = leased(first, ack=False)
    assert cut.end is End.UNKNOWN
    (given_up,) = leased(first, LATER, ack=False)
    assert given_up.end is End.GAVE_UP


def test_a_failed_boot_is_a_finding_and_exit_code_1(tmp_path, capsys):
    first = real()
    frames = [
        encode_frame(packet, from_mac=1)
        for _, packet in [
            (0.0, datagram(encode(first))),
            (0.1, datagram(offer(first, "192.0.2.5", "192.0.2.77"), SERVER, 67, ANYONE, 68)),
            asks(4.0),
            answers(4.1, Error(code=1, message="File not found")),
        ]
    ]
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(frames))
    assert run(["observe", str(path), "--format", "json"]) == 1
    (boot,) = json.loads(capsys.readouterr().out)
    assert boot["ended"]["kind"] == "failed"
    assert boot["requests"][0]["end"] == "missing"
    assert [finding["code"] for finding in boot["findings"]] == ["CX708"]
    assert run(["observe", str(path)]) == 1


def test_a_capture_goes_on_until_its_last_packet_whatever_that_is(tmp_path):
    import struct

    asked = encode_frame(datagram(encode(real())), from_mac=1)
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    packets = [(10, asked), (10, arp), (60, arp)]
    path = tmp_path / "x.pcap"
    path.write_bytes(head + b"".join(struct.pack("<IIII", at, 0, len(p), len(p)) + p for at, p in packets))
    (boot,) = observe(read_capture(path))
    assert boot.end is End.GAVE_UP


def test_a_flood_of_offers_costs_what_it_holds():
    asked = real()
    server = IPv4Address("10.0.0.5")
    packets = [(0.0, datagram(encode(asked)))]
    for number in range(20_000):
        octets = offer(asked, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "10.0.0.77")
        packets.append((0.1 + number * 1e-6, datagram(octets, server, 67, ANYONE, 68)))
    (boot,) = observe(packets)
    assert len(boot.offers) == MOST_OF_ONE
    assert boot.left_out == 20_000 - MOST_OF_ONE


def test_what_is_kept_of_a_capture_is_bounded():
    """Invented machines, and none of them comes to an end."""

    def machines():
        packet = encode(real())
        for number in range(MOST_AT_ONCE + 5_000):
            octets = (
                packet[:4]
                + number.to_bytes(4, "big")
                + packet[8:28]
                + number.to_bytes(6, "big")
                + packet[34:]
            )
            yield number * 1e-3, datagram(octets)

    fed = machines()
    boots = observe(fed)
    assert next(boots).asker.mac == 0
    assert next(fed)[1].payload[28:34] == (MOST_AT_ONCE + 1).to_bytes(6, "big")
    assert len(list(boots)) == MOST_AT_ONCE + 5_000 - 2


def test_a_packet_that_two_interfaces_saw_is_one():
    asked = encode(real())
    (boot,) = observe([(0.0, datagram(asked)), (0.001, datagram(asked)), (4.0, datagram(asked))])
    assert [at for at, _ in boot.discovers] == [0.0, 4.0]
