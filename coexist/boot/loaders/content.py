"""What a boot file is, by its octets: for which machine, which loader, and who signed it.

Sources: Microsoft, PE Format (machine types, certificate table), read with pefile; rhboot/shim SBAT.md (the
section .sbat names its components); the marks that syslinux 6.04, iPXE and GRUB 2.06 leave in their builds.
Who signed is read, not verified: only firmware holds the keys and the lists that decide.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

from coexist.boot.loaders.names import GRUB_CORE, IPXE
from coexist.records import dataclass

LARGEST = 64 * 2**20
"""Octets of the largest file that is looked into: boot loaders are smaller by far."""

_MACHINES = {0x14C: "ia32", 0x8664: "x64", 0x1C0: "arm32", 0x1C2: "arm32", 0xAA64: "arm64", 0x5064: "riscv64",
             0x6264: "loongarch64", 0x200: "itanium", 0xEBC: "ebc"}  # fmt: skip
_EFI_APPLICATION = 10
_SECURITY_DIRECTORY = 4
_PKCS_SIGNED_DATA = 2

CA_2011 = ("Microsoft Corporation UEFI CA 2011", "Microsoft Windows Production PCA 2011")
CA_2023 = ("Microsoft UEFI CA 2023", "Windows UEFI CA 2023", "Microsoft Option ROM UEFI CA 2023")
"""The certificate authorities that firmware trusts from the factory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFile:
    """What a file is. ``machine``: x64, ia32, arm64, ... of a UEFI program, None where it is none.

    ``loader``: as `boot.loaders` calls it, None where no mark is known. ``signers``: who issued the
    certificates of its signatures; empty for an unsigned one.
    """

    machine: str | None
    loader: str | None
    signers: tuple[str, ...] = ()

    @property
    def authorities(self) -> frozenset[str]:
        """Which of the factory's authorities signed it: ``2011``, ``2023``."""
        found = set(self.signers)
        years = (("2011", CA_2011), ("2023", CA_2023))
        return frozenset(year for year, names in years if not found.isdisjoint(names))


def inspect(octets: bytes) -> BootFile:
    """Look into a file."""
    if octets[:2] != b"MZ":
        return BootFile(machine=None, loader=_bios_loader(octets))
    import pefile

    try:
        image = pefile.PE(data=octets, fast_load=True)
    except (pefile.PEFormatError, struct.error):
        return BootFile(machine=None, loader=_bios_loader(octets))
    with image:
        if image.OPTIONAL_HEADER.Subsystem != _EFI_APPLICATION:
            return BootFile(machine=None, loader=None)
        number = image.FILE_HEADER.Machine
        return BootFile(
            machine=_MACHINES.get(number, f"0x{number:x}"),
            loader=_efi_loader(octets, image),
            signers=tuple(dict.fromkeys(_signers(octets, image))),
        )


def _efi_loader(octets: bytes, image: Any) -> str | None:
    """By its .sbat, else by the marks in it."""
    for section in image.sections:
        if section.Name.rstrip(b"\0") == b".sbat":
            components = re.findall(rb"^([a-z0-9.]+),", section.get_data(), re.MULTILINE)
            for name, loader in ((b"shim", "shim"), (b"grub", "grub"), (b"ipxe", IPXE)):
                if name in components:
                    return _flavour(components) if loader == "grub" else loader
    # iPXE's own error pages, in every build; syslinux names itself to HTTP servers; GRUB's last prompt.
    for mark, loader in (
        (b"http://ipxe.org/", IPXE), (b"https://ipxe.org/", IPXE), (b"Syslinux/", "syslinux-efi"),
        (b"UEFI SHIM", "shim"), (b"grub rescue>", "grub"), ("bootmgfw.efi".encode("utf-16-le"), "bootmgfw"),
    ):  # fmt: skip
        if mark in octets:
            return loader
    return None


def _flavour(components: list[bytes]) -> str:
    """Red Hat's and Fedora's GRUB read a ProxyDHCP's offer; their SBAT names them."""
    red_hat = (b"grub.rh", b"grub.rhel", b"grub.fedora", b"grub.centos")
    return "grub-redhat" if any(component.startswith(red_hat) for component in components) else "grub"


def _bios_loader(octets: bytes) -> str | None:
    if b"PXELINUX " in octets:
        return "lpxelinux" if b" lwIP " in octets else "pxelinux"
    # iPXE is compressed behind its prefix, which speaks of itself (arch/x86/prefix/pxeprefix.S).
    if b"PXE->EB:" in octets:
        return IPXE
    return GRUB_CORE if b"GRUB " in octets[:4096] else None


def _signers(octets: bytes, image: Any) -> Iterator[str]:
    """The common names of who issued the certificates in its certificate table."""
    directory = image.OPTIONAL_HEADER.DATA_DIRECTORY
    if len(directory) <= _SECURITY_DIRECTORY:
        return
    at = directory[_SECURITY_DIRECTORY].VirtualAddress
    end = min(at + directory[_SECURITY_DIRECTORY].Size, len(octets))
    while at + 8 <= end:
        length, _, kind = struct.unpack_from("<IHH", octets, at)
        if length < 8 or at + length > end:
            return
        if kind == _PKCS_SIGNED_DATA:
            yield from _issuers(octets[at + 8 : at + length])
        at += (length + 7) // 8 * 8


def _issuers(blob: bytes) -> Iterator[str]:
    from cryptography.hazmat.primitives.serialization import pkcs7
    from cryptography.x509.oid import NameOID

    try:
        certificates = pkcs7.load_der_pkcs7_certificates(_der(blob))
    except ValueError:
        return
    for certificate in certificates:
        for name in certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME):
            yield str(name.value)


def _der(blob: bytes) -> bytes:
    """The first DER value: what pads it to eight octets is none (X.690 section 8.1.3)."""
    if len(blob) < 2 or blob[1] < 0x80:
        return blob[: 2 + blob[1]] if len(blob) >= 2 else blob
    count = blob[1] & 0x7F
    return blob[: 2 + count + int.from_bytes(blob[2 : 2 + count], "big")]
