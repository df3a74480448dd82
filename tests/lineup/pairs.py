"""Two daemons of a line-up that share their clients: what each leases, by what its partner is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from coexist.boot.leases.lease import Leases, NoLease
from tests.lineup.balance import Share, shared


def leases_of_pair(leases: Leases, server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]) -> Leases:
    """The leases of an ISC dhcpd with a failover peer; those of its file where it has none.

    A peer that never ran leaves the other one recovering, and that answers nobody (server/failover.c,
    "not responding (recovering)"): line-ups begin without leases.
    """
    peer = re.search(r"failover peer \"[^\"]*\" \{(.*?)\}", server["conf"], re.DOTALL)
    if peer is None:
        return leases
    partner = re.search(r"peer address ([\d.]+)", peer[1])
    other = next((s for s in servers if partner is not None and s["ip"] == partner[1]), None)
    if other is None or other["type"] != "raw-dhcpd":
        return lambda _: NoLease(why="it is recovering: its partner has never been heard")
    said = peer[1] + other["conf"]
    split = re.search(r"split (\d+)", said)
    seconds = re.search(r"load balance max seconds (\d+)", peer[1])
    share = Share(
        primary="primary" in peer[1],
        split=int(split[1]) if split else 256,
        max_secs=int(seconds[1]) if seconds else 0,
    )
    return shared(leases, share)
