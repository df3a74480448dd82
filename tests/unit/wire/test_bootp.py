from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP, DHCPTypes

from coexist.wire.bootp import (
    BOOTREPLY,
    BOOTREQUEST,
    MAGIC_COOKIE,
    MINIMUM_OCTETS,
    Malformed,
    Packet,
    decode,
    encode,
)
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option

HEADER_OCTETS = 236
ADDRESSES = st.integers(min_value=0, max_value=2**32 - 1).map(IPv4Address)


def octets_without_nul(room: int) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=room).map(lambda octets: octets.replace(b"\0", b"x"))


PACKETS = st.builds(
    Packet,
    op=st.sampled_from([BOOTREQUEST, BOOTREPLY]),
    htype=st.integers(0, 255),
    hlen=st.integers(0, 16),
    hops=st.integers(0, 255),
    xid=st.integers(0, 2**32 - 1),
    secs=st.integers(0, 0xFFFF),
    flags=st.integers(0, 0xFFFF),
    ciaddr=ADDRESSES,
    yiaddr=ADDRESSES,
    siaddr=ADDRESSES,
    giaddr=ADDRESSES,
    chaddr=st.binary(max_size=16),
    sname=octets_without_nul(64),
    file=octets_without_nul(128),
    options=st.dictionaries(
        st.integers(1, 254).filter(lambda code: code != Option.OPTION_OVERLOAD),
        st.binary(max_size=600),
        max_size=8,
    ),
    options_terminated=st.booleans(),
)


def discover(**changes: Any) -> Packet:
    packet = Packet(
        op=BOOTREQUEST,
        xid=0x12345678,
        secs=4,
        flags=0x8000,
        chaddr=mac_bytes(parse_mac("52:54:00:12:34:56")),
        options={53: b"\x01", 55: b"\x01\x03\x43", 60: b"PXEClient:Arch:00007:UNDI:003001", 93: b"\x00\x07"},
    )
    return replace(packet, **changes)


def message(options: bytes, *, sname: bytes = b"", file: bytes = b"") -> bytes:
    """A DISCOVER's header around these octets of the options field."""
    header = bytearray(encode(discover(options={}))[:HEADER_OCTETS])
    header[44:108] = sname.ljust(64, b"\0")
    header[108:236] = file.ljust(128, b"\0")
    return bytes(header) + MAGIC_COOKIE + options


def test_the_header_lies_where_rfc_2131_puts_it() -> None:
    data = encode(
        Packet(
            op=BOOTREPLY,
            hops=1,
            xid=0x01020304,
            secs=0x0506,
            flags=0x8000,
            ciaddr=IPv4Address("192.0.2.1"),
            yiaddr=IPv4Address("192.0.2.2"),
            siaddr=IPv4Address("192.0.2.3"),
            giaddr=IPv4Address("192.0.2.4"),
            chaddr=bytes.fromhex("525400123456"),
            sname=b"server",
            file=b"ipxe.efi",
            options={53: b"\x02"},
        )
    )
    assert data[:28].hex() == "02010601" + "01020304" + "05068000" + "c0000201c0000202c0000203c0000204"
    assert data[28:44] == bytes.fromhex("525400123456").ljust(16, b"\0")
    assert data[44:108] == b"server".ljust(64, b"\0")
    assert data[108:236] == b"ipxe.efi".ljust(128, b"\0")
    assert data[236:].rstrip(b"\0") == bytes.fromhex("63825363350102ff")


def test_what_a_client_says() -> None:
    packet = decode(encode(discover()))
    assert packet == discover()
    assert isinstance(packet, Packet)
    assert packet.mac == 0x525400123456
    assert packet.message_type is MessageType.DISCOVER
    assert packet.broadcast
    assert packet.options_terminated
    assert list(packet.options) == [53, 55, 60, 93]
    assert hash(packet) == hash(discover())


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"\x09", b"\x01\x01"])
def test_message_types_outside_rfc_2132_are_none(value: bytes | None) -> None:
    options = {} if value is None else {53: value}
    assert discover(options=options).message_type is None


