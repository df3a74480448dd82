"""The space for options in a packet of dnsmasq: what does not fit goes elsewhere, or is left out."""

from __future__ import annotations

from coexist.boot.servers.dnsmasq_area import Area
from coexist.wire.bootp import BOOTREQUEST, Packet


def area(**options: bytes) -> Area:
    sent = {int(name[1:]): value for name, value in options.items()}
    return Area(Packet(op=BOOTREQUEST, options=sent))


def test_what_fits_is_put_in_order() -> None:
    made = area()
    assert made.put(224, bytes(100))
    assert made.put(225, bytes(100))
    assert not made.put(226, bytes(110))
    assert made.put(227, b"x")
    assert list(made.options()) == [224, 225, 227]


def test_a_longer_packet_is_allowed_by_the_client() -> None:
    made = area(_57=(1500).to_bytes(2, "big"))
    assert all(made.put(code, bytes(200)) for code in range(224, 229))


def test_empty_fields_hold_what_does_not_fit() -> None:
    made = area()
    made.set_fields(b"", b"", overload=True)
    assert made.put(224, bytes(255))
    assert made.put(225, bytes(100))
    assert made.put(226, bytes(50))
    assert not made.put(227, bytes(100))
    assert made.overload == 3
    assert list(made.options()) == [224, 225, 226]


def test_a_field_in_use_holds_no_option() -> None:
    made = area()
    made.set_fields(b"x.0", b"", overload=True)
    assert made.put(224, bytes(255))
    assert not made.put(225, bytes(100))
    assert made.put(226, bytes(20))
    assert made.overload == 2


def test_what_a_relay_agent_added_comes_last_and_takes_its_space() -> None:
    made = area(_82=b"\1\2ab")
    assert made.put(224, bytes(255))
    assert made.put(225, b"x")
    assert list(made.options()) == [224, 225, 82]


def test_options_inside_another_end_with_255_and_are_split() -> None:
    made = area(_57=(1500).to_bytes(2, "big"))
    assert made.put_inside(43, [(1, bytes(200)), (2, bytes(100))])
    assert made.options()[43] == b"\1\xc8" + bytes(200) + b"\2\x64" + bytes(100) + b"\xff"
    assert not made.put_inside(43, [])
