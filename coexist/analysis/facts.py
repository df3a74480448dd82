"""What the declarations of a site say about its clients, computed once and only when asked.

Nothing here runs a race: `coexist.analysis.races` asks it, and `coexist.analysis.site` adds who wins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property

from coexist.analysis.intent import Intended, IntentReader
from coexist.analysis.leases import LeaseReader
from coexist.analysis.profiles import PHONES, firmware_kind
from coexist.analysis.space import ClientClass, Space, cut
from coexist.analysis.topology import Topology
from coexist.boot.answered import intended_architectures
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.models import Program, Server

Programs = Mapping[str, Program]

BOOT_ROLES = frozenset({"proxydhcp", "boot-server"})


class Facts:
    """One inventory: its clients in classes, who hears whom, whom each server answers and with what."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.site = inventory.site
        self.topology = Topology(inventory.site)
        self._anywhere: dict[tuple[int, str], frozenset[str]] = {}
        self._heard_scopes: dict[str, tuple[str, ...]] = {}
        self._named_programs: dict[str, Programs] = {}
        self._meant: dict[str, tuple[str, ...] | None] = {}

    @cached_property
    def space(self) -> Space:
        """All clients in classes."""
        return cut(self.inventory)

    @cached_property
    def scopes(self) -> LeaseReader:
        """What the scopes lease."""
        return LeaseReader(self.space)

    @cached_property
    def boot_services(self) -> dict[str, Server]:
        """The servers that answer boot clients beside DHCP."""
        return {
            name: server for name, server in self.site.servers.items() if server.effective_roles & BOOT_ROLES
        }

    @cached_property
    def scopes_by_vlan(self) -> dict[str, tuple[str, ...]]:
        """The names of the scopes of each VLAN."""
        found: dict[str, list[str]] = {vlan: [] for vlan in self.site.vlans}
        for name, scope in self.site.scopes.items():
            found[scope.vlan].append(name)
        return {vlan: tuple(names) for vlan, names in found.items()}

    @cached_property
    def _intent(self) -> IntentReader:
        return IntentReader(self.space)

    def intent_of(self, client: ClientClass) -> Intended:
        """What is intended for a class."""
        return self._intent.of(client)

    def intended_anywhere(self, client: ClientClass) -> frozenset[str]:
        """The servers the intent gives these addresses to on any VLAN."""
        key = (client.macs.signature, client.architecture)
        found = self._anywhere.get(key)
        if found is None:
            elsewhere = (dataclasses.replace(client, vlan=vlan) for vlan in self.site.vlans)
            found = frozenset(server for c in elsewhere for server in self.intent_of(c).servers)
            self._anywhere[key] = found
        return found

    def answers(self, name: str, server: Server, client: ClientClass, intended: Intended) -> bool:
        """Whether the server's lists let it answer the class."""
        wanted = server.answers
        if wanted.architectures is not None and client.architecture not in wanted.architectures:
            return False
        signature = client.macs.signature
        match wanted.who:
            case "everyone":
                return True
            case "nobody":
                return False
            case "intended":
                return name in intended.servers or self.is_on_its_lists(name, client)
            case "only":
                return self.space.has(wanted.groups, signature)
            case "all_except":
                return not self.space.has(wanted.groups, signature)
            case "known" | "unknown":
                return (wanted.who == "known") == client.macs.known

    def is_on_its_lists(self, name: str, client: ClientClass) -> bool:
        """Whether a server answers the class that answers the clients which the intent gives it.

        Its configuration knows addresses and architectures, not VLANs. Most products have a list of the ones
        and one of the others, some have none of architectures.
        """
        if name in self.intended_anywhere(client):
            return True
        if self.site.servers[name].can.architectures_by_client:
            return False
        if name not in self._meant:
            self._meant[name] = intended_architectures(self.inventory, name)
        meant = self._meant[name]
        if meant is not None and client.architecture not in meant:
            return False
        told = {"", *(each for rule in self.site.intent for each in rule.architectures or ())}
        others = (dataclasses.replace(client, architecture=each) for each in told)
        return any(name in self.intended_anywhere(other) for other in others)

    def heard_scopes(self, vlan: str) -> tuple[str, ...]:
        """The scopes of a VLAN with at least one server that hears it and is heard."""
        found = self._heard_scopes.get(vlan)
        if found is None:
            hearing = self.topology.hearing[vlan]
            found = self._heard_scopes[vlan] = tuple(
                name
                for name in self.scopes_by_vlan[vlan]
                if any(s in hearing and hearing[s].heard for s in self.site.scopes[name].servers)
            )
        return found

    def programs_of(self, name: str, client: ClientClass) -> tuple[Programs, Path]:
        """The boot programs a server has for a class, and where they stand."""
        server = self.site.servers[name]
        for group, programs in server.programs_for.items():
            if self.space.has((group,), client.macs.signature):
                return programs, ("servers", name, "programs_for", group)
        named = self._named_programs.get(name)
        if named is None:
            named = self._named_programs[name] = server.named_programs
        return named, ("servers", name, "programs")

    def is_phone(self, client: ClientClass) -> bool:
        """Whether the class are phones, which boot from nobody and read their lease."""
        return firmware_kind(self.site, client.firmware) in PHONES

    def kind(self, client: ClientClass) -> str:
        """The built-in firmware of the class."""
        return firmware_kind(self.site, client.firmware)
