"""ISC Kea 2.2 DHCPv4 (``src/bin/dhcp4/dhcp4_srv.cc``); packets looked at with 2.2.0.

It sends what the client asked for, in ascending order of codes after 53; it pings nothing, waits for
nothing and has no threshold on ``secs``; siaddr and file come from next-server and boot-file-name,
option 67 only if declared as option data, without a NUL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coexist.boot.leases.lease import Lease, Leases, NoLease
from coexist.boot.request import CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered
from coexist.boot.servers.declared import plan_leases
from coexist.boot.servers.generic import relay_or
from coexist.inventory import Inventory
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option, encode_options
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KeaModel(Stateless):
    """Kea, and with its own name another server that leases likewise. ``latency``: seconds.

    ``raw_sockets``: ``dhcp-socket-type`` raw, its default. ``keeps_nuls``: the NULs behind a text go out.
    ``own_file``: whether the leases are those of its own file, whose options are octets as it keeps them and
    which says what a DHCPINFORM is answered; otherwise they are as an inventory says them.
    """

    name: str
    leases: Leases
    latency: float = 0.0
    echoes_client_id: bool = True
    raw_sockets: bool = True
    keeps_nuls: bool = False
    own_file: bool = False
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> None:
        """It keeps nothing that matters here."""

    def receive(self, state: None, arrival: Arrival) -> Reaction:
        """DISCOVER, REQUEST and INFORM on port 67."""

        def silent(why: str) -> Reaction:
            return Reaction(state=state, unanswered=Unanswered(why=why))

        if arrival.port != DHCP_PORT:
            return silent("nothing listens on that port there")
        kind = arrival.packet.message_type
        if kind not in _ANSWERS or (kind is MessageType.INFORM and not self.own_file):
            return silent("not a message it answers")
        lease = self.leases(arrival)
        chosen = arrival.packet.options.get(Option.SERVER_IDENTIFIER)
        own = arrival.address
        if isinstance(lease, Lease):
            own = lease.server_id or own
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

    def _reply(self, arrival: Arrival, lease: Lease, kind: MessageType) -> Reply:
        asked = arrival.packet
        inform = asked.message_type is MessageType.INFORM
        # A DHCPINFORM's answer goes to ciaddr, not by the relay agent (RFC 2131 section 4.3.5).
        direct = inform and asked.ciaddr != UNSPECIFIED
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
        return Reply(
            packet=packet,
            earliest=arrival.at,
            latest=arrival.at + self.latency,
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
        if not self.own_file:
            found = _as_read(found, keeps_nuls=self.keeps_nuls)
        if asked.message_type is not MessageType.INFORM and kind is not MessageType.NAK:
            # It is there before any option of the configuration is (Dhcpv4Srv::assignLease).
            declared = None if self.own_file else lease.options.get(Option.SUBNET_MASK)
            found[Option.SUBNET_MASK] = declared or lease.netmask.packed
            found[Option.IP_ADDRESS_LEASE_TIME] = lease.lease_time.to_bytes(4, "big")
        found[Option.SERVER_IDENTIFIER] = (lease.server_id or arrival.address).packed
        echoed = [int(Option.CLIENT_IDENTIFIER)] if self.echoes_client_id else []
        for code in (*echoed, _SUBNET_SELECTION):
            if code in asked.options:
                found[code] = asked.options[code]
        agent = asked.options.get(Option.RELAY_AGENT_INFORMATION)
        found.pop(Option.RELAY_AGENT_INFORMATION, None)
        message_type: dict[int, bytes] = {Option.DHCP_MESSAGE_TYPE: bytes((kind,))}
        last = {int(Option.RELAY_AGENT_INFORMATION): agent} if agent else {}
        return {**message_type, **dict(sorted(found.items())), **last}


def _as_read(found: dict[int, bytes], *, keeps_nuls: bool) -> dict[int, bytes]:
    """Declared options as Kea reads them (2.2.0, packets)."""
    result = dict(found)
    if Option.VENDOR_SPECIFIC_INFORMATION in found:
        # It takes option 43 apart and puts it together again by code, without an END.
        parts = decode_suboptions(found[Option.VENDOR_SPECIFIC_INFORMATION])
        result[Option.VENDOR_SPECIFIC_INFORMATION] = encode_options(dict(sorted(parts.items())))
    if Option.BOOTFILE_NAME in found and not keeps_nuls:
        # A text option loses its trailing NULs.
        result[Option.BOOTFILE_NAME] = found[Option.BOOTFILE_NAME].rstrip(b"\0")
    return result


def lease_service(inventory: Inventory, name: str) -> KeaModel:
    """Its DHCP server, with the leases of its scopes."""
    return KeaModel(name=name, leases=plan_leases(inventory, name))
