"""From a dhcpd.conf that runs to a configuration of another product."""

from __future__ import annotations

from pathlib import Path

from coexist.app.convert.kea_writer import written
from coexist.app.convert.leases import CarriedLeases, carry_leases
from coexist.app.convert.written import Conversion, Written
from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.own_files import own_config
from coexist.inventory import Inventory
from coexist.inventory.models import Server
from coexist.inventory.products import KEA
from coexist.languages.source_files import read_text
from coexist.render.targets.kea_dialect import KEA_2, KEA_3
from coexist.render.targets.kea_json import dumps


def to_kea(inventory: Inventory, name: str, target: Server) -> Written:
    """The file of a Kea."""
    own = own_config(inventory, name)
    assert own is not None  # the caller asks for a server by its own file
    assert isinstance(own.leases, DhcpdLeases)
    dialect = KEA_3 if target.software.numbers >= (2, 7) else KEA_2
    comment = f"{name}: converted by coexist from {own.leases.configuration.file}"
    tree, account = written(own.leases.outline, dialect, comment)
    return Written(path="kea-dhcp4.conf", text=dumps({"Dhcp4": tree}), lost=account.close(()))


def leases_to_kea(leases: Path, text: str, target: Server) -> CarriedLeases:
    """The leases of a dhcpd.leases as Kea keeps them. Raises InputError."""
    return carry_leases(read_text(leases), str(leases), text, target.software.numbers)


# RFC 6842's echo of option 61 is off in dhcpd unless it is asked for, and on in Kea.
CONVERSIONS = (Conversion(to=KEA, write=to_kea, settings={"echo-client-id": False}, carry=leases_to_kea),)
"""The products that a dhcpd is converted to."""
