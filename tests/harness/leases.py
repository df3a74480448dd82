"""A DHCP server of an inventory as its real daemon, and many clients that ask it, on its VLANs and by relay.

The packets go to the model of the server too; what the two answer is compared octet by octet.
"""

from __future__ import annotations

import select
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Self

from coexist.boot.leases.compile import compile_plan
from coexist.boot.leases.plan import LeasePlan
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.inventory import Inventory
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.servers import start_dhcpd, start_dnsmasq, start_kea

PATIENCE = 3.0
"""Seconds to wait for an answer that the model promises; a daemon needs milliseconds."""
TRIES = 3
"""How often a packet is sent whose promised answer does not come: a busy machine loses some."""
QUIET = 0.4
"""Seconds without any answer after which the ones that lack are silence, where no answer is promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one client sends: its options beside 53, on a VLAN, in one of the three messages."""

    mac: int
    vlan: str
    kind: str
    options: Mapping[int, bytes]
    message: MessageType = MessageType.DISCOVER
    broadcast: bool = True
    agent: bytes = b""
    """What a relay agent adds (option 82), where one brings it."""
    relay: int = 0
    """Which of the VLAN's relay agents brings it, counted round and round."""

    def __str__(self) -> str:
        wanted = self.options.get(Option.PARAMETER_REQUEST_LIST)
        asked = "no list" if wanted is None else f"a list of {len(wanted)}"
        return f"{self.message.name} {self.kind}, {asked}, {self.mac:012x} on {self.vlan}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where model and daemon disagree."""

    ask: Ask
    what: str

    def __str__(self) -> str:
        return f"{self.ask}: {self.what}"


