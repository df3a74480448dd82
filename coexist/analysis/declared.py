"""Which declaration of the inventory makes an outcome so."""

from __future__ import annotations

from coexist.analysis.profiles import firmware_kind
from coexist.analysis.race import ClientCase, Outcome
from coexist.boot.firmware import firmware_models
from coexist.boot.firmware.machine import Machine
from coexist.boot.leases.lease import FieldName, Lease
from coexist.boot.own_files import heard_on, own_config
from coexist.errors import Position
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.options import Option


def deciding_path(inventory: Inventory, case: ClientCase, outcome: Outcome) -> Path:
    """The declaration that decided: a server's boot service, a scope or its rule, or the VLAN."""
    server = outcome.decided_by
    if server is None:
        return ("vlans", case.vlan)
    declared = inventory.site.servers[server]
    if declared.effective_roles & {"proxydhcp", "boot-server"}:
        fields = declared.model_fields_set
        if "delay_for" in fields and any(case.mac in inventory.group(g) for g in declared.delay_for):
            return ("servers", server, "delay_for")
        return ("servers", server, "answers") if "answers" in fields else ("servers", server)
    return _scope_path(inventory, case, server)


def _scope_path(inventory: Inventory, case: ClientCase, server: str) -> Path:
    for name, scope in inventory.site.scopes.items():
        if server not in scope.servers or scope.vlan != case.vlan:
            continue
        for number, rule in enumerate(scope.rules):
            about = rule.clients is None or case.mac in inventory.members(rule.clients)
            fits = rule.architectures is None or case.architecture in rule.architectures
            if rule.user_class == "iPXE" and firmware_kind(inventory.site, case.firmware) != "ipxe":
                continue
            gives = rule.filename or rule.programs or rule.next_server or rule.options
            if about and fits and gives:
                return ("scopes", name, "rules", number)
        return ("scopes", name)
    return ("servers", server)


def deciding_place(inventory: Inventory, case: ClientCase, outcome: Outcome) -> Position:
    """Where that declaration stands; of a server by its own files the line that says the file."""
    server = outcome.decided_by
    config = None if server is None else own_config(inventory, server)
    if server is None or config is None:
        return inventory.where(*deciding_path(inventory, case, outcome))
    machine = Machine(mac=case.mac, architecture=CANONICAL_CODE.get(case.architecture, 0))
    model = firmware_models(inventory.site.firmwares)[case.firmware]
    packet = model.begin(machine, model.phases[0]).sends[0].packet
    lease = config.leases(heard_on(inventory, server, case.vlan, packet))
    if isinstance(lease, Lease):
        keys: tuple[int | FieldName, ...] = ("file", Option.BOOTFILE_NAME, "siaddr", "yiaddr")
        said = (lease.origins.get(key) for key in keys)
        origin = next((place for place in said if isinstance(place, Position)), None)
        if origin is not None:
            return origin
    return inventory.where(*deciding_path(inventory, case, outcome))
