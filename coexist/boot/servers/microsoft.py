"""Microsoft's services: Windows DHCP Server, WDS and the Configuration Manager distribution point.

None of them could be run here; what their documentation does not settle is a named assumption.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address

from coexist.boot.leases.lease import Lease, Leases
from coexist.boot.responder import Arrival
from coexist.boot.servers.generic import GenericModel
from coexist.boot.servers.kea import KeaModel
from coexist.inventory.values import Delay
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import Option

DHCP_ASSUMPTIONS = (
    "Windows DHCP Server copies an address in option 66 to siaddr, else siaddr is its own (unverified)",
    "Windows DHCP Server ends option 67 with a NUL, and pings only with conflict detection on (unverified)",
)
WDS_ASSUMPTIONS = (
    "WDS offers PXEClient without option 43 and names the file only on port 4011 (unverified)",
    "the response delay of WDS is a wall clock; prestaged machines are not delayed (unverified)",
)
CONFIGMGR_ASSUMPTIONS = (
    "a distribution point offers 53, 54, 60 and 97 and names the file only on port 4011 (one SMSPXE log)",
)


def windows_dhcp(name: str, leases: Leases, latency: float = 0.0) -> KeaModel:
    """Windows DHCP Server: options as Kea sends them, of leases as `windows_lease` makes them."""
    return KeaModel(
        name=name, leases=leases, latency=latency, echoes_client_id=False, assumptions=DHCP_ASSUMPTIONS
    )


def windows_lease(lease: Lease, arrival: Arrival) -> Lease:
    """A lease with siaddr and NULs as Windows has them."""
    options, origins = dict(lease.options), dict(lease.origins)
    for code in (Option.TFTP_SERVER_NAME, Option.BOOTFILE_NAME):
        if code in options and not options[code].endswith(b"\0"):
            options[code] += b"\0"
    siaddr = lease.siaddr
    if siaddr == UNSPECIFIED:
        siaddr = _address(options.get(Option.TFTP_SERVER_NAME, b"")) or arrival.address
        if Option.TFTP_SERVER_NAME in origins:
            origins["siaddr"] = origins[Option.TFTP_SERVER_NAME]
    return replace(lease, options=options, siaddr=siaddr, origins=origins)


def _address(text: bytes) -> IPv4Address | None:
    try:
        return IPv4Address(text.rstrip(b"\0").decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return None


def wds(model: GenericModel) -> GenericModel:
    """WDS: what the inventory says of it, as the product puts it on the wire."""
    return replace(model, assumptions=(*model.assumptions, *WDS_ASSUMPTIONS))


def wds_delay(declared: Delay, *, prestaged: bool) -> Delay:
    """Its response delay, which prestaged (registered) machines do not feel."""
    return Delay() if prestaged else declared


def configmgr(model: GenericModel) -> GenericModel:
    """A distribution point; its delay compares with the client's ``secs``."""
    return replace(model, assumptions=(*model.assumptions, *CONFIGMGR_ASSUMPTIONS))
