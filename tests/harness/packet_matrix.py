"""The packets a lease is held to the truth with: who asks, as what, from where, for which options.

A daemon runs on a host; one other host asks it locally and as a relay agent of other networks, and every
reply is held against what a model says.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from coexist.boot.responder import Arrival, ServerModel
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host, Network
from tests.harness.processes import Process

PXE_LIST = bytes([1, 2, 3, 4, 5, 6, 11, 12, 13, 15, 16, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58,
                  59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135])  # fmt: skip
"""What EDK2 and PXE ROMs ask for."""
ALL = bytes(range(1, 255))
_BATCH = 12
_LATE = 0.06
_AGAIN = 2


def _pxe(code: int, kind: str = "PXEClient") -> dict[int, bytes]:
    return {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2, "big"),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\1\3\x10",
    }


_IPXE = bytes.fromhex("b105018086100e130101170101150101")
KINDS: dict[str, dict[int, bytes]] = {
    "nothing": {},
    **{f"PXE {code}": _pxe(code) for code in (0, 6, 7, 9, 11)},
    "HTTP 16": _pxe(16, "HTTPClient"),
    "iPXE 0": _pxe(0) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: _IPXE},
    "iPXE 7": _pxe(7) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: _IPXE},
    "iPXE, counted": _pxe(7) | {Option.USER_CLASS: b"\4iPXE"},
    "gPXE": _pxe(0) | {Option.USER_CLASS: b"gPXE\0"},
    "phone": {Option.VENDOR_CLASS_IDENTIFIER: b"Cisco Systems, Inc. IP Phone CP-8841"},
    "named": {Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0", Option.HOST_NAME: b"desk-7"},
}  # fmt: skip
LISTS: dict[str, bytes | None] = {
    "none": None,
    "PXE": PXE_LIST,
    "all": ALL,
    "few": bytes([3, 1, 6, 66, 67, 43]),
}
_AGENT = bytes.fromhex("0104000a0b0c0206525400aa0001")


@dataclass(frozen=True, slots=True)
class Case:
    """One packet: ``network`` is the relay's, None for a client on the server's own."""

    mac: str
    kind: str
    wanted: str
    network: IPv4Network | None
    message: MessageType = MessageType.DISCOVER
    more: tuple[tuple[int, bytes], ...] = ()
    secs: int = 4
    flags: int = BROADCAST_FLAG

    def __str__(self) -> str:
        where = "local" if self.network is None else f"relayed from {self.network}"
        return f"{self.message.name} of {self.mac} ({self.kind}, asks for {self.wanted}, {where})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the daemon stands: its address, its network, and a relay agent's address in each network."""

    server: IPv4Address
    network: IPv4Network
    local: IPv4Address
    relays: Mapping[IPv4Network, IPv4Address]


def discovers(macs: Sequence[str], networks: Sequence[IPv4Network | None]) -> list[Case]:
    """DISCOVER of every machine in every network: every kind, and every list of options for some."""
    lists = list(LISTS)
    cases: list[Case] = []
    for network in networks:
        for number, mac in enumerate(macs):
            for turn, kind in enumerate(KINDS):
                more: tuple[tuple[int, bytes], ...] = ()
                if network is not None and (number + turn) % 3 == 0:
                    more = ((Option.RELAY_AGENT_INFORMATION, _AGENT),)
                elif (number + turn) % 5 == 0:
                    more = ((Option.MAXIMUM_DHCP_MESSAGE_SIZE, (1260).to_bytes(2, "big")),)
                wanted = lists[(number + turn) % len(lists)]
                flags = 0 if network is not None and turn % 2 else BROADCAST_FLAG
                cases.append(Case(mac, kind, wanted, network, more=more, flags=flags))
    return cases


def introductions(macs: Sequence[str], networks: Sequence[IPv4Network | None]) -> list[Case]:
    """A first DISCOVER of every machine: a daemon that pings an address hears nothing of its client
    meanwhile, and does not ping it again so soon."""
    return [Case(mac, "nothing", "PXE", network) for network in networks for mac in macs]


def identified(macs: Sequence[str]) -> list[Case]:
    """DISCOVER of machines with a client identifier, which stands for them from then on: 1 and the MAC."""
    return [
        Case(mac, kind, "all", None, more=((Option.CLIENT_IDENTIFIER, b"\1" + mac_bytes(parse_mac(mac))),))
        for mac, kind in zip(macs, ("PXE 7", "iPXE 0", "named"), strict=False)
    ]


