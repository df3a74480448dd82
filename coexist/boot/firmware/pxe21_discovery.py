"""Menus and boot servers of a PXE 2.1 ROM: option 43.6 to 43.10 and 43.71 (PXE 2.1 sections 2.2 to 2.4).

The specification leaves open whether a client that may discover in several ways tries them one after the
other (iPXE does) or takes the first alone (EDK2 does), and what a menu without a prompt means.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import NamedTuple

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.wire.bootp import Packet
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import (
    DiscoveryControl,
    PxeVendorOptions,
    SubOption,
    decode_vendor_options,
)

FOR_EVER = 255
"""A prompt's timeout: wait for a person."""
NO_GROUP = "PXE-E76: Bad or missing multicast discovery address"
NO_LIST = "PXE-E77: Bad or missing discovery server list"
NO_BOOT_SERVER = "PXE-E78: Could not locate boot server"
LOCAL_BOOT = "PXE-M0F: Exiting PXE ROM"
AT_MENU = "waits at the boot menu"


class Plan(NamedTuple):
    """How the boot server of an item is looked for.

    ``targets``: the addresses in their order. ``accepted``: the only servers whose answers count, None for
    any. ``error``: why there is no way, with ``why``.
    """

    item: int
    targets: tuple[IPv4Address, ...] = ()
    accepted: tuple[IPv4Address, ...] | None = None
    error: str = ""
    why: str = ""


def vendor_options(packet: Packet) -> PxeVendorOptions | None:
    """Option 43 of a packet that says PXEClient; None where it has none, or one that cannot be read."""
    value = packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
    if value is None or not is_pxe(packet):
        return None
    decoded = decode_vendor_options(value)
    return None if isinstance(decoded, Malformed) else decoded


def is_pxe(packet: Packet) -> bool:
    """Whether option 60 begins with PXEClient."""
    return packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(b"PXEClient")


def prompt_seconds(vendor: PxeVendorOptions, *, waits_without: bool) -> int:
    """How long the prompt stands before the first item is taken; `FOR_EVER` for a person's choice.

    ``waits_without``: a menu without a prompt is one to choose from.
    """
    if vendor.prompt is not None:
        return vendor.prompt.timeout
    return FOR_EVER if waits_without else 0


def plan_of(vendor: PxeVendorOptions, item: int, *, one_after_the_other: bool) -> Plan:
    """How the boot server of a menu's item is looked for, as 43.6, 43.7 and 43.8 say."""
    control = vendor.discovery_control or DiscoveryControl(0)
    entries = [entry for entry in vendor.boot_servers if entry.type == item]
    listed = tuple(address for entry in entries for address in entry.addresses)
    # An entry without addresses: any server of that type (PXE 2.1, tag 8).
    anyone = any(not entry.addresses for entry in entries)
    only_listed = bool(control & DiscoveryControl.ACCEPT_ONLY_LISTED)
    if only_listed and not entries:
        return Plan(item, error=NO_LIST, why=f"43.6 wants the list of boot servers, none is of type {item}")
    ways: list[tuple[IPv4Address, ...]] = []
    if not control & DiscoveryControl.DISABLE_MULTICAST:
        if vendor.mcast is not None:
            ways.append((vendor.mcast,))
        elif not one_after_the_other:
            return Plan(item, error=NO_GROUP, why="43.6 allows multicast and 43.7 names no group")
    if not control & DiscoveryControl.DISABLE_BROADCAST:
        ways.append((LIMITED_BROADCAST,))
    if listed:
        ways.append(listed)
    if not ways:
        return Plan(item, error=NO_LIST, why=f"43.6 leaves no way to find a boot server of type {item}")
    if not one_after_the_other:
        ways = ways[:1]
    return Plan(
        item,
        targets=tuple(address for way in ways for address in way),
        accepted=listed if only_listed and not anyone else None,
    )


def port_of(target: IPv4Address) -> int:
    """Where a boot server is asked: 67 by broadcast, else 4011 (PXE 2.1 section 2.2.1)."""
    return DHCP_PORT if target == LIMITED_BROADCAST else BOOT_SERVER_PORT


def acknowledges(packet: Packet, source: IPv4Address, plan: Plan) -> str | None:
    """Why a packet is no boot server's answer to the request; None if it is one."""
    if packet.message_type is not MessageType.ACK:
        return "no DHCPACK"
    vendor = vendor_options(packet)
    item = vendor.boot_item[0] if vendor is not None and vendor.boot_item is not None else None
    if item != plan.item:
        return f"it does not acknowledge the boot item {plan.item} (43.{SubOption.BOOT_ITEM:d})"
    named = server_named(packet, source)
    if plan.accepted is not None and named not in plan.accepted:
        return f"{named} is not on the list of boot servers"
    return None


def server_named(packet: Packet, source: IPv4Address) -> IPv4Address:
    """The server a packet is of: option 54 (RFC 2132 section 9.7: where to send what is meant for it).

    ``source`` is where the packet came from: a relay agent, where one passed it on.
    """
    named = packet.options.get(Option.SERVER_IDENTIFIER, b"")
    return IPv4Address(named) if len(named) == 4 and any(named) else source
