"""ISC dhcpd 4.4: ``server/dhcp.c`` and ``common/options.c``; packets looked at with 4.4.3-P1.

It answers with what the client asked for in option 55, in that order, after 53, 54 and 51 (`dhcpd_options`);
it leaves siaddr 0 unless next-server is set, adds no NUL to texts, and pings a dynamic address before the
first offer of it.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.leases.dhcpd.failover import shared
from coexist.boot.leases.dhcpd.options import ends_with_nul, has_text
from coexist.boot.leases.dhcpd.reply import kept_times
from coexist.boot.leases.lease import Lease, Leases, NoLease
from coexist.boot.leases.pairs import Share, below
from coexist.boot.own_files import own_config
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered, relay_or, reply_to
from coexist.boot.servers.declared import plan_leases
from coexist.boot.servers.dhcpd_options import laid_out, order_of, room_for
from coexist.inventory import Inventory
from coexist.inventory.failover import Failover
from coexist.languages.dhcpd.options import WRITTEN_BY_NAME
from coexist.records import dataclass
from coexist.wire.bootp import BROADCAST_FLAG, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

PING_TIMEOUT = 1.0
"""DEFAULT_PING_TIMEOUT (server/dhcpd.h), seconds."""
PING_LATENESS = 0.02
"""How much later than the second the offer was seen to leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpdState:
    """``pinging``: until when an address is being pinged. ``pinged``: it was, and nobody was there.
    ``knows``: the partner leased the client an address, and said so."""

    pinging: float | None = None
    pinged: bool = False
    knows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpdModel(Stateless):
    """ISC dhcpd. ``ping_check``: as ``ping-check`` says (true by default). ``latency``: seconds. ``alone``:
    it cannot reach its failover partner, and answers everyone."""

    name: str
    leases: Leases
    ping_check: bool = True
    alone: bool = False
    latency: float = 0.0
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> DhcpdState:
        """It has leased nothing to this client yet."""
        return DhcpdState()

    def receive(self, state: DhcpdState, arrival: Arrival) -> Reaction:
        """DISCOVER, REQUEST and INFORM on port 67; port 4011 is nobody's here."""
        if arrival.port != DHCP_PORT:
            return _silent(state, "nothing listens on that port there")
        kind = arrival.packet.message_type
        if kind is MessageType.DISCOVER:
            return self._offer(state, arrival)
        if kind is MessageType.REQUEST:
            return self._acknowledge(state, arrival)
        if kind is MessageType.INFORM:
            return self._informed(state, arrival)
        return _silent(state, "not a message it answers")

    def _offer(self, state: DhcpdState, arrival: Arrival) -> Reaction:
        lease = self.leases(arrival)
        if isinstance(lease, NoLease):
            return _silent(state, lease.why)
        if lease.left_to and not self.alone:
            return _silent(state, f"{lease.left_to} answers this client")
        if arrival.packet.secs < lease.min_secs:
            return _silent(state, f"secs is {arrival.packet.secs}, min-secs {lease.min_secs}")
        if state.pinging is not None and arrival.at < state.pinging:
            return _silent(state, "it is still pinging the address of the first DISCOVER")
        pings = self.ping_check if lease.ping is None else lease.ping
        done = state.pinged or state.pinging is not None
        if not pings or lease.reserved or (done and not lease.pinged_always):
            return self._reply(state, arrival, lease, MessageType.OFFER, 0.0, self.latency, "")
        state = replace(state, pinging=arrival.at + PING_TIMEOUT, pinged=True)
        why = f"after pinging {lease.yiaddr} for a second"
        return self._reply(
            state, arrival, lease, MessageType.OFFER, PING_TIMEOUT, PING_LATENESS + self.latency, why
        )

    def _acknowledge(self, state: DhcpdState, arrival: Arrival) -> Reaction:
        lease = self.leases(arrival)
        if isinstance(lease, NoLease):
            return self._refused(state, arrival, lease) if lease.nak else _silent(state, lease.why)
        chosen = arrival.packet.options.get(Option.SERVER_IDENTIFIER)
        own = lease.server_id or arrival.address
        # Of a pair both acknowledge a lease that is active, whoever is named (dhcprequest, without
        # server-id-check; packets of 4.4.3-P1). The first time only the partner knows of it.
        both = lease.paired and state.knows
        if chosen not in (None, own.packed) and not both:
            return _silent(replace(state, knows=lease.paired), "the client chose another server")
        return self._reply(state, arrival, lease, MessageType.ACK, 0.0, self.latency, "")

    def _refused(self, state: DhcpdState, arrival: Arrival, lease: NoLease) -> Reaction:
        """nak_lease: nothing but who says no, and why."""
        asked = arrival.packet
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((MessageType.NAK,)),
            Option.SERVER_IDENTIFIER: arrival.address.packed,
            Option.MESSAGE: lease.nak,
        }
        agent = asked.options.get(Option.RELAY_AGENT_INFORMATION)
        if agent is not None:
            options[Option.RELAY_AGENT_INFORMATION] = agent
        packet = reply_to(asked, flags=asked.flags | BROADCAST_FLAG, options=options)
        address, port = relay_or(asked, (LIMITED_BROADCAST, CLIENT_PORT))
        reply = Reply(
            packet=packet,
            earliest=arrival.at,
            latest=arrival.at + self.latency,
            source_port=DHCP_PORT,
            address=address,
            port=port,
            why=lease.why,
        )
        return Reaction(state=state, replies=(reply,))

    def _informed(self, state: DhcpdState, arrival: Arrival) -> Reaction:
        lease = self.leases(arrival)
        if isinstance(lease, NoLease):
            return _silent(state, lease.why)
        lease = replace(lease, yiaddr=UNSPECIFIED, always_broadcast=False)
        return self._reply(state, arrival, lease, MessageType.ACK, 0.0, self.latency, "")

    def _reply(
        self,
        state: DhcpdState,
        arrival: Arrival,
        lease: Lease,
        kind: MessageType,
        after: float,
        lateness: float,
        why: str,
    ) -> Reaction:
        asked = arrival.packet
        is_inform = asked.message_type is MessageType.INFORM
        flags = asked.flags | (BROADCAST_FLAG if lease.always_broadcast else 0)
        if is_inform and asked.ciaddr == UNSPECIFIED and asked.giaddr != UNSPECIFIED:
            flags |= BROADCAST_FLAG
        options, overload = _options(asked, lease, kind, lease.server_id or arrival.address)
        packet = reply_to(
            asked,
            flags=flags,
            ciaddr=asked.ciaddr,
            yiaddr=lease.yiaddr,
            siaddr=lease.siaddr,
            sname=lease.sname,
            file=lease.file,
            options=options,
            overload=overload,
        )
        if is_inform:
            to = asked.ciaddr if asked.ciaddr != UNSPECIFIED else arrival.source[0]
        else:
            to = LIMITED_BROADCAST if flags & BROADCAST_FLAG else lease.yiaddr
        address, port = relay_or(asked, (to, CLIENT_PORT))
        sent = arrival.at + after
        reply = Reply(
            packet=packet,
            earliest=sent,
            latest=sent + lateness,
            source_port=DHCP_PORT,
            address=address,
            port=port,
            why=why or (f"rule {lease.rule}" if lease.rule else ""),
        )
        return Reaction(state=state, replies=(reply,))


