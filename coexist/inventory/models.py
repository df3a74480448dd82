"""What an inventory may declare: the pydantic models of every section.

Each model checks what can be seen in its own text. Whether the names it uses exist and
whether two declarations fit together is ``references`` and the rules of ``analysis``.
"""

from __future__ import annotations

from datetime import date
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from coexist.inventory.documents import written
from coexist.inventory.values import (
    ONE_OR_MORE,
    Address,
    AddressRange,
    Declared,
    Delay,
    MacAddress,
    Name,
    Names,
    Options,
    Seconds,
    Software,
    Text,
    Texts,
    closest,
    one_or_more,
)
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import parse_mac_prefix


def _network(value: Any) -> Any:
    text = written(value)
    try:
        return IPv4Network(text if text is not None else repr(value))
    except (AddressValueError, NetmaskValueError):
        raise ValueError(f"{value!r} is not a subnet; write it as 10.10.0.0/16") from None
    except ValueError:
        right = IPv4Network(str(text), strict=False)
        raise ValueError(f"{text} has host bits set; write {right}") from None


Network = Annotated[
    IPv4Network, BeforeValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.10.0.0/16"]})
]


def _architecture(value: Any) -> Any:
    text = written(value)
    if text is None or text not in ARCHITECTURE_NAMES:
        raise ValueError(f"{value!r} is not an architecture; {closest(str(text), ARCHITECTURE_NAMES)}")
    return text


ArchitectureName = Annotated[
    str, BeforeValidator(_architecture), WithJsonSchema({"enum": sorted(ARCHITECTURE_NAMES)})
]


ArchitectureNames = Annotated[
    tuple[ArchitectureName, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)
]
Networks = Annotated[
    tuple[Network, ...], BeforeValidator(one_or_more), Field(min_length=1), WithJsonSchema(ONE_OR_MORE)
]
MacAddresses = Annotated[tuple[MacAddress, ...], BeforeValidator(one_or_more), WithJsonSchema(ONE_OR_MORE)]


class Snooping(Declared):
    """DHCP snooping on a VLAN: the switch drops the offers of servers that are not trusted."""

    trusted: Names


class Relay(Declared):
    """How the relay agent (ip-helper) of a VLAN behaves; its targets are the VLAN's ``relay_to``.

    ``address`` is what it writes into giaddr (the gateway if not given); ``min_secs`` its boot
    threshold (RRAS drops packets whose ``secs`` is smaller, 4 by default there).
    """

    address: Address | None = None
    min_secs: Annotated[int, Field(ge=0, le=65535)] = 0
    option_82: bool = False


class Vlan(Declared):
    """One broadcast domain. Times are seconds.

    ``forwarding_delay``: how long a port drops packets after link-up (spanning tree without
    portfast). ``jitter``: packets that arrive closer together than this may arrive in either order.
    ``blocked_ports``: UDP ports a firewall drops between this VLAN's clients and other subnets.
    """

    id: Annotated[int, Field(ge=1, le=4094)]
    subnet: Networks
    gateway: Address | None = None
    relay_to: Names = ()
    relay: Relay = Relay()
    snooping: Snooping | None = None
    forwarding_delay: Seconds = 0.0
    jitter: Seconds | None = None
    blocked_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = ()


FIRMWARES: dict[str, str] = {
    "edk2": "UEFI PXE as in EDK2 (UefiPxeBcDxe), practically every UEFI vendor",
    "edk2-http": "UEFI HTTP boot as in EDK2 (HttpBootDxe)",
    "ipxe": "iPXE as a ROM or chain-loaded",
    "pxe21": "a legacy BIOS ROM by the PXE 2.1 specification",
    "phone-66": "an IP phone that takes option 66 from its lease",
    "phone-150": "an IP phone that takes option 150, then 66, from its lease",
    "first-offer": "a client that takes the first address offer and knows no ProxyDHCP (U-Boot)",
}
"""The firmware kinds whose behaviour is modelled in ``coexist.boot``; own ones are declared as variants."""