class LeaseBench:
    """One DHCP server of an inventory on a network of its own."""

    def __init__(self, network: Network, inventory: Inventory, name: str) -> None:
        self.inventory = inventory
        self.name = name
        self.server = inventory.site.servers[name]
        self.plan: LeasePlan = compile_plan(inventory, name)
        self.model = model_for(inventory, name)
        self.compared = 0
        self.answered = 0
        self._xid = 0
        self._leased: dict[int, set[IPv4Address]] = defaultdict(set)
        stands = self.server.stands_on
        vlans = inventory.site.vlans
        for vlan, address in stands.items():
            subnet = next(net for net in vlans[vlan].subnet if address in net)
            network.vlan(vlan, subnet)
        own: dict[str, IPv4Address] = {}
        for vlan, address in stands.items():
            subnet = network.vlans[vlan].subnet
            own[vlan] = next(
                a for a in (subnet.broadcast_address - 1, subnet.broadcast_address - 2) if a != address
            )
        first = next(iter(stands))
        self.host = network.host("server", dict(stands), gateway=own[first])
        self.clients = network.host("clients", dict(own))
        self.own = own
        self.relays: dict[str, tuple[IPv4Address, ...]] = {}
        for vlan, declared in vlans.items():
            if vlan not in stands and name in declared.targets:
                self.relays[vlan] = declared.giaddrs
                for agent in declared.giaddrs:
                    self.clients.namespace.ip(f"addr add {agent}/32 dev eth0")

    @property
    def vlans(self) -> tuple[str, ...]:
        """The VLANs whose clients reach it."""
        return (*self.own, *self.relays)

    def giaddr(self, ask: Ask) -> IPv4Address:
        """The relay agent that brings a packet; 0.0.0.0 where the server stands on the VLAN."""
        agents = self.relays.get(ask.vlan)
        return UNSPECIFIED if agents is None else agents[ask.relay % len(agents)]

    def here(self, ask: Ask) -> IPv4Address:
        """An address on the client's VLAN: its host's own, or the relay agent's."""
        return self.own.get(ask.vlan) or self.giaddr(ask)

    def start(self, files: Mapping[str, bytes]) -> Process:
        """The product's daemon with the files rendered for the server."""
        return start_daemon(self.host, self.server.software.product, files)

    def informs(self, ask: Ask) -> bool:
        """Whether a client can have its address from this server, in a subnet that a scope serves.

        To an INFORM of any other client products differ in how much they tell; of those whose subnets are
        guarded it is known.
        """
        discover = replace(ask, message=MessageType.DISCOVER)
        subnets = next(v.subnets for v in self.plan.vlans if v.name == ask.vlan)
        own = next((s for s in subnets if self.here(ask) in s.network and s.scope is not None), None)
        if self.server.product.selects_subnet:
            return own is not None
        offer = None if own is None else self.predicted(discover, self.packet(discover))
        return own is not None and offer is not None and offer.yiaddr in own.network

    # -- packets -------------------------------------------------------------------------------

    def packet(self, ask: Ask, offer: Packet | None = None) -> Packet:
        """The packet of a client; a REQUEST is for what it was offered."""
        self._xid += 1
        options: dict[int, bytes] = {Option.DHCP_MESSAGE_TYPE: bytes((ask.message,)), **ask.options}
        if offer is not None:
            options[Option.REQUESTED_IP_ADDRESS] = offer.yiaddr.packed
            options[Option.SERVER_IDENTIFIER] = offer.options[Option.SERVER_IDENTIFIER]
        giaddr = self.giaddr(ask)
        if ask.agent and giaddr != UNSPECIFIED:
            options[Option.RELAY_AGENT_INFORMATION] = ask.agent
        has_address = ask.message is MessageType.INFORM
        return Packet(
            op=BOOTREQUEST,
            xid=self._xid,
            hops=0 if giaddr == UNSPECIFIED else 1,
            secs=4,
            flags=BROADCAST_FLAG if ask.broadcast or giaddr == UNSPECIFIED else 0,
            ciaddr=self.here(ask) if has_address else UNSPECIFIED,
            giaddr=giaddr,
            chaddr=mac_bytes(ask.mac),
            options=options,
        )

    def predicted(self, ask: Ask, packet: Packet) -> Packet | None:
        """What the model answers."""
        relay = self.giaddr(ask)
        local = relay == UNSPECIFIED
        address = self.server.stands_on[ask.vlan] if local else self.host.address
        source = (packet.ciaddr, CLIENT_PORT) if local else (relay, DHCP_PORT)
        arrival = Arrival(packet=packet, at=0.0, port=DHCP_PORT, address=address, source=source)
        reaction = self.model.receive(self.model.initial(), arrival)
        if reaction.wake is not None:
            reaction = self.model.resume(reaction.state, reaction.wake)
        return reaction.replies[0].packet if reaction.replies else None

    # -- comparing -----------------------------------------------------------------------------

    def compare(self, asks: Sequence[Ask]) -> list[Difference]:
        """Ask daemon and model the same; a REQUEST is preceded by the DISCOVER that leads to it.

        A client requests an address once: dhcpd may tell the second time what is left of the lease
        (``dhcp-cache-threshold``).
        """
        differences: list[Difference] = []
        with _Sockets(self) as sockets:
            offers: dict[int, Packet] = {}
            discovers = [
                replace(ask, message=MessageType.DISCOVER) if ask.message is MessageType.REQUEST else ask
                for ask in asks
            ]
            packets = {n: self.packet(ask) for n, ask in enumerate(discovers)}
            differences += self._ask(sockets, discovers, packets, offers)
            first: dict[tuple[int, str], int] = {}
            for n, ask in enumerate(asks):
                if ask.message is MessageType.REQUEST and n in offers:
                    first.setdefault((ask.mac, ask.vlan), n)
            requests = list(first.values())
            chosen = {n: self.packet(asks[n], offers[n]) for n in requests}
            differences += self._ask(sockets, asks, chosen, {})
        return differences

    def _ask(
        self, sockets: _Sockets, asks: Sequence[Ask], packets: Mapping[int, Packet], seen: dict[int, Packet]
    ) -> Iterator[Difference]:
        expected = {n: self.predicted(asks[n], packet) for n, packet in packets.items()}
        for n, reply in expected.items():
            if reply is not None:
                self._leased[asks[n].mac].add(reply.yiaddr)
        promised = {packets[n].xid for n, reply in expected.items() if reply is not None}
        answers = sockets.ask([(asks[n], packet) for n, packet in packets.items()], promised)
        for n, packet in packets.items():
            reply = answers.get(packet.xid)
            self.compared += 1
            if reply is not None:
                self.answered += 1
                seen[n] = reply
            model = expected[n]
            if (
                reply is not None
                and model is not None
                and self._has_already(asks[n].mac, reply.yiaddr, model)
            ):
                # It keeps the address that it got as another kind of client, while a pool of it stays open.
                asked = {**packet.options, Option.REQUESTED_IP_ADDRESS: reply.yiaddr.packed}
                model = self.predicted(asks[n], replace(packet, options=asked))
            what = ", ".join(self._differences(packet, model, reply))
            if what:
                yield Difference(ask=asks[n], what=what)

    def _has_already(self, mac: int, address: IPv4Address, expected: Packet) -> bool:
        """Whether a machine may have an address of another subnet, which it got as another kind of client."""
        subnet = self._subnet_of(address)
        if subnet is None or subnet == self._subnet_of(expected.yiaddr):
            return False
        leased = self._leased[mac]
        if self.server.software.product == "kea":
            # It begins with the subnet of the wire that it gave the last address of, to whomever.
            leased = set().union(*self._leased.values())
        return subnet in map(self._subnet_of, leased)

    def _subnet_of(self, address: IPv4Address) -> IPv4Network | None:
        networks = (subnet.network for vlan in self.plan.vlans for subnet in vlan.subnets)
        return next((network for network in networks if address in network), None)

    def _differences(self, asked: Packet, expected: Packet | None, seen: Packet | None) -> Iterator[str]:
        if expected is None or seen is None:
            if expected is not seen:
                yield "the model is silent" if expected is None else "the daemon is silent"
            return
        for field in fields(Packet):
            mine, its = getattr(expected, field.name), getattr(seen, field.name)
            if field.name == "yiaddr" and self._may_choose(asked, mine, its):
                continue
            if field.name == "chaddr":
                mine, its = mine.ljust(16, b"\0"), its.ljust(16, b"\0")
            if field.name == "options":
                yield from _option_differences(mine, its)
            elif mine != its and field.name != "options_terminated":
                yield f"{field.name}: model {mine}, daemon {its}"

    def _may_choose(self, asked: Packet, one: IPv4Address, other: IPv4Address) -> bool:
        """Whether both are of pools that one subnet opens to the client: which address is free is the
        daemon's business, and so is which of several pools it comes from."""
        member = self.plan.member(asked.mac)
        return any(
            all(any(pool.first <= address <= pool.last for pool in open_to) for address in (one, other))
            for vlan in self.plan.vlans
            for subnet in vlan.subnets
            if (open_to := [pool for pool in subnet.pools if pool.fits(asked, member)])
        )


