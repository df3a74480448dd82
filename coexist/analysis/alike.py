"""VLANs that are declared in the same words, but for names and addresses of their own.

Their clients meet equal line-ups, so these are gone through once for all of them
(`coexist.analysis.lineup`). A VLAN's words are what is declared of it, of its scopes and of the servers that
hear it. Servers that have to do with no other VLAN are its own: they count by their order, addresses by their
distance from the first one of the subnet, groups by their order. Everything else counts as it is written.

Only plain declarations are read so. A VLAN with any other is alike to none: that costs time, never truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from coexist.boot.loaders.names import is_url
from coexist.inventory.named_servers import relay_targets
from coexist.records import dataclass
from coexist.wire.option_codes import OptionKind, option_kind
from coexist.wire.options import Option

if TYPE_CHECKING:
    from coexist.analysis.facts import Facts
    from coexist.inventory.boot_programs import Program
    from coexist.inventory.scopes import Pool, Scope, ScopeRule
    from coexist.inventory.values import Declared

INDIFFERENT = frozenset({2, 4, 5, 6, 7, 9, 12, 15, 26, 28, 33, 40, 41, 42, 44, 46, 47, 51, 58, 59, 119, 121})
"""Options no boot firmware decides by: the network's own, which differ from subnet to subnet."""

_Words: TypeAlias = tuple[Any, ...]

# What is read of each declaration; with any other key it is not plain.
_VLAN = frozenset(
    {"id", "subnet", "gateway", "relay_to", "forwarding_delay", "jitter", "blocked_ports", "mtu"}
)
_SERVER_SAYS = (
    "software", "roles", "delay", "discovery_control", "offers_file", "answers_4011", "largest_blksize",
    "authoritative", "ping_check", "relayed", "echoes_option_82", "fixed",
)  # fmt: skip
_SERVER = frozenset(
    {*_SERVER_SAYS, "address", "vlan", "answers", "delay_for", "programs", "programs_for", "owner", "deploy"}
)
_SCOPE_SAYS = (
    "reservations", "always_send", "option_order", "host_names", "literal", "filename", "lease_time",
    "min_lease_time", "max_lease_time", "min_secs",
)  # fmt: skip
_SCOPE = frozenset(
    {*_SCOPE_SAYS, "servers", "vlan", "subnet", "pools", "options", "next_server", "programs", "rules"}
)
_RULE_SAYS = ("architectures", "vendor_class", "user_class", "filename", "ignore")
_RULE = frozenset({*_RULE_SAYS, "clients", "next_server", "programs", "options", "name"})
_POOL = frozenset({"range", "allow", "deny", "architectures", "vendor_class", "user_class"})
_PROGRAM = frozenset({"file"})
_OF_ADDRESSES = frozenset({OptionKind.ADDRESS, OptionKind.ADDRESSES})


class _NotPlainError(Exception):
    """Something is declared that is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainVlan:
    """What is declared of a VLAN. Those of one ``kind`` have equal words: their own ``servers``, and the
    ``groups`` that are spoken of, take each other's places in their order."""

    kind: int
    servers: tuple[str, ...]
    groups: tuple[str, ...]
    network: IPv4Network

    def called(self, name: str, there: PlainVlan) -> str:
        """What on this VLAN has the place that a server or an address has on one that is alike."""
        if name in there.servers:
            return self.servers[there.servers.index(name)]
        try:
            address = IPv4Address(name)
        except ValueError:
            return name
        if address not in there.network:
            return name
        return str(self.network.network_address + (int(address) - int(there.network.network_address)))


class PlainVlans:
    """The VLANs of one site that are plainly declared."""

    def __init__(self, site: Facts) -> None:
        self.site = site
        self._known: dict[str, PlainVlan | None] = {}
        self._kinds: dict[_Words, int] = {}

    def of(self, vlan: str) -> PlainVlan | None:
        """A VLAN as it is declared; None where it is not plain."""
        if vlan not in self._known:
            self._known[vlan] = self._read(vlan) if vlan in self._apart else None
        return self._known[vlan]

    def _read(self, vlan: str) -> PlainVlan | None:
        around = self._around
        own = [name for name in self.site.topology.hearing[vlan] if around[name] == {vlan}]
        reader = _Reader(self.site, vlan, own)
        try:
            words = reader.read()
        except _NotPlainError:
            return None
        kind = self._kinds.setdefault(words, len(self._kinds))
        groups = tuple(reader.groups)
        return PlainVlan(kind=kind, servers=tuple(own), groups=groups, network=reader.network)

    @cached_property
    def _around(self) -> Mapping[str, set[str]]:
        """The VLANs that each server stands on, hears or leases addresses on."""
        found = {name: {*server.stands_on} for name, server in self.site.site.servers.items()}
        for vlan, hearing in self.site.topology.hearing.items():
            for name in hearing:
                found[name].add(vlan)
        for scope in self.site.site.scopes.values():
            for name in scope.servers:
                found[name].add(scope.vlan)
        return found

    @cached_property
    def _apart(self) -> frozenset[str]:
        """The VLANs whose addresses are all in one subnet; that no other VLAN has a part of it, the inventory
        was held to when it was read. There are none where a relay agent writes an address of elsewhere into
        giaddr, or where machines are known by their UUID."""
        vlans = self.site.site.vlans
        strays = any(
            not any(address in subnet for subnet in vlan.subnet)
            for vlan in vlans.values()
            for address in vlan.giaddrs
        )
        if strays or self.site.inventory.clients.uuids:
            return frozenset()
        return frozenset(name for name, vlan in vlans.items() if len(vlan.subnet) == 1)


