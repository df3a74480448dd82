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
    ONE_PLACE,
    Block,
    Key,
    Reader,
    Value,
    merged,
)
from coexist.app.convert.kea_places import Place, Places
from coexist.app.convert.kea_text import KeaWords, NoEqualError
from coexist.app.convert.kea_values import Values, lifetimes
from coexist.app.convert.reservations import DECLARED, ELSEWHERE, Reservations
from coexist.importers.account import Account
from coexist.languages.dhcpd.encapsulated import holders_of
from coexist.languages.dhcpd.levels import ClassPart, Level, Outline, PoolPart, SubnetPart, Wire
from coexist.languages.dhcpd.syntax import Permit
from coexist.records import dataclass
from coexist.render.quoting import kea_name
from coexist.render.targets.kea import Dialect
from coexist.render.targets.kea_expressions import any_of


@dataclass(slots=True)
class Writer:
    """Writes one file. ``account`` collects what has no equal."""

    outline: Outline
    dialect: Dialect
    account: Account
    comment: str = ""
    reader: Reader = field(init=False)
    places: Places = field(init=False)
    values: Values = field(init=False)
    classes: list[dict[str, Any]] = field(default_factory=list)
    shared_classes: list[str] = field(default_factory=list)
    pool_classes: dict[str, str] = field(default_factory=dict)
    known_classes: set[str] = field(default_factory=set)
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
        self.places = Places(self.outline, self.reader)
        self.values = Values(self.outline, self.places, self.account)
        self.contested = self.places.contested()
        self.times_meet = self.places.times_meet()

    # -- the whole -----------------------------------------------------------------------------------

    def tree(self) -> dict[str, Any]:
        """Everything below ``Dhcp4``."""
        self._class_entries()
        self._file_classes()
        networks, subnets = [], []
        reservations = Reservations(self.outline, self.reader, self.values.entry, self._group)
        reservations.names = self._flag(self.places.root, HOST_NAMES, default=False)
        identifiers = reservations.identifiers()
        self.reserved = reservations.addresses()
        for wire in self.outline.wires:
            made = [entry for subnet in wire.subnets if (entry := self._subnet(wire, subnet, reservations))]
            if wire.name and made:
                entry = {
                    "name": wire.name,
                    **self._level(self.places.networks[id(wire)], wire.subnets[0].level),
                }
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
            "echo-client-id": self._flag(self.places.root, ECHO, default=False),
            "host-reservation-identifiers": identifiers,
            "reservations-global": bool(everywhere),
            "reservations-in-subnet": True,
            **({} if reservations.unique else {"ip-reservations-unique": False}),
            **lifetimes(self.places.root.values),
            **self.values.entry(self._plain(self.places.root)),
            **self.values.definitions(),
            **({"client-classes": self.classes} if self.classes else {}),
            **({"shared-networks": networks} if networks else {}),
            "subnet4": subnets,
            **({"reservations": everywhere} if everywhere else {}),
        }

    def _plain(self, place: Place) -> dict[Key, Value]:
        return {key: value for key, value in place.values.items() if key not in self.contested}

    def _flag(self, place: Place, key: str, *, default: bool) -> bool:
        found = place.values.get(key)
        return default if found is None else bool(found.content)

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
            blocks = self.places.members[part.name].blocks
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
        if self.times_meet and any(key in plain for key in LEASE_TIMES):
            # Within which bounds is said by the subnet.
            self.timed.append((name, test, plain))
            plain = {key: value for key, value in plain.items() if key not in LEASE_TIMES}
        entry = self._of_class(plain)
        if always or entry:
            self.classes.append({"name": name, "test": test, **entry})
        self._asked(name, test, values)

    def _of_class(self, values: dict[Key, Value]) -> dict[str, Any]:
        """Values as members of a class; what no class may have is accounted for."""
        kept = dict(values)
        for key in [key for key in kept if key in ONE_PLACE or key == KNOWN_ONLY]:
            value = kept.pop(key)
            self.account.left_out(value.at, value.text, "no class of Kea has this parameter")
        return {**self.values.times(kept), **self.values.entry(kept)}

    def _group(self, blocks: list[Block]) -> str:
        """A class that reservations name, and what it says under conditions, above all other classes."""
        self.groups += 1
        name = f"group-{self.groups}"
        self.classes.append({"name": name})
        asked: list[str] = []
        for number, block in enumerate(blocks, start=1):
            entry = self._of_class(block.without(FLAGS).values)
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
        entry = {**self.values.times(mine), **self.values.entry(mine)}
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
        for number, block in enumerate(self.places.root.conditional, start=1):
            ignore = block.values.get(IGNORE)
            if ignore is not None and not ignore.content:
                self._drop(block.test or "member('ALL')")
            entry = self._of_class(block.without(self.contested).without(FLAGS).values)
            if entry:
                self.classes.append({"name": f"if-{number}", "test": block.test, **entry})

    def _lower_classes(self, name: str, place: Place) -> list[str]:
        """The classes that a level asks for: what it says under conditions, and what is contested."""
        asked: list[str] = []
        for number, block in enumerate(place.blocks, start=1):
            own = f"{name}/{number}"
            if block.test is None:
                self._asked(own, None, block.values, asked)
                continue
            entry = self._of_class(block.without(FLAGS).values)
            if entry:
                self.classes.append(
                    {"name": own, "test": block.test, self.dialect.only_listed: True, **entry}
                )
                asked.append(own)
        return asked

    # -- networks, subnets, pools ----------------------------------------------------------------------

    def _level(self, place: Place, level: Level) -> dict[str, Any]:
        plain = self._plain(place)
        entry: dict[str, Any] = {**self.values.times(plain), **self.values.entry(plain)}
        # Kea wants the same of all subnets of a network.
        entry["authoritative"] = level.authoritative
        return entry

    def _subnet(self, wire: Wire, subnet: SubnetPart, reservations: Reservations) -> dict[str, Any] | None:
        try:
            network = IPv4Network(f"{subnet.network.address}/{subnet.network.mask}")
        except ValueError:
            self.account.left_out(subnet.at, subnet.text, "Kea takes masks that are a run of ones")
            return None
        place, around = self.places.subnets[id(subnet)], self.places.networks[id(wire)]
        plain = self._plain(place)
        entry: dict[str, Any] = {
            "id": int(network.network_address) or 1,
            "subnet": str(network),
            **self.values.times(plain, around.values),
            **self.values.entry(plain),
        }
        if not wire.name and subnet.level.authoritative != self.outline.root.authoritative:
            entry["authoritative"] = subnet.level.authoritative
        if wire.name and subnet.level.authoritative != wire.subnets[0].level.authoritative:
            why = "a shared network of Kea is authoritative as a whole, or not"
            self.account.left_out(subnet.at, subnet.text, why)
        lower = [
            *self._lower_classes(str(network), place),
            *self._once(f"network {wire.name}", around),
            *self._once("file", self.places.root),
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
            times = [self.values.times(values, *bounds) for bounds in self.time_bounds]
            if all(each == times[0] for each in times):
                self.classes.append({"name": f"{of}/time", "test": test, **times[0]})
                continue
            for value in (values[key] for key in LEASE_TIMES if key in values):
                why = "Kea chooses a class's lease time before it knows the subnet, and their bounds differ"
                self.account.left_out(value.at, value.text, why)

    _made: dict[str, list[str]] = field(default_factory=dict)

    def _once(self, name: str, place: Place) -> list[str]:
        """The contested values of a level that several subnets lie in."""
        if name not in self._made:
            is_file = place is self.places.root
            asked: list[str] = []
            if is_file:
                for number, block in enumerate(place.blocks, start=1):
                    self._asked(f"{name}/{number}", block.test, block.values, asked)
            else:
                asked = self._lower_classes(name, place)
            self._made[name] = asked
        return self._made[name]

    def _known_only(self, wire: Wire, subnet: SubnetPart) -> bool:
        for place in (self.places.subnets[id(subnet)], self.places.networks[id(wire)], self.places.root):
            found = place.values.get(KNOWN_ONLY)
            if found is not None:
                return not found.content
        return False

    def _pool(
        self,
        pool: PoolPart,
        network: IPv4Network,
        lower: list[str],
        around: tuple[Place, ...],
        *,
        known: bool,
    ) -> Iterator[dict[str, Any]]:
        ranges = [found for found in pool.ranges if found.first in network]
        if not ranges:
            return
        place = self.places.pools[id(pool)]
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
        plain = self._plain(place)
        for key in [key for key in plain if key in ONE_PLACE]:
            value = plain.pop(key)
            self.account.left_out(value.at, value.text, "no pool of Kea has this parameter")
        entry = self.values.entry(plain)
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
