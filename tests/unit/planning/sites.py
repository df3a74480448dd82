"""A small site with two server generations, to plan migrations on."""

from __future__ import annotations

from typing import Any

from coexist.inventory import Inventory, inventory_from_tree

PROGRAMS = {"bios": "lpxelinux.0", "uefi-x64": "syslinux64.efi"}


def tree(clients: int = 12, **migration: Any) -> dict[str, Any]:
    """Thin clients of two hardware types in three rooms, on an old server that shall be replaced."""
    return {
        "site": "two-generations",
        "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}},
        "servers": {
            "dhcp": {
                "software": "isc-dhcpd 4.4",
                "address": "10.10.0.5",
                "vlan": "office",
                "ping_check": False,
            },
            "old": {
                "software": "coexist",
                "address": "10.10.0.6",
                "vlan": "office",
                "answers": {"only": "thin-clients"},
                "programs": {key: f"old/{file}" for key, file in PROGRAMS.items()},
            },
            "new": {
                "software": "coexist",
                "address": "10.10.0.7",
                "vlan": "office",
                "answers": "nobody",
                "programs": {key: f"new/{file}" for key, file in PROGRAMS.items()},
            },
        },
        "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.10.1.0-10.10.9.255"]}},
        "clients": [
            {
                "mac": f"00:15:5d:00:00:{n:02x}",
                "name": f"tc{n:02}",
                "hardware": "ud3" if n % 3 else "wyse",
                "location": f"room-{n % 3}",
                "tags": ["pilot"] if n in (1, 4) else [],
            }
            for n in range(clients)
        ],
        "groups": {
            "thin-clients": {"where": {"hardware": ["ud3", "wyse"]}},
            "pilot-machines": {"where": {"tags": "pilot"}},
        },
        "intent": [{"clients": "thin-clients", "boot_from": "old"}],
        "migrations": {"up": {"from": "old", "to": "new", "clients": "thin-clients", **migration}},
    }


def site(clients: int = 12, **migration: Any) -> Inventory:
    """The inventory of `tree`."""
    return inventory_from_tree(tree(clients, **migration))
