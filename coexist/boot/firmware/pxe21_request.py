"""What a PXE 2.1 ROM sends (PXE 2.1 table 2-3, and captures), and how some read option 67."""

from __future__ import annotations

from coexist.boot.firmware.machine import (
    Machine,
    client_identity,
    vendor_class,
)
from coexist.wire.bootp import Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import Option, encode_options

# PXE 2.1 table 2-3: what a DISCOVER asks for.
REQUESTED = bytes((1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, *range(128, 136)))
XID = 0x21


def past_its_end(packet: Packet) -> str:
    """Option 67 as it is read by a ROM that looks for a NUL and not at its length."""
    before: dict[int, bytes] = {}
    for code, value in packet.options.items():
        if code == Option.BOOTFILE_NAME:
            break
        before[code] = value
    area = encode_options(packet.options) + bytes((Option.END, 0))
    return area[len(encode_options(before)) + 2 :].partition(b"\0")[0].decode("latin-1")


def plain_options(machine: Machine) -> dict[int, bytes]:
    """The options of every request."""
    return {
        Option.PARAMETER_REQUEST_LIST: REQUESTED,
        Option.MAXIMUM_DHCP_MESSAGE_SIZE: (1260).to_bytes(2, "big"),
        Option.CLIENT_MACHINE_IDENTIFIER: client_identity(machine),
        Option.CLIENT_SYSTEM_ARCHITECTURE: machine.architecture.to_bytes(2, "big"),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: bytes((1, 2, 1)),
        Option.CLIENT_IDENTIFIER: b"\1" + mac_bytes(machine.mac),
        Option.VENDOR_CLASS_IDENTIFIER: vendor_class(machine, "002001"),
    }
