"""A Kea configuration as its DHCPv4 server keeps it: levels with what each of them says.

Source: ``src/lib/dhcpsrv`` of Kea (``cfg_option.cc``, ``subnet.cc``, ``client_class_def.cc``) and the ARM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from itertools import count
from typing import Any, NamedTuple

from coexist.boot.leases.kea_flex import HOOK as FLEX
from coexist.boot.leases.kea_flex import FlexOption, read_flex_options
from coexist.boot.leases.kea_keys import BEFORE, Keys
from coexist.boot.leases.kea_levels import Level, LevelReader, address_of
from coexist.boot.leases.kea_pairs import HOOK, HighAvailability, read_high_availability
from coexist.boot.leases.kea_structure import contradictions
from coexist.errors import InputError, Position, Problem
from coexist.languages.kea.expressions import (
    BadExpressionError,
    Truth,
    Value,
    members_of,
    parse_expression,
    parse_value,
    unknown_part,
)
from coexist.languages.kea.json_nodes import Node
from coexist.languages.kea.option_data import DHCP4, OptionTypes
from coexist.languages.kea.versions import beside, unknown_keywords
from coexist.records import dataclass
from coexist.wire.bootp import FILE_OCTETS

BOOT_FIELDS = ("next-server", "boot-file-name", "server-hostname")
"""The parameters that fill header fields which a machine boots by."""
KNOWING = frozenset({"KNOWN", "UNKNOWN"})
"""Built-in classes that tell whether a client has a reservation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDef:
    """A client class. ``listed``: evaluated only where a level asks for it; ``knowing``: after it is known
    whether the client has a reservation. ``template``: the value by which it makes classes of its own."""

    name: str
    level: Level
    test: Truth | None
    template: Value | None = None
    listed: bool
    knowing: bool

    @property
    def is_evaluated(self) -> bool:
        """Whether it has a test, of one kind or the other."""
        return self.test is not None or self.template is not None

    def spawned(self, octets: bytes) -> str:
        """The class that a template makes of a value."""
        return f"SPAWN_{self.name}_{octets.decode('utf-8', 'surrogateescape')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDef:
    """A reservation. ``identifiers``: by kind, as ``hw-address``."""

    level: Level
    identifiers: Mapping[str, bytes]
    address: IPv4Address | None
    hostname: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDef:
    """A pool, with the classes it is for (one of them is enough) and those it asks for."""

    level: Level
    first: IPv4Address
    last: IPv4Address
    classes: tuple[str, ...]
    asks: tuple[str, ...]

    def holds(self, address: IPv4Address) -> bool:
        """Whether an address is of the pool."""
        return self.first <= address <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDef:
    """A shared network."""

    name: str
    level: Level
    classes: tuple[str, ...]
    asks: tuple[str, ...]
    relays: frozenset[IPv4Address]
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetDef:
    """A subnet. ``levels``: from its own to the global one; parameters are inherited along them. ``id``:
    Kea's number of it, by which it goes round the subnets of a network; ``number``: its index
    among all subnets of the configuration."""

    id: int
    number: int
    network: IPv4Network
    level: Level
    shared: NetworkDef | None
    levels: tuple[Level, ...]
    pools: tuple[PoolDef, ...]
    hosts: tuple[HostDef, ...]
    classes: tuple[str, ...]
    asks: tuple[str, ...]
    relays: frozenset[IPv4Address]
    interface: str

    def value(self, key: str, kind: type = str) -> Any:
        """A parameter as it is inherited."""
        return next((v for level in self.levels if (v := level.value(key, kind)) is not None), None)

    def place(self, key: str) -> Position:
        """Where a parameter stands; the subnet's own place if nowhere."""
        return next((level.places[key] for level in self.levels if key in level.values), self.level.at)


