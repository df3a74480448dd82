"""The DHCP servers of OPNsense and pfSense, by the config.xml that both keep.

A firewall writes its daemon's own file from config.xml. So does this package: the dhcpd.conf,
kea-dhcp4.conf or dnsmasq.conf that the firewall would write is made and imported as any other, and every
statement has the place of the element it comes from.
"""

from __future__ import annotations

from coexist.importers.imported import Imported
from coexist.importers.kind import Kind, Request
from coexist.languages.source_files import read_octets


def _read(request: Request) -> Imported:
    # The parsers are imported when a file is read.
    from coexist.importers.firewall.site import import_firewall

    path = request.only_path()
    return import_firewall(
        read_octets(path), str(path), server=request.server or "firewall", address=request.address
    )


KINDS = (
    Kind(name="opnsense", describe="OPNsense's config.xml: its DHCP server (ISC, Kea or dnsmasq)", run=_read),
    Kind(name="pfsense", describe="pfSense's config.xml: its DHCP server (ISC or Kea)", run=_read),
)
