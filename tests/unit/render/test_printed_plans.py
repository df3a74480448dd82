"""A rendered file says what the lease plan says: read back, it answers every client alike.

The evaluators of the three languages are held to the daemons by tests/wire. The comparison is by partition of
all clients (`analysis.equal_replies`), and not by sample.
"""

from __future__ import annotations

from typing import Any

import pytest

from coexist.app.convert import prove
from coexist.app.convert.through_inventory import write
from coexist.inventory import Inventory, inventory_from_tree

DHCPD, KEA, DNSMASQ = "isc-dhcpd 4.4", "kea 2.2", "dnsmasq 2.90"
PRODUCTS = (DHCPD, KEA, DNSMASQ)
GROUPS = {
    "thin": {"where": {"hardware": "igel"}},
    "ours": {"where": {"hardware": ["igel", "hp"]}},
    "phones": {"oui": "80:5e:c0"},
    "loud": {"oui": "80:5e:c0", "except": "quiet"},
    "quiet": {"macs": ["80:5e:c0:00:00:01"]},
}
CLIENTS = [
    {"mac": "00:80:64:10:00:01", "name": "tc-1", "hardware": "igel", "address": "10.10.1.20"},
    {"mac": "00:80:64:10:00:02", "name": "tc-2", "hardware": "igel", "address": "10.10.5.2"},
    {"mac": "3c:52:82:30:00:01", "name": "pc-1", "hardware": "hp"},
]
POOL = "10.10.1.0-10.10.1.99"
RULES: dict[str, list[dict[str, Any]]] = {
    "a group": [{"clients": "thin", "filename": "thin.0", "next_server": "10.10.0.9"}],
    "several groups": [{"clients": ["thin", "phones"], "filename": "both.0"}],
    "everyone but": [{"clients": "unknown", "filename": "strangers.0"}],
    "a range without some": [{"clients": "loud", "options": {66: "http://loud"}}],
    "architectures": [{"architectures": ["bios", "uefi-x64"], "filename": "a.efi"}],
    "a part of the architectures": [
        {"architectures": ["bios"], "programs": {"bios": "a.0", "uefi-x64": "never.efi"}}
    ],
    "user class": [{"user_class": "iPXE", "filename": "menu.ipxe"}, {"filename": "ipxe.efi"}],
    "vendor class": [{"vendor_class": "PXEClient", "filename": "a.0"}],
    "a file of another server": [
        {"clients": "thin", "programs": {"bios": {"file": "a.0", "server": "10.10.0.9"}}},
        {"filename": "b.0", "next_server": "10.10.0.8"},
    ],
    "no file for some": [{"clients": "thin", "filename": ""}],
    "programs": [{"programs": {"ipxe": "menu.ipxe", "bios": "a.0", "uefi-x64": "a.efi"}}],
    "http": [{"programs": {"http-x64": "http://10.10.0.9/a.efi"}}],
    "silence for a group": [{"clients": "thin", "ignore": True}],
    "silence for an architecture": [{"architectures": "bios", "ignore": True}],
    "ends with": [{"when": [{"option": 60, "ends_with": "snom"}], "filename": "a"}],
    "begins at": [{"when": [{"option": 60, "starts_with": "Arch", "at": 10}], "filename": "a"}],
    "equals": [{"when": [{"option": 60, "equals": "phone"}], "filename": "a"}],
    "is not": [{"when": [{"option": 60, "equals": "phone", "not": True}], "filename": "a"}],
    "contains": [{"when": [{"option": 60, "contains": "a.b*"}], "filename": "a"}],
    "exists": [{"when": [{"option": 175, "exists": True}], "filename": "a"}],
    "is missing": [{"when": [{"option": 175, "exists": False}], "filename": "a"}],
    "inside an option": [{"when": [{"option": 175, "suboption": 19, "exists": True}], "filename": "a"}],
    "a relay's circuit": [
        {"when": [{"option": 82, "suboption": 1, "equals": "port-7"}], "options": {17: "/port-7"}}
    ],
    "two tests": [
        {
            "clients": "thin",
            "when": [{"option": 60, "starts_with": "PXE"}, {"option": 77, "equals": "iPXE"}],
            "filename": "a",
        }
    ],
}
_TIMES = frozenset({"option 51", "option 58", "option 59"})
"""A plan has one lease time; daemons heed what a client asks for in option 51, which no firmware does."""
CANNOT = {
    (KEA, "contains"),
    (DNSMASQ, "ends with"),
    (DNSMASQ, "inside an option"),
    (DNSMASQ, "a relay's circuit"),
}