def test_options_are_replaced_in_place_and_taken_out() -> None:
    packet = discover().with_options({55: b"\x01", 97: bytes(17)})
    assert list(packet.options.items())[1] == (55, b"\x01")
    assert list(packet.options) == [53, 55, 60, 93, 97]
    assert list(packet.without_options(55, 97, 200).options) == [53, 60, 93]
    assert discover().options[55] == b"\x01\x03\x43"


@pytest.mark.parametrize(("minimum", "length"), [(0, 244), (300, 300), (548, 548)])
def test_padding(minimum: int, length: int) -> None:
    data = encode(discover(options={53: b"\x01"}), minimum=minimum)
    assert len(data) == length
    assert decode(data) == discover(options={53: b"\x01"})


def test_a_missing_end_is_tolerated_and_recorded() -> None:
    packet = decode(message(b"\x35\x01\x01"))
    assert isinstance(packet, Packet)
    assert packet.message_type is MessageType.DISCOVER
    assert not packet.options_terminated


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Malformed.TOO_SHORT),
        (message(b"")[:239], Malformed.TOO_SHORT),
        (b"\x03" + message(b"")[1:], Malformed.BAD_OP),
        (message(b"")[:2] + b"\x11" + message(b"")[3:], Malformed.BAD_HLEN),
        (message(b"")[:236] + bytes(64), Malformed.NO_MAGIC_COOKIE),
        (message(b"\x35"), Malformed.TRUNCATED_OPTION),
        (message(b"\x35\x02\x01"), Malformed.OPTION_OVERRUN),
        (message(b"\x34\x01\x04\xff"), Malformed.BAD_OVERLOAD),
        (message(b"\x34\x01\x00\xff"), Malformed.BAD_OVERLOAD),
        (message(b"\x34\x00\xff"), Malformed.BAD_OVERLOAD),
        (message(b"\x34\x01\x01\xff", file=b"\x43\xfe"), Malformed.OPTION_OVERRUN),
        (message(b"\x34\x01\x02\xff", sname=bytes(63) + b"\x43"), Malformed.TRUNCATED_OPTION),
    ],
)
def test_octets_that_are_no_packet_give_their_reason(data: bytes, reason: Malformed) -> None:
    assert decode(data) is reason


def test_overload_of_both_areas_joins_options_then_file_then_sname() -> None:
    packet = decode(
        message(
            b"\x35\x01\x02\x34\x01\x03\x43\x02/a\xff",
            file=b"\x43\x02/b\x34\x01\x01\xff",
            sname=b"\x43\x02/c\x42\x01t\xff",
        )
    )
    assert isinstance(packet, Packet)
    assert packet.options == {53: b"\x02", 67: b"/a/b/c", 66: b"t"}
    assert (packet.file, packet.sname, packet.overload) == (b"", b"", 3)
    # The same message written without overload says the same.
    assert decode(encode(packet)) == packet


@pytest.mark.parametrize(
    ("overload", "file", "sname", "options"),
    [(1, b"", b"srv", {67: b"f"}), (2, b"ipxe", b"", {66: b"s"})],
)
def test_overload_of_one_area_leaves_the_other(
    overload: int, file: bytes, sname: bytes, options: dict[int, bytes]
) -> None:
    packet = decode(
        message(
            bytes((52, 1, overload, 255)),
            file=file or b"\x43\x01f\xff",
            sname=sname or b"\x42\x01s\xff",
        )
    )
    assert isinstance(packet, Packet)
    assert (packet.file, packet.sname, packet.options) == (file, sname, options)


def test_file_and_sname_end_at_their_first_nul() -> None:
    packet = decode(message(b"\xff", file=b"pxelinux.0\0leftover", sname=b"\0gone"))
    assert isinstance(packet, Packet)
    assert (packet.file, packet.sname) == (b"pxelinux.0", b"")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"file": b"f" * 129}, "file has room for 128"),
        ({"sname": b"s" * 65}, "sname has room for 64"),
        ({"file": b"a\0b"}, "file ends at its first NUL"),
        ({"chaddr": bytes(17)}, "chaddr has room for 16"),
        ({"xid": 2**32}, "does not fit"),
        ({"secs": -1}, "does not fit"),
        ({"hops": 256}, "does not fit"),
        ({"options": {52: b"\x01"}}, "option 52"),
        ({"options": {255: b""}}, "option 255"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        encode(discover(**changes))


@given(PACKETS, st.integers(0, 600))
def test_a_packet_survives_the_journey(packet: Packet, minimum: int) -> None:
    data = encode(packet, minimum=minimum)
    assert len(data) >= max(minimum, 240)
    again = decode(data)
    assert again == packet
    assert isinstance(again, Packet)
    assert list(again.options) == list(packet.options)


@given(st.binary(max_size=700))
def test_any_octets_decode_or_give_a_reason(data: bytes) -> None:
    assert isinstance(decode(data), Packet | Malformed)


@given(PACKETS, st.data())
def test_damaged_packets_decode_or_give_a_reason_and_what_decodes_encodes(
    packet: Packet, data: st.DataObject
) -> None:
    octets = bytearray(encode(packet))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(octets)))
    again = decode(bytes(octets[:length]))
    if isinstance(again, Packet):
        assert decode(encode(again)) == again


