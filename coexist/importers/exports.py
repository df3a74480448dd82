"""The machines of other tools, by the CSV files these export: one table of columns a tool.

Sources: FOG's CSV_IMPORT_EXPORT.md (no heading, columns by place, ``|`` between MAC addresses) with the
fields of lib/fog/host.class.php, and the heading of lib/reports/host_list.report.php; ``maas PROFILE
machines read``, whose JSON is the one list that MAAS itself writes, and lists made of it; ``hammer --csv
host list`` of Foreman (lib/hammer_cli_foreman/host.rb: Id, Name, Operating System, Host Group, IP, MAC,
Global Status, and Organization and Location with ``--fields ALL``; older ones say Operating System Id, Host
Group Id); NetBox's export of interfaces and of MAC addresses, which name the columns as their tables do
(dcim/tables/devices.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.importers.account import Account
from coexist.importers.groups import as_name
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kind import Kind, Request
from coexist.importers.lists import Columns, Machines, import_macs
from coexist.languages.source_files import read_export
from coexist.wire.mac import format_mac, parse_mac

FOG = Columns(
    order=(
        "mac",
        "name",
        "description",
        "ip",
        "imageID",
        "building",
        "createdTime",
        "deployed",
        "createdBy",
        "useAD",
        "ADDomain",
        "ADOU",
        "ADUser",
        "ADPass",
        "ADPassLegacy",
        "productKey",
        "printerLevel",
        "kernel",
        "kernelArgs",
        "kernelDevice",
    ),
    fields={
        "mac": "mac",
        "name": "name",
        "ip": "address",
        "host name": "name",
        "host mac": "mac",
        "host primary mac": "mac",
        "host ip": "address",
    },
    separators="|",
)
MAAS = Columns(
    fields={
        "fqdn": "name",
        "hostname": "name",
        "machine name": "name",
        "mac": "mac",
        "mac address": "mac",
        "mac addresses": "mac",
        "pxe mac": "mac",
        "pxe_mac": "mac",
        "ip": "address",
        "ip address": "address",
        "zone": "location",
        "tags": "tags",
    },
    separators=",;",
)
FOREMAN = Columns(
    fields={
        "name": "name",
        "mac": "mac",
        "mac address": "mac",
        "ip": "address",
        "location": "location",
        "model": "hardware",
    },
)
NETBOX = Columns(
    fields={
        "device": "name",
        "virtual machine": "name",
        "mac address": "mac",
        "mac_address": "mac",
        "primary mac address": "mac",
        "primary mac": "mac",
        "mac addresses": "mac",
        # Of an interface the interface that it is a part of; of a MAC address its machine.
        "parent": "name",
        "location": "location",
        "site": "location",
        "ip addresses": "address",
        "untagged vlan": "vlan",
        "tags": "tags",
    },
    separators=",",
)


def _reader(columns: Columns) -> Callable[[Request], Imported]:
    def run(request: Request) -> Imported:
        path = request.only_path()
        return import_macs(read_export(path), str(path), columns)

    return run


def _maas(request: Request) -> Imported:
    path = request.only_path()
    text = read_export(path)
    if text.lstrip().startswith("["):
        return import_maas_machines(text, str(path))
    return import_macs(text, str(path), MAAS)


def import_maas_machines(text: str, file: str) -> Imported:
    """What ``maas PROFILE machines read`` writes: a JSON list of machines with their interfaces.

    A machine's own interface to boot from comes first. Raises InputError for what is no such list.
    """
    try:
        machines = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = Position(file, getattr(error, "lineno", 1), getattr(error, "colno", 1))
        raise InputError([Problem(place, f"this is no JSON: {error}", _MAAS_AGAIN)]) from None
    found = Machines(Account())
    for number, machine in enumerate(machines, start=1):
        # A list of JSON has no lines that mean anything: the place counts the machines.
        at = Position(file, number)
        if not isinstance(machine, dict):
            raise InputError([Problem(at, "this is no machine of MAAS", _MAAS_AGAIN)])
        _maas_machine(machine, at, found)
    return found.imported(file, ["Places in not-modelled.md count the machines of the list."])


def _maas_machine(machine: dict[str, Any], at: Position, found: Machines) -> None:
    name = str(machine.get("fqdn") or machine.get("hostname") or "")
    zone = machine.get("zone")
    tags = machine.get("tag_names")
    boots_from = machine.get("boot_interface")
    interfaces = [boots_from, *_list(machine.get("interface_set"))]
    macs = [i.get("mac_address") for i in interfaces if isinstance(i, dict)]
    before = len(found.rows)
    for text in dict.fromkeys(str(mac) for mac in macs if mac):
        try:
            mac = parse_mac(text)
        except ValueError:
            found.account.left_out(at, text, f"{text!r} is no MAC address")
            continue
        row = ClientRow(
            mac=format_mac(mac),
            name=name,
            location=str(zone.get("name", "")) if isinstance(zone, dict) else "",
            tags=" ".join(as_name(str(tag), "tag") for tag in _list(tags)),
        )
        found.add(mac, row, at, name)
    if len(found.rows) == before:
        found.barren += 1
        found.account.left_out(at, name, "there is no MAC address in this machine")
    addresses = _list(machine.get("ip_addresses"))
    if addresses:
        why = "the address of a machine; the list declares no subnet for it"
        found.account.left_out(at, ", ".join(map(str, addresses)), why)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_MAAS_AGAIN = "write it with `maas PROFILE machines read`"

KINDS = (
    Kind(name="fog", describe="FOG's export of hosts (CSV)", run=_reader(FOG)),
    Kind(name="maas", describe="MAAS: what `maas PROFILE machines read` writes, or CSV", run=_maas),
    Kind(name="foreman", describe="Foreman's list of hosts (hammer --csv host list)", run=_reader(FOREMAN)),
    Kind(name="netbox", describe="NetBox's export of interfaces (CSV)", run=_reader(NETBOX)),
)
