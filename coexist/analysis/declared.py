"""Which declaration of the inventory makes an outcome so."""

from __future__ import annotations

from coexist.analysis.profiles import firmware_kind
from coexist.analysis.race import ClientCase, Outcome
from coexist.errors import Position
from coexist.inventory import Inventory
from coexist.inventory.documents import Path


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
    """Where that declaration stands."""
    return inventory.where(*deciding_path(inventory, case, outcome))
