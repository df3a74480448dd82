from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.dhcp import DHCPOptions

from coexist.wire.malformed import Malformed
from coexist.wire.options import (
    OPTION_KIND,
    MessageType,
    Option,
    OptionKind,
    decode_option_value,
    decode_options,
    encode_option_value,
    encode_options,
    option_kind,
    option_title,
)

CODES = st.integers(min_value=1, max_value=254)
OPTIONS = st.dictionaries(CODES, st.binary(max_size=700), max_size=8)


def test_titles_and_message_types() -> None:
    assert option_title(67) == "67 (BOOTFILE_NAME)"
    assert option_title(224) == "224"
    assert [t.name for t in sorted(MessageType)] == [
        "DISCOVER",
        "OFFER",
        "REQUEST",
        "DECLINE",
        "ACK",
        "NAK",
        "RELEASE",
        "INFORM",
    ]


def test_numbers_are_those_scapy_knows() -> None:
    scapys = {
        "subnet_mask": Option.SUBNET_MASK,
        "router": Option.ROUTER,
        "name_server": Option.DOMAIN_NAME_SERVER,
        "log_server": Option.LOG_SERVER,
        "hostname": Option.HOST_NAME,
        "domain": Option.DOMAIN_NAME,
        "root_disk_path": Option.ROOT_PATH,
        "interface-mtu": Option.INTERFACE_MTU,
        "broadcast_address": Option.BROADCAST_ADDRESS,
        "static-routes": Option.STATIC_ROUTE,
        "NTP_server": Option.NTP_SERVERS,
        "vendor_specific": Option.VENDOR_SPECIFIC_INFORMATION,
        "NetBIOS_server": Option.NETBIOS_NAME_SERVER,
        "requested_addr": Option.REQUESTED_IP_ADDRESS,
        "lease_time": Option.IP_ADDRESS_LEASE_TIME,
        "dhcp-option-overload": Option.OPTION_OVERLOAD,
        "message-type": Option.DHCP_MESSAGE_TYPE,
        "server_id": Option.SERVER_IDENTIFIER,
        "param_req_list": Option.PARAMETER_REQUEST_LIST,
        "max_dhcp_size": Option.MAXIMUM_DHCP_MESSAGE_SIZE,
        "renewal_time": Option.RENEWAL_TIME,
        "rebinding_time": Option.REBINDING_TIME,
        "vendor_class_id": Option.VENDOR_CLASS_IDENTIFIER,
        "client_id": Option.CLIENT_IDENTIFIER,
        "tftp_server_name": Option.TFTP_SERVER_NAME,
        "boot-file-name": Option.BOOTFILE_NAME,
        "user_class": Option.USER_CLASS,
        "client_FQDN": Option.CLIENT_FQDN,
        "relay_agent_information": Option.RELAY_AGENT_INFORMATION,
        "pxe_client_architecture": Option.CLIENT_SYSTEM_ARCHITECTURE,
        "pxe_client_network_interface": Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER,
        "pxe_client_machine_identifier": Option.CLIENT_MACHINE_IDENTIFIER,
        "subnet-selection": Option.SUBNET_SELECTION,
        "classless_static_routes": Option.CLASSLESS_STATIC_ROUTE,
        "capwap-ac-v4": Option.CAPWAP_ACCESS_CONTROLLER,
        "pxelinux_path_prefix": Option.PXELINUX_PATH_PREFIX,
        "tftp_server_address": Option.TFTP_SERVER_ADDRESS,
    }
    numbers = {getattr(entry, "name", entry): code for code, entry in DHCPOptions.items()}
    assert {name: numbers.get(name) for name in scapys} == scapys


def test_an_area_with_pads_and_end() -> None:
    # RFC 2132 sections 3.1 to 3.3: pad, subnet mask, end; what follows the end is not read.
    area = bytes.fromhex("00 01 04 ff ff ff 00 00 ff 03 ff")
    assert decode_options(area) == ({Option.SUBNET_MASK: b"\xff\xff\xff\x00"}, True)


