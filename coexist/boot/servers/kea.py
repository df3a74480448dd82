"""ISC Kea 2.2 DHCPv4 (``src/bin/dhcp4/dhcp4_srv.cc``); packets looked at with 2.2.0.

It sends what the client asked for, in ascending order of codes after 53; it pings nothing, waits for
nothing and has no threshold on ``secs``; siaddr and file come from next-server and boot-file-name,
option 67 only if declared as option data, without a NUL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from coexist.boot.leases.evaluate import OF_A_MACHINE
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.kea_names import NameRules, told_names
from coexist.boot.leases.kea_pairs import PASSIVE_BACKUP, shared
from coexist.boot.leases.lease import Lease, Leases, NoLease
from coexist.boot.leases.pairs import Detection, Share
from coexist.boot.own_files import own_config
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered, relay_or
from coexist.boot.servers.declared import plan_leases
from coexist.inventory import Inventory
from coexist.inventory.failover import Failover
from coexist.languages.kea.option_data import STANDARD, has_shape, is_readable, trimmed
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option, encode_options, option_title
from coexist.wire.pxe import decode_suboptions

_SUBNET_SELECTION = 118
_ANSWERS = {
    MessageType.DISCOVER: MessageType.OFFER,
    MessageType.REQUEST: MessageType.ACK,
    MessageType.INFORM: MessageType.ACK,
}
# Dhcpv4Srv::appendBasicOptions: sent whether asked for or not.
_BASIC = (
    Option.ROUTER,
    Option.DOMAIN_NAME_SERVER,
    Option.DOMAIN_NAME,
    Option.SERVER_IDENTIFIER,
)


Waiting: TypeAlias = frozenset[bytes]
"""The partner's clients that have waited too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeaModel(Stateless):
    """Kea, and with its own name another server that leases likewise. ``latency`` and ``offers_after``, which
    an offer waits: seconds.

    ``raw_sockets``: ``dhcp-socket-type`` raw, its default. ``names``: by which it tells clients their names,
    where the leases do not have them already. ``alone``: it holds the other server of its pair
    for down, and answers everyone; ``lost``: it has lost contact with it, and counts the clients that wait
    (its state: who did). The options of its leases are octets as it keeps them (`option_data`).
    """

    name: str
    leases: Leases
    latency: float = 0.0
    offers_after: float = 0.0
    echoes_client_id: bool = True
    raw_sockets: bool = True
    names: NameRules | None = None
    alone: bool = False
    lost: bool = False
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> Waiting:
        """Nobody has waited too long."""
        return frozenset()

    def receive(self, state: Waiting | None, arrival: Arrival) -> Reaction:
        """DISCOVER, REQUEST and INFORM on port 67."""

        def silent(why: str) -> Reaction:
            return Reaction(state=state, unanswered=Unanswered(why=why))

        if unheard := _unheard(arrival):
            return silent(unheard)
        kind = arrival.packet.message_type
        if kind not in _ANSWERS:
            return silent("not a message it answers")
        lease = self.leases(arrival)
        chosen = arrival.packet.options.get(Option.SERVER_IDENTIFIER)
        own = arrival.address
        if isinstance(lease, Lease):
            if lease.left_to and not self._holds_it_for_down(state):
                if self.lost and self._detection is not None:
                    state = self._detection.after(arrival.packet, state or frozenset())
                return silent(f"{lease.left_to} answers this client")
            own = lease.server_id or own
            if self.names is not None:
                lease = with_names(lease, arrival.packet, self.names)
            if arrival.packet.secs < lease.min_secs:
                return silent(f"secs is {arrival.packet.secs}, its threshold {lease.min_secs}")
        if kind is MessageType.REQUEST and chosen not in (None, own.packed, arrival.address.packed):
            return silent("the client chose another server")
        if isinstance(lease, NoLease):
            if not lease.nak:
                return silent(lease.why)
            refused = Lease(yiaddr=UNSPECIFIED)
            reply = self._reply(arrival, refused, MessageType.NAK)
            return Reaction(state=state, replies=(replace(reply, why=lease.why),))
        return Reaction(state=state, replies=(self._reply(arrival, lease, _ANSWERS[kind]),))

    @property
    def _detection(self) -> Detection | None:
        """Its way to find out that its partner is down; None without one, and if it never takes over."""
        shares: tuple[Share, ...] = getattr(self.leases, "shares", ())
        return next((share.detection for share in shares if share.takes_over), None)

    def _holds_it_for_down(self, state: Waiting | None) -> bool:
        if self.alone or not self.lost:
            return self.alone
        return self._detection is not None and self._detection.is_down(state or frozenset())

    def _reply(self, arrival: Arrival, lease: Lease, kind: MessageType) -> Reply:
        asked = arrival.packet
        # A DHCPINFORM's answer goes to ciaddr, not by the relay agent (RFC 2131 section 4.3.5).
        direct = _is_direct(asked)
        packet = Packet(
            op=BOOTREPLY,
            htype=asked.htype,
            hlen=asked.hlen,
            hops=0 if direct else asked.hops,
            xid=asked.xid,
            flags=asked.flags,
            ciaddr=asked.ciaddr if kind is MessageType.ACK else UNSPECIFIED,
            yiaddr=lease.yiaddr,
            siaddr=lease.siaddr,
            giaddr=UNSPECIFIED if direct else asked.giaddr,
            chaddr=asked.chaddr,
            sname=lease.sname,
            file=lease.file,
            options=self._options(arrival, lease, kind),
        )
        to = LIMITED_BROADCAST if asked.broadcast or kind is MessageType.NAK else lease.yiaddr
        address, port = relay_or(asked, (asked.ciaddr if packet.ciaddr != UNSPECIFIED else to, CLIENT_PORT))
        if direct:
            address, port = asked.ciaddr, CLIENT_PORT
        waits = lease.waits + self.offers_after if kind is MessageType.OFFER else 0.0
        return Reply(
            packet=packet,
            earliest=arrival.at + waits,
            latest=arrival.at + waits + self.latency,
            source_port=DHCP_PORT,
            address=address,
            port=port,
            why=f"rule {lease.rule}" if lease.rule else "",
            # Its raw sockets write the client's hardware address into every frame
            # (src/lib/dhcp/protocol_util.cc writeEthernetHeader; capture of 2.2.0).
            to_one=self.raw_sockets and asked.giaddr == UNSPECIFIED,
        )

    def _options(self, arrival: Arrival, lease: Lease, kind: MessageType) -> dict[int, bytes]:
        asked = arrival.packet
        wanted = {*asked.options.get(Option.PARAMETER_REQUEST_LIST, b""), *_BASIC, *lease.forced}
        found = {code: value for code, value in lease.options.items() if code in wanted}
        if asked.message_type is not MessageType.INFORM and kind is not MessageType.NAK:
            # It is there before any option of the configuration is (Dhcpv4Srv::assignLease).
            found[Option.SUBNET_MASK] = lease.netmask.packed
            found[Option.IP_ADDRESS_LEASE_TIME] = lease.lease_time.to_bytes(4, "big")
        found[Option.SERVER_IDENTIFIER] = (lease.server_id or arrival.address).packed
        echoed = [int(Option.CLIENT_IDENTIFIER)] if self.echoes_client_id else []
        for code in (*echoed, _SUBNET_SELECTION):
            if code in asked.options:
                found[code] = asked.options[code]
        agent = asked.options.get(Option.RELAY_AGENT_INFORMATION)
        found.pop(Option.RELAY_AGENT_INFORMATION, None)
        message_type: dict[int, bytes] = {Option.DHCP_MESSAGE_TYPE: bytes((kind,))}
        last = {int(Option.RELAY_AGENT_INFORMATION): agent} if agent and not _is_direct(asked) else {}
        return {**message_type, **dict(sorted(found.items())), **last}


