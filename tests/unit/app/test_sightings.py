from __future__ import annotations

import struct
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.app.sightings import from_captures, from_registries
from coexist.errors import CoexistError, InputError
from coexist.planning.sightings import Sighting
from coexist.probe.frame import Datagram, encode_frame
from coexist.registry.records import Note
from coexist.registry.sqlite import sqlite_registry
from coexist.wire import tftp
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, Packet, encode
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from tests.unit.planning.sites import site

A, B, ROUTER = 0x00155D000001, 0x00155D000002, 0x00AA00000001
AT = 1_793_600_000
OLD, NEW = IPv4Address("10.10.0.6"), IPv4Address("10.10.0.7")
EVERYONE, NOWHERE = IPv4Address("255.255.255.255"), IPv4Address("0.0.0.0")


def dhcp(op: int, mac: int, kind: MessageType, **fields: object) -> bytes:
    options = {Option.DHCP_MESSAGE_TYPE: bytes((kind,)), **fields.pop("options", {})}  # type: ignore[dict-item]
    return encode(Packet(op=op, xid=7, chaddr=mac_bytes(mac), options=options, **fields))  # type: ignore[arg-type]


def frame(
    mac: int, source: tuple[IPv4Address, int], destination: tuple[IPv4Address, int], payload: bytes
) -> bytes:
    datagram = Datagram(
        source=source[0],
        source_port=source[1],
        destination=destination[0],
        destination_port=destination[1],
        payload=payload,
    )
    return encode_frame(datagram, from_mac=mac)


def capture(path: Path, frames: list[bytes]) -> Path:
    """A pcap file with a frame a second (https://www.tcpdump.org/manpages/pcap-savefile.5.html)."""
    octets = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, each in enumerate(frames):
        octets += struct.pack("<IIII", AT + number, 0, len(each), len(each)) + each
    path.write_bytes(octets)
    return path


def test_a_capture_tells_who_asked_which_server_for_a_file(tmp_path: Path) -> None:
    a, b, stranger = (IPv4Address(f"10.10.1.{n}") for n in (1, 2, 3))
    wanted = {Option.REQUESTED_IP_ADDRESS: a.packed}
    request = dhcp(BOOTREQUEST, A, MessageType.REQUEST, options=wanted)
    ack = dhcp(BOOTREPLY, B, MessageType.ACK, yiaddr=b)
    ask = tftp.encode(tftp.ReadRequest(filename="new/lpxelinux.0"))
    path = capture(
        tmp_path / "boots.pcap",
        [
            # One is known by its own REQUEST, the other, behind a router, by the server's reply.
            frame(A, (NOWHERE, 68), (EVERYONE, 67), request),
            frame(ROUTER, (IPv4Address("10.10.0.5"), 67), (EVERYONE, 68), ack),
            frame(A, (a, 2070), (NEW, 69), ask),
            frame(ROUTER, (b, 2070), (OLD, 69), ask),
            frame(ROUTER, (stranger, 2070), (OLD, 69), ask),
            frame(A, (a, 2070), (IPv4Address("10.10.0.99"), 69), ask),
            frame(A, (a, 2070), (NEW, 69), tftp.encode(tftp.Ack(block=0))),
            b"\xff" * 60,
        ],
    )
    assert list(from_captures(site(), (path,))) == [
        Sighting(at=datetime.fromtimestamp(AT + 2, UTC), mac=A, server="new", how="capture"),
        Sighting(at=datetime.fromtimestamp(AT + 3, UTC), mac=B, server="old", how="capture"),
    ]


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "boots.txt"
    path.write_text("no capture\n")
    with pytest.raises(InputError) as refused:
        list(from_captures(site(), (path,)))
    (problem,) = refused.value.problems
    assert problem.position.file == str(path)


def test_a_registry_tells_who_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    registry = sqlite_registry(path)
    registry.note(
        [
            Note(A, "", "office", 0, "", "answered", "up.arrived-12345678", "new", AT, AT + 5, 1, False),
            # Ignored, and answered for the other server while a step was under way: no boots of its own.
            Note(B, "", "office", 0, "", "no rule is about this client", "", "", AT, AT, 1, False),
            Note(B + 1, "", "office", 0, "", "answered", "x-up.yielding-12345678", "new", AT, AT, 1, False),
        ]
    )
    registry.close()
    (seen,) = from_registries(site(), (f"new={path}",))
    assert seen == Sighting(at=datetime.fromtimestamp(AT + 5, UTC), mac=A, server="new", how="registry")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("new.sqlite", "names no server"),
        ("newer=new.sqlite", "there is no server 'newer'; did you mean 'new'?"),
        ("new=nowhere.sqlite", "there is no registry"),
    ],
)
def test_a_registry_that_cannot_be_read(text: str, complaint: str) -> None:
    with pytest.raises(CoexistError) as told:
        list(from_registries(site(), (text,)))
    assert complaint in str(told.value)
