"""What one boot server does, as data: the file ``coexist serve`` runs from, and its compiled form.

``BootServerConfig`` is the text (pydantic, rendered by ``render`` and read by ``server``);
``BootPolicy`` is what ``respond`` works on, in the server and in the analyzer alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, field_validator

from coexist.boot.leases.pairs import EVERYONE as EVERY_BUCKET
from coexist.boot.leases.pairs import Share, below
from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.inventory.models import (
    ArchitectureNames,
    MacAddresses,
    Programs,
    Role,
    mac_range,
)
from coexist.inventory.values import (
    Address,
    Declared,
    Delay,
    MachineUuids,
    Name,
    Names,
    Options,
    Text,
    Texts,
    one_or_more,
    option_bytes,
)
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.load_balancing import BUCKETS
from coexist.wire.mac import parse_mac_prefix

Action = Literal["serve", "ignore"]
Port = Annotated[int, Field(ge=1, le=65535)]


class ClientSelector(Declared):
    """Clients of a rule: any of exact MACs, list files (one MAC a line), prefixes, ranges, machines by their
    UUID (option 97, whatever card they use) and groups; minus ``except``.

    An empty selector selects nobody; ``everyone: true`` selects all. ``groups`` are those of this file and
    those clients were registered into; ``registered: true`` is every client that ``coexist clients register``
    was called for.
    """

    everyone: bool = False
    macs: MacAddresses = ()
    files: Texts = ()
    prefixes: Texts = ()
    ranges: Texts = ()
    uuids: MachineUuids = ()
    groups: Names = ()
    registered: bool = False
    excluded: Annotated[ClientSelector | None, Field(alias="except")] = None

    @field_validator("prefixes")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_mac_prefix(text)
        return value

    @field_validator("ranges")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            mac_range(text)
        return value


class MenuItemSettings(Declared):
    """A line of a boot menu. ``local`` boots from the disk; ``register`` notes that the machine asks to be
    registered. Without ``programs`` of its own an item boots those of its rule.

    ``type`` is the PXE boot server type (1 to 65535); numbered by place from 1 on if not given.
    """

    text: Text
    type: Annotated[int, Field(ge=1, le=65535)] | None = None
    programs: Programs = {}
    local: bool = False
    register_: Annotated[bool, Field(alias="register")] = False


class MenuSettings(Declared):
    """A boot menu the firmware itself shows (PXE 2.1 section 2.4: options 43.8, 43.9, 43.10).

    ``timeout`` in seconds until the first item is taken: 0 at once, 255 never.
    """

    prompt: Text = "Press F8 for the boot menu"
    timeout: Annotated[int, Field(ge=0, le=255)] = 10
    items: Annotated[tuple[MenuItemSettings, ...], Field(min_length=1)]


class PolicyRule(Declared):
    """What is done for some clients; the first rule that fits a client decides.

    ``programs`` by architecture name, ``ipxe`` for clients that already run iPXE. Delays in seconds.
    With a ``menu`` the client is offered the menu instead of a program.
    """

    name: Name
    clients: ClientSelector
    architectures: ArchitectureNames | None = None
    action: Action = "serve"
    delay: Delay = Delay()
    programs: Programs = {}
    menu: MenuSettings | None = None


class Listen(Declared):
    """An address the server answers on, and the interface it is on (found by the address if not given)."""

    address: Address
    vlan: Name | None = None
    interface: Text | None = None


class TftpSettings(Declared):
    """TFTP: the directory served, and whether a file is only given to clients a rule serves.

    ``port_range``: first and last UDP port of transfers. ``templates`` maps a file name pattern such as
    ``pxelinux.cfg/01-{mac}`` to a jinja2 template rendered for each client on request.
    ``unknown_addresses``: what a peer gets whose MAC is neither in the neighbour table nor known from its
    DHCP packets, while ``whitelist`` is on.
    ``advise``: the log and the metrics tell which clients could load their files in fewer round trips, and
    which options they would have to ask for.
    """

    root: Text = "/srv/tftp"
    whitelist: bool = True
    port: Annotated[int, Field(ge=0, le=65535)] = 69
    port_range: tuple[Port, Port] | None = None
    largest_blksize: Annotated[int, Field(ge=8, le=65464)] = 1468
    largest_windowsize: Annotated[int, Field(ge=1, le=65535)] = 64
    templates: dict[str, Text] = {}
    unknown_addresses: Literal["refuse", "serve"] = "refuse"
    advise: bool = False

    @field_validator("port_range")
    @classmethod
    def _port_range(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError(f"the range {value[0]} to {value[1]} is empty; write the smaller port first")
        return value


class HttpSettings(Declared):
    """HTTP for UEFI HTTP boot and iPXE, from the same directory and by the same templates as TFTP, unless
    ``root`` is given. ``whitelist`` as for TFTP. Served wherever these settings stand; ``http`` among the
    services says so too. ``front: nginx`` has nginx send the files, for images to many clients at a time."""

    root: Text | None = None
    port: Annotated[int, Field(ge=0, le=65535)] = 80
    whitelist: bool = True
    front: Literal["nginx"] | None = None


class PairSettings(Declared):
    """The server's half of the clients, by the hash of the MAC (RFC 3074): the first of the two has the
    buckets below 128. Whose ``secs`` are larger than ``after`` is answered by both; ``partner`` is the other
    server's name."""

    partner: Name
    part: Literal["first", "second"]
    after: Annotated[int, Field(ge=0, le=255)] = 3


