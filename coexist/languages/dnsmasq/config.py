"""What a dnsmasq.conf makes of DHCP and PXE: its lines as records, each with the number of its line."""

from __future__ import annotations

from dataclasses import field
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from coexist.languages.dnsmasq.options import OptionLine
from coexist.records import dataclass

Tags = tuple[str, ...]
"""Tags a line asks for; one that begins with ``!`` must be absent."""


class Unmodelled(NamedTuple):
    """A line that was understood by its name only, or not at all."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """``dhcp-range``: ``mode`` is dynamic, static or proxy; ``tag`` is set for its clients."""

    start: IPv4Address
    end: IPv4Address | None = None
    netmask: IPv4Address | None = None
    broadcast: IPv4Address | None = None
    mode: str = "dynamic"
    tag: str | None = None
    filter: Tags = ()
    lease_time: int = 3600
    line: int = 0

    @property
    def last(self) -> IPv4Address:
        """Its last address; a range without an end is one address."""
        return self.start if self.end is None else self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class BootLine:
    """``dhcp-boot``. ``host``: a name that the daemon looks up while it runs."""

    tags: Tags = ()
    file: str = ""
    sname: str = ""
    address: IPv4Address | None = None
    host: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """``pxe-service``. ``type`` 0 is local boot; a named file counts types up from 32768."""

    architecture: int
    menu: str
    type: int = 0
    basename: str = ""
    server: IPv4Address | None = None
    host: str = ""
    tags: Tags = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """``pxe-prompt``; 255 seconds wait for ever."""

    text: str
    timeout: int = 255
    tags: Tags = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLine:
    """``dhcp-host``: MAC patterns (``*`` for an octet), what is set or asked, and what the host gets.

    ``lease_time`` in seconds; None is that of its range. ``name`` without its domain.
    """

    macs: tuple[str, ...] = ()
    client_ids: tuple[bytes, ...] = ()
    sets: Tags = ()
    tags: Tags = ()
    address: IPv4Address | None = None
    name: str = ""
    lease_time: int | None = None
    ignore: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchLine:
    """A line that sets a tag. ``kind``: match, vendorclass, userclass, mac, name, circuit, remote or
    subscriber.

    ``option`` is what a match compares; ``text`` whether it is looked for anywhere. ``pattern``: of MAC
    addresses, or a client's name, which may end with ``*``.
    """

    kind: str
    tag: str
    code: int = 0
    value: bytes = b""
    pattern: str = ""
    text: bool = False
    option: OptionLine | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TagIf:
    """``tag-if``."""

    sets: Tags
    tags: Tags
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayLine:
    """``dhcp-reply-delay``, in a file in whole seconds."""

    seconds: float
    tags: Tags = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainLine:
    """``domain``: the name told to clients, of all addresses or of some."""

    name: str
    first: IPv4Address | None = None
    last: IPv4Address | None = None
    line: int = 0

    def holds(self, address: IPv4Address) -> bool:
        """Whether it is the domain of an address by its range."""
        return self.first is not None and self.last is not None and self.first <= address <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedNetwork:
    """``shared-network``: a subnet that counts for packets to an address of the server, or of a relay."""

    match: IPv4Address | None
    address: IPv4Address
    interface: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqConfig:
    """What a dnsmasq.conf makes of DHCP and PXE. Lists are in the order of the file.

    ``refused``: lines the daemon does not start with. ``unmodelled``: lines that may matter and are
    understood by their names only. ``interfaces``: the network cards it listens on. ``dns``: whether it
    answers DNS on port 53, and names itself to clients. ``tftp_root``: the folder of its TFTP server; with
    ``tftp_limits``, lines by which more than a file's name decides whether it is sent.
    """

    ranges: tuple[Range, ...] = ()
    boots: tuple[BootLine, ...] = ()
    services: tuple[Service, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    options: tuple[OptionLine, ...] = ()
    hosts: tuple[HostLine, ...] = ()
    matches: tuple[MatchLine, ...] = ()
    tag_ifs: tuple[TagIf, ...] = ()
    ignores: tuple[Tags, ...] = ()
    ignore_lines: tuple[int, ...] = ()
    broadcasts: tuple[Tags, ...] = ()
    nameless: tuple[Tags, ...] = ()
    named: tuple[Tags, ...] = ()
    delays: tuple[DelayLine, ...] = ()
    domains: tuple[DomainLine, ...] = ()
    shares: tuple[SharedNetwork, ...] = ()
    interfaces: tuple[str, ...] = ()
    relays_named: tuple[IPv4Address, ...] | None = None
    pxe_vendors: tuple[str, ...] = ("PXEClient",)
    authoritative: bool = False
    ping: bool = True
    override: bool = True
    dns: bool = True
    sequential: bool = False
    client_ids: bool = True
    updates_by_client: bool = False
    rapid_commit: bool = False
    tftp: bool = False
    tftp_root: str = ""
    tftp_limits: tuple[Unmodelled, ...] = ()
    refused: tuple[Unmodelled, ...] = field(default=())
    unmodelled: tuple[Unmodelled, ...] = field(default=())

    @property
    def pxe(self) -> bool:
        """Whether PXE clients are treated as such: a service or a prompt turns it on (``enable_pxe``)."""
        return bool(self.services or self.prompts)

    @property
    def is_proxy(self) -> bool:
        """Whether it is a ProxyDHCP for any subnet."""
        return any(r.mode == "proxy" for r in self.ranges)


def network_of(context: Range) -> IPv4Network:
    """The subnet of a range; where the file leaves it to the network card, and no card is known, the /24 that
    holds it, or the smallest wider one.

    dnsmasq takes any four octets for a mask (option.c, one_opt); the ones that it begins with count.
    """
    if context.netmask is None:
        ones = min(24, 32 - (int(context.start) ^ int(context.last)).bit_length())
    else:
        ones = 32 - (~int(context.netmask) & 0xFFFFFFFF).bit_length()
    return IPv4Network((int(context.start), ones), strict=False)
