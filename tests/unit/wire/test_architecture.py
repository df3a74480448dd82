from __future__ import annotations

import pytest

from coexist.wire.architecture import (
    ARCHITECTURE_NAMES,
    CANONICAL_CODE,
    Architecture,
    architecture_name,
    is_bios,
    is_http,
)


@pytest.mark.parametrize(
    ("name", "codes", "canonical"),
    [
        ("bios", {0}, 0),
        ("uefi-ia32", {6}, 6),
        ("uefi-x64", {7, 9}, 7),
        ("uefi-arm32", {10}, 10),
        ("uefi-arm64", {11}, 11),
        ("http-ia32", {15}, 15),
        ("http-x64", {16, 17}, 16),
        ("http-arm32", {18}, 18),
        ("http-arm64", {19}, 19),
        ("uefi-riscv64", {27}, 27),
        ("uefi-loongarch64", {39}, 39),
        ("rpiboot", {41}, 41),
    ],
)
def test_names_stand_for_iana_codes(name: str, codes: set[int], canonical: int) -> None:
    assert ARCHITECTURE_NAMES[name] == codes
    assert CANONICAL_CODE[name] == canonical


def test_every_iana_code_has_exactly_one_name() -> None:
    assert sorted(code for codes in ARCHITECTURE_NAMES.values() for code in codes) == list(range(42))
    assert sorted(Architecture) == list(range(42))
    for name, codes in ARCHITECTURE_NAMES.items():
        assert CANONICAL_CODE[name] in codes
        assert {architecture_name(code) for code in codes} == {name}


def test_an_unknown_code_is_named_by_its_number() -> None:
    assert architecture_name(4711) == "arch-4711"
    assert not is_http(4711)


def test_http_and_bios() -> None:
    # IANA's registry: "boot from http" stands in exactly these entries.
    assert {code for code in range(100) if is_http(code)} == {
        15,
        16,
        17,
        18,
        19,
        20,
        23,
        24,
        26,
        28,
        30,
        38,
        40,
    }
    assert {code for code in range(100) if is_bios(code)} == {0, 20}
