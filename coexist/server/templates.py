"""Files made for one client when it asks: ``pxelinux.cfg/01-{mac}``, ``grub.cfg-{mac}``, iPXE scripts.

A pattern is a file name with fields in braces; each field matches what the client may write there. The
template (jinja2, strict, sandboxed) gets the client's data from the inventory's CSV files, the registry
and the packets it sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from coexist.records import dataclass
from coexist.server.access import Access
from coexist.server.files import MadeContent, NotServedError
from coexist.wire.architecture import architecture_name
from coexist.wire.mac import format_mac, parse_mac

_FIELDS = {
    # PXELINUX writes 01-52-54-00-12-34-56 and, for the address, C0A80001 (its doc/pxelinux.txt); GRUB's
    # net_default_mac and iPXE's ${mac} have colons, ${mac:hexhyp} hyphens.
    "mac": r"(?P<mac>[0-9A-Fa-f]{2}(?:[-:]?[0-9A-Fa-f]{2}){5})",
    "address": r"(?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})",
    "hex_address": r"(?P<hex_address>[0-9A-Fa-f]{8})",
    "uuid": r"(?P<uuid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})",
}
Describe = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFile:
    """One pattern and its template."""

    pattern: re.Pattern[str]
    template: Template


class ClientFiles:
    """All patterns of a configuration, in its order."""

    def __init__(self, files: tuple[ClientFile, ...], describe: Describe, server: str) -> None:
        self.files = files
        self.describe = describe
        self.server = server

    def make(self, name: str, who: Access, address: str) -> MadeContent | None:
        """The content for a requested name; None if no pattern fits. Raises ``NotServedError``."""
        plain = name.replace("\\", "/").lstrip("/")
        for file in self.files:
            found = file.pattern.fullmatch(plain)
            if found is not None:
                return self._render(file, found.groupdict(), who, address)
        return None

    def _render(self, file: ClientFile, fields: Mapping[str, str], who: Access, address: str) -> MadeContent:
        mac = parse_mac(fields["mac"].replace(":", "").replace("-", "")) if "mac" in fields else who.mac
        if mac != who.mac:
            raise NotServedError(
                "this file is another client's"
                if who.mac is not None
                else "whose file this is cannot be told"
            )
        for field, own in (("address", address), ("hex_address", _hex(address))):
            if field in fields and fields[field].upper() != own:
                raise NotServedError("this file is another client's")
        try:
            text = file.template.render(
                {
                    "name": "",
                    "location": "",
                    "hardware": "",
                    "group": "",
                    "tags": (),
                    "architecture": _architecture(who),
                    "uuid": fields.get("uuid", ""),
                    **(self.describe(mac) if mac is not None else {}),
                    "mac": format_mac(mac) if mac is not None else "",
                    "address": address,
                    "server": self.server,
                    "rule": who.rule,
                }
            )
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise NotServedError(f"its template cannot be rendered: {error}") from None
        return MadeContent(text.encode())


def compile_templates(templates: Mapping[str, str], root: Path) -> tuple[ClientFile, ...]:
    """The patterns with their templates, whose files are relative to ``root``.

    Raises ``ValueError`` with a sentence for a pattern or template that cannot be used.
    """
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(root),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made = []
    for pattern, file in templates.items():
        try:
            template = environment.get_template(file)
        except TemplateError as error:
            raise ValueError(f"the template {file} cannot be used: {error}; correct it") from None
        made.append(ClientFile(pattern=_pattern(pattern), template=template))
    return tuple(made)


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]*)\}", text.lstrip("/"))
    unknown = [name for name in parts[1::2] if name not in _FIELDS]
    if unknown or len(set(parts[1::2])) != len(parts[1::2]):
        raise ValueError(
            f"the pattern {text!r} cannot be used; write each of {', '.join(_FIELDS)} in braces at most once"
        )
    return re.compile(
        "".join(_FIELDS[part] if number % 2 else re.escape(part) for number, part in enumerate(parts))
    )


def _hex(address: str) -> str:
    return IPv4Address(address).packed.hex().upper()


def _architecture(who: Access) -> str:
    if who.client is None or who.client.architecture is None:
        return ""
    return architecture_name(who.client.architecture)
