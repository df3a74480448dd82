"""PowerShell commands, for the three Microsoft targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from coexist.render.quoting import comment, powershell_string
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job

Value: TypeAlias = "str | int | bool | bytes | Iterable[str]"

# Windows PowerShell 5.1 takes a script without this mark for the machine's ANSI code page.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Reading the script as a block parses it whole and runs nothing of it.
CHECK = (
    "powershell -NoProfile -Command \"[void][scriptblock]::Create((Get-Content -Raw -LiteralPath '{path}'))\""
)


def literal(value: Value) -> str:
    """A value as a PowerShell expression; octets as an array of numbers."""
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return ",".join(f"0x{octet:02x}" for octet in value)
    return powershell_string(value) if isinstance(value, str) else ",".join(map(powershell_string, value))


def command(name: str, *switches: str, **parameters: Value) -> str:
    """A command line; parameters keep their order."""
    words = [name, *(f"-{key} {literal(value)}" for key, value in parameters.items())]
    return " ".join([*words, *(f"-{switch}" for switch in switches)])


def native(function: str, *arguments: str) -> str:
    """A call of a script's own function with literal arguments."""
    return " ".join([function, *map(powershell_string, arguments)])


def script(
    job: Job, template: str, path: str, purpose: str, sections: Iterable[tuple[str, Iterable[str]]]
) -> RenderedFile:
    """A script of titled commands. Running it is applying it: ``reload`` runs it where it was put."""
    values = {
        "name": job.name,
        "site": job.inventory.site.site,
        "sections": [
            {"title": title, "lines": "".join([f"{line}\n" for line in lines])} for title, lines in sections
        ],
    }
    text = job.templates.render(template, values, {"string": powershell_string, "comment": comment})
    target = f"C:\\ProgramData\\coexist\\{path}"
    return RenderedFile(
        path=path,
        content=_BYTE_ORDER_MARK + text.encode(),
        purpose=purpose,
        target=target,
        check=CHECK,
        reload=f'powershell -NoProfile -ExecutionPolicy Bypass -File "{target}"',
    )
