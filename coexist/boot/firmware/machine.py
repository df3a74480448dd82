"""The form every firmware model has: pure steps over an explicit state.

Times are seconds since the client's first DISCOVER. A time is a span (earliest, latest), because
neither the network nor a firmware's timer is exact. A step that can go two ways within its span
gives both.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any, NamedTuple, Protocol, TypeAlias

from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import PxeVendorOptions, encode_vendor_options

Span: TypeAlias = tuple[float, float]
"""Earliest and latest, in seconds."""

KEEP: Span = (-1.0, -1.0)
"""As a step's timer: the running one stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is fixed about one client: MAC, option-93 code, and the UUID of option 97 (16 octets)."""

    mac: int
    architecture: int
    uuid: bytes = bytes(16)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A packet as the client receives it: from which server's address and port. Equal only to itself.

    ``broadcast``: it was sent to everyone, not to the client's address.
    """

    packet: Packet
    source: IPv4Address
    source_port: int
    broadcast: bool = False


class Send(NamedTuple):
    """A packet the client sends."""

    packet: Packet
    address: IPv4Address = LIMITED_BROADCAST
    port: int = DHCP_PORT
    source: IPv4Address = UNSPECIFIED
    source_port: int = CLIENT_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """The client asks for its file.

    ``server``: the address it asks, or a name or URL as its options said it. ``file`` is None where only
    a server is named (phones). ``by``: address of the server whose packet decided. ``after``: seconds
    until the first request for the file. ``asks_dns``: the name servers that it asks first, where the server
    is a host name.
    """

    server: IPv4Address | str
    file: str | None
    by: IPv4Address
    why: str
    after: Span = (0.0, 0.0)
    asks_dns: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The client loads nothing. ``error``: what it shows, or how it ends."""

    error: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an event made of the client: its state, what it sends, when its timer ends, or its end."""

    state: Any
    sends: tuple[Send, ...] = ()
    timer: Span | None = None
    end: Boot | GiveUp | None = None
    note: str = ""


class Firmware(Protocol):
    """How one firmware behaves. ``assumptions`` names what no source settles.

    ``phases``: values of what is fixed during one boot but unknown beforehand (a tick's phase, a reading
    of the specification); with ``continuous`` the model is also asked for values between the first and
    the last.
    """

    @property
    def name(self) -> str:
        """As the inventory calls it."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is not known for certain, one sentence each."""

    @property
    def phases(self) -> tuple[float, ...]:
        """The phases to try."""

    @property
    def continuous(self) -> bool:
        """Whether values between the phases can occur."""

    def begin(self, machine: Machine, phase: float) -> Step:
        """The first DISCOVER, at time 0."""

    def receive(self, state: Any, heard: Heard, at: Span) -> tuple[Step, ...]:
        """What it makes of a packet; nothing at all if it ignores it."""

    def expire(self, state: Any, at: Span) -> Step:
        """What it does when its timer ends."""


class OnePhase:
    """The parts of `Firmware` of one that boots the same way each time."""

    __slots__ = ()

    @property
    def phases(self) -> tuple[float, ...]:
        """It waits for no tick, and its source is read in one way."""
        return (0.0,)

    @property
    def continuous(self) -> bool:
        """There is nothing between."""
        return False


def request(
    machine: Machine,
    message_type: MessageType,
    options: Mapping[int, bytes],
    *,
    xid: int,
    secs: int,
    broadcast: bool,
    ciaddr: IPv4Address = UNSPECIFIED,
) -> Packet:
    """A BOOTREQUEST of this machine."""
    return Packet(
        op=BOOTREQUEST,
        xid=xid,
        secs=secs,
        flags=BROADCAST_FLAG if broadcast else 0,
        ciaddr=ciaddr,
        chaddr=mac_bytes(machine.mac),
        options={Option.DHCP_MESSAGE_TYPE: bytes((message_type,)), **options},
    )


def selecting(lease: Packet) -> dict[int, bytes]:
    """What a DHCPREQUEST names of the offer that it takes (RFC 2131 table 5): options 50, and 54 if it has
    one."""
    options: dict[int, bytes] = {Option.REQUESTED_IP_ADDRESS: lease.yiaddr.packed}
    if Option.SERVER_IDENTIFIER in lease.options:
        options[Option.SERVER_IDENTIFIER] = lease.options[Option.SERVER_IDENTIFIER]
    return options


def is_of_same_server(packet: Packet, lease: Packet) -> bool:
    """Whether a packet has the server identifier of the offer that was taken."""
    return packet.options.get(Option.SERVER_IDENTIFIER) == lease.options.get(Option.SERVER_IDENTIFIER)


def vendor_class(machine: Machine, undi: str, kind: str = "PXEClient") -> bytes:
    """Option 60: ``PXEClient:Arch:00007:UNDI:003000``."""
    return f"{kind}:Arch:{machine.architecture:05d}:UNDI:{undi}".encode()


def client_identity(machine: Machine) -> bytes:
    """Option 97: type 0 and the UUID."""
    return b"\0" + machine.uuid


def item_option(item: int) -> dict[int, bytes]:
    """Option 43 of a request to a boot server: the item's type, layer 0 (PXE 2.1, tag 71)."""
    value = encode_vendor_options(PxeVendorOptions(boot_item=(item, 0)))
    return {Option.VENDOR_SPECIFIC_INFORMATION: value}


def boot_file(packet: Packet) -> bytes:
    """The header's file, else option 67 without the NULs behind it; empty where none is named."""
    return packet.file or packet.options.get(Option.BOOTFILE_NAME, b"").rstrip(b"\0")


def text_of(octets: bytes) -> str:
    """A file name or address as text, up to its first NUL."""
    return octets.partition(b"\0")[0].decode("utf-8", "replace")


def later(at: Span, seconds: float, late: float = 0.0) -> Span:
    """``seconds`` after ``at``, at most ``late`` later."""
    return at[0] + seconds, at[1] + seconds + late
