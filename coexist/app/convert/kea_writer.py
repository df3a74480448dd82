"""A dhcpd.conf as a configuration of Kea: classes stay classes, hosts become reservations.

What becomes a class, and which class a subnet asks for, stands in ``kea_classes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from coexist.app.convert.blocks import (
    ECHO,
    HOST_NAMES,
    IGNORE,
    KNOWN_ONLY,
    ONE_PLACE,
    Key,
    Reader,
    Value,
)
from coexist.app.convert.kea_classes import Classes
from coexist.app.convert.kea_places import Place, Places
from coexist.app.convert.kea_text import KeaWords, NoEqualError
from coexist.app.convert.kea_values import Values, lifetimes
from coexist.app.convert.reservations import DECLARED, ELSEWHERE, Reservations
from coexist.importers.account import Account
from coexist.languages.dhcpd.encapsulated import holders_of
from coexist.languages.dhcpd.levels import Level, Outline, PoolPart, SubnetPart, Wire
from coexist.languages.dhcpd.syntax import Permit
from coexist.records import dataclass
from coexist.render.quoting import kea_name
from coexist.render.targets.kea_dialect import Dialect
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
    classes: Classes = field(init=False)
    pool_classes: dict[str, str] = field(default_factory=dict)
    marks: bool = False
    """Whether a pool asks who is declared."""
    reserved: list[IPv4Address] = field(default_factory=list)

    def __post_init__(self) -> None:
        words = KeaWords(holders_of(self.outline))
        self.reader = Reader(self.account, words, cases=self.dialect.changes_case)
        self.places = Places(self.outline, self.reader)
        self.values = Values(self.outline, self.places, self.account)
        self.classes = Classes(
            self.outline, self.dialect, self.account, self.reader, self.places, self.values
        )

    # -- the whole -----------------------------------------------------------------------------------

    def tree(self) -> dict[str, Any]:
        """Everything below ``Dhcp4``."""
        self.classes.add_declared()
        self.classes.add_of_the_file()
        networks, subnets = [], []
        reservations = Reservations(self.outline, self.reader, self.values.entry, self.classes.add_group)
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
        self.classes.add_times()
        everywhere = reservations.everywhere(needs_known=self._asks_who_is_known(), marks=self.marks)
        for name in (DECLARED, ELSEWHERE):
            if self.marks or any(name in entry.get("client-classes", ()) for entry in everywhere):
                self.classes.entries.insert(0, {"name": name})
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
            **({"client-classes": self.classes.entries} if self.classes.entries else {}),
            **({"shared-networks": networks} if networks else {}),
            "subnet4": subnets,
            **({"reservations": everywhere} if everywhere else {}),
        }

    def _plain(self, place: Place) -> dict[Key, Value]:
        return {key: value for key, value in place.values.items() if key not in self.classes.contested}

    def _flag(self, place: Place, key: str, *, default: bool) -> bool:
        found = place.values.get(key)
        return default if found is None else bool(found.content)

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
            *self.classes.of_level(str(network), place),
            *self.classes.of_shared_level(f"network {wire.name}", around),
            *self.classes.of_shared_level("file", self.places.root),
        ]
        self.classes.time_bounds.append((plain, around.values))
        asked = [*self.classes.asked_everywhere, *lower]
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
            if all(made["name"] != name for made in self.classes.entries):
                self.classes.entries.append({"name": name, "test": guard})
            entry |= self.dialect.restrict(name)
        own = self.classes.of_level(f"{network} pool {ranges[0].first}", place)
        if own:
            entry[self.dialect.evaluate] = [*self.classes.asked_everywhere, *own, *lower]
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
                if permit.class_name not in self.classes.known:
                    raise NoEqualError(f"the class {permit.class_name} has no equal")
                return f"member({kea_name(permit.class_name)})"
            case "after":
                raise NoEqualError("a permission that depends on the date")
        return None

    def _asks_who_is_known(self) -> bool:
        permits = any(
            p.who in ("known", "unknown") for w in self.outline.wires for q in w.pools for p in q.permits
        )
        return permits or any("KNOWN'" in str(entry.get("test", "")) for entry in self.classes.entries)


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
