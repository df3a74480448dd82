"""The packets a DHCP server is asked with, a daemon that is asked them, and what differs from a model.

A packet is a `Case`: whose, as what kind of client, locally or by which relay agent, for which options.
One host beside the daemon sends all of them: on its own VLAN, and as a relay agent of other networks.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import TypeAlias

from coexist.boot.responder import Arrival, ServerModel
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host, Network
from tests.harness.processes import Process

QUIET = 0.5
"""Seconds without a reply after which none comes any more, from a server that delays nothing."""
_AT_ONCE = 24

# EDK2 2022.11 and iPXE 1.21 ask for lists like this one (captures); "all" is every code there is.
PXE_LIST = bytes((1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60,
                  66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135))  # fmt: skip
LISTS: Mapping[str, bytes | None] = {
    "no list": None,
    "PXE's list": PXE_LIST,
    "all": bytes(range(1, 255)),
    "few": bytes((3, 1, 6, 66, 67, 43)),
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
    "gPXE": pxe(0) | {Option.USER_CLASS: b"gPXE\0"},
    "Microsoft": {Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0", Option.HOST_NAME: b"desk-7\0"},
    "phone": {Option.VENDOR_CLASS_IDENTIFIER: b"Cisco Systems, Inc. IP Phone CP-8841"},
    "named": {Option.HOST_NAME: b"pc-42", Option.CLIENT_IDENTIFIER: b"\1\2\0\x5e\1\2\3"},
    "fully named": {81: b"\1\0\0pc-43.example.org", Option.CLIENT_IDENTIFIER: b"tool-9"},
}
_AGENT = bytes.fromhex("0104000a0b0c0206525400aa0001")


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
    flags: int = BROADCAST_FLAG

    def __str__(self) -> str:
        where = "local" if self.giaddr == UNSPECIFIED else f"relayed by {self.giaddr}"
        return f"{self.message.name} of {self.mac} ({self.kind}, {self.asks}, {where})"

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
            flags=self.flags,
            ciaddr=self.ciaddr,
            giaddr=self.giaddr,
            chaddr=mac_bytes(parse_mac(self.mac)),
            options={**options, **KINDS[self.kind], **self.more},
        )

    def requesting(self, offer: Packet) -> Case:
        """The REQUEST that follows an offer (RFC 2131 section 4.3.2, SELECTING)."""
        chosen = offer.options[Option.SERVER_IDENTIFIER]
        more: dict[int, bytes] = {
            Option.REQUESTED_IP_ADDRESS: offer.yiaddr.packed,
            Option.SERVER_IDENTIFIER: chosen,
        }
        return replace(self, message=MessageType.REQUEST, more={**self.more, **more})

    def rebooting(self, address: IPv4Address) -> Case:
        """The REQUEST of a machine that had an address before (INIT-REBOOT): it names no server."""
        more: dict[int, bytes] = {Option.REQUESTED_IP_ADDRESS: address.packed}
        return replace(self, message=MessageType.REQUEST, more={**self.more, **more})


# -- which packets -----------------------------------------------------------------------------


def strangers(count: int) -> list[str]:
    """MACs that no file of the tests knows."""
    return [f"02:00:5e:10:{number >> 8:02x}:{number & 255:02x}" for number in range(1, count + 1)]


def discovers(macs: Iterable[str], giaddrs: Sequence[IPv4Address]) -> list[Case]:
    """A DISCOVER of every kind of client with every MAC, by every way, with every list but the short one."""
    return [
        Case(mac=mac, kind=kind, giaddr=giaddr, asks=asks)
        for mac in macs
        for kind in KINDS
        for giaddr in giaddrs
        for asks in ("no list", "PXE's list", "all")
    ]


def sampled(macs: Sequence[str], giaddrs: Sequence[IPv4Address]) -> list[Case]:
    """A DISCOVER of every kind with every MAC by every way, each with one list.

    Some by a relay agent that adds option 82 or that hears no broadcast, some with a larger packet size (57).
    Not of kinds with a client identifier, which stands for one machine: see `identified`.
    """
    lists = list(LISTS)
    kinds = [kind for kind, said in KINDS.items() if Option.CLIENT_IDENTIFIER not in said]
    cases: list[Case] = []
    for giaddr in giaddrs:
        relayed = giaddr != UNSPECIFIED
        for number, mac in enumerate(macs):
            for turn, kind in enumerate(kinds):
                more: dict[int, bytes] = {}
                if relayed and (number + turn) % 3 == 0:
                    more = {Option.RELAY_AGENT_INFORMATION: _AGENT}
                elif (number + turn) % 5 == 0:
                    more = {Option.MAXIMUM_DHCP_MESSAGE_SIZE: (1260).to_bytes(2, "big")}
                asks = lists[(number + turn) % len(lists)]
                flags = 0 if relayed and turn % 2 else BROADCAST_FLAG
                cases.append(Case(mac=mac, kind=kind, giaddr=giaddr, asks=asks, more=more, flags=flags))
    return cases


def introductions(macs: Sequence[str], giaddrs: Sequence[IPv4Address]) -> list[Case]:
    """A first DISCOVER of every machine: a daemon that pings an address hears nothing of its client
    meanwhile, and does not ping it again so soon."""
    return [Case(mac=mac, kind="plain", giaddr=giaddr) for giaddr in giaddrs for mac in macs]


def identified(macs: Sequence[str]) -> list[Case]:
    """DISCOVER of machines with a client identifier, which stands for them from then on: 1 and the MAC."""
    return [
        Case(
            mac=mac, kind=kind, asks="all", more={Option.CLIENT_IDENTIFIER: b"\1" + mac_bytes(parse_mac(mac))}
        )
        for mac, kind in zip(macs, ("UEFI 7", "iPXE on BIOS", "Microsoft"), strict=False)
    ]


def requests(macs: Sequence[str], giaddrs: Sequence[IPv4Address]) -> list[Case]:
    """One REQUEST a machine, each as another kind that has no client identifier; without an address yet."""
    kinds = [kind for kind, said in KINDS.items() if Option.CLIENT_IDENTIFIER not in said]
    lists = list(LISTS)
    return [
        Case(mac=mac, kind=kinds[number % len(kinds)], giaddr=giaddr, message=MessageType.REQUEST,
             asks=lists[number % len(lists)])
        for giaddr in giaddrs
        for number, mac in enumerate(macs)
    ]  # fmt: skip


def informs(macs: Iterable[str], address: IPv4Address) -> list[Case]:
    """INFORMs of some kinds, from a host that has its address already."""
    return [
        Case(
            mac=mac,
            kind=kind,
            asks=asks,
            message=MessageType.INFORM,
            ciaddr=address,
            flags=0 if asks == "no list" else BROADCAST_FLAG,
        )
        for mac in macs
        for kind in ("plain", "UEFI 7", "iPXE on BIOS", "named")
        for asks in ("no list", "all")
    ]


def selecting(offers: Iterable[Asked]) -> list[Case]:
    """A REQUEST of each MAC for its first offer, and of each address once: no lease changes another's."""
    taken: set[object] = set()
    cases = []
    for case, _, offer in offers:
        if offer is None or offer.yiaddr == UNSPECIFIED or {case.mac, offer.yiaddr} & taken:
            continue
        taken |= {case.mac, offer.yiaddr}
        cases.append(case.requesting(offer))
    return cases


