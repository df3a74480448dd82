"""Boot server discovery by multicast, by broadcast and by list, as 43.6 says, by firmware with menus."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.errors import InputError
from coexist.inventory import inventory_from_tree
from coexist.wire.pxe import (
    BootServer,
    DiscoveryControl,
    MenuItem,
    MenuPrompt,
    PxeVendorOptions,
    encode_vendor_options,
)

MAC = 0x0010F3445566
GROUP, BOOT = IPv4Address("239.7.7.7"), IPv4Address("10.21.0.9")
ITEM = 0x9001
BIOS = ["pxe21", "ipxe"]


def site(control: int, *, group: bool = True, listed: bool = False, **more: Any) -> dict[str, Any]:
    vendor = PxeVendorOptions(
        discovery_control=DiscoveryControl(control),
        mcast=GROUP,
        boot_servers=(BootServer(type=ITEM, addresses=(BOOT,)),) if listed else (),
        menu=(MenuItem(type=ITEM, text="Deploy"),),
        prompt=MenuPrompt(timeout=0, text="Network"),
    )
    boot = {
        "software": "generic",
        "address": str(BOOT),
        "vlan": "lab",
        "roles": ["boot-server", "tftp"],
        "programs": {"bios": "deploy.0", "uefi-x64": "deploy.efi"},
        **({"discovery_group": str(GROUP)} if group else {}),
        **more,
    }
    dhcp = {"software": "isc-dhcpd", "address": "10.21.0.2", "vlan": "lab", "ping_check": False}
    options = {"60": "PXEClient", "43": "hex:" + encode_vendor_options(vendor).hex()}
    return {
        "site": "s",
        "vlans": {"lab": {"id": 4, "subnet": "10.21.0.0/24"}},
        "servers": {"dhcp": dhcp, "boot": boot},
        "scopes": {
            "lab": {"server": "dhcp", "vlan": "lab", "pools": ["10.21.0.100-10.21.0.120"], "options": options}
        },
    }


def winners(declared: dict[str, Any], firmware: str) -> set[str | None]:
    architecture = "uefi-x64" if firmware == "edk2" else "bios"
    case = ClientCase(mac=MAC, vlan="lab", architecture=architecture, firmware=firmware)
    return set(race(build_world(inventory_from_tree(declared)), case).winners)


@pytest.mark.parametrize("firmware", [*BIOS, "edk2"])
def test_a_boot_server_is_found_by_its_group(firmware: str) -> None:
    assert winners(site(control=1), firmware) == {"boot"}


@pytest.mark.parametrize("firmware", BIOS)
def test_and_by_broadcast(firmware: str) -> None:
    assert winners(site(control=2, group=False), firmware) == {"boot"}


def test_a_dhcp_server_answers_the_broadcast_too_and_edk2_takes_the_first() -> None:
    """It renews the lease: the REQUEST names the client's address and no server (RFC 2131 section 4.3.2)."""
    assert winners(site(control=2, group=False), "edk2") == {"boot", None}


@pytest.mark.parametrize("firmware", [*BIOS, "edk2"])
def test_and_by_the_list(firmware: str) -> None:
    assert winners(site(control=3, group=False, listed=True), firmware) == {"boot"}


def test_where_nobody_joins_the_group_the_next_way_is_tried_or_not() -> None:
    lonely = site(control=0, group=False)
    assert winners(lonely, "ipxe") == {"boot"}
    assert winners(lonely, "pxe21") == {"boot", None}
    assert winners(lonely, "edk2") == {None}


def test_only_servers_of_other_products_join_a_group() -> None:
    with pytest.raises(InputError) as caught:
        inventory_from_tree(site(control=0, software="coexist", roles=["proxydhcp", "tftp"]))
    (problem,) = caught.value.problems
    assert re.search(r"\bboot\b", problem.message)
    with pytest.raises(InputError) as caught:
        inventory_from_tree(site(control=0, discovery_group="10.21.0.77"))
    (problem,) = caught.value.problems
    assert "10.21.0.77" in problem.message
