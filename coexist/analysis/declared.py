"""Which declaration of the inventory makes an outcome so."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.analysis.numbers import first_packet
from coexist.analysis.race import ClientCase, Outcome
from coexist.boot.firmware import firmwares_of
from coexist.boot.firmware.machine import Machine
from coexist.boot.leases.lease import FieldName, Lease, NoLease, Origin
from coexist.boot.own_files import heard_on, own_config
from coexist.boot.responder import Arrival
from coexist.boot.servers.declared import plan_leases
from coexist.errors import Position
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.options import Option

_DECIDES: tuple[int | FieldName, ...] = ("file", Option.BOOTFILE_NAME, "siaddr")
"""The values of a lease by which a client boots, in the order in which their lines are named."""


def deciding_path(inventory: Inventory, case: ClientCase, outcome: Outcome) -> Path:
    """The declaration that decided: a server's boot service, the line of a scope, or the VLAN."""
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
    """The line of a scope that gives the client its file, as the lease plan has it."""
    for name, scope in inventory.site.scopes.items():
        if server not in scope.servers or scope.vlan != case.vlan:
            continue
        lease = plan_leases(inventory, server).handed(name, _arrival(inventory, case, server))
        lines = (origin for origin in _origins(lease) if isinstance(origin, tuple))
        return next(lines, ("scopes", name))
    return ("servers", server)


def deciding_place(inventory: Inventory, case: ClientCase, outcome: Outcome) -> Position:
    """Where that declaration stands; of a server by its own files the line that says the file."""
    server = outcome.decided_by
    config = None if server is None else own_config(inventory, server)
    if server is not None and config is not None:
        lease = config.leases(_arrival(inventory, case, server))
        lines = (origin for origin in _origins(lease, "yiaddr") if isinstance(origin, Position))
        line = next(lines, None)
        if line is not None:
            return line
    return inventory.where(*deciding_path(inventory, case, outcome))


def _arrival(inventory: Inventory, case: ClientCase, server: str) -> Arrival:
    """The first packet of a client, which boots from a server, as it reaches that from its VLAN."""
    number = CANONICAL_CODE.get(case.architecture, 0) if case.number is None else case.number
    firmware = firmwares_of(inventory)[case.firmware]
    packet = first_packet(firmware, Machine(mac=case.mac, architecture=number))
    assert packet is not None  # it was answered
    return heard_on(inventory, server, case.vlan, packet)


def _origins(lease: Lease | NoLease, *further: FieldName) -> Iterator[Origin]:
    """The places of the values by which a client boots."""
    if isinstance(lease, Lease):
        yield from (lease.origins[key] for key in (*_DECIDES, *further) if key in lease.origins)
