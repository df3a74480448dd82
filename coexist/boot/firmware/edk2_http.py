"""UEFI HTTP boot: ``NetworkPkg/HttpBootDxe`` (HttpBootDhcp4.c) on the same Dhcp4Dxe as UEFI PXE."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import NamedTuple

from coexist.boot.firmware import edk2_packet
from coexist.boot.firmware.edk2_packet import Cached
from coexist.boot.firmware.edk2_windows import Windows
from coexist.boot.firmware.machine import (
    KEEP,
    Boot,
    GiveUp,
    Heard,
    Machine,
    Send,
    Span,
    Step,
    client_identity,
    later,
    request,
    vendor_class,
)
from coexist.boot.request import DHCP_PORT
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import MessageType, Option

XID = 0x0EDCB007
REQUESTED = bytes((1, 3, 6, 12, 15, 43, 50, 51, 54, 60, 67, 97))
TIMEOUT = "no answer to HTTP boot"
NO_SIZE = "Error: Could not retrieve NBP file size from HTTP server."


class State(NamedTuple):
    """What the client has cached (first received first) and where it stands; times in seconds."""

    machine: Machine
    ends: tuple[float, ...]
    window: int = 0
    plain: tuple[Cached, ...] = ()
    dhcp_http: tuple[Cached, ...] = ()
    proxy_http: tuple[Cached, ...] = ()
    cached: int = 0
    fresh: bool = False
    lease: Cached | None = None
    source: Cached | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edk2Http(Windows):
    """The parameters of UEFI HTTP boot beside its windows.

    ``plain_http``: whether http:// is allowed (PcdAllowHttpConnections; vendors often turn it on).
    ``trusts_https``: whether the certificate authority of the server is enrolled (TlsCaCertificate); without
    one every https:// URL fails (TlsConfigCertificate of HttpDxe; capture of OVMF).
    """

    name: str = "edk2-http"
    plain_http: bool = True
    trusts_https: bool = False
    assumptions: tuple[str, ...] = (
        "the firmware allows http:// URLs (EDK2's own default allows only https://)",
    )

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1."""
        state = State(machine=machine, ends=self.ends(phase))
        return self._discover(state, "")

    def _discover(self, state: State, note: str) -> Step:
        secs = self.secs_of(state.window)
        packet = request(
            state.machine, MessageType.DISCOVER, _options(state.machine), xid=XID, secs=secs, broadcast=True
        )
        return Step(
            state=state, sends=(Send(packet),), timer=self.end_of(state.ends, state.window), note=note
        )

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """An offer while it collects, an ACK afterwards."""
        packet = heard.packet
        if packet.xid != XID or heard.source_port != DHCP_PORT or not edk2_packet.is_acceptable(heard):
            return ()
        cached = edk2_packet.parse(heard)
        if state.lease is not None:
            return self._hear_ack(state, cached, at)
        if packet.message_type is not MessageType.OFFER or not cached.server_id:
            return ()
        state = state._replace(fresh=True)
        if state.cached >= self.cache:
            return (Step(state=state, timer=KEEP, note=f"the cache of {self.cache} offers is full"),)
        is_http = _is_http(cached) and cached.file is not None
        if packet.yiaddr == UNSPECIFIED and not is_http:
            return (Step(state=state, timer=KEEP, note="no HTTPClient offer: discarded"),)
        kept = state._replace(cached=state.cached + 1)
        if not is_http:
            kept = kept._replace(plain=(*state.plain, cached))
        elif packet.yiaddr == UNSPECIFIED:
            kept = kept._replace(proxy_http=(*state.proxy_http, cached))
        else:
            kept = kept._replace(dhcp_http=(*state.dhcp_http, cached))
        return (Step(state=kept, timer=KEEP, note="HTTP offer" if is_http else "plain DHCP offer"),)

    def expire(self, state: State, at: Span) -> Step:
        """End of a window, or an unanswered REQUEST."""
        if state.lease is not None:
            if state.attempt == 3:
                return Step(state=state, end=GiveUp(error=TIMEOUT, why="the address was never acknowledged"))
            return self._request(state._replace(attempt=state.attempt + 1), at, "asks for the address again")
        if state.fresh:
            lease, source = _select(state)
            if lease is not None and source is not None:
                state = state._replace(lease=lease, source=source)
                return self._request(state, at, f"takes {source.file} of {source.source}")
        if state.window + 1 == len(state.ends):
            return Step(state=state, end=GiveUp(error=TIMEOUT, why="no HTTP offer and address were heard"))
        return self._discover(
            state._replace(window=state.window + 1, fresh=False), "no HTTP offer yet: DISCOVER again"
        )

    def _request(self, state: State, at: Span, note: str) -> Step:
        assert state.lease is not None
        options = {
            Option.SERVER_IDENTIFIER: state.lease.server_id,
            Option.REQUESTED_IP_ADDRESS: state.lease.packet.yiaddr.packed,
            **_options(state.machine),
        }
        secs = self.secs_of(state.window)
        packet = request(state.machine, MessageType.REQUEST, options, xid=XID, secs=secs, broadcast=True)
        timer = later(at, (4.0, 8.0, 16.0, 32.0)[state.attempt])
        return Step(state=state, sends=(Send(packet),), timer=timer, note=note)

    def _hear_ack(self, state: State, cached: Cached, at: Span) -> tuple[Step, ...]:
        assert state.lease is not None
        assert state.source is not None
        if cached.packet.message_type is not MessageType.ACK or cached.server_id != state.lease.server_id:
            return ()
        return (self._load(state, state.source),)

    def _load(self, state: State, source: Cached) -> Step:
        url = source.file or ""
        scheme, found, rest = url.partition("://")
        # HttpBootCheckUriScheme writes the scheme in lower case into the URL it then asks for.
        scheme = scheme.lower()
        if not found or scheme not in ("http", "https"):
            why = f"{url!r} is no URL"
            return Step(state=state, end=GiveUp(error="Error: the URI of HTTP boot is invalid", why=why))
        if scheme == "http" and not self.plain_http:
            return Step(state=state, end=GiveUp(error="Error: http:// is refused", why=url))
        if scheme == "https" and not self.trusts_https:
            why = f"{url}: no certificate authority is enrolled in the firmware"
            return Step(state=state, end=GiveUp(error=NO_SIZE, why=why))
        host = _host(rest)
        return Step(
            state=state,
            end=Boot(
                server=host,
                file=f"{scheme}://{rest}",
                by=source.source,
                why=f"the packet of {source.source} names the URL",
                after=(0.0, 1.0),
                asks_dns=() if isinstance(host, IPv4Address) else _name_servers(state),
            ),
        )


