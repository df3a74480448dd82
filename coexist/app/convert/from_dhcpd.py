"""From a dhcpd.conf that runs to a configuration of another product."""

from __future__ import annotations

import re

from coexist.app.convert.kea_writer import written
from coexist.app.convert.written import Written
from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.own_files import own_config
from coexist.inventory import Inventory
from coexist.inventory.models import Server
from coexist.inventory.products import KEA
from coexist.render.targets.kea import KEA_2, KEA_3
from coexist.render.targets.kea_json import dumps


def to_kea(inventory: Inventory, name: str, target: Server) -> Written:
    """The file of a Kea."""
    own = own_config(inventory, name)
    assert own is not None  # the caller asks for a server by its own file
    assert isinstance(own.leases, DhcpdLeases)
    numbers = tuple(map(int, re.findall(r"\d+", target.software.version)[:2]))
    dialect = KEA_3 if numbers >= (2, 7) else KEA_2
    comment = f"{name}: converted by coexist from {own.leases.configuration.file}"
    tree, account = written(own.leases.outline, dialect, comment)
    return Written(path="kea-dhcp4.conf", text=dumps({"Dhcp4": tree}), lost=account.close(()))


CONVERTERS = ((KEA, to_kea),)
"""The products that are written, each with its function."""
