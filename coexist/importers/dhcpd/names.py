"""Which machines a dhcpd.conf tells their names (option 12): what a declaration says, or what it is called.

A host declaration has the last word on option 12. Where nothing sets it, `use-host-decl-names` makes it the
name of the declaration (ack_lease in server/dhcp.c), for machines without an address of their own too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from ipaddress import IPv4Network

from coexist.boot.leases.plan import is_host_name
from coexist.errors import Position
from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import ALWAYS, Member, test
from coexist.importers.dhcpd.execution import DECLARED_NAMES, Interpreter
from coexist.importers.dhcpd.hosts import HostBook, Place, known_place
from coexist.importers.program import Step, effective
from coexist.languages.dhcpd.levels import Level, SubnetPart, Wire
from coexist.wire.option_codes import Option

_MOST_RULES = 200
"""Of machines that are told their names beside others that are not. Each is a rule of its scope."""

_Named = tuple[int, str, Place]
"""A machine, the name it is told, and where that is said."""


class NameBook:
    """The names that the hosts of one file are told."""

    def __init__(self, hosts: HostBook, interpreter: Interpreter, account: Account) -> None:
        self.hosts = hosts
        self.interpreter = interpreter
        self.account = account
        self._naming: set[Position] = set()

    def close(self) -> None:
        """Account for each `use-host-decl-names` by which no machine is told a name."""
        for statement in self.interpreter.naming:
            if statement.at not in self._naming:
                self.account.left_out(statement.at, statement.text, Harmless("names no machine"))

    def told(self, wire: Wire, subnet: SubnetPart, steps: list[Step]) -> tuple[list[Step], bool]:
        """The steps of a scope with those that name single machines.

        Besides: whether every machine with an address there is told the name in its row.
        """
        kept = [step for step in steps if step.key != DECLARED_NAMES]
        uses = self._uses(kept, effective([step for step in steps if step.key == DECLARED_NAMES]))
        if uses is None and not self.hosts.machines.told and not self._declared:
            return kept, False
        network = IPv4Network(f"{subnet.network.address}/{subnet.network.mask}")
        limit = frozenset(subnet.level.outwards())
        first, last = int(network.network_address), int(network.broadcast_address)
        addresses = self.hosts.machines.addresses
        here = dict.fromkeys(mac for mac in self._reserved.get(wire, ()) if first <= addresses[mac] <= last)
        named = {mac: (name, at) for mac, name, at in self._named((*here, *self._free), wire, limit, uses)}
        rows = self.hosts.machines.rows
        alike = [mac for mac in here if mac in named and named[mac][0] == rows[mac][0]]
        all_told = bool(here) and len(alike) == len(here) and all(is_host_name(rows[mac][0]) for mac in here)
        single = [mac for mac in named if not all_told or mac not in here]
        if len(single) > _MOST_RULES:
            _, at = named[single[0]]
            why = f"{len(single)} machines are told their names beside others that are not"
            self.account.left_out(at(), "option host-name", why)
            return kept, all_told
        for mac in single:
            name, at = named[mac]
            condition = test(Member(self.hosts.group_of(mac)))
            kept.append(
                Step(
                    condition=condition,
                    key=int(Option.HOST_NAME),
                    value=name,
                    at=at(),
                    text="option host-name",
                )
            )
        return kept, all_told

    def _uses(self, steps: list[Step], flags: list[Step]) -> Position | None:
        """Where it is said that machines are told the names of their declarations; None if they are not."""
        if len(flags) > 1 or any(flag.condition != ALWAYS for flag in flags):
            for flag in flags:
                self.account.left_out(flag.at, flag.text, "whether it holds depends on the client")
            return None
        names = [step for step in effective(steps) if step.key == Option.HOST_NAME]
        if not flags or not flags[0].value or any(step.condition == ALWAYS for step in names):
            return None
        if names:
            self.account.left_out(
                flags[0].at,
                flags[0].text,
                "some clients are told another name; whose is which depends on them",
            )
            return None
        return flags[0].at

    @cached_property
    def _declared(self) -> bool:
        """Whether a declaration of machines says that they are told its name."""
        return any(
            step.key == DECLARED_NAMES and step.value
            for inner in dict.fromkeys(machine.level for machine in self.hosts.machines.speaking)
            for level in inner.outwards()
            for step in self.interpreter.level(level).steps
        )

    @cached_property
    def _reserved(self) -> dict[Wire, list[int]]:
        """The machines with an address of their own, by wire."""
        found: dict[Wire, list[int]] = {}
        for mac in self.hosts.machines.addresses:
            for wire in self.hosts.wires_at(self.hosts.machines.addresses[mac]):
                found.setdefault(wire, []).append(mac)
        return found

    @cached_property
    def _free(self) -> list[int]:
        """The machines without an address of their own, whose declarations count on every wire."""
        return [mac for mac in self.hosts.machines.rows if mac not in self.hosts.machines.addresses]

    def _named(
        self, macs: tuple[int, ...], wire: Wire, limit: frozenset[Level], uses: Position | None
    ) -> Iterator[_Named]:
        machines = self.hosts.machines
        levels = {
            machine.mac: level for level, group in self.hosts.applying(wire).items() for machine in group
        }
        for mac in macs:
            if mac in machines.told:
                yield mac, *machines.told[mac]
                continue
            said = uses
            level = levels.get(mac)
            if level is not None:
                flags = [s for s in self.interpreter.chain(level, limit).steps if s.key == DECLARED_NAMES]
                if flags:
                    said = flags[-1].at if flags[-1].value else None
            if said is not None:
                self._naming.add(said)
                yield mac, machines.rows[mac][0], known_place(said)