Role = Literal["dhcp", "proxydhcp", "boot-server", "tftp", "http"]
"""``boot-server`` is a PXE boot server that answers on port 4011 only."""

_USUAL_ROLES: dict[str, frozenset[Role]] = {
    "coexist": frozenset({"proxydhcp", "tftp"}),
    "isc-dhcpd": frozenset({"dhcp"}),
    "kea": frozenset({"dhcp"}),
    "windows-dhcp": frozenset({"dhcp"}),
    "wds": frozenset({"proxydhcp", "tftp"}),
    "configmgr": frozenset({"proxydhcp", "tftp"}),
    "openthinclient": frozenset({"proxydhcp", "tftp"}),
    "tftpd": frozenset({"tftp"}),
}


class Answers(Declared):
    """Whom a server answers, as its product calls it.

    ``everyone``, ``nobody``; ``known``: registered clients of this inventory; ``unknown``: all
    others; ``intended``: exactly the clients the intent gives to it; ``only``: a whitelist of groups;
    ``all_except``: a deny list of groups. ``architectures`` narrows each of them.
    """

    shorthand = {
        "anyOf": [
            {"enum": ["everyone", "nobody", "known", "unknown", "intended"]},
            {
                "type": "object",
                "properties": {"only": ONE_OR_MORE, "except": ONE_OR_MORE, "architectures": ONE_OR_MORE},
                "additionalProperties": False,
            },
        ]
    }

    who: Literal["everyone", "nobody", "known", "unknown", "intended", "only", "all_except"] = "everyone"
    groups: Names = ()
    architectures: ArchitectureNames | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        plain = ("everyone", "nobody", "known", "unknown", "intended")
        if isinstance(value, str):
            if value not in plain:
                raise ValueError(
                    f"{value!r} says not whom to answer; {closest(value, plain)} or {{only: [group]}}"
                )
            return {"who": value}
        if isinstance(value, dict) and "who" not in value:
            value = dict(value)
            lists = [key for key in ("only", "except") if key in value]
            if len(lists) > 1:
                raise ValueError(
                    "`only` and `except` exclude each other; make the difference a group of its own"
                )
            if lists:
                value["groups"] = value.pop(lists[0])
                value["who"] = "only" if lists == ["only"] else "all_except"
                if value["groups"] in ([], None, ()):
                    raise ValueError(
                        f"the {lists[0]!r} list is empty; name a group, or write `nobody` or `everyone`"
                    )
        return value


class Program(Declared):
    """A network boot program: what is loaded and from where.

    ``file`` is a TFTP path or an http URL. ``server`` names the server (or its address) that has
    the file, if it is not the one that answers.
    """

    shorthand = {"type": "string"}

    file: Text
    server: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        text = written(value)
        return {"file": text} if text is not None else value

    @field_validator("file")
    @classmethod
    def _file(cls, value: str) -> str:
        if not value or any(ord(c) < 32 for c in value):
            raise ValueError(f"{value!r} is no file name; write a path without control characters")
        if len(value.encode()) > 127:
            raise ValueError(
                "the file name is longer than the 127 octets of the DHCP header field; use a shorter path"
            )
        return value


Stage = Literal["ipxe"]
STAGES: tuple[str, ...] = ("ipxe",)