def site(software: str, scope: dict[str, Any], **server: Any) -> Inventory:
    """A DHCP server for a VLAN of its own and one behind a relay agent."""
    return inventory_from_tree(
        {
            "site": "printed",
            "vlans": {
                "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
                "workshop": {"id": 20, "subnet": "10.20.0.0/16", "gateway": "10.20.0.1", "relay_to": ["s"]},
            },
            "servers": {
                "s": {
                    "software": software,
                    "address": "10.10.0.5",
                    "vlan": "office",
                    "roles": ["dhcp"],
                    "ping_check": False,
                    **server,
                }
            },
            "scopes": {"office": {"server": "s", "vlan": "office", "pools": [POOL], **scope}},
            "clients": CLIENTS,
            "groups": GROUPS,
        }
    )


def wrong(inventory: Inventory) -> list[str]:
    """What the server's rendered file says otherwise than its plan."""
    server = inventory.site.servers["s"]
    written = write(inventory, "s", server)
    assert not written.lost, written.lost
    proof = prove(inventory, "s", server, written)
    assert proof.packets
    assert not proof.too_many
    return [
        f"{found.what}: {found.before} -> {found.after} ({found.witness})"
        for found in proof.differences
        if found.what not in _TIMES or "option 51=" not in found.witness
    ]


@pytest.mark.parametrize("case", RULES)
@pytest.mark.parametrize("software", PRODUCTS)
def test_rules(software: str, case: str) -> None:
    if (software, case) in CANNOT:
        inventory = site(software, {"rules": RULES[case]})
        written = write(inventory, "s", inventory.site.servers["s"])
        assert written.lost
        return
    assert not wrong(site(software, {"rules": RULES[case], "options": {3: "10.10.0.1"}}))


SCOPES: dict[str, dict[str, Any]] = {
    "names": {"host_names": True, "options": {12: "anybody"}},
    "options sent unasked": {"options": {209: "a.cfg", 17: "/srv"}, "always_send": [209]},
    "options of every kind": {
        "options": {
            3: ["10.10.0.1", "10.10.0.2"],
            6: "10.10.0.3",
            15: "printed.example",
            19: "1",
            26: "1400",
            42: "10.10.0.4",
            43: "hex:06:01:08:ff",
            119: "hex:" + b"\x07printed\x07example\0\4wide\xc0\x08".hex(":"),
            150: "10.10.0.9",
            208: "hex:f1:00:74:7e",
        }
    },
    "no gateway but for some": {"rules": [{"vendor_class": "PXEClient", "options": {3: "10.10.0.1"}}]},
    "pools for groups": {
        "pools": [
            {"range": "10.10.1.0-10.10.1.9", "allow": "thin"},
            {"range": "10.10.2.0-10.10.2.9", "deny": ["thin", "phones"]},
            {"range": "10.10.3.0-10.10.3.9", "allow": "phones"},
        ]
    },
    "a pool for what clients send": {
        "pools": [
            {"range": "10.10.1.0-10.10.1.9", "vendor_class": "PXEClient"},
            {"range": "10.10.2.0-10.10.2.9", "deny": "known"},
        ]
    },
    "a pool for an option that dhcpd has no name for": {
        "pools": [{"range": "10.10.1.0-10.10.1.9", "when": [{"option": 57, "exists": True}]}]
    },
    "reservations alone": {"pools": []},
    "no reservations": {"reservations": False},
    "behind a relay agent": {
        "vlan": "workshop",
        "pools": ["10.20.1.0-10.20.1.9"],
        "options": {3: "10.20.0.1"},
    },
    "a second subnet": {"subnet": "10.10.0.0/17", "pools": ["10.10.1.0-10.10.1.9"]},
    "nobody": {"rules": [{"ignore": True}]},
}
SERVERS: dict[str, dict[str, Any]] = {
    "known clients": {"answers": "known"},
    "all but some": {"answers": {"except": ["loud", "thin"]}},
    "some": {"answers": {"only": ["thin", "phones"]}},
    "architectures": {"answers": {"who": "everyone", "architectures": ["bios", "uefi-x64"]}},
    "not authoritative": {"authoritative": False},
    "options for all scopes": {
        "options": {17: "/srv"},
        "programs": {"bios": "a.0"},
        "roles": ["dhcp", "tftp"],
    },
}


@pytest.mark.parametrize("case", SCOPES)
@pytest.mark.parametrize("software", PRODUCTS)
def test_scopes(software: str, case: str) -> None:
    assert not wrong(site(software, SCOPES[case]))


@pytest.mark.parametrize("case", SERVERS)
@pytest.mark.parametrize("software", PRODUCTS)
def test_servers(software: str, case: str) -> None:
    assert not wrong(site(software, {"filename": "a.0"}, **SERVERS[case]))