class Ring(NamedTuple):
    """The subnets of a shared network by their ids, and the index of one among them; a subnet without a
    network is a ring of its own."""

    subnets: tuple[SubnetDef, ...]
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeaConfig:
    """A whole configuration. ``identifiers``: in the order reservations are looked for. ``pair``: what its
    hook for high availability says. ``rings``: where each subnet stands in its network, by its number."""

    level: Level
    classes: Mapping[str, ClassDef]
    subnets: tuple[SubnetDef, ...]
    rings: tuple[Ring, ...]
    hosts: tuple[HostDef, ...]
    types: OptionTypes
    identifiers: tuple[str, ...]
    open_places: tuple[tuple[Position, str], ...] = field(default=())
    pair: HighAvailability | None = None
    flexed: tuple[FlexOption, ...] = ()
    version: tuple[int, int] = BEFORE

    def siblings(self, subnet: SubnetDef) -> tuple[SubnetDef, ...]:
        """The subnets of its shared network by their ids, from itself round to the one before it
        (``Impl::getNextSubnet``); itself alone without one."""
        ring, start = self.rings[subnet.number]
        return ring[start:] + ring[:start]


def compile_kea(tree: Node, version: tuple[int, int] | None = None) -> KeaConfig:
    """The configuration of a whole file. Raises InputError for what the server refuses.

    ``version``: of the server; None where it is not known: then the names of keys tell whether it is one
    before `RENAMED` or after.
    """
    dhcp4 = tree.get("Dhcp4") or tree
    problems = [] if version is None else [*beside(tree, version), *unknown_keywords(dhcp4, version)]
    if problems:
        raise InputError(problems)
    config = _Compiler(dhcp4, Keys(version)).config()
    problems = list(contradictions(config))
    if problems:
        raise InputError(problems)
    return config


_IDENTIFIERS = ("hw-address", "duid", "circuit-id", "client-id")
COMMAND_HOOKS = frozenset(
    {
        "libdhcp_cb_cmds.so",
        "libdhcp_class_cmds.so",
        "libdhcp_host_cache.so",
        "libdhcp_host_cmds.so",
        "libdhcp_lease_cmds.so",
        "libdhcp_lease_query.so",
        "libdhcp_legal_log.so",
        "libdhcp_mysql.so",
        "libdhcp_mysql_cb.so",
        "libdhcp_perfmon.so",
        "libdhcp_pgsql.so",
        "libdhcp_pgsql_cb.so",
        "libdhcp_run_script.so",
        "libdhcp_stat_cmds.so",
        "libdhcp_subnet_cmds.so",
    }
)
"""Hooks that add commands, logs, scripts or databases to a server and change no answer."""
_REMOTE = ("hosts-database", "hosts-databases", "config-control")


