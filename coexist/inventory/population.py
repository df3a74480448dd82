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
    "edk2-http": "UEFI HTTP boot as in EDK2 (HttpBootDxe)",
    "ipxe": "iPXE as a ROM or chain-loaded",
    "pxe21": "a legacy BIOS ROM by the PXE 2.1 specification",
    "phone-66": "an IP phone that takes option 66 from its lease",
    "phone-150": "an IP phone that takes option 150, then 66, from its lease",
    "first-offer": "a client that takes the first address offer and knows no ProxyDHCP (U-Boot)",
}
"""The firmware kinds whose behaviour is modelled in ``coexist.boot``; own ones are declared as variants."""


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
    """Where the registered clients stand: CSV files beside the inventory, or written out."""

    files: Texts = ()
    listed: tuple[Client, ...] = ()


class FirmwareVariant(Declared):
    """A firmware of the administrator's own: a known one with other parameters (seconds).

    ``discover_at``: when DISCOVERs are sent. ``secs``: what each carries. ``gives_up_at``: the end.
    Further parameters are those of the model it is like: see docs/reference/firmware.md.
    """

    like: Name
    parameters: dict[str, Any] = {}
