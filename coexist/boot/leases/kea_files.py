"""The boot files that a Kea configuration tells: those that are for some machines alone, and all others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property

from coexist.boot.leases.kea_config import BOOT_FIELDS, ClassDef, HostDef, KeaConfig, SubnetDef
from coexist.boot.leases.kea_levels import Datum, Level
from coexist.boot.leases.lease import BOOT_OPTIONS
from coexist.boot.leases.told_files import ToldFile
from coexist.inventory.macset import MacSet
from coexist.languages.kea.expressions import Equal, Field, Fixed, Logic, Truth, members_of
from coexist.records import dataclass
from coexist.wire.options import Option, octets_text

_FILE = "boot-file-name"
_OWN = frozenset({
    _FILE, "name", "test", "comment", "hw-address", "duid", "client-id", "circuit-id", "flex-id",
    "ip-address", "hostname",
})  # fmt: skip
"""What is of one machine or class alone; its address and its name are told, and decide nothing."""
_MAC_OCTETS = 6


def said(level: Level) -> Hashable:
    """What a level says, but for its boot file and what is of its machine alone."""
    values = [
        (key, v) for key, v in level.values.items() if key not in _OWN and isinstance(v, str | int | float)
    ]
    return tuple(sorted(values)), tuple(map(_datum, _data(level)))


def file_of(level: Level) -> str:
    """The boot file of a level; empty for none."""
    return level.value(_FILE) or ""


def told_to_boot(subnet: SubnetDef) -> Hashable:
    """What a subnet and its pools tell of themselves to a machine that boots."""

    def options(level: Level) -> tuple[tuple[int, bytes], ...]:
        data = ((d.code, d.octets) for number, d in _data(level) if not number and d.code in BOOT_OPTIONS)
        return tuple(sorted(data))

    fields = tuple(subnet.level.value(key) for key in BOOT_FIELDS)
    pools = frozenset((options(pool.level), pool.asks) for pool in subnet.pools)
    return fields, options(subnet.level), subnet.asks, pools


def _data(level: Level) -> Iterator[tuple[int, Datum]]:
    """The options of a level, each with the enterprise that it is of; 0 for DHCP's own."""
    yield from ((0, datum) for datum in level.options.values())
    yield from ((0, datum) for found in level.for_classes.values() for datum in found)
    yield from ((number, datum) for number, found in level.enterprises.items() for datum in found)


def _datum(found: tuple[int, Datum]) -> Hashable:
    number, datum = found
    return number, datum.code, datum.octets, datum.always, datum.never, datum.classes