def _programs(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(
            f"{value!r} names no architecture; write for example {{bios: lpxelinux.0, uefi-x64: ipxe.efi}}"
        )
    for key in value:
        if key not in ARCHITECTURE_NAMES and key not in STAGES:
            raise ValueError(
                f"{key!r} is neither an architecture nor a client stage; "
                f"{closest(str(key), [*ARCHITECTURE_NAMES, *STAGES])}"
            )
    return value


Programs = Annotated[
    dict[str, Program],
    BeforeValidator(_programs),
    Field(
        description="boot program by architecture name; `ipxe` is what a client gets that already runs iPXE"
    ),
]


class Deployment(Declared):
    """How a server is reached and what a rollout does there. Secrets never stand here.

    ``paths`` maps the name of a rendered file to its path on the target.
    """

    host: Text
    user: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    paths: dict[str, Text] = {}
    check: Text | None = None
    reload: Text | None = None
    sudo: bool = False


class Server(Declared):
    """One server and how it behaves today.

    ``answers``, ``delay`` and ``programs`` describe its boot service. ``fixed``: another team's,
    planned around and never rendered or changed. ``host`` names the machine it shares with other
    servers. What a product decides by itself (dnsmasq's option 43, openthinclient's silence about
    delays) is known to ``boot`` and need not be written; the fields below override it.

    ``discovery_control``: PXE option 43.6 in its offers (8: use the file of this offer), null for
    none. ``offers_file``: whether the offer itself names the file. ``answers_4011``: whether it
    answers the REQUEST on port 4011. ``ping_check``: a DHCP server pings an address before it
    offers it (dhcpd does unless told otherwise). ``settings``: further keywords of its product.
    """

    software: Software
    address: Address | None = None
    vlan: Name | None = None
    addresses: dict[Name, Address] = {}
    roles: Annotated[frozenset[Role], BeforeValidator(one_or_more)] = frozenset()
    answers: Answers = Answers()
    delay: Delay = Delay()
    delay_for: dict[Name, Delay] = {}
    programs: Programs = {}
    boot_server: Text | None = None
    options: Options = {}
    discovery_control: Annotated[int, Field(ge=0, le=255)] | None = None
    offers_file: bool | None = None
    answers_4011: bool | None = None
    authoritative: bool = True
    ping_check: bool | None = None
    fixed: bool = False
    host: Name | None = None
    settings: dict[str, Any] = {}
    deploy: Deployment | None = None
    owner: Text | None = None

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Self:
        if self.addresses and (self.address or self.vlan):
            raise ValueError("`addresses` and `address`/`vlan` say the same thing; keep one of them")
        if not self.addresses and not (self.address and self.vlan):
            raise ValueError(
                "it stands nowhere; write `address: 10.10.0.5` and `vlan: office`, "
                "or `addresses: {office: 10.10.0.5}`"
            )
        if not self.effective_roles:
            raise ValueError(
                f"{self.software.product} can have several roles; "
                "write `roles: [dhcp]` or `roles: [proxydhcp, tftp]`"
            )
        return self

    @property
    def stands_on(self) -> dict[str, IPv4Address]:
        """Its address on each VLAN it stands on."""
        if self.addresses:
            return dict(self.addresses)
        return {self.vlan: self.address} if self.vlan and self.address else {}

    @property
    def effective_roles(self) -> frozenset[Role]:
        """The declared roles, or those its product usually has."""
        return self.roles or _USUAL_ROLES.get(self.software.product, frozenset())


class OptionTest(Declared):
    """A test on one option of the client's packet; exactly one of the comparisons."""

    option: Annotated[int, Field(ge=1, le=254)]
    equals: Text | None = None
    starts_with: Text | None = None
    contains: Text | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.equals, self.starts_with, self.contains, self.exists)) != 1:
            raise ValueError("a test has one comparison; keep equals, starts_with, contains or exists")
        return self


class ScopeRule(Declared):
    """What a DHCP server hands to some of its clients.

    All conditions must hold. Rules are read from top to bottom; each value (next server, file,
    each option) comes from the first rule that matches and sets it, then from the scope.
    ``programs`` sets the file by architecture. ``ignore``: the client gets no answer at all.
    """

    clients: Names | None = None
    architectures: ArchitectureNames | None = None
    vendor_class: Text | None = None
    user_class: Text | None = None
    when: tuple[OptionTest, ...] = ()
    next_server: Text | None = None
    filename: Text | None = None
    programs: Programs = {}
    options: Options = {}
    ignore: bool = False
    name: Name | None = None


class Pool(Declared):
    """Addresses a scope leases, and to whom: nothing given means to everyone."""

    shorthand = {"type": "string", "examples": ["10.10.1.10-10.10.1.99"]}

    range: AddressRange
    allow: Names = ()
    deny: Names = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return value if isinstance(value, dict) and "range" in value else {"range": value}


