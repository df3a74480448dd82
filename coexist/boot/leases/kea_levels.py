"""A level of a Kea configuration: the options and parameters of one place, as its DHCPv4 server keeps them.

A level is the file itself, a shared network, a subnet, a pool, a class or a reservation.
Source: ``src/lib/dhcpsrv`` of Kea (``cfg_option.cc``, ``cfg_option_def.cc``, ``option_data_parser.cc``) and
``src/lib/dhcp/option_definition.cc``; what is refused was tried with ``kea-dhcp4 -t`` 2.2.0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address
from typing import Any

from coexist.errors import InputError, Position, Problem
from coexist.inventory.plain_cells import address_octets
from coexist.languages.kea.json_nodes import Node
from coexist.languages.kea.option_data import (
    DHCP4,
    LATER,
    OPTION_KINDS,
    STANDARD_TYPES,
    BadDataError,
    OptionType,
    OptionTypes,
)
from coexist.languages.kea.versions import shown
from coexist.records import dataclass
from coexist.wire.bootp import FILE_OCTETS, SNAME_OCTETS
from coexist.wire.options import encode_options
from coexist.wire.pxe import decode_suboptions

_VENDOR_OPTIONS, _ENTERPRISE_OPTIONS = 43, 125
_MOST_CODE = 255
TAGGED = (2, 7)
"""The first release whose options may be for some classes (ARM of 3.0, "Option Class-Tagging")."""
_RESERVED = {0: "PAD", 255: "END"}
"""Codes that are no option of DHCPv4; a space of its own may have them."""
_NO_CODE = -1
_PRIVATE = range(224, 255)
"""Codes that a class may define, besides 43 (``ClientClassDefParser``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """One option of a level: octets, and whether it is sent always or never. ``classes``: a client must be in
    one of them, if there are any."""

    code: int
    octets: bytes
    always: bool
    never: bool
    at: Position
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What a place of the configuration says: options by code, parameters by keyword, and their places.

    ``for_classes``: by code the options of which one is for some classes alone, in the order of the file.
    """

    options: Mapping[int, Datum]
    enterprises: Mapping[int, tuple[Datum, ...]]
    values: Mapping[str, Any]
    places: Mapping[str, Position]
    at: Position
    for_classes: Mapping[int, tuple[Datum, ...]] = field(default_factory=dict)

    def told(self, is_in: Callable[[str], bool]) -> Mapping[int, Datum]:
        """The options for a client: of those with one code the first that is for it
        (``CfgOption::allowedForClientClasses``, 3.0)."""
        if not self.for_classes:
            return self.options
        chosen = {
            code: next((d for d in found if not d.classes or any(map(is_in, d.classes))), None)
            for code, found in self.for_classes.items()
        }
        return {code: datum for code, datum in {**self.options, **chosen}.items() if datum is not None}

    def value(self, key: str, kind: type = str) -> Any:
        """A parameter of its kind, or None."""
        found = self.values.get(key)
        return found if isinstance(found, kind) and not (kind is int and isinstance(found, bool)) else None


class Places(Mapping[str, Position]):
    """The places of an object's members, each worked out when it is asked for."""

    def __init__(self, node: Node) -> None:
        self._members = node.value if isinstance(node.value, dict) else {}

    def __getitem__(self, key: str) -> Position:
        place: Position = self._members[key].at
        return place

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


_READ = frozenset({"option-def", "option-data", "next-server"})
"""The members of a level that are more than their values."""


def _level(
    node: Node,
    options: Mapping[int, Datum],
    enterprises: Mapping[int, tuple[Datum, ...]],
    for_classes: Mapping[int, tuple[Datum, ...]],
) -> Level:
    return Level(
        options=options,
        enterprises=enterprises,
        values={key: item.value for key, item in node.members()},
        places=Places(node),
        at=node.at,
        for_classes=for_classes,
    )


class LevelReader:
    """Reads the levels of one configuration. ``types``: of the options that the file knows everywhere;
    ``version``: of the server, None if it is not declared."""

    def __init__(self, dhcp4: Node, version: tuple[int, int] | None) -> None:
        self._dhcp4 = dhcp4
        self._version = version
        self._own = tuple(self._definitions(dhcp4))
        self.types = OptionTypes(self._own, version)

    def _definitions(self, holder: Node, *, in_class: bool = False) -> Iterator[tuple[str, OptionType]]:
        seen: set[tuple[str, str | int]] = set()
        for node in holder.items("option-def"):
            record = node.plain("record-types") or ""
            space = node.plain("space") or DHCP4
            option = OptionType(
                name=node.plain("name") or "",
                code=node.plain("code", int) if node.plain("code", int) is not None else _NO_CODE,
                kind=node.plain("type") or "",
                array=bool(node.plain("array", bool)),
                encapsulates=node.plain("encapsulate") or "",
                record=tuple(part.strip() for part in record.split(",")) if record else (),
            )
            why = _why_undefinable(space, option, self._version)
            twice = [key for key in (option.name, option.code) if (space, key) in seen]
            if in_class and option.code != _VENDOR_OPTIONS and option.code not in _PRIVATE and why is None:
                why = f"not allowed option definition for code '{option.code}' in a class"
            if twice and why is None:
                why = f"an option definition with {twice[0]!r} already exists in option space {space!r}"
            if why is not None:
                raise InputError([Problem(node.at, why, "correct the definition, or remove it")])
            seen |= {(space, option.name), (space, option.code)}
            yield space, option

    def read(self, node: Node) -> Level:
        """What a place says. ``node`` may define options of its own, as a class does for 43."""
        if isinstance(node.value, dict) and _READ.isdisjoint(node.value):
            return _level(node, {}, {}, {})
        own = tuple(self._definitions(node, in_class=True)) if node is not self._dhcp4 else ()
        types = OptionTypes((*self._own, *own), self._version) if own else self.types
        spaces: dict[str, dict[int, Datum]] = defaultdict(dict)
        several: dict[int, list[Datum]] = defaultdict(list)
        listed: dict[int, list[Datum]] = defaultdict(list)
        for part in node.items("option-data"):
            space = part.plain("space") or DHCP4
            datum = self._datum(part, space, types)
            if space == DHCP4 and datum.code == _ENTERPRISE_OPTIONS:
                several[int.from_bytes(datum.octets[:4], "big")].append(datum)
            if space == DHCP4:
                listed[datum.code].append(datum)
            if not datum.classes:
                # Of two the last counts, and goes to all if either does (2.2.0, packets).
                before = spaces[space].get(datum.code)
                always = datum.always or (before is not None and before.always)
                spaces[space][datum.code] = replace(datum, always=always)
        options = {code: self._whole(datum, spaces, types) for code, datum in spaces[DHCP4].items()}
        enterprises = {
            int(name[7:]): tuple(found.values())
            for name, found in spaces.items()
            if re.fullmatch("vendor-[0-9]+", name)
        }
        server = node.plain("next-server")
        if server:
            address_of(node.get("next-server") or node, server)
        for_classes = {
            code: tuple(self._whole(datum, spaces, types) for datum in found)
            for code, found in listed.items()
            if any(datum.classes for datum in found)
        }
        return _level(node, options, enterprises, for_classes)

    def below(self, node: Node, file_octets: int = FILE_OCTETS) -> Level:
        """What a place below the global parameters says, whose texts for header fields have a length.

        A subnet's, a network's and a class's file may fill the field, a reservation's must leave room for a
        NUL, as every ``server-hostname`` (2.2.0, each asked).
        """
        for key, most in (("boot-file-name", file_octets), ("server-hostname", SNAME_OCTETS - 1)):
            part = node.get(key)
            octets = len((node.plain(key) or "").encode("utf-8", "surrogateescape")) if part else 0
            if part is not None and octets > most:
                what = f"{key} has {octets} octets, the header field has room for {most}"
                raise InputError([Problem(part.at, what, "write a shorter one")])
        return self.read(node)

    def _datum(self, node: Node, space: str, types: OptionTypes) -> Datum:
        code, name = node.plain("code", int), node.plain("name")
        option = types.find(space, code if code is not None else name or "")
        if code is None:
            if option is None:
                raise InputError([_unknown_option(node.at, name or "", space, self._version)])
            code = option.code
        if not 0 <= code <= _MOST_CODE or (space == DHCP4 and code in _RESERVED):
            reserved = f": reserved for {_RESERVED[code]}" if code in _RESERVED else ""
            what = f"invalid option code {code}{reserved}"
            raise InputError([Problem((node.get("code") or node).at, what, "write a code from 1 to 254")])
        if option is not None and name and name != option.name:
            what = f"option name {name!r} does not match the option definition: '{space}.{option.name}'"
            raise InputError([Problem((node.get("name") or node).at, what, "remove its name, or its code")])
        csv = node.plain("csv-format", bool)
        if option is None and csv is not False:
            what = f"definition for the option '{space}.' having code '{code}' does not exist"
            raise InputError(
                [Problem(node.at, what, 'define it in option-def, or write "csv-format": false')]
            )
        data = node.plain("data")
        try:
            octets = types.octets(option, data or "", csv=csv is not False)
        except BadDataError as error:
            raise InputError([Problem(node.at, f"option {code}: {error}", "correct its data")]) from None
        if csv is False and option is not None and option.encapsulates and octets:
            # What is inside is taken apart, and put together again by code.
            octets = encode_options(dict(sorted(decode_suboptions(octets).items())))
        return Datum(
            code=code,
            octets=octets,
            always=bool(node.plain("always-send", bool)),
            never=bool(node.plain("never-send", bool)),
            at=node.at,
            classes=self._classes(node),
        )

    def _classes(self, node: Node) -> tuple[str, ...]:
        """The classes an option is for, which a server knows since 2.7."""
        named = node.get("client-classes")
        if named is not None and self._version is not None and self._version < TAGGED:
            what = f"Kea {shown(self._version)} does not know client-classes of an option, 3.0 does"
            remedy = "remove it, or declare the version that runs: `software: kea 3.0`"
            raise InputError([Problem(named.at, what, remedy)])
        return tuple(str(item.value) for item in node.items("client-classes"))

    def _whole(self, datum: Datum, spaces: Mapping[str, Mapping[int, Datum]], types: OptionTypes) -> Datum:
        """An option with what stands inside it on the same level (CfgOption::encapsulate): its own data
        first, and of the space what they do not say."""
        option = types.find(DHCP4, datum.code)
        inside = self._inner(option, spaces, types, frozenset())
        if not inside:
            return datum
        is_all_inside = option is not None and option.kind == "empty"
        own = decode_suboptions(datum.octets) if is_all_inside else {}
        whole = _written({**inside, **own})
        return replace(datum, octets=whole if is_all_inside else datum.octets + whole)

    def _inner(
        self,
        option: OptionType | None,
        spaces: Mapping[str, Mapping[int, Datum]],
        types: OptionTypes,
        seen: frozenset[str],
    ) -> dict[int, bytes]:
        space = option.encapsulates if option is not None else ""
        if not space or space in seen or space not in spaces:
            return {}
        return {
            code: inner.octets + _written(self._inner(types.find(space, code), spaces, types, seen | {space}))
            for code, inner in spaces[space].items()
        }


def _written(options: Mapping[int, bytes]) -> bytes:
    """Options inside another one, by code. A space of its own may have a code 0, which is no pad there."""
    return b"".join(
        bytes((code, len(octets))) + octets if len(octets) < 256 else encode_options({code: octets})
        for code, octets in sorted(options.items())
    )


def _unknown_option(at: Position, name: str, space: str, version: tuple[int, int] | None) -> Problem:
    later = next((since for since, option in LATER.values() if option.name == name), None)
    if version is not None and later is not None and space == DHCP4:
        what = f"Kea {shown(version)} does not know the option {name}, {shown(later)} does"
        return Problem(at, what, "define it in option-def, or declare the version that runs")
    what = f"the option {name!r} is not defined in the space {space!r}"
    return Problem(at, what, "write its code, or define it in option-def")


def _why_undefinable(space: str, option: OptionType, version: tuple[int, int] | None) -> str | None:
    """What Kea has against a definition (``OptionDefinition::validate``, ``CfgOptionDef::add``)."""
    kinds = (option.kind, *option.record)
    standard = space == DHCP4 and option.code != _VENDOR_OPTIONS
    is_record = option.kind == "record"
    if not option.name or option.code == _NO_CODE or not option.kind:
        return "an option definition must have a name, a code and a type"
    if re.fullmatch(r"[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?", option.name, re.ASCII) is None:
        return f"invalid option name {option.name!r}"
    if option.code > _MOST_CODE or (space == DHCP4 and option.code in _RESERVED):
        return f"invalid option code {option.code}"
    unknown = [kind for kind in kinds if kind not in OPTION_KINDS]
    if unknown:
        return f"option type {unknown[0]!r} is not supported"
    types = STANDARD_TYPES if version is None else OptionTypes(version=version)
    known = [found for key in (option.code, option.name) if (found := types.find(space, key))]
    if standard and any(found.code != _VENDOR_OPTIONS for found in known):
        return f"unable to override definition of option '{option.code}' in standard option space {space!r}"
    if option.encapsulates == space:
        return f"an option must not encapsulate the option space {space!r} that it belongs to"
    if is_record != bool(option.record) or len(option.record) == 1 or "empty" in option.record:
        return "a record, and nothing else, must have two fields or more in record-types, none of them empty"
    if "string" in option.record[:-1] or "binary" in option.record[:-1]:
        return "a string or binary field must be the last of a record"
    if option.array and kinds[-1] in ("string", "binary", "empty"):
        return f"an array of {kinds[-1]} values is not a valid option definition"
    return None


def address_of(node: Node, text: object) -> IPv4Address:
    """An address of a JSON text. Raises InputError."""
    try:
        return IPv4Address(address_octets(str(text)))
    except ValueError:
        raise InputError([Problem(node.at, f"{text!r} is no address", "write 192.0.2.10")]) from None