def requests(macs: Sequence[str], networks: Sequence[IPv4Network | None]) -> list[Case]:
    """One REQUEST a machine, each as another kind; and INFORM as a few."""
    kinds, lists = list(KINDS), list(LISTS)
    cases = [
        Case(mac, kinds[number % len(kinds)], lists[number % len(lists)], network, MessageType.REQUEST)
        for network in networks
        for number, mac in enumerate(macs)
    ]
    informs = ("PXE 7", "iPXE 0", "nothing", "named")
    cases += [
        Case(mac, kind, lists[number % len(lists)], None, MessageType.INFORM)
        for mac in (macs[0], macs[-1])
        for number, kind in enumerate(informs)
    ]
    return cases


def strangers(count: int) -> list[str]:
    """MACs that no file of the tests knows."""
    return [f"02:00:5e:10:{number >> 8:02x}:{number & 255:02x}" for number in range(1, count + 1)]


def packet_of(case: Case, place: Place, xid: int, leased: IPv4Address | None = None) -> Packet:
    """The packet of a case; ``leased`` is the address a REQUEST asks for."""
    options: dict[int, bytes] = {Option.DHCP_MESSAGE_TYPE: bytes((case.message,)), **KINDS[case.kind]}
    list_of_codes = LISTS[case.wanted]
    if list_of_codes is not None:
        options[Option.PARAMETER_REQUEST_LIST] = list_of_codes
    if leased is not None:
        options[Option.REQUESTED_IP_ADDRESS] = leased.packed
    options.update(case.more)
    return Packet(
        op=BOOTREQUEST,
        hops=0 if case.network is None else 1,
        xid=xid,
        secs=case.secs,
        flags=case.flags if case.message is not MessageType.INFORM else 0,
        ciaddr=place.local if case.message is MessageType.INFORM else UNSPECIFIED,
        giaddr=UNSPECIFIED if case.network is None else place.relays[case.network],
        chaddr=mac_bytes(parse_mac(case.mac)),
        options=options,
    )


class Asker:
    """A host that asks a daemon and collects what it says."""

    def __init__(self, host: Host, place: Place) -> None:
        self.place = place
        interface = next(iter(host.interfaces.values())).encode()
        self.relay = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.relay.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.relay.bind(("", 67))
        self.client = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface)
        self.client.bind(("", 68))

    def close(self) -> None:
        """Close its sockets."""
        self.relay.close()
        self.client.close()

    def exchange(self, packets: Sequence[Packet], patience: float) -> dict[int, Packet]:
        """Send packets and collect the replies, by xid, until ``patience`` seconds are silent."""
        answers: dict[int, Packet] = {}
        for start in range(0, len(packets), _BATCH):
            for packet in packets[start : start + _BATCH]:
                if packet.giaddr != UNSPECIFIED:
                    self.relay.sendto(encode(packet), (str(self.place.server), 67))
                else:
                    self.client.sendto(encode(packet), ("255.255.255.255", 67))
            self._collect(answers, _LATE, len(packets))
        self._collect(answers, patience, len(packets))
        return answers

    def _collect(self, answers: dict[int, Packet], patience: float, wanted: int) -> None:
        while len(answers) < wanted:
            ready = select.select([self.relay, self.client], [], [], patience)[0]
            if not ready:
                return
            for sock in ready:
                reply = decode(sock.recv(4096))
                if isinstance(reply, Packet) and reply.op == BOOTREPLY:
                    answers.setdefault(reply.xid, reply)


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet and the daemon's reply, None for silence."""

    case: Case
    packet: Packet
    reply: Packet | None


