"""What one boot server decides by: the compiled form of its configuration.

``compile_policy`` makes a ``BootPolicy`` of a ``BootServerConfig`` (`coexist.boot.configuration`), by which
``respond`` answers, in the server and in the analyzer alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

from coexist.boot.configuration import (
    Action,
    BootServerConfig,
    ClientSelector,
    MenuSettings,
    PairSettings,
    PolicyRule,
)
from coexist.boot.leases.pairs import EVERYONE as EVERY_BUCKET
from coexist.boot.leases.pairs import Share, below
from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.inventory.models import mac_range
from coexist.inventory.values import Delay, option_bytes
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.load_balancing import BUCKETS
from coexist.wire.mac import parse_mac_prefix


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
