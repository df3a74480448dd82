"""Boot programs a few hundred octets small: each says a word on the console and halts."""

from __future__ import annotations

import struct

SAYS = "coexist-booted"
"""What the console shows before the word."""

_COM1 = 0x3F8
_SECTION = 0x1000
_FILE_START = 0x200


def boot_program(architecture: str, word: str, *, size: int = 0) -> bytes:
    """A network boot program for a BIOS or for UEFI on x86-64 that says ``coexist-booted WORD``.

    It is padded to ``size`` octets, so that its transfer takes a few blocks.
    """
    text = f"\r\n{SAYS} {word}\r\n"
    program = bios_program(text) if architecture == "bios" else uefi_program(text)
    return program.ljust(size, b"\0")


def ipxe_script(word: str) -> bytes:
    """A script for iPXE that says ``coexist-booted WORD``."""
    return f"#!ipxe\necho {SAYS} {word}\n".encode("ascii")


def bios_program(text: str) -> bytes:
    """Real-mode code for 0000:7C00: each character out of the serial port, then halt."""
    say = b"".join(bytes((0xB0, octet, 0xEE)) for octet in text.encode("ascii"))  # mov al,c; out dx,al
    code = b"\xba" + _COM1.to_bytes(2, "little") + say + b"\xf4\xeb\xfd"  # mov dx,3f8; ...; hlt; jmp -3
    return code.ljust(2048, b"\0")


def uefi_program(text: str) -> bytes:
    """A PE32+ application for x86-64: ``ConOut->OutputString(text)``, then halt.

    UEFI 2.10 sections 4.3 (system table: ConOut at 64) and 12.4 (OutputString at 8); PE/COFF 8.3.
    """
    code = bytes.fromhex(
        "4883ec28"  # sub rsp, 40: shadow space of the Microsoft calling convention
        "488b4a40"  # mov rcx, [rdx+64]: SystemTable->ConOut
        "488d1506000000"  # lea rdx, [rip+6]: the text
        "ff5108"  # call [rcx+8]: OutputString
        "f4ebfd"  # hlt; jmp -3
    )
    body = code + text.encode("utf-16-le") + b"\0\0"
    image = _pe_headers(len(body)) + body
    return image.ljust(_FILE_START + _rounded(len(body), 0x200), b"\0")


def _pe_headers(size: int) -> bytes:
    raw, virtual = _rounded(size, 0x200), _rounded(size, _SECTION)
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    # Machine x86-64, one section; executable, large addresses: not "relocations stripped", the code
    # runs anywhere.
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x0022)
    standard = struct.pack("<HBBIIIII", 0x20B, 0, 0, raw, 0, 0, _SECTION, _SECTION)
    windows = struct.pack(
        "<QIIHHHHHHIIIIHHQQQQII",
        *(0, _SECTION, 0x200, 0, 0, 0, 0, 0, 0, 0, _SECTION + virtual, _FILE_START, 0),
        *(10, 0),  # subsystem: EFI application
        *(0, 0, 0, 0, 0, 16),
    )
    section = struct.pack("<8sIIIIIIHHI", b".text", size, _SECTION, raw, _FILE_START, 0, 0, 0, 0, 0x60000020)
    headers = dos + b"PE\0\0" + coff + standard + windows + bytes(16 * 8) + section
    return headers.ljust(_FILE_START, b"\0")


def _rounded(size: int, to: int) -> int:
    return -(-size // to) * to
