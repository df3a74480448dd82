"""The form every loader model has: what the firmware leaves it, and what it asks of whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from enum import Enum
from ipaddress import IPv4Address
from itertools import groupby
from typing import Literal, Protocol

from coexist.boot.firmware.machine import Machine, text_of
from coexist.boot.loaders.names import is_url
from coexist.records import dataclass
from coexist.wire.architecture import is_http
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option

Protocol_ = Literal["tftp", "http", "https"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a loader finds when it starts.

    ``server`` and ``file``: where the firmware loaded it from, as it asked. ``ack``: the DHCPACK of the
    lease. ``proxy``: the ProxyDHCP offer that the firmware took, ``reply``: the answer from port 4011;
    None where there was none. ``then``: the loader that the inventory says comes next; ``embedded``: what a
    built-in script reads.
    """

    machine: Machine
    server: IPv4Address | str
    file: str
    ack: Packet | None
    proxy: Packet | None = None
    reply: Packet | None = None
    then: str | None = None
    embedded: tuple[str, ...] = ()

    @property
    def by_http(self) -> bool:
        """Whether UEFI HTTP boot loaded it, which leaves no PXE packets."""
        return is_url(self.file) and is_http(self.machine.architecture)

    @property
    def boot_packet(self) -> Packet | None:
        """The packet that named the file: the answer from port 4011, else the proxy's offer, else the ACK.

        What a PXE stack hands out as the cached reply (PXE 2.1 section 3.3.1, PXENV_GET_CACHED_INFO 3), and
        what EDK2 leaves as ProxyOffer (PxeBcDhcp4.c, PxeBcRetryBinlOffer: the 4011 answer replaces it).
        """
        return self.reply or self.proxy or self.ack

    @property
    def directory(self) -> str:
        """The directory of the loaded file with its last slash, empty for the root."""
        return directory_of(self.file)


class Role(Enum):
    """What a request means to the loader that makes it."""

    NEEDED = "needed"
    OPTIONAL = "goes on without it"
    FIRST = "the first of these that exists"
    MAYBE = "some builds ask for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One file a loader asks for. ``server``: whom, if not the server of its stage.

    ``group``: which of several choices a file of the role FIRST belongs to; each must be met.
    """

    file: str
    role: Role = Role.NEEDED
    group: int = 0
    protocol: Protocol_ = "tftp"
    server: IPv4Address | str | None = None


class Ending(Enum):
    """How a stage goes on."""

    CONFIGURATION = "its configuration decides what follows"
    PROGRAM = "it loads another program"
    DHCP = "it asks DHCP again"
    PROMPT = "it ends at a prompt"
    NOBODY = "it asks an address that nobody can have"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one loader does.

    ``server``: whom it asks; None for nobody. ``loads``: the program it starts, with ``ending`` PROGRAM.
    ``why``: where it has the server from, and whether that is the lease and nothing else
    (``reads_lease``). ``remedy``: what to declare where it ends badly. ``certain``: whether every build of
    the loader does so.
    """

    loader: str
    title: str
    server: IPv4Address | str | None
    fetches: tuple[Fetch, ...] = ()
    ending: Ending = Ending.CONFIGURATION
    loads: str | None = None
    why: str
    reads_lease: bool = False
    certain: bool = True
    remedy: str | None = None
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = field(default=())

    @property
    def fails(self) -> bool:
        """Whether the boot ends here."""
        return self.ending in (Ending.PROMPT, Ending.NOBODY)


class Loader(Protocol):
    """One family of boot loaders."""

    @property
    def name(self) -> str:
        """As the inventory calls it."""

    @property
    def title(self) -> str:
        """As people call it."""

    @property
    def source(self) -> str:
        """The source file and version, or the recorded boots, that the model rests on."""

    def follow(self, loaded: Loaded) -> Stage:
        """What it asks, of whom."""


Has = Callable[["IPv4Address | str", str], bool]
"""Whether a server has a file."""


def requests(stage: Stage, has: Has) -> Iterator[tuple[IPv4Address | str, str, Role]]:
    """What a stage asks for where it is known which files exist: server, file, role, in order."""
    for role, fetches in _steps(stage):
        met = False
        for fetch in fetches:
            server = fetch.server or stage.server
            if server is not None:
                yield server, fetch.file, role
                met = has(server, fetch.file)
                if met and role is Role.FIRST:
                    break
        if not met and role in (Role.NEEDED, Role.FIRST):
            return


def complete(stage: Stage, has: Has) -> bool:
    """Whether a stage finds every file without which it ends."""
    for role, fetches in _steps(stage):
        there = [
            (server := fetch.server or stage.server) is not None and has(server, fetch.file)
            for fetch in fetches
        ]
        if (role is Role.NEEDED and not all(there)) or (role is Role.FIRST and not any(there)):
            return False
    return True


def _steps(stage: Stage) -> Iterator[tuple[Role, tuple[Fetch, ...]]]:
    """Its files one by one, and each choice as a whole."""
    for (role, _, _), fetches in groupby(enumerate(stage.fetches), key=_step):
        yield role, tuple(fetch for _, fetch in fetches)


def _step(numbered: tuple[int, Fetch]) -> tuple[Role, int, int]:
    number, fetch = numbered
    return fetch.role, fetch.group, 0 if fetch.role is Role.FIRST else number


def named_server(packet: Packet | None) -> IPv4Address | None:
    """The next server of a packet's header, None where it names none."""
    return None if packet is None or packet.siaddr == UNSPECIFIED else packet.siaddr


def server_identifier(packet: Packet | None) -> IPv4Address | None:
    """Option 54 of a packet."""
    octets = packet.options.get(Option.SERVER_IDENTIFIER, b"") if packet is not None else b""
    return IPv4Address(octets) if len(octets) == 4 else None


def header_file(packet: Packet | None) -> str:
    """The boot file of a packet's header."""
    return text_of(packet.file) if packet is not None else ""


def directory_of(file: str) -> str:
    """The directory part of a path or URL with its last slash or backslash; empty for none."""
    cut = max(file.rfind("/"), file.rfind("\\")) + 1
    return file[:cut]
