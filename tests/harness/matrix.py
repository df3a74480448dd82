"""The packets a DHCP server is asked with, all at once, and its replies to each."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import TypeAlias

from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host

QUIET = 0.5
"""Seconds without a reply after which none comes any more, from a server that delays nothing."""
_AT_ONCE = 24

# EDK2 2022.11 and iPXE 1.21 ask for lists like this one (captures); "all" is every code there is.
PXE_LIST = bytes([1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60])
PXE_LIST += bytes([66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135])
LISTS: Mapping[str, bytes | None] = {
    "no list": None,
    "PXE's list": PXE_LIST,
    "all": bytes(range(1, 255)),
}


def pxe(code: int, kind: str = "PXEClient") -> dict[int, bytes]:
    """What a firmware of an architecture says of itself."""
    return {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2, "big"),
        Option.CLIENT_MACHINE_IDENTIFIER: bytes(range(17)),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\1\3\20",
    }


_IPXE = "b105018086100eeb03010000170101180101220101130101110101270101190101290101100102210101150101"
KINDS: Mapping[str, Mapping[int, bytes]] = {
    "plain": {},
    "BIOS": pxe(0),
    "UEFI 6": pxe(6),
    "UEFI 7": pxe(7),
    "UEFI 9": pxe(9),
    "UEFI 11": pxe(11),
    "HTTP 16": pxe(16, "HTTPClient"),
    "iPXE on BIOS": pxe(0) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: bytes.fromhex(_IPXE)},
    "iPXE on UEFI": pxe(7) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: bytes.fromhex(_IPXE)},
    "counted iPXE": pxe(7) | {Option.USER_CLASS: b"\4iPXE"},
    "Microsoft": {Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0", Option.HOST_NAME: b"desk-7\0"},
    "phone": {Option.VENDOR_CLASS_IDENTIFIER: b"Cisco Systems, Inc. IP Phone CP-8841"},
    "named": {Option.HOST_NAME: b"pc-42", Option.CLIENT_IDENTIFIER: b"\1\2\0\x5e\1\2\3"},
    "fully named": {81: b"\1\0\0pc-43.example.org", Option.CLIENT_IDENTIFIER: b"tool-9"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One packet: whose, what kind of client, by which relay (0.0.0.0: none), and what it asks for."""

    mac: str
    kind: str
    giaddr: IPv4Address = UNSPECIFIED
    message: MessageType = MessageType.DISCOVER
    asks: str = "PXE's list"
    more: Mapping[int, bytes] = field(default_factory=dict, hash=False)
    ciaddr: IPv4Address = UNSPECIFIED

    def packet(self, xid: int) -> Packet:
        """As it is sent, and as the server receives it."""
        listed = LISTS[self.asks]
        options: dict[int, bytes] = {Option.DHCP_MESSAGE_TYPE: bytes((self.message,))}
        if listed is not None:
            options[Option.PARAMETER_REQUEST_LIST] = listed
        return Packet(
            op=BOOTREQUEST,
            hops=1 if self.giaddr != UNSPECIFIED else 0,
            xid=xid,
            secs=4,
            flags=BROADCAST_FLAG,
            ciaddr=self.ciaddr,
            giaddr=self.giaddr,
            chaddr=mac_bytes(parse_mac(self.mac)),
            options={**options, **KINDS[self.kind], **self.more},
        )

    def requesting(self, offer: Packet) -> Case:
        """The REQUEST that follows an offer."""
        chosen = offer.options[Option.SERVER_IDENTIFIER]
        more: dict[int, bytes] = {
            Option.REQUESTED_IP_ADDRESS: offer.yiaddr.packed,
            Option.SERVER_IDENTIFIER: chosen,
        }
        return replace(self, message=MessageType.REQUEST, more={**self.more, **more})


def discovers(macs: Iterable[str], giaddrs: Sequence[IPv4Address]) -> list[Case]:
    """A DISCOVER of every kind of client with every MAC, by every way, with every list."""
    return [
        Case(mac=mac, kind=kind, giaddr=giaddr, asks=asks)
        for mac in macs
        for kind in KINDS
        for giaddr in giaddrs
        for asks in LISTS
    ]