class Scope(Declared):
    """A subnet as its DHCP server (or a failover pair) serves it.

    ``server`` names one or several. ``next_server`` (siaddr) is a server's name or an address,
    ``filename`` the header field ``file``. ``min_secs`` is a threshold of dhcpd on the client's ``secs``.
    Lease times are seconds.
    """

    servers: Annotated[Names, Field(alias="server")]
    vlan: Name
    subnet: Network | None = None
    pools: tuple[Pool, ...] = ()
    reservations: bool = True
    options: Options = {}
    next_server: Text | None = None
    filename: Text | None = None
    programs: Programs = {}
    rules: tuple[ScopeRule, ...] = ()
    lease_time: Annotated[int, Field(ge=60)] = 43200
    min_secs: Annotated[int, Field(ge=0, le=255)] = 0


class Client(Declared):
    """A machine written into the inventory itself instead of a CSV file."""

    mac: Annotated[MacAddresses, Field(min_length=1)]
    name: Text = ""
    location: Text = ""
    hardware: Text = ""
    architecture: ArchitectureName | None = None
    firmware: Name | None = None
    vlan: Name | None = None
    address: Address | None = None
    tags: Texts = ()


class Group(Declared):
    """Clients by any of: registered clients that match ``where``, exact MACs, a CSV file, OUIs, prefixes,
    ranges, other groups; minus ``except``. What is said of its members' architecture and firmware holds
    for those that do not say it themselves."""

    where: dict[str, Texts] = {}
    macs: MacAddresses = ()
    file: Text | None = None
    oui: Texts = ()
    prefix: Texts = ()
    range: Texts = ()
    groups: Names = ()
    excluded: Annotated[Names, Field(alias="except")] = ()
    architecture: ArchitectureNames | None = None
    firmware: Names | None = None
    vlan: Names | None = None

    @field_validator("oui", "prefix")
    @classmethod
    def _prefixes(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for text in values:
            parse_mac_prefix(text)
        return values

    @field_validator("range")
    @classmethod
    def _ranges(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for text in values:
            mac_range(text)
        return values


def mac_range(text: str) -> tuple[int, int]:
    """First and last MAC of ``52:54:00:00:00:00-52:54:00:00:00:ff`` (or with `` to ``).

    Raises ValueError with the remedy.
    """
    from coexist.wire.mac import parse_mac

    for separator in (" to ", " - ", "..", "-"):
        first, found, last = text.partition(separator)
        if found and separator == "-" and text.count("-") != 1:
            break
        if found:
            low, high = parse_mac(first.strip()), parse_mac(last.strip())
            if high < low:
                raise ValueError(
                    f"the range {text} ends before it begins; write {last.strip()} to {first.strip()}"
                )
            return low, high
    raise ValueError(
        f"{text!r} is not a range of MAC addresses; write 52:54:00:00:00:00 to 52:54:00:00:00:ff"
    )


class IntentRule(Declared):
    """Who shall answer whom. The first rule that matches a client on a VLAN decides.

    ``boot_from`` names a server, or is ``nobody``. ``fallback`` are the servers that shall take
    over, in this order, when those before them stay silent. ``options`` are what a phone or another
    non-PXE client shall find in its lease.
    """

    clients: Names = ("everyone",)
    unless: Names = ()
    vlan: Names | None = None
    architectures: ArchitectureNames | None = None
    boot_from: Name | None = None
    fallback: Names = ()
    options: Options = {}
    owner: Text | None = None
    reason: Text | None = None
    until: date | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.boot_from is None and not self.options:
            raise ValueError(
                "the rule says nothing; write `boot_from: otc`, `boot_from: nobody`, "
                "or the `options` they shall find"
            )
        return self


class FirmwareVariant(Declared):
    """A firmware of the administrator's own: a known one with other parameters (seconds).

    ``discover_at``: when DISCOVERs are sent. ``secs``: what each carries. ``gives_up_at``: the end.
    Further parameters are those of the model it is like: see docs/reference/firmware.md.
    """

    like: Name
    parameters: dict[str, Any] = {}


class Suppression(Declared):
    """A finding that is accepted, with the reason; ``where`` narrows it to a path such as servers.sccm."""

    code: Annotated[str, Field(pattern=r"^CX[1-7][0-9]{2}$")]
    where: Text | None = None
    reason: Annotated[Text, Field(min_length=3)]
    until: date | None = None


def _share(value: Any) -> Any:
    text = written(value)
    if text is not None and text.endswith("%"):
        try:
            return float(text[:-1]) / 100
        except ValueError:
            raise ValueError(f"{text!r} is not a share; write 10% or 0.1") from None
    return value


Share = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": "^[0-9.]+%$"},
            ]
        }
    ),
]


