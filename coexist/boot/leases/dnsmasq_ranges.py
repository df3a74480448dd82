"""Which ranges of a dnsmasq.conf count for a packet: by the network card or the relay agent it came from.

Function names in the comments are those of dnsmasq 2.90 (``dhcp.c``, ``rfc2131.c``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.dnsmasq_clients import agent_part
from coexist.boot.responder import Arrival
from coexist.languages.dnsmasq.config import DnsmasqConfig, Range, network_of
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

_LINK_SELECTION = 5
_SUBNET_SELECTION = 118
CLASS_C = IPv4Network("192.0.0.0/3")
"""By its first octet, as dnsmasq tells classes."""
_CLASSES = (
    (IPv4Network("0.0.0.0/1"), IPv4Address("255.0.0.0")),
    (IPv4Network("128.0.0.0/2"), IPv4Address("255.255.0.0")),
    (CLASS_C, IPv4Address("255.255.255.0")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A range as it counts for one packet. ``router``: the relay, or the server; 0.0.0.0 if unknown.
    ``told``: the broadcast address that a network card has there."""

    range: Range
    netmask: IPv4Address
    local: IPv4Address
    router: IPv4Address
    told: IPv4Address | None = None

    @property
    def broadcast(self) -> IPv4Address:
        """The broadcast address it tells."""
        if self.range.broadcast is not None:
            return self.range.broadcast
        if self.told is not None:
            return self.told
        return IPv4Address(int(self.range.start) | (int(self.netmask) ^ 0xFFFFFFFF))

    def holds(self, address: IPv4Address) -> bool:
        """Whether an address is of its subnet."""
        mask = int(self.netmask)
        return mask != 0 and int(address) & mask == int(self.range.start) & mask


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """The ranges of one configuration, where it runs.

    ``interface``: the tag that the network card sets, where the file does not name its card.
    ``networks``: the subnets of its network cards, of which a range without a netmask has its own;
    ``relayed``: those of its relay agents, where such a range has the netmask of its class.
    """

    config: DnsmasqConfig
    interface: str = "eth0"
    networks: tuple[IPv4Network, ...] = ()
    relayed: tuple[IPv4Network, ...] = ()

    def interface_of(self, arrival: Arrival) -> str:
        """The network card a packet came in by, whose name is a tag (dhcp_packet).

        The only one that the file names; of several the one that a range of the packet's subnet asks for.
        """
        named = self._cards
        if len(named) == 1:
            return named[0]
        here = (r for r in self.config.ranges if self._is_of_subnet(r, arrival))
        return next((tag for r in here for tag in r.filter if tag in named), self.interface)

    @cached_property
    def _cards(self) -> tuple[str, ...]:
        """The network cards that the file names as they are, without the loopback."""
        return tuple(n for n in dict.fromkeys(self.config.interfaces) if n != "lo" and not n.endswith("*"))

    def _is_of_subnet(self, item: Range, arrival: Arrival) -> bool:
        netmask = self._netmask(item)
        # As dnsmasq compares them (util.c, is_same_net): it takes any four octets for a mask.
        return netmask is not None and (int(arrival.address) ^ int(item.start)) & int(netmask) == 0

    def contexts(self, arrival: Arrival) -> tuple[Context, ...]:
        """The ranges that count for a packet, in the order of the file (dhcp_reply, complete_context)."""
        packet = arrival.packet
        own = [c for r in self.config.ranges if (c := self._own_context(r, arrival)) is not None]
        asked = self.subnet_asked(packet)
        ciaddr = ciaddr_of(packet)
        if asked is None and packet.giaddr == UNSPECIFIED and ciaddr == UNSPECIFIED:
            return tuple(own)
        forced = asked is not None or packet.giaddr != UNSPECIFIED
        address = asked or (packet.giaddr if packet.giaddr != UNSPECIFIED else ciaddr)
        if not forced and any(c.holds(address) for c in own):
            return tuple(own)
        away = tuple(
            c for r in self.config.ranges if (c := self._away_context(r, arrival, address, own)) is not None
        )
        return away if away or forced else tuple(own)

    @staticmethod
    def subnet_asked(packet: Packet) -> IPv4Address | None:
        """The subnet that a relay or the client selects (RFC 3527, RFC 3011)."""
        link = agent_part(packet, _LINK_SELECTION)
        if len(link) >= 4:
            return IPv4Address(link[:4])
        selected = packet.options.get(_SUBNET_SELECTION, b"")
        return IPv4Address(selected[:4]) if len(selected) >= 4 else None

    def _own_context(self, item: Range, arrival: Arrival) -> Context | None:
        """A range of the subnet the packet came in by."""
        netmask = self._netmask(item)
        if netmask is None:
            return None
        context = Context(range=item, netmask=netmask, local=arrival.address, router=arrival.address)
        context = replace(context, told=self._broadcast_of_card(context))
        if context.holds(arrival.address) and context.holds(item.last):
            return context
        for share in self.config.shares:
            if share.match != arrival.address and share.interface != self.interface_of(arrival):
                continue
            if context.holds(share.address) and context.holds(item.last):
                return Context(range=item, netmask=netmask, local=arrival.address, router=UNSPECIFIED)
        return None

    def _away_context(
        self, item: Range, arrival: Arrival, address: IPv4Address, own: Sequence[Context]
    ) -> Context | None:
        """A range of another subnet than the packet came in by."""
        giaddr = arrival.packet.giaddr
        netmask = self._netmask(item) or _class_netmask(item)
        if netmask is None:
            return None
        # What the network card's own subnets were told stays with them.
        known = next((c for c in own if c.range is item), None)
        context = Context(range=item, netmask=netmask, local=arrival.address, router=giaddr)
        if known is not None:
            router = known.router if known.router != UNSPECIFIED else giaddr
            context = replace(context, router=router, told=known.told)
        for share in self.config.shares if giaddr != UNSPECIFIED else ():
            if share.match == giaddr and context.holds(share.address) and context.holds(item.last):
                return Context(range=item, netmask=netmask, local=arrival.address, router=UNSPECIFIED)
        return context if context.holds(address) and context.holds(item.last) else None

    def _netmask(self, item: Range) -> IPv4Address | None:
        """guess_range_netmask; of a range that no card is in, what the first packet of a relay left there."""
        if item.netmask is not None:
            return item.netmask
        if not self.networks:
            return network_of(item).netmask
        found = next(_around(item, self.networks), None)
        if found is not None:
            return found.netmask
        return _class_netmask(item) if self._is_relayed(item) else None

    def _is_relayed(self, item: Range) -> bool:
        """Whether packets of relay agents come by an address of a range's class."""
        return _shares_class(item, self.relayed)

    def _broadcast_of_card(self, context: Context) -> IPv4Address | None:
        """complete_context: a network card's own broadcast address, of a card in the range's subnet."""
        return next(
            (n.broadcast_address for n in reversed(self.networks) if context.holds(n.broadcast_address)), None
        )

    def network_of(self, item: Range) -> IPv4Network:
        """The subnet of a range: by its netmask, or that of the card or of the relays it is for."""
        if item.netmask is not None:
            return network_of(item)
        return next(_around(item, (*self.networks, *self.relayed)), network_of(item))

    @cached_property
    def taking_over(self) -> tuple[tuple[Range, IPv4Address], ...]:
        """The ranges without a netmask that a relay agent's first packet gives one of a class which holds a
        network card too, and that netmask: from then on they count for that card's own clients."""
        found = []
        for item in self.config.ranges:
            mask = _class_netmask(item)
            if item.netmask is not None or mask is None or not self._is_relayed(item):
                continue
            if next(_around(item, self.networks), None) is None and _shares_class(item, self.networks):
                found.append((item, mask))
        return tuple(found)


def ciaddr_of(packet: Packet) -> IPv4Address:
    """The client's address, which a DISCOVER or a packet with option 50 has not."""
    has_none = (
        packet.message_type is MessageType.DISCOVER
        or len(packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")) >= 4
    )
    return UNSPECIFIED if has_none else packet.ciaddr


def _class_netmask(item: Range) -> IPv4Address | None:
    """The netmask of a range's class, for packets of a relay (dhcp_reply)."""
    return next((mask for network, mask in _CLASSES if item.start in network and item.last in network), None)


def _around(item: Range, networks: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """The networks that a range's first or last address is in."""
    return (network for network in networks if item.start in network or item.last in network)


def _shares_class(item: Range, networks: Iterable[IPv4Network]) -> bool:
    """Whether one of the networks is in the network that a range has by its class."""
    mask = int(_class_netmask(item) or 0)
    return mask != 0 and any((int(n.network_address) ^ int(item.start)) & mask == 0 for n in networks)
