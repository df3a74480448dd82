"""Host declarations as registered clients, and what they say about each scope's rules."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import partial, reduce
from ipaddress import IPv4Address
from itertools import repeat
from operator import or_
from typing import NamedTuple

from coexist.errors import Position
from coexist.importers.account import Account
from coexist.importers.addresses import SHARED_ADDRESS, why_nobody
from coexist.importers.conditions import ALWAYS, Member, test
from coexist.importers.dhcpd.execution import DECLARED_NAMES, Execution, Interpreter
from coexist.importers.groups import GroupBook
from coexist.importers.imported import ClientColumns
from coexist.importers.program import Step, guarded
from coexist.inventory.plain_cells import plain_addresses, plain_macs, written_macs
from coexist.languages.dhcpd.levels import HostPart, Level, Outline, Wire
from coexist.languages.dhcpd.syntax import Assign, Data, OptionName, PlainHosts, Statement
from coexist.records import dataclass
from coexist.wire.option_codes import Option

# The I/G bit of the first octet (IEEE 802): set in group addresses only.
_GROUP_BIT = 1 << 40


Place = Callable[[], Position]
"""Where something is said, which is worked out when it is asked for: few of a hundred thousand hosts are."""


def known_place(at: Position) -> Place:
    """A place that is known already."""
    return lambda: at


@dataclass(slots=True, eq=False)
class Machine:
    """One host declaration as it counts for one machine."""

    mac: int
    name: str
    level: Level
    addresses: tuple[int, ...] = ()
    is_fixed: bool = False


@dataclass(slots=True)
class Machines:
    """Every host declaration with a MAC, as client rows and for the scopes."""

    rows: dict[int, tuple[str, str]] = field(default_factory=dict)
    declared: dict[int, list[Machine]] = field(default_factory=dict)
    """The declarations of a MAC, of those at least that have more than one."""
    speaking: list[Machine] = field(default_factory=list)
    addresses: dict[int, int] = field(default_factory=dict)
    """The address of each machine that has one, by MAC."""
    told: dict[int, tuple[str, Place]] = field(default_factory=dict)
    """The name that a machine's own declaration tells it (option 12), and where, by MAC."""


class _Alike(NamedTuple):
    """Plain hosts that say the same. ``silent``: they say nothing that is not said at the root."""

    plain: PlainHosts
    level: Level
    silent: bool

    def entries(self) -> Iterator[_Entry]:
        """Each of them with its MAC and its address as numbers; the address is 0 where it has none."""
        _, macs, addresses, _, _ = map(list, zip(*self.plain.rows, strict=True))
        numbers = plain_macs(macs) or array("Q", map(_number_of, macs))
        places = plain_addresses(addresses)
        assert places is not None  # the pattern of a plain host takes no other
        return zip(self.plain.rows, numbers, places, repeat(self), strict=False)


_Entry = tuple[tuple[str, str, str, str, int], int, int, _Alike]


def _offset(entry: _Entry) -> int:
    return entry[0][4]


