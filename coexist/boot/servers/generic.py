"""A plain PXE responder, described by what it puts in its packets and nothing else.

It answers every PXEClient (or its whitelist) from one table; every deviation from what a good
ProxyDHCP sends is a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Address
from typing import Literal

from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT, architecture_of
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered, relay_or
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.values import Delay
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, BROADCAST_FLAG, Packet
from coexist.wire.options import MessageType, Option, encode_options
from coexist.wire.pxe import SubOption, decode_suboptions

Where = Literal["header", "option", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericState:
    """When the client was first heard on port 67, seconds."""

    first: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericModel(Stateless):
    """A responder on 67 and 4011. Times in seconds.

    ``files``: by option-93 code; ``default_file`` for any other architecture (None: silent to it).
    ``file_in``: the header field, option 67, or both; ``terminated``: option 67 with a NUL. ``vendor_class``:
    option 60 of its replies, None to leave it out. ``siaddr`` None means its own address, 0.0.0.0 leaves it
    unset. ``min_secs``: a threshold on ``secs`` beside its delay. ``delay_4011``: its delay on port
    4011. ``answers_request``: it also acknowledges broadcast REQUESTs on port 67. ``acknowledges_items``: it
    is the boot server of any item a client chose (43.71), also where it is looked for by broadcast.
    ``options``: further options. ``latency``: what it needs at most to answer.
    """

    name: str
    clients: MacSet = EVERYONE
    architectures: frozenset[int] | None = None
    vendor_prefix: bytes = b"PXEClient"
    delay: Delay = field(default_factory=Delay)
    min_secs: int = 0
    delay_4011: float = 0.0
    files: Mapping[int, str] = field(default_factory=dict)
    default_file: str | None = None
    file_in: Where = "header"
    terminated: bool = False
    offers_file: bool = True
    vendor_class: bytes | None = b"PXEClient"
    vendor_options: bytes | None = None
    siaddr: IPv4Address | None = None
    answers_67: bool = True
    answers_4011: bool = True
    answers_request: bool = False
    acknowledges_items: bool = False
    broadcasts: bool = False
    options: Mapping[int, bytes] = field(default_factory=dict)
    latency: float = 0.0
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> GenericState:
        """It has seen nothing."""
        return GenericState()

    def receive(self, state: GenericState, arrival: Arrival) -> Reaction:
        """Answer, or say why not."""
        packet = arrival.packet
        silence = self._silence(arrival)
        if silence is not None:
            return Reaction(state=state, unanswered=Unanswered(why=silence))
        kind = packet.message_type
        if arrival.port == BOOT_SERVER_PORT or self._is_discovery(arrival):
            if kind not in (MessageType.REQUEST, MessageType.INFORM, MessageType.DISCOVER):
                return Reaction(state=state, unanswered=Unanswered(why="not for a boot server"))
            return self._answer(state, arrival, MessageType.ACK, self.delay_4011)
        if kind is MessageType.REQUEST and self.answers_request:
            return self._answer(state, arrival, MessageType.ACK, 0.0)
        if kind is not MessageType.DISCOVER:
            return Reaction(state=state, unanswered=Unanswered(why="not for it"))
        threshold = max(self.min_secs, self.delay.secs_at_least)
        if packet.secs < threshold:
            why = f"secs is {packet.secs}, it answers from {threshold}"
            return Reaction(state=state, unanswered=Unanswered(why=why))
        first = arrival.at if state.first is None else state.first
        state = GenericState(first=first)
        if arrival.at - first < self.delay.since_first:
            why = f"too early: it waits {self.delay.since_first:g} s from the first packet"
            return Reaction(state=state, unanswered=Unanswered(why=why))
        return self._answer(state, arrival, MessageType.OFFER, self.delay.after)

    def _is_discovery(self, arrival: Arrival) -> bool:
        """Whether a client looks for its boot server (PXE 2.1 section 2.2.1)."""
        packet = arrival.packet
        if not self.acknowledges_items or packet.message_type is not MessageType.REQUEST:
            return False
        return _boot_item(packet) is not None

    def _silence(self, arrival: Arrival) -> str | None:
        packet = arrival.packet
        if not packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").startswith(self.vendor_prefix):
            return f"not a {self.vendor_prefix.decode()}"
        if packet.mac not in self.clients:
            return "not one of its clients"
        architecture = architecture_of(packet)
        if self.architectures is not None and architecture not in self.architectures:
            return "not one of its architectures"
        if self._file(architecture) is None:
            return "it has no boot program for this architecture"
        if arrival.port == BOOT_SERVER_PORT or self._is_discovery(arrival):
            return None if self.answers_4011 else "it does not answer on port 4011"
        return None if self.answers_67 else "it does not answer on port 67"

    def _file(self, architecture: int) -> str | None:
        return self.files.get(architecture, self.default_file)

    def _answer(self, state: GenericState, arrival: Arrival, kind: MessageType, delay: float) -> Reaction:
        reply = self._reply(arrival, kind)
        on_4011 = arrival.port == BOOT_SERVER_PORT
        # PXE 2.1 section 2.2.1: a boot server answers to the port it was asked from.
        to_sender = on_4011 or self._is_discovery(arrival)
        address, port = arrival.source if to_sender else (LIMITED_BROADCAST, CLIENT_PORT)
        if not on_4011:
            address, port = relay_or(arrival.packet, (address, port))
        sent = arrival.at + delay
        return Reaction(
            state=state,
            replies=(
                Reply(
                    packet=reply,
                    earliest=sent,
                    latest=sent + self.latency,
                    source_port=BOOT_SERVER_PORT if on_4011 else DHCP_PORT,
                    address=address,
                    port=port,
                    why=f"{delay:g} s after the packet" if delay else "at once",
                ),
            ),
        )

    def _reply(self, arrival: Arrival, kind: MessageType) -> Packet:
        asked = arrival.packet
        with_file = kind is MessageType.ACK or self.offers_file
        file = (self._file(architecture_of(asked)) or "").encode() if with_file else b""
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
        }
        if self.vendor_class is not None:
            options[Option.VENDOR_CLASS_IDENTIFIER] = self.vendor_class
        # RFC 4578 section 2.3, RFC 3046 section 2.2.
        for echoed in (Option.CLIENT_MACHINE_IDENTIFIER, Option.RELAY_AGENT_INFORMATION):
            if echoed in asked.options:
                options[echoed] = asked.options[echoed]
        if file and self.file_in in ("option", "both"):
            options[Option.BOOTFILE_NAME] = file + (b"\0" if self.terminated else b"")
        if self.vendor_options is not None:
            options[Option.VENDOR_SPECIFIC_INFORMATION] = self.vendor_options
        item = _boot_item(asked)
        if self.acknowledges_items and item is not None:
            own = decode_suboptions(self.vendor_options or b"")
            options[Option.VENDOR_SPECIFIC_INFORMATION] = (
                encode_options({**own, SubOption.BOOT_ITEM: item}) + b"\xff"
            )
        options.update(self.options)
        return Packet(
            op=BOOTREPLY,
            xid=asked.xid,
            flags=asked.flags | (BROADCAST_FLAG if self.broadcasts else 0),
            ciaddr=asked.ciaddr,
            siaddr=arrival.address if self.siaddr is None else self.siaddr,
            giaddr=asked.giaddr,
            chaddr=asked.chaddr,
            file=file if self.file_in in ("header", "both") else b"",
            options=options,
        )


def _boot_item(packet: Packet) -> bytes | None:
    """The boot server type and layer a client asks for (43.71)."""
    found = decode_suboptions(packet.options.get(Option.VENDOR_SPECIFIC_INFORMATION, b""))
    return found.get(SubOption.BOOT_ITEM)
