"""What the usual network boot programs are, by their file names."""

from __future__ import annotations

from functools import lru_cache

from coexist.wire.architecture import ARCHITECTURE_NAMES

# What they run on (lower case, without directories).
_BIOS_FILES = frozenset({
    "undionly.kpxe", "undionly.kkpxe", "undionly.pxe", "ipxe.pxe", "ipxe.kpxe", "ipxe.lkrn", "pxelinux.0",
    "lpxelinux.0", "gpxelinux.0", "wdsnbp.com", "pxeboot.com", "pxeboot.n12", "abortpxe.com", "startrom.com",
    "startrom.n12", "grldr", "pxegrub", "core.0", "wdsmgfw.com",
})  # fmt: skip
_BIOS_ENDINGS = (".0", ".kpxe", ".kkpxe", ".com", ".n12", ".pxe")
_EFI_ENDINGS = (".efi", ".efi.signed")
# iPXE's own build names, and what it is built as: ipxe.php and ipxe.cfg are scripts for it.
_IPXE_FILES = ("undionly", "ipxe", "snponly", "snp")
_IPXE_ENDINGS = (*_EFI_ENDINGS, ".kpxe", ".kkpxe", ".kkkpxe", ".pxe", ".lkrn", ".0")
# Second stages that read the boot file and server of the DHCP ACK, not of the ProxyDHCP that sent them.
_FOLLOW_LEASE = ("shim", "grub", "bootx64", "bootaa64")


def file_name(file: str) -> str:
    """The last part of a path or URL, lower case."""
    return file.partition("?")[0].replace("\\", "/").rpartition("/")[2].lower()


def runs_on_bios(file: str) -> bool | None:
    """Whether a program is for BIOS machines, by its name; None where the name does not tell."""
    name = file_name(file)
    if name in _BIOS_FILES or name.endswith(_BIOS_ENDINGS):
        return True
    return False if name.endswith(_EFI_ENDINGS) else None


def is_ipxe_program(file: str) -> bool:
    """Whether a program is iPXE, which asks DHCP again."""
    name = file_name(file)
    return name.startswith(_IPXE_FILES) and (name.endswith(_IPXE_ENDINGS) or "." not in name)


def follows_lease(file: str) -> bool:
    """Whether a program loads its next file from the server of the DHCP ACK (shim, GRUB)."""
    return file_name(file).startswith(_FOLLOW_LEASE)


@lru_cache(maxsize=4096)
def chained_architecture(architecture: str, file: str) -> str | None:
    """The architecture under which iPXE asks again once a client has loaded ``file``.

    None where the file is not iPXE, or not for this machine. iPXE names what it was built for, never HTTP
    boot (``DHCP_ARCH_CLIENT_ARCHITECTURE`` of config/dhcp.h and arch/*/include/ipxe/dhcp_arch.h).
    """
    if not is_ipxe_program(file):
        return None
    kind, _, processor = architecture.partition("-")
    if kind == "http":
        architecture = "bios" if processor == "bios" else f"uefi-{processor}"
    made_for_bios = runs_on_bios(file)
    if architecture not in ARCHITECTURE_NAMES or (
        made_for_bios is not None and made_for_bios != (architecture == "bios")
    ):
        return None
    return architecture
