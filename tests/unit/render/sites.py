"""Small sites for the tests of rendering."""

from __future__ import annotations

from typing import Any

from coexist.inventory import Inventory, inventory_from_tree

CLIENTS = [
    {
        "mac": "00:80:64:10:00:01",
        "name": "tc-1",
        "location": "Hall",
        "hardware": "igel",
        "address": "10.10.5.1",
    },
    {"mac": "00:80:64:10:00:02", "name": "tc-2", "location": "Hall", "hardware": "igel"},
    {"mac": "3c:52:82:30:00:01", "name": "pc-1", "location": "Office", "hardware": "hp"},
]


def site(
    server: dict[str, Any],
    *,
    clients: list[dict[str, Any]] | None = None,
    scope: dict[str, Any] | None = None,
) -> Inventory:
    """A site whose server ``s`` is as given; with a scope if it is a DHCP server."""
    tree: dict[str, Any] = {
        "site": "small",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
            "workshop": {"id": 20, "subnet": "10.20.0.0/16", "gateway": "10.20.0.1", "relay_to": ["s"]},
        },
        "servers": {"s": {"address": "10.10.0.5", "vlan": "office", **server}},
        "clients": CLIENTS if clients is None else clients,
        "groups": {"thin": {"where": {"hardware": "igel"}}, "phones": {"oui": "80:5e:c0"}},
    }
    if scope is not None:
        tree["scopes"] = {
            "office": {"server": "s", "vlan": "office", "pools": ["10.10.1.0-10.10.1.99"], **scope}
        }
    return inventory_from_tree(tree)
