"""By what a Kea configuration tells packets apart: reservations, and what its expressions compare."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import field
from functools import reduce
from operator import or_

from coexist.boot.leases.kea_config import ClassDef, HostDef, KeaConfig
from coexist.boot.leases.kea_files import KeaFiles, file_of, said
from coexist.boot.leases.lease import Distinctions, Origin
from coexist.boot.leases.told_files import told_files
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest
from coexist.languages.kea.expressions import Call, Equal, Field, Fixed, Logic, Truth, Value, members_of
from coexist.languages.kea.expressions import Option as Asked
from coexist.languages.kea.option_data import DHCP4, OptionTypes, number_of
from coexist.records import dataclass

_MAC_OCTETS = 6


def distinctions_of(config: KeaConfig) -> Distinctions:
    """The distinctions of a configuration."""
    found = _Finder(config.types)
    files = KeaFiles(config=config)
    reserved = found.reservations(config, files)
    for part in config.classes.values():
        if part.test is not None:
            number = len(found.clients)
            found.test(part.test, part.level.at)
            if len(found.clients) == number + 1:
                files.tested(number, found.clients[number][0], part)
        if part.template is not None:
            for octets in _values_named(config, part):
                found.comparison(Equal(part.template, Fixed(octets)), part.level.at)
    for entry in config.flexed:
        for comparison in _inside_flex(entry.value, entry.test):
            found.comparison(comparison, entry.at)
    told, others = told_files(files.found, None if found.unclear else files.others())
    return Distinctions(
        clients=tuple(found.clients),
        tests=tuple(found.tests),
        reserved=MacSet.of(reserved),
        unclear=tuple(found.unclear),
        files=told,
        other_files=others,
    )


def _values_named(config: KeaConfig, template: ClassDef) -> Iterator[bytes]:
    """The values of a template that the file names a class of; and none, with which it makes no class."""
    names = {*config.classes}
    for subnet in config.subnets:
        names.update(subnet.classes, *(pool.classes for pool in subnet.pools))
    for part in config.classes.values():
        names.update(members_of(part.test) if part.test is not None else ())
    start = template.spawned(b"")
    yield b""
    for name in sorted(names):
        if name.startswith(start) and name != start:
            yield name.removeprefix(start).encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Finder:
    types: OptionTypes
    clients: list[tuple[MacSet, Origin]] = field(default_factory=list)
    tests: list[OptionTest] = field(default_factory=list)
    unclear: dict[Origin, None] = field(default_factory=dict)

    def reservations(self, config: KeaConfig, files: KeaFiles) -> set[int]:
        """One set for all that say the same in one place; the MACs with an address of their own."""
        places: list[tuple[int | None, tuple[HostDef, ...]]] = [(None, config.hosts)]
        places += [(subnet.number, subnet.hosts) for subnet in config.subnets]
        alike: dict[Hashable, tuple[int | None, list[int], HostDef]] = {}
        reserved: set[int] = set()
        for place, hosts in places:
            for host in hosts:
                octets = host.identifiers.get("hw-address", b"")
                if len(octets) != _MAC_OCTETS:
                    continue
                mac = int.from_bytes(octets, "big")
                if host.address is not None:
                    reserved.add(mac)
                same = (
                    place,
                    host.address is None,
                    frozenset(host.identifiers),
                    host.classes,
                    file_of(host.level),
                    said(host.level),
                )
                alike.setdefault(same, (place, [], host))[1].append(mac)
        for number, (place, macs, host) in enumerate(alike.values()):
            self.clients.append((MacSet.of(macs), host.level.at))
            files.reservation(number, self.clients[number][0], place, host)
        return reserved

    def test(self, truth: Truth, at: Origin) -> None:
        """The test of a class."""
        for found in self._told_apart(truth):
            self._add(found, at)
        for comparison in _comparisons(truth):
            if self._test_of(comparison) is None and not _is_of_relay(comparison):
                self.unclear.setdefault(at)

    def comparison(self, comparison: Equal | Asked, at: Origin) -> None:
        """One comparison."""
        found = self._test_of(comparison)
        if found is not None:
            self._add(found, at)
        elif not _is_of_relay(comparison):
            self.unclear.setdefault(at)

    def _add(self, found: OptionTest | MacSet, at: Origin) -> None:
        if isinstance(found, MacSet):
            self.clients.append((found, at))
        else:
            self.tests.append(found)

    def _told_apart(self, truth: Truth) -> Iterator[OptionTest | MacSet]:
        """What a test tells packets apart by; any of some beginnings of a MAC is one set of them."""
        if isinstance(truth, Logic):
            found = [piece for part in truth.parts for piece in self._told_apart(part)]
            macs = [piece for piece in found if isinstance(piece, MacSet)]
            if _is_union(truth) and len(macs) == len(found) == len(truth.parts):
                found = [reduce(or_, macs)]
            yield from found
            return
        for comparison in _comparisons(truth):
            one = self._test_of(comparison)
            if one is not None:
                yield one

    def _test_of(self, comparison: Equal | Asked) -> OptionTest | MacSet | None:
        """What a comparison tells packets apart by."""
        if isinstance(comparison, Asked):
            return self._option_test(comparison, exists=True)
        sides = (comparison.left, comparison.right)
        fixed = next((side.octets for side in sides if isinstance(side, Fixed)), None)
        value = next((side for side in sides if not isinstance(side, Fixed)), None)
        if fixed is None or value is None:
            return None
        start, length = 0, None
        if isinstance(value, Call) and value.name == "substring":
            inner, begin, size = value.arguments
            if not isinstance(begin, int) or isinstance(inner, int) or inner is None:
                return None
            start, length = begin, size if isinstance(size, int) else None
            value = inner if isinstance(inner, (Asked, Field)) else value
        if isinstance(value, Call) and value.name == "hexstring":
            return self._hexstring(value, fixed)
        if isinstance(value, Field) and value.name == "mac" and fixed and start == 0:
            return _macs_beginning(fixed)
        if isinstance(value, Asked):
            text = f"hex:{fixed.hex(':')}"
            if start < 0:
                return self._option_test(value, ends_with=text) if -start == len(fixed) else None
            if start or length is not None:
                return self._option_test(value, starts_with=text, at=start)
            return self._option_test(value, equals=text) if fixed else self._option_test(value, exists=True)
        return None

    @staticmethod
    def _hexstring(value: Call, fixed: bytes) -> MacSet | None:
        """``hexstring(pkt4.mac, ':')``, whole or a part from its beginning."""
        inner = value.arguments[0]
        is_mac = isinstance(inner, Field) or (
            isinstance(inner, Call) and inner.name == "substring" and isinstance(inner.arguments[0], Field)
        )
        digits = "".join(char for char in fixed.decode("latin-1") if char in "0123456789abcdef")
        return _macs_beginning(bytes.fromhex(digits)) if is_mac and digits and len(digits) % 2 == 0 else None

    def _option_test(self, option: Asked, **how: object) -> OptionTest | None:
        codes = []
        space = DHCP4
        for name in option.names[:2]:
            number = number_of(name)
            known = self.types.find(space, name if number is None else number)
            codes.append(number if number is not None else known.code if known is not None else 0)
            space = known.encapsulates if known is not None else ""
        if not all(0 < code < 255 for code in codes):
            return None
        suboption = codes[1] if len(codes) > 1 else None
        return OptionTest.model_validate({"option": codes[0], "suboption": suboption, **how})


def _macs_beginning(octets: bytes) -> MacSet | None:
    if not 0 < len(octets) <= _MAC_OCTETS:
        return None
    first = int.from_bytes(octets.ljust(_MAC_OCTETS, b"\0"), "big")
    if len(octets) == _MAC_OCTETS:
        return MacSet.of((first,))
    return MacSet.interval(first, first + (1 << 8 * (_MAC_OCTETS - len(octets))) - 1)


def _is_union(truth: Logic) -> bool:
    """Whether it is any of some comparisons, with nothing turned round among them."""
    return truth.name == "or" and all(
        _is_union(part) if isinstance(part, Logic) else isinstance(part, Equal) for part in truth.parts
    )


def _is_of_relay(comparison: Equal | Asked) -> bool:
    """Whether it asks by which relay agent a packet came, which is no client's doing."""
    sides = (comparison.left, comparison.right) if isinstance(comparison, Equal) else ()
    return Field("giaddr") in sides


def _inside_flex(value: Value | None, test: Truth | None) -> Iterator[Equal | Asked]:
    if test is not None:
        yield from _comparisons(test)
    if value is not None:
        yield from _inside(value)


def _comparisons(truth: Truth) -> Iterator[Equal | Asked]:
    if isinstance(truth, Logic):
        for part in truth.parts:
            yield from _comparisons(part)
    elif isinstance(truth, (Equal, Asked)):
        yield truth
        if isinstance(truth, Equal):
            for side in (truth.left, truth.right):
                yield from _inside(side)


def _inside(value: Value) -> Iterator[Equal | Asked]:
    if isinstance(value, Call):
        for part in value.arguments:
            if isinstance(part, (Equal, Logic)) or (isinstance(part, Asked) and part.form == "exists"):
                yield from _comparisons(part)
            elif isinstance(part, Call):
                yield from _inside(part)
