"""Small worlds for property tests: every section an inventory has, over a handful of addresses."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from coexist.inventory import Inventory, inventory_from_tree
from coexist.wire.mac import MAC_SPACE, format_mac

FIRST = 0x00_80_64_00_00_00
UNIVERSE = (0, 1, *range(FIRST - 1, FIRST + 18), 0x02_00_00_00_00_01, MAC_SPACE - 1)
"""The addresses that groups speak of, their neighbours, and some far away."""

GROUPS = ("a", "b", "c", "d")
VLANS = ("office", "workshop")
PROFILES = (("bios", "ipxe"), ("uefi-x64", "edk2"))

addresses = st.integers(FIRST, FIRST + 16)
names = st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True)
anyone = st.one_of(names, st.sampled_from(["everyone", "known", "unknown"]))


@st.composite
def _range(draw: st.DrawFn) -> str:
    low, high = sorted((draw(addresses), draw(addresses)))
    return f"{format_mac(low)} to {format_mac(high)}"


@st.composite
def groups(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number, name in enumerate(GROUPS):
        group: dict[str, Any] = {}
        if draw(st.booleans()):
            group["macs"] = [format_mac(m) for m in draw(st.lists(addresses, max_size=3))]
        if draw(st.booleans()):
            group["range"] = [draw(_range())]
        if draw(st.integers(0, 5)) == 0:
            group["oui"] = ["00:80:64"]
        if draw(st.booleans()):
            group["where"] = {"hardware": draw(st.sampled_from(["x", "y"]))}
        if number and draw(st.integers(0, 3)) == 0:
            group["except"] = [GROUPS[number - 1]]
        if draw(st.integers(0, 4)) == 0:
            group["vlan"] = [draw(st.sampled_from(VLANS))]
        if draw(st.integers(0, 4)) == 0:
            group["architecture"] = [draw(st.sampled_from(["bios", "uefi-x64"]))]
        made[name] = group
    return made


@st.composite
def clients(draw: st.DrawFn) -> list[dict[str, Any]]:
    optional = st.sampled_from([None, None, "bios", "uefi-x64"])
    rows = []
    for mac in draw(st.lists(addresses, unique=True, max_size=8)):
        row: dict[str, Any] = {"mac": format_mac(mac), "name": f"pc-{mac - FIRST}"}
        row["hardware"] = draw(st.sampled_from(["x", "y", "z"]))
        for key, values in (("architecture", optional), ("vlan", st.sampled_from([None, *VLANS]))):
            value = draw(values)
            if value is not None:
                row[key] = value
        rows.append(row)
    return rows


delays = st.sampled_from(
    [0, 0, 0, 1.2, 2, 3.5, {"secs_at_least": 4}, {"secs_at_least": 8}, {"since_first": 3}]
)


@st.composite
def boot_server(draw: st.DrawFn, address: str) -> dict[str, Any]:
    server: dict[str, Any] = {"software": "coexist", "address": address, "vlan": "office"}
    who = draw(st.sampled_from(["everyone", "known", "unknown", "only", "except", "intended"]))
    server["answers"] = {who: draw(names)} if who in ("only", "except") else who
    server["delay"] = draw(delays)
    programs = {"bios": "a.0", "uefi-x64": "a.efi"}
    server["programs"] = {k: v for k, v in programs.items() if draw(st.integers(0, 6))} or programs
    return server


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """The tree of an inventory with two VLANs, a DHCP server and up to three boot services."""
    servers: dict[str, Any] = {
        "dhcp": {
            "software": "isc-dhcpd",
            "address": "10.10.0.5",
            "vlan": "office",
            "ping_check": draw(st.booleans()),
        }
    }
    boots = [f"boot{n}" for n in range(draw(st.integers(1, 3)))]
    for number, name in enumerate(boots):
        servers[name] = draw(boot_server(f"10.10.0.{10 + number}"))
    scope: dict[str, Any] = {
        "server": "dhcp",
        "vlan": "office",
        "pools": ["10.10.1.0-10.10.1.99"],
        "options": {"3": "10.10.0.1"},
    }
    if draw(st.integers(0, 3)) == 0:
        scope |= {"next_server": draw(st.sampled_from(boots)), "filename": "scope.0"}
    if draw(st.booleans()):
        scope["rules"] = [{"clients": draw(names), "next_server": boots[0], "filename": "rule.0"}]
    workshop = {"server": "dhcp", "vlan": "workshop", "pools": ["10.20.1.0-10.20.1.99"]}
    intent = []
    for _ in range(draw(st.integers(0, 3))):
        rule: dict[str, Any] = {
            "clients": draw(anyone),
            "boot_from": draw(st.sampled_from([*boots, "nobody"])),
        }
        if draw(st.booleans()):
            rule["unless"] = draw(names)
        if draw(st.booleans()):
            rule["vlan"] = [draw(st.sampled_from(VLANS))]
        if draw(st.integers(0, 2)) == 0 and rule["boot_from"] != "nobody":
            rule["fallback"] = [name for name in boots if name != rule["boot_from"]][:1]
        intent.append(rule)
    return {
        "site": "small",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
            "workshop": {
                "id": 20,
                "subnet": "10.20.0.0/16",
                "gateway": "10.20.0.1",
                "relay_to": ["dhcp", *draw(st.lists(st.sampled_from(boots), unique=True))],
            },
        },
        "servers": servers,
        "scopes": {"office": scope, "workshop": workshop},
        "clients": {"listed": draw(clients())},
        "groups": draw(groups()),
        "architectures": {"bios": ["ipxe"], "uefi-x64": ["edk2"]},
        "intent": intent,
    }


def readable(tree: dict[str, Any]) -> Inventory | None:
    """The inventory of a tree; None where the reader refuses it (an empty whitelist)."""
    from coexist.errors import InputError

    try:
        return inventory_from_tree(tree)
    except InputError:
        return None
