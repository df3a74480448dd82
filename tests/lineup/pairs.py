"""Two daemons of a line-up that share their clients: what each leases, by what its partner is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from coexist.boot.leases.lease import Lease, Leases, NoLease
from coexist.boot.responder import Arrival
from coexist.wire.options import MessageType
from tests.lineup.balance import Share, bucket_of, shared


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


def leases_of_kea_pair(
    leases: Leases, server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]
) -> Leases:
    """The leases of a Kea with a partner of high availability; those of its configuration where it has none.

    Partners hear each other through control agents, which no line-up starts, or by themselves
    (``http-dedicated-listener``, off in 2.2 unless said). Who hears nothing holds the other for down and
    answers everybody (``max-unacked-clients`` 0). While both run, load balancing goes by the hash of the
    client (query_filter.cc), and of hot standby the primary answers.
    """
    found = _high_availability(server)
    if found is None:
        return leases
    own, peers = found["this-server-name"], {peer["name"]: peer for peer in found["peers"]}
    others = [peer for name, peer in peers.items() if name != own]
    running = {s["ip"] for s in servers if s["type"] == "raw-kea"}
    hears = bool(found.get("multi-threading", {}).get("http-dedicated-listener"))
    if not hears or not any(address in peer["url"] for peer in others for address in running):
        return leases
    is_primary = peers[own]["role"] == "primary"

    def answer(arrival: Arrival) -> Lease | NoLease:
        packet = arrival.packet
        mine = is_primary
        if found["mode"] == "load-balancing":
            mine = (bucket_of(packet) % 2 == 0) == is_primary
        if packet.message_type is MessageType.DISCOVER and not mine:
            return NoLease(why="its partner answers this client")
        return leases(arrival)

    return answer


def _high_availability(server: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for hook in server["conf"]["Dhcp4"].get("hooks-libraries", ()):
        for relation in hook.get("parameters", {}).get("high-availability", ()):
            result: Mapping[str, Any] = relation
            return result
    return None
