"""Client system architectures: option 93 of RFC 4578, numbered by IANA.

The numbers are IANA's "Processor Architecture Types" (registry of RFC 5970), which
DHCPv4's option 93 shares. RFC 4578 section 2.1 has 7 as EFI BC and 9 as EFI x86-64;
IANA and erratum 4624 have them the other way round, and firmware follows IANA.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Architecture(IntEnum):
    """IANA Processor Architecture Types."""

    X86_BIOS = 0
    NEC_PC98 = 1
    ITANIUM = 2
    DEC_ALPHA = 3
    ARC_X86 = 4
    INTEL_LEAN_CLIENT = 5
    X86_UEFI = 6
    X64_UEFI = 7
    EFI_XSCALE = 8
    EBC = 9
    ARM32_UEFI = 10
    ARM64_UEFI = 11
    POWERPC_OPEN_FIRMWARE = 12
    POWERPC_EPAPR = 13
    POWER_OPAL_V3 = 14
    X86_UEFI_HTTP = 15
    X64_UEFI_HTTP = 16
    EBC_HTTP = 17
    ARM32_UEFI_HTTP = 18
    ARM64_UEFI_HTTP = 19
    BIOS_HTTP = 20
    ARM32_UBOOT = 21
    ARM64_UBOOT = 22
    ARM32_UBOOT_HTTP = 23
    ARM64_UBOOT_HTTP = 24
    RISCV32_UEFI = 25
    RISCV32_UEFI_HTTP = 26
    RISCV64_UEFI = 27
    RISCV64_UEFI_HTTP = 28
    RISCV128_UEFI = 29
    RISCV128_UEFI_HTTP = 30
    S390_BASIC = 31
    S390_EXTENDED = 32
    MIPS32_UEFI = 33
    MIPS64_UEFI = 34
    SUNWAY32_UEFI = 35
    SUNWAY64_UEFI = 36
    LOONGARCH32_UEFI = 37
    LOONGARCH32_UEFI_HTTP = 38
    LOONGARCH64_UEFI = 39
    LOONGARCH64_UEFI_HTTP = 40
    ARM_RPIBOOT = 41


# The canonical code of a name is its first. x64 machines announce 7, some of their
# firmware 9 (RFC 4578's number for them), and both load the same files; 16 and 17 likewise.
_CODES: dict[str, tuple[Architecture, ...]] = {
    "bios": (Architecture.X86_BIOS,),
    "nec-pc98": (Architecture.NEC_PC98,),
    "itanium": (Architecture.ITANIUM,),
    "alpha": (Architecture.DEC_ALPHA,),
    "arc-x86": (Architecture.ARC_X86,),
    "intel-lean-client": (Architecture.INTEL_LEAN_CLIENT,),
    "uefi-ia32": (Architecture.X86_UEFI,),
    "uefi-x64": (Architecture.X64_UEFI, Architecture.EBC),
    "uefi-xscale": (Architecture.EFI_XSCALE,),
    "uefi-arm32": (Architecture.ARM32_UEFI,),
    "uefi-arm64": (Architecture.ARM64_UEFI,),
    "powerpc-open-firmware": (Architecture.POWERPC_OPEN_FIRMWARE,),
    "powerpc-epapr": (Architecture.POWERPC_EPAPR,),
    "power-opal": (Architecture.POWER_OPAL_V3,),
    "http-ia32": (Architecture.X86_UEFI_HTTP,),
    "http-x64": (Architecture.X64_UEFI_HTTP, Architecture.EBC_HTTP),
    "http-arm32": (Architecture.ARM32_UEFI_HTTP,),
    "http-arm64": (Architecture.ARM64_UEFI_HTTP,),
    "http-bios": (Architecture.BIOS_HTTP,),
    "uboot-arm32": (Architecture.ARM32_UBOOT,),
    "uboot-arm64": (Architecture.ARM64_UBOOT,),
    "http-uboot-arm32": (Architecture.ARM32_UBOOT_HTTP,),
    "http-uboot-arm64": (Architecture.ARM64_UBOOT_HTTP,),
    "uefi-riscv32": (Architecture.RISCV32_UEFI,),
    "http-riscv32": (Architecture.RISCV32_UEFI_HTTP,),
    "uefi-riscv64": (Architecture.RISCV64_UEFI,),
    "http-riscv64": (Architecture.RISCV64_UEFI_HTTP,),
    "uefi-riscv128": (Architecture.RISCV128_UEFI,),
    "http-riscv128": (Architecture.RISCV128_UEFI_HTTP,),
    "s390": (Architecture.S390_BASIC,),
    "s390-extended": (Architecture.S390_EXTENDED,),
    "uefi-mips32": (Architecture.MIPS32_UEFI,),
    "uefi-mips64": (Architecture.MIPS64_UEFI,),
    "uefi-sunway32": (Architecture.SUNWAY32_UEFI,),
    "uefi-sunway64": (Architecture.SUNWAY64_UEFI,),
    "uefi-loongarch32": (Architecture.LOONGARCH32_UEFI,),
    "http-loongarch32": (Architecture.LOONGARCH32_UEFI_HTTP,),
    "uefi-loongarch64": (Architecture.LOONGARCH64_UEFI,),
    "http-loongarch64": (Architecture.LOONGARCH64_UEFI_HTTP,),
    "rpiboot": (Architecture.ARM_RPIBOOT,),
}

ARCHITECTURE_NAMES: Mapping[str, frozenset[int]] = MappingProxyType(
    {name: frozenset(int(code) for code in codes) for name, codes in _CODES.items()}
)
"""The names an administrator writes, each with the option 93 codes it stands for."""

CANONICAL_CODE: Mapping[str, int] = MappingProxyType({name: int(codes[0]) for name, codes in _CODES.items()})
"""For each name, the code that its machines usually announce."""

_NAME_OF = {code: name for name, codes in ARCHITECTURE_NAMES.items() for code in codes}


def architecture_name(code: int) -> str:
    """The administrator's name of an option 93 code; ``arch-<n>`` for one without a name."""
    return _NAME_OF.get(code, f"arch-{code}")


def is_http(code: int) -> bool:
    """Whether the client boots from a URI over HTTP (``HTTPClient``) and not over TFTP."""
    return architecture_name(code).startswith("http-")


def is_bios(code: int) -> bool:
    """Whether the client is an x86 PC BIOS, by PXE or by HTTP.

    A Raspberry Pi's boot ROM announces 0 as well: the number alone does not tell them apart.
    """
    return code in (Architecture.X86_BIOS, Architecture.BIOS_HTTP)