@given(st.sampled_from([b"\x01", b"\x02", b"\x03"]), st.binary(max_size=128), st.binary(max_size=64))
def test_any_overloaded_areas_decode_or_give_a_reason(overload: bytes, file: bytes, sname: bytes) -> None:
    again = decode(message(b"\x34\x01" + overload + b"\xff", file=file, sname=sname))
    if isinstance(again, Packet):
        assert decode(encode(again)) == again


# --- scapy as the oracle ----------------------------------------------------------------------

SHARED_FIELDS = [
    f.name
    for f in fields(Packet)
    if f.name not in ("options", "options_terminated", "overload", "flags", "op")
]


@given(PACKETS)
def test_scapy_reads_the_same_header(packet: Packet) -> None:
    theirs = BOOTP(encode(packet))
    assert theirs.op == packet.op
    assert int(theirs.flags) == packet.flags
    for name in SHARED_FIELDS:
        ours, their = getattr(packet, name), getattr(theirs, name)
        if isinstance(ours, bytes):
            assert their.rstrip(b"\0") == ours.rstrip(b"\0"), name
        else:
            assert str(their) == str(ours), name


DISCOVER_IN_SCAPY = next(code for code, title in DHCPTypes.items() if title == "discover")

OPAQUE = [Option.VENDOR_SPECIFIC_INFORMATION, Option.CLIENT_IDENTIFIER, Option.BOOTFILE_NAME, 224, 225]


@given(st.dictionaries(st.sampled_from(OPAQUE), st.binary(min_size=1, max_size=255), max_size=5))
def test_scapy_reads_the_same_options(options: dict[int, bytes]) -> None:
    packet = discover(options={53: b"\x01", **options})
    theirs = BOOTP(encode(packet))[DHCP].options
    assert theirs[0] == ("message-type", DISCOVER_IN_SCAPY)
    assert theirs[len(options) + 1] == "end"
    assert [value for _, value in theirs[1 : len(options) + 1]] == list(options.values())


@given(
    st.integers(0, 2**32 - 1),
    ADDRESSES,
    st.lists(ADDRESSES, min_size=1, max_size=4),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    st.integers(0, 2**32 - 1),
)
def test_what_scapy_writes_is_read(
    xid: int, server: IPv4Address, routers: list[IPv4Address], vendor_class: str, lease_time: int
) -> None:
    theirs = BOOTP(op=2, xid=xid, siaddr=str(server), file=b"boot/x.efi", chaddr=b"\x52\x54\0\1\2\3") / DHCP(
        options=[
            ("message-type", "offer"),
            ("server_id", str(server)),
            ("router", *map(str, routers)),
            ("vendor_class_id", vendor_class.encode()),
            ("lease_time", lease_time),
            "end",
        ]
    )
    packet = decode(bytes(theirs))
    assert isinstance(packet, Packet)
    assert packet.op == BOOTREPLY
    assert packet.xid == xid
    assert packet.siaddr == server
    assert packet.file == b"boot/x.efi"
    assert packet.mac == 0x525400010203
    assert packet.message_type is MessageType.OFFER
    assert packet.options == {
        53: b"\x02",
        54: server.packed,
        3: b"".join(router.packed for router in routers),
        60: vendor_class.encode(),
        51: lease_time.to_bytes(4, "big"),
    }


def test_the_default_is_the_300_octets_of_rfc_1542() -> None:
    assert len(encode(discover(options={}))) == MINIMUM_OCTETS
