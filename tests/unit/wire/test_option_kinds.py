"""The shapes of all options, beside those that dhcpd, Kea and dnsmasq know."""

from __future__ import annotations

import pytest

from coexist.languages.dhcpd.options import OptionSpaces
from coexist.languages.dnsmasq.option_table import TYPES
from coexist.languages.kea.option_data import STANDARD, OptionType
from coexist.wire.options import Option, OptionKind, decode_option_value, encode_option_value, option_kind

CODES = range(1, 255)
DHCPD = {
    "I": OptionKind.ADDRESS,
    "IA": OptionKind.ADDRESSES,
    "Ia": OptionKind.ADDRESSES,
    "IIA": OptionKind.ADDRESSES,
    "t": OptionKind.TEXT,
    "B": OptionKind.U8,
    "S": OptionKind.U16,
    "L": OptionKind.U32,
    "l": OptionKind.I32,
    "BA": OptionKind.U8_LIST,
    "SA": OptionKind.U16_LIST,
    "Sa": OptionKind.U16_LIST,
    "f": OptionKind.BOOLEAN,
}
"""What the formats of common/tables.c hold; all others are structures, or any octets."""
KEA = {
    ("ipv4-address", False): OptionKind.ADDRESS,
    ("ipv4-address", True): OptionKind.ADDRESSES,
    ("string", False): OptionKind.TEXT,
    ("uint8", False): OptionKind.U8,
    ("uint16", False): OptionKind.U16,
    ("uint32", False): OptionKind.U32,
    ("int32", False): OptionKind.I32,
    ("uint8", True): OptionKind.U8_LIST,
    ("uint16", True): OptionKind.U16_LIST,
    ("boolean", False): OptionKind.BOOLEAN,
}
NO_PLAIN_TEXT = {*CODES} - {
    code
    for code in CODES
    if option_kind(code) is not OptionKind.BYTES
    or code not in Option.__members__.values()
    # Octets that are a plain text on some sites: a Raspberry Pi's 43, names of clients.
    or code in (43, 61, 80)
    # Sites had texts of their own there, before the registry gave the codes away (RFC 3942).
    or 128 <= code != 249
}
"""Titled options whose octets no plain text can spell."""


def test_dhcpd_knows_the_same_shapes() -> None:
    known = {option.code: option.format for option in OptionSpaces().by_code["dhcp"].values()}
    # X is any octets: a client's vendor class is a text to RFC 2132 (section 9.13).
    known[60] = "t"
    # The scopes of SLP have a boolean before their text (RFC 2610).
    expected = {code: DHCPD.get(shape, OptionKind.BYTES) for code, shape in known.items()}
    assert {code: option_kind(code) for code in expected} == expected


def test_kea_knows_the_same_shapes() -> None:
    known = dict(STANDARD)
    # 77: dhcpd, iPXE and whoever looks at it have the bare text. 125: a number, and what stands behind it.
    known[77] = OptionType("user-class", 77, "string")
    known[125] = OptionType("vivso-suboptions", 125, "record")
    expected = {
        code: KEA.get((option.kind, option.array), OptionKind.BYTES) for code, option in known.items()
    }
    assert {code: option_kind(code) for code in expected} == expected


def test_dnsmasq_knows_the_same_shapes() -> None:
    listed = (OptionKind.ADDRESS, OptionKind.ADDRESSES)
    sizes = {
        OptionKind.U8: 1,
        OptionKind.BOOLEAN: 1,
        OptionKind.U16: 2,
        OptionKind.U16_LIST: 2,
        OptionKind.U32: 4,
        OptionKind.I32: 4,
    }
    for code, option in TYPES.items():
        if code not in CODES:
            continue
        if option.addresses:
            assert option_kind(code) in listed, code
        elif option.text:
            assert option_kind(code) is OptionKind.TEXT, code
        elif option.size:
            assert sizes[option_kind(code)] == option.size, code
        elif option.time:
            assert option_kind(code) is OptionKind.U32, code


@pytest.mark.parametrize(
    ("code", "written", "octets"),
    [
        (85, "10.4.0.85", "0a040055"),
        (86, "TREE", b"TREE".hex()),
        (89, ["10.4.0.1", "10.4.0.2"], "0a0400010a040002"),
        (112, "10.4.0.12, 10.4.0.13", "0a04000c0a04000d"),
        (113, "network", b"network".hex()),
        (136, "10.4.0.36", "0a040024"),
        (142, "10.4.0.42", "0a04002a"),
        (160, "https://10.4.0.9/portal", b"https://10.4.0.9/portal".hex()),
        # Sites used these for texts of their own before they were given away.
        (157, "Nortel-i2004-A,10.4.0.9:4100;", b"Nortel-i2004-A,10.4.0.9:4100;".hex()),
        (161, "10.4.0.61", b"10.4.0.61".hex()),
        (162, "/wyse", b"/wyse".hex()),
    ],
)
def test_options_of_later_documents(code: int, written: str | int | list[str | int], octets: str) -> None:
    assert encode_option_value(code, written) == bytes.fromhex(octets)
    assert encode_option_value(code, decode_option_value(code, bytes.fromhex(octets))) == bytes.fromhex(
        octets
    )


@pytest.mark.parametrize("code", sorted(NO_PLAIN_TEXT))
def test_a_structure_is_written_as_octets(code: int) -> None:
    with pytest.raises(ValueError, match="hex:"):
        encode_option_value(code, "example.org")
    assert encode_option_value(code, "hex:01:02") == b"\1\2"


def test_no_option_of_a_known_shape_is_without_a_title() -> None:
    dhcpd = {option.code for option in OptionSpaces().by_code["dhcp"].values()}
    assert {*TYPES, *dhcpd, *STANDARD} & {*CODES} <= {int(option) for option in Option}
