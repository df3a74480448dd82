"""Which MAC addresses stand for a machine: an inventory's list of clients takes no others."""

from __future__ import annotations

from coexist.wire.mac import is_multicast

SHARED_ADDRESS = "has the address of {name}: kept under that name, as another interface of one machine"
"""An inventory reserves an address for one machine, which may have several interfaces: rows of one name."""


def why_nobody(mac: int) -> str | None:
    """Why no machine has this address as its own; None if one may have it."""
    if not mac:
        return "the address 00:00:00:00:00:00, which no machine has"
    return "a multicast address, which no machine has" if is_multicast(mac) else None
