"""A legacy BIOS ROM by the PXE 2.1 specification, and by what captures show of some.

The ROMs are closed. Where the specification can be read two ways, both are followed: `phases` holds the
readings, and a race that differs between them has both outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

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
    text_of,
    vendor_class,
)
from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import SubOption, decode_suboptions

BOOT_IN_OFFER_FIRST, PROXY_FIRST = 0.0, 1.0
"""The readings: the DHCP server's own boot file first (Microsoft KB 259670), or a proxy's (as EDK2)."""

# PXE 2.1 table 2-3: what a DISCOVER asks for.
REQUESTED = bytes((1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, *range(128, 136)))
XID = 0x21
NO_ANSWER = "PXE-E51: No DHCP or proxyDHCP offers were received"
ONLY_PROXY = "PXE-E52: proxyDHCP offers were received. No DHCP offers were received"
NO_FILE = "PXE-E53: No boot filename received"
NO_4011 = "PXE-E55: ProxyDHCP service did not reply to request on port 4011"


class State(NamedTuple):
    """A session; ``reading`` is how it ranks. Offers in order of arrival. Seconds."""

    machine: Machine
    reading: float
    window: int = 0
    leases: tuple[Heard, ...] = ()
    proxies: tuple[Heard, ...] = ()
    lease: Heard | None = None
    proxy: Heard | None = None
    ack: Heard | None = None
    asks: bool = False
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pxe21:
    """The parameters of a PXE 2.1 ROM, in seconds.

    ``windows``: how long each DISCOVER listens (PXE 2.1 section 2.2.3: 4, 8, 16, 32). ``secs``: what each
    carries; ROMs were captured with 4 in the first. ``plain_after``: window after which an offer without
    PXEClient may be taken (rediscovery on the 4 and 8 s timeouts). ``new_xid``: each DISCOVER has its own
    xid, so that a late answer to an earlier one is not heard. ``request_windows``: tries on port 4011.
    """

    name: str = "pxe21"
    windows: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0)
    secs: tuple[int, ...] = (4, 8, 16, 32)
    plain_after: int = 2
    new_xid: bool = True
    request_windows: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    late: float = 0.05
    assumptions: tuple[str, ...] = (
        "PXE 2.1 ROMs are closed: their timing is taken from the specification",
        "in a PXE 2.1 ROM the DHCP server's boot file or a proxy may come first: both are followed",
    )

    @property
    def phases(self) -> tuple[float, ...]:
        """The two readings."""
        return (BOOT_IN_OFFER_FIRST, PROXY_FIRST)

    @property
    def continuous(self) -> bool:
        """There is nothing between two readings."""
        return False

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1."""
        return self._discover(State(machine=machine, reading=phase), (0.0, 0.0), "")

    def _xid(self, state: State) -> int:
        # Captures: the first octet of the xid counts the DISCOVERs.
        return XID + (state.window << 24 if self.new_xid else 0)

    def _discover(self, state: State, at: Span, note: str) -> Step:
        secs = self.secs[min(state.window, len(self.secs) - 1)]
        packet = request(
            state.machine,
            MessageType.DISCOVER,
            _options(state.machine),
            xid=self._xid(state),
            secs=secs,
            broadcast=True,
        )
        timer = later(at, self.windows[state.window], self.late)
        return Step(state=state, sends=(Send(packet),), timer=timer, note=note)

    # -- receiving -------------------------------------------------------------------------------

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """An offer of the open window, the ACK, or the reply on port 4011."""
        packet = heard.packet
        if packet.xid != self._xid(state):
            return ()
        if state.asks:
            if heard.source_port != BOOT_SERVER_PORT or packet.message_type is not MessageType.ACK:
                return ()
            return (self._load(state, heard),)
        if heard.source_port != DHCP_PORT:
            return ()
        if state.lease is not None:
            return self._hear_ack(state, heard, at)
        if packet.message_type is not MessageType.OFFER:
            return ()
        if packet.yiaddr != UNSPECIFIED:
            state = state._replace(leases=(*state.leases, heard))
            return (Step(state=state, timer=KEEP, note="an address" + (", PXE" if _is_pxe(packet) else "")),)
        if not _is_pxe(packet):
            return (Step(state=state, timer=KEEP, note="neither address nor PXEClient: of no use"),)
        state = state._replace(proxies=(*state.proxies, heard))
        return (Step(state=state, timer=KEEP, note="a proxy"),)

    def _hear_ack(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        assert state.lease is not None
        packet = heard.packet
        own = state.lease.packet
        if packet.message_type is not MessageType.ACK or packet.yiaddr != own.yiaddr:
            return ()
        if packet.options.get(Option.SERVER_IDENTIFIER) != own.options.get(Option.SERVER_IDENTIFIER):
            return ()
        state = state._replace(ack=heard)
        if state.proxy is None:
            return (self._load(state, heard),)
        uses_offer = _control(state.proxy.packet) & 8 and _file(state.proxy.packet)
        if uses_offer:
            return (self._load(state, state.proxy),)
        return (self._ask(state._replace(asks=True, attempt=0), at, "asks on port 4011"),)

    def _ask(self, state: State, at: Span, note: str) -> Step:
        assert state.proxy is not None
        assert state.ack is not None
        own = state.ack.packet.yiaddr
        packet = request(
            state.machine,
            MessageType.REQUEST,
            _options(state.machine),
            xid=self._xid(state),
            secs=self.secs[min(state.window, len(self.secs) - 1)],
            broadcast=False,
            ciaddr=own,
        )
        send = Send(packet, address=state.proxy.source, port=BOOT_SERVER_PORT, source=own)
        timer = later(at, self.request_windows[state.attempt], self.late)
        return Step(state=state, sends=(send,), timer=timer, note=note)

    # -- time ------------------------------------------------------------------------------------

    def expire(self, state: State, at: Span) -> Step:
        """The end of a window or of a try."""
        if state.asks:
            return self._ask_again(state, at)
        if state.lease is not None:
            return self._request_again(state, at)
        lease, proxy, why = self._choose(state)
        if lease is not None:
            return self._request(state._replace(lease=lease, proxy=proxy, attempt=0), at, why)
        if state.window + 1 == len(self.windows):
            if not state.leases:
                error = ONLY_PROXY if state.proxies else NO_ANSWER
                return Step(state=state, end=GiveUp(error=error, why="no address was offered"))
            return Step(state=state, end=GiveUp(error=NO_FILE, why="no offer names a boot file"))
        state = state._replace(window=state.window + 1)
        return self._discover(state, at, "no complete answer yet: DISCOVER again")

    def _choose(self, state: State) -> tuple[Heard | None, Heard | None, str]:
        """The lease, the PXE offer it goes with (None: the lease's own file), and why."""
        with_pxe = next((o for o in state.leases if _is_pxe(o.packet)), None)
        with_file = next((o for o in state.leases if _file(o.packet)), None)
        proxy = state.proxies[0] if state.proxies else None
        waited = state.window + 1 >= self.plain_after
        if with_pxe is not None:
            own = None if _control(with_pxe.packet) & 8 and _file(with_pxe.packet) else with_pxe
            return with_pxe, own, "the DHCP server itself says PXEClient"
        if proxy is not None and state.leases:
            if with_file is not None and state.reading == BOOT_IN_OFFER_FIRST:
                return with_file, None, "the DHCP server's own boot file (one reading)"
            return state.leases[0], proxy, "an address and a proxy"
        if with_file is not None and waited:
            return with_file, None, "no PXE answer came: an offer with a boot file"
        return None, None, ""

    def _request(self, state: State, at: Span, note: str) -> Step:
        assert state.lease is not None
        lease = state.lease.packet
        options = {**_options(state.machine), Option.REQUESTED_IP_ADDRESS: lease.yiaddr.packed}
        if Option.SERVER_IDENTIFIER in lease.options:
            options[Option.SERVER_IDENTIFIER] = lease.options[Option.SERVER_IDENTIFIER]
        secs = self.secs[min(state.window, len(self.secs) - 1)]
        packet = request(
            state.machine, MessageType.REQUEST, options, xid=self._xid(state), secs=secs, broadcast=True
        )
        timer = later(at, self.request_windows[state.attempt], self.late)
        return Step(state=state, sends=(Send(packet),), timer=timer, note=note)

    def _request_again(self, state: State, at: Span) -> Step:
        if state.attempt + 1 == len(self.request_windows):
            return Step(state=state, end=GiveUp(error=NO_ANSWER, why="the address was never acknowledged"))
        return self._request(state._replace(attempt=state.attempt + 1), at, "asks for the address again")

    def _ask_again(self, state: State, at: Span) -> Step:
        if state.attempt + 1 < len(self.request_windows):
            return self._ask(state._replace(attempt=state.attempt + 1), at, "asks again on port 4011")
        assert state.proxy is not None
        if _file(state.proxy.packet):
            note = "port 4011 is silent: some ROMs use the file of the offer, others stop here"
            if state.reading == BOOT_IN_OFFER_FIRST:
                step = self._load(state, state.proxy)
                return replace(step, note=note)
        return Step(state=state, end=GiveUp(error=NO_4011, why=f"{state.proxy.source} never answered there"))

    def _load(self, state: State, source: Heard) -> Step:
        packet = source.packet
        name = _file(packet)
        if not name:
            return Step(
                state=state, end=GiveUp(error=NO_FILE, why=f"the reply of {source.source} names none")
            )
        server = packet.siaddr if packet.siaddr != UNSPECIFIED else source.source
        return Step(
            state=state,
            end=Boot(
                server=server,
                file=text_of(name),
                by=source.source,
                why=f"the packet of {source.source} names the file and, in siaddr, the server",
                after=(0.0, self.late),
            ),
        )


def _is_pxe(packet: Packet) -> bool:
    return packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(b"PXEClient")


def _file(packet: Packet) -> bytes:
    return packet.file or packet.options.get(Option.BOOTFILE_NAME, b"").rstrip(b"\0")


def _control(packet: Packet) -> int:
    vendor = decode_suboptions(packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b""))
    return (vendor.get(SubOption.DISCOVERY_CONTROL) or b"\0")[0]


def _options(machine: Machine) -> dict[int, bytes]:
    return {
        Option.PARAMETER_REQUEST_LIST: REQUESTED,
        Option.MAXIMUM_DHCP_MESSAGE_SIZE: (1260).to_bytes(2, "big"),
        Option.CLIENT_MACHINE_IDENTIFIER: client_identity(machine),
        Option.CLIENT_SYSTEM_ARCHITECTURE: machine.architecture.to_bytes(2, "big"),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: bytes((1, 2, 1)),
        Option.CLIENT_IDENTIFIER: b"\1" + mac_bytes(machine.mac),
        Option.VENDOR_CLASS_IDENTIFIER: vendor_class(machine, "002001"),
    }
