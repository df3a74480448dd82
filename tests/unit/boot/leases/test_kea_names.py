"""The names Kea tells a client, by what it sent, by its reservation and by the DDNS parameters."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from coexist.boot.leases.kea_names import NameRules, fqdn_of, hostname_of

ADDRESS = IPv4Address("10.9.0.7")
RULES = NameRules(
    updates=False,
    override_client=False,
    override_none=False,
    replace="never",
    prefix="myhost",
    suffix="",
    unwanted="",
    instead="",
)
SUFFIX = replace(RULES, suffix="Dyn.example")


@pytest.mark.parametrize(
    ("sent", "reserved", "rules", "name"),
    [
        (None, "", RULES, ""),
        (b"PC-1\0", "", RULES, "pc-1"),
        (b"pc-1", "", SUFFIX, "pc-1.Dyn.example"),
        (b"pc.other.example", "", SUFFIX, "pc.other.example"),
        (b"", "", RULES, ""),
        (b"a..b", "", RULES, ""),
        (b"pc-1", "Alpha", SUFFIX, "alpha.dyn.example"),
        (None, "", replace(SUFFIX, replace="always"), "myhost-10-9-0-7.Dyn.example"),
        (b"x", "", replace(RULES, replace="when-present"), "myhost-10-9-0-7"),
        (None, "", replace(RULES, replace="when-present"), ""),
        (b"a_b", "", replace(RULES, unwanted="[^a-z]", instead="x"), "axb"),
    ],
)
def test_option_12(sent: bytes | None, reserved: str, rules: NameRules, name: str) -> None:
    assert hostname_of(sent, reserved, rules, ADDRESS) == name


@pytest.mark.parametrize(
    ("sent", "rules", "octets"),
    [
        (b"\1\0\0pc.example", RULES, b"\x0a\0\0pc.example."),
        (b"\0\0\0pc.example.", RULES, b"\x08\0\0pc.example."),
        (b"\x08\0\0pc.example", RULES, b"\x08\0\0pc.example."),
        (b"\x08\0\0pc", replace(SUFFIX, updates=True, override_none=True), b"\3\0\0pc.dyn.example."),
        (b"\0\0\0pc", replace(RULES, updates=True, override_client=True), b"\3\0\0pc."),
        (b"\5\0\0\2pc\7example\0", replace(RULES, updates=True), b"\5\0\0\2pc\7example\0"),
        (b"\4\0\0\2pc", RULES, b"\x0c\0\0\2pc\0"),
        (b"\1\0\0", RULES, b"\x0a\0\0myhost-10-9-0-7."),
    ],
)
def test_option_81(sent: bytes, rules: NameRules, octets: bytes) -> None:
    assert fqdn_of(sent, "", rules, ADDRESS) == octets


def test_a_reserved_name_in_option_81() -> None:
    assert fqdn_of(b"\1\0\0pc", "Alpha", SUFFIX, ADDRESS) == b"\x0a\0\0alpha.dyn.example."
