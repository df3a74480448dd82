"""What the file of one boot server says: ``coexist render`` writes it, and ``coexist serve`` runs from it.

`coexist.boot.policy` has its compiled form, which the server and the analyzer answer by.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from coexist.inventory.models import ArchitectureNames, MacAddresses, Programs, Role, mac_range
from coexist.inventory.values import (
    WHOLE,
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
)
from coexist.wire.mac import parse_mac_prefix
from coexist.wire.tftp import TFTP_PORT

Action = Literal["serve", "ignore"]
Port = Annotated[int, Field(ge=1, le=65535), WHOLE]


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
    type: Annotated[int, Field(ge=1, le=65535), WHOLE] | None = None
    programs: Programs = {}
    local: bool = False
    register_: Annotated[bool, Field(alias="register")] = False


class MenuSettings(Declared):
    """A boot menu the firmware itself shows (PXE 2.1 section 2.4: options 43.8, 43.9, 43.10).

    ``timeout`` in seconds until the first item is taken: 0 at once, 255 never.
    """

    prompt: Text = "Press F8 for the boot menu"
    timeout: Annotated[int, Field(ge=0, le=255), WHOLE] = 10
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
    delay: Delay = Delay.model_construct()
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
    port: Annotated[int, Field(ge=0, le=65535), WHOLE] = TFTP_PORT
    port_range: tuple[Port, Port] | None = None
    largest_blksize: Annotated[int, Field(ge=8, le=65464), WHOLE] = 1468
    largest_windowsize: Annotated[int, Field(ge=1, le=65535), WHOLE] = 64
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
    port: Annotated[int, Field(ge=0, le=65535), WHOLE] = 80
    whitelist: bool = True
    front: Literal["nginx"] | None = None


class PairSettings(Declared):
    """The server's half of the clients, by the hash of the MAC (RFC 3074): the first of the two has the
    buckets below 128. Whose ``secs`` are larger than ``after`` is answered by both; ``partner`` is the other
    server's name."""

    partner: Name
    part: Literal["first", "second"]
    after: Annotated[int, Field(ge=0, le=255), WHOLE] = 3


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
    discovery_control: Annotated[int, Field(ge=0, le=255), WHOLE] | None = 8
    offers_file: bool = True
    answers_4011: bool = True
    options: Options = {}
    follow_offers: bool = False
    tftp: TftpSettings = TftpSettings.model_construct()
    http: HttpSettings | None = None
    registry: Text | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65535), WHOLE] | None = None
    log: Literal["text", "json"] = "text"
    known: ClientSelector | None = None
    deny: ClientSelector | None = None
    groups: dict[Name, ClientSelector] = {}
    clients: Texts = ()
    observe: bool = False
    workers: Annotated[int, Field(ge=1, le=64), WHOLE] | Literal["auto"] = 1
    pair: PairSettings | None = None
