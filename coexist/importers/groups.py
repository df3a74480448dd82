"""The groups of machines an import declares: one for each set it has to speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized
from dataclasses import field
from typing import Any

from coexist.importers.conditions import Member
from coexist.inventory.groups import BUILT_IN
from coexist.records import dataclass
from coexist.wire.mac import format_mac

_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_MOST_LISTED = 12


def as_name(text: str, fallback: str) -> str:
    """A text as an inventory's name: other characters become ``-``."""
    name = _NO_NAME.sub("-", text).strip("-.")
    if not name or not name[0].isalnum():
        name = name.lstrip("_")
    return name or fallback


@dataclass(slots=True)
class Names:
    """Names that are given once each."""

    taken: set[str] = field(default_factory=lambda: set(BUILT_IN))

    def new(self, text: str, fallback: str = "unnamed") -> str:
        """The text as a name nobody has yet."""
        wanted = as_name(text, fallback)
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted}-{number}"
        self.taken.add(name)
        return name


@dataclass(slots=True)
class GroupBook:
    """The groups by name, and for machines that share something the word in their ``tags``.

    ``by_word``: the group of each word an importer tells machines by.
    """

    names: Names = field(default_factory=Names)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[int, list[str]] = field(default_factory=dict)
    by_word: dict[str, str] = field(default_factory=dict)
    server: str = "dhcp"
    known: str = ""
    _unknown: str = ""
    _by_prefix: dict[bytes, str] = field(default_factory=dict)
    _derived: dict[tuple[frozenset[str], frozenset[str]], str] = field(default_factory=dict)

    def known_group(self) -> str:
        """The machines the server knows by a declaration of their own: of several imports only its own."""
        if not self.known:
            self.known = self.declare(f"known-to-{self.server}", {"where": {"source": self.server}})
        return self.known

    def settle_known(self, clients: Sized) -> None:
        """Without any client no column says who is known, and nobody is."""
        if self.known and not clients:
            self.groups[self.known] = {"macs": []}

    def unknown_group(self) -> str:
        """All others."""
        if not self._unknown:
            content = {"groups": ["everyone"], "except": [self.known_group()]}
            self._unknown = self.declare(f"unknown-to-{self.server}", content)
        return self._unknown

    def declare(self, wanted: str, content: dict[str, Any]) -> str:
        """A group of this content; returns its name."""
        name = self.names.new(wanted, "group")
        self.groups[name] = content
        return name

    def of_macs(self, wanted: str, macs: Iterable[int]) -> str:
        """A group of these machines, registered or not."""
        return self.declare(wanted, {"macs": [format_mac(mac) for mac in sorted(set(macs))]})

    def of_clients(self, wanted: str, macs: Iterable[int]) -> str:
        """A group of registered machines: listed if they are few, else by a word in their tags."""
        members = sorted(set(macs))
        if len(members) <= _MOST_LISTED:
            return self.of_macs(wanted, members)
        name = self.names.new(wanted, "group")
        self.groups[name] = {"where": {"tags": name}}
        for mac in members:
            self.tags.setdefault(mac, []).append(name)
        return name

    def of_prefix(self, octets: bytes) -> str:
        """The machines whose MAC begins with some octets (all six: the one machine)."""
        if octets not in self._by_prefix:
            text = octets.hex(":")
            content = {"macs": [text]} if len(octets) == 6 else {"prefix": [text]}
            kind = "mac" if len(octets) == 6 else "oui" if len(octets) == 3 else "prefix"
            self._by_prefix[octets] = self.declare(f"{kind}-{octets.hex('-')}", content)
        return self._by_prefix[octets]

    def combined(self, members: tuple[Member, ...]) -> str:
        """The group of those who are in all the groups that are not negated and in none of the others."""
        inside = frozenset(m.group for m in members if not m.negated)
        outside = frozenset(m.group for m in members if m.negated)
        if len(inside) == 1 and not outside:
            return next(iter(inside))
        if not inside and outside == {self.known}:
            return self.unknown_group()
        key = (inside, outside)
        if key not in self._derived:
            self._derived[key] = self._derive(sorted(inside), sorted(outside))
        return self._derived[key]

    def _derive(self, inside: list[str], outside: list[str]) -> str:
        if len(inside) > 1:
            # A and B is A without (A without B).
            rest = self.combined((Member(inside[0]), Member(inside[1], negated=True)))
            both = self.declare(f"{inside[0]}-and-{inside[1]}", {"groups": [inside[0]], "except": [rest]})
            left = [Member(name) for name in (both, *inside[2:])]
            return self.combined((*left, *(Member(name, negated=True) for name in outside)))
        base = inside[0] if inside else "everyone"
        return self.declare(f"{base}-without-{'-'.join(outside)}"[:60], {"groups": [base], "except": outside})
