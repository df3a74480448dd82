"""What UEFI PXE sends in every request (``PxeBcDhcp4.c``, PxeBcBuildDhcp4Options)."""

from __future__ import annotations

from functools import lru_cache

from coexist.boot.firmware.machine import (
    Machine,
    client_identity,
    request,
    vendor_class,
)
from coexist.wire.bootp import Packet
from coexist.wire.options import MessageType, Option

# 35 codes, DHCP_TAG order of PxeBcDhcp4.c.
REQUESTED = bytes(
    (1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97)
) + bytes(range(128, 136))
UNDI = "003000"  # PxeBcDhcp4.c DEFAULT_UNDI_*; SNP-based drivers announce it too (OVMF capture)
NDI = bytes((1, 3, 0))
MAX_MESSAGE = (1472).to_bytes(2, "big")  # PXEBC_DHCP4_PACKET_MAX_SIZE - 8
XID, XID_4011 = 0x0EDC2011, 0x0EDC4011


@lru_cache(maxsize=1024)
def discover(machine: Machine, secs: int) -> Packet:
    """A DISCOVER; ``secs`` is the header field."""
    return request(machine, MessageType.DISCOVER, sized_options(machine), xid=XID, secs=secs, broadcast=True)


def plain_options(machine: Machine) -> dict[int, bytes]:
    """The options of the request for the address."""
    return {
        Option.PARAMETER_REQUEST_LIST: REQUESTED,
        Option.CLIENT_MACHINE_IDENTIFIER: client_identity(machine),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: NDI,
        Option.CLIENT_SYSTEM_ARCHITECTURE: machine.architecture.to_bytes(2, "big"),
        Option.VENDOR_CLASS_IDENTIFIER: vendor_class(machine, UNDI),
    }


def sized_options(machine: Machine) -> dict[int, bytes]:
    """The options of a DISCOVER and of a request on port 4011: with the size of the largest answer."""
    return {Option.MAXIMUM_DHCP_MESSAGE_SIZE: MAX_MESSAGE, **plain_options(machine)}
