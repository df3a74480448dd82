"""Host declarations, found as dhcpd finds them: by client identifier, hardware address, or an option
(``find_hosts_by_*`` and ``enter_host`` in ``server/mdb.c``).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from coexist.boot.leases.dhcpd.evaluation import Resolve
from coexist.boot.leases.dhcpd.options import ClientOptions
from coexist.errors import Position
from coexist.languages.dhcpd.levels import HostPart, Level, Outline
from coexist.languages.dhcpd.syntax import (
    Assign,
    ClientIdentifier,
    Data,
    HostIdentifier,
    OptionName,
    PlainHosts,
    Statement,
)
from coexist.records import dataclass
from coexist.wire.options import Option

ETHERNET = b"\x01"


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """A declaration: its own statements with those around it, and where its address stands."""

    name: str
    level: Level
    at: Position
    addresses: tuple[IPv4Address, ...] = ()
    names: tuple[str, ...] = ()
    address_at: Position | None = None

    @property
    def has_address(self) -> bool:
        """Whether it has a ``fixed-address``."""
        return bool(self.addresses or self.names)

    def all_addresses(self, resolve: Resolve) -> Iterator[IPv4Address]:
        """Its addresses, those of names too."""
        yield from self.addresses
        for name in self.names:
            yield from resolve(name)


_Row = tuple[Level, PlainHosts, int]


class Hosts:
    """All hosts of a file, each a link in the chain of those it shares an identifier with."""

    def __init__(self, outline: Outline, host_name: OptionName) -> None:
        self._host_name = host_name
        self._entries: list[HostPart | _Row] = []
        self._next: dict[int, int] = {}
        self._by_hardware: dict[bytes, int] = {}
        self._by_identifier: dict[bytes, int] = {}
        self._by_option: dict[tuple[str, int], dict[bytes, int]] = {}
        for machine in outline.machines:
            if isinstance(machine, HostPart):
                self._enter(machine)
                continue
            level, plain = machine
            for number in range(len(plain.rows)):
                self._enter((level, plain, number))

    def _enter(self, entry: HostPart | _Row) -> None:
        index = len(self._entries)
        self._entries.append(entry)
        if isinstance(entry, tuple):
            self._link(self._by_hardware, ETHERNET + hardware_octets(entry[1].rows[entry[2]][1]), index)
            return
        linked = False
        if entry.hardware is not None and entry.hardware.address:
            linked = self._link(
                self._by_hardware, bytes((entry.hardware.kind,)) + entry.hardware.address, index
            )
        identifier = _client_identifier(entry)
        if identifier:
            linked = self._link(self._by_identifier, identifier, index, linked=linked) or linked
        for statement in entry.identifiers:
            if isinstance(statement, HostIdentifier) and isinstance(statement.value, Data):
                key = (statement.option.space.lower(), statement.option.code)
                table = self._by_option.setdefault(key, {})
                self._link(table, statement.value.octets, index, linked=linked)

    def _link(self, table: dict[bytes, int], key: bytes, index: int, *, linked: bool = False) -> bool:
        """Put it at the end of its chain; whether it now stands behind another."""
        first = table.setdefault(key, index)
        if first == index:
            return False
        if linked:
            return True
        last = first
        while last in self._next:
            last = self._next[last]
        if last != index:
            self._next[last] = index
        return True

    # -- finding -----------------------------------------------------------------------------------

    def by_identifier(self, octets: bytes | None) -> int | None:
        """The first host with this client identifier."""
        return None if octets is None else self._by_identifier.get(octets)

    def by_hardware(self, kind: int, address: bytes) -> int | None:
        """The first host with this hardware address."""
        return self._by_hardware.get(bytes((kind,)) + address)

    def by_option(self, client: ClientOptions) -> int | None:
        """The first host with the value of an option, the option named last first."""
        for (space, code), table in reversed(self._by_option.items()):
            octets = client.get(space, code)
            if octets is not None and octets in table:
                return table[octets]
        return None

    def chain(self, first: int | None) -> Iterator[Host]:
        """A host and those that follow it in its chain."""
        index = first
        while index is not None:
            yield self.host(index)
            index = self._next.get(index)

    def host(self, index: int) -> Host:
        """A declaration by its number."""
        entry = self._entries[index]
        if isinstance(entry, HostPart):
            fixed = entry.fixed
            return Host(
                entry.name,
                entry.level,
                entry.at,
                () if fixed is None else fixed.addresses,
                () if fixed is None else fixed.names,
                None if fixed is None else fixed.at,
            )
        around, plain, number = entry
        name, _, address, host_name, offset = plain.rows[number]
        at = plain.place(offset)
        # Its statements were read once for all that say the same: they stand where this one does.
        said: list[Statement] = [
            Assign(at, s.text, s.how, s.option, s.value) for s in plain.body if isinstance(s, Assign)
        ]
        if host_name:
            said.append(
                Assign(at, "option host-name", "supersede", self._host_name, Data(host_name.encode()))
            )
        addresses = (IPv4Address(address),) if address else ()
        return Host(name, Level(around, said), at, addresses, (), at if address else None)

    def __len__(self) -> int:
        return len(self._entries)


def hardware_octets(written: str) -> bytes:
    """A MAC as a file spells it, as octets."""
    if len(written) == 17:
        return bytes.fromhex(written.replace(":", ""))
    return bytes(int(part, 16) for part in written.split(":"))


def _client_identifier(part: HostPart) -> bytes:
    for statement in part.identifiers:
        if isinstance(statement, ClientIdentifier):
            return statement.octets
    # find_uid_statement: the option of that name, where nothing is a condition.
    for said in part.level.statements:
        if not isinstance(said, Assign) or said.how not in ("supersede", "send"):
            continue
        is_identifier = said.option.space == "dhcp" and said.option.code == Option.CLIENT_IDENTIFIER
        if is_identifier and isinstance(said.value, Data):
            return said.value.octets
    return b""
