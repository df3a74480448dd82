"""Failover pairs of dhcpd: which of the two answers a client while both are up (load_balance_mine).

The primary's file says how clients are shared; the secondary is told by the primary when they connect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coexist.boot.leases.pairs import EVERYONE, Share, below
from coexist.wire.load_balancing import BUCKETS

if TYPE_CHECKING:
    # A declared pair has no file to read; every `check` of a dhcpd imports this module.
    from coexist.languages.dhcpd.syntax import FailoverPeer


def share_of(peer: FailoverPeer, partner: FailoverPeer | None) -> Share:
    """The part that a declaration gives its server; ``partner``: the other server's, where it is known.

    If the primary's is not known, clients are taken as shared half and half.
    """
    shares = peer if peer.is_primary else partner
    return shared(
        _of_primary(shares),
        f"its failover partner in {peer.name}",
        is_primary=peer.is_primary,
        max_seconds=peer.max_seconds or 0,
        mclt=None if shares is None else shares.mclt,
    )


def shared(of_primary: int, partner: str, *, is_primary: bool, max_seconds: int, mclt: int | None) -> Share:
    """What a server of a relation answers. Hosts with an address of their own are no part of it."""
    mine = of_primary if is_primary else EVERYONE ^ of_primary
    if not max_seconds:
        # Without a limit, or with 0, nobody is left to the other.
        mine = EVERYONE
    return Share(partner=partner, mine=mine, max_seconds=max_seconds, longest=mclt)


def _of_primary(shares: FailoverPeer | None) -> int:
    if shares is not None and shares.hba is not None:
        # Bucket n is bit n & 7 of octet n >> 3.
        return int.from_bytes(shares.hba, "little")
    return below(BUCKETS // 2 if shares is None or shares.split is None else shares.split)
