"""The machines: registered clients, groups of MAC addresses, and their firmware."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from coexist.inventory.boot_programs import ArchitectureName, ArchitectureNames
from coexist.inventory.values import (
    Address,
    Declared,
    MacAddresses,
    MachineUuid,
    MachineUuids,
    Name,
    Names,
    Text,
    Texts,
)
from coexist.wire.mac import format_mac, is_multicast, parse_mac, parse_mac_prefix

FIRMWARES: dict[str, str] = {
    "edk2": "UEFI PXE as in EDK2 (UefiPxeBcDxe), practically every UEFI vendor",
    "uefi-needs-43": "UEFI PXE that ignores a ProxyDHCP without option 43",
    "uefi-no-proxy": "UEFI PXE of before April 2017 that keeps no ProxyDHCP offer",
    "edk2-http": "UEFI HTTP boot as in EDK2 (HttpBootDxe)",
    "uefi-boot-order": "a UEFI machine that goes through its boot entries: PXE over IPv4 and IPv6, then HTTP",
    "ipxe": "iPXE as a ROM or chain-loaded",
    "ipxe-2.0": "iPXE from 2.0 on, which waits for no IPv6 router",
    "pxe21": "a legacy BIOS ROM by the PXE 2.1 specification",
    "intel-boot-agent": "Intel Boot Agent, a PXE 2.1 ROM",
    "realtek-pxe": "Realtek's PXE 2.1 ROM",
    "broadcom-pxe": "Broadcom's PXE 2.1 ROM",
    "raspberry-pi-3": "the boot ROM of a Raspberry Pi 3",
    "raspberry-pi-4": "the bootloader of a Raspberry Pi 4 or 5",
    "phone-66": "an IP phone that takes option 66 from its lease",
    "phone-150": "an IP phone that takes option 150, then 66, from its lease (Cisco)",
    "phone-avaya": "an Avaya phone: collects offers, takes the longest lease",
    "phone-polycom": "a Polycom phone: option 160, then 66, then INFORM",
    "phone-yealink": "a Yealink phone: option 66, then 43, then INFORM",
    "phone-snom": "a Snom phone: option 66 inside option 43, then option 66",
    "first-offer": "a client that takes the first address offer and knows no ProxyDHCP (U-Boot)",
}
"""The firmware kinds whose behaviour is modelled in ``coexist.boot``; own ones are declared as variants."""

FAMILIES: dict[str, str] = {
    "uefi-needs-43": "edk2",
    "uefi-no-proxy": "edk2",
    "uefi-boot-order": "edk2",
    "ipxe-2.0": "ipxe",
    "intel-boot-agent": "pxe21",
    "realtek-pxe": "pxe21",
    "broadcom-pxe": "pxe21",
    "raspberry-pi-3": "raspberry-pi",
    "raspberry-pi-4": "raspberry-pi",
    "phone-66": "phone",
    "phone-150": "phone",
    "phone-avaya": "phone",
    "phone-polycom": "phone",
    "phone-yealink": "phone",
    "phone-snom": "phone",
}
"""The family of each of these that is not one by itself: what rules about firmware speak of."""

KNOW_NO_PROXYDHCP = frozenset({"first-offer", "phone"})
"""The families that take an address and never see the offer of a ProxyDHCP."""


class Client(Declared):
    """A machine written into the inventory itself instead of a CSV file.

    ``mac``: every network card it has. ``uuid``: who it is, whatever card it uses (option 97).
    """

    mac: Annotated[MacAddresses, Field(min_length=1)]
    name: Text = ""
    location: Text = ""
    hardware: Text = ""
    architecture: ArchitectureName | None = None
    firmware: Name | None = None
    vlan: Name | None = None
    address: Address | None = None
    uuid: MachineUuid | None = None
    tags: Texts = ()

    @field_validator("mac")
    @classmethod
    def _own(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        for mac in values:
            if not mac or is_multicast(mac):
                raise ValueError(f"{format_mac(mac)} is no machine's address; write the machine's own")
        return values


class Group(Declared):
    """Clients by any of: registered clients that match ``where``, exact MACs, a CSV file, OUIs, prefixes,
    ranges, other groups; minus ``except``. What is said of its members' architecture and firmware holds
    for those that do not say it themselves. ``uuid``: every registered card of these machines."""

    where: dict[str, Texts] = {}
    macs: MacAddresses = ()
    uuid: MachineUuids = ()
    file: Text | None = None
    oui: Texts = ()
    prefix: Texts = ()
    range: Texts = ()
    groups: Names = ()
    excluded: Annotated[Names, Field(alias="except")] = ()
    architecture: ArchitectureNames | None = None
    firmware: Names | None = None
    vlan: Names | None = None

    @field_validator("oui", "prefix")
    @classmethod
    def _prefixes(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for text in values:
            parse_mac_prefix(text)
        return values

    @field_validator("range")
    @classmethod
    def _ranges(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for text in values:
            mac_range(text)
        return values


def mac_range(text: str) -> tuple[int, int]:
    """First and last MAC of ``52:54:00:00:00:00-52:54:00:00:00:ff`` (or with `` to ``).

    Raises ValueError with the remedy.
    """
    for separator in (" to ", " - ", "..", "-"):
        first, found, last = text.partition(separator)
        if found and separator == "-" and text.count("-") != 1:
            break
        if found:
            low, high = parse_mac(first.strip()), parse_mac(last.strip())
            if high < low:
                raise ValueError(
                    f"the range {text} ends before it begins; write {last.strip()} to {first.strip()}"
                )
            return low, high
    raise ValueError(
        f"{text!r} is not a range of MAC addresses; write 52:54:00:00:00:00 to 52:54:00:00:00:ff"
    )


class Clients(Declared):
    """Where the registered clients stand: CSV files beside the inventory, or written out.

    ``columns``: those of the files that are the site's own, such as an asset number. Nothing needs to read
    them.
    """

    files: Texts = ()
    listed: tuple[Client, ...] = ()
    columns: Texts = ()


class FirmwareVariant(Declared):
    """A firmware of the administrator's own: a known one with other parameters (seconds).

    ``discover_at``: when DISCOVERs are sent. ``secs``: what each carries. ``gives_up_at``: the end.
    Further parameters are those of the model it is like: see docs/reference/firmware.md.
    """

    like: Name
    parameters: dict[str, Any] = {}
