from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.wire.mac import (
    MAC_SPACE,
    format_mac,
    is_multicast,
    mac_bytes,
    mac_from_bytes,
    parse_mac,
    parse_mac_prefix,
)

MACS = st.integers(min_value=0, max_value=MAC_SPACE - 1)


@pytest.mark.parametrize(
    "text",
    ["52:54:00:ab:cd:ef", "52-54-00-AB-CD-EF", "5254.00ab.CDEF", "525400abcdef", " 52:54:00:AB:CD:EF\n"],
)
def test_four_spellings_are_one_mac(text: str) -> None:
    assert parse_mac(text) == 0x525400ABCDEF


@pytest.mark.parametrize(
    "text",
    [
        "",
        "52:54:00:ab:cd",
        "52:54:00:ab:cd:ef:01",
        "52:54:00-ab:cd:ef",
        "5254:00ab:cdef",
        "52.54.00.ab.cd.ef",
        "5:54:00:ab:cd:ef",
        "52:54:00:ab:cd:eg",
        "0x525400abcdef",
        "\uff15\uff12:54:00:ab:cd:ef",  # full-width digits
        "11142744591",
    ],
)
def test_other_spellings_are_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 12 hexadecimal digits as 52:54:00:12:34:56"):
        parse_mac(text)


@given(MACS, st.sampled_from([":", "-", ".", ""]), st.booleans())
def test_every_mac_survives_every_spelling(mac: int, sep: str, upper: bool) -> None:
    text = format_mac(mac, sep)
    assert text == text.lower()
    assert parse_mac(text.upper() if upper else text) == mac


@given(MACS)
def test_octets_are_the_mac_in_wire_order(mac: int) -> None:
    assert mac_from_bytes(mac_bytes(mac)) == mac
    assert mac_bytes(mac).hex(":") == format_mac(mac)


@pytest.mark.parametrize("octets", [b"", bytes(5), bytes(7)])
def test_a_mac_has_six_octets(octets: bytes) -> None:
    with pytest.raises(ValueError, match="6 octets"):
        mac_from_bytes(octets)


@pytest.mark.parametrize("number", [-1, MAC_SPACE])
def test_numbers_outside_the_space_are_refused(number: int) -> None:
    for function in (format_mac, mac_bytes, is_multicast):
        with pytest.raises(ValueError, match=rf"^{number} .*2\*\*48"):
            function(number)


def test_address_bits() -> None:
    qemu, intel = parse_mac("52:54:00:00:00:01"), parse_mac("00:1b:21:00:00:01")
    ipv4_group, broadcast = parse_mac("01:00:5e:00:00:01"), MAC_SPACE - 1
    assert [is_multicast(mac) for mac in (qemu, intel, ipv4_group, broadcast)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "lowest", "highest"),
    [
        ("80:5e:c0", 0x805EC0000000, 0x805EC0FFFFFF),
        ("80:5E:C0:", 0x805EC0000000, 0x805EC0FFFFFF),
        ("80-5e-c0", 0x805EC0000000, 0x805EC0FFFFFF),
        ("805e.c0", 0x805EC0000000, 0x805EC0FFFFFF),
        ("805ec0", 0x805EC0000000, 0x805EC0FFFFFF),
        ("52:54:00:1", 0x525400100000, 0x5254001FFFFF),
        ("8", 0x800000000000, 0x8FFFFFFFFFFF),
        ("52:54:00:12:34:56", 0x525400123456, 0x525400123456),
        ("5254.0012.3456", 0x525400123456, 0x525400123456),
    ],
)
def test_prefixes(text: str, lowest: int, highest: int) -> None:
    assert parse_mac_prefix(text) == (lowest, highest)


@pytest.mark.parametrize(
    "text", ["", ":", "8:5e", "80:5e-c0", "80:5ec0", "805ec0000000f", "80:5e:xx", "80.5e"]
)
def test_ambiguous_prefixes_are_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="write 1 to 12 hexadecimal digits"):
        parse_mac_prefix(text)


@given(MACS, MACS, st.integers(min_value=1, max_value=12), st.sampled_from([":", "-", ".", ""]))
def test_a_prefix_holds_exactly_the_macs_that_begin_with_it(
    mac: int, other: int, nibbles: int, sep: str
) -> None:
    digits = format_mac(mac, "")[:nibbles]
    group = 4 if sep == "." else 2
    spelled = sep.join(digits[i : i + group] for i in range(0, nibbles, group))
    lowest, highest = parse_mac_prefix(spelled)
    assert lowest <= mac <= highest
    assert (lowest <= other <= highest) == format_mac(other, "").startswith(digits)
