"""The dhcp-host lines of a dnsmasq configuration: its machines, and the tags they are given."""

from __future__ import annotations

import re
from collections.abc import Callable

from coexist.importers.addresses import why_nobody
from coexist.importers.conditions import NEVER, Condition, Inexpressible, Member, all_of, any_of, negate, test
from coexist.importers.dnsmasq.source import Source
from coexist.importers.dnsmasq.tags import TagBook, mac_group
from coexist.importers.groups import GroupBook
from coexist.importers.imported import ClientRow
from coexist.languages.dnsmasq.config import HostLine
from coexist.wire.mac import format_mac

KNOWN = "known"
"""The tag dnsmasq sets for every machine with a dhcp-host line."""

IGNORED = "ignored by dhcp-host"
"""Stands for a tag, whose name no line can write: the machines whose dhcp-host says ``ignore``."""


class Machines:
    """Reads the dhcp-host lines; ``clients`` are the machines by MAC address."""

    def __init__(self, source: Source, groups: GroupBook, tags: TagBook) -> None:
        self.source, self.groups, self.tags = source, groups, tags
        self.clients: dict[int, ClientRow] = {}

    def read(self) -> None:
        """Register the machines and set their tags."""
        for host in self.source.config.hosts:
            self._host(host)
        if self.clients:
            self.tags.set(KNOWN, test(Member(self.groups.known_group())))

    def addresses(self) -> list[str]:
        """The addresses that are reserved; empty for a machine without one."""
        return [row.address for row in self.clients.values()]

    def rows(self, server: str, home_of: Callable[[str], str | None]) -> list[ClientRow]:
        """The rows of an inventory; ``home_of`` gives the VLAN an address is in."""
        rows = []
        for row in self.clients.values():
            address = row.address if home_of(row.address) else ""
            if row.address and not address:
                line = next(h.line for h in self.source.config.hosts if str(h.address or "") == row.address)
                self.source.leave(
                    line, "the address is in none of the subnets; the machine is kept without it"
                )
            source = server if self.groups.known else ""
            rows.append(ClientRow(mac=row.mac, name=row.name, address=address, source=source))
        return rows

    def _host(self, host: HostLine) -> None:
        if not host.macs:
            self.source.leave(host.line, "the inventory knows machines by their MAC address only")
            return
        self.source.take(host.line)
        self._not_of_host(host)
        written = _ethernet(host)
        if len(written) < len(host.macs):
            self.source.leave(host.line, "a hardware address that is none of Ethernet")
        macs = [_as_number(pattern) for pattern in written if "*" not in pattern]
        for mac in macs:
            self._register(mac, host)
        groups = [self._pattern(pattern, host) for pattern in written if "*" in pattern]
        if macs and (host.sets or host.ignore):
            wanted = host.sets[0] if host.sets else host.name or "ignored"
            groups.append(test(Member(self._group(wanted, macs))))
        for tag in host.sets:
            self.tags.set(tag, any_of(groups))
        if host.ignore:
            self.tags.set(IGNORED, any_of(groups))

    def _not_of_host(self, host: HostLine) -> None:
        """Says what of the line is not in the inventory."""
        leave = self.source.leave
        if host.client_ids:
            leave(host.line, "the client identifier of this host; its MAC addresses are taken over")
        if host.lease_time is not None:
            leave(host.line, "a lease time of its own; the inventory has one for a scope")
        if host.tags:
            leave(host.line, "counts for clients with a tag only; the inventory registers it for all")

    def _pattern(self, pattern: str, host: HostLine) -> Condition:
        """Whom a pattern is for: those that no line names more closely (find_config, src/dhcp-common.c)."""
        try:
            found = test(Member(mac_group(pattern, self.groups)))
        except Inexpressible as reason:
            self.source.leave(host.line, str(reason))
            return NEVER
        self.tags.set(KNOWN, found)
        fixed = _fixed_octets(pattern)
        closer: list[Condition] = []
        patterns = {p for other in self.source.config.hosts for p in _ethernet(other)}
        if any("*" not in p and _fixed_octets(p)[: len(fixed)] == fixed for p in patterns):
            closer.append(test(Member(self.groups.known_group())))
        for other in sorted(p for p in patterns if "*" in p):
            octets = _fixed_octets(other)
            if len(octets) > len(fixed) and octets[: len(fixed)] == fixed:
                closer.append(test(Member(mac_group(other, self.groups))))
        return all_of([found, *map(negate, closer)])

    def _group(self, wanted: str, macs: list[int]) -> str:
        """One group for all hosts that set a tag; it grows line by line."""
        name = self.groups.by_word.get(wanted)
        texts = [format_mac(mac) for mac in macs]
        if name is None:
            name = self.groups.by_word[wanted] = self.groups.declare(wanted, {"macs": texts})
        else:
            self.groups.groups[name]["macs"] += texts
        return name

    def _register(self, mac: int, host: HostLine) -> None:
        nobody = why_nobody(mac)
        if nobody is not None:
            self.source.leave(host.line, nobody)
            return
        address = str(host.address or "")
        known = self.clients.get(mac)
        if known is not None and address and known.address != address:
            why = f"this MAC has the address {known.address or 'of a pool'} already"
            self.source.leave(host.line, why)
            return
        self.clients.setdefault(mac, ClientRow(mac=format_mac(mac), name=host.name, address=address))


_PATTERN = re.compile(r"(?:[0-9a-f]{1,2}-)?(?:[0-9a-f]{1,2}|\*)(?::(?:[0-9a-f]{1,2}|\*)){0,5}")


def _ethernet(host: HostLine) -> list[str]:
    """The MAC patterns of a host; the daemon takes addresses of other media and odd spellings too."""
    return [pattern for pattern in host.macs if _PATTERN.fullmatch(pattern)]


def _fixed_octets(pattern: str) -> list[int]:
    """The octets of a MAC pattern before its first ``*``."""
    octets = pattern.rsplit("-", maxsplit=1)[-1].split(":")
    known = octets[: octets.index("*")] if "*" in octets else octets
    return [int(octet, 16) for octet in known]


def _as_number(pattern: str) -> int:
    return int.from_bytes(bytes(_fixed_octets(pattern)), "big")
