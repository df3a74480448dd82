"""Whether two configurations of one server answer every client alike, by partition and not by sample.

What is compared of a reply is what a client can act on: that there is one, its type, yiaddr, siaddr, sname,
file and every option with its octets. Not the order of the options, nor hops and secs, which no client reads.
An address of a pool stands for the pool: from which pools a client can be leased is compared by asking for an
address of each (option 50). Clients say which options they want (option 55), as all that boot do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from coexist.analysis.packet_cells import MacCell, listed_macs, mac_cells, option_cells
from coexist.boot.leases.lease import FieldName, Lease, LeaseSource, NoLease, Origin
from coexist.boot.own_files import OwnSubnet
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival, ServerModel
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet
from coexist.wire.domain_names import without_pointers
from coexist.wire.mac import format_mac, mac_bytes
from coexist.wire.options import MessageType, Option

MOST_PACKETS = 400_000
"""Of more, the comparison would take longer than anybody waits: it is refused, not sampled."""
_ALL = bytes(code for code in range(1, 255) if code != Option.PARAMETER_REQUEST_LIST)
_ROOM = (1472).to_bytes(2, "big")
_OF_THE_CLIENT = frozenset({int(Option.HOST_NAME), 81})
"""Products answer the names a client sends each in its own way."""
_MESSAGES = (MessageType.DISCOVER, MessageType.REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One configuration: its model, the leases behind it, and its subnets."""

    model: ServerModel
    leases: LeaseSource
    subnets: tuple[OwnSubnet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that clients are told otherwise: what, from which line, what it was and is, and one of them.

    ``cells``: how many of the packets compared show it.
    """

    what: str
    origin: Origin | None
    before: str
    after: str
    witness: str
    cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was compared.

    ``informs``: what differs in answers to a DHCPINFORM, which no booting machine sends and which products
    answer each in its own way. ``unclear``: comparisons of either side whose cells are not known, so that
    nothing is proven about them. ``too_many``: how many packets a proof would have taken, 0 if it was done.
    """

    packets: int
    mac_cells: int
    option_cells: int
    differences: tuple[Difference, ...]
    informs: tuple[Difference, ...] = ()
    reserved: tuple[Difference, ...] = ()
    unclear: tuple[Origin, ...] = ()
    too_many: int = 0

    @property
    def equal(self) -> bool:
        """Whether all clients are answered alike, and that is proven."""
        return not (self.differences or self.unclear or self.too_many)


def compare(source: Side, target: Side, address: IPv4Address, relays: Sequence[IPv4Address]) -> Comparison:
    """Compare what both answer at ``address``, to clients there and behind each of the relays."""
    run = _Run(source, target, address, places(source, target, address, relays))
    return run.result()


def places(
    source: Side, target: Side, address: IPv4Address, relays: Sequence[IPv4Address]
) -> tuple[IPv4Address, ...]:
    """The giaddr of every network, 0.0.0.0 for the server's own; and one that nobody has declared."""
    found: dict[IPv4Address, None] = {UNSPECIFIED: None}
    found.update(dict.fromkeys(relays))
    networks = [subnet.network for side in (source, target) for subnet in side.subnets]
    for network in networks:
        # Also behind a relay agent of the server's own network.
        found[_an_address(network)] = None
    foreign = IPv4Network("192.0.2.0/24")
    if not any(network.overlaps(foreign) for network in networks) and address not in foreign:
        found[_an_address(foreign)] = None
    return tuple(found)


def _an_address(network: IPv4Network) -> IPv4Address:
    return network.network_address + 1 if network.prefixlen < 31 else network.network_address


@dataclass(slots=True)
class _Found:
    difference: Difference
    cells: int = 0


@dataclass(slots=True)
class _Run:
    source: Side
    target: Side
    address: IPv4Address
    places: tuple[IPv4Address, ...]
    packets: int = 0
    found: dict[tuple[str, Origin | None], _Found] = field(default_factory=dict)
    informs: dict[tuple[str, Origin | None], _Found] = field(default_factory=dict)
    reserved: dict[tuple[str, Origin | None], _Found] = field(default_factory=dict)
    own: dict[bytes, Origin | None] = field(default_factory=dict)

    def result(self) -> Comparison:
        told = [self.source.leases.distinctions, self.target.leases.distinctions]
        macs, options = mac_cells(told), list(option_cells(told))
        listed = listed_macs(told)
        unclear = tuple(dict.fromkeys(origin for side in told for origin in side.unclear))
        count = len(self.places) * (len(macs) * len(options) * len(_MESSAGES) + len(listed))
        if count <= MOST_PACKETS:
            self._all(macs, options, listed)
        return Comparison(
            packets=self.packets,
            mac_cells=len(macs),
            option_cells=len(options),
            differences=_listed(self.found),
            informs=_listed(self.informs),
            reserved=_listed(self.reserved),
            unclear=unclear,
            too_many=count if count > MOST_PACKETS else 0,
        )

    def _all(
        self, macs: Sequence[MacCell], options: Sequence[dict[int, bytes]], listed: Sequence[int]
    ) -> None:
        self.own = dict(self._reserved(listed))
        wanted = [address.packed for address in self._addresses()]
        for giaddr in self.places:
            for cell in macs:
                for sent in options:
                    self._ask(cell.witness, sent, giaddr)
                self._pair(cell.witness, {}, giaddr, MessageType.INFORM)
                for more in self._more(cell.witness):
                    self._pair(cell.witness, more, giaddr, MessageType.DISCOVER)
                for octets in wanted:
                    self._pair(
                        cell.witness, {Option.REQUESTED_IP_ADDRESS: octets}, giaddr, MessageType.DISCOVER
                    )
                self._pair(cell.witness, {}, giaddr, MessageType.DISCOVER, secs=0)
            for mac in listed:
                self._pair(mac, {}, giaddr, MessageType.DISCOVER)
            known = frozenset(listed)
            for cell in macs:
                if cell.witness not in known:
                    self._ask_for_reserved(cell.witness, giaddr)

    def _ask_for_reserved(self, mac: int, giaddr: IPv4Address) -> None:
        """Of each pool, ask for an address that belongs to another machine."""
        for subnet in self.source.subnets:
            for first, last, _ in subnet.ranges:
                inside = (octets for octets in self.own if first.packed <= octets <= last.packed)
                wanted = min(inside, default=None)
                if wanted is None:
                    continue
                sent: dict[int, bytes] = {Option.REQUESTED_IP_ADDRESS: wanted}
                arrival = self._arrival(mac, sent, giaddr, MessageType.DISCOVER)
                granted = [
                    reply is not None and reply.yiaddr.packed == wanted
                    for reply in (first_reply(side.model, arrival) for side in (self.source, self.target))
                ]
                if granted[0] is not granted[1]:
                    told = ("leased to others", "to its machine alone")
                    before, after = told if granted[0] else reversed(told)
                    what = f"the address {IPv4Address(wanted)}"
                    self._keep(self.reserved, what, self.own[wanted], before, after, arrival.packet)

    @staticmethod
    def _more(mac: int) -> Iterator[dict[int, bytes]]:
        """What products look at whatever is configured: client identifier, lease time."""
        yield {Option.CLIENT_IDENTIFIER: b"\1" + mac_bytes(mac)}
        yield {Option.IP_ADDRESS_LEASE_TIME: (60).to_bytes(4, "big")}
        yield {Option.IP_ADDRESS_LEASE_TIME: (10_000_000).to_bytes(4, "big")}

    def _reserved(self, listed: Sequence[int]) -> Iterator[tuple[bytes, Origin | None]]:
        """The addresses that belong to machines: products lease them to others, or do not."""
        for mac in listed:
            for giaddr in self.places:
                lease = self.source.leases(self._arrival(mac, {}, giaddr, MessageType.DISCOVER))
                if isinstance(lease, Lease) and lease.reserved:
                    yield lease.yiaddr.packed, lease.origins.get("yiaddr")

    def _addresses(self) -> list[IPv4Address]:
        """One address of each piece that the pools of both sides cut the space into."""
        ranges = [r for side in (self.source, self.target) for subnet in side.subnets for r in subnet.ranges]
        ends = sorted({end for first, last, _ in ranges for end in (int(first), int(last) + 1)})
        found = []
        for start, end in pairwise(ends):
            inside = any(first <= IPv4Address(start) <= last for first, last, _ in ranges)
            free = self._free(start, end - 1) if inside else None
            if free is not None:
                found.append(free)
        return found

    def _free(self, first: int, last: int) -> IPv4Address | None:
        """An address of a range that is nobody's own."""
        numbers = (IPv4Address(number) for number in range(first, last + 1))
        return next((address for address in numbers if address.packed not in self.own), None)

    def _hint(self, address: IPv4Address) -> bytes | None:
        """A free address of the source's range that holds an address."""
        for subnet in self.source.subnets:
            for first, last, _ in subnet.ranges:
                if first <= address <= last:
                    free = self._free(int(first), int(last))
                    return None if free is None else free.packed
        return None

    def _ask(self, mac: int, sent: dict[int, bytes], giaddr: IPv4Address) -> None:
        """A whole exchange of one client."""
        offer = self._pair(mac, sent, giaddr, MessageType.DISCOVER)
        if offer is not None:
            chosen: dict[int, bytes] = {
                Option.REQUESTED_IP_ADDRESS: offer.yiaddr.packed,
                Option.SERVER_IDENTIFIER: offer.options.get(Option.SERVER_IDENTIFIER, self.address.packed),
            }
            self._pair(mac, {**sent, **chosen}, giaddr, MessageType.REQUEST)

    def _pair(
        self,
        mac: int,
        sent: dict[int, bytes],
        giaddr: IPv4Address,
        kind: MessageType,
        *,
        secs: int = 64,
    ) -> Packet | None:
        """Ask both, and note what differs; the source's reply."""
        if giaddr == UNSPECIFIED and Option.RELAY_AGENT_INFORMATION in sent:
            # Only relay agents send it, and they say where they are.
            return None
        arrival = self._arrival(mac, sent, giaddr, kind, secs=secs)
        self.packets += 1
        before, after = (first_reply(side.model, arrival) for side in (self.source, self.target))
        if kind is MessageType.INFORM and before is None:
            # A dhcpd that is not authoritative is silent, and Kea never is.
            return None
        if kind is MessageType.DISCOVER and self._is_another_pool(before, after):
            # Which of the pools that are open to a client is used is each daemon's own affair: ask for one.
            hint = None if before is None else self._hint(before.yiaddr)
            wanted = sent.get(Option.REQUESTED_IP_ADDRESS)
            granted = before is not None and wanted == before.yiaddr.packed
            if hint is not None and not granted and wanted != hint:
                asking: dict[int, bytes] = {**sent, Option.REQUESTED_IP_ADDRESS: hint}
                return self._pair(mac, asking, giaddr, kind, secs=secs)
        for what, name, ours, theirs in self._differences(before, after, arrival.packet):
            self._note(what, name, ours, theirs, arrival)
        return before

    def _is_another_pool(self, before: Packet | None, after: Packet | None) -> bool:
        if before is None or after is None or before.yiaddr == after.yiaddr:
            return False
        return _in_a_pool(self.source, before.yiaddr) and _in_a_pool(self.target, after.yiaddr)

    def _arrival(
        self,
        mac: int,
        sent: dict[int, bytes],
        giaddr: IPv4Address,
        kind: MessageType,
        *,
        secs: int = 64,
    ) -> Arrival:
        """A packet of a client as it reaches the server."""
        asks: dict[int, bytes] = {
            Option.PARAMETER_REQUEST_LIST: _ALL,
            Option.MAXIMUM_DHCP_MESSAGE_SIZE: _ROOM,
        }
        packet = client_packet(mac, {**asks, **sent}, giaddr, kind, self.address, secs=secs)
        return Arrival(
            packet=packet, at=0.0, port=DHCP_PORT, address=self.address, source=(packet.ciaddr, CLIENT_PORT)
        )

    def _differences(
        self, before: Packet | None, after: Packet | None, asked: Packet
    ) -> Iterator[tuple[str, int | FieldName | None, str, str]]:
        if before is None or after is None:
            if before is not after:
                yield "an answer", "yiaddr", _told(before), _told(after)
            return
        if before.message_type is not after.message_type:
            yield "the kind of answer", None, _told(before), _told(after)
            return
        wanted = asked.options.get(Option.REQUESTED_IP_ADDRESS)
        if not self._same_address(before.yiaddr, after.yiaddr, wanted):
            yield "yiaddr", "yiaddr", str(before.yiaddr), str(after.yiaddr)
        fields: tuple[FieldName, ...] = ("siaddr", "sname", "file")
        for name in fields:
            ours, theirs = getattr(before, name), getattr(after, name)
            if ours != theirs:
                yield name, name, _shown(ours), _shown(theirs)
        skipped = _OF_THE_CLIENT & asked.options.keys()
        for code in sorted({*before.options, *after.options} - skipped):
            was, now = (_read(code, reply.options.get(code)) for reply in (before, after))
            if was != now:
                is_time = code == Option.IP_ADDRESS_LEASE_TIME
                yield f"option {int(code)}", "lease_time" if is_time else int(code), _shown(was), _shown(now)

    def _same_address(self, ours: IPv4Address, theirs: IPv4Address, wanted: bytes | None) -> bool:
        if ours == theirs:
            return True
        if wanted is not None and wanted in (ours.packed, theirs.packed):
            # One of them leases what the client asks for, and the other does not.
            return wanted in self.own
        return _in_a_pool(self.source, ours) and _in_a_pool(self.target, theirs)

    def _note(
        self, what: str, name: int | FieldName | None, before: str, after: str, arrival: Arrival
    ) -> None:
        lease = self.source.leases(arrival)
        origin: Origin | None = None
        if isinstance(lease, Lease):
            origin = lease.origins.get(name) if name is not None else None
        elif isinstance(lease, NoLease):
            origin = lease.origin
        table = self.informs if arrival.packet.message_type is MessageType.INFORM else self.found
        self._keep(table, what, origin, before, after, arrival.packet)

    @staticmethod
    def _keep(
        table: dict[tuple[str, Origin | None], _Found],
        what: str,
        origin: Origin | None,
        before: str,
        after: str,
        packet: Packet,
    ) -> None:
        key = (what, origin)
        known = table.get(key)
        if known is None:
            known = table[key] = _Found(
                Difference(
                    what=what,
                    origin=origin,
                    before=before,
                    after=after,
                    witness=_witness(packet),
                    cells=0,
                )
            )
        known.cells += 1


def _listed(found: Mapping[tuple[str, Origin | None], _Found]) -> tuple[Difference, ...]:
    return tuple(replace(one.difference, cells=one.cells) for one in found.values())


def _in_a_pool(side: Side, address: IPv4Address) -> bool:
    return any(first <= address <= last for subnet in side.subnets for first, last, _ in subnet.ranges)


def client_packet(
    mac: int,
    sent: Mapping[int, bytes],
    giaddr: IPv4Address,
    kind: MessageType,
    server: IPv4Address,
    *,
    secs: int,
) -> Packet:
    """A packet of a client near ``server``, or behind the relay agent ``giaddr``; with an address of its own
    there if it is an INFORM."""
    near = server if giaddr == UNSPECIFIED else giaddr
    return Packet(
        op=BOOTREQUEST,
        xid=1,
        secs=secs,
        ciaddr=IPv4Address(int(near) ^ 3) if kind is MessageType.INFORM else UNSPECIFIED,
        giaddr=giaddr,
        hops=0 if giaddr == UNSPECIFIED else 1,
        chaddr=mac_bytes(mac),
        options={Option.DHCP_MESSAGE_TYPE: bytes((kind,)), **sent},
    )


def first_reply(model: ServerModel, arrival: Arrival) -> Packet | None:
    """What a server answers to a packet before any other; None for silence."""
    replies = model.receive(model.initial(), arrival).replies
    return replies[0].packet if replies else None


def _told(packet: Packet | None) -> str:
    if packet is None:
        return "silence"
    return packet.message_type.name if packet.message_type is not None else "BOOTP"


def _read(code: int, octets: bytes | None) -> bytes | None:
    """What a client reads in an option: names, whether pointers lead to them or not."""
    if octets is None or code != Option.DOMAIN_SEARCH:
        return octets
    try:
        return without_pointers(octets)
    except ValueError:
        return octets


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return f'"{text}"' if text.isascii() and text.isprintable() and text else value.hex(":") or '""'
    return "none" if value is None else str(value)


def _witness(packet: Packet) -> str:
    kind = packet.message_type
    where = "" if packet.giaddr == UNSPECIFIED else f" by {packet.giaddr}"
    quiet = (Option.DHCP_MESSAGE_TYPE, Option.PARAMETER_REQUEST_LIST, Option.MAXIMUM_DHCP_MESSAGE_SIZE)
    sent = ", ".join(
        f"{int(code)}={_shown(value)}" for code, value in packet.options.items() if code not in quiet
    )
    name = kind.name if kind is not None else "BOOTP"
    return f"{name} of {format_mac(packet.mac)}{where}" + (f", option {sent}" if sent else "")