class Gate(Declared):
    """What must hold before the next wave begins.

    ``checklist``: every item passed on every pilot machine. ``quiet_days``: days since the wave and since
    the last complaint. ``seen_share``: the share of moved machines that were seen booting from the new
    server (0 to 1, or written 90%).
    """

    checklist: bool = True
    quiet_days: Annotated[int, Field(ge=0)] = 0
    seen_share: Annotated[Share, Field(ge=0, le=1)] = 0.0


class Wave(Declared):
    """One step of a migration: which clients move, when, and what must hold before the next.

    ``machines`` are single ones, by name or MAC. ``clients`` (groups) and ``location`` narrow what is
    left; neither means all of it. ``share`` takes so much of each hardware type (or location, or of
    all together: ``by``), counted on everything the wave selects, moved or not. ``size`` is the most
    that move. A wave that names nothing takes the rest. ``gate`` replaces the migration's own.
    """

    name: Name
    machines: Texts = ()
    clients: Names = ()
    location: Texts = ()
    share: Annotated[Share, Field(gt=0, le=1)] | None = None
    by: Literal["hardware", "location", "all"] = "hardware"
    size: Annotated[int, Field(ge=1)] | None = None
    not_before: date | None = None
    gate: Gate | None = None


class Migration(Declared):
    """From one server generation to the next, in waves.

    ``pilots`` (groups) are a first wave of that name. ``stays`` may be left behind on the old server.
    ``parking``: how a client stays registered on the server that must not serve it; ``first-digit``
    changes the first hexadecimal digit of its MAC, ``local`` makes it a locally administered address.
    ``settle``: seconds a boot that began may take before its server is taken away.
    """

    source: Annotated[Name, Field(alias="from")]
    target: Annotated[Name, Field(alias="to")]
    clients: Names = ("known",)
    pilots: Names = ()
    waves: tuple[Wave, ...] = ()
    gate: Gate = Gate()
    checklist: Texts = ()
    stays: Names = ()
    parking: Literal["first-digit", "local", "none"] = "first-digit"
    settle: Seconds = 90.0

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.source == self.target:
            raise ValueError(f"it goes from {self.source} to itself; name the new server in `to`")
        names = [wave.name for wave in self.all_waves]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two waves are called {twice!r}; give each a name of its own")
        return self

    @property
    def all_waves(self) -> tuple[Wave, ...]:
        """The waves in their order; ``pilots``, if declared, is the first."""
        return ((Wave(name="pilots", clients=self.pilots),) if self.pilots else ()) + self.waves


class Clients(Declared):
    """Where the registered clients stand: CSV files beside the inventory, or written out."""

    files: Texts = ()
    listed: tuple[Client, ...] = ()


class Site(Declared):
    """The whole inventory as it is written."""

    site: Name
    jitter: Seconds = 0.005
    vlans: dict[Name, Vlan] = {}
    servers: dict[Name, Server] = {}
    scopes: dict[Name, Scope] = {}
    clients: Clients = Clients()
    groups: dict[Name, Group] = {}
    architectures: dict[ArchitectureName, Names] = {"bios": ("pxe21", "ipxe"), "uefi-x64": ("edk2",)}
    firmwares: dict[Name, FirmwareVariant] = {}
    intent: tuple[IntentRule, ...] = ()
    migrations: dict[Name, Migration] = {}
    suppress: tuple[Suppression, ...] = ()
