"""ISC Kea 2.2 DHCPv4 (``src/bin/dhcp4/dhcp4_srv.cc``); packets looked at with 2.2.0.

It sends what the client asked for, in ascending order of codes after 53; it pings nothing, waits for
nothing and has no threshold on ``secs``; siaddr and file come from next-server and boot-file-name,
option 67 only if declared as option data, without a NUL.
"""

from __future__ import annotations

from dataclasses import dataclass

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

# Dhcpv4Srv::appendBasicOptions: sent whether asked for or not.
_BASIC = (
    Option.SUBNET_MASK,
    Option.ROUTER,
    Option.DOMAIN_NAME_SERVER,
    Option.DOMAIN_NAME,
    Option.SERVER_IDENTIFIER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeaModel(Stateless):
    """Kea, and with its own name another server that leases likewise. ``latency``: seconds.

    ``raw_sockets``: ``dhcp-socket-type`` raw, its default. ``keeps_nuls``: the NULs behind a text go out.
    """

    name: str
    leases: Leases
    latency: float = 0.0
    echoes_client_id: bool = True
    raw_sockets: bool = True
    keeps_nuls: bool = False
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> None:
        """It keeps nothing that matters here."""

    def receive(self, state: None, arrival: Arrival) -> Reaction:
        """DISCOVER and REQUEST on port 67."""
        if arrival.port != DHCP_PORT:
            return Reaction(state=state, unanswered=Unanswered(why="nothing listens on that port there"))
        kind = arrival.packet.message_type
        if kind not in (MessageType.DISCOVER, MessageType.REQUEST):
            return Reaction(state=state, unanswered=Unanswered(why="not a message it answers"))
        lease = self.leases(arrival)
        if isinstance(lease, NoLease):
            return Reaction(state=state, unanswered=Unanswered(why=lease.why))
        if arrival.packet.secs < lease.min_secs:
            why = f"secs is {arrival.packet.secs}, its threshold {lease.min_secs}"
            return Reaction(state=state, unanswered=Unanswered(why=why))
        chosen = arrival.packet.options.get(Option.SERVER_IDENTIFIER)
        if kind is MessageType.REQUEST and chosen not in (None, arrival.address.packed):
            return Reaction(state=state, unanswered=Unanswered(why="the client chose another server"))
        answer = MessageType.OFFER if kind is MessageType.DISCOVER else MessageType.ACK
        return Reaction(state=state, replies=(self._reply(arrival, lease, answer),))

    def _reply(self, arrival: Arrival, lease: Lease, kind: MessageType) -> Reply:
        asked = arrival.packet
        packet = Packet(
            op=BOOTREPLY,
            xid=asked.xid,
            flags=asked.flags,
            yiaddr=lease.yiaddr,
            siaddr=lease.siaddr,
            giaddr=asked.giaddr,
            chaddr=asked.chaddr,
            sname=lease.sname,
            file=lease.file,
            options=self._options(arrival, lease, kind),
        )
        to = LIMITED_BROADCAST if asked.broadcast else lease.yiaddr
        address, port = relay_or(asked, (to, CLIENT_PORT))
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
        if Option.VENDOR_SPECIFIC_INFORMATION in found:
            # Kea takes option 43 apart and puts it together again by code, without an END (2.2.0, packets).
            parts = decode_suboptions(found[Option.VENDOR_SPECIFIC_INFORMATION])
            found[Option.VENDOR_SPECIFIC_INFORMATION] = encode_options(dict(sorted(parts.items())))
        if Option.BOOTFILE_NAME in found and not self.keeps_nuls:
            # A text option loses its trailing NULs when it is read (2.2.0, packets).
            found[Option.BOOTFILE_NAME] = found[Option.BOOTFILE_NAME].rstrip(b"\0")
        found.setdefault(Option.SUBNET_MASK, lease.netmask.packed)
        found[Option.IP_ADDRESS_LEASE_TIME] = lease.lease_time.to_bytes(4, "big")
        found[Option.SERVER_IDENTIFIER] = arrival.address.packed
        echoed = [Option.RELAY_AGENT_INFORMATION]
        if self.echoes_client_id:
            echoed.append(Option.CLIENT_IDENTIFIER)
        for code in echoed:
            if code in asked.options:
                found[code] = asked.options[code]
        message_type: dict[int, bytes] = {Option.DHCP_MESSAGE_TYPE: bytes((kind,))}
        return {**message_type, **dict(sorted(found.items()))}


def lease_service(inventory: Inventory, name: str) -> KeaModel:
    """Its DHCP server, with the leases of its scopes."""
    return KeaModel(name=name, leases=plan_leases(inventory, name))