class _Reader:
    """Reads the words of one VLAN."""

    def __init__(self, site: Facts, vlan: str, own: Sequence[str]) -> None:
        self.site = site.site
        self.facts = site
        self.vlan = vlan
        self.own = own
        self.declared = self.site.vlans[vlan]
        self.network = self.declared.subnet[0]
        self.first = int(self.network.network_address)
        self.others: dict[str, _Words | None] = {}
        self.groups: dict[str, int] = {}

    def read(self) -> _Words:
        """All of them. Raises `_NotPlainError`."""
        said = _plain(self.declared, _VLAN)
        hearing = self.facts.topology.hearing[self.vlan]
        return (
            self._address(said.gateway),
            self.network.prefixlen,
            *(said.forwarding_delay, said.jitter, said.blocked_ports, said.mtu),
            *(self._standing(name) for name, how in hearing.items() if how.local),
            "relayed to",
            *map(self._target, said.relay_to),
            "scopes",
            *(self._scope(self.site.scopes[name]) for name in self.facts.scopes_by_vlan[self.vlan]),
            *self.others.items(),
        )

    # -- servers -----------------------------------------------------------------------------------

    def _standing(self, name: str) -> _Words:
        return self._listener(name, self.site.servers[name].stands_on[self.vlan])

    def _target(self, target: str) -> _Words:
        if target not in self.site.servers:
            raise _NotPlainError
        ((name, address),) = relay_targets(self.site, target, self.vlan)
        return self._listener(name, address)

    def _listener(self, name: str, address: IPv4Address) -> _Words:
        own = self._words_of(name) if name in self.own else None
        return self._server(name), own, self._address(address)

    def _server(self, name: str) -> int | str:
        """A server by its place, or by its name if it is not the VLAN's own: then it counts as it is."""
        if name in self.own:
            return self.own.index(name)
        if name not in self.others:
            self.others[name] = None
            self.others[name] = self._words_of(name)
        return name

    def _words_of(self, name: str) -> _Words:
        server = _plain(self.site.servers[name], _SERVER)
        answers = server.answers
        if answers.who == "intended":
            raise _NotPlainError
        return (
            *(getattr(server, key) for key in _SERVER_SAYS),
            *(answers.who, self._groups(answers.groups), answers.architectures),
            *((self._group(group), delay) for group, delay in server.delay_for.items()),
            self._programs(server.programs),
            *((self._group(group), self._programs(said)) for group, said in server.programs_for.items()),
        )

    # -- scopes ------------------------------------------------------------------------------------

    def _scope(self, declared: Scope) -> _Words:
        scope = _plain(declared, _SCOPE)
        if scope.subnet not in (None, self.network):
            raise _NotPlainError
        return (
            *map(self._server, scope.servers),
            *(getattr(scope, key) for key in _SCOPE_SAYS),
            *map(self._pool, scope.pools),
            *self._given(scope),
            *map(self._rule, scope.rules),
        )

    def _pool(self, declared: Pool) -> _Words:
        pool = _plain(declared, _POOL)
        return (
            *(self._address(pool.range.first), self._address(pool.range.last)),
            *(self._groups(pool.allow), self._groups(pool.deny)),
            *(pool.architectures, pool.vendor_class, pool.user_class),
        )

    def _rule(self, declared: ScopeRule) -> _Words:
        rule = _plain(declared, _RULE)
        clients = None if rule.clients is None else self._groups(rule.clients)
        return (clients, *(getattr(rule, key) for key in _RULE_SAYS), *self._given(rule))

    def _given(self, said: Scope | ScopeRule) -> _Words:
        """What a scope or a rule of it hands out."""
        if said.filename is not None and is_url(said.filename):
            raise _NotPlainError
        return (
            None if said.next_server is None else self._server_or_address(said.next_server),
            self._programs(said.programs),
            tuple((code, self._option(code, said.options[code])) for code in sorted(said.options)),
        )

    def _option(self, code: int, value: Any) -> Any:
        if code in INDIFFERENT:
            return None
        if option_kind(code) in _OF_ADDRESSES:
            return tuple(map(self._address_text, value if isinstance(value, tuple) else (value,)))
        if isinstance(value, int) or code == Option.VENDOR_CLASS_IDENTIFIER:
            return value
        # It may hold an address, in any form.
        raise _NotPlainError

    # -- words -------------------------------------------------------------------------------------

    def _programs(self, programs: Mapping[str, Program]) -> _Words:
        if any(is_url(_plain(program, _PROGRAM).file) for program in programs.values()):
            raise _NotPlainError
        return tuple((key, program.file) for key, program in programs.items())

    def _groups(self, names: Iterable[str]) -> _Words:
        return tuple(map(self._group, names))

    def _group(self, name: str) -> int:
        """A group by its place."""
        return self.groups.setdefault(name, len(self.groups))

    def _server_or_address(self, text: str) -> Any:
        return self._server(text) if text in self.site.servers else self._address_text(text)

    def _address_text(self, text: Any) -> Any:
        try:
            return self._address(IPv4Address(text))
        except ValueError:
            raise _NotPlainError from None

    def _address(self, address: IPv4Address | None) -> Any:
        """An address by its distance from the subnet's first one; any other as it is, and with its server."""
        if address is None:
            return None
        if address in self.network:
            return int(address) - self.first
        owner = self.facts.topology.owner(str(address))
        return address, None if owner is None else self._server(owner)


_Said = TypeVar("_Said", bound="Declared")


def _plain(said: _Said, keys: frozenset[str]) -> _Said:
    """A declaration that says nothing but what is read of it."""
    if not said.model_fields_set <= keys:
        raise _NotPlainError
    return said
