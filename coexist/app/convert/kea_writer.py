"""A dhcpd.conf as a configuration of Kea: classes stay classes, hosts become reservations.

dhcpd lets the class replace what the subnet says; in Kea the subnet's option comes before a class's, and a
class's parameter before the subnet's (ARM, "Option Data Precedence"). A value that would change sides stands
in classes alone, which a subnet asks for in their order: those of classes, of the pool, of the subnet, and of
the file at last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from coexist.app.convert.blocks import (
    ECHO,
    FLAGS,
    HOST_NAMES,
    IGNORE,
    KNOWN_ONLY,
    LEASE_TIMES,
    TIMERS,
    VENDOR,
    Block,
    Key,
    Reader,
    Value,
    merged,
)
from coexist.app.convert.kea_text import KeaWords, NoEqualError
from coexist.app.convert.reservations import DECLARED, ELSEWHERE, Reservations
from coexist.importers.account import Account
from coexist.languages.dhcpd.encapsulated import holders_of
from coexist.languages.dhcpd.levels import ClassPart, Level, Outline, PoolPart, SubnetPart, Wire
from coexist.languages.dhcpd.syntax import Permit
from coexist.records import dataclass
from coexist.render.quoting import kea_name
from coexist.render.targets.kea import Dialect
from coexist.render.targets.kea_expressions import any_of
from coexist.wire.option_codes import Option

_FIELDS = frozenset({"next-server", "boot-file-name", "server-hostname", *LEASE_TIMES})
_ONE_PLACE = frozenset(TIMERS.values())
"""Parameters that no class of Kea has."""
# includes/dhcpd.h, seconds
_DEFAULT, _LONGEST, _SHORTEST = 43200, 86400, 300
_VENDOR_OPTIONS = int(Option.VENDOR_SPECIFIC_INFORMATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The blocks of one level of Kea: the file, a network, a subnet or a pool."""

    blocks: list[Block]

    @property
    def values(self) -> dict[Key, Value]:
        """What always holds here."""
        return merged(self.blocks)

    @property
    def conditional(self) -> list[Block]:
        """What holds for some packets."""
        return [block for block in self.blocks if block.test is not None]

    def keys(self, *, conditional: bool) -> set[Key]:
        """What it sets for some packets, or for all."""
        blocks = self.conditional if conditional else [b for b in self.blocks if b.test is None]
        return {key for block in blocks for key in block.values}