Asked: TypeAlias = tuple[Case, Packet, Packet | None]
"""A case, the packet that was sent, and the reply to it."""


class Asker:
    """Sends packets to a server: broadcast on its VLAN from port 68, or as a relay from port 67.

    ``host``: stands on the server's VLAN and has the addresses of all relays.
    """

    def __init__(self, host: Host, server: IPv4Address, relays: Iterable[IPv4Address]) -> None:
        self.server = server
        self.own = self._socket(host, "0.0.0.0", 68)
        self.relays = {address: self._socket(host, str(address), 67) for address in relays}
        self._next = 1

    @staticmethod
    def _socket(host: Host, address: str, port: int) -> socket.socket:
        made = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        made.bind((address, port))
        return made

    def close(self) -> None:
        """Close its sockets."""
        for each in (self.own, *self.relays.values()):
            each.close()

    def ask(self, cases: Sequence[Case], quiet: float = QUIET) -> dict[int, Asked]:
        """Each case with its packet and the reply to it, None for silence; by their numbers."""
        sent = {number: (case, case.packet(number)) for number, case in enumerate(cases, start=self._next)}
        self._next += len(sent)
        replies: dict[int, Packet] = {}
        rounds = 0
        while len(replies) < len(sent):
            # On a busy machine packets are lost: who is silent is asked until asking again helps no more.
            before, rounds = len(replies), rounds + 1
            self._send({number: found for number, found in sent.items() if number not in replies}, replies)
            self._collect(replies, quiet * rounds, len(sent))
            if rounds > 1 and len(replies) == before:
                break
        return {number: (case, packet, replies.get(number)) for number, (case, packet) in sent.items()}

    def _send(self, sent: Mapping[int, tuple[Case, Packet]], replies: dict[int, Packet]) -> None:
        for batch in _batches(list(sent.items())):
            for _, (case, packet) in batch:
                out = self.own if case.giaddr == UNSPECIFIED else self.relays[case.giaddr]
                to = "255.255.255.255" if case.giaddr == UNSPECIFIED else str(self.server)
                out.sendto(encode(packet), (to, 67))
            self._collect(replies, 0.02, len(sent) + len(replies))

    def _collect(self, replies: dict[int, Packet], quiet: float, wanted: int) -> None:
        sockets = [self.own, *self.relays.values()]
        while len(replies) < wanted:
            ready = select.select(sockets, [], [], quiet)[0]
            if not ready:
                return
            for each in ready:
                reply = decode(each.recv(4096))
                if isinstance(reply, Packet) and reply.op == BOOTREPLY:
                    replies.setdefault(reply.xid, reply)


def _batches(items: list[tuple[int, tuple[Case, Packet]]]) -> Iterator[list[tuple[int, tuple[Case, Packet]]]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def difference(real: Packet | None, model: Packet | None) -> str:
    """What differs between the reply a server sent and the one that was expected; empty if nothing."""
    if real is None or model is None:
        return "" if real is model else f"real {_short(real)}, model {_short(model)}"
    wrong = [
        f"{name} {getattr(real, name)!s}, model {getattr(model, name)!s}"
        for name in ("htype", "hlen", "hops", "xid", "secs", "flags", "ciaddr", "yiaddr", "siaddr", "giaddr")
        if getattr(real, name) != getattr(model, name)
    ]
    wrong += [
        f"{name} {getattr(real, name)!r}, model {getattr(model, name)!r}"
        for name in ("chaddr", "sname", "file")
        if getattr(real, name) != getattr(model, name)
    ]
    for code in sorted({*real.options, *model.options}):
        a, b = real.options.get(code), model.options.get(code)
        if a != b:
            wrong.append(f"option {code} {_hex(a)}, model {_hex(b)}")
    if not wrong and list(real.options) != list(model.options):
        wrong.append(f"order {list(map(int, real.options))}, model {list(map(int, model.options))}")
    return "; ".join(wrong)


def _short(packet: Packet | None) -> str:
    if packet is None:
        return "silence"
    kind = packet.message_type
    return f"{kind.name if kind else 'BOOTP'} {packet.yiaddr}"


def _hex(value: bytes | None) -> str:
    return "none" if value is None else f"{value!r}"
