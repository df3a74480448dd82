"""How the products behave that answer booting clients: one module a product.

``model_for`` gives a server of an inventory its model.
"""

from __future__ import annotations

from coexist.boot.responder import ServerModel
from coexist.boot.servers.faulty import FaultyModel
from coexist.boot.servers.tftpd import FileServerModel
from coexist.boot.servers.together import TogetherModel
from coexist.inventory import Inventory
from coexist.inventory.products import GENERIC, part

SERVICES = frozenset({"proxydhcp", "boot-server"})


def model_for(inventory: Inventory, name: str) -> ServerModel:
    """The model of one server: its lease service, its boot service, or both on one host.

    What a product's record has no model for is modelled as a plain responder.
    """
    server = inventory.site.servers[name]
    parts: list[ServerModel] = []
    if "dhcp" in server.effective_roles:
        leases = part(server.product, "leases") or part(GENERIC, "leases")
        parts.append(leases(inventory, name))
    if server.effective_roles & SERVICES:
        boots = part(server.product, "boots") or part(GENERIC, "boots")
        model = boots(inventory, name)
        fault = server.product.fault_of(server.software.version)
        parts.append(FaultyModel(inner=model, fault=fault) if fault and fault.misroutes_4011 else model)
    if not parts:
        return FileServerModel(name=name)
    return parts[0] if len(parts) == 1 else TogetherModel(name=name, parts=tuple(parts))


__all__ = ["ServerModel", "model_for"]
