"""Which boot loader a file is, by its name."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

EFI_ENDINGS = (".efi", ".efi.signed")
# iPXE's own build names, and what it is built as: ipxe.php and ipxe.cfg are scripts for it.
_IPXE_FILES = ("undionly", "ipxe", "snponly", "snp")
_IPXE_ENDINGS = (*EFI_ENDINGS, ".kpxe", ".kkpxe", ".kkkpxe", ".pxe", ".lkrn", ".0")

IPXE = "ipxe"
GRUB_CORE = "grub-core"
"""The image of grub-mknetdir, which loads its modules over the network."""

# Names as the projects build them: syslinux 6.03 (bios/core, efi64/efi), GRUB 2.06 (grub-mknetdir and
# Debian's grub-efi-amd64-signed), shim 16.1, netboot.xyz's releases, Microsoft's list of network boot
# programs (Windows Deployment Services, "Boot tab"). bootx64.efi, the removable media path, can be anything.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"lpxelinux\.0", "lpxelinux"),
    (r"g?pxelinux\.0", "pxelinux"),
    (r"syslinux(32|64)?\.efi", "syslinux-efi"),
    (r"core\.(0|efi)", GRUB_CORE),
    (r"(grub|pxegrub).*|.*grub(net)?(x64|ia32|aa64)\.efi(\.signed)?", "grub"),
    (r"shim.*", "shim"),
    (r"netboot\.xyz.*", "netboot.xyz"),
    (r"wdsnbp\.com", "wdsnbp"),
    (r"wdsmgfw\.efi", "wdsmgfw"),
    (r"pxeboot\.(com|n12)", "pxeboot"),
    (r"bootmgr\.exe", "bootmgr"),
    (r"bootmgfw(_ex)?\.efi", "bootmgfw"),
)
_PATTERNS = tuple((re.compile(pattern), name) for pattern, name in _NAMES)
# Configuration and scripts are named after the loader that reads them.
_NO_PROGRAMS = (".cfg", ".conf", ".ipxe", ".txt", ".c32", ".mod", ".lst")


def file_name(file: str) -> str:
    """The last part of a path or URL, lower case."""
    return file.partition("?")[0].replace("\\", "/").rpartition("/")[2].lower()


def is_url(file: str) -> bool:
    """Whether a file is named by an HTTP URL."""
    return file.lower().startswith(("http://", "https://"))


def url_host(file: str) -> str | None:
    """The host of a URL; None for what is no URL, and where iPXE fills it in (``${next-server}``)."""
    try:
        host = urlsplit(file).hostname if "://" in file else None
    except ValueError:  # an address in brackets that is none
        host = None
    return None if host is None or "$" in host else host


def is_ipxe_program(file: str) -> bool:
    """Whether a program is iPXE, which asks DHCP again."""
    name = file_name(file)
    return name.startswith(_IPXE_FILES) and (name.endswith(_IPXE_ENDINGS) or "." not in name)


@lru_cache(maxsize=4096)
def loader_by_name(file: str) -> str | None:
    """The loader a file is, by its name; None where the name does not tell."""
    if is_ipxe_program(file):
        return IPXE
    name = file_name(file)
    if name.endswith(_NO_PROGRAMS):
        return None
    return next((loader for pattern, loader in _PATTERNS if pattern.fullmatch(name)), None)
