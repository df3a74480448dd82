"""The openthinclient manager's ProxyDHCP and boot server (manager 2603, ``services/dhcp``).

Class and file names below are its own. It has no delay; it names the file only on port 4011; it reads the
architecture from the text of option 60; it serves exactly the MACs that are registered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from ipaddress import IPv4Address
from typing import Literal, cast, get_args

from coexist.boot.answered import answered, answered_architectures
from coexist.boot.policy import architecture_codes
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered, relay_or
from coexist.boot.servers.declared import boot_server, files
from coexist.errors import InputError, Problem
from coexist.inventory import Inventory
from coexist.inventory.macset import MacSet
from coexist.inventory.products import OPENTHINCLIENT
from coexist.records import dataclass
from coexist.text.closest import closest
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

Mode = Literal["single-homed-broadcast", "single-homed", "bind-to-address", "eavesdropping"]

_OWN = OPENTHINCLIENT.default_programs
# AbstractPXEService.java: fast boot; every other architecture, ARM included, gets the BIOS program.
FILES: Mapping[int, str] = {6: _OWN["uefi-ia32"], 7: _OWN["uefi-x64"], 9: _OWN["uefi-x64"]}
OTHER_FILE = f"/{_OWN['bios']}"
HTTP_FILES: Mapping[int, str] = {15: _OWN["http-ia32"], 16: _OWN["http-x64"]}
_EFI = frozenset(FILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenThinClientState:
    """``xid`` of the conversation a DISCOVER began; ``waiting`` is that DISCOVER while it eavesdrops."""

    xid: int | None = None
    waiting: Arrival | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenThinClientModel(Stateless):
    """``clients``: registered ones (all, where its policy is AnyClient). ``mode``: its PXE service type.
    ``architectures``: the codes of those that it is declared to answer, None for all; it cannot be told so.

    ``files`` overrides the boot program by option-93 code, ``boot_server`` the address of its TFTP.
    """

    name: str
    clients: MacSet
    mode: Mode = "single-homed-broadcast"
    architectures: frozenset[int] | None = None
    files: Mapping[int, str] = field(default_factory=dict)
    boot_server: IPv4Address | None = None
    nfs_root: str = ""
    latency: float = 0.0
    assumptions: tuple[str, ...] = ()

    @property
    def overhears(self) -> bool:
        """Only in eavesdropping mode does it listen on port 68."""
        return self.mode == "eavesdropping"

    def initial(self, phase: float = 0.0) -> OpenThinClientState:
        """No conversation."""
        return OpenThinClientState()

    def receive(self, state: OpenThinClientState, arrival: Arrival) -> Reaction:
        """One packet on 67, 68 or 4011."""
        if arrival.port == CLIENT_PORT:
            return self._overheard(state, arrival)
        packet = arrival.packet
        if packet.mac not in self.clients:
            return _silent(state, "the client is not registered")
        architecture = _architecture(packet)
        if architecture is None:
            return _silent(state, "option 60 is not PXEClient:Arch:... of a kind it serves")
        if self.architectures is not None and architecture not in self.architectures:
            return _silent(state, "it is declared to answer other architectures")
        if arrival.port == BOOT_SERVER_PORT:
            return self._acknowledge(state, arrival, architecture)
        if packet.message_type is not MessageType.DISCOVER:
            return _silent(state, "on port 67 it answers DISCOVER only")
        if self.mode in ("bind-to-address", "single-homed") and packet.giaddr == UNSPECIFIED:
            return _silent(state, "bound to its address it hears no broadcasts on Linux")
        state = replace(state, xid=packet.xid)
        if self.overhears:
            return Reaction(
                state=replace(state, waiting=arrival),
                unanswered=Unanswered(why="it waits for a DHCP server's offer", waits=True),
            )
        return Reaction(state=state, replies=(self._offer(arrival, arrival.at, architecture),))

    def _overheard(self, state: OpenThinClientState, arrival: Arrival) -> Reaction:
        """EavesdroppingPXEService: its own offer follows a broadcast offer with an address."""
        waiting = state.waiting
        if waiting is None or arrival.packet.yiaddr == UNSPECIFIED or arrival.packet.xid != state.xid:
            return Reaction(state=state)
        offer = self._offer(waiting, arrival.at, _architecture(waiting.packet) or 0)
        return Reaction(state=replace(state, waiting=None), replies=(offer,))

    def _offer(self, arrival: Arrival, at: float, architecture: int) -> Reply:
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
        }
        siaddr, file = UNSPECIFIED, b""
        if architecture in HTTP_FILES:
            options[Option.VENDOR_CLASS_IDENTIFIER] = b"HTTPClient"
            url = f"http://{arrival.address}:8080/openthinclient/files/tftp/{HTTP_FILES[architecture]}"
            file = url.encode()
        elif not self.overhears:
            # An eavesdropper's offer has neither option 60 nor siaddr.
            options[Option.VENDOR_CLASS_IDENTIFIER] = b"PXEClient"
            siaddr = self.boot_server or arrival.address
        packet = _reply(arrival.packet, siaddr=siaddr, file=file, options=options)
        address, port = relay_or(arrival.packet, (LIMITED_BROADCAST, CLIENT_PORT))
        return self._sent(packet, at, DHCP_PORT, address, port, "at once")

    def _acknowledge(self, state: OpenThinClientState, arrival: Arrival, architecture: int) -> Reaction:
        packet = arrival.packet
        if packet.message_type is not MessageType.REQUEST or architecture in HTTP_FILES:
            return _silent(state, "on port 4011 it answers REQUESTs of PXE clients only")
        if arrival.source[0] == UNSPECIFIED:
            return _silent(state, "the request has no source address")
        if packet.options.get(Option.SERVER_IDENTIFIER) == bytes(4):
            return _silent(state, "option 54 is 0.0.0.0")
        if state.xid != packet.xid and architecture not in _EFI:
            return _silent(state, "a BIOS client's request must belong to a conversation it knows")
        file = self.files.get(architecture, FILES.get(architecture, OTHER_FILE))
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.ACK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
        }
        if self.nfs_root:
            options[Option.ROOT_PATH] = self.nfs_root.encode()
        reply = _reply(
            packet, siaddr=self.boot_server or arrival.address, file=file.encode(), options=options
        )
        # DhcpProtocolHandler: BIOS clients on port 68, UEFI ones where they asked from.
        port = arrival.source[1] if architecture in _EFI else CLIENT_PORT
        to = packet.ciaddr if packet.ciaddr != UNSPECIFIED else LIMITED_BROADCAST
        sent = self._sent(reply, arrival.at, BOOT_SERVER_PORT, to, port, "the file, on port 4011")
        return Reaction(state=state, replies=(sent,))

    def _sent(
        self, packet: Packet, at: float, source_port: int, address: IPv4Address, port: int, why: str
    ) -> Reply:
        return Reply(
            packet=packet,
            earliest=at,
            latest=at + self.latency,
            source_port=source_port,
            address=address,
            port=port,
            why=why,
        )


def _architecture(packet: Packet) -> int | None:
    """The number in option 60; PXEClient needs a colon, HTTPClient one of two architectures."""
    text = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"").decode("latin-1")
    found = re.match(r"(PXEClient|HTTPClient):(?:Arch:(\d{5}))?", text)
    if found is None:
        return None
    number = int(found.group(2) or 0)
    if found.group(1) == "HTTPClient":
        return number if number in HTTP_FILES else None
    return number


def _reply(asked: Packet, *, siaddr: IPv4Address, file: bytes, options: dict[int, bytes]) -> Packet:
    return Packet(
        op=BOOTREPLY,
        xid=asked.xid,
        flags=asked.flags,
        siaddr=siaddr,
        giaddr=asked.giaddr,
        chaddr=asked.chaddr,
        file=file,
        options=options,
    )


def _silent(state: OpenThinClientState, why: str) -> Reaction:
    return Reaction(state=state, unanswered=Unanswered(why=why))


def service_type(inventory: Inventory, name: str) -> str:
    """The type of its PXE service; a wait for others' offers is its eavesdropping mode. ``InputError`` for
    one that it does not have."""
    server = inventory.site.servers[name]
    kind = server.settings.get("type", "auto")
    if kind not in (known := ("auto", *get_args(Mode))):
        place = inventory.where("servers", name, "settings", "type", value=True)
        raise InputError(
            [Problem(place, f"{kind!r} is no type of the PXE service", closest(str(kind), known))]
        )
    return "eavesdropping" if server.delay.after_offer else str(kind)


def boot_service(inventory: Inventory, name: str) -> OpenThinClientModel:
    """The manager's boot service as an inventory declares it."""
    server, kind = inventory.site.servers[name], service_type(inventory, name)
    return OpenThinClientModel(
        name=name,
        clients=answered(inventory, name),
        architectures=architecture_codes(answered_architectures(inventory, name)),
        mode="single-homed-broadcast" if kind == "auto" else cast("Mode", kind),
        files=files(server),
        boot_server=boot_server(inventory, server),
    )
