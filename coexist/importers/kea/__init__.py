"""Kea's DHCPv4 configuration: JSON with comments, its client classes, and what it means for an inventory."""

from __future__ import annotations

from coexist.importers.imported import Imported
from coexist.importers.kind import Kind, Request
from coexist.inventory.products import KEA
from coexist.languages.source_files import read_text


def _read(request: Request) -> Imported:
    # The parser is imported when a file is read.
    from coexist.importers.kea.site import import_kea

    path = request.only_path()
    return import_kea(
        read_text(path),
        str(path),
        request.around.text,
        server=request.server or "dhcp",
        address=request.address,
    )


KIND = Kind(name=KEA.name, describe="Kea's DHCPv4 configuration (JSON with comments)", run=_read, product=KEA)
