"""Microsoft's services: Windows DHCP Server, WDS and the Configuration Manager distribution point.

None of them could be run here; what their documentation does not settle is a named assumption.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address

from coexist.boot.leases.lease import Lease, Leases
from coexist.boot.leases.pairs import EVERYONE, Share, below
from coexist.boot.responder import Arrival, ServerModel
from coexist.boot.servers.declared import plan_leases
from coexist.boot.servers.generic_declared import declared_responder, delayed
from coexist.boot.servers.kea import KeaModel
from coexist.inventory import Inventory
from coexist.inventory.failover import Failover
from coexist.inventory.values import Delay
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import Option

DHCP_ASSUMPTIONS = (
    "Windows DHCP Server copies an address in option 66 to siaddr, else siaddr is its own (unverified)",
    "Windows DHCP Server ends option 67 with a NUL, and pings only with conflict detection on (unverified)",
)
PAIR_ASSUMPTION = (
    "of two Windows servers with failover, the first answers the hash buckets of RFC 3074 below its "
    "percentage of 256, and either answers everyone when the other is down (unverified)"
)
WDS_ASSUMPTIONS = (
    "WDS offers PXEClient without option 43 and names the file only on port 4011 (unverified)",
    "the response delay of WDS is a wall clock; prestaged machines are not delayed (unverified)",
    "WDS names wdsnbp.com and wdsmgfw.efi where none is declared (Microsoft's list of boot programs)",
)
CONFIGMGR_ASSUMPTIONS = (
    "a distribution point offers 53, 54, 60 and 97 and names the file only on port 4011 (one SMSPXE log)",
    "a distribution point names smsboot's wdsnbp.com or wdsmgfw.efi, declared or not (Microsoft's pages)",
)


def windows_dhcp(name: str, leases: Leases, latency: float = 0.0) -> KeaModel:
    """Windows DHCP Server: options as Kea sends them, of leases as `windows_lease` makes them."""
    return KeaModel(
        name=name,
        leases=leases,
        latency=latency,
        echoes_client_id=False,
        raw_sockets=False,
        assumptions=DHCP_ASSUMPTIONS,
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


def pair(failover: Failover, is_first: bool, partner: str) -> Share:
    """What it answers of a scope with failover."""
    of_first = below(failover.buckets)
    mine = of_first if is_first else EVERYONE ^ of_first
    return Share(partner=f"its failover partner {partner}", mine=mine, requests=True, reserved=True)


def lease_service(inventory: Inventory, name: str) -> KeaModel:
    """Windows DHCP Server with the leases of its scopes."""
    leases = plan_leases(inventory, name)
    model = windows_dhcp(name, leases)
    if not leases.shares:
        return model
    return replace(model, assumptions=(*model.assumptions, PAIR_ASSUMPTION))


def wds_service(inventory: Inventory, name: str) -> ServerModel:
    """WDS; its response delay is none for prestaged (registered) machines."""
    responder = declared_responder(inventory, name, file_in="header")
    responder = replace(responder, assumptions=(*responder.assumptions, *WDS_ASSUMPTIONS))
    declared = inventory.site.servers[name].delay
    prestaged = [] if declared.kind == "none" else [(inventory.group("known"), Delay())]
    return delayed(inventory, responder, prestaged)


def configmgr_service(inventory: Inventory, name: str) -> ServerModel:
    """A distribution point; its delay compares with the client's ``secs``."""
    responder = declared_responder(inventory, name, file_in="header")
    return delayed(
        inventory, replace(responder, assumptions=(*responder.assumptions, *CONFIGMGR_ASSUMPTIONS))
    )
