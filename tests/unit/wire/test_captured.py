"""Packets of real firmware and servers, captured in virtual machines, octet for octet."""

from __future__ import annotations

from ipaddress import IPv4Address

from coexist.wire.bootp import MAGIC_COOKIE, Packet, decode, encode
from coexist.wire.options import MessageType, Option, decode_option_value
from coexist.wire.pxe import (
    BootServer,
    DiscoveryControl,
    MenuItem,
    MenuPrompt,
    PxeVendorOptions,
    decode_suboptions,
    decode_vendor_options,
)


def captured(header: str, options: str, length: int) -> bytes:
    """A payload from its first 44 octets and its options field; sname and file were empty."""
    data = bytes.fromhex(header) + bytes(192) + MAGIC_COOKIE + bytes.fromhex(options)
    return data.ljust(length, b"\0")


EDK2_DISCOVER = captured(
    "01010600d4dfbc88000080000000000000000000000000000000000052540012345600000000000000000000",
    "350101390205c037230102030405060c0d0f111216171c28292a2b3233363a3b3c4243618081828384858687"
    "611100443322116655887799aabbccddeeff005e030103005d020007"
    "3c20505845436c69656e743a417263683a30303030373a554e44493a303033303030ff",
    347,
)

DNSMASQ_PROXY_OFFER = captured(
    "020106001bd8e16a000480000000000000000000000000000000000052540012345600000000000000000000",
    "35010236040a4d000b3c09505845436c69656e74611100443322116655887799aabbccddeeff00"
    "2b190601030a040050584508078000010a4d000b090480000161ffff",
    307,
)

IPXE_BOOT_SERVER_REQUEST = captured(
    "0101060000000000000480000a4d006f00000000000000000000000052540012345600000000000000000000",
    "350103390205c05d0200005e030102013c09505845436c69656e744d0469505845"
    "3717010306070c0f111a2b3c4243778081828384858687afcba"
    "f30b105018086100eeb030100001701012201011301011101012701011901012901011001022101011501011801011201013d0701525400123456"
    "611100443322116655887799aabbccddeeff002b07470480000000ffff",
    386,
)


def read(data: bytes) -> Packet:
    packet = decode(data)
    assert isinstance(packet, Packet)
    assert encode(packet, minimum=len(data)) == data
    return packet


def test_edk2_discover() -> None:
    packet = read(EDK2_DISCOVER)
    assert packet.message_type is MessageType.DISCOVER
    assert packet.mac == 0x525400123456
    assert packet.broadcast
    assert packet.secs == 0
    shown = {code: decode_option_value(code, packet.options[code]) for code in (57, 60, 93)}
    assert shown == {57: "1472", 60: "PXEClient:Arch:00007:UNDI:003000", 93: "7"}


def test_dnsmasq_proxy_offer_with_a_menu() -> None:
    packet = read(DNSMASQ_PROXY_OFFER)
    assert packet.message_type is MessageType.OFFER
    assert packet.yiaddr == IPv4Address(0)
    assert packet.options[Option.VENDOR_CLASS_IDENTIFIER] == b"PXEClient"
    assert decode_vendor_options(packet.options[Option.VENDOR_SPECIFIC_INFORMATION]) == PxeVendorOptions(
        discovery_control=DiscoveryControl.DISABLE_BROADCAST | DiscoveryControl.DISABLE_MULTICAST,
        prompt=MenuPrompt(timeout=0, text="PXE"),
        boot_servers=(BootServer(type=0x8000, addresses=(IPv4Address("10.77.0.11"),)),),
        menu=(MenuItem(type=0x8000, text="a"),),
    )


def test_ipxe_boot_server_request() -> None:
    packet = read(IPXE_BOOT_SERVER_REQUEST)
    assert packet.message_type is MessageType.REQUEST
    assert packet.ciaddr == IPv4Address("10.77.0.111")
    assert decode_option_value(77, packet.options[77]) == "iPXE"
    assert decode_vendor_options(packet.options[43]) == PxeVendorOptions(boot_item=(0x8000, 0))
    features = decode_suboptions(packet.options[Option.IPXE_ENCAPSULATED])
    assert features[0xEB] == b"\x01\x00\x00"  # iPXE's own version
    assert features[0x13] == b"\x01"  # it speaks HTTP
