"""What a Windows DHCP server makes of what it is told, before it puts it into a packet."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address

from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival
from coexist.wire.bootp import FILE_OCTETS, UNSPECIFIED
from coexist.wire.options import Option


def windows_lease(lease: Lease, arrival: Arrival) -> Lease:
    """A lease with siaddr, file and NULs as Windows has them (assumed: ``DHCP_ASSUMPTIONS``)."""
    options, origins = dict(lease.options), dict(lease.origins)
    for code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME):
        if code in options and not options[code].endswith(b"\0"):
            options[code] += b"\0"
    siaddr = lease.siaddr
    if siaddr == UNSPECIFIED:
        siaddr = _address(options.get(Option.TFTP_SERVER_NAME, b"")) or arrival.address
        if Option.TFTP_SERVER_NAME in origins:
            origins["siaddr"] = origins[Option.TFTP_SERVER_NAME]
    file = lease.file
    named = options.get(Option.BOOTFILE_NAME, b"").rstrip(b"\0")
    if not file and len(named) < FILE_OCTETS:
        file = named
        if named and Option.BOOTFILE_NAME in origins:
            origins["file"] = origins[Option.BOOTFILE_NAME]
    return replace(lease, options=options, siaddr=siaddr, file=file, origins=origins)


def _address(text: bytes) -> IPv4Address | None:
    try:
        return IPv4Address(text.rstrip(b"\0").decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return None
