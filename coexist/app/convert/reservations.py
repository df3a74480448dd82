"""The hosts of a dhcpd.conf as reservations of Kea."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.app.convert.blocks import (
    FLAGS,
    HOST_NAMES,
    IGNORE,
    LEASE_TIMES,
    ONE_PLACE,
    Block,
    Key,
    Reader,
    Value,
    merged,
)
from coexist.languages.dhcpd.levels import HostPart, Level, Outline
from coexist.languages.dhcpd.syntax import (
    Assign,
    ClientIdentifier,
    Data,
    HostIdentifier,
    PlainHosts,
    Statement,
)
from coexist.records import dataclass
from coexist.wire.mac import format_mac, parse_mac
from coexist.wire.option_codes import Option

_HOST_NAME = int(Option.HOST_NAME)
DECLARED, ELSEWHERE = "declared", "declared-elsewhere"
"""Classes without a test: of machines declared without an address, and of those that have one somewhere."""
_NOT_HERE = frozenset({*LEASE_TIMES, *ONE_PLACE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """One host: how it is known, its addresses, and what it is told. ``at``, ``text``: its declaration."""

    name: str
    known_by: tuple[str, str]
    addresses: tuple[IPv4Address, ...]
    entry: dict[str, Any]
    at: Any
    text: str


@dataclass(slots=True)
class Reservations:
    """The reservations by subnet.

    ``values``: writes values as members of an entry; ``group``: makes a class of what a group says under
    conditions; ``names``: every host is told its name, where nothing else tells it one.
    """

    outline: Outline
    reader: Reader
    values: Callable[[dict[Key, Value]], dict[str, Any]]
    group: Callable[[list[Block]], str]
    names: bool = False
    unique: bool = True
    _machines: list[_Machine] = field(default_factory=list)
    _read: bool = False
    _placed: set[tuple[IPv4Network | None, tuple[str, str]]] = field(default_factory=set)
    _addresses: set[IPv4Address] = field(default_factory=set)
    _of_levels: dict[int, dict[Key, Value]] = field(default_factory=dict)
    _groups: dict[int, str] = field(default_factory=dict)

    def of(self, network: IPv4Network) -> list[dict[str, Any]]:
        """The reservations with an address in a subnet."""
        found = []
        for machine in self._all():
            address = next((a for a in machine.addresses if a in network), None)
            if address is None:
                continue
            if (network, machine.known_by) in self._placed:
                why = "a second host for this machine in the subnet: dhcpd takes the first"
                self.reader.account.left_out(machine.at, machine.text, why)
                continue
            self._placed.add((network, machine.known_by))
            self.unique = self.unique and address not in self._addresses
            self._addresses.add(address)
            kind, identifier = machine.known_by
            found.append({kind: identifier, "ip-address": str(address), **machine.entry})
        return found

    def everywhere(self, *, needs_known: bool, marks: bool) -> list[dict[str, Any]]:
        """The hosts without an address of their own; and where the file asks who is known, all of them.

        ``marks``: the former are put into the class of those who may have an address of any pool.
        """
        found = []
        for machine in sorted(self._all(), key=lambda machine: bool(machine.addresses)):
            if machine.addresses and not (needs_known and len(self.outline.wires) > 1):
                continue
            if (None, machine.known_by) in self._placed:
                continue
            self._placed.add((None, machine.known_by))
            kind, identifier = machine.known_by
            entry = {} if machine.addresses else dict(machine.entry)
            if not machine.addresses and marks:
                entry["client-classes"] = [*entry.get("client-classes", ()), DECLARED]
            # Kea refuses a reservation that reserves nothing, which a text of nothing and 0.0.0.0 are.
            if not {*map(str, entry.values())} - {"", "0.0.0.0"}:
                entry["client-classes"] = [ELSEWHERE]
            found.append({kind: identifier, **entry})
        return found

    def addresses(self) -> list[IPv4Address]:
        """All reserved addresses, ascending."""
        return sorted({address for machine in self._all() for address in machine.addresses})

    def identifiers(self) -> list[str]:
        """The kinds of identifiers in use, in the order in which dhcpd looks for them."""
        used = {machine.known_by[0] for machine in self._all()} | {"hw-address"}
        return [kind for kind in ("client-id", "hw-address", "circuit-id") if kind in used]

    def _all(self) -> list[_Machine]:
        if not self._read:
            self._read = True
            for machine in self.outline.machines:
                if isinstance(machine, HostPart):
                    self._machines += self._host(machine)
                else:
                    self._machines += self._plain(*machine)
        return self._machines

    # -- one host ------------------------------------------------------------------------------------

    def _host(self, host: HostPart) -> Iterator[_Machine]:
        identifiers = self._known_by(host)
        if not identifiers:
            why = "Kea knows machines by MAC, client or circuit id"
            self.reader.account.left_out(host.at, host.text, why)
            return
        if host.fixed is not None and host.fixed.names:
            why = "a host name, which dhcpd looks up in DNS: write its address"
            self.reader.account.left_out(host.fixed.at, host.fixed.text, why)
        said, name = self._said([Level(None, host.level.statements)])
        values = {**self._around(host.level.parent), **said}
        addresses = host.fixed.addresses if host.fixed else ()
        for known_by in identifiers:
            machine = self._machine(
                host.name, known_by, addresses, values, host.at, host.text, host.level.parent
            )
            if name is not None:
                machine.entry.setdefault("client-classes", []).insert(0, name)
            yield machine

    def _said(self, levels: list[Level]) -> tuple[dict[Key, Value], str | None]:
        """What levels say to all, and the class of what they say under conditions.

        What is said both ways stands in the class alone: a reservation's own value would win.
        """
        blocks = self.reader.blocks(levels)
        values = merged(blocks)
        conditional = [block for block in blocks if block.test is not None]
        if not conditional:
            return values, None
        both = {key for block in conditional for key in block.values}
        name = self.group([*(block.only(both) for block in blocks)])
        return {key: value for key, value in values.items() if key not in both}, name

    def _plain(self, level: Level, plain: PlainHosts) -> Iterator[_Machine]:
        around = dict(self._around(level))
        around.update(merged(self.reader.blocks([Level(None, list(plain.body))])))
        for name, mac, address, host_name, offset in plain.rows:
            values = around
            at = plain.place(offset)
            if host_name:
                told = Value(content=host_name.encode(), at=at, text=plain.text)
                values = {**around, _HOST_NAME: told}
            addresses = (IPv4Address(address),) if address else ()
            yield self._machine(
                name,
                ("hw-address", format_mac(parse_mac(_padded(mac)))),
                addresses,
                values,
                at,
                plain.text,
                level,
            )

    def _around(self, level: Level | None) -> dict[Key, Value]:
        """What the groups around a host say; the file's own values hold anyway."""
        if level is None or level.parent is None:
            return {}
        found = self._of_levels.get(id(level))
        if found is None:
            found = dict(self._around(level.parent))
            if not self._is_network(level):
                said, name = self._said([level])
                if name is not None:
                    self._groups[id(level)] = name
                found.update(said)
            self._of_levels[id(level)] = found
        return found

    def _classes(self, level: Level | None) -> list[str]:
        """The classes of the groups around a host that say something under conditions."""
        self._around(level)
        chain = [] if level is None else list(level.outwards())
        return [self._groups[id(found)] for found in chain if id(found) in self._groups]

    def _is_network(self, level: Level) -> bool:
        """A subnet or network that hosts stand in speaks to all its clients already."""
        return any(level is w.level or any(level is s.level for s in w.subnets) for w in self.outline.wires)

    def _machine(
        self,
        name: str,
        known_by: tuple[str, str],
        addresses: tuple[IPv4Address, ...],
        values: dict[Key, Value],
        at: Any,
        text: str,
        around: Level | None,
    ) -> _Machine:
        said = values.get(HOST_NAMES)
        names = self.names if said is None else bool(said.content)
        if names and _HOST_NAME not in values:
            values = {
                **values,
                _HOST_NAME: Value(content=name.encode("latin-1", "replace"), at=at, text=text),
            }
        kept: dict[Key, Value] = {}
        refused = False
        for key, value in values.items():
            if key == IGNORE and not value.content:
                refused = True
            elif key in _NOT_HERE:
                self.reader.account.left_out(value.at, value.text, "no reservation of Kea has this parameter")
            elif key not in FLAGS:
                kept[key] = value
        entry = self.values(kept)
        classes = [*self._classes(around), *(["DROP"] if refused else [])]
        if classes:
            entry["client-classes"] = classes
        return _Machine(name=name, known_by=known_by, addresses=addresses, entry=entry, at=at, text=text)

    @staticmethod
    def _known_by(host: HostPart) -> list[tuple[str, str]]:
        """Everything that dhcpd knows it by, and Kea can."""
        found = [("client-id", s.octets.hex()) for s in host.identifiers if isinstance(s, ClientIdentifier)]
        found += [
            ("client-id", said.value.octets.hex())
            for said in host.level.statements
            if isinstance(said, Assign) and _is_identifier(said) and isinstance(said.value, Data)
        ]
        if host.mac is not None:
            found.append(("hw-address", host.mac.hex(":")))
        found += [
            ("circuit-id", s.value.octets.hex())
            for s in host.identifiers
            if isinstance(s, HostIdentifier)
            and (s.option.space, s.option.code) == ("agent", 1)
            and isinstance(s.value, Data)
        ]
        return found


def _is_identifier(statement: Statement) -> bool:
    return (
        isinstance(statement, Assign)
        and statement.option.space == "dhcp"
        and statement.option.code == Option.CLIENT_IDENTIFIER
    )


def _padded(mac: str) -> str:
    return ":".join(part.rjust(2, "0") for part in mac.split(":"))
