"""Statements of a dhcpd.conf as an inventory has them, for the tests of their meaning."""

from __future__ import annotations

from dataclasses import field
from ipaddress import IPv4Network
from typing import Any

from coexist.importers.dhcpd.site import import_dhcpd
from coexist.importers.imported import Imported
from coexist.inventory.products import ISC_DHCPD
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedScope:
    """Statements for one subnet as an inventory's scope: ``scope`` lacks its server, VLAN and subnet.

    ``groups`` are the groups its rules speak of; ``server`` what the statements say about the
    server itself (``ping_check``).
    """

    scope: dict[str, Any]
    groups: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    imported: Imported


def import_statements(body: str, *, outside: str = "", subnet: str = "10.77.0.0/24") -> ImportedScope:
    """What statements inside a subnet mean (``outside``: those before it, at the file's top level).

    Raises InputError for statements that dhcpd refuses.
    """
    network = IPv4Network(subnet)
    text = f"{outside}\nsubnet {network.network_address} netmask {network.netmask} {{\n{body}\n}}\n"
    imported = import_dhcpd(text, "<statements>")
    (scope,) = imported.tree["scopes"].values()
    own = {key: value for key, value in scope.items() if key not in ("server", "vlan", "subnet")}
    (server,) = (s for s in imported.tree["servers"].values() if s["software"] == ISC_DHCPD.software)
    said = {key: server[key] for key in ("ping_check", "authoritative") if key in server}
    return ImportedScope(scope=own, groups=imported.tree.get("groups", {}), server=said, imported=imported)
