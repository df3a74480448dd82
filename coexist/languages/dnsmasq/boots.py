"""What a dnsmasq.conf boots: ``dhcp-boot``, ``pxe-service``, ``pxe-prompt``."""

from __future__ import annotations

import re

from coexist.languages.dnsmasq.config import BootLine, Prompt, Service
from coexist.languages.dnsmasq.lexer import reveal, split
from coexist.languages.dnsmasq.options import RefusedError
from coexist.languages.dnsmasq.values import address_of, leading_tags

FIRST_TYPE = 32768
"""The type of the first service that names a file."""

SERVICE_ARCHITECTURES: dict[str, int] = {
    "x86PC": 0,
    "PC98": 1,
    "IA64_EFI": 2,
    "Alpha": 3,
    "Arc_x86": 4,
    "Intel_Lean_Client": 5,
    "IA32_EFI": 6,
    "x86-64_EFI": 7,
    "Xscale_EFI": 8,
    "BC_EFI": 9,
    "ARM32_EFI": 10,
    "ARM64_EFI": 11,
}
"""The architecture words of ``pxe-service``; before 2.76 BC_EFI was 7 and X86-64_EFI 9."""

_ARCHITECTURES = {name.lower(): code for name, code in SERVICE_ARCHITECTURES.items()}


def read_boot(value: str, line: int) -> BootLine:
    """A ``dhcp-boot``. Raises RefusedError."""
    tags, rest = leading_tags(value)
    file, rest2 = split(rest)
    sname, third = split(rest2) if rest2 is not None else ("", None)
    named = reveal(third) if third is not None else ""
    address = address_of(named)
    return BootLine(
        tags=tags,
        file=reveal(file),
        sname=reveal(sname),
        address=address,
        host="" if address else named,
        line=line,
    )


def read_service(value: str, line: int, next_type: int) -> Service:
    """A ``pxe-service``; one that names a file gets ``next_type``. Raises RefusedError."""
    tags, rest = leading_tags(value)
    word, behind = split(rest)
    architecture = _ARCHITECTURES.get(word.lower())
    if architecture is None and re.fullmatch("[0-9]+", reveal(word)):
        architecture = int(reveal(word))
    if behind is None or architecture is None:
        raise RefusedError("bad pxe-service: no client system architecture, or no menu entry")
    menu, behind = split(behind)
    kind, basename, server, host = 0, "", None, ""
    if behind is not None:
        word, behind = split(behind)
        if re.fullmatch("[0-9]*", reveal(word)):
            kind = int(reveal(word) or 0)
        else:
            kind, basename = next_type, reveal(word)
    if behind is not None:
        server = address_of(behind)
        host = "" if server else reveal(behind)
    return Service(
        architecture=architecture,
        menu=reveal(menu),
        type=kind,
        basename=basename,
        server=server,
        host=host,
        tags=tags,
        line=line,
    )


def read_prompt(value: str, line: int) -> Prompt:
    """A ``pxe-prompt``. Raises RefusedError."""
    tags, rest = leading_tags(value)
    text, timeout = split(rest)
    seconds = 255
    if timeout is not None and re.fullmatch("[0-9]*", reveal(timeout)):
        seconds = int(reveal(timeout) or 0)
    return Prompt(text=reveal(text), timeout=seconds, tags=tags, line=line)
