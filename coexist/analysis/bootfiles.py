"""What the usual network boot programs are, by their file names."""

from __future__ import annotations

from functools import lru_cache

from coexist.boot.loaders.names import EFI_ENDINGS, IPXE, file_name, is_ipxe_program, is_url, loader_by_name
from coexist.inventory.boot_programs import Program
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.bootp import fits_header_file

__all__ = [
    "asks_again",
    "chained_architecture",
    "file_name",
    "follows_lease",
    "ipxe_architecture",
    "is_a_mere_name",
    "is_ipxe_program",
    "resets_link",
    "runs_on_bios",
]

# What they run on (lower case, without directories).
_BIOS_FILES = frozenset({
    "undionly.kpxe", "undionly.kkpxe", "undionly.pxe", "ipxe.pxe", "ipxe.kpxe", "ipxe.lkrn", "pxelinux.0",
    "lpxelinux.0", "gpxelinux.0", "wdsnbp.com", "pxeboot.com", "pxeboot.n12", "abortpxe.com", "startrom.com",
    "startrom.n12", "grldr", "pxegrub", "core.0", "wdsmgfw.com",
})  # fmt: skip
_BIOS_ENDINGS = (".0", ".kpxe", ".kkpxe", ".com", ".n12", ".pxe")
_REMOVABLE = ("bootx64.efi", "bootaa64.efi", "bootia32.efi")


def runs_on_bios(file: str) -> bool | None:
    """Whether a program is for BIOS machines, by its name; None where the name does not tell."""
    name = file_name(file)
    if name in _BIOS_FILES or name.endswith(_BIOS_ENDINGS):
        return True
    return False if name.endswith(EFI_ENDINGS) else None


def is_a_mere_name(file: str, program: Program | None = None) -> bool:
    """Whether nothing is known of a file but its name and, by that, the machines that can run it.

    ``program``: what is declared of the file.
    """
    known = loader_by_name(file) is not None or resets_link(file) or follows_lease(file) or is_url(file)
    # A name that has no room in the header becomes an option.
    return program is None and not known and file.isascii() and fits_header_file(file)


def follows_lease(file: str) -> bool:
    """Whether a program loads its next file from the server of the DHCP ACK (shim, GRUB).

    The removable media path of UEFI 2.10 section 3.5.1.1, bootx64.efi, is a shim more often than not.
    """
    return loader_by_name(file) in ("shim", "grub", "grub-core") or file_name(file) in _REMOVABLE


def asks_again(file: str, program: Program | None = None) -> bool:
    """Whether a program is an iPXE that asks DHCP again and boots what it is told.

    ``program``: what is declared of the file. A script that is built in decides instead of DHCP.
    """
    if program is not None and program.embedded:
        return False
    loader = (program.then if program is not None else None) or loader_by_name(file)
    return loader == IPXE


def resets_link(file: str) -> bool:
    """Whether an iPXE brings the network card up by a driver of its own, so that the link goes down.

    undionly and snponly go on with the driver that loaded them; the ROM files and ipxe.* have all drivers
    (iPXE's Makefile.housekeeping, DRIVERS_ipxe).
    """
    return file_name(file).startswith("ipxe")


def chained_architecture(architecture: str, file: str, program: Program | None = None) -> str | None:
    """The architecture under which iPXE asks again once a client has loaded ``file``.

    None where the file is not iPXE, or not for this machine; ``program`` as `asks_again` has it.
    """
    return ipxe_architecture(architecture, file) if asks_again(file, program) else None


@lru_cache(maxsize=4096)
def ipxe_architecture(architecture: str, file: str) -> str | None:
    """The architecture that an iPXE in this file names, None where the file is not for this machine.

    iPXE names what it was built for, never HTTP boot (``DHCP_ARCH_CLIENT_ARCHITECTURE`` of config/dhcp.h and
    arch/*/include/ipxe/dhcp_arch.h).
    """
    kind, _, processor = architecture.partition("-")
    if kind == "http":
        architecture = "bios" if processor == "bios" else f"uefi-{processor}"
    made_for_bios = runs_on_bios(file)
    if architecture not in ARCHITECTURE_NAMES or (
        made_for_bios is not None and made_for_bios != (architecture == "bios")
    ):
        return None
    return architecture
