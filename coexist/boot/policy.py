"""What one boot server does, as data: the file ``coexist serve`` runs from, and its compiled form.

``BootServerConfig`` is the text (pydantic, rendered by ``render`` and read by ``server``);
``BootPolicy`` is what ``respond`` works on, in the server and in the analyzer alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

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
    Name,
    Options,
    Text,
    Texts,
    one_or_more,
    option_bytes,
)
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import parse_mac_prefix

Action = Literal["serve", "ignore"]


class ClientSelector(Declared):
    """Clients of a rule: any of exact MACs, list files (one MAC a line), prefixes, ranges; minus ``except``.

    An empty selector selects nobody; ``everyone: true`` selects all.
    """

    everyone: bool = False
    macs: MacAddresses = ()
    files: Texts = ()
    prefixes: Texts = ()
    ranges: Texts = ()
    excluded: Annotated[ClientSelector | None, Field(alias="except")] = None


class PolicyRule(Declared):
    """What is done for some clients; the first rule that fits a client decides.

    ``programs`` by architecture name, ``ipxe`` for clients that already run iPXE. Delays in seconds.
    """

    name: Name
    clients: ClientSelector
    architectures: ArchitectureNames | None = None
    action: Action = "serve"
    delay: Delay = Delay()
    programs: Programs = {}


class Listen(Declared):
    """An address the server answers on, and the interface it is on (found by the address if not given)."""

    address: Address
    vlan: Name | None = None
    interface: Text | None = None


class TftpSettings(Declared):
    """TFTP: the directory served, and whether a file is only given to clients a rule serves.

    ``port_range``: first and last UDP port of transfers. ``templates`` maps a file name pattern such as
    ``pxelinux.cfg/01-{mac}`` to a jinja2 template rendered for each client on request.
    """

    root: Text = "/srv/tftp"
    whitelist: bool = True
    port: Annotated[int, Field(ge=0, le=65535)] = 69
    port_range: tuple[int, int] | None = None
    largest_blksize: Annotated[int, Field(ge=8, le=65464)] = 1468
    largest_windowsize: Annotated[int, Field(ge=1, le=65535)] = 64
    templates: dict[str, Text] = {}


class HttpSettings(Declared):
    """HTTP for UEFI HTTP boot and iPXE, from the same directory unless ``root`` is given."""

    root: Text | None = None
    port: Annotated[int, Field(ge=0, le=65535)] = 80


class BootServerConfig(Declared):
    """The configuration file of one boot server. Everything it does follows from this file alone.

    ``discovery_control`` is PXE option 43.6 of its offers; 8 makes strict ROMs use the file of this very
    offer. ``offers_file``: name the file in the offer, not only on port 4011. ``follow_offers``: stay
    silent to a client that was seen to request another PXE server's offer. ``registry`` is the SQLite file
    of clients seen, ``metrics_port`` the TCP port of Prometheus metrics on 127.0.0.1.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BootProgram:
    """A file and the server that has it; ``server`` None means the one that answers."""

    file: str
    server: IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A compiled rule. ``programs`` is by option-93 code; ``ipxe`` for clients that run iPXE already.

    ``architectures`` None means any.
    """

    name: str
    clients: MacSet
    architectures: frozenset[int] | None = None
    action: Action = "serve"
    delay: Delay = field(default_factory=Delay)
    programs: Mapping[int, BootProgram] = field(default_factory=dict)
    ipxe: BootProgram | None = None

    def fits(self, mac: int, architecture: int | None) -> bool:
        """Whether this rule is about the client; one that names no architecture is taken as BIOS."""
        return (
            self.architectures is None or (architecture or 0) in self.architectures
        ) and mac in self.clients


@dataclass(frozen=True, slots=True, kw_only=True)
class BootPolicy:
    """What a boot server decides by. Times in seconds, options as raw octets."""

    name: str
    rules: tuple[Rule, ...]
    answers_67: bool = True
    answers_4011: bool = True
    boot_server: IPv4Address | None = None
    discovery_control: int | None = 8
    offers_file: bool = True
    options: Mapping[int, bytes] = field(default_factory=dict)
    follow_offers: bool = False

    def rule_for(self, mac: int, architecture: int | None) -> Rule | None:
        """The first rule that fits."""
        return next((rule for rule in self.rules if rule.fits(mac, architecture)), None)


ReadList = Callable[[str], MacSet]
"""Reads a list file by the name that stands in the configuration."""


def compile_policy(config: BootServerConfig, read_list: ReadList) -> BootPolicy:
    """The policy of a configuration; ``read_list`` delivers the MACs of a list file."""
    return BootPolicy(
        name=config.name,
        rules=tuple(_compile_rule(rule, read_list) for rule in config.rules),
        answers_67="proxydhcp" in config.services,
        answers_4011=bool(config.services & {"proxydhcp", "boot-server"}) and config.answers_4011,
        boot_server=config.boot_server,
        discovery_control=config.discovery_control,
        offers_file=config.offers_file,
        options={code: option_bytes(code, value) for code, value in config.options.items()},
        follow_offers=config.follow_offers,
    )


def select(selector: ClientSelector, read_list: ReadList) -> MacSet:
    """The MACs a selector means."""
    result = EVERYONE if selector.everyone else MacSet.of(selector.macs)
    for name in selector.files:
        result |= read_list(name)
    for text in selector.prefixes:
        result |= MacSet.interval(*parse_mac_prefix(text))
    for text in selector.ranges:
        result |= MacSet.interval(*mac_range(text))
    return result - (select(selector.excluded, read_list) if selector.excluded else NOBODY)


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


def _compile_rule(rule: PolicyRule, read_list: ReadList) -> Rule:
    ipxe = rule.programs.get("ipxe")
    return Rule(
        name=rule.name,
        clients=select(rule.clients, read_list),
        architectures=architecture_codes(rule.architectures),
        action=rule.action,
        delay=rule.delay,
        programs=compile_programs(rule.programs, IPv4Address),
        ipxe=BootProgram(file=ipxe.file, server=IPv4Address(ipxe.server) if ipxe.server else None)
        if ipxe
        else None,
    )


def architecture_codes(names: tuple[str, ...] | None) -> frozenset[int] | None:
    """The option-93 codes of some architecture names; None stays None (any)."""
    return None if names is None else frozenset(code for name in names for code in ARCHITECTURE_NAMES[name])
