"""ISC dhcpd.conf: what it means for an inventory."""

from __future__ import annotations

from coexist.importers.imported import Imported
from coexist.importers.kind import Kind, Request
from coexist.inventory.products import ISC_DHCPD
from coexist.languages.source_files import read_text


def _read(request: Request) -> Imported:
    # The parser is imported when a file is read.
    from coexist.importers.dhcpd.site import import_dhcpd

    path = request.only_path()
    return import_dhcpd(
        read_text(path),
        str(path),
        request.around.text,
        server=request.server or "dhcp",
        address=request.address,
    )


KIND = Kind(name="dhcpd", describe="ISC dhcpd.conf, with the files it includes", run=_read, product=ISC_DHCPD)
