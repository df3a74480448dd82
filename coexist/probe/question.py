"""What the probe asks: packets as real clients send them, and when.

Pure. The packets follow EDK2's and PXE 2.1's DISCOVER and REQUEST (options 53, 55, 57, 60, 93, 94, 97;
RFC 4578) with three deliberate differences:

- option 12 (host name) is ``coexist-probe``, so that dhcpd, Kea and dnsmasq write the probe's name into
  their logs; no real boot ROM sends option 12;
- the broadcast flag is always set, because the probe hears with its own network card and not with the
  client's;
- every transmission has a transaction id of its own, so that an answer tells which DISCOVER it answers.

A probe never sends a REQUEST to port 67: no lease is ever completed.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Literal

from coexist.boot.request import PROBE_HOST_NAME
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE, is_bios, is_http
from coexist.wire.bootp import BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.mac import Mac, mac_bytes
from coexist.wire.options import MessageType, Option

PROBE_MACS = 0x02_C0_E8_00_00_00
"""Locally administered addresses that no machine has: strangers to every whitelist."""

PLAIN = "plain"
"""The client that is no PXE client: what answers it is a DHCP server, what does not wants option 60."""

EDK2_SCHEDULE: tuple[tuple[float, int], ...] = ((0.0, 0), (4.0, 4), (12.0, 12), (28.0, 28))
"""When UEFI sends its DISCOVERs (seconds) and the ``secs`` in each: EDK2 PxeBcDhcp4.c, mPxeDhcpTimeout."""

PXE21_SCHEDULE: tuple[tuple[float, int], ...] = ((0.0, 4), (4.0, 8), (12.0, 16), (28.0, 32))
"""The same for a BIOS ROM: PXE 2.1 section 2.2.1; four vendors' ROMs begin with ``secs`` 4 in captures."""

PATIENCE = 60.0
"""Seconds until UEFI gives up: EDK2's four windows of 4, 8, 16 and 32 s."""

BOOT_SERVER_SCHEDULE: tuple[float, ...] = (0.0, 1.0, 3.0, 6.0)
"""When UEFI repeats its REQUEST on port 4011 (seconds): EDK2 PxeBcDhcp4Discover, windows of 1 to 4 s."""

BOOT_SERVER_PATIENCE = 10.0
"""Seconds until UEFI gives a boot server on port 4011 up."""

_PARAMETERS = bytes.fromhex("010203040506 0c0d0f1112 16171c 28292a2b 3233 363a3b3c 4243 61 8081828384858687")
"""Option 55 of EDK2's DISCOVER (PxeBcBuildDhcp4Options), as captured from OVMF 2022.11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A client the probe speaks for.

    ``architecture`` is a name of ``coexist.wire.architecture`` or ``plain``. ``vlan`` and ``name`` are
    for people.
    """

    mac: Mac
    architecture: str
    vlan: str = ""
    name: str = ""

    @property
    def vendor_class(self) -> bytes:
        """Option 60 as such a client sends it (RFC 4578 section 2.1, UEFI 2.10 section 24.7.3.1)."""
        if self.architecture == PLAIN:
            return b""
        code = CANONICAL_CODE[self.architecture]
        kind = "HTTPClient" if is_http(code) else "PXEClient"
        major, minor = _undi(code)
        return f"{kind}:Arch:{code:05d}:UNDI:{major:03d}{minor:03d}".encode()

    @property
    def schedule(self) -> tuple[tuple[float, int], ...]:
        """When its firmware sends DISCOVERs (seconds), with the ``secs`` in each."""
        return PXE21_SCHEDULE if self.architecture == "bios" else EDK2_SCHEDULE


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """One DISCOVER to be sent: when (seconds after the probe began), and how many came before it."""

    at: float
    asker: Asker
    number: int
    secs: int


def stranger(architecture: str, vlan: str = "") -> Asker:
    """A client nobody has registered, with a MAC of its own for each architecture."""
    code = 0xFFFF if architecture == PLAIN else CANONICAL_CODE[architecture]
    return Asker(mac=PROBE_MACS | code, architecture=architecture, vlan=vlan)


def timetable(askers: Sequence[Asker], *, patience: float, rate: float) -> tuple[Transmission, ...]:
    """All DISCOVERs of some clients in the order they are sent, at most ``rate`` a second.

    Each client begins ``1/rate`` after the one before it and then keeps to its firmware's schedule;
    what would be sent ``patience`` seconds or more after its beginning is left out.
    """
    gap = 1.0 / rate
    wanted = sorted(
        (
            (index * gap + after, number, index, secs)
            for index, asker in enumerate(askers)
            for number, (after, secs) in enumerate(asker.schedule)
            if after < patience
        )
    )
    sent: list[Transmission] = []
    free_at = 0.0
    for at, number, index, secs in wanted:
        begins = max(at, free_at)
        free_at = begins + gap
        sent.append(Transmission(at=begins, asker=askers[index], number=number, secs=secs))
    return tuple(sent)


def discover(
    asker: Asker, *, xid: int, secs: int, giaddr: IPv4Address = UNSPECIFIED, subnet: IPv4Address | None = None
) -> Packet:
    """The DISCOVER of a client; with ``giaddr`` as a relay agent passes it on.

    ``subnet``: the client's subnet where it is not the relay's own (RFC 3527, link selection).
    """
    relayed = giaddr != UNSPECIFIED
    options = _client_options(asker, MessageType.DISCOVER)
    if relayed and subnet is not None:
        options[Option.RELAY_AGENT_INFORMATION] = bytes((5, 4)) + subnet.packed
    return Packet(
        op=BOOTREQUEST,
        hops=1 if relayed else 0,
        xid=xid,
        secs=secs,
        flags=BROADCAST_FLAG,
        giaddr=giaddr,
        chaddr=mac_bytes(asker.mac),
        options=options,
    )


def boot_server_request(asker: Asker, *, xid: int, ciaddr: IPv4Address) -> Packet:
    """The REQUEST on port 4011: as EDK2 sends it, without options 50 and 54, from an address it has."""
    return Packet(
        op=BOOTREQUEST,
        xid=xid,
        ciaddr=ciaddr,
        chaddr=mac_bytes(asker.mac),
        options=_client_options(asker, MessageType.REQUEST),
    )


def _client_options(
    asker: Asker, message: Literal[MessageType.DISCOVER, MessageType.REQUEST]
) -> dict[int, bytes]:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((message,)),
        Option.MAXIMUM_DHCP_MESSAGE_SIZE: (1472).to_bytes(2, "big"),
        Option.PARAMETER_REQUEST_LIST: _PARAMETERS,
        Option.HOST_NAME: PROBE_HOST_NAME,
    }
    if asker.architecture == PLAIN:
        return options
    code = CANONICAL_CODE[asker.architecture]
    # RFC 4578 section 2.3: type 0 and a GUID; derived from the MAC, so that two probes agree.
    options[Option.CLIENT_MACHINE_IDENTIFIER] = b"\0" + b"coexist-pr" + mac_bytes(asker.mac)
    options[Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER] = bytes((1, *_undi(code)))
    options[Option.CLIENT_SYSTEM_ARCHITECTURE] = code.to_bytes(2, "big")
    options[Option.VENDOR_CLASS_IDENTIFIER] = asker.vendor_class
    return options


def _undi(code: int) -> tuple[int, int]:
    """The UNDI version: 2.1 of BIOS ROMs, 3.0 of UEFI (captured from OVMF 2022.11)."""
    return (2, 1) if is_bios(code) else (3, 0)