class _Compiler:
    def __init__(self, dhcp4: Node, keys: Keys) -> None:
        self.dhcp4 = dhcp4
        self.keys = keys
        self.levels = LevelReader(dhcp4, keys.declared)
        self.types = self.levels.types
        # Of subnets without an id, in their order (Subnet::generateNextID).
        self.next_ids = count(1)
        self.numbers = count()

    def config(self) -> KeaConfig:
        level = self.levels.read(self.dhcp4)
        classes = self._classes()
        subnets, rings = self._subnets(level)
        named = [node.value for node in self.dhcp4.items("host-reservation-identifiers")]
        pairs: list[HighAvailability] = []
        flexed: list[FlexOption] = []
        opens = [
            (found.at, "a host database")
            for key in _REMOTE
            if (found := self.dhcp4.get(key)) is not None and found.value
        ]
        for node in self.dhcp4.items("hooks-libraries"):
            library = str(node.plain("library") or "").rsplit("/", 1)[-1]
            if library == HOOK and (pair := read_high_availability(node)) is not None:
                pairs.append(pair)
            elif library == FLEX and (entries := read_flex_options(node, self.types)) is not None:
                flexed += entries
            elif library not in COMMAND_HOOKS:
                opens.append((node.at, f"the hook {library}"))
        return KeaConfig(
            level=level,
            classes=classes,
            subnets=subnets,
            rings=rings,
            hosts=tuple(self._host(node) for node in self.dhcp4.items("reservations")),
            types=self.types,
            identifiers=tuple(named) or _IDENTIFIERS,
            open_places=tuple(opens),
            pair=next(iter(pairs), None),
            flexed=tuple(flexed),
            version=self.keys.version,
        )

    # -- classes ---------------------------------------------------------------------------------

    def _classes(self) -> dict[str, ClassDef]:
        result: dict[str, ClassDef] = {}
        for node in self.dhcp4.items("client-classes"):
            name, text = node.plain("name") or "", node.plain("test")
            if name in result:
                at = (node.get("name") or node).at
                what = f"Client Class: {name} has already been defined"
                raise InputError([Problem(at, what, "give one of the two another name")])
            made = node.plain("template-test")
            try:
                test = parse_expression(text) if text else None
                template = parse_value(made) if made else None
            except BadExpressionError as error:
                at = (node.get("test") or node).at
                raise InputError([Problem(at, str(error), "correct the test of the class")]) from None
            for expression, key in ((test, "test"), (template, "template-test")):
                what = "" if expression is None else self._unknown(expression)
                if what:
                    at = (node.get(key) or node).at
                    raise InputError([Problem(at, what, "correct the test of the class")])
            asked = members_of(test) if test is not None else frozenset()
            unknown = sorted(other for other in asked if other not in result and not _is_built_in(other))
            if unknown:
                at = (node.get("test") or node).at
                what = f"Not defined client class '{unknown[0]}'"
                raise InputError([Problem(at, what, "define it before the class that asks for it")])
            knowing = bool(asked & KNOWING) or any(
                result[other].knowing for other in asked if other in result
            )
            key = self.keys.of(node, "only-if-required", "only-in-additional-list")
            listed = bool(node.plain(key, bool))
            result[name] = ClassDef(
                name=name,
                level=self.levels.below(node),
                test=test,
                template=template,
                listed=listed,
                knowing=knowing,
            )
        return result

    def _unknown(self, expression: Truth | Value) -> str:
        """What of an expression the server does not know; empty if nothing."""
        types, declared = self.types, self.keys.declared
        return unknown_part(expression, lambda name: types.find(DHCP4, name) is not None, declared)

    # -- subnets ---------------------------------------------------------------------------------

    def _subnets(self, top: Level) -> tuple[tuple[SubnetDef, ...], tuple[Ring, ...]]:
        """All subnets, those of shared networks first, and their rings."""
        subnets: list[SubnetDef] = []
        rings: list[Ring] = []
        for node in self.dhcp4.items("shared-networks"):
            network = self._network(node)
            inside = [self._subnet(part, top, network) for part in node.items("subnet4")]
            ring = tuple(sorted(inside, key=lambda subnet: subnet.id))
            starts = {subnet.number: start for start, subnet in enumerate(ring)}
            subnets += inside
            rings += [Ring(ring, starts[subnet.number]) for subnet in inside]
        plain = [self._subnet(node, top, None) for node in self.dhcp4.items("subnet4")]
        return (*subnets, *plain), (*rings, *(Ring((subnet,), 0) for subnet in plain))

    def _network(self, node: Node) -> NetworkDef:
        return NetworkDef(
            name=node.plain("name") or "",
            level=self.levels.below(node),
            classes=self.keys.guards(node),
            asks=self.keys.asks(node),
            relays=_relays(node),
            interface=node.plain("interface") or "",
        )

    def _subnet(self, node: Node, top: Level, shared: NetworkDef | None) -> SubnetDef:
        text = node.plain("subnet") or ""
        try:
            network = IPv4Network(text, strict=False)
        except ValueError:
            at = (node.get("subnet") or node).at
            raise InputError([Problem(at, f"{text!r} is no subnet", "write 192.0.2.0/24")]) from None
        level = self.levels.below(node)
        levels = (level, shared.level, top) if shared is not None else (level, top)
        return SubnetDef(
            id=node.plain("id", int) or next(self.next_ids),
            number=next(self.numbers),
            network=network,
            level=level,
            shared=shared,
            levels=levels,
            pools=tuple(self._pool(part) for part in node.items("pools")),
            hosts=tuple(self._host(part) for part in node.items("reservations")),
            classes=self.keys.guards(node),
            asks=self.keys.asks(node),
            relays=_relays(node),
            interface=node.plain("interface") or "",
        )

    def _pool(self, node: Node) -> PoolDef:
        text = node.plain("pool") or ""
        try:
            if "/" in text:
                network = IPv4Network(text.strip(), strict=False)
                first, last = network.network_address, network.broadcast_address
            else:
                first, last = (IPv4Address(part.strip()) for part in text.split("-", 1))
                next(summarize_address_range(first, last))
        except ValueError:
            at = (node.get("pool") or node).at
            raise InputError([Problem(at, f"{text!r} is no pool", "write 192.0.2.10 - 192.0.2.99")]) from None
        return PoolDef(
            level=self.levels.below(node),
            first=first,
            last=last,
            classes=self.keys.guards(node),
            asks=self.keys.asks(node),
        )

    def _host(self, node: Node) -> HostDef:
        identifiers: dict[str, bytes] = {}
        members = dict(node.members())
        for kind in ("hw-address", "duid", "circuit-id", "client-id", "flex-id"):
            text = node.plain(kind) if kind in members else None
            if text is not None:
                identifiers[kind] = _identifier(node, kind, text)
        address = node.plain("ip-address")
        host = HostDef(
            level=self.levels.below(node, FILE_OCTETS - 1),
            identifiers=identifiers,
            address=address_of(node, address) if address and address != "0.0.0.0" else None,
            hostname=node.plain("hostname") or "",
            classes=tuple(str(item.value) for item in node.items("client-classes")),
        )
        if not (host.address or host.hostname or host.classes or _says_something(node)):
            what = "the reservation must include at least one resource"
            raise InputError(
                [Problem(node.at, what, "write an ip-address, hostname or options, or remove it")]
            )
        return host


