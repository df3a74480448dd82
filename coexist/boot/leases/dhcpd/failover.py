"""Failover pairs of dhcpd: which of the two answers a client while both are up (load_balance_mine).

The primary's file says how clients are shared; the secondary is told by the primary when they connect.
"""

from __future__ import annotations

from dataclasses import dataclass

from coexist.languages.dhcpd.syntax import FailoverPeer
from coexist.wire.bootp import Packet
from coexist.wire.load_balancing import BUCKETS, bucket
from coexist.wire.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A server's part in a relation.

    ``shares``: how the primary's file shares clients; None if it is not known, which is taken as half and
    half. ``max_seconds``: a client that has waited longer is answered by both.
    """

    is_primary: bool
    shares: FailoverPeer | None
    max_seconds: int

    def answers(self, packet: Packet) -> bool:
        """Whether this server answers a DISCOVER."""
        if not self.max_seconds or packet.secs > self.max_seconds:
            return True
        identity = packet.options.get(Option.CLIENT_IDENTIFIER) or packet.chaddr[: packet.hlen]
        return _primary_has(self.shares, bucket(identity)) == self.is_primary

    @property
    def longest(self) -> int | None:
        """The lease time of a client that the partner does not know of yet (mclt), seconds."""
        return None if self.shares is None else self.shares.mclt


def share_of(peer: FailoverPeer, partner: FailoverPeer | None) -> Share:
    """The part that a declaration gives its server; ``partner``: the other server's, where it is known."""
    shares = peer if peer.is_primary else partner
    return Share(is_primary=peer.is_primary, shares=shares, max_seconds=peer.max_seconds or 0)


def _primary_has(shares: FailoverPeer | None, number: int) -> bool:
    if shares is not None and shares.hba is not None:
        return bool(shares.hba[number >> 3] & (1 << (number & 7)))
    split = BUCKETS // 2 if shares is None or shares.split is None else shares.split
    return number < split