@dataclass(frozen=True, kw_only=True)
class KeaFiles:
    """The boot files of one configuration. ``found``: what sets of machines are told; ``several``: the files
    of machines that are told others too, or that are known by more than their MACs."""

    config: KeaConfig
    found: list[ToldFile] = field(default_factory=list)
    several: set[str] = field(default_factory=set)

    @cached_property
    def _asked_for(self) -> frozenset[str]:
        """The classes that a test, a guard, a list or an option asks for."""
        config = self.config
        names: set[str] = set()
        for subnet in config.subnets:
            names.update(subnet.classes, subnet.asks)
            for pool in subnet.pools:
                names.update(pool.classes, pool.asks)
            if subnet.shared is not None:
                names.update(subnet.shared.classes, subnet.shared.asks)
        for part in config.classes.values():
            names.update(members_of(part.test) if part.test is not None else ())
        names.update(name for level in self._levels() for _, datum in _data(level) for name in datum.classes)
        return frozenset(names)

    @cached_property
    def _of_hosts(self) -> frozenset[str]:
        """The classes that reservations put machines into."""
        return frozenset(name for host in self._hosts() for name in host.classes)

    def _hosts(self) -> Iterator[HostDef]:
        yield from self.config.hosts
        for subnet in self.config.subnets:
            yield from subnet.hosts

    def _levels(self) -> Iterator[Level]:
        config = self.config
        yield config.level
        yield from (part.level for part in config.classes.values())
        yield from (host.level for host in self._hosts())
        for subnet in config.subnets:
            yield subnet.level
            yield from (pool.level for pool in subnet.pools)
            if subnet.shared is not None:
                yield subnet.shared.level

    # -- what machines alone are told ------------------------------------------------------------

    def reservation(self, number: int, macs: MacSet, place: int | None, host: HostDef) -> None:
        """The boot file of reservations that say the same, or of a class that is there for them alone."""
        own = file_of(host.level)
        parts = [self.config.classes.get(name) for name in host.classes]
        alone = [part for part in parts if part is not None and self._is_for_hosts(part)]
        files = [file for file in (own, *(file_of(part.level) for part in alone)) if file]
        if len(files) != 1 or not _is_by_mac(host):
            self.several.update(files)
            return
        classes = tuple(
            said(part.level) if part is not None and part in alone else name
            for name, part in zip(host.classes, parts, strict=True)
        )
        self._add(number, macs, (place, host.address is not None, said(host.level), classes), files[0])

    def _is_for_hosts(self, part: ClassDef) -> bool:
        is_asked = part.is_evaluated or part.listed or part.name in self._asked_for
        return bool(file_of(part.level)) and not is_asked

    @cached_property
    def _order(self) -> Mapping[str, int]:
        """Of each class by whose test machines are told a file, how many others come before it: of several
        classes of a machine the first one's file counts."""
        found: dict[str, int] = {}
        before = 0
        for part in self.config.classes.values():
            if self._is_for_machines(part):
                found[part.name] = before
            else:
                before += 1
        return found

    def _is_for_machines(self, part: ClassDef) -> bool:
        is_asked = part.listed or part.name in self._asked_for or part.name in self._of_hosts
        is_plain = part.test is not None and part.template is None and _is_of_macs(part.test)
        return bool(file_of(part.level)) and is_plain and not is_asked

    def tested(self, number: int, macs: MacSet, part: ClassDef) -> None:
        """The boot file of a class whose test names machines."""
        if part.name in self._order:
            beside = (self._order[part.name], said(part.level))
            self._add(number, macs, beside, file_of(part.level))

    def _add(self, number: int, macs: MacSet, beside: Hashable, file: str) -> None:
        self.found.append(ToldFile(number=number, macs=macs, beside=beside, file=file))

    # -- all others ------------------------------------------------------------------------------

    def others(self) -> frozenset[str] | None:
        """The names in all other lines; None where values are computed."""
        config = self.config
        if config.flexed or any(part.template is not None for part in config.classes.values()):
            return None
        alone = {id(part.level) for part in config.classes.values() if part.name in self._order}
        alone |= {id(part.level) for part in config.classes.values() if self._is_for_hosts(part)}
        alone |= {id(host.level) for host in self._hosts()}
        names = {*self.several}
        for host in self._hosts():
            if not _is_by_mac(host):
                # It may be of no set: of a machine that is known otherwise.
                parts = (config.classes.get(name) for name in host.classes)
                names.update(file_of(part.level) for part in parts if part is not None)
                names.add(file_of(host.level))
        for level in self._levels():
            if id(level) not in alone:
                names.add(file_of(level))
            names.update(octets_text(d.octets) for _, d in _data(level) if d.code == Option.BOOTFILE_NAME)
        return frozenset(names)


def _is_by_mac(host: HostDef) -> bool:
    return [*host.identifiers] == ["hw-address"]


def _is_of_macs(test: Truth) -> bool:
    """Whether a test holds for some whole MAC addresses, and for nothing else."""
    if isinstance(test, Logic):
        return test.name == "or" and all(map(_is_of_macs, test.parts))
    return isinstance(test, Equal) and _is_a_mac((test.left, test.right))


def _is_a_mac(sides: Iterable[object]) -> bool:
    one, other = sides
    if isinstance(one, Fixed):
        one, other = other, one
    return one == Field("mac") and isinstance(other, Fixed) and len(other.octets) == _MAC_OCTETS
