"""What an inventory says of a server, in the terms the models share."""

from __future__ import annotations

from ipaddress import IPv4Address

from coexist.boot.leases.compile import compile_plan
from coexist.boot.leases.evaluate import PlanLeases, as_told
from coexist.boot.leases.lease_times import one_time
from coexist.boot.policy import compile_programs
from coexist.inventory import Inventory
from coexist.inventory.models import Server
from coexist.inventory.named_servers import server_address
from coexist.inventory.products import part


def plan_leases(inventory: Inventory, name: str) -> PlanLeases:
    """The leases of a DHCP server as its product makes them of its plan; made once for an inventory."""

    def make() -> PlanLeases:
        product = inventory.site.servers[name].product
        return PlanLeases(
            compile_plan(inventory, name),
            part(product, "lease") or as_told,
            part(product, "lease_times") or one_time,
            part(product, "table_order"),
        )

    return inventory.made_once("leases", name, make)


def files(server: Server) -> dict[int, str]:
    """The boot programs of its first stage by the code of the architecture."""
    programs = compile_programs(
        {k: p for k, p in server.named_programs.items() if k != "ipxe"}, lambda _: None
    )
    return {code: program.file for code, program in programs.items()}


def boot_server(inventory: Inventory, server: Server) -> IPv4Address | None:
    """The address of the server that has its files, None where none is declared."""
    if server.boot_server is None:
        return None
    return server_address(inventory.site, server.boot_server, server.vlan)