def _is_http(cached: Cached) -> bool:
    return cached.packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(b"HTTPClient")


def _host(rest: str) -> IPv4Address | str:
    host = rest.split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]
    try:
        return IPv4Address(host)
    except ValueError:
        return host


def _is_literal(cached: Cached) -> bool:
    host = _host((cached.file or "").partition("://")[2])
    # What is no URL at all is selected all the same, and fails when it is read (HttpBootParseDhcp4Packet).
    return isinstance(host, IPv4Address) or "://" not in (cached.file or "")


def _has_dns(cached: Cached) -> bool:
    return Option.DOMAIN_NAME_SERVER in cached.packet.options


def _name_servers(state: State) -> tuple[IPv4Address, ...]:
    """HttpBootDhcp4ExtractUriInfo: option 6 of the offer that gave the address."""
    assert state.lease is not None
    value = state.lease.packet.options.get(Option.DOMAIN_NAME_SERVER, b"")
    return tuple(IPv4Address(value[at : at + 4]) for at in range(0, len(value) - len(value) % 4, 4))


def _select(state: State) -> tuple[Cached | None, Cached | None]:
    """HttpBootSelectDhcpOffer: the lease's offer and the one whose URL is used."""
    for offers in (
        [o for o in state.dhcp_http if _is_literal(o) and not _has_dns(o)],
        [o for o in state.dhcp_http if _is_literal(o) and _has_dns(o)],
        [o for o in state.dhcp_http if not _is_literal(o) and _has_dns(o)],
    ):
        if offers:
            return offers[0], offers[0]
    literal = [o for o in state.proxy_http if _is_literal(o)]
    named = [o for o in state.proxy_http if not _is_literal(o)]
    without = [o for o in state.plain if not _has_dns(o)]
    resolving = [o for o in state.plain if _has_dns(o)]
    if without and literal:
        return without[0], literal[0]
    if resolving and literal:
        return resolving[0], literal[0]
    if resolving and named:
        return resolving[0], named[0]
    unresolved = [o for o in state.dhcp_http if not _is_literal(o)]
    if resolving and unresolved:
        return resolving[0], unresolved[0]
    return None, None


def _options(machine: Machine) -> dict[int, bytes]:
    return {
        Option.PARAMETER_REQUEST_LIST: REQUESTED,
        Option.CLIENT_MACHINE_IDENTIFIER: client_identity(machine),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: bytes((1, 3, 0)),
        Option.CLIENT_SYSTEM_ARCHITECTURE: machine.architecture.to_bytes(2, "big"),
        Option.VENDOR_CLASS_IDENTIFIER: vendor_class(machine, "003000", "HTTPClient"),
    }
