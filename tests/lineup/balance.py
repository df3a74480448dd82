"""How two DHCP servers divide the clients between them: RFC 3074, and what of it ISC dhcpd does.

``server/failover.c`` load_balance_mine: a client's bucket is the hash of its client identifier, else of its
hardware address; who has waited longer than ``load balance max seconds`` is answered by both.
"""

from __future__ import annotations

from dataclasses import dataclass

from coexist.boot.leases.lease import Lease, Leases, NoLease
from coexist.boot.responder import Arrival
from coexist.wire.bootp import Packet
from coexist.wire.options import MessageType, Option

# RFC 3074 section 6: loadb_mx_tbl.
_MIX = bytes.fromhex(
    "fbaf77d7510e4fbf6731b58fba9d00e81f20373c983a11edae46a090dc5a39df3b03128c6fa6cbc486f37c5fdeb3c541"
    "b430240f6b2ee982a51e7ba1d1176110285bdb3d640ad26dfa7f168a1d6cf443cf09b2cc4a627ef9a774224dc1c87905"
    "14714723800db65e19e2e3c74b1b29f5e6e02be1b11a9b96d48eda73f149586927723effc0c991d6a89edd949a7a0c54"
    "52a32c8be4eccdf2d90bbb929f4056efc32a6ac67670b8ac5702ad75b0e5f7fd89b963a466932d42e7348dd3c2cef6ee"
    "386e4ef83ff0bd5d5c3335b713ab48322168654508fc53784c875536ca7dbcd560eb88d0a281be849c262f0107fe1804"
    "d88359151c8525999550aa4406a9ea97"
)


def bucket_of(packet: Packet) -> int:
    """The hash bucket of a client, 0 to 255 (RFC 3074 section 6)."""
    key = packet.options.get(Option.CLIENT_IDENTIFIER) or packet.chaddr[:6]
    hashed = len(key) & 0xFF
    for octet in reversed(key):
        hashed = _MIX[hashed ^ octet]
    return hashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one of two servers answers while both run.

    ``split``: the buckets below it are the primary's. ``max_secs``: whose ``secs`` are larger is answered by
    both.
    """

    primary: bool
    split: int
    max_secs: int

    def holds(self, packet: Packet) -> bool:
        """Whether a client's DISCOVER is this server's to answer."""
        return packet.secs > self.max_secs or (bucket_of(packet) < self.split) == self.primary


def shared(leases: Leases, share: Share) -> Leases:
    """The leases of a server that leaves the other's clients to it."""

    def answer(arrival: Arrival) -> Lease | NoLease:
        packet = arrival.packet
        if packet.message_type is MessageType.DISCOVER and not share.holds(packet):
            return NoLease(why=f"its partner answers the clients of hash bucket {bucket_of(packet)}")
        return leases(arrival)

    return answer