@dataclass(slots=True)
class Writer:
    """Writes one file. ``account`` collects what has no equal."""

    outline: Outline
    dialect: Dialect
    account: Account
    comment: str = ""
    reader: Reader = field(init=False)
    root: _Place = field(init=False)
    networks: dict[int, _Place] = field(default_factory=dict)
    subnets: dict[int, _Place] = field(default_factory=dict)
    pools: dict[int, _Place] = field(default_factory=dict)
    members: dict[str, _Place] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)
    shared_classes: list[str] = field(default_factory=list)
    pool_classes: dict[str, str] = field(default_factory=dict)
    known_classes: set[str] = field(default_factory=set)
    spaces: dict[str, int] = field(default_factory=dict)
    contested: frozenset[Key] = frozenset()
    times_meet: bool = False
    groups: int = 0
    marks: bool = False
    timed: list[tuple[str, str, dict[Key, Value]]] = field(default_factory=list)
    time_bounds: list[tuple[dict[Key, Value], dict[Key, Value]]] = field(default_factory=list)
    """What each subnet and its network say of lease times, beside other values."""
    reserved: list[IPv4Address] = field(default_factory=list)

    def __post_init__(self) -> None:
        words = KeaWords(holders_of(self.outline))
        self.reader = Reader(self.account, words, cases=self.dialect.changes_case)
        self.root = _Place(blocks=self.reader.blocks([self.outline.root]))
        for wire in self.outline.wires:
            alone = not wire.name
            outer = [level for level in reversed(list(wire.level.outwards())) if level.parent is not None]
            self.networks[id(wire)] = _Place(blocks=[] if alone else self.reader.blocks(outer))
            for subnet in wire.subnets:
                own = outer if alone else [subnet.level]
                self.subnets[id(subnet)] = _Place(blocks=self.reader.blocks(own))
            for pool in wire.pools:
                self.pools[id(pool)] = _Place(blocks=self.reader.blocks([pool.level]))
        for part in self.outline.classes.values():
            self.members[part.name] = _Place(blocks=self.reader.blocks(_own_levels(part.level)))
        self.spaces = self._spaces()
        self.contested = self._contested()

    # -- the whole -----------------------------------------------------------------------------------

    def tree(self) -> dict[str, Any]:
        """Everything below ``Dhcp4``."""
        self._class_entries()
        self._file_classes()
        networks, subnets = [], []
        reservations = Reservations(self.outline, self.reader, self._values, self._group)
        reservations.names = self._flag(self.root, HOST_NAMES, default=False)
        identifiers = reservations.identifiers()
        self.reserved = reservations.addresses()
        for wire in self.outline.wires:
            made = [entry for subnet in wire.subnets if (entry := self._subnet(wire, subnet, reservations))]
            if wire.name and made:
                entry = {"name": wire.name, **self._level(self.networks[id(wire)], wire.subnets[0].level)}
                networks.append({**entry, "subnet4": made})
            else:
                subnets += made
        self._class_times()
        everywhere = reservations.everywhere(needs_known=self._asks_who_is_known(), marks=self.marks)
        for name in (DECLARED, ELSEWHERE):
            if self.marks or any(name in entry.get("client-classes", ()) for entry in everywhere):
                self.classes.insert(0, {"name": name})
        return {
            **({"comment": self.comment} if self.comment else {}),
            "interfaces-config": {"interfaces": ["*"]},
            "lease-database": {"type": "memfile", "lfc-interval": 3600},
            "authoritative": self.outline.root.authoritative,
            # RFC 6842's echo is off in dhcpd unless it is asked for.
            "echo-client-id": self._flag(self.root, ECHO, default=False),
            "host-reservation-identifiers": identifiers,
            "reservations-global": bool(everywhere),
            "reservations-in-subnet": True,
            **({} if reservations.unique else {"ip-reservations-unique": False}),
            **self._lifetimes(self.root.values),
            **self._values(self._plain(self.root)),
            **self._definitions(),
            **({"client-classes": self.classes} if self.classes else {}),
            **({"shared-networks": networks} if networks else {}),
            "subnet4": subnets,
            **({"reservations": everywhere} if everywhere else {}),
        }

    def _flag(self, place: _Place, key: str, *, default: bool) -> bool:
        found = place.values.get(key)
        return default if found is None else bool(found.content)

    # -- where values stand ----------------------------------------------------------------------------

    def _contested(self) -> frozenset[Key]:
        """The values that would change sides: see the head of the module."""
        inner = [*self.networks.values(), *self.subnets.values()]
        root = self.root.keys(conditional=True)
        always = {key for place in inner for key in place.keys(conditional=False)}
        sometimes = {key for place in inner for key in place.keys(conditional=True)}
        pools = {key for place in self.pools.values() for key in place.keys(conditional=False)}
        pools_sometimes = {key for place in self.pools.values() for key in place.keys(conditional=True)}
        of_classes = {
            key for place in self.members.values() for block in place.blocks for key in block.values
        }
        of_classes |= {key for part in self.outline.classes.values() for key in self._subclass_keys(part)}
        of_hosts = self._host_keys()
        options = ((root | sometimes | of_classes | pools_sometimes) & (always | pools)) | (
            root & (sometimes | pools_sometimes)
        )
        fields = (root & (always | sometimes)) | ((pools | pools_sometimes) & _FIELDS)
        chosen = {key for key in options if key not in _FIELDS} | {key for key in fields if key in _FIELDS}
        # A host's condition is a class that must come before all others.
        chosen |= of_hosts
        times = frozenset(LEASE_TIMES)
        self.times_meet = bool(of_classes & times) and bool((always | sometimes | pools) & times)
        return frozenset(chosen - FLAGS - _ONE_PLACE)

    def _host_keys(self) -> set[Key]:
        """What hosts, and groups around them, set under conditions."""
        levels = {
            id(level): level
            for start in (
                *(host.level for host in self.outline.hosts),
                *(level for level, _ in self.outline.plain),
            )
            for level in _own_levels(start)
        }
        blocks = (block for level in levels.values() for block in self.reader.blocks([level]))
        return {key for block in blocks if block.test is not None for key in block.values}

    def _subclass_keys(self, part: ClassPart) -> Iterator[Key]:
        for level, _ in part.subclasses.values():
            if level is not None:
                for block in self.reader.blocks([level]):
                    yield from block.values

    def _plain(self, place: _Place) -> dict[Key, Value]:
        return {key: value for key, value in place.values.items() if key not in self.contested}

    # -- values ------------------------------------------------------------------------------------------

    def _values(self, values: dict[Key, Value]) -> dict[str, Any]:
        """Values as members of a level; flags and lease times are the level's own affair."""
        entry: dict[str, Any] = {}
        options: list[dict[str, Any]] = []
        for key, value in values.items():
            if isinstance(key, int):
                assert isinstance(value.content, bytes)
                if value.content:
                    # dhcpd sends no option without octets.
                    options.append(_option(key, value.content))
            elif isinstance(key, tuple):
                options += self._space(key[1], value)
            elif key not in FLAGS and key not in LEASE_TIMES:
                entry[key] = value.content
        if options:
            entry["option-data"] = options
        return entry

    def _space(self, space: str, value: Value) -> Iterator[dict[str, Any]]:
        code = self.spaces.get(space)
        if code is None:
            self.account.left_out(value.at, value.text, f"nothing sends the option space {space}")
            return
        assert isinstance(value.content, tuple)
        yield {"code": code, "csv-format": True, "data": ""}
        for inner, octets in value.content:
            yield {"space": space, "code": inner, "csv-format": False, "data": octets.hex()}

    def _spaces(self) -> dict[str, int]:
        """The option that holds each space."""
        found: dict[str, int] = {}
        for definition in self.outline.definitions:
            option = definition.option
            if option.space == "dhcp" and option.format[:1] in ("E", "e"):
                found[option.format[1:].rstrip(".").lower()] = option.code
        places = [self.root, *self.networks.values(), *self.subnets.values(), *self.members.values()]
        for place in places:
            for block in place.blocks:
                chosen = block.values.get(VENDOR)
                if chosen is None or str(chosen.content) in found:
                    continue
                if _VENDOR_OPTIONS in found.values():
                    why = "Kea's option 43 holds the options of one space"
                    self.account.left_out(chosen.at, chosen.text, why)
                    continue
                found[str(chosen.content)] = _VENDOR_OPTIONS
        return found

    def _definitions(self) -> dict[str, Any]:
        made: list[dict[str, Any]] = [
            {"name": f"holds-{space}", "code": code, "type": "empty", "encapsulate": space}
            for space, code in self.spaces.items()
        ]
        if _VENDOR_OPTIONS not in self.spaces.values() and self._uses_vendor_options():
            # As they are: by itself Kea takes the option apart and leaves out its end mark.
            made.append({"name": "vendor-options", "code": _VENDOR_OPTIONS, "type": "binary"})
        return {"option-def": made} if made else {}

    def _uses_vendor_options(self) -> bool:
        places = [self.root, *self.networks.values(), *self.subnets.values(), *self.pools.values()]
        return any(
            _VENDOR_OPTIONS in block.values
            for place in [*places, *self.members.values()]
            for block in place.blocks
        ) or any(
            _VENDOR_OPTIONS in block.values
            for host in self.outline.hosts
            for block in self.reader.blocks([host.level])
        )

    @staticmethod
    def _lifetimes(values: dict[Key, Value]) -> dict[str, int]:
        """lease_time_of: what a client gets that asks for no time, and within what it may ask for one."""
        said = [_number(values.get(name)) for name in LEASE_TIMES]
        longest = _LONGEST if said[1] is None else said[1]
        shortest = min(_SHORTEST, longest) if said[2] is None else said[2]
        usual = _DEFAULT if said[0] is None else said[0]
        chosen = min(usual, longest)
        chosen = shortest if chosen < shortest and shortest else chosen
        return {
            "valid-lifetime": chosen,
            "min-valid-lifetime": min(shortest, chosen),
            "max-valid-lifetime": max(longest, chosen),
        }

    def _times_of(self, own: dict[Key, Value], *around: dict[Key, Value]) -> dict[str, int]:
        """The lease times of a level that says one of them, with what those around it say."""
        if not any(name in own for name in LEASE_TIMES):
            return {}
        whole: dict[Key, Value] = {}
        for values in (own, *around, self.root.values):
            for key, value in values.items():
                whole.setdefault(key, value)
        return self._lifetimes(whole)

    # -- classes -----------------------------------------------------------------------------------------

    def _class_entries(self) -> None:
        for part in self.outline.classes.values():
            test = self._membership(part)
            if test is None:
                continue
            self.known_classes.add(part.name)
            for number, (level, inner) in enumerate(self._subclass_levels(part), start=1):
                blocks = self.reader.blocks([level])
                self._add_class(f"{part.name}/{number}", inner, blocks)
            blocks = self.members[part.name].blocks
            plain = blocks if all(block.test is None for block in blocks) else []
            self._add_class(part.name, test, plain, always=True)
            for number, block in enumerate(blocks if not plain else [], start=1):
                said = f"member({kea_name(part.name)})"
                inner = said if block.test is None else f"{said} and ({block.test})"
                self._add_class(f"{part.name}/if-{number}", inner, [Block(None, block.values)])

    def _membership(self, part: ClassPart) -> str | None:
        terms = []
        try:
            if part.match_if:
                terms.append(self.reader.test(part.match_if[-1].condition))
            if part.match is not None:
                if part.match.spawn:
                    raise NoEqualError("a class made anew for every value that is seen")
                values = [
                    self.reader.words.subclass_test(part.match.value, octets) for octets in part.subclasses
                ]
                terms.append(any_of(values) or "not member('ALL')")
        except NoEqualError as error:
            for declaration in part.declarations:
                self.account.left_out(declaration.at, declaration.text, str(error))
            return None
        if not terms:
            # Only `add` puts a client into such a class.
            return "not member('ALL')"
        return " and ".join(f"({term})" for term in terms) if len(terms) > 1 else terms[0]

    def _subclass_levels(self, part: ClassPart) -> Iterator[tuple[Level, str]]:
        """Subclasses with statements of their own."""
        for octets, (level, _) in part.subclasses.items():
            if level is not None and level.statements and part.match is not None:
                test = self.reader.words.subclass_test(part.match.value, octets)
                if part.match_if:
                    test = f"({self.reader.test(part.match_if[-1].condition)}) and ({test})"
                yield level, test

    def _add_class(self, name: str, test: str, blocks: list[Block], *, always: bool = False) -> None:
        """A class with what is not contested, and one that subnets ask for with what is."""
        values = merged(blocks)
        ignore = values.get(IGNORE)
        if ignore is not None and not ignore.content:
            self._drop(test)
        plain = {key: value for key, value in values.items() if key not in self.contested}
        for key in [key for key in plain if key in _ONE_PLACE or key == KNOWN_ONLY]:
            value = plain.pop(key)
            self.account.left_out(value.at, value.text, "no class of Kea has this parameter")
        if self.times_meet and any(key in plain for key in LEASE_TIMES):
            # Within which bounds is said by the subnet.
            self.timed.append((name, test, plain))
            plain = {key: value for key, value in plain.items() if key not in LEASE_TIMES}
        entry = {**self._times_of(plain), **self._values(plain)}
        if always or entry:
            self.classes.append({"name": name, "test": test, **entry})
        self._asked(name, test, values)

    def _group(self, blocks: list[Block]) -> str:
        """A class that reservations name, and what it says under conditions, above all other classes."""
        self.groups += 1
        name = f"group-{self.groups}"
        self.classes.append({"name": name})
        asked: list[str] = []
        for number, block in enumerate(blocks, start=1):
            kept = block.without(FLAGS)
            entry = {**self._times_of(kept.values), **self._values(kept.values)}
            if entry:
                said = f"member({kea_name(name)})"
                test = said if block.test is None else f"{said} and ({block.test})"
                own = f"{name}/{number}"
                self.classes.append({"name": own, "test": test, self.dialect.only_listed: True, **entry})
                asked.append(own)
        self.shared_classes[:0] = asked
        return name

    def _drop(self, test: str) -> None:
        entry = next((c for c in self.classes if c["name"] == "DROP"), None)
        if entry is None:
            self.classes.append({"name": "DROP", "test": f"({test})"})
        else:
            entry["test"] += f" or ({test})"

    def _asked(
        self, name: str, test: str | None, values: dict[Key, Value], into: list[str] | None = None
    ) -> None:
        """A class of contested values, evaluated where a level asks for it."""
        mine = {key: value for key, value in values.items() if key in self.contested}
        entry = {**self._times_of(mine), **self._values(mine)}
        if not entry:
            return
        called = f"{name}/over"
        self.classes.append(
            {
                "name": called,
                "test": test or "member('ALL')",
                self.dialect.only_listed: True,
                **entry,
            }
        )
        (self.shared_classes if into is None else into).append(called)

    def _file_classes(self) -> None:
        """What the file itself says under conditions: below all classes, and contested values below all."""
        for number, block in enumerate(self.root.conditional, start=1):
            ignore = block.values.get(IGNORE)
            if ignore is not None and not ignore.content:
                self._drop(block.test or "member('ALL')")
            plain = block.without(self.contested).without(FLAGS).values
            for key in [key for key in plain if key in _ONE_PLACE]:
                value = plain.pop(key)
                self.account.left_out(value.at, value.text, "no class of Kea has this parameter")
            entry = {**self._times_of(plain), **self._values(plain)}
            if entry:
                self.classes.append({"name": f"if-{number}", "test": block.test, **entry})

    def _lower_classes(self, name: str, place: _Place) -> list[str]:
        """The classes that a level asks for: what it says under conditions, and what is contested."""
        asked: list[str] = []
        for number, block in enumerate(place.blocks, start=1):
            own = f"{name}/{number}"
            if block.test is None:
                self._asked(own, None, block.values, asked)
                continue
            kept = block.without(FLAGS)
            entry = {**self._times_of(kept.values), **self._values(kept.values)}
            if entry:
                self.classes.append(
                    {"name": own, "test": block.test, self.dialect.only_listed: True, **entry}
                )
                asked.append(own)
        return asked

    # -- networks, subnets, pools ----------------------------------------------------------------------

    def _level(self, place: _Place, level: Level) -> dict[str, Any]:
        plain = self._plain(place)
        entry: dict[str, Any] = {**self._times_of(plain), **self._values(plain)}
        # Kea wants the same of all subnets of a network.
        entry["authoritative"] = level.authoritative
        return entry

    def _subnet(self, wire: Wire, subnet: SubnetPart, reservations: Reservations) -> dict[str, Any] | None:
        try:
            network = IPv4Network(f"{subnet.network.address}/{subnet.network.mask}")
        except ValueError:
            self.account.left_out(subnet.at, subnet.text, "Kea takes masks that are a run of ones")
            return None
        place, around = self.subnets[id(subnet)], self.networks[id(wire)]
        plain = self._plain(place)
        entry: dict[str, Any] = {
            "id": int(network.network_address) or 1,
            "subnet": str(network),
            **self._times_of(plain, around.values),
            **self._values(plain),
        }
        if not wire.name and subnet.level.authoritative != self.outline.root.authoritative:
            entry["authoritative"] = subnet.level.authoritative
        if wire.name and subnet.level.authoritative != wire.subnets[0].level.authoritative:
            why = "a shared network of Kea is authoritative as a whole, or not"
            self.account.left_out(subnet.at, subnet.text, why)
        lower = [
            *self._lower_classes(str(network), place),
            *self._once(f"network {wire.name}", around),
            *self._once("file", self.root),
        ]
        self.time_bounds.append((plain, around.values))
        asked = [*self.shared_classes, *lower]
        if asked:
            entry[self.dialect.evaluate] = asked
        known = self._known_only(wire, subnet)
        entry["pools"] = [
            made
            for pool in wire.pools
            for made in self._pool(pool, network, lower, (place, around), known=known)
        ]
        found = reservations.of(network)
        if found:
            entry["reservations"] = found
        return entry

    def _class_times(self) -> None:
        """The lease times of classes, where their bounds are one in all subnets.

        Kea chooses an address with its time before it asks for a subnet's own classes.
        """
        for of, test, values in self.timed:
            times = [self._times_of(values, *bounds) for bounds in self.time_bounds]
            if all(each == times[0] for each in times):
                self.classes.append({"name": f"{of}/time", "test": test, **times[0]})
                continue
            for value in (values[key] for key in LEASE_TIMES if key in values):
                why = "Kea chooses a class's lease time before it knows the subnet, and their bounds differ"
                self.account.left_out(value.at, value.text, why)

    _made: dict[str, list[str]] = field(default_factory=dict)

    def _once(self, name: str, place: _Place) -> list[str]:
        """The contested values of a level that several subnets lie in."""
        if name not in self._made:
            is_file = place is self.root
            asked: list[str] = []
            if is_file:
                for number, block in enumerate(place.blocks, start=1):
                    self._asked(f"{name}/{number}", block.test, block.values, asked)
            else:
                asked = self._lower_classes(name, place)
            self._made[name] = asked
        return self._made[name]

    def _known_only(self, wire: Wire, subnet: SubnetPart) -> bool:
        for place in (self.subnets[id(subnet)], self.networks[id(wire)], self.root):
            found = place.values.get(KNOWN_ONLY)
            if found is not None:
                return not found.content
        return False

    def _pool(
        self,
        pool: PoolPart,
        network: IPv4Network,
        lower: list[str],
        around: tuple[_Place, ...],
        *,
        known: bool,
    ) -> Iterator[dict[str, Any]]:
        ranges = [found for found in pool.ranges if found.first in network]
        if not ranges:
            return
        place = self.pools[id(pool)]
        said = place.values.get(KNOWN_ONLY)
        known = known if said is None else not said.content
        refusals = [
            block.test
            for level in around
            for block in level.conditional
            if block.test is not None and IGNORE in block.values and not block.values[IGNORE].content
        ]
        try:
            guard = self._guard(pool, refusals, known=known)
        except NoEqualError as error:
            self.account.left_out(pool.at, pool.text, f"{error}; without that everyone could have them")
            return
        plain = {key: value for key, value in self._plain(place).items() if key not in _ONE_PLACE}
        entry = self._values(plain)
        if guard is not None:
            name = self.pool_classes.setdefault(guard, f"pool-{len(self.pool_classes) + 1}")
            if all(made["name"] != name for made in self.classes):
                self.classes.append({"name": name, "test": guard})
            entry |= self.dialect.restrict(name)
        own = self._lower_classes(f"{network} pool {ranges[0].first}", place)
        if own:
            entry[self.dialect.evaluate] = [*self.shared_classes, *own, *lower]
        apart = self.reserved if entry.keys() - {"client-class", "client-classes"} else []
        for found in ranges:
            for first, last in _pieces(found.first, found.last, apart):
                yield {"pool": _range(first, last), **entry}

    def _guard(self, pool: PoolPart, refusals: list[str], *, known: bool) -> str | None:
        """Who may have the addresses: none of those denied, and one of those allowed, if any are."""
        allowed = [self._permitted(p) for p in pool.permits if p.allowed]
        denied = [self._permitted(p) for p in pool.permits if not p.allowed]
        terms = [f"not ({test})" for test in refusals]
        if any(term is not None for term in denied):
            terms.append(f"not ({any_of(term for term in denied if term is not None)})")
        if pool.permits and any(p.allowed for p in pool.permits):
            said = [term for term in allowed if term is not None]
            terms.append(f"({any_of(said)})" if said else "not member('ALL')")
        if known:
            # ack_lease looks for a host here, or without an address.
            terms.append(f"member({kea_name(DECLARED)})")
            self.marks = True
        terms = [term for term in terms if term != "(member('ALL'))"]
        return " and ".join(terms) or None

    def _permitted(self, permit: Permit) -> str | None:
        """A permission as a test; None for one that nobody has."""
        match permit.who:
            case "known":
                return "member('KNOWN')"
            case "unknown":
                return "member('UNKNOWN')"
            case "all" | "unauthenticated":
                return "member('ALL')"
            case "class":
                if permit.class_name not in self.known_classes:
                    raise NoEqualError(f"the class {permit.class_name} has no equal")
                return f"member({kea_name(permit.class_name)})"
            case "after":
                raise NoEqualError("a permission that depends on the date")
        return None

    def _asks_who_is_known(self) -> bool:
        permits = any(
            p.who in ("known", "unknown") for w in self.outline.wires for q in w.pools for p in q.permits
        )
        return permits or any("KNOWN'" in str(entry.get("test", "")) for entry in self.classes)