def test_a_missing_end_is_recorded() -> None:
    assert decode_options(bytes.fromhex("350101")) == ({53: b"\x01"}, False)
    assert decode_options(b"") == ({}, False)


def test_split_options_are_joined_in_order_even_when_apart() -> None:
    # RFC 3396 section 7.
    area = b"\x43\x03/di" + b"\x35\x01\x02" + b"\x43\x04skle" + b"\xff"
    assert decode_options(area) == ({67: b"/diskle", 53: b"\x02"}, True)


@pytest.mark.parametrize(
    ("area", "reason"),
    [
        (b"\x35", Malformed.TRUNCATED_OPTION),
        (b"\x35\x01\x01\x43", Malformed.TRUNCATED_OPTION),
        (b"\x35\x01", Malformed.OPTION_OVERRUN),
        (b"\x43\x05abcd", Malformed.OPTION_OVERRUN),
    ],
)
def test_areas_that_end_within_an_option(area: bytes, reason: Malformed) -> None:
    assert decode_options(area) is reason


@pytest.mark.parametrize(("length", "pieces"), [(0, [0]), (255, [255]), (256, [255, 1]), (510, [255, 255])])
def test_long_values_are_split_at_255(length: int, pieces: list[int]) -> None:
    area = encode_options({43: bytes(length)})
    found = []
    at = 0
    while at < len(area):
        assert area[at] == 43
        found.append(area[at + 1])
        at += 2 + area[at + 1]
    assert found == pieces


@pytest.mark.parametrize("code", [-1, 0, 255, 256])
def test_pad_and_end_carry_no_value(code: int) -> None:
    with pytest.raises(ValueError, match="1 to 254"):
        encode_options({code: b"x"})


@given(OPTIONS)
def test_options_survive_the_journey_in_order(options: dict[int, bytes]) -> None:
    for end, terminated in ((b"", False), (b"\xff", True)):
        decoded = decode_options(encode_options(options) + end)
        assert decoded == (options, terminated)
        assert not isinstance(decoded, Malformed)
        assert list(decoded[0]) == list(options)


@given(st.binary(max_size=600))
def test_any_octets_decode_or_give_a_reason(area: bytes) -> None:
    decoded = decode_options(area)
    if not isinstance(decoded, Malformed):
        options, terminated = decoded
        assert decode_options(encode_options(options) + b"\xff" * terminated) == decoded