class HostBook:
    """Reads the hosts of an outline."""

    def __init__(
        self, outline: Outline, interpreter: Interpreter, groups: GroupBook, account: Account
    ) -> None:
        self.outline = outline
        self.interpreter = interpreter
        self.groups = groups
        self.account = account
        self.machines = Machines()
        self._group_of: dict[frozenset[int], str] = {}
        self._networks = [
            (int(subnet.network.address), int(subnet.network.mask), wire)
            for wire in outline.wires
            for subnet in wire.subnets
        ]
        # Addresses that are the same below every mask lie in the same networks.
        self._telling = reduce(or_, (mask for _, mask, _ in self._networks), 0)
        self._wires_of: dict[int, tuple[Wire, ...]] = {}
        self._by_wire: dict[Wire, list[Machine]] = defaultdict(list)
        self._applying: dict[Wire, Mapping[Level, list[Machine]]] = {}

    def read(self) -> None:
        """Take every host declaration in the order of the file: of two for one MAC the first counts."""
        run: list[_Alike] = []
        for machine in self.outline.machines:
            if isinstance(machine, HostPart):
                self._plain_hosts(run)
                run = []
                self._host(machine)
                continue
            alike = self._alike(*machine)
            if run and run[0].plain.place != alike.plain.place:  # of another file
                self._plain_hosts(run)
                run = []
            run.append(alike)
        self._plain_hosts(run)
        self._name_the_same()

    def _alike(self, around: Level, plain: PlainHosts) -> _Alike:
        """Plain hosts that say the same, with where their statements count."""
        level = around
        if plain.body:
            level = Level(around, list(plain.body))
            self.interpreter.level(level)
        self.account.modelled(plain.at)
        for statement in plain.body:
            self.account.also(statement.at, f"and in {len(plain.rows)} more host declarations")
        return _Alike(plain, level, not self._says_something(level))

    def _name_the_same(self) -> None:
        """Hosts that share an address, as dhcpd lets them, get the name of the first."""
        rows = self.machines.rows
        given = [address for _, address in rows.values() if address]
        if len(set(given)) == len(given):
            return
        owner: dict[str, str] = {}
        renamed: set[int] = set()
        for mac, (name, address) in rows.items():
            first = owner.setdefault(address, name) if address else name
            if first != name:
                renamed.add(mac)
                rows[mac] = (first, address)
        if not renamed:
            return
        declared = [
            (_number_of(mac), name, plain.place(offset))
            for _, plain in self.outline.plain
            for name, mac, _, _, offset in plain.rows
        ]
        declared += [
            (int.from_bytes(host.mac, "big"), host.name, host.at)
            for host in self.outline.hosts
            if host.mac is not None
        ]
        for mac, name, at in declared:
            if mac in renamed:
                self.account.left_out(at, f"host {name}", SHARED_ADDRESS.format(name=rows[mac][0]))

    def _says_something(self, level: Level) -> bool:
        """Whether the scopes around a host say something that is not said at the root."""
        return any(outer.statements for outer in level.outwards() if outer is not self.outline.root)

    def _plain_hosts(self, run: list[_Alike]) -> None:
        """Take plain hosts that follow each other: columns at once, and one by one what must be told."""
        found = [entry for alike in run for entry in alike.entries()]
        if len(run) > 1:
            found.sort(key=_offset)
        rows, machines, telling = self.machines.rows, self.machines, self._telling
        inside = {key for key in {place & telling for _, _, place, _ in found} if self.wires_at(key)}
        for entry in found:
            (name, _, address, host_name, offset), mac, place, alike = entry
            if mac in rows or not mac or mac & _GROUP_BIT or (address and place & telling not in inside):
                self._plain_host(entry)
                continue
            name = host_name or name
            rows[mac] = (name, address)
            if host_name:
                machines.told[mac] = host_name, partial(alike.plain.place, offset)
            if not alike.silent:
                addresses = (place,) if address else ()
                machines.speaking.append(Machine(mac, name, alike.level, addresses, bool(address)))

    def _plain_host(self, entry: _Entry) -> None:
        """Take a plain host of which something must be told."""
        (name, _, address, host_name, offset), mac, place, alike = entry
        at = alike.plain.place(offset)
        inside = bool(address and self.wires_at(place))
        if address and not inside:
            self._outside(at, name, address)
        addresses = (place,) if inside else ()
        level, silent = alike.level, alike.silent
        if host_name and self.machines.told.setdefault(mac, (host_name, known_place(at)))[0] != host_name:
            # The clients' list has the name of the first declaration: this one is said where it counts.
            level, silent = Level(level, [_naming(host_name, at)]), False
        self._add(Machine(mac, host_name or name, level, addresses, bool(address)), at, silent)

    def wires_at(self, address: int) -> tuple[Wire, ...]:
        """The wires with a subnet that has an address, in the order of the file."""
        key = address & self._telling
        found = self._wires_of.get(key)
        if found is None:
            wires = (wire for network, mask, wire in self._networks if address & mask == network)
            found = self._wires_of[key] = tuple(dict.fromkeys(wires))
        return found

    def _outside(self, at: Position, name: str, address: str) -> None:
        why = "the address is in none of the subnets; the machine is kept without it"
        self.account.left_out(at, f"host {name} {{ fixed-address {address}; }}", why)

    def _add(self, machine: Machine, at: Position, silent: bool) -> None:
        mac, rows = machine.mac, self.machines.rows
        first, *further = [str(IPv4Address(address)) for address in machine.addresses] or [""]
        nobody = why_nobody(mac)
        if nobody is not None:
            self.account.left_out(at, f"host {machine.name}", nobody)
            return
        known = rows.get(mac)
        if known is not None and mac not in self.machines.declared:
            self.machines.declared[mac] = [self._first_of(mac, known)]
        if known is None:
            rows[mac] = (machine.name, first)
        else:
            if not known[1] and first:
                rows[mac] = (known[0], first)
            elif first and known[1] != first:
                why = f"this MAC has the address {known[1]} already; the inventory keeps one a machine"
                self.account.left_out(at, f"host {machine.name} {{ fixed-address {first}; }}", why)
        for address in further:
            why = "the inventory keeps one address a machine"
            self.account.left_out(at, f"host {machine.name} {{ fixed-address {address}; }}", why)
        if not silent:
            self.machines.speaking.append(machine)
        self.machines.declared.setdefault(mac, []).append(machine)

    def _first_of(self, mac: int, row: tuple[str, str]) -> Machine:
        """The one declaration of a MAC before a second one: what is asked of it is where its address lies."""
        name, address = row
        addresses = (int(IPv4Address(address)),) if address else ()
        return Machine(mac, name, self.outline.root, addresses, bool(address))

    def _host(self, host: HostPart) -> None:
        if host.mac is None:
            self.account.left_out(host.at, host.text, "a machine without an Ethernet address")
            execution = self.interpreter.chain(host.level)
            for step in (*execution.steps, *execution.defaults):
                if step.at.line >= host.at.line and step.at.file == host.at.file and step.at > host.at:
                    self.account.left_out(
                        step.at, step.text, "belongs to a machine without an Ethernet address"
                    )
            if host.fixed is not None:
                self.account.left_out(
                    host.fixed.at, host.fixed.text, "belongs to a machine without an Ethernet address"
                )
            return
        self.account.modelled(host.at)
        addresses = host.fixed.addresses if host.fixed is not None else ()
        if host.fixed is not None:
            self.account.modelled(host.fixed.at)
            for name in host.fixed.names:
                why = f"{name} is looked up in DNS while the daemon runs; write its address"
                self.account.left_out(host.fixed.at, host.fixed.text, why)
        told = self._host_name(host)
        mac = int.from_bytes(host.mac, "big")
        if told:
            self.machines.told.setdefault(mac, (told, known_place(host.at)))
        name = told or host.name
        inside = tuple(int(address) for address in addresses if self.wires_at(int(address)))
        for address in addresses:
            if int(address) not in inside:
                self._outside(host.at, host.name, str(address))
        machine = Machine(mac, name, host.level, inside, bool(addresses))
        self._add(machine, host.at, not self._says_something(host.level))

    def _host_name(self, host: HostPart) -> str:
        """The host name a declaration tells, which becomes the client's name."""
        for step in self.interpreter.level(host.level).steps:
            if step.key == Option.HOST_NAME and step.condition == ((),):
                return str(step.value)
        return ""

    # -- for the scopes --------------------------------------------------------------------------

    def close(self) -> None:
        """Complete what needs all declarations."""
        rows = self.machines.rows
        numbers = plain_addresses([address for _, address in rows.values()])
        assert numbers is not None  # they were addresses when they were taken
        held = zip(rows.items(), numbers, strict=True)
        self.machines.addresses = {mac: number for (mac, (_, address)), number in held if address}

    def applying(self, wire: Wire) -> Mapping[Level, list[Machine]]:
        """The declarations that count on a wire, those with the same scope together.

        A declaration with an address of this network counts before one without any; one with addresses
        elsewhere only does not count at all (find_lease, server/dhcp.c).
        """
        known = self._applying.get(wire)
        if known is None:
            known = self._applying[wire] = self._those_that_count(wire)
        return known

    def _those_that_count(self, wire: Wire) -> dict[Level, list[Machine]]:
        machines = self._speaking_on(wire)
        if self.machines.declared:
            machines = self._one_a_mac(machines, wire)
        together: dict[Level, list[Machine]] = {}
        for machine in machines:
            together.setdefault(machine.level, []).append(machine)
        return together

    def _one_a_mac(self, machines: list[Machine], wire: Wire) -> list[Machine]:
        """Of the declarations of each MAC the one that counts on a wire, if one of them does."""
        seen: dict[int, Machine] = {}
        for machine in machines:
            other = seen.get(machine.mac)
            if other is not None and (other.is_fixed or not machine.is_fixed):
                continue
            seen[machine.mac] = machine
        silent_here = {
            mac
            for mac in seen
            if not seen[mac].is_fixed
            and any(self._on_wire(other, wire) for other in self.machines.declared.get(mac, ()))
        }
        return [machine for mac, machine in seen.items() if mac not in silent_here]

    def _speaking_on(self, wire: Wire) -> list[Machine]:
        if not self._by_wire:
            for machine in self.machines.speaking:
                for wire_of_it in self._wires_met(machine):
                    self._by_wire[wire_of_it].append(machine)
        return self._by_wire[wire]

    def _wires_met(self, machine: Machine) -> Iterable[Wire]:
        """The wires on which a declaration counts: of one without addresses all."""
        if not machine.is_fixed:
            return self.outline.wires
        if len(machine.addresses) == 1:
            return self.wires_at(machine.addresses[0])
        return dict.fromkeys(wire for address in machine.addresses for wire in self.wires_at(address))

    def _on_wire(self, machine: Machine, wire: Wire) -> bool:
        return any(wire in self.wires_at(address) for address in machine.addresses)

    def steps(self, wire: Wire, limit: frozenset[Level]) -> Execution:
        """What the host declarations set for the machines on a wire, under membership in their groups."""
        result = Execution()
        by_meaning: dict[tuple[tuple[Step, ...], tuple[Step, ...]], list[Machine]] = {}
        meanings: dict[tuple[object, ...], tuple[tuple[Step, ...], tuple[Step, ...]]] = {}
        for level, machines in self.applying(wire).items():
            execution = self.interpreter.chain(level, limit)
            # A machine's own name is in the clients' list: see names.py.
            steps, defaults = tuple(execution.steps), tuple(execution.defaults)
            if any(step.key in _NAMING for step in (*steps, *defaults)):
                told = {self.machines.told.get(machine.mac, ("",))[0] for machine in machines}
                steps = tuple(step for step in steps if not _names_machines(step, told))
                defaults = tuple(step for step in defaults if not _names_machines(step, told))
            if not steps and not defaults:
                continue
            same = tuple((step.condition, step.key, step.value) for step in (*steps, *defaults))
            by_meaning.setdefault(meanings.setdefault(same, (steps, defaults)), []).extend(machines)
        for (steps, defaults), machines in by_meaning.items():
            condition = test(Member(self._group(machines)))
            result.steps += guarded(condition, steps)
            result.defaults += guarded(condition, defaults)
        return result

    def _group(self, machines: list[Machine]) -> str:
        macs = frozenset(machine.mac for machine in machines)
        if macs not in self._group_of:
            wanted = machines[0].name if len(macs) == 1 else f"hosts-like-{machines[0].name}"
            self._group_of[macs] = self.groups.of_clients(wanted, macs)
        return self._group_of[macs]

    def group_of(self, mac: int) -> str:
        """The name of a group with one machine in it."""
        name, _ = self.machines.rows[mac]
        return self.groups.of_clients(name, frozenset((mac,)))

    def reserved_on(self, wire: Wire) -> frozenset[int]:
        """The machines with an address of their own on a wire."""
        addresses = self.machines.addresses.items()
        return frozenset(mac for mac, address in addresses if wire in self.wires_at(address))

    def rows(self, tags: Mapping[int, list[str]], source: str) -> ClientColumns:
        """The clients' list; ``source`` is written into each row."""
        rows = self.machines.rows
        columns: dict[str, list[str]] = {"mac": written_macs(rows)}
        columns["name"] = [name for name, _ in rows.values()]
        columns["address"] = [address for _, address in rows.values()]
        if tags:
            columns["tags"] = [" ".join(tags[mac]) if mac in tags else "" for mac in rows]
        if source:
            columns["source"] = [source] * len(rows)
        return ClientColumns(columns)


def _naming(name: str, at: Position) -> Statement:
    """The statement that tells machines a name."""
    option = OptionName("dhcp", Option.HOST_NAME, "host-name", "t")
    return Assign(at, f'option host-name "{name}";', "supersede", option, Data(name.encode("latin-1")))


_NAMING = (DECLARED_NAMES, Option.HOST_NAME)
"""The keys of steps that tell a machine a name."""


def _names_machines(step: Step, told: set[str]) -> bool:
    """Whether a step tells machines their own names, which are ``told``."""
    if step.key == DECLARED_NAMES:
        return True
    return step.key == Option.HOST_NAME and step.condition == ALWAYS and told == {str(step.value)}


def _number_of(mac: str) -> int:
    """A MAC as a plain host writes it: six pairs, of which zeros in front may be left out."""
    return int("".join(part.zfill(2) for part in mac.split(":")), 16)