def _option_differences(mine: Mapping[int, bytes], its: Mapping[int, bytes]) -> Iterator[str]:
    for code in sorted({*mine, *its}):
        if mine.get(code) != its.get(code):
            yield f"option {code}: model {_shown(mine.get(code))}, daemon {_shown(its.get(code))}"
    if set(mine) == set(its) and list(mine) != list(its):
        yield f"order: model {list(map(int, mine))}, daemon {list(map(int, its))}"


def _shown(octets: bytes | None) -> str:
    return "-" if octets is None else repr(bytes(octets))


class _Sockets:
    """The clients' sockets: broadcasts on each VLAN, and the relays' one."""

    def __init__(self, bench: LeaseBench) -> None:
        self.bench = bench
        self.local: dict[str, socket.socket] = {}
        for vlan, interface in bench.clients.interfaces.items():
            made = bench.clients.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            made.bind(("", CLIENT_PORT))
            self.local[vlan] = made
        self.relay = bench.clients.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.relay.bind(("", DHCP_PORT))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self.local.values(), self.relay):
            each.close()

    def ask(self, packets: Iterable[tuple[Ask, Packet]], promised: set[int]) -> dict[int, Packet]:
        """Send all; the first reply to each xid, once the promised ones have come and no other does."""
        answers: dict[int, Packet] = {}
        sent = {packet.xid: (ask, packet) for ask, packet in packets}
        waiting = set(promised)
        for _ in range(TRIES):
            self._send(sent.values(), answers, waiting)
            sent = {xid: sent[xid] for xid in sent if xid in waiting}
        self._collect(answers, {-1}, QUIET)
        return answers

    def _send(
        self, packets: Iterable[tuple[Ask, Packet]], answers: dict[int, Packet], waiting: set[int]
    ) -> None:
        for number, (ask, packet) in enumerate(packets, start=1):
            if ask.vlan in self.local:
                self.local[ask.vlan].sendto(encode(packet), ("255.255.255.255", DHCP_PORT))
            else:
                self.relay.sendto(encode(packet), (str(self.bench.host.address), DHCP_PORT))
            if number % 16 == 0:
                self._collect(answers, waiting, 0.05)
        self._collect(answers, waiting, PATIENCE)

    def _collect(self, answers: dict[int, Packet], waiting: set[int], patience: float) -> None:
        sockets = [*self.local.values(), self.relay]
        while waiting:
            ready, _, _ = select.select(sockets, [], [], patience)
            if not ready:
                return
            for each in ready:
                reply = decode(each.recv(4096))
                # The relays' port also hears the broadcasts of this very host.
                if isinstance(reply, Packet) and reply.op == BOOTREPLY:
                    answers.setdefault(reply.xid, reply)
                    waiting.discard(reply.xid)


def start_daemon(host: Host, product: str, files: Mapping[str, bytes]) -> Process:
    """A product's DHCP daemon with its rendered files."""
    match product:
        case "isc-dhcpd":
            return start_dhcpd(host, files["dhcpd.conf"].decode())
        case "kea":
            return start_kea(host, files["kea-dhcp4.conf"].decode())
        case "dnsmasq":
            return start_dnsmasq(host, host.write("dnsmasq.conf", files["dnsmasq.conf"]))
    raise ValueError(f"{product} has no daemon here")