class BootServerConfig(Declared):
    """The configuration file of one boot server. Everything it does follows from this file alone.

    ``discovery_control`` is PXE option 43.6 of its offers; 8 makes strict ROMs use the file of this very
    offer. ``offers_file``: name the file in the offer, not only on port 4011. ``follow_offers``: stay
    silent to a client that was seen to request another PXE server's offer. ``registry`` is the SQLite file
    of clients seen (``registry.sqlite`` in systemd's state directory, else beside this file), or the address
    of a PostgreSQL database that several servers share (``postgresql://coexist@db.example/coexist``),
    ``metrics_port`` the TCP port of Prometheus metrics on 127.0.0.1. ``deny`` is asked before any rule.
    ``groups`` are named selectors; ``clients`` are CSV files of the inventory whose columns templates can
    use. ``known`` marks the clients that are no strangers in the list of clients seen. ``observe``: listen
    on port 68 for what other servers answer. ``workers``: how many processes serve, ``auto`` for one a core.
    ``pair``: it shares its clients with another server.
    """

    name: Name
    listen: Annotated[tuple[Listen, ...], BeforeValidator(one_or_more), Field(min_length=1)]
    services: Annotated[frozenset[Role], BeforeValidator(one_or_more)] = frozenset({"proxydhcp", "tftp"})
    rules: tuple[PolicyRule, ...] = ()
    boot_server: Address | None = None
    discovery_control: Annotated[int, Field(ge=0, le=255)] | None = 8
    offers_file: bool = True
    answers_4011: bool = True
    options: Options = {}
    follow_offers: bool = False
    tftp: TftpSettings = TftpSettings()
    http: HttpSettings | None = None
    registry: Text | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    log: Literal["text", "json"] = "text"
    known: ClientSelector | None = None
    deny: ClientSelector | None = None
    groups: dict[Name, ClientSelector] = {}
    clients: Texts = ()
    observe: bool = False
    workers: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = 1
    pair: PairSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootProgram:
    """A file and the server that has it; ``server`` None means the one that answers."""

    file: str
    server: IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """A line of a boot menu; ``type`` 0 boots from the disk. ``programs`` is by option-93 code."""

    type: int
    text: str
    programs: Mapping[int, BootProgram] = field(default_factory=dict)
    registers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BootMenu:
    """The boot menu of a rule; ``timeout`` in seconds, 255 waits for ever."""

    prompt: str
    timeout: int
    entries: tuple[MenuEntry, ...]

    def entry(self, type_: int) -> MenuEntry | None:
        """The line a client chose by its boot server type."""
        return next((entry for entry in self.entries if entry.type == type_), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A compiled rule. ``programs`` is by option-93 code; ``ipxe`` for clients that run iPXE already.

    ``architectures`` None means any. ``by_uuid``: of the machines whose UUID the rule names, by which MACs it
    is about them; ``clients`` are those of all others.
    """

    name: str
    clients: MacSet
    by_uuid: Mapping[bytes, MacSet] = field(default_factory=dict)
    architectures: frozenset[int] | None = None
    action: Action = "serve"
    delay: Delay = field(default_factory=Delay)
    programs: Mapping[int, BootProgram] = field(default_factory=dict)
    ipxe: BootProgram | None = None
    menu: BootMenu | None = None

    def of(self, uuid: bytes) -> MacSet:
        """The MACs by which it is about a machine with this UUID (its octets in option 97; empty: none)."""
        return self.by_uuid.get(uuid, self.clients) if self.by_uuid else self.clients

    def fits(self, mac: int, architecture: int | None, uuid: bytes = b"") -> bool:
        """Whether this rule is about the client; one that names no architecture is taken as BIOS."""
        return (self.architectures is None or (architecture or 0) in self.architectures) and mac in self.of(
            uuid
        )


class Standing(IntEnum):
    """How well the rules know a MAC. The more, the later it is forgotten, and it overrides what less say."""

    STRANGER = 0
    """No rule serves it."""
    SERVED = 1
    """A prefix, a range or ``everyone`` serves it, with many others."""
    REGISTERED = 2
    """A rule names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootPolicy:
    """What a boot server decides by. Times in seconds, options as raw octets.

    ``denied`` is asked before the rules; ``denied_by_uuid`` as ``by_uuid`` of a rule. ``http_port`` is the
    port of its own HTTP service, None without one.
    ``share``: its part of the clients it answers, where another server answers the others.
    """

    name: str
    rules: tuple[Rule, ...]
    answers_67: bool = True
    answers_4011: bool = True
    boot_server: IPv4Address | None = None
    discovery_control: int | None = 8
    offers_file: bool = True
    options: Mapping[int, bytes] = field(default_factory=dict)
    follow_offers: bool = False
    denied: MacSet = NOBODY
    denied_by_uuid: Mapping[bytes, MacSet] = field(default_factory=dict)
    http_port: int | None = None
    share: Share | None = None

    def standing(self, mac: int) -> Standing:
        """What a MAC is to the rules, whatever machine shows it."""
        if mac in self.denied:
            return Standing.STRANGER
        serving = [rule.clients for rule in self.rules if rule.action == "serve" and mac in rule.clients]
        if any(mac in clients.points for clients in serving):
            return Standing.REGISTERED
        return Standing.SERVED if serving else Standing.STRANGER

    @property
    def knows_uuids(self) -> bool:
        """Whether anything is decided by a machine's UUID."""
        return bool(self.denied_by_uuid) or any(rule.by_uuid for rule in self.rules)

    def refused(self, uuid: bytes) -> MacSet:
        """The MACs by which a machine with this UUID is on the deny list."""
        return self.denied_by_uuid.get(uuid, self.denied) if self.denied_by_uuid else self.denied

    def rule_for(self, mac: int, architecture: int | None, uuid: bytes = b"") -> Rule | None:
        """The first rule that fits."""
        return next((rule for rule in self.rules if rule.fits(mac, architecture, uuid)), None)


ReadList = Callable[[str], MacSet]
"""Reads a list file by the name that stands in the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What administrators decided on clients while the server ran: the registry's part of the policy."""

    everyone: MacSet = NOBODY
    ignored: MacSet = NOBODY
    groups: Mapping[str, MacSet] = field(default_factory=dict)


NOBODY_REGISTERED = Registered()


def compile_policy(
    config: BootServerConfig, read_list: ReadList, registered: Registered = NOBODY_REGISTERED
) -> BootPolicy:
    """The policy of a configuration; ``read_list`` delivers the MACs of a list file."""
    selecting = Selecting(config.groups, read_list, registered)
    denied = registered.ignored
    denied_by_uuid: dict[bytes, MacSet] = {}
    if config.deny is not None:
        denied |= selecting.select(config.deny)
        denied_by_uuid = {
            uuid: macs | registered.ignored for uuid, macs in selecting.by_uuid(config.deny).items()
        }
    return BootPolicy(
        name=config.name,
        rules=tuple(_compile_rule(rule, selecting) for rule in config.rules),
        answers_67="proxydhcp" in config.services,
        answers_4011=bool(config.services & {"proxydhcp", "boot-server"}) and config.answers_4011,
        boot_server=config.boot_server,
        discovery_control=config.discovery_control,
        offers_file=config.offers_file,
        options={code: option_bytes(code, value) for code, value in config.options.items()},
        follow_offers=config.follow_offers,
        denied=denied,
        denied_by_uuid=denied_by_uuid,
        http_port=config.http.port if config.http is not None else None,
        share=None if config.pair is None else _share(config.pair),
    )


def _share(pair: PairSettings) -> Share:
    half = below(BUCKETS // 2)
    mine = half if pair.part == "first" else EVERY_BUCKET ^ half
    return Share(partner=pair.partner, mine=mine, max_seconds=pair.after)


class Selecting:
    """Turns selectors into sets of MACs: with the file's groups, its lists and the registry at hand."""

    def __init__(
        self,
        groups: Mapping[str, ClientSelector],
        read_list: ReadList,
        registered: Registered = NOBODY_REGISTERED,
    ) -> None:
        self.groups = groups
        self.read_list = read_list
        self.registered = registered
        self._made: dict[tuple[str, bytes], MacSet] = {}

    def select(self, selector: ClientSelector, uuid: bytes = b"") -> MacSet:
        """The MACs a selector means; with ``uuid`` those by which it means a machine of this UUID."""
        if selector.everyone or (uuid and uuid in octets_of(selector.uuids)):
            result = EVERYONE
        else:
            result = self._by_address(selector, uuid)
        return result - (self.select(selector.excluded, uuid) if selector.excluded else NOBODY)

    def by_uuid(self, selector: ClientSelector) -> dict[bytes, MacSet]:
        """What `select` says of each machine whose UUID the selector names, directly or by its groups."""
        named = self._named(selector, frozenset())
        made: dict[frozenset[int], MacSet] = {}
        found: dict[bytes, MacSet] = {}
        for uuid in named:
            # Machines that are named in the same places are meant by the same MACs.
            places = frozenset(named[uuid])
            if places not in made:
                made[places] = self.select(selector, uuid)
            found[uuid] = made[places]
        return found

    def _named(self, selector: ClientSelector, seen: frozenset[str]) -> dict[bytes, list[int]]:
        found: dict[bytes, list[int]] = {uuid: [id(selector)] for uuid in octets_of(selector.uuids)}
        inner = [self.groups[n] for n in selector.groups if n in self.groups and n not in seen]
        for other in (*inner, *((selector.excluded,) if selector.excluded else ())):
            for uuid, places in self._named(other, seen | set(selector.groups)).items():
                found.setdefault(uuid, []).extend(places)
        return found

    def _by_address(self, selector: ClientSelector, uuid: bytes) -> MacSet:
        result = MacSet.of(selector.macs)
        for name in selector.files:
            result |= self.read_list(name)
        for text in selector.prefixes:
            result |= MacSet.interval(*parse_mac_prefix(text))
        for text in selector.ranges:
            result |= MacSet.interval(*mac_range(text))
        for name in selector.groups:
            result |= self.group(name, uuid)
        if selector.registered:
            result |= self.registered.everyone
        return result

    def group(self, name: str, uuid: bytes = b"") -> MacSet:
        """A group of the file together with those who were registered into it; a group may name others."""
        key = (name, uuid)
        if key not in self._made:
            self._made[key] = NOBODY  # a group that names itself adds nothing
            declared = self.groups.get(name)
            members = self.select(declared, uuid) if declared is not None else NOBODY
            self._made[key] = members | self.registered.groups.get(name, NOBODY)
        return self._made[key]


@lru_cache(maxsize=1024)
def octets_of(uuids: tuple[str, ...]) -> frozenset[bytes]:
    """UUIDs as option 97 has them: the first three fields little-endian (SMBIOS 2.6, section 7.2.1)."""
    return frozenset(UUID(text).bytes_le for text in uuids)


def select(selector: ClientSelector, read_list: ReadList) -> MacSet:
    """The MACs a selector means that names no groups."""
    return Selecting({}, read_list).select(selector)


def compile_programs(
    programs: Mapping[str, Any], server: Callable[[str], IPv4Address | None]
) -> dict[int, BootProgram]:
    """Boot programs by option-93 code; ``server`` finds the address of a named server."""
    return {
        code: BootProgram(file=program.file, server=server(program.server) if program.server else None)
        for name, program in programs.items()
        if name in ARCHITECTURE_NAMES
        for code in sorted(ARCHITECTURE_NAMES[name])
    }


def _compile_rule(rule: PolicyRule, selecting: Selecting) -> Rule:
    ipxe = rule.programs.get("ipxe")
    return Rule(
        name=rule.name,
        clients=selecting.select(rule.clients),
        by_uuid=selecting.by_uuid(rule.clients),
        architectures=architecture_codes(rule.architectures),
        action=rule.action,
        delay=rule.delay,
        programs=compile_programs(rule.programs, IPv4Address),
        ipxe=BootProgram(file=ipxe.file, server=IPv4Address(ipxe.server) if ipxe.server else None)
        if ipxe
        else None,
        menu=_compile_menu(rule.menu) if rule.menu is not None else None,
    )


def _compile_menu(menu: MenuSettings) -> BootMenu:
    return BootMenu(
        prompt=menu.prompt,
        timeout=menu.timeout,
        entries=tuple(
            MenuEntry(
                type=0 if item.local else item.type or number,
                text=item.text,
                programs=compile_programs(item.programs, IPv4Address),
                registers=item.register_,
            )
            for number, item in enumerate(menu.items, start=1)
        ),
    )


def architecture_codes(names: tuple[str, ...] | None) -> frozenset[int] | None:
    """The option-93 codes of some architecture names; None stays None (any)."""
    return None if names is None else frozenset(code for name in names for code in ARCHITECTURE_NAMES[name])
