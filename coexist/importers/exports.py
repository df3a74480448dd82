"""The machines of other tools, by the CSV files these export: one table of columns a tool.

Sources: FOG's CSV_IMPORT_EXPORT.md (no heading, columns by place, ``|`` between MAC addresses) with the
fields of lib/fog/host.class.php; MAAS's machine list; ``hammer --csv host list`` of Foreman, whose heading
hammer-cli-foreman's own tests have (Id, Name, Operating System, Host Group, IP, MAC; older ones say Operating
System Id, Host Group Id); NetBox's export of interfaces, which names the columns as its table does.
"""

from __future__ import annotations

from collections.abc import Callable

from coexist.importers.imported import Imported
from coexist.importers.kind import Kind, Request
from coexist.importers.lists import Columns, import_macs
from coexist.languages.source_files import read_export

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
    fields={"mac": "mac", "name": "name", "ip": "address"},
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
        "site": "location",
        "location": "location",
        "ip addresses": "address",
        "untagged vlan": "vlan",
        "tags": "tags",
    },
)


def _reader(columns: Columns) -> Callable[[Request], Imported]:
    def run(request: Request) -> Imported:
        path = request.only_path()
        return import_macs(read_export(path), str(path), columns)

    return run


KINDS = (
    Kind(name="fog", describe="FOG's export of hosts (CSV)", run=_reader(FOG)),
    Kind(name="maas", describe="MAAS's list of machines (CSV)", run=_reader(MAAS)),
    Kind(name="foreman", describe="Foreman's list of hosts (hammer --csv host list)", run=_reader(FOREMAN)),
    Kind(name="netbox", describe="NetBox's export of interfaces (CSV)", run=_reader(NETBOX)),
)