def _options(
    asked: Packet, lease: Lease, kind: MessageType, server: IPv4Address
) -> tuple[dict[int, bytes], int]:
    """The options and option 52."""
    is_inform = asked.message_type is MessageType.INFORM
    configured = {Option.SUBNET_MASK: lease.netmask.packed, **lease.options}
    configured[Option.DHCP_MESSAGE_TYPE] = bytes((kind,))
    configured.setdefault(Option.SERVER_IDENTIFIER, server.packed)
    if not is_inform:
        configured[Option.IP_ADDRESS_LEASE_TIME] = lease.lease_time.to_bytes(4, "big")
    configured.pop(Option.RELAY_AGENT_INFORMATION, None)
    order = order_of(asked, lease, configured)
    options, overload = laid_out(
        order,
        configured,
        room_for(asked, lease),
        file_is_free=not is_inform and not lease.file,
        sname_is_free=not is_inform and not lease.sname,
        agent=lease.options.get(
            Option.RELAY_AGENT_INFORMATION, asked.options.get(Option.RELAY_AGENT_INFORMATION)
        ),
    )
    return options, overload


def _silent(state: DhcpdState, why: str) -> Reaction:
    return Reaction(state=state, unanswered=Unanswered(why=why))


_TEXTS = frozenset(code for code, option in WRITTEN_BY_NAME.items() if has_text(option.format))
_TIMES = tuple(map(int, (Option.IP_ADDRESS_LEASE_TIME, Option.RENEWAL_TIME, Option.REBINDING_TIME)))


def rendered_lease(lease: Lease, arrival: Arrival) -> Lease:
    """A compiled lease as the rendered file makes it: without times that do not go with the lease, and with
    a NUL behind each text for a client that ends its own name so."""
    options = dict(lease.options)
    if arrival.packet.message_type is MessageType.INFORM:
        told = frozenset[int]()
    else:
        times = {code: int.from_bytes(options[code][:4], "big") for code in _TIMES if code in options}
        told = kept_times(times, lease.lease_time)
    options = {code: octets for code, octets in options.items() if code not in _TIMES or code in told}
    if ends_with_nul(arrival.packet):
        options.update({code: octets + b"\0" for code, octets in options.items() if code in _TEXTS})
    return replace(lease, options=options)


def pair(failover: Failover, is_first: bool, partner: str) -> Share:
    """What it answers of a scope with failover, as it is rendered (hot standby is a split of 256)."""
    return shared(
        below(failover.buckets),
        f"its failover partner {partner}",
        is_primary=is_first,
        max_seconds=failover.max_seconds,
        mclt=failover.mclt,
    )


def lease_service(inventory: Inventory, name: str) -> DhcpdModel:
    """Its DHCP server, with the leases of its scopes."""
    server = inventory.site.servers[name]
    own = own_config(inventory, name)
    leases = plan_leases(inventory, name) if own is None else own.leases
    return DhcpdModel(name=name, leases=leases, ping_check=server.pings)
