from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.wire.malformed import Malformed
from coexist.wire.pxe import (
    BootServer,
    DiscoveryControl,
    MenuItem,
    MenuPrompt,
    PxeVendorOptions,
    SubOption,
    decode_suboptions,
    decode_vendor_options,
    encode_vendor_options,
)

TYPES = st.integers(0, 0xFFFF)
ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
TEXTS = st.binary(max_size=20).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
NAMED = {6, 7, 8, 9, 10, 71}

VENDOR_OPTIONS = st.builds(
    PxeVendorOptions,
    discovery_control=st.none() | st.integers(0, 255).map(DiscoveryControl),
    mcast=st.none() | ADDRESSES,
    boot_servers=st.lists(
        st.builds(BootServer, type=TYPES, addresses=st.lists(ADDRESSES, max_size=4).map(tuple)), max_size=5
    ).map(tuple),
    menu=st.lists(st.builds(MenuItem, type=TYPES, text=TEXTS), max_size=5).map(tuple),
    prompt=st.none() | st.builds(MenuPrompt, timeout=st.integers(0, 255), text=TEXTS),
    boot_item=st.none() | st.tuples(TYPES, TYPES),
    other=st.dictionaries(
        st.integers(1, 254).filter(lambda code: code not in NAMED), st.binary(max_size=255), max_size=4
    ),
)

# Option 43 of an offer that names its boot file: no prompt, no menu, no discovery (PXE 2.1 table 2-1).
USE_THIS_FILE = bytes.fromhex("060108ff")

# A menu of two entries, a boot server list and a prompt, put together by hand from PXE 2.1 table 2-1.
MENU = bytes.fromhex(
    "06 01 03"
    "08 0a 8000 01 c0000205 0000 00"
    "09 10 0000 05 4c6f63616c 8000 05 53657475 70"
    "0a 05 0a 426f6f74"
    "47 04 8000 0000"
    "ff"
)


def test_use_this_file() -> None:
    assert decode_vendor_options(USE_THIS_FILE) == PxeVendorOptions(
        discovery_control=DiscoveryControl.USE_BOOT_FILE
    )
    assert (
        encode_vendor_options(PxeVendorOptions(discovery_control=DiscoveryControl.USE_BOOT_FILE))
        == USE_THIS_FILE
    )


def test_a_menu() -> None:
    options = PxeVendorOptions(
        discovery_control=DiscoveryControl.DISABLE_BROADCAST | DiscoveryControl.DISABLE_MULTICAST,
        boot_servers=(
            BootServer(type=0x8000, addresses=(IPv4Address("192.0.2.5"),)),
            BootServer(type=0),
        ),
        menu=(MenuItem(type=0, text="Local"), MenuItem(type=0x8000, text="Setup")),
        prompt=MenuPrompt(timeout=10, text="Boot"),
        boot_item=(0x8000, 0),
    )
    assert decode_vendor_options(MENU) == options
    assert encode_vendor_options(options) == MENU


def test_suboptions_without_a_field_are_kept() -> None:
    value = bytes.fromhex("01 04 e0000001 40 02 abcd ff")
    options = decode_vendor_options(value)
    assert options == PxeVendorOptions(other={SubOption.MTFTP_IP_ADDR: b"\xe0\0\0\1", 0x40: b"\xab\xcd"})
    assert isinstance(options, PxeVendorOptions)
    assert encode_vendor_options(options) == value


def test_suboptions_are_written_in_ascending_order() -> None:
    options = PxeVendorOptions(discovery_control=DiscoveryControl.USE_BOOT_FILE, other={200: b"z", 1: b"a"})
    assert encode_vendor_options(options) == bytes.fromhex("010161 060108 c8017a ff")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"Raspberry Pi Boot", Malformed.OPTION_OVERRUN),
        (b"\x06", Malformed.TRUNCATED_OPTION),
        (b"\x06\x00\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x06\x02\x08\x00\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x07\x03\xe0\x00\x00\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x08\x04\x80\x00\x01\xc0\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x08\x02\x80\x00\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x09\x04\x80\x00\x05L\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x0a\x00\xff", Malformed.BAD_PXE_SUBOPTION),
        (b"\x47\x02\x80\x00\xff", Malformed.BAD_PXE_SUBOPTION),
    ],
)
def test_octets_of_another_shape_give_their_reason(value: bytes, reason: Malformed) -> None:
    assert decode_vendor_options(value) is reason


def test_the_tolerant_walk_reads_as_edk2_does() -> None:
    # zeros skipped, the last of two instances counts, nothing behind 255 is read
    assert decode_suboptions(bytes.fromhex("00 060108 00 060103 ff 0a0100")) == {6: b"\x03"}
    # no 255 needed, and what overruns is left out
    assert decode_suboptions(bytes.fromhex("060108 0a05 00")) == {6: b"\x08"}
    assert decode_suboptions(bytes.fromhex("060108 0a")) == {6: b"\x08"}
    assert decode_suboptions(b"Raspberry Pi Boot") == {}


@pytest.mark.parametrize(
    "options",
    [
        PxeVendorOptions(other={0: b""}),
        PxeVendorOptions(other={255: b""}),
        PxeVendorOptions(other={64: bytes(256)}),
        PxeVendorOptions(menu=(MenuItem(type=0, text="x" * 256),)),
        PxeVendorOptions(menu=(MenuItem(type=0, text="x" * 253),)),
        PxeVendorOptions(boot_servers=(BootServer(type=1 << 16),)),
        PxeVendorOptions(prompt=MenuPrompt(timeout=256, text="")),
        PxeVendorOptions(boot_item=(-1, 0)),
        PxeVendorOptions(
            discovery_control=DiscoveryControl.USE_BOOT_FILE, other={SubOption.DISCOVERY_CONTROL: b"\x03"}
        ),
    ],
)
def test_what_does_not_fit_is_refused(options: PxeVendorOptions) -> None:
    with pytest.raises(ValueError, match="sub-option"):
        encode_vendor_options(options)


@given(VENDOR_OPTIONS)
def test_vendor_options_survive_the_journey(options: PxeVendorOptions) -> None:
    value = encode_vendor_options(options)
    assert value.endswith(b"\xff")
    assert decode_vendor_options(value) == options


@given(st.binary(max_size=255))
def test_any_octets_decode_or_give_a_reason(value: bytes) -> None:
    walked = decode_suboptions(value)
    decoded = decode_vendor_options(value)
    if isinstance(decoded, PxeVendorOptions):
        assert decoded.other.items() <= walked.items()
        assert decode_vendor_options(encode_vendor_options(decoded)) == decoded
