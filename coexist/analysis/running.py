"""Whether a machine gets a boot file whole and runs it: its blocks, its processor, its Secure Boot.

Sources: UEFI 2.10 section 32.5.1 (an image that no key in db vouches for is not started), RFC 2348 (the
client proposes a block size, the server agrees to that or less); which loaders Microsoft signs: shim's review
board, Microsoft's own boot managers; Debian's grub-efi-amd64-signed, which Debian alone signs. Recorded boots
of OVMF with Microsoft's keys.
"""

from __future__ import annotations

from enum import Enum

from coexist.analysis.bootfiles import runs_on_bios
from coexist.analysis.ending import Outcome
from coexist.analysis.world import Segment, World
from coexist.boot.firmware.machine import Firmware
from coexist.boot.loaders.names import is_url, loader_by_name
from coexist.inventory.boot_programs import Program, Signed
from coexist.records import dataclass
from coexist.wire.architecture import architecture_name

AROUND_A_BLOCK = 32
"""Octets of a packet beside its block: IPv4 20, UDP 8, TFTP 4."""
_NOT_BY_MICROSOFT = "load a shim that Microsoft signed, and let it load this program"
_SIGNED: dict[str, Signed] = {
    "shim": "microsoft", "bootmgfw": "microsoft", "wdsmgfw": "microsoft",
    "grub": "vendor", "grub-redhat": "vendor", "grub-core": "no", "syslinux-efi": "no", "ipxe": "no",
    "netboot.xyz": "no",
}  # fmt: skip
"""Who vouches for a loader in the builds that people load."""


class Halted(Enum):
    """Why a file that was named does not run."""

    BLOCKS = "its blocks are too large for the network"
    ARCHITECTURE = "it is a program for another architecture"
    SECURE_BOOT = "Secure Boot refuses it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """A boot that ends with its first file. ``remedy``: what to declare or to install instead. ``certain``:
    whether all firmware ends there."""

    kind: Halted
    why: str
    remedy: str
    certain: bool = True


def halted(
    world: World, segment: Segment, firmware: Firmware, architecture: int, outcome: Outcome
) -> Halt | None:
    """What keeps a machine from running the file it was told of; None for nothing that is known."""
    if not outcome.file:
        return None
    file, program = outcome.file, world.programs.get(outcome.file)
    return (
        _blocks(world, segment, firmware, outcome)
        or _other_machines(file, architecture)
        or _secure_boot(firmware, architecture, file, program)
    )


def _blocks(world: World, segment: Segment, firmware: Firmware, outcome: Outcome) -> Halt | None:
    wanted: int | None = getattr(firmware, "blksize", None)
    if segment.mtu is None or wanted is None or is_url(outcome.file or ""):
        return None
    size = min(wanted, world.largest_blocks.get(outcome.boot_server or "", wanted))
    if size + AROUND_A_BLOCK <= segment.mtu:
        return None
    # iPXE's ROM and OVMF got their files through a port that drops packets above 1400 octets: not certain.
    fits, packet = segment.mtu - AROUND_A_BLOCK, size + AROUND_A_BLOCK
    return Halt(
        kind=Halted.BLOCKS,
        why=f"a block of {size} octets is a packet of {packet}, and at most {segment.mtu} pass",
        remedy=f"let {outcome.boot_server} agree to blocks of at most {fits}: `largest_blksize: {fits}`",
        certain=False,
    )


def _other_machines(file: str, architecture: int) -> Halt | None:
    name = architecture_name(architecture)
    for_bios, is_bios = runs_on_bios(file), name in ("bios", "http-bios")
    if for_bios is None or for_bios == is_bios or not (is_bios or name.startswith(("uefi-", "http-"))):
        return None
    kind = "BIOS machines" if for_bios else "UEFI machines"
    return Halt(
        kind=Halted.ARCHITECTURE,
        why=f"{file} is a program for {kind} by its name, and this one is {name}",
        remedy=f"name a program for {name}",
    )


def _secure_boot(firmware: Firmware, architecture: int, file: str, program: Program | None) -> Halt | None:
    uefi = architecture_name(architecture).startswith(("uefi-", "http-"))
    if not uefi or not getattr(firmware, "secure_boot", False):
        return None
    signed = (
        program.signed if program is not None and program.signed else _SIGNED.get(loader_by_name(file) or "")
    )
    if signed in (None, "microsoft"):
        return None
    who = "nobody" if signed == "no" else "its vendor and not by Microsoft"
    return Halt(
        kind=Halted.SECURE_BOOT,
        why=f"Secure Boot is on, and {file} is signed by {who}",
        remedy=_NOT_BY_MICROSOFT,
    )
