"""Kea's option data as octets, and its test expressions as trees."""

from __future__ import annotations

import pytest

from coexist.languages.kea.expressions import (
    BadExpressionError,
    Call,
    Equal,
    Field,
    Fixed,
    Logic,
    Member,
    Option,
    members_of,
    parse_expression,
)
from coexist.languages.kea.option_data import (
    STANDARD,
    BadDataError,
    OptionType,
    OptionTypes,
    has_shape,
    raw_octets,
)

TYPES = OptionTypes(
    (
        ("dhcp4", OptionType("numbers", 224, "uint16", array=True)),
        ("dhcp4", OptionType("pair", 225, "record", record=("uint8", "ipv4-address"))),
    )
)


@pytest.mark.parametrize(
    ("key", "data", "octets"),
    [
        (6, "10.0.0.1, 10.0.0.2", bytes.fromhex("0a0000010a000002")),
        ("domain-name", "a\\,b", b"a,b"),
        ("domain-name", "a,b", b"a"),
        ("domain-search", "Lab.example, b", b"\3Lab\7example\0\1b\0"),
        ("default-ip-ttl", "0xf0", b"\xf0"),
        ("time-offset", "-1", b"\xff\xff\xff\xff"),
        ("ip-forwarding", "true", b"\1"),
        ("boot-file-name", "x\0", b"x"),
        ("numbers", "1,0xffff", b"\0\1\xff\xff"),
        ("pair", "8, 10.0.0.1", b"\x08\x0a\0\0\1"),
        ("v4-portparams", "2, 3/4", b"\2\4\x30\0"),
        (
            "option-6rd",
            "8,32,2001:db8::,10.0.0.1",
            b"\x08\x20\x20\x01\x0d\xb8" + bytes(12) + b"\x0a\0\0\1",
        ),
    ],
)
def test_octets(key: str | int, data: str, octets: bytes) -> None:
    option = TYPES.find("dhcp4", key)
    assert option is not None
    assert TYPES.octets(option, data, csv=True) == octets


@pytest.mark.parametrize(
    ("data", "octets"),
    [("1", b"\1"), ("0x0102", b"\1\2"), ("1:2:f", b"\1\2\x0f"), ("'a b'", b"a b"), ("", b"")],
)
def test_data_that_are_not_of_a_type(data: str, octets: bytes) -> None:
    assert raw_octets(data) == octets


@pytest.mark.parametrize(
    ("key", "data"), [(6, "router"), (19, "perhaps"), (43, "x"), ("pair", "1"), (23, "256")]
)
def test_data_that_do_not_fit(key: str | int, data: str) -> None:
    with pytest.raises(BadDataError):
        TYPES.octets(TYPES.find("dhcp4", key), data, csv=True)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("option[93].hex == 0x0007", Equal(Option(("93",), "hex"), Fixed(b"\0\7"))),
        ("not option[61].exists", Logic("not", (Option(("61",), "exists"),))),
        (
            "substring(pkt4.mac, -3, all) == 'abc'",
            Equal(Call("substring", (Field("mac"), -3, None)), Fixed(b"abc")),
        ),
        (
            "split(7, ':', 1) == option[61].hex",
            Equal(Call("split", (Fixed(b"\0\0\0\7"), Fixed(b":"), 1)), Option(("61",), "hex")),
        ),
        ("relay4[2].hex == 10.0.0.1", Equal(Option(("82", "2"), "hex"), Fixed(b"\x0a\0\0\1"))),
        (
            "member('a') or member('b') and (member('c'))",
            Logic("or", (Member("a"), Logic("and", (Member("b"), Member("c"))))),
        ),
    ],
)
def test_trees(text: str, tree: object) -> None:
    assert parse_expression(text) == tree


def test_the_classes_a_test_asks_for() -> None:
    assert members_of(parse_expression("member('a') or not (member('b') and option[1].exists)")) == {"a", "b"}
    assert members_of(parse_expression("ifelse(member('c'), 'x', 'y') == option[60].hex")) == {"c"}


NO_EXPRESSIONS = (
    "",
    "option[60].hex",
    "1 == 2 ==",
    "option[60].hex != 'a'",
    "member(a)",
    "substring('a', 'b', 1) == ''",
    "split('a', ':', pkt4.mac) == ''",
)


@pytest.mark.parametrize("text", NO_EXPRESSIONS)
def test_expressions_that_are_none(text: str) -> None:
    with pytest.raises(BadExpressionError):
        parse_expression(text)


@pytest.mark.parametrize(
    ("code", "octets", "fits"),
    [
        (13, b"\0\1", True),
        (13, b"\1", False),
        (6, b"\x0a\0\0\1\x0a\0\0\2", True),
        (6, b"\x0a\0\0\1\x0a", False),
        (137, b"\3lost\0"[:5] + b"\0", False),
        (137, b"\4lost\0", True),
        (141, b"\4lost\0\2up\0", True),
        (141, b"sip", False),
        (97, b"\0" * 17, True),
        (78, b"\1\x0a\0\0\1\x0a\0\0\2", True),
        (78, b"\1\x0a\0", False),
        (212, b"\0\0", False),
        (128, b"anything", True),
    ],
)
def test_the_shape_of_an_option(code: int, octets: bytes, fits: bool) -> None:
    assert has_shape(STANDARD.get(code), octets) is fits
