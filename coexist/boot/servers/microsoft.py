"""Microsoft's services: Windows DHCP Server, WDS and the Configuration Manager distribution point.

None of them could be run here; what their documentation does not settle is a named assumption.
"""

from __future__ import annotations

from dataclasses import replace

from coexist.boot.leases.lease import Leases
from coexist.boot.leases.pairs import Share, below
from coexist.boot.leases.windows.pairs import shared
from coexist.boot.leases.windows.source import PING
from coexist.boot.own_files import own_config
from coexist.boot.responder import ServerModel
from coexist.boot.servers.declared import plan_leases
from coexist.boot.servers.generic_declared import declared_responder, delayed
from coexist.boot.servers.kea import KeaModel
from coexist.inventory import Inventory
from coexist.inventory.failover import Failover
from coexist.inventory.values import Delay

DHCP_ASSUMPTIONS = (
    "Windows DHCP Server copies an address in option 66 to siaddr, else siaddr is its own (unverified)",
    "Windows DHCP Server puts the file of option 67 into the header too (unverified)",
    "Windows DHCP Server ends option 67 with a NUL, and pings only with conflict detection on (unverified)",
)
EXPORT_ASSUMPTIONS = (
    "Windows DHCP Server waits a second for each ping of its conflict detection (unverified)",
    "Windows DHCP Server knows a PXE client by its MAC address, whatever UUID option 61 has (unverified)",
    "Windows DHCP Server sends a vendor class's options in option 43, if option 60 is its text (unverified)",
    "of several policies with ranges, the first in processing order gives the address (unverified)",
)
PAIR_ASSUMPTION = (
    "of two Windows servers with failover, the first answers the hash buckets of RFC 3074 below its "
    "percentage of 256 (unverified)"
)
WDS_ASSUMPTIONS = (
    "WDS offers PXEClient without option 43 and names the file only on port 4011 (unverified)",
    "the response delay of WDS is a wall clock; prestaged machines are not delayed (unverified)",
    "WDS names wdsnbp.com and wdsmgfw.efi where none is declared (Microsoft's list of boot programs)",
)
CONFIGMGR_ASSUMPTIONS = (
    "a distribution point offers 53, 54, 60 and 97 and names the file only on port 4011 (one SMSPXE log)",
    "a distribution point names smsboot's wdsmgfw.efi (one SMSPXE log) or wdsnbp.com (Microsoft), always",
)


def windows_dhcp(name: str, leases: Leases, offers_after: float = 0.0) -> KeaModel:
    """Windows DHCP Server: options as Kea sends them, of leases as `windows_lease` makes them."""
    return KeaModel(
        name=name,
        leases=leases,
        offers_after=offers_after,
        echoes_client_id=False,
        raw_sockets=False,
        assumptions=DHCP_ASSUMPTIONS,
    )


def pair(failover: Failover, is_first: bool, partner: str) -> Share:
    """What it answers of a scope with failover."""
    return shared(
        below(failover.buckets),
        f"its failover partner {partner}",
        is_first=is_first,
        mclt=failover.mclt,
    )


def lease_service(inventory: Inventory, name: str) -> KeaModel:
    """Windows DHCP Server with the leases of its export, or of its scopes."""
    own = own_config(inventory, name)
    if own is not None:
        model = windows_dhcp(name, own.leases)
        assumptions = (*model.assumptions, *EXPORT_ASSUMPTIONS)
        shares = own.leases.shares
    else:
        server = inventory.site.servers[name]
        leases = plan_leases(inventory, name)
        # DelayOffer (MS-DHCPM 3.1.1.2) and the pings of conflict detection.
        waits = server.delay.after if server.delay.kind == "after" else 0.0
        model = windows_dhcp(name, leases, offers_after=waits + (PING if server.pings else 0.0))
        assumptions, shares = model.assumptions, leases.shares
    if not shares:
        return replace(model, assumptions=assumptions)
    return replace(model, assumptions=(*assumptions, PAIR_ASSUMPTION))


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
