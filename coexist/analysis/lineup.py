"""What a race depends on, without names: the line-up a class of clients meets.

The key is read off the race's own world: the segment with its listeners, their models and lease plans, and
the models elsewhere that an answer leads to. Of all that it has what these clients can meet: a rule for
others is left out, a set of clients is whether they are in it. Addresses are replaced by their place in the
line-up and what makes a difference of them. So equal keys end alike, however servers and networks are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from coexist.analysis.alike import INDIFFERENT, PlainVlan, PlainVlans
from coexist.analysis.bootfiles import is_a_mere_name, runs_on_bios
from coexist.analysis.pairs import sides
from coexist.analysis.space import KNOWN, RESERVED, ClientClass
from coexist.boot.leases.evaluate import PlanLeases
from coexist.boot.leases.lease import Lease, LeaseSource
from coexist.boot.leases.plan import Condition, Member, Setting, SubnetPlan
from coexist.boot.loaders.names import url_host
from coexist.boot.own_files import own_config
from coexist.inventory.macset import MacSet
from coexist.inventory.programs import declared_programs
from coexist.wire.option_codes import OptionKind, option_kind
from coexist.wire.options import Option

if TYPE_CHECKING:
    from coexist.analysis.facts import Facts
    from coexist.analysis.world import Listener, Segment, World

# Fields that are told to people and decide nothing.
_TOLD = frozenset({"name", "rule", "path", "origins", "line", "assumptions"})
_ADDRESSES = frozenset({OptionKind.ADDRESS, OptionKind.ADDRESSES})
_PLAIN = frozenset({bool, int, float, bytes, type(None)})
# What a segment is by itself; its subnets and routers count by the addresses that lie in them.
_SEGMENT = ("jitter", "forwarding_delay", "routed", "blocked_ports", "mtu")
_NOTHING = object()
"""In the place of what these clients cannot meet."""


class _Form(Enum):
    """How a part of the world is gone through."""

    ITSELF = "it is its own key"
    MACS = "a set of clients"
    PLAN = "a lease plan"
    SOURCE = "another source of leases"
    MAPPING = "values by name or code"
    LIST = "values in order"
    RANGE = "a range of addresses"
    RECORD = "fields"


_FORMS: dict[type[Any], _Form] = {}
_FIELDS: dict[type[Any], Callable[[Any], tuple[Any, ...]]] = {}
"""What was looked up of each type."""


class Names(NamedTuple):
    """Who and what takes a place in a line-up, in the order of the places: servers (or nobody's addresses),
    and boot files of which nothing but the name is known."""

    servers: tuple[str, ...]
    files: tuple[str, ...] = ()


class LineUps:
    """Makes the keys of one site. ``world``: its servers as models, when they are first needed.

    ``numbers``: what classes met before has its number already.
    """

    def __init__(self, site: Facts, world: Callable[[], World], numbers: dict[Any, int]) -> None:
        self.site = site
        self._world = world
        self._met: dict[tuple[str, int], tuple[int, Names]] = {}
        self._numbers = numbers
        self._plain = PlainVlans(site)
        self._alike: dict[Any, tuple[int, Names, PlainVlan]] = {}
        self._elsewhere: dict[str, int] = {}

    def of(self, client: ClientClass, silent: frozenset[str]) -> tuple[Any, Names]:
        """The key of a class's race, and the names in the order of their places."""
        known = (client.vlan, client.macs.number)
        found = self._met.get(known)
        if found is None:
            found = self._met[known] = self._of_alike(client)
        number, names = found
        quiet = tuple(place for place, name in enumerate(names.servers) if name in silent)
        return (client.architecture, client.firmware, number, quiet), names

    def _of_alike(self, client: ClientClass) -> tuple[int, Names]:
        """The number and names of what a class meets, made once for the clients of VLANs that are alike."""
        vlan = self._plain.of(client.vlan)
        if vlan is None:
            return self._made(client)
        space, macs = self.site.space, client.macs
        key = (
            vlan.kind,
            tuple(space.has((group,), macs.signature) for group in vlan.groups),
            macs.known,
            bool(macs.signature & RESERVED) and self._has_own_address(client, vlan),
        )
        found = self._alike.get(key)
        if found is None:
            number, names = self._made(client)
            self._alike[key] = number, names, vlan
            return number, names
        number, names, there = found
        return number, Names(tuple(vlan.called(name, there) for name in names.servers), names.files)

    def _has_own_address(self, client: ClientClass, vlan: PlainVlan) -> bool:
        """Whether the witness of a class has an address of its own on a VLAN."""
        table = self.site.inventory.clients
        row = table.row(client.macs.witness)
        return row is not None and IPv4Address(table.addresses[row]) in vlan.network

    def _made(self, client: ClientClass) -> tuple[int, Names]:
        met, names = _LineUp(self, self._world(), client).met()
        return self._numbers.setdefault(met, len(self._numbers)), names

    @cached_property
    def own_files(self) -> Mapping[int, tuple[str, LeaseSource]]:
        """The servers that run on their own files, with what these lease, by the identities of that."""
        inventory = self.site.inventory
        found = {name: own_config(inventory, name) for name in self.site.site.servers}
        return {id(c.leases): (name, c.leases) for name, c in found.items() if c is not None}

    @cached_property
    def files(self) -> Mapping[int, tuple[Any, str]]:
        """By the signature bit of a set of clients that a server's own files tell apart: what is said of it
        beside a boot file's name, and that name, where nothing else is known of the file and no other line
        names it."""
        site = self.site.site
        told = {name: source.distinctions for name, source in self.own_files.values()}
        others = [each.other_files for each in told.values()]
        if None in others:
            return {}
        elsewhere = {file for files in others for file in files or ()}
        elsewhere.update(program.file for _, program in declared_programs(site))
        for scope in site.scopes.values():
            elsewhere.update(rule.filename for rule in scope.rules if rule.filename)
            elsewhere.add(scope.filename or "")
        programs = self._world().programs
        return {
            self.site.space.own[name][number]: ((name, said), file)
            for name, each in told.items()
            for number, (said, file) in each.files.items()
            if file not in elsewhere and is_a_mere_name(file, programs.get(file))
        }

    @cached_property
    def own_models(self) -> frozenset[int]:
        """The identities of the models of those servers, which hold all lines of their files."""
        models = self._world().models
        return frozenset(id(models[name]) for name, _ in self.own_files.values())

    def told_elsewhere(self, vlan: str) -> int:
        """The bits of signatures by which servers can tell the clients of a VLAN apart, of those that do not
        hear it, and of those whose models are not gone through."""
        found = self._elsewhere.get(vlan)
        if found is None:
            here = {listener.model.name for listener in self._world().segments[vlan].listeners}
            found = 0
            for name, server in self.site.site.servers.items():
                if server.config or name not in here:
                    found |= self._told_by(name)
            self._elsewhere[vlan] = found
        return found

    def _told_by(self, name: str) -> int:
        site, space = self.site.site, self.site.space
        server = site.servers[name]
        groups = {*server.answers.groups, *server.delay_for, *server.programs_for}
        if server.answers.who == "intended":
            groups.update(group for rule in site.intent for group in (*rule.clients, *rule.unless))
        for scope in (scope for scope in site.scopes.values() if name in scope.servers):
            groups.update(group for rule in scope.rules for group in rule.clients or ())
            groups.update(group for pool in scope.pools for group in (*pool.allow, *pool.deny))
        return KNOWN | RESERVED | space.own_mask(name) | space.mask(groups)


class _LineUp:
    """The line-up of one class of clients."""

    def __init__(self, lineups: LineUps, world: World, client: ClientClass) -> None:
        site = lineups.site
        self.site = site
        self.lineups = lineups
        self.vlan = client.vlan
        self.macs = client.macs
        self.mac = client.macs.witness
        self.world = world
        self.segment: Segment = self.world.segments[client.vlan]
        cut = (site.site.scopes[name].subnet for name in site.scopes_by_vlan[client.vlan])
        self.subnets = (*self.segment.subnets, *(subnet for subnet in cut if subnet is not None))
        self.client = client
        self.places: dict[str, int] = {}
        self.files: dict[str, int] = {}
        self.near: tuple[IPv4Address, ...] = ()
        self.by_own_files = False

    def met(self) -> tuple[Any, Names]:
        """What the class meets, hashable, and the names by place."""
        listeners = self.segment.listeners
        for listener in listeners:
            self.places.setdefault(listener.model.name, len(self.places))
        parts = [self.value(getattr(self.segment, name)) for name in _SEGMENT]
        parts += [bool(self.segment.routers), *map(self._listener, listeners)]
        parts.append(frozenset(sides(self.segment, self.macs)))
        here = {listener.model.name for listener in listeners}
        # A server elsewhere that an answer names is asked too; it may name another.
        for name in self._grown():
            if name in self.site.site.servers and name not in here:
                self.near = tuple(self.site.site.servers[name].stands_on.values())
                parts += [self.value(self.world.models[name]), self._own_files(name)]
        if self.by_own_files:
            # Which server elsewhere such a file names, only its packets show: it may be any.
            for name in self.site.site.servers:
                self.places.setdefault(name, len(self.places))
            told = self._told_apart(self.lineups.told_elsewhere(self.vlan))
            # And its packets hold addresses: no server can take another's place.
            parts.append((self.vlan, told, *self.places))
        return tuple(parts), Names(tuple(self.places), tuple(self.files))

    def _told_apart(self, mask: int) -> Any:
        """The sets of clients that the class is in, of some; those that are told a boot file of their own
        by what is said beside it, and the file's place."""
        bits, said = self.macs.signature & mask, []
        for bit, (beside, file) in self._own_files_told:
            if bits & bit:
                bits ^= bit
                place = self.files.setdefault(file, len(self.files))
                said.append((beside, place, runs_on_bios(file)))
        return bits, tuple(said)

    @cached_property
    def _own_files_told(self) -> Sequence[tuple[int, tuple[Any, str]]]:
        """The sets of `LineUps.files` that the class is in."""
        return [each for each in self.lineups.files.items() if self.macs.signature & each[0]]

    def _grown(self) -> Iterable[str]:
        """The names by place, those included that come while they are gone through."""
        gone = 0
        while gone < len(self.places):
            for name in list(islice(self.places, gone, None)):
                yield name
                gone += 1

    def _listener(self, listener: Listener) -> Any:
        self.near = (listener.address if listener.relay is None else listener.relay.address,)
        return self.places[listener.model.name], *self._told(listener), self._own_files(listener.model.name)

    def _own_files(self, name: str) -> Any:
        """What of a server's own files tells these clients from others: a model may hold patterns of MACs."""
        config = own_config(self.site.inventory, name)
        return None if config is None else self.source(config.leases)

    # -- values --------------------------------------------------------------------------------

    def value(self, value: Any) -> Any:
        """A part of the world as these clients meet it."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is IPv4Address:
            return self.address(value)
        if kind is str:
            return self.text(value)
        form = _FORMS.get(kind) or _form_of(kind)
        match form:
            case _Form.MACS:
                return self.mac in value
            case _Form.PLAN:
                return self.leases(value)
            case _Form.SOURCE:
                return self.source(value)
            case _Form.MAPPING:
                return tuple(self._entry(key, value[key]) for key in sorted(value, key=str))
            case _Form.LIST:
                return tuple(met for item in value if (met := self.value(item)) is not _NOTHING)
            case _Form.RANGE:
                # Which addresses a range has matters to nobody.
                met = any(map(value.reaches, self.near))
                return (value.mode, value.tag, value.filter) if met else _NOTHING
            case _Form.RECORD:
                return self._record(value)
        return value

    def _record(self, value: Any) -> Any:
        if id(value) in self.lineups.own_models:
            # What it tells these clients from others by is what its files do.
            self.by_own_files = True
            return id(value)
        clients = getattr(value, "clients", None)
        if type(clients) is MacSet and self.mac not in clients:
            return _NOTHING
        return type(value), *self._told(value)

    def _told(self, record: Any) -> list[Any]:
        """What the fields of a record say to these clients; most are plain values."""
        kind = type(record)
        if kind not in _FORMS:
            _form_of(kind)
        return [part if type(part) in _PLAIN else self.value(part) for part in _FIELDS[kind](record)]

    def _entry(self, key: Any, value: Any) -> Any:
        if isinstance(key, int) and type(value) is bytes:
            return key, self.option(key, value)
        return key, self.value(value)

    def text(self, text: str) -> Any:
        """A text: of a server's name its place; of a URL the place of its host too."""
        host = url_host(text)
        if host is None:
            return self.places.get(text, text)
        named = _address(host.encode())
        if named is not None:
            return text, self.address(named)
        owner = self.site.topology.owner(host)
        return text, self.places.setdefault(owner or host, len(self.places))

    def option(self, code: int, octets: bytes) -> Any:
        """An option: addresses by their place, a router by whether it is one of the VLAN's."""
        if code in INDIFFERENT:
            return None
        if code == Option.ROUTER:
            # A client takes the first one; where the VLAN's routers are not declared, any will do.
            return len(octets) >= 4, len(octets) >= 4 and IPv4Address(octets[:4]) in self.segment.routers
        if option_kind(code) in _ADDRESSES and octets and len(octets) % 4 == 0:
            starts = range(0, len(octets), 4)
            return tuple(self.address(IPv4Address(octets[at : at + 4])) for at in starts)
        named = _address(octets)
        if named is not None:
            return self.address(named), octets.endswith(b"\0")
        return self.text(octets.decode("latin-1")) if b"://" in octets else octets

    def address(self, address: IPv4Address) -> Any:
        """An address by its place: whose it is, and what makes a difference of where it lies."""
        owner = self.world.owners.get(address)
        place = self.places.setdefault(owner or str(address), len(self.places))
        return place, *self._difference(address)

    def _difference(self, address: IPv4Address) -> tuple[Any, ...]:
        """What makes a difference of an address: what the server is that has it, and where it lies."""
        owner, roles = self.world.owners.get(address), None
        if owner is not None:
            server = self.site.site.servers[owner]
            roles = (server.effective_roles, server.host is not None, server.largest_blksize)
        near = tuple(address in subnet for subnet in self.subnets)
        return roles, near, address in self.segment.routers

    # -- leases --------------------------------------------------------------------------------

    def source(self, source: LeaseSource) -> Any:
        """Another source of leases: itself, and how it tells these clients from others."""
        self.by_own_files = True
        told = source.distinctions
        reserved = told.reserved is not None and self.mac in told.reserved
        own = self.lineups.own_files.get(id(source))
        if own is None:
            sets: Any = tuple(self.mac in clients for clients, _ in told.clients)
            return id(source), self.near, sets, self.mac if reserved else None
        name, _ = own
        # Each set of clients that the files of a server tell apart is a bit of the space.
        sets = self._told_apart(self.site.space.own_mask(name))
        address = self._own_address(name, source) if reserved and told.other_files is not None else None
        return id(source), self.near, sets, address or (self.mac if reserved else None)

    def _own_address(self, name: str, source: LeaseSource) -> Any:
        """The address that belongs to the machine, by what makes a difference of it; None where the server
        hears it from elsewhere only, or names no address to it."""
        if name not in self.site.topology.hearing[self.vlan]:
            return None
        arrival = self.site.scopes.first_packet(name, self.client)
        lease = None if arrival is None else source(arrival)
        if not isinstance(lease, Lease):
            return None
        return self.world.owners.get(lease.yiaddr), *self._difference(lease.yiaddr)

    def leases(self, leases: PlanLeases) -> Any:
        """What of a lease plan the class can meet."""
        return leases.product, tuple(
            tuple(self._subnet(leases, subnet) for subnet in leases.near(address)) for address in self.near
        )

    def _subnet(self, leases: PlanLeases, subnet: SubnetPlan) -> Any:
        member = leases.plan.member(self.mac)
        scope = leases.plan.scopes[str(subnet.scope)]
        reserved = leases.plan.reserved(subnet, self.mac) is not None
        return (
            reserved,
            reserved or tuple(_said(pool.condition, member) for pool in subnet.pools if pool.holds(member)),
            self._network(subnet.network),
            scope.min_secs,
            tuple(
                self._setting(setting, member)
                for setting in scope.settings
                if _is_about(setting.condition, member)
            ),
        )

    def _network(self, network: IPv4Network) -> Any:
        """A subnet by its place among the VLAN's."""
        return self.subnets.index(network) if network in self.subnets else None

    def _setting(self, setting: Setting, member: Member) -> Any:
        options = tuple(self._entry(code, octets) for code, octets in setting.options.items())
        return (
            _said(setting.condition, member),
            None if setting.next_server is None else self.address(setting.next_server),
            None if setting.file is None else self.text(setting.file),
            options,
            setting.ignore,
            setting.file_server,
        )


def _is_about(condition: Condition, member: Member) -> bool:
    """Whether a condition can hold for a client, whatever it sends."""
    return condition.clients is None or condition.clients.holds(member)


def _said(condition: Condition, member: Member) -> Any:
    """What a condition asks of a client's packets."""
    return (
        condition.architectures,
        condition.ipxe,
        condition.vendor_class,
        condition.user_class,
        condition.tests,
        tuple(_said(other, member) for other in condition.unless if _is_about(other, member)),
    )


def _form_of(kind: type[Any]) -> _Form:
    """How a type of the world is gone through; looked up once for each."""
    if kind is MacSet:
        form = _Form.MACS
    elif kind is PlanLeases:
        form = _Form.PLAN
    elif hasattr(kind, "distinctions"):
        form = _Form.SOURCE
    elif issubclass(kind, Mapping):
        form = _Form.MAPPING
    elif issubclass(kind, tuple | list):
        form = _Form.LIST
    elif hasattr(kind, "reaches"):
        form = _Form.RANGE
    elif is_dataclass(kind):
        form = _Form.RECORD
        _FIELDS[kind] = _getter([field.name for field in fields(kind) if field.name not in _TOLD])
    else:
        form = _Form.ITSELF
    _FORMS[kind] = form
    return form


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gets these fields of a record."""
    if len(names) < 2:
        return lambda record: tuple(getattr(record, name) for name in names)
    return attrgetter(*names)


def _address(octets: bytes) -> IPv4Address | None:
    """The address that an option has as a text."""
    try:
        return IPv4Address(octets.rstrip(b"\0").decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return None