def _own_levels(level: Level) -> list[Level]:
    """A level and the groups around it, the outermost first, without the file itself."""
    return [found for found in reversed(list(level.outwards())) if found.parent is not None]


def _number(value: Value | None) -> int | None:
    return None if value is None or not isinstance(value.content, int) else value.content


def _option(code: int, octets: bytes) -> dict[str, Any]:
    return {"code": code, "csv-format": False, "data": octets.hex()}


def _pieces(
    first: IPv4Address, last: IPv4Address, apart: list[IPv4Address]
) -> Iterator[tuple[IPv4Address, IPv4Address]]:
    """A range without some addresses: to a reserved address of a pool Kea tells what the pool says."""
    start = first
    for address in apart:
        if start <= address <= last:
            if start < address:
                yield start, address - 1
            start = address + 1
    if start <= last:
        yield start, last


def _range(first: IPv4Address, last: IPv4Address) -> str:
    nets = list(summarize_address_range(first, last)) if first < last else []
    return f"{first} - {last}" if len(nets) != 1 or nets[0].prefixlen > 30 else str(nets[0])


def written(outline: Outline, dialect: Dialect, comment: str) -> tuple[dict[str, Any], Account]:
    """The tree of a Kea configuration, and what of the file has no equal in it."""
    account = Account()
    return Writer(outline, dialect, account, comment).tree(), account
