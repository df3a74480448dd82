"""By what a dhcpd.conf tells clients apart: the MACs of its hosts and subclasses, and what it compares.

Two clients that are members of the same sets meet the same statements.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from coexist.boot.leases.dhcpd.hosts import hardware_octets
from coexist.boot.leases.dhcpd.opens import all_levels, all_statements, parts_of
from coexist.boot.leases.dhcpd.options import SERVER
from coexist.boot.leases.lease import Distinctions, Origin
from coexist.boot.leases.told_files import ToldFile, told_files
from coexist.errors import Position
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest
from coexist.languages.dhcpd.encapsulated import holders_of, place_of
from coexist.languages.dhcpd.levels import HostPart, Level, Outline
from coexist.languages.dhcpd.syntax import (
    Assign,
    Atom,
    Binary,
    Call,
    Data,
    Exists,
    Expression,
    HostLookup,
    If,
    Number,
    OptionName,
    OptionOf,
    Other,
    SetVariable,
    Statement,
    Switch,
)
from coexist.records import dataclass
from coexist.wire.mac import MAC_SPACE
from coexist.wire.options import Option, octets_text

_ETHERNET = 1
_FILENAME = 15
"""The code of ``filename`` (server/stables.c)."""
_MAC_OCTETS = 6


def distinctions_of(outline: Outline) -> Distinctions:
    """The distinctions of a file."""
    clients = [*_machines(outline), *_subclasses(outline)]
    tests: dict[str, OptionTest] = {}
    unclear: dict[Origin, None] = {}
    holders = holders_of(outline)
    for at, expression in _conditions(outline):
        for comparison in _comparisons(expression):
            macs = _hardware_set(comparison)
            if macs is not None:
                clients.append((macs, at))
            test = _option_test(comparison, holders)
            if test is not None:
                tests.setdefault(test.model_dump_json(), test)
            if macs is None and test is None:
                unclear.setdefault(at)
    told = (
        ToldFile(number=number, macs=clients[number][0], beside=own[0], file=own[1])
        for number, own in enumerate(_files_of_machines(outline))
        if own is not None
    )
    files, others = told_files(told, None if unclear else _other_files(outline))
    return Distinctions(
        clients=tuple(clients),
        tests=tuple(tests.values()),
        reserved=_reserved(outline),
        unclear=tuple(unclear),
        files=files,
        other_files=others,
    )


# -- hosts and subclasses ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Machines:
    """MACs of hosts that say the same where the same stands around them. ``about``: that place, whether they
    have an address, and nothing else of a host but its ``statements``; None for a host that has more."""

    macs: list[int]
    at: Position
    statements: Sequence[Statement]
    about: Hashable


def _machines(outline: Outline) -> Iterator[tuple[MacSet, Origin]]:
    """The MACs of hosts, one set for all that say the same where the same stands around them."""
    for alike in _alike(outline):
        yield MacSet((), frozenset(alike.macs)), alike.at


def _alike(outline: Outline) -> Iterable[_Machines]:
    found: dict[object, _Machines] = {}
    for machine in outline.machines:
        if isinstance(machine, HostPart):
            if machine.mac is not None:
                # It has statements of its own, and a host of the same MAC may follow it.
                statements = machine.level.statements
                key: object = (id(machine.level.parent), *_said(statements), machine.name)
                if not _said(statements):
                    key = (id(machine.level.parent), machine.fixed is not None)
                about = None if machine.identifiers else (id(machine.level.parent), machine.fixed is not None)
                one = found.setdefault(key, _Machines([], machine.at, statements, about))
                one.macs.append(int.from_bytes(machine.mac, "big"))
            continue
        level, plain = machine
        for with_address in (False, True):
            macs = [
                int.from_bytes(hardware_octets(row[1]), "big")
                for row in plain.rows
                if bool(row[2]) == with_address
            ]
            if macs:
                key = (id(level), with_address, *_said(plain.body))
                about = (id(level), with_address)
                found.setdefault(key, _Machines([], plain.at, plain.body, about)).macs.extend(macs)
    return found.values()


def _files_of_machines(outline: Outline) -> Iterator[tuple[Hashable, str] | None]:
    """Of each set of `_machines`, what is said besides the name of a boot file, and that name; None of a set
    that is not told one, or one by a condition."""
    for alike in _alike(outline):
        names = [name for s in alike.statements if (name := _file_of(s)) is not None]
        plain = alike.about is not None and all(isinstance(s, Assign) for s in alike.statements)
        rest = _said(s for s in alike.statements if _file_of(s) is None)
        yield ((alike.about, rest), names[0]) if plain and len(names) == 1 else None


def _other_files(outline: Outline) -> frozenset[str] | None:
    """The names of boot files that no host gives to its machines; None where a value is computed."""
    names: set[str] = set()
    machines = {id(statement) for alike in _alike(outline) for statement in alike.statements}
    for level in all_levels(outline):
        for statement in all_statements(level.statements):
            if isinstance(statement, SetVariable) or (
                isinstance(statement, Other) and statement.kind == "execute"
            ):
                return None
            if not isinstance(statement, Assign):
                continue
            if not isinstance(statement.value, Data | Number | HostLookup | None):
                return None
            name = _file_of(statement)
            if name is not None and id(statement) not in machines:
                names.add(name)
            elif statement.option.code == Option.BOOTFILE_NAME and isinstance(statement.value, Data):
                names.add(octets_text(statement.value.octets))
    return frozenset(names)


def _file_of(statement: Statement) -> str | None:
    """The boot file that a statement puts into the header."""
    if not isinstance(statement, Assign) or not isinstance(statement.value, Data):
        return None
    option = statement.option
    is_file = (option.space, option.code) == (SERVER, _FILENAME) and statement.how == "supersede"
    return octets_text(statement.value.octets) if is_file else None


def _said(statements: Iterable[Statement]) -> tuple[Hashable, ...]:
    """What statements say, whole; the name of a machine is its own affair."""
    return tuple(
        (s.how, s.option, s.value) if isinstance(s, Assign) else s.text
        for s in statements
        if not (isinstance(s, Assign) and s.option.name == "host-name")
    )


def _reserved(outline: Outline) -> MacSet | None:
    macs: set[int] = set()
    for machine in outline.machines:
        if isinstance(machine, HostPart):
            if machine.mac is not None and machine.fixed is not None:
                macs.add(int.from_bytes(machine.mac, "big"))
        else:
            macs.update(int.from_bytes(hardware_octets(row[1]), "big") for row in machine[1].rows if row[2])
    return MacSet((), frozenset(macs)) if macs else None


def _subclasses(outline: Outline) -> Iterator[tuple[MacSet, Origin]]:
    """The MACs that subclasses name, one set for all without statements of their own."""
    for part in outline.classes.values():
        if part.match is None or not _speaks_of_hardware(part.match.value):
            continue
        groups: dict[int, tuple[list[MacSet], Position]] = {}
        for value, (level, statement) in part.subclasses.items():
            macs = _solved(part.match.value, value)
            if macs is not None:
                groups.setdefault(id(level or part.level), ([], statement.at))[0].append(macs)
        for sets, at in groups.values():
            yield _union(sets), at


def _union(sets: list[MacSet]) -> MacSet:
    points = frozenset(point for s in sets if not s.bounds for point in s.points)
    result = MacSet((), points)
    for macs in sets:
        if macs.bounds:
            result = result | macs
    return result


# -- comparisons ------------------------------------------------------------------------------------


def _conditions(outline: Outline) -> Iterator[tuple[Position, Expression]]:
    for level in all_levels(outline):
        yield from _of_level(level)
    for part in outline.classes.values():
        for statement in part.match_if:
            yield statement.at, statement.condition
        if part.match is not None:
            if part.match.spawn:
                # Whoever sends a value is in a class of its own (check_collection).
                yield from ((part.match.at, Exists(o)) for o in _sent(part.match.value))
            for value, (_, subclass) in part.subclasses.items():
                if not _speaks_of_hardware(part.match.value):
                    yield subclass.at, Binary("=", part.match.value, Data(value))


def _sent(expression: Expression) -> Iterator[OptionName]:
    """The options of the client that an expression reads."""
    for part in parts_of(expression):
        if isinstance(part, OptionOf) and not part.configured:
            yield part.option


def _of_level(level: Level) -> Iterator[tuple[Position, Expression]]:
    for statement in all_statements(level.statements):
        match statement:
            case If(condition=condition):
                yield statement.at, condition
            case Switch(value=value, body=body):
                for inner in body:
                    case_value = getattr(inner, "value", None)
                    if case_value is not None and type(inner).__name__ == "Case":
                        yield inner.at, Binary("=", value, case_value)


def _comparisons(expression: Expression) -> Iterator[Expression]:
    for part in parts_of(expression):
        if isinstance(part, Exists) or (
            isinstance(part, Binary) and part.operator in ("=", "!=", "~=", "~~")
        ):
            yield part


def _speaks_of_hardware(expression: Expression) -> bool:
    return any(part == Atom("hardware") for part in parts_of(expression))


def _hardware_set(comparison: Expression) -> MacSet | None:
    """The MACs for which a comparison holds, if it looks at nothing else."""
    if not isinstance(comparison, Binary) or not _speaks_of_hardware(comparison):
        return None
    match comparison:
        case Binary(operator="=" | "!=", left=left, right=Data(octets=octets)):
            return _solved(left, octets)
        case Binary(operator="=" | "!=", left=Data(octets=octets), right=right):
            return _solved(right, octets)
        case Binary(operator="~=" | "~~", left=left, right=Data(octets=pattern)):
            prefix = re.match(rb"\^((?:[^][\\.*+?(){}|$^]|\\:)*)", pattern)
            return None if prefix is None else _solved(left, prefix[1].replace(b"\\", b""), is_prefix=True)
    return None


def _solved(expression: Expression, value: bytes, *, is_prefix: bool = False) -> MacSet | None:
    """The MACs for which an expression has a value (or one that begins so), None if that is not a prefix."""
    match expression:
        case Atom(word="hardware"):
            return _of_prefix(value, whole=not is_prefix)
        case Call(function="substring", arguments=(Atom(word="hardware"), Number(start), Number(length))):
            if start == 0:
                return _of_prefix(value, whole=False)
            if start == 1 and (is_prefix or len(value) == min(length, _MAC_OCTETS)):
                return _of_prefix(b"\x01" + value, whole=False)
            return None
        case Call(function="lcase" | "ucase", arguments=(inner,)):
            lowered = value.lower() if expression.function == "lcase" else value.upper()
            return _solved(inner, value, is_prefix=is_prefix) if lowered == value else None
        case Call(function="binary-to-ascii", arguments=(Number(base), Number(8), Data(separator), inner)):
            octets = _octets_of(value, base, separator)
            return None if octets is None else _solved(inner, octets, is_prefix=is_prefix)
        case Call(function="substring", arguments=(Call(function="binary-to-ascii") as inner, Number(0), _)):
            return _solved(inner, value, is_prefix=True)
    return None


def _octets_of(text: bytes, base: int, separator: bytes) -> bytes | None:
    """What binary-to-ascii made a text of; the last number may be cut off."""
    if not separator or base not in (8, 10, 16):
        return None
    words = text.split(separator)
    if words and not words[-1]:
        words.pop()
    try:
        return bytes(int(word, base) for word in words)
    except ValueError:
        return None


def _of_prefix(octets: bytes, *, whole: bool) -> MacSet | None:
    """The Ethernet addresses whose hardware (type and address) begins with some octets."""
    if not octets or octets[0] != _ETHERNET or (whole and len(octets) != _MAC_OCTETS + 1):
        return MacSet((), frozenset())
    mac = octets[1 : _MAC_OCTETS + 1]
    if len(mac) == _MAC_OCTETS:
        return MacSet((), frozenset((int.from_bytes(mac, "big"),)))
    rest = 8 * (_MAC_OCTETS - len(mac))
    first = int.from_bytes(mac, "big") << rest
    return MacSet((first, min(first + (1 << rest), MAC_SPACE)), frozenset())


# -- options ----------------------------------------------------------------------------------------


def _option_test(comparison: Expression, holders: Mapping[str, int]) -> OptionTest | None:
    """A comparison of one option as a test, if it is as simple as that."""
    match comparison:
        case Exists(option=option):
            return _test(option, holders, {}, exists=True)
        case Binary(operator="=" | "!=", left=Data() | Number() as left, right=right):
            return None if isinstance(right, (Data, Number)) else _compared(right, left, holders)
        case Binary(operator="=" | "!=", left=left, right=right):
            return _compared(left, right, holders)
        case Binary(
            operator="~=", left=OptionOf(option=option, configured=False), right=Data(octets=pattern)
        ):
            return _pattern_test(option, pattern, holders)
    return None


def _compared(left: Expression, right: Expression, holders: Mapping[str, int]) -> OptionTest | None:
    match left, right:
        case OptionOf(option=option, configured=False), Data(octets=octets) if octets:
            return _test(option, holders, {"equals": octets})
        case (
            Call(
                function="substring",
                arguments=(OptionOf(option=option, configured=False), Number(start), Number()),
            ),
            Data(octets=octets),
        ) if octets and 0 <= start < 255:
            return _test(option, holders, {"starts_with": octets}, at=start)
        case (
            Call(function="suffix", arguments=(OptionOf(option=option, configured=False), Number(length))),
            Data(octets=octets),
        ) if octets and len(octets) == length:
            return _test(option, holders, {"ends_with": octets})
        case (
            Call(function="extract-int", arguments=(OptionOf(option=option, configured=False), Number(bits))),
            Number(number),
        ) if 0 <= number < 1 << bits:
            return _test(option, holders, {"starts_with": number.to_bytes(bits // 8, "big")})
    return None


_PLAIN = re.compile(rb"(\^?)((?:[^][\\.*+?(){}|^$]|\\.)+)(\$?)")


def _pattern_test(option: OptionName, pattern: bytes, holders: Mapping[str, int]) -> OptionTest | None:
    """A regular expression that is a text with or without its ends; a NUL would end what is looked at."""
    found = _PLAIN.fullmatch(pattern)
    if found is None:
        return None
    text = re.sub(rb"\\(.)", rb"\1", found[2])
    how = {(True, True): "equals", (True, False): "starts_with", (False, True): "ends_with"}
    return _test(option, holders, {how.get((bool(found[1]), bool(found[3])), "contains"): text})


def _test(
    option: OptionName,
    holders: Mapping[str, int],
    how: Mapping[str, bytes],
    *,
    at: int = 0,
    exists: bool | None = None,
) -> OptionTest | None:
    """A test on one of DHCP's options, or on one inside another."""
    place = place_of(option, holders)
    if place is None:
        return None
    code, inner = place
    return OptionTest.model_validate(
        {
            "option": code,
            "suboption": inner,
            "at": at,
            "exists": exists,
            **{name: f"hex:{octets.hex()}" for name, octets in how.items()},
        }
    )