# -- where the daemon stands -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a daemon stands (address and network), the asking host's own address, and its relays'."""

    server: IPv4Address
    network: IPv4Network
    local: IPv4Address
    relays: tuple[IPv4Address, ...]

    @property
    def ways(self) -> tuple[IPv4Address, ...]:
        """The giaddr of a local client, and of each relay."""
        return (UNSPECIFIED, *self.relays)


_STANDS = re.compile(r"^(?://|#) stands on (?P<own>\S+)(?P<relays>(?:, relay \S+)*)$", re.MULTILINE)


def place_of(text: str) -> Place:
    """What a comment in a daemon's own file says of where its server stands, and which relays ask it."""
    found = _STANDS.search(text)
    assert found is not None, "the file does not say where its server stands"
    own = IPv4Interface(found["own"])
    relays = tuple(map(IPv4Address, re.findall(r"relay ([^\s,]+)", found["relays"])))
    return Place(server=own.ip, network=own.network, local=own.network.broadcast_address - 1, relays=relays)


# -- asking ------------------------------------------------------------------------------------

Asked: TypeAlias = tuple[Case, Packet, Packet | None]
"""A case, the packet that was sent, and the reply to it: None for silence."""


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

    def ask(
        self,
        cases: Iterable[Case],
        quiet: float = QUIET,
        expected: Callable[[Case, Packet], bool] | None = None,
    ) -> dict[int, Asked]:
        """Each case with its packet and the reply to it, None for silence; by their numbers.

        On a busy machine packets are lost: who is silent is asked until asking again helps no more. With
        ``expected``, who must be answered: those alone, and of each machine one packet at a time, since a
        daemon that pings an address does not hear its client meanwhile.
        """
        sent = {number: (case, case.packet(number)) for number, case in enumerate(cases, start=self._next)}
        self._next += len(sent)
        replies: dict[int, Packet] = {}
        self._send(sent, replies, quiet)
        rounds = 1
        while silent := {number: each for number, each in sent.items() if number not in replies}:
            before, rounds = len(replies), rounds + 1
            if expected is not None:
                silent = {number: each for number, each in silent.items() if expected(*each)}
                silent = dict(
                    {(case.mac, case.giaddr): (n, (case, p)) for n, (case, p) in silent.items()}.values()
                )
            self._send(silent, replies, quiet * (rounds if expected is None else 1))
            if len(replies) == before:
                break
        return {number: (case, packet, replies.get(number)) for number, (case, packet) in sent.items()}

    def _send(
        self, sent: Mapping[int, tuple[Case, Packet]], replies: dict[int, Packet], quiet: float
    ) -> None:
        wanted = len(replies) + len(sent)
        items = list(sent.values())
        for start in range(0, len(items), _AT_ONCE):
            for case, packet in items[start : start + _AT_ONCE]:
                out = self.own if case.giaddr == UNSPECIFIED else self.relays[case.giaddr]
                to = "255.255.255.255" if case.giaddr == UNSPECIFIED else str(self.server)
                out.sendto(encode(packet), (to, 67))
            self._collect(replies, 0.02, wanted)
        self._collect(replies, quiet, wanted)

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