def _unheard(arrival: Arrival) -> str:
    """Why a packet is dropped before it is looked at; nothing where it is not."""
    if arrival.port != DHCP_PORT:
        return "nothing listens on that port there"
    options = arrival.packet.options
    broken = next((code for code, octets in options.items() if not is_readable(code, octets)), None)
    return "" if broken is None else f"it cannot read option {option_title(broken)} of the packet"


def _is_direct(asked: Packet) -> bool:
    """Whether an answer goes to the client's address although a relay agent brought the packet."""
    inform = asked.message_type is MessageType.INFORM
    return inform and asked.ciaddr not in (UNSPECIFIED, asked.giaddr)


def is_exact(code: int, octets: bytes) -> bool:
    """Whether Kea's own option data would carry these octets as they are.

    It takes option 43 apart and puts it together again by code, without an END, and a text option loses its
    trailing NULs when it is read (2.2.0, packets). Of the options that may be empty 43 is one. With octets
    that are not of an option's type it does not start.
    """
    if code == Option.VENDOR_SPECIFIC_INFORMATION:
        return option_data(code, octets) == octets
    known = STANDARD.get(code)
    return bool(octets) and trimmed(known, octets) == octets and has_shape(known, octets)


def option_data(code: int, octets: bytes) -> bytes:
    """The octets Kea sends for option data with these octets."""
    if code == Option.VENDOR_SPECIFIC_INFORMATION:
        return encode_options(dict(sorted(decode_suboptions(octets).items())))
    return trimmed(STANDARD.get(code), octets)