@pytest.mark.parametrize(
    ("code", "written", "octets"),
    [
        (1, "255.255.255.0", "ffffff00"),
        (3, "192.0.2.1", "c0000201"),
        (6, "192.0.2.1, 192.0.2.2", "c0000201c0000202"),
        (150, ["192.0.2.1", "192.0.2.2"], "c0000201c0000202"),
        (13, 17, "0011"),
        (51, "86400", "00015180"),
        (2, -3600, "fffff1f0"),
        (19, True, "01"),
        (19, "no", "00"),
        (53, 2, "02"),
        (55, "1,3,67", "010343"),
        (93, [7, 9], "00070009"),
        (93, "0x10", "0010"),
        (60, "PXEClient", "505845436c69656e74"),
        (66, "192.0.2.1", "3139322e302e322e31"),
        (67, "hex:61:00", "6100"),
        (43, "hex:060108ff", "060108ff"),
        (43, "hex:06:01:08:FF", "060108ff"),
        (43, "HEX: 06 01 08 ff", "060108ff"),
        (43, "Raspberry Pi Boot", b"Raspberry Pi Boot".hex()),
        (43, "ab", "6162"),
        (43, "12:30 o'clock", b"12:30 o'clock".hex()),
        (33, "10.1.0.0, 192.0.2.1", "0a010000c0000201"),
        (224, "ü", "c3bc"),
        (77, "iPXE", "69505845"),
    ],
)
def test_values_as_written(code: int, written: str | int | list[str | int], octets: str) -> None:
    assert encode_option_value(code, written) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("code", "written", "remedy"),
    [
        (3, "gateway", "192.0.2.1"),
        (3, [], "192.0.2.1"),
        (1, ["255.255.255.0", "255.255.0.0"], "one IPv4 address"),
        (54, 17, "one IPv4 address"),
        (53, 256, "0 to 255"),
        (51, -1, "0 to 4294967295"),
        (51, True, "0 to 4294967295"),
        (51, "a day", "0 to 4294967295"),
        (57, [576, 1472], "0 to 65535"),
        (93, [], "0 to 65535"),
        (19, "perhaps", "true or false"),
        (67, 17, "in quotes"),
        (67, "", "in quotes"),
        (67, ["a", "b"], "in quotes"),
        (43, 6, "hex:06:01:08:ff"),
        (43, "hex:061", "two digits an octet"),
        (43, "hex:6:1", "two digits an octet"),
        (43, "hex:zz", "two digits an octet"),
        # Plain text in 119 or 121 would be octets no client reads.
        (119, "example.org", "hex:06:01:08:ff"),
        (121, "10.0.0.0/8", "hex:06:01:08:ff"),
        # Octets whose prefix was forgotten.
        (43, "06:01:08:ff", "write hex:06:01:08:ff"),
        (61, "01-52-54-00-12-34-56", "write hex:01:52:54:00:12:34:56"),
        (43, "0x060108FF", "write hex:060108ff"),
        # RFC 2132 sections 4.3 and 5.8: a multiple of 8 octets.
        (21, "10.1.0.0", "pairs of IPv4 addresses"),
        (33, ["10.1.0.0", "192.0.2.1", "10.2.0.0"], "pairs of IPv4 addresses"),
    ],
)
def test_values_that_do_not_fit_say_what_to_write(
    code: int, written: str | int | list[str | int], remedy: str
) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        encode_option_value(code, written)
    assert str(caught.value).startswith(f"option {option_title(code)}: ")


@pytest.mark.parametrize(
    ("code", "octets", "shown"),
    [
        (67, b"ipxe.efi\0", "ipxe.efi"),
        (67, b"\xff\xfe", "hex:ff:fe"),
        (67, b"a\nb", "hex:61:0a:62"),
        (67, b"", "hex:"),
        (60, b"hex:00", "hex:68:65:78:3a:30:30"),
        (43, bytes.fromhex("060108ff"), "hex:06:01:08:ff"),
        (6, bytes.fromhex("c0000201c0000202"), "192.0.2.1, 192.0.2.2"),
        (1, bytes.fromhex("c0000201c0000202"), "hex:c0:00:02:01:c0:00:02:02"),
        (3, b"\x01\x02\x03", "hex:01:02:03"),
        (2, bytes.fromhex("fffff1f0"), "-3600"),
        (51, bytes.fromhex("00015180"), "86400"),
        (93, bytes.fromhex("00070009"), "7, 9"),
        (19, b"\x01", "true"),
        (19, b"\x02", "hex:02"),
        (33, bytes.fromhex("0a010000c0000201"), "10.1.0.0, 192.0.2.1"),
        (33, bytes.fromhex("0a010000"), "hex:0a:01:00:00"),
    ],
)
def test_values_as_shown(code: int, octets: bytes, shown: str) -> None:
    assert decode_option_value(code, octets) == shown


@given(CODES, st.binary(max_size=40))
@example(67, b"hex:00")
@example(12, b" a ")
@example(6, bytes(8))
def test_what_is_shown_reads_back(code: int, octets: bytes) -> None:
    shown = decode_option_value(code, octets)
    again = encode_option_value(code, shown)
    if option_kind(code) is OptionKind.TEXT and not shown.startswith("hex:"):
        octets = octets.rstrip(b"\0")
    assert again == octets


def test_every_shape_is_of_a_titled_option() -> None:
    titled = {int(option) for option in Option}
    assert set(OPTION_KIND) <= titled
    assert option_kind(43) is OptionKind.BYTES
    assert OptionKind.BYTES not in OPTION_KIND.values()
    assert set(OPTION_KIND.values()) == set(OptionKind) - {OptionKind.BYTES}
