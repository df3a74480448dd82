"""A Raspberry Pi that boots from the network: the boot ROM of a Pi 3, the EEPROM bootloader of Pi 4 and 5.

It announces itself as a BIOS machine (option 93 is 0) and takes only what says ``Raspberry Pi Boot`` in
option 43, from the DHCP server or from a ProxyDHCP (raspberrypi/documentation bootmodes/net.md,
bcm2711_bootloader_config.md; packets of raspberrypi/firmware issues 764, 859 and 934).
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

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
    client_identity,
    later,
    request,
    selecting,
    text_of,
    vendor_class,
)
from coexist.boot.request import DHCP_PORT
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import decode_vendor_options

XID = 0x26F30339
NOTHING = "no Raspberry Pi boot server"


class State(NamedTuple):
    """Which DISCOVER it is at (``sent``), the address it was offered, and who said the words it looks for."""

    machine: Machine
    sent: int = 0
    lease: Heard | None = None
    source: Heard | None = None
    requested: bool = False
    strangers: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RaspberryPi(OnePhase):
    """The parameters of such a machine, in seconds.

    ``discover_at``: when DISCOVERs are sent; ``gives_up_at``: the end (DHCP_REQ_TIMEOUT and DHCP_TIMEOUT of
    the EEPROM's configuration). ``option_43``: the words it looks for (PXE_OPTION43). ``requests``: it sends
    a REQUEST for the address; the ROM of a Pi 3 takes what it is offered. ``first_file``: what it asks for
    first. ``reads_siaddr``: the header's next server comes before who sent the words.
    """

    name: str = "raspberry-pi-4"
    discover_at: tuple[float, ...] = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0, 36.0, 40.0)
    gives_up_at: float = 45.0
    late: float = 0.05
    option_43: str = "Raspberry Pi Boot"
    requests: bool = True
    reads_siaddr: bool = True
    first_file: str = "start4.elf"
    requested: tuple[int, ...] = (1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135)
    assumptions: tuple[str, ...] = (
        "of several offers a Raspberry Pi takes the first address and the first that says its words",
        "a Raspberry Pi asks the server of option 66, else of option 43.8, else the one that said its words",
    )

    def begin(self, machine: Machine, phase: float) -> Step:
        """DISCOVER 1."""
        return self._discover(State(machine=machine), "")

    def _packet(self, state: State, kind: MessageType, more: dict[int, bytes]) -> Packet:
        options = {
            Option.PARAMETER_REQUEST_LIST: bytes(self.requested),
            Option.CLIENT_SYSTEM_ARCHITECTURE: bytes(2),
            Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: bytes((1, 2, 1)),
            Option.CLIENT_MACHINE_IDENTIFIER: client_identity(state.machine),
            Option.VENDOR_CLASS_IDENTIFIER: vendor_class(Machine(mac=0, architecture=0), "002001"),
            **more,
        }
        return request(state.machine, kind, options, xid=XID, secs=0, broadcast=False)

    def _discover(self, state: State, note: str) -> Step:
        packet = self._packet(state, MessageType.DISCOVER, {})
        state = state._replace(sent=state.sent + 1)
        until = self.discover_at[state.sent] if state.sent < len(self.discover_at) else self.gives_up_at
        return Step(state=state, sends=(Send(packet),), timer=(until, until + self.late), note=note)

    def receive(self, state: State, heard: Heard, at: Span) -> tuple[Step, ...]:
        """An address, its words, or both; then the ACK."""
        packet = heard.packet
        if packet.xid != XID or heard.source_port != DHCP_PORT:
            return ()
        if state.requested:
            if packet.message_type is not MessageType.ACK or packet.yiaddr == UNSPECIFIED:
                return ()
            return (self._load(state),)
        if packet.message_type is not MessageType.OFFER:
            return ()
        notes = []
        if packet.yiaddr != UNSPECIFIED and state.lease is None:
            notes.append("an address")
            state = state._replace(lease=heard)
        if self._is_for_it(packet):
            notes.append(f"it says {self.option_43!r}")
            state = state._replace(source=state.source or heard)
        elif Option.VENDOR_CLASS_IDENTIFIER in packet.options or packet.yiaddr == UNSPECIFIED:
            notes.append(f"it does not say {self.option_43!r}")
            state = state._replace(strangers=tuple(dict.fromkeys((*state.strangers, heard.source))))
        note = ", ".join(notes) or "not for it"
        if state.lease is None or state.source is None:
            return (Step(state=state, timer=KEEP, note=note),)
        if not self.requests:
            return (self._load(state),)
        return (self._request(state, at, note),)

    def _is_for_it(self, packet: Packet) -> bool:
        return self.option_43.encode() in packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b"")

    def _request(self, state: State, at: Span, note: str) -> Step:
        assert state.lease is not None
        packet = self._packet(state, MessageType.REQUEST, selecting(state.lease.packet))
        step_timer = later(at, 4.0, self.late)
        return Step(state=state._replace(requested=True), sends=(Send(packet),), timer=step_timer, note=note)

    def expire(self, state: State, at: Span) -> Step:
        """DISCOVER again, up to the end."""
        if state.sent < len(self.discover_at):
            state = state._replace(requested=False, lease=None, source=None)
            return self._discover(state, "no complete answer yet: DISCOVER again")
        if state.strangers:
            others = " and ".join(map(str, state.strangers))
            why = f"the answer of {others} does not say {self.option_43!r} in option 43"
        else:
            why = f"no answer says {self.option_43!r} in option 43"
        return Step(state=state, end=GiveUp(error=NOTHING, why=why))

    def _load(self, state: State) -> Step:
        assert state.source is not None
        server, why = self._server(state.source)
        return Step(
            state=state,
            end=Boot(
                server=server,
                file=self.first_file,
                by=state.source.source,
                why=f"{state.source.source} says {self.option_43!r} and names the server in {why}",
                after=(0.0, self.late),
            ),
        )

    def _server(self, source: Heard) -> tuple[IPv4Address | str, str]:
        """Option 66, else the last address of 43.8, else siaddr if it reads that, else the sender."""
        packet = source.packet
        name = text_of(packet.options.get(Option.TFTP_SERVER_NAME, b""))
        if name:
            try:
                return IPv4Address(name), "option 66"
            except AddressValueError:
                return name, "option 66"
        vendor = decode_vendor_options(packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b""))
        if not isinstance(vendor, Malformed):
            listed = [address for entry in vendor.boot_servers for address in entry.addresses]
            if listed:
                return listed[-1], "option 43.8"
        if self.reads_siaddr and packet.siaddr != UNSPECIFIED:
            return packet.siaddr, "siaddr"
        return source.source, "its own address"