class _Asking:
    """What was asked so far and what came back. A REQUEST asks for what its machine was offered before."""

    def __init__(self, asker: Asker, place: Place, patience: float) -> None:
        self.asker, self.place, self.patience = asker, place, patience
        self.offered: dict[tuple[str, IPv4Network | None], IPv4Address] = {}
        self.xid = 0

    def round(self, cases: Iterable[Case]) -> list[Seen]:
        """Ask some cases at once."""
        packets: dict[int, tuple[Case, Packet]] = {}
        for case in cases:
            leased = None
            if case.message is MessageType.REQUEST:
                leased = self.offered.get((case.mac, case.network))
                if leased is None:
                    continue
            self.xid += 1
            packets[self.xid] = (case, packet_of(case, self.place, self.xid, leased))
        answers = self.asker.exchange([packet for _, packet in packets.values()], self.patience)
        for number, (case, _) in packets.items():
            if number in answers and case.message is MessageType.DISCOVER:
                self.offered[case.mac, case.network] = answers[number].yiaddr
        return [Seen(case, packet, answers.get(number)) for number, (case, packet) in packets.items()]


def ask_daemon(
    directory: Path,
    place: Place,
    start: Callable[[Host], Process],
    rounds: Iterable[Sequence[Case]],
    patience: float,
    expected: Callable[[Seen], bool],
) -> list[Seen]:
    """Ask a daemon the cases of every round.

    A daemon that pings an address does not hear its client meanwhile: what is ``expected`` to be answered and
    was not is asked again, a machine at a time; what then is left has not been asked.
    """
    directory.mkdir()
    seen: list[Seen] = []
    with Network(directory=directory) as network:
        network.vlan("lan", place.network)
        host = network.host("server", {"lan": place.server}, gateway=str(place.local))
        clients = network.host("clients", {"lan": place.local})
        for address in {*place.relays.values()} - {place.local}:
            clients.namespace.ip(f"addr add {address}/32 dev eth0")
        start(host)
        asker = Asker(clients, place)
        try:
            asking = _Asking(asker, place, patience)
            for cases in rounds:
                found = asking.round(cases)
                seen += [one for one in found if one.reply is not None or not expected(one)]
                unheard = [one.case for one in found if one.reply is None and expected(one)]
                for _ in range(_AGAIN):
                    once = {(case.mac, case.network): case for case in unheard}
                    seen += asking.round(once.values())
                    unheard = [case for case in unheard if case not in once.values()]
        finally:
            asker.close()
    return seen


SamePlace = Callable[[IPv4Address, IPv4Address], bool]
"""Whether two addresses come from one pool: which of its addresses a daemon picks is its own affair."""


def predicted(model: ServerModel, place: Place, seen: Seen) -> Packet | str:
    """What a model answers to a packet, or why nothing."""
    source = place.local if seen.case.message is MessageType.INFORM else UNSPECIFIED
    arrival = Arrival(packet=seen.packet, at=0.0, port=67, address=place.server, source=(source, 68))
    reaction = model.receive(model.initial(), arrival)
    if not reaction.replies:
        return "silence" if reaction.unanswered is None else reaction.unanswered.why
    return reaction.replies[0].packet


def difference(expected: Packet | str, seen: Seen, same_place: SamePlace) -> str:
    """What of a reply is not as predicted; empty if nothing."""
    reply = seen.reply
    if isinstance(expected, str) or reply is None:
        if isinstance(expected, str) and reply is None:
            return ""
        return f"{seen.case}: predicted {_told(expected)}, the daemon says {_told(reply)}"
    if expected.yiaddr != reply.yiaddr and same_place(expected.yiaddr, reply.yiaddr):
        expected = replace(expected, yiaddr=reply.yiaddr)
    wrong = [
        f"{name} {getattr(expected, name)!r} is {getattr(reply, name)!r}"
        for name in ("op", "htype", "hlen", "hops", "xid", "secs", "flags", "ciaddr", "yiaddr", "siaddr",
                     "giaddr", "chaddr", "sname", "file", "overload")
        if getattr(expected, name) != getattr(reply, name)
    ]  # fmt: skip
    wrong += [
        f"option {code} {expected.options.get(code)!r} is {reply.options.get(code)!r}"
        for code in sorted({*expected.options, *reply.options})
        if expected.options.get(code) != reply.options.get(code)
    ]
    if not wrong and list(expected.options) != list(reply.options):
        wrong.append(f"the order {list(expected.options)} is {list(reply.options)}")
    return f"{seen.case}: {'; '.join(wrong)}" if wrong else ""


def _told(packet: Packet | str | None) -> str:
    if packet is None:
        return "nothing"
    if isinstance(packet, str):
        return f"nothing ({packet})"
    return f"{packet.yiaddr} {packet.file!r}"