def rendered_lease(lease: Lease, arrival: Arrival) -> Lease:  # noqa: ARG001 the shape of AsProduct
    """A compiled lease as the rendered file makes it: what option data cannot carry comes from the library
    flex_option, which sends it to those too who do not ask, and sends no empty value."""
    options = {code: octets for code, octets in lease.options.items() if octets or is_exact(code, octets)}
    exact = {code for code, octets in options.items() if not is_exact(code, octets)}
    return replace(lease, options=options, forced=lease.forced | exact)


def with_names(lease: Lease, asked: Packet, rules: NameRules) -> Lease:
    """A lease with the client's own name, or the one that its reservation has for every client.

    None of them goes with a DHCPINFORM, and none as option 12 to a client that says its name by option 81:
    these are told the name that all are told, if there is one.
    """
    code = int(Option.HOST_NAME)
    is_reserved = code in lease.forced and lease.origins.get(code) == OF_A_MACHINE
    reserved = lease.options[code].decode() if is_reserved else ""
    options = dict(lease.options)
    if reserved and lease.name_of_all is not None:
        options[code] = lease.name_of_all
    elif reserved:
        del options[code]
    is_inform = asked.message_type is MessageType.INFORM
    told = {} if is_inform else dict(told_names(asked, reserved, rules, lease.yiaddr))
    return replace(lease, options={**options, **told}, forced=lease.forced | frozenset(told))


def lease_service(inventory: Inventory, name: str) -> KeaModel:
    """Its DHCP server, with the leases of the file it runs on, or of its scopes."""
    own = own_config(inventory, name)
    if own is not None:
        leases = own.leases
        assert isinstance(leases, KeaLeases)  # the product's own evaluator makes no other
        echo = leases.config.level.value("echo-client-id", bool) is not False
        return KeaModel(name=name, leases=leases, echoes_client_id=echo)
    names = NameRules.of_settings(inventory.site.servers[name].settings)
    return KeaModel(name=name, leases=plan_leases(inventory, name), names=names)


def pair(failover: Failover, is_first: bool, partner: str) -> Share:
    """What it answers of a scope with failover: its hook for high availability."""
    copies = failover.mode == PASSIVE_BACKUP and not is_first
    share = shared(failover.mode, partner, is_first=is_first, holds_copy=copies)
    detection = Detection(
        silence=failover.max_response_delay,
        waited=failover.max_ack_delay,
        clients=failover.max_unacked_clients,
    )
    return replace(share, detection=detection)
