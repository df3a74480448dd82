"""The machines of recorded boots: their firmware, its clock and its network card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from coexist.boot.firmware.boot_order import BootOrder
from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.edk2_http import Edk2Http
from coexist.boot.firmware.ipxe import Ipxe, Version
from coexist.boot.firmware.machine import Firmware
from tests.lineup.inexpressible import InexpressibleError

DEFAULT_MAC = "52:54:00:12:34:56"
# 11223344-5566-7788-99aa-bbccddeeff00, its first three fields little-endian (SMBIOS 2.6, section 7.2.1).
UUID = bytes.fromhex("443322116655887799aabbccddeeff00")

# How the emulated machines keep time (docs/concepts/the-race.md, "On emulated machines").
# OVMF: its first window lasted 3.26 to 3.93 s, on a quiet machine from 3.57 s on; stalls add up to 0.9 s.
OVMF = Edk2(first_window=(3.1, 4.9), late=0.01)
OVMF_HTTP = Edk2Http(first_window=(3.1, 4.9), late=0.01)
OVMF_DEFAULT = BootOrder(first_window=(3.1, 4.9), late=0.01)
# SeaBIOS and iPXE's ROM count BIOS ticks (1.6 % slow, granularity 55 ms); iPXE on OVMF a TSC (0.8 % fast).
IPXE_BIOS = Ipxe(version="1.0", pace=(0.97, 1.03), late=0.25)
IPXE_EFI = Ipxe(version="1.0", pace=(0.985, 1.02), late=0.25)
# QEMU's e1000 hands over nothing for a second after its receiver was turned on (e1000.c flush_queue_timer).
E1000_HOLDS = 0.97
NO_ROUTER_WAIT = 15.9
"""Seconds iPXE waits for a router's advertisement that never comes (LAB: 15.7 to 16.1)."""

POWER_ON = {
    "ipxe": (2.2, 4.2),
    "uefi": (3.3, 8.0),
    "uefi-ipxe": (3.3, 8.0),
    "uefi-http": (3.3, 8.0),
    "uefi-default": (3.3, 8.0),
}
"""Seconds from power on to the first DISCOVER, shortest and longest (LAB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A machine of a line-up.

    ``has_driver`` is False where its firmware has no driver for its card. ``power_on``: seconds from power
    on to its first DISCOVER. ``extension``: what stands for ``{ext}`` in the names of files.
    """

    mac: str
    name: str
    firmware: Firmware
    is_bios: bool
    architecture: str
    has_driver: bool
    power_on: tuple[float, float]

    @property
    def extension(self) -> str:
        """What its files end in."""
        return "0" if self.is_bios else "efi"


def client_of(scenario: Mapping[str, Any]) -> Client:
    """The machine of a scenario. Raises InexpressibleError."""
    said = {"fw": "ipxe", "nic": "virtio-net-pci", "mac": DEFAULT_MAC, **scenario.get("client", {})}
    name = said["fw"]
    is_bios = name in ("ipxe", "bios")
    architecture = "http-x64" if name == "uefi-http" else "bios" if is_bios else "uefi-x64"
    return Client(
        mac=said["mac"],
        name=name,
        firmware=_firmware(said, ra=scenario.get("ra", True)),
        is_bios=is_bios,
        architecture=architecture,
        # OVMF as Debian builds it drives virtio only; without an option ROM other cards stay silent (LAB).
        has_driver=name in ("ipxe", "uefi-ipxe") or said["nic"].startswith("virtio"),
        power_on=POWER_ON.get(name, (2.2, 8.0)),
    )


def _firmware(said: Mapping[str, Any], *, ra: bool) -> Firmware:
    match said["fw"]:
        case "uefi":
            return replace(OVMF, secure_boot=bool(said.get("secure_boot")))
        case "uefi-http":
            return OVMF_HTTP
        case "uefi-default":
            return OVMF_DEFAULT
        case "ipxe":
            model = IPXE_BIOS
        case "uefi-ipxe":
            model = IPXE_EFI
        case other:
            raise InexpressibleError(f"firmware {other}")
    versions: dict[str, Version] = {"20": "2.0", "22": "2.2"}
    return replace(
        model,
        version=versions.get(said.get("build", ""), "1.0"),
        reads_from=E1000_HOLDS if said["nic"].startswith("e1000") else 0.0,
        ipv6_wait=0.0 if ra else NO_ROUTER_WAIT,
    )