def _says_something(node: Node) -> bool:
    """Whether a reservation tells its machine anything but an address, a name and classes
    (``CfgHosts::add4``)."""
    fields = (node.plain(key) for key in BOOT_FIELDS)
    return any(node.items("option-data")) or any(text and text != "0.0.0.0" for text in fields)


def _is_built_in(name: str) -> bool:
    """IsClientClassBuiltIn."""
    prefixes = ("VENDOR_CLASS_", "HA_", "AFTER_", "EXTERNAL_", "SKIP_DDNS", "SPAWN_")
    return name in KNOWING or name in ("ALL", "BOOTP") or name.startswith(prefixes)


_MAC = re.compile("(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


def _identifier(node: Node, kind: str, text: str) -> bytes:
    """Hexadecimal, or a text in single quotes."""
    if len(text) > 1 and text.startswith("'") and text.endswith("'"):
        return text[1:-1].encode("utf-8", "surrogateescape")
    if _MAC.fullmatch(text):
        return bytes.fromhex(text.replace(":", ""))
    parts = re.split("[:-]", text.removeprefix("0x"))
    try:
        return b"".join(bytes.fromhex(part.rjust(2, "0") if len(part) < 2 else part) for part in parts)
    except ValueError:
        at = (node.get(kind) or node).at
        raise InputError([Problem(at, f"{text!r} is no {kind}", "write its octets in hexadecimal")]) from None


def _relays(node: Node) -> frozenset[IPv4Address]:
    relay = node.get("relay")
    if relay is None:
        return frozenset()
    texts = [item.value for item in relay.items("ip-addresses")]
    one = relay.plain("ip-address")
    return frozenset(address_of(relay, text) for text in ([*texts, one] if one else texts))
