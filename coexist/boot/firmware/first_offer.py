"""A client that takes one address offer and knows no ProxyDHCP: U-Boot (``net/bootp.c``) takes the first.

The same engine serves IP phones (`phone`): they differ in the offer they take and in what they read.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from coexist.boot.firmware.machine import (
    KEEP,
    Boot,
    GiveUp,
    Heard,
    Machine,
    OnePhase,
    Send,
    Span,
    Step,
    boot_file,
    is_of_same_server,
    later,
    request,
    selecting,
    text_of,
)
from coexist.boot.request import DHCP_PORT
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

XID = 0xB007


class State(NamedTuple):
    """Which DISCOVER it is at, and the lease it took; seconds."""

    machine: Machine
    sent: int = 0
    offers: tuple[Heard, ...] = ()
    lease: Heard | None = None
    ack: Heard | None = None
    attempt: int = 0


Which = Literal["first", "last", "longest-lease"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOffer(OnePhase):
    """The parameters of such a client, in seconds.

    ``discover_at``: when DISCOVERs are sent; ``gives_up_at``: the end. Its ``secs`` are seconds.
    ``vendor_class``: option 60, none if empty. ``collects``: how long it goes on listening after the first
    offer. ``takes``: which of those it takes; of leases equally long the first. ``prefers``: an offer with
    one of these options comes before those without. ``checks_address``: it looks whether another machine has
    its address and declines it then. ``informs``: it asks everybody by INFORM where its lease
    says nothing of use.
    """

    name: str = "first-offer"
    discover_at: tuple[float, ...] = (0.0, 0.25, 0.75, 1.75, 3.75, 5.75, 7.75, 9.75, 11.75)
    gives_up_at: float = 28.0
    late: float = 0.05
    requested: tuple[int, ...] = (1, 3, 6, 12, 15, 17, 66, 67)
    vendor_class: str = "U-Boot.armv8"
    collects: float = 0.0
    takes: Which = "first"
    prefers: tuple[int, ...] = ()
    checks_address: bool = False
    informs: bool = False
    assumptions: tuple[str, ...] = ()

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
        """Of the offers with an address one is taken; then its ACK counts."""
        packet = heard.packet
        if packet.xid != XID or heard.source_port != DHCP_PORT:
            return ()
        if state.ack is not None:
            return self._hear_inform(state, heard)
        if packet.yiaddr == UNSPECIFIED:
            return ()
        if state.lease is None:
            if packet.message_type is not MessageType.OFFER:
                return ()
            return (self._hear_offer(state, heard, at),)
        same = is_of_same_server(packet, state.lease.packet)
        if packet.message_type is not MessageType.ACK or not same:
            return (Step(state=state, timer=KEEP, note="it has taken another offer"),)
        return (self._read_lease(state, heard, at),)

    def _hear_offer(self, state: State, heard: Heard, at: Span) -> Step:
        state = state._replace(offers=(*state.offers, heard))
        if not self.collects:
            return self._request(state._replace(lease=heard), at, "the first offer: takes it")
        if len(state.offers) > 1:
            return Step(state=state, timer=KEEP, note="one more offer")
        timer = later(at, self.collects, self.late)
        return Step(state=state, timer=timer, note=f"collects offers for {self.collects:g} s")

    def _pick(self, offers: tuple[Heard, ...]) -> Heard:
        preferred = [o for o in offers if any(code in o.packet.options for code in self.prefers)]
        among = preferred or list(offers)
        match self.takes:
            case "last":
                return among[-1]
            case "longest-lease":
                return max(among, key=lambda offer: _lease_seconds(offer.packet))
        return among[0]

    def _read_lease(self, state: State, ack: Heard, at: Span) -> Step:
        end = self.read(ack)
        if isinstance(end, GiveUp) and self.informs:
            return self._inform(
                state._replace(ack=ack, attempt=0), at, f"{end.why}: asks everybody by INFORM"
            )
        return Step(state=state, end=end)

    def _inform(self, state: State, at: Span, note: str) -> Step:
        """RFC 2131 section 4.4.3: the parameters alone, from whoever knows them."""
        assert state.ack is not None
        own = state.ack.packet.yiaddr
        packet = request(
            state.machine,
            MessageType.INFORM,
            self._options(state.machine),
            xid=XID,
            secs=int(at[0]),
            broadcast=True,
            ciaddr=own,
        )
        sends = (Send(packet, source=own),)
        return Step(state=state, sends=sends, timer=later(at, 4.0, self.late), note=note)

    def _hear_inform(self, state: State, heard: Heard) -> tuple[Step, ...]:
        if heard.packet.message_type is not MessageType.ACK:
            return ()
        end = self.read(heard)
        if isinstance(end, GiveUp):
            return (Step(state=state, timer=KEEP, note=end.why),)
        return (Step(state=state, end=end),)

    def _request(self, state: State, at: Span, note: str) -> Step:
        assert state.lease is not None
        lease = state.lease.packet
        options = {**self._options(state.machine), **selecting(lease)}
        packet = request(
            state.machine, MessageType.REQUEST, options, xid=XID, secs=int(at[0]), broadcast=True
        )
        return Step(state=state, sends=(Send(packet),), timer=later(at, 2.0, self.late), note=note)

    def expire(self, state: State, at: Span) -> Step:
        """The end of collecting; DISCOVER, REQUEST or INFORM again, up to the end."""
        if state.ack is not None:
            if state.attempt == 3:
                end = self.read(state.ack)
                assert isinstance(end, GiveUp)
                return Step(
                    state=state, end=GiveUp(error=end.error, why=f"{end.why}, and no INFORM was answered")
                )
            return self._inform(state._replace(attempt=state.attempt + 1), at, "asks again by INFORM")
        if state.lease is None and state.offers:
            lease = self._pick(state.offers)
            note = f"of {len(state.offers)} offers takes that of {lease.source}"
            return self._request(state._replace(lease=lease), at, note)
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
        name = boot_file(packet)
        if not name:
            return GiveUp(error="no boot file", why=f"the lease of {ack.source} names none")
        server = packet.siaddr if packet.siaddr != UNSPECIFIED else ack.source
        return Boot(
            server=server,
            file=text_of(name),
            by=ack.source,
            why=f"the lease of {ack.source} names file and server",
        )


def _lease_seconds(packet: Packet) -> int:
    return int.from_bytes(packet.options.get(Option.IP_ADDRESS_LEASE_TIME, b""), "big")
