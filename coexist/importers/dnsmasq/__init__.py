"""dnsmasq's configuration: its lines and files, its tags, and what they mean for an inventory."""

from __future__ import annotations

from coexist.importers.imported import Imported
from coexist.importers.kind import Kind, Request
from coexist.inventory.products import DNSMASQ


def _read(request: Request) -> Imported:
    # The parser is imported when a file is read.
    from coexist.importers.dnsmasq.site import import_dnsmasq
    from coexist.languages.dnsmasq.files import read_lines

    path = request.only_path()
    name = request.server or DNSMASQ.name
    return import_dnsmasq(
        read_lines(path, around=request.around),
        str(path),
        server=name,
        address=request.address,
        network=request.network,
    )


def _read_hosts(request: Request) -> Imported:
    from coexist.importers.dnsmasq.hosts_file import import_hosts_file
    from coexist.languages.dnsmasq.files import read_lines

    path = request.only_path()
    return import_hosts_file(read_lines(path, as_hosts=True, around=request.around), str(path))


KIND = Kind(
    name=DNSMASQ.name,
    describe="dnsmasq.conf with conf-file, conf-dir and hosts files",
    run=_read,
    product=DNSMASQ,
)
HOSTS = Kind(
    name=f"{DNSMASQ.name}-hosts",
    describe="a dhcp-hostsfile of dnsmasq alone: its machines",
    run=_read_hosts,
)
