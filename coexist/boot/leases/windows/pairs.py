"""Failover of Windows DHCP servers: which of the two answers whom while both are up.

Source: "DHCP failover overview" (Microsoft): load balance is RFC 3074 with a hash of the MAC address; a hot
standby answers only when the active server is not available; either of the two answers everyone when it has
lost the other. MS-DHCPM 2.2.1.2.98: the percentage is the primary server's, and the maximum client lead time
is how long a lease may be that the partner does not know of.
"""

from __future__ import annotations

from coexist.boot.leases.pairs import EVERYONE, NOBODY, Share, below
from coexist.languages.windows.export import Relation
from coexist.wire.load_balancing import BUCKETS

_NO_CONTACT = "communicationinterrupted"
_ALONE = frozenset({"partnerdown", _NO_CONTACT})


def shared(of_first: int, partner: str, *, is_first: bool, mclt: int) -> Share:
    """What a server of a relation answers; ``of_first``: the buckets of the primary server."""
    return Share(
        partner=partner,
        mine=of_first if is_first else EVERYONE ^ of_first,
        requests=True,
        reserved=True,
        longest=mclt,
        by_mac=True,
    )


def share_of(relation: Relation) -> Share:
    """The part that a relation gives its server."""
    partner = f"its failover partner {relation.partner}"
    if is_alone(relation):
        return shared(EVERYONE, partner, is_first=True, mclt=relation.mclt)
    if relation.mode == "HotStandby":
        mine = EVERYONE if relation.is_active else NOBODY
        return shared(mine, partner, is_first=True, mclt=relation.mclt)
    of_first = below(relation.percent * BUCKETS // 100)
    return shared(of_first, partner, is_first=relation.is_first, mclt=relation.mclt)


def is_alone(relation: Relation) -> bool:
    """Whether the server had lost its partner when the relation was read."""
    return _state(relation) in _ALONE


def holds_a_reserve(relation: Relation) -> bool:
    """Whether new machines are leased the reserve of a hot standby only: it has no contact to the active
    server, and does not hold it for down (Add-DhcpServerv4Failover, -ReservePercent)."""
    is_standby = relation.mode == "HotStandby" and not relation.is_active
    return is_standby and _state(relation) == _NO_CONTACT


def _state(relation: Relation) -> str:
    return relation.state.replace(" ", "").lower()