@contextmanager
def asking(directory: Path, place: Place, start: Callable[[Host], Process]) -> Iterator[Asker]:
    """A daemon in a network of its own, and a host beside it that asks; both go at the end."""
    directory.mkdir(exist_ok=True)
    with Network(directory=directory) as network:
        network.vlan("lan", place.network)
        server = network.host("server", {"lan": place.server}, gateway=str(place.local))
        client = network.host("clients", {"lan": place.local})
        client.namespace.ip("route add 255.255.255.255 dev eth0")
        for address in {*place.relays} - {place.local}:
            client.namespace.ip(f"addr add {address}/32 dev eth0")
        start(server)
        asker = Asker(client, place.server, place.relays)
        try:
            yield asker
        finally:
            asker.close()


# -- comparing ---------------------------------------------------------------------------------


def arrival_of(place: Place, case: Case, packet: Packet) -> Arrival:
    """A packet as it comes to the server."""
    source = place.local if case.giaddr == UNSPECIFIED else case.giaddr
    return Arrival(packet=packet, at=0.0, port=67, address=place.server, source=(source, 68))


def predicted(model: ServerModel, place: Place, case: Case, packet: Packet) -> Packet | None:
    """What a model answers to a packet; None for silence."""
    replies = model.receive(model.initial(), arrival_of(place, case, packet)).replies
    return replies[0].packet if replies else None


def difference(real: Packet | None, model: Packet | None, also: Sequence[str] = ()) -> str:
    """What differs between the reply a server sent and the one that was expected; empty if nothing.

    ``also``: further fields to compare, such as how options travelled (``overload``).
    """
    if real is None or model is None:
        return "" if real is model else f"real {_short(real)}, model {_short(model)}"
    wrong = [
        f"{name} {getattr(real, name)!s}, model {getattr(model, name)!s}"
        for name in (
            "op",
            "htype",
            "hlen",
            "hops",
            "xid",
            "secs",
            "flags",
            "ciaddr",
            "yiaddr",
            "siaddr",
            "giaddr",
        )
        if getattr(real, name) != getattr(model, name)
    ]
    wrong += [
        f"{name} {getattr(real, name)!r}, model {getattr(model, name)!r}"
        for name in ("chaddr", "sname", "file", *also)
        if getattr(real, name) != getattr(model, name)
    ]
    for code in sorted({*real.options, *model.options}):
        a, b = real.options.get(code), model.options.get(code)
        if a != b:
            wrong.append(f"option {code} {_hex(a)}, model {_hex(b)}")
    if not wrong and list(real.options) != list(model.options):
        wrong.append(f"order {list(map(int, real.options))}, model {list(map(int, model.options))}")
    return "; ".join(wrong)


def differing(
    model: ServerModel,
    place: Place,
    seen: Iterable[Asked],
    alike: Callable[[Packet, Packet], Packet] = lambda reply, _: reply,
    also: Sequence[str] = (),
) -> list[str]:
    """A line for each reply that is not the predicted one.

    ``alike``: the reply as it is compared with the predicted one, where a daemon may choose an address.
    ``also``: as `difference` has it.
    """
    wrong = []
    for case, packet, reply in seen:
        expected = predicted(model, place, case, packet)
        if reply is not None and expected is not None:
            found = difference(alike(reply, expected), expected, also)
        else:
            found = difference(reply, expected, also)
        if found:
            wrong.append(f"{case}: {found}")
    return wrong


def _short(packet: Packet | None) -> str:
    if packet is None:
        return "silence"
    kind = packet.message_type
    return f"{kind.name if kind else 'BOOTP'} {packet.yiaddr}"


def _hex(value: bytes | None) -> str:
    return "none" if value is None else f"{value!r}"
