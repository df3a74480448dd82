"""The machines of a dnsmasq.conf: ``dhcp-host``."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from coexist.languages.dnsmasq.config import HostLine
from coexist.languages.dnsmasq.lexer import octets_of, parts_of, reveal
from coexist.languages.dnsmasq.options import RefusedError, domain_name, leading_number, read_hex
from coexist.languages.dnsmasq.values import SHORTEST_LEASE, UNITS, address_of, negated
from coexist.wire.option_codes import INFINITE_LEASE

LONGEST_HARDWARE = 16
"""Octets of the longest hardware address."""


def read_host(value: str, line: int) -> HostLine:
    """A ``dhcp-host``, whose parts stand in any order. Raises RefusedError."""
    host = _Parts()
    for part in parts_of(value):
        host.read(part)
    return HostLine(
        macs=tuple(host.macs),
        client_ids=tuple(host.client_ids),
        sets=tuple(host.sets),
        tags=tuple(host.tags),
        address=host.address,
        name=host.name,
        lease_time=host.lease_time,
        ignore=host.ignore,
        line=line,
    )


class _Parts:
    """The parts of one dhcp-host line."""

    def __init__(self) -> None:
        self.macs: list[str] = []
        self.client_ids: list[bytes] = []
        self.sets: list[str] = []
        self.tags: list[str] = []
        self.address: IPv4Address | None = None
        self.name = ""
        self.lease_time: int | None = None
        self.ignore = False

    def read(self, part: str) -> None:
        if ":" in part:
            self._with_colon(part)
        elif "." in part and address_of(part) is not None:
            self.address = address_of(part)
        else:
            self._word(part)

    def _with_colon(self, part: str) -> None:
        if part[:3].lower() == "id:":
            if part[3:4] != "*":
                text = part[3:]
                is_hex = ":" in text
                self.client_ids = [read_hex(text, len(text))[0] if is_hex else octets_of(text)]
        elif part.startswith(("net:", "set:")):
            self.sets.append(reveal(part[4:]))
        elif part.startswith("tag:"):
            self.tags.append(negated(reveal(part[4:])))
        elif not (part.startswith("[") and part.endswith("]")):
            read_hex(part, LONGEST_HARDWARE, typed=True)
            self.macs.append(part.lower())

    def _word(self, part: str) -> None:
        digits = part[:-1] if len(part) > 1 and part[-1].lower() in UNITS else part
        if re.fullmatch("[0-9 ]*", digits):
            if re.search("[0-9]", digits):
                seconds = leading_number(digits) * (UNITS[part[-1].lower()] if digits != part else 1)
                self.lease_time = max(seconds, SHORTEST_LEASE)
        elif part == "infinite":
            self.lease_time = INFINITE_LEASE
        elif part == "ignore":
            self.ignore = True
        else:
            name = reveal(part).removesuffix(".").partition(".")[0]
            if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name):
                raise RefusedError("bad DHCP host name")
            self.name = domain_name(part).partition(".")[0]
