"""The packets of every kind of client that asks the server of a random inventory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from coexist.wire.mac import parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.leases import Ask
from tests.harness.matrix import PXE_LIST

MACS = {
    "thin": "00:80:64:10:00:01",
    "thin with an address": "00:80:64:10:00:02",
    "pilot": "00:80:64:10:00:03",
    "first of a pool": "00:80:64:10:00:04",
    "PC": "3c:52:82:30:00:01",
    "PC in a pool": "3c:52:82:30:00:02",
    "last of a pool": "3c:52:82:30:00:03",
    "odd phone": "80:5e:c0:40:00:07",
    "phone": "80:5e:c0:40:00:01",
    "in the lab": "02:00:00:00:11:23",
    "stranger": "3c:52:82:30:00:99",
}

AGENTS = (b"", b"", b"\1\6port-7", b"\1\6port-9\2\4\xaa\xbb\xcc\xdd", b"\2\4\xaa\xbb\xcc\xdd")
"""What relay agents add to a packet (option 82). There are five: each meets each list and each message."""

LISTS = {
    "none": None,
    "PXE": PXE_LIST,
    "all": bytes(code for code in range(1, 255) if code not in (52, 53, 55, 82)),
}


def pxe(code: int | None, kind: str = "PXEClient", **more: bytes) -> dict[int, bytes]:
    """The options that firmware of an architecture sends beside its list."""
    options = {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code or 0:05d}:UNDI:003016".encode(),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\1\3\x10",
        Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + bytes(range(16)),
    }
    if code is not None:
        options[Option.CLIENT_SYSTEM_ARCHITECTURE] = code.to_bytes(2, "big")
    return {int(code): octets for code, octets in options.items()}


KINDS: dict[str, dict[int, bytes]] = {
    "no PXE": {},
    "other class": {Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0"},
    "BIOS": pxe(0),
    "BIOS without 93": pxe(None),
    "UEFI IA32": pxe(6),
    "UEFI x64": pxe(7),
    "EBC": pxe(9),
    "UEFI ARM64": pxe(11),
    "HTTP x64": pxe(16, "HTTPClient"),
    "iPXE on BIOS": pxe(0) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x13\1\1"},
    "iPXE on UEFI": pxe(7) | {Option.USER_CLASS: b"\4iPXE"},
    "iPXE without PXE": {Option.USER_CLASS: b"iPXE"},
    "kiosk": {Option.USER_CLASS: b"kiosk", Option.CLIENT_IDENTIFIER: b"\0kiosk-1"},
    "short lease": {Option.IP_ADDRESS_LEASE_TIME: b"\0\0\0\x2d"},
    "some lease": {Option.IP_ADDRESS_LEASE_TIME: b"\0\0\x1c\x20"},
    "lease for ever": {Option.IP_ADDRESS_LEASE_TIME: b"\xff\xff\xff\xff"},
    "kiosks": {Option.USER_CLASS: b"kiosks"},
    "two architectures": pxe(7) | {Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\7\0\x10"},
    "large packets": pxe(7) | {Option.MAXIMUM_DHCP_MESSAGE_SIZE: b"\5\xdc"},
    "named": {Option.HOST_NAME: b"desk-7", Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0"},
    "named with a NUL": {Option.HOST_NAME: b"desk-8\0"},
    "wholly named": {Option.CLIENT_FQDN: b"\1\0\0desk-9.campus.example"},
    "phone with 43": {
        Option.VENDOR_CLASS_IDENTIFIER: b"Cisco",
        Option.VENDOR_SPECIFIC_INFORMATION: b"\1\4abcd",
    },
    "iPXE's own options": pxe(0) | {Option.IPXE_ENCAPSULATED: b"\xb1\5\1\x80\x86\x10\x0e\x13\1\1\x27\1\1"},
    "vendor of RFC 3925": {Option.VENDOR_IDENTIFYING_VENDOR_CLASS: b"\0\0\0\x09\5\4abcd"},
}


def asks(vlans: tuple[str, ...], macs: dict[str, str] = MACS) -> Iterator[Ask]:
    """The whole matrix: who, as what, on which VLAN, with which list, by which message.

    Which of the relay agents brings a packet, and whether the reply may be unicast, takes turns.
    """
    turns = count()
    for who in macs.values():
        for kind, said in KINDS.items():
            for vlan in vlans:
                for wanted in LISTS.values():
                    for message in (MessageType.DISCOVER, MessageType.REQUEST, MessageType.INFORM):
                        turn = next(turns)
                        sent = dict(said)
                        if wanted is not None:
                            sent[Option.PARAMETER_REQUEST_LIST] = wanted
                        yield Ask(
                            mac=parse_mac(who),
                            vlan=vlan,
                            kind=kind,
                            options=sent,
                            message=message,
                            broadcast=turn % 7 != 0,
                            agent=AGENTS[turn % len(AGENTS)],
                            relay=turn,
                        )
