"""Whether two configurations of one server for the same product answer alike, octet for octet.

`equal_replies` leaves out what no client acts on, since products differ in it. Of one product nothing is left
out: every header field and every option in its order, for clients that ask for nothing, for a few options and
for all of them, with and without a name, and for those that ask for a lease time. What no firmware sends is
not compared: several architectures in one packet, or a vendor class that names PXEClient or HTTPClient twice
or behind something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from math import gcd

from coexist.analysis.equal_replies import Side, client_packet, first_reply, places
from coexist.analysis.packet_cells import listed_macs, mac_cells, option_cells
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival, ServerModel
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.option_codes import INFINITE_LEASE
from coexist.wire.options import MessageType, Option

MOST_PACKETS = 2_000
"""Of more, some are compared: all would take longer than an import may."""
# None, a short list without the boot file, and one with it (RFC 4578 section 2.4 asks for 128 to 135).
_ASKS: Sequence[Mapping[int, bytes]] = (
    {},
    {Option.PARAMETER_REQUEST_LIST: bytes((1, 3, 6, 15, 28))},
    {Option.PARAMETER_REQUEST_LIST: bytes((1, 2, 3, 6, 12, 15, 28, 42, 43, 60, 66, 67, *range(128, 136)))},
)
_ARCHITECTURES = (0, 6, 7, 9, 11)
_WORDS = (b"PXEClient", b"HTTPClient")


def _firmware(code: int, kind: str) -> dict[int, bytes]:
    return {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2, "big"),
    }


_KINDS: Sequence[Mapping[int, bytes]] = (
    {},
    *(_firmware(code, "PXEClient") for code in _ARCHITECTURES),
    _firmware(16, "HTTPClient"),
    {**_firmware(0, "PXEClient"), Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x13\1\1"},
    {**_firmware(7, "PXEClient"), Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x13\1\1"},
    {Option.VENDOR_CLASS_IDENTIFIER: b"MSFT 5.0", Option.HOST_NAME: b"desk\0"},
    {Option.HOST_NAME: b"desk", Option.CLIENT_IDENTIFIER: b"\1\2\0\0\0\0\1"},
    {Option.CLIENT_FQDN: b"\1\0\0desk.example"},
)

_TIMES = (1, 7_000, INFINITE_LEASE)
"""What clients ask as a lease time: the shortest, one between the usual limits, for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactness:
    """What was compared: ``first``, the first packet that is answered otherwise, in words (empty if none is);
    ``compared`` of ``packets`` that clients can send."""

    first: str
    compared: int
    packets: int


def compare_exactly(
    source: Side, target: Side, address: IPv4Address, relays: Sequence[IPv4Address]
) -> Exactness:
    """Compare two sides, up to the first difference. ``address``: the server's own.

    Of more packets than `MOST_PACKETS` an even choice is compared, the same each time.
    """
    told = [source.leases.distinctions, target.leases.distinctions]
    if any(side.unclear for side in told):
        return Exactness(first="comparisons whose clients cannot be told apart", compared=0, packets=0)
    macs = [cell.witness for cell in mac_cells(told)]
    kinds = [*_KINDS, *filter(_is_a_firmwares, option_cells(told))]
    listed = listed_macs(told)
    ways = places(source, target, address, relays)
    packets = [packet for giaddr in ways for packet in _packets(macs, kinds, listed, giaddr, address)]
    chosen = _spread(packets) if len(packets) > MOST_PACKETS else packets
    for number, packet in enumerate(chosen, 1):
        first = _first_difference(source.model, target.model, packet, address)
        if first:
            return Exactness(first=first, compared=number, packets=len(packets))
    return Exactness(first="", compared=len(chosen), packets=len(packets))


def _spread(packets: Sequence[Packet]) -> list[Packet]:
    """`MOST_PACKETS` of them in steps of the golden section: one in so many would meet the same list of
    options each time."""
    count = len(packets)
    step = next(n for n in range(int(count * 0.618), count) if gcd(n, count) == 1)
    return [packets[number * step % count] for number in range(MOST_PACKETS)]


def _first_difference(source: ServerModel, target: ServerModel, packet: Packet, address: IPv4Address) -> str:
    before, after = (_reply(model, packet, address) for model in (source, target))
    if _octets(before) != _octets(after):
        return _told(packet, before, after)
    if before is not None and packet.message_type is MessageType.DISCOVER:
        return _first_difference(source, target, packet.with_options(_requesting(before)), address)
    return ""


def _is_a_firmwares(sent: Mapping[int, bytes]) -> bool:
    vendor_class = sent.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
    named = [vendor_class.count(word) for word in _WORDS]
    return (
        len(sent.get(Option.CLIENT_SYSTEM_ARCHITECTURE, b"")) in (0, 2)
        and sum(named) <= 1
        and (not sum(named) or vendor_class.startswith(_WORDS))
    )


def _packets(
    macs: Sequence[int],
    kinds: Sequence[Mapping[int, bytes]],
    listed: Sequence[int],
    giaddr: IPv4Address,
    server: IPv4Address,
) -> Iterator[Packet]:
    def sent(mac: int, options: Mapping[int, bytes], message: MessageType = MessageType.DISCOVER) -> Packet:
        return client_packet(mac, options, giaddr, message, server, secs=4)

    for mac in macs:
        for kind in kinds:
            if giaddr == UNSPECIFIED and Option.RELAY_AGENT_INFORMATION in kind:
                # Only relay agents send it.
                continue
            for asks in _ASKS:
                yield sent(mac, {**asks, **kind})
        yield sent(mac, {}, MessageType.INFORM)
        for seconds in _TIMES:
            yield sent(mac, {Option.IP_ADDRESS_LEASE_TIME: seconds.to_bytes(4, "big")})
    for mac in listed:
        yield sent(mac, {})


def _requesting(offer: Packet) -> dict[int, bytes]:
    """The options by which a client takes an offer."""
    return {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.REQUEST,)),
        Option.REQUESTED_IP_ADDRESS: offer.yiaddr.packed,
        Option.SERVER_IDENTIFIER: offer.options.get(Option.SERVER_IDENTIFIER, b""),
    }


def _reply(model: ServerModel, packet: Packet, address: IPv4Address) -> Packet | None:
    source = packet.ciaddr if packet.giaddr == UNSPECIFIED else packet.giaddr
    arrival = Arrival(packet=packet, at=0.0, port=DHCP_PORT, address=address, source=(source, CLIENT_PORT))
    return first_reply(model, arrival)


def _octets(reply: Packet | None) -> object:
    """All of a reply, its options in their order."""
    return None if reply is None else (reply, list(reply.options.items()))


def _told(packet: Packet, before: Packet | None, after: Packet | None) -> str:
    kind = packet.message_type
    said = (Option.VENDOR_CLASS_IDENTIFIER, Option.USER_CLASS, Option.HOST_NAME)
    texts = [packet.options[code].decode("latin-1") for code in said if code in packet.options]
    sent = " ".join("".join(filter(str.isprintable, text)) for text in texts)
    who = f"{kind.name if kind is not None else 'BOOTP'} of {format_mac(packet.mac)} {sent}".rstrip()
    if before is None or after is None:
        return f"{who}: {'an answer where silence was' if before is None else 'silence where an answer was'}"
    fields = ("flags", "yiaddr", "siaddr", "sname", "file")
    what = [name for name in fields if getattr(before, name) != getattr(after, name)]
    codes = sorted({*before.options, *after.options})
    what += [f"option {int(code)}" for code in codes if before.options.get(code) != after.options.get(code)]
    return f"{who}: {', '.join(what) or 'the order of its options'}"
