"""A client that takes the first address offer and knows no ProxyDHCP: U-Boot (``net/bootp.c``).

The same engine serves IP phones (`phone`): they differ in what they read from the ACK.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    later,
    request,
    text_of,
)
from coexist.boot.request import DHCP_PORT
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

XID = 0xB007


class State(NamedTuple):
    """Which DISCOVER it is at, and the lease it took; seconds."""

    machine: Machine
    sent: int = 0
    lease: Heard | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOffer:
    """The parameters of such a client, in seconds.

    ``discover_at``: when DISCOVERs are sent; ``gives_up_at``: the end. Its ``secs`` are seconds.
    ``vendor_class``: option 60, none if empty.
    """

    name: str = "first-offer"
    discover_at: tuple[float, ...] = (0.0, 0.25, 0.75, 1.75, 3.75, 5.75, 7.75, 9.75, 11.75)
    gives_up_at: float = 28.0
    late: float = 0.05
    requested: tuple[int, ...] = (1, 3, 6, 12, 15, 17, 66, 67)
    vendor_class: str = "U-Boot.armv8"
    assumptions: tuple[str, ...] = ()

    @property
    def phases(self) -> tuple[float, ...]:
        """It has none."""
        return (0.0,)

    @property
    def continuous(self) -> bool:
        """There is nothing between."""
        return False

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1."""
        return self._discover(State(machine=machine))

    def _options(self, machine: Machine) -> dict[int, bytes]:
        options: dict[int, bytes] = {
            Option.PARAMETER_REQUEST_LIST: bytes(self.requested),
            Option.CLIENT_IDENTIFIER: b"\1" + mac_bytes(machine.mac),
        }
        if machine.architecture:
            options[Option.CLIENT_SYSTEM_ARCHITECTURE] = machine.architecture.to_bytes(2, "big")
        if self.vendor_class:
            options[Option.VENDOR_CLASS_IDENTIFIER] = self.vendor_class.encode()
        return options

    def _discover(self, state: State) -> Step:
        secs = int(self.discover_at[state.sent])
        packet = request(
            state.machine,
            MessageType.DISCOVER,
            self._options(state.machine),
            xid=XID,
            secs=secs,
            broadcast=True,
        )
        state = state._replace(sent=state.sent + 1)
        until = self.discover_at[state.sent] if state.sent < len(self.discover_at) else self.gives_up_at
        return Step(state=state, sends=(Send(packet),), timer=(until, until + self.late))

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """The first offer with an address is taken at once; then its ACK counts."""
        packet = heard.packet
        if packet.xid != XID or heard.source_port != DHCP_PORT or packet.yiaddr == UNSPECIFIED:
            return ()
        if state.lease is None:
            if packet.message_type is not MessageType.OFFER:
                return ()
            return (self._request(state._replace(lease=heard), at, "the first offer: takes it"),)
        same = packet.options.get(Option.SERVER_IDENTIFIER) == state.lease.packet.options.get(
            Option.SERVER_IDENTIFIER
        )
        if packet.message_type is not MessageType.ACK or not same:
            return (Step(state=state, timer=KEEP, note="it has taken another offer"),)
        return (Step(state=state, end=self.read(heard)),)

    def _request(self, state: State, at: Span, note: str) -> Step:
        assert state.lease is not None
        lease = state.lease.packet
        options = {**self._options(state.machine), Option.REQUESTED_IP_ADDRESS: lease.yiaddr.packed}
        if Option.SERVER_IDENTIFIER in lease.options:
            options[Option.SERVER_IDENTIFIER] = lease.options[Option.SERVER_IDENTIFIER]
        packet = request(
            state.machine, MessageType.REQUEST, options, xid=XID, secs=int(at[0]), broadcast=True
        )
        return Step(state=state, sends=(Send(packet),), timer=later(at, 2.0, self.late), note=note)

    def expire(self, state: State, at: Span) -> Step:
        """DISCOVER or REQUEST again, up to the end."""
        if at[0] >= self.gives_up_at or (state.lease is not None and state.attempt == 3):
            why = "no address was offered" if state.lease is None else "the address was never acknowledged"
            return Step(state=state, end=GiveUp(error="no address", why=why))
        if state.lease is not None:
            return self._request(state._replace(attempt=state.attempt + 1), at, "asks again")
        if state.sent == len(self.discover_at):
            return Step(state=state, end=GiveUp(error="no address", why="no address was offered"))
        return self._discover(state)

    def read(self, ack: Heard) -> Boot | GiveUp:
        """U-Boot: the header's file before option 67, siaddr, never option 66."""
        packet = ack.packet
        name = packet.file or packet.options.get(Option.BOOTFILE_NAME, b"").rstrip(b"\0")
        if not name:
            return GiveUp(error="no boot file", why=f"the lease of {ack.source} names none")
        server = packet.siaddr if packet.siaddr != UNSPECIFIED else ack.source
        return Boot(
            server=server,
            file=text_of(name),
            by=ack.source,
            why=f"the lease of {ack.source} names file and server",
        )
